// The 22 TPC-H queries against DuckDB's own answers on the same files.
//
// The texts come out of ../shared/data/spark-test-data.tar.xz (skipped where it is not there).
// WEIR_TPCH_SCALE sets the size (0.01), WEIR_TPCH_TIMES=1 prints CPU seconds of both.
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <duckdb.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include "columnar/arrow_types.h"
#include "relational/plan_maker.h"
#include "relational/scan_source.h"
#include "relational/tpch_data.h"

namespace weir::relational {
namespace {

namespace fs = std::filesystem;

class FileStream final : public BatchStream {
 public:
  FileStream(const std::string& path, columnar::Schema schema, const std::vector<int>& columns)
      : schema_(std::move(schema)) {
    auto file = *arrow::io::ReadableFile::Open(path);
    parquet::arrow::FileReaderBuilder builder;
    (void)builder.Open(file);
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(65536);
    builder.properties(properties);
    file_ = *builder.Build();
    std::vector<int> groups;
    for (int i = 0; i < file_->num_row_groups(); ++i)
      groups.push_back(i);
    reader_ = *file_->GetRecordBatchReader(groups, columns);
  }
  const columnar::Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token) override {
    BatchPtr batch;
    if (!reader_->ReadNext(&batch).ok())
      return base::error(base::ErrorKind::kIo, "reading a table of the test");
    return batch;
  }

 private:
  columnar::Schema schema_;
  std::unique_ptr<parquet::arrow::FileReader> file_;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
};

class FileTable final : public ScanSource {
 public:
  FileTable(std::string path, columnar::Schema schema, int64_t rows, bool direct)
      : path_(std::move(path)), schema_(std::move(schema)), rows_(rows), direct_(direct) {}
  const columnar::Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return "parquet"; }
  std::string description() const override { return "parquet " + path_; }
  std::optional<int64_t> rows_estimate() const override { return rows_; }
  std::optional<PlainParquet> plain_parquet(const std::vector<int>& columns,
                                            const plan::TypedPtr&) const override {
    if (!direct_) return std::nullopt;
    PlainParquet files{{path_}, {}};
    for (const int column : columns)
      files.names.push_back(schema_.fields()[static_cast<size_t>(column)].name);
    return files;
  }
  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr&,
                                                         int) const override {
    std::vector<columnar::Field> fields;
    for (const int column : columns)
      fields.push_back(schema_.fields()[static_cast<size_t>(column)]);
    std::vector<std::unique_ptr<BatchStream>> streams;
    streams.push_back(std::make_unique<FileStream>(
        path_, columnar::Schema::structure(std::move(fields)), columns));
    return streams;
  }

 private:
  std::string path_;
  columnar::Schema schema_;
  int64_t rows_;
  bool direct_;
};

fs::path queries_folder() {
  const auto shared = fs::absolute("../shared/data/spark-test-data.tar.xz");
  if (!fs::exists(shared)) return {};
  const auto folder = fs::temp_directory_path() / "weir-tpch-queries";
  if (!fs::exists(folder / "done")) {
    fs::create_directories(folder);
    if (std::system(("tar -xJf '" + shared.string() + "' -C '" + folder.string() + "'").c_str()) !=
        0)
      return {};
    std::ofstream(folder / "done") << "1";
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() && entry.path().filename() == "tpch") return entry.path();
  }
  return {};
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

using Rows = std::vector<std::vector<std::string>>;

class TpchTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const char* given = std::getenv("WEIR_TPCH_SCALE");
    const double scale = given ? std::atof(given) : 0.01;
    folder_ = fs::temp_directory_path() / fmt::format("weir-tpch-{}", scale);
    ASSERT_EQ(duckdb_open(nullptr, &database_), DuckDBSuccess);
    ASSERT_EQ(duckdb_connect(database_, &duck_), DuckDBSuccess);
    query("SET threads = 2");
    for (const auto& macro : tpch::macros())
      query(macro);
    const bool made = fs::exists(folder_ / "done");
    fs::create_directories(folder_);
    for (const auto& table : tpch::tables()) {
      auto select = table.select;
      const std::pair<std::string, double> sizes[] = {{"{suppliers}", 10000},
                                                      {"{customers}", 150000},
                                                      {"{parts}", 200000},
                                                      {"{orders}", 1500000}};
      for (const auto& [name, rows] : sizes) {
        for (size_t at = select.find(name); at != std::string::npos; at = select.find(name))
          select.replace(at, name.size(), fmt::format("{}", static_cast<int64_t>(rows * scale)));
      }
      const auto path = (folder_ / (table.name + ".parquet")).string();
      if (!made) query(fmt::format("COPY ({}) TO '{}' (FORMAT parquet)", select, path));
      query(fmt::format("CREATE VIEW {} AS SELECT * FROM read_parquet('{}')", table.name, path));
    }
    std::ofstream(folder_ / "done") << "1";
  }
  static void TearDownTestSuite() {
    duckdb_disconnect(&duck_);
    duckdb_close(&database_);
  }

  static Rows query(const std::string& sql) {
    duckdb_result result;
    const auto state = duckdb_query(duck_, sql.c_str(), &result);
    EXPECT_EQ(state, DuckDBSuccess) << sql << "\n" << duckdb_result_error(&result);
    Rows rows;
    for (idx_t row = 0; state == DuckDBSuccess && row < duckdb_row_count(&result); ++row) {
      rows.emplace_back();
      for (idx_t column = 0; column < duckdb_column_count(&result); ++column) {
        char* text = duckdb_value_varchar(&result, column, row);
        rows.back().push_back(text ? text : "NULL");
        duckdb_free(text);
      }
    }
    duckdb_destroy_result(&result);
    return rows;
  }

  Result<Rows> run(const std::string& sql, bool direct) {
    TestCatalog catalog;
    for (const auto& table : tpch::tables()) {
      const auto path = (folder_ / (table.name + ".parquet")).string();
      const auto rows = parquet::ParquetFileReader::OpenFile(path)->metadata()->num_rows();
      catalog.tables[table.name] = std::make_shared<FileTable>(
          path, columnar::parse_ddl_schema(table.ddl).value(), rows, direct);
    }
    const ExecutionContext context{*engine_, {}, nullptr, {}};
    WEIR_ASSIGN(const auto optimized, plan_of(sql, catalog, context.eval));
    if (std::getenv("WEIR_TPCH_PLANS")) {
      std::cout << plan::plan_text(*optimized) << "\n";
      auto text = physical_text(optimized, context);
      std::cout << (text.ok() ? *text : text.error().to_string()) << "\n";
    }
    WEIR_ASSIGN(auto stream, execute(optimized, context));
    Rows rows;
    auto zone = eval::Zone::find("UTC").value();
    while (true) {
      WEIR_ASSIGN(const auto batch, stream->next({}));
      if (!batch) return rows;
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        rows.emplace_back();
        for (int i = 0; i < batch->num_columns(); ++i) {
          std::string text;
          if (batch->column(i)->IsNull(row)) {
            text = "NULL";
          } else {
            eval::append_text(stream->schema().fields()[static_cast<size_t>(i)].type(),
                              *batch->column(i), row, zone, true, text);
          }
          rows.back().push_back(std::move(text));
        }
      }
    }
  }

  static bool same(const std::string& a, const std::string& b) {
    if (a == b) return true;
    char* end_a = nullptr;
    char* end_b = nullptr;
    const double x = std::strtod(a.c_str(), &end_a), y = std::strtod(b.c_str(), &end_b);
    if (*end_a || *end_b || a.empty() || b.empty()) return false;
    return std::abs(x - y) <=
           1e-6 + 1e-6 * std::abs(y);  // DuckDB's averages of decimals are doubles
  }

  static fs::path folder_;
  static duckdb_database database_;
  static duckdb_connection duck_;
  std::unique_ptr<DuckEngine> engine_ = [] {
    DuckOptions options;
    options.memory_bytes = int64_t{4} << 30;
    options.readable_folders = {folder_.string()};
    return DuckEngine::open(options).value();
  }();
};

fs::path TpchTest::folder_;
duckdb_database TpchTest::database_ = nullptr;
duckdb_connection TpchTest::duck_ = nullptr;

// bench/tpch.py runs this one alone, for the files.
TEST_F(TpchTest, TablesAreMade) {
  for (const auto& table : tpch::tables())
    EXPECT_NE(query("SELECT count(*) FROM " + table.name)[0][0], "0") << table.name;
}

TEST_F(TpchTest, AgreesWithDuckDb) {
  const auto folder = queries_folder();
  if (folder.empty()) GTEST_SKIP() << "no ../shared/data/spark-test-data.tar.xz";
  double ours[2] = {}, theirs = 0;
  for (int number = 1; number <= 22; ++number) {
    const char* only = std::getenv("WEIR_TPCH_ONLY");
    if (only && std::atoi(only) != number) continue;
    const auto sql = text_of(folder / fmt::format("q{}.sql", number));
    double before = cpu_seconds();
    const auto expected = query(sql);
    const double duck = cpu_seconds() - before;
    theirs += duck;
    double spent[2] = {};
    for (const bool direct : {true, false}) {
      before = cpu_seconds();
      const auto actual = run(sql, direct);
      spent[direct ? 0 : 1] = cpu_seconds() - before;
      ours[direct ? 0 : 1] += spent[direct ? 0 : 1];
      ASSERT_TRUE(actual.ok()) << "query " << number << ": " << actual.error().to_string();
      ASSERT_EQ(actual->size(), expected.size()) << "query " << number;
      for (size_t row = 0; row < expected.size(); ++row) {
        ASSERT_EQ((*actual)[row].size(), expected[row].size()) << "query " << number;
        for (size_t i = 0; i < expected[row].size(); ++i)
          EXPECT_TRUE(same((*actual)[row][i], expected[row][i]))
              << "query " << number << ", row " << row << ", column " << i << ": "
              << (*actual)[row][i] << " instead of " << expected[row][i];
      }
    }
    if (std::getenv("WEIR_TPCH_TIMES"))
      std::cout << fmt::format("q{}: {} rows, DuckDB {:.3f} s, files {:.3f} s, streams {:.3f} s\n",
                               number, expected.size(), duck, spent[0], spent[1]);
  }
  if (std::getenv("WEIR_TPCH_TIMES"))
    std::cout << fmt::format("total: DuckDB {:.2f} s, files {:.2f} s, streams {:.2f} s\n", theirs,
                             ours[0], ours[1]);
}

}  // namespace
}  // namespace weir::relational
