// Compares what is read out of CSV files with what real Spark read (tests/golden/csv/answers.json;
// record.py there records it anew).
#include <map>
#include <set>

#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "codec/file_format.h"
#include "codec/golden_kit.h"
#include "io/model_file_system.h"

namespace weir::codec {
namespace {

constexpr const char* kAnswers = "tests/golden/csv/answers.json";

// What is read out of a file, as record.py writes Spark's answers; "error" where that fails.
JsonValue read(const FileFormat& format, const std::string& text) {
  io::ModelFileSystem files(1);
  auto file = files.open_append("/a.csv");
  EXPECT_TRUE(file.ok() && (*file)->append(text).ok() && (*file)->close().ok());
  auto reader = format.open(files, *files.stat("/a.csv"), {});
  if (!reader.ok()) return "error";
  JsonArray rows;
  while (true) {
    auto batch = (*reader)->next({});
    if (!batch.ok()) return "error";
    if (*batch == nullptr) return rows;
    EXPECT_TRUE((*batch)->ValidateFull().ok());
    for (int64_t i = 0; i < (*batch)->num_rows(); ++i) {
      JsonArray row;
      for (const auto& column : (*batch)->columns())
        row.push_back(plain(*column, i));
      rows.push_back(std::move(row));
    }
  }
}

FileFormatRequest request_of(const JsonObject& group) {
  FileFormatRequest request;
  request.format = "csv";
  request.file_schema =
      *columnar::parse_ddl_schema(*base::json_string(group, "schema") + ", _corrupt_record string");
  request.options["columnNameOfCorruptRecord"] = "_corrupt_record";
  for (const auto& [name, value] : *base::json_object(group, "options"))
    request.options[std::string(name)] = std::string(value.get_string());
  return request;
}

TEST(CsvGolden, OddFilesAsSpark) {
  const auto answers = base::parse_json_object(file_text(kAnswers), kAnswers);
  ASSERT_TRUE(answers.ok()) << answers.error().to_string();
  int count = 0;
  for (const JsonValue& entry : *base::json_array(*answers, "groups")) {
    const JsonObject& group = entry.get_object();
    const std::string what =
        *base::json_string(group, "schema") + " " + base::json_text(*group.if_contains("options"));
    const auto format = make_file_format(request_of(group));
    ASSERT_TRUE(format.ok()) << what << " " << format.error().to_string();
    for (const JsonValue& one : *base::json_array(group, "cases")) {
      ++count;
      const std::string text = input_of(one.get_object());
      EXPECT_EQ(base::json_text(read(**format, text)),
                base::json_text(*one.get_object().if_contains("out")))
          << what << "\n"
          << base::json_text(JsonValue(text));
    }
  }
  EXPECT_GT(count, 3000);
}

}  // namespace
}  // namespace weir::codec
