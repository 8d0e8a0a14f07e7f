// The CSV reader over real retail files: rows and totals that DuckDB gave for the same files.
#include <cmath>
#include <filesystem>
#include <unistd.h>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "codec/file_format.h"

namespace weir::codec {
namespace {

constexpr const char* kData = "../shared/data/retail-by-day.tar.xz";

TEST(RetailFiles, TotalsAsDuckDb) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << "skipped: ../shared/data is absent";
  const std::string folder = testing::TempDir() + fmt::format("weir-retail-{}", ::getpid());
  std::filesystem::create_directories(folder);
  ASSERT_EQ(std::system(fmt::format("tar -xJf {} -C {}", kData, folder).c_str()), 0);
  FileFormatRequest request;
  request.format = "csv";
  request.file_schema = *columnar::parse_ddl_schema(
      "InvoiceNo string, StockCode string, Description string, Quantity int, InvoiceDate "
      "timestamp, UnitPrice double, CustomerID double, Country string, "
      "_corrupt_record string");
  request.options = {{"header", "true"}};
  auto format = *make_file_format(request);
  auto fs = io::local_file_system();
  int64_t rows = 0, quantity = 0, corrupt = 0;
  double total = 0;
  const std::vector<io::FileInfo> files = *fs->list_recursive(folder);
  for (const io::FileInfo& file : files) {
    if (!file.name.ends_with(".csv")) continue;
    auto reader = *format->open(*fs, file, {});
    while (true) {
      auto next = reader->next({});
      ASSERT_TRUE(next.ok()) << next.error().to_string();
      if (!*next) break;
      const auto& quantities = static_cast<const arrow::Int32Array&>(*(*next)->column(3));
      const auto& prices = static_cast<const arrow::DoubleArray&>(*(*next)->column(5));
      for (int64_t i = 0; i < (*next)->num_rows(); ++i) {
        if (quantities.IsNull(i) || prices.IsNull(i)) continue;
        quantity += quantities.Value(i);
        total += quantities.Value(i) * prices.Value(i);
      }
      rows += (*next)->num_rows();
    }
    corrupt += reader->counters().corrupt_rows;
  }
  std::filesystem::remove_all(folder);
  EXPECT_EQ(rows, 541909);
  EXPECT_EQ(corrupt, 0);
  EXPECT_EQ(quantity, 5176450);
  EXPECT_LT(std::abs(total - 9747747.934), 0.01);
}

}  // namespace
}  // namespace weir::codec
