// Any bytes to the JSON decoder: no crash, and batches that Arrow finds valid. Where the fast path
// takes a record, the slow path has to give the same rows.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/record_batch.h>

#include "codec/json_decoder.h"
#include "codec/json_slow.h"

namespace {

using namespace weir;

constexpr const char* kSchema =
    "a int, b string, c array<int>, s struct<x: int, y: double, z: array<struct<q: string>>>, m "
    "map<string, map<string, bigint>>, t timestamp, d date, "
    "e decimal(20,3), f float, g binary, h boolean, i tinyint, n void, u timestamp_ntz, "
    "_corrupt_record string";

void check(bool condition) {
  if (!condition) std::abort();
}

void run(std::string_view text, bool from_files) {
  static const columnar::Schema schema = *columnar::parse_ddl_schema(kSchema);
  codec::JsonOptions options;
  options.from_files = from_files;
  auto decoder = std::move(codec::JsonDecoder::create(schema, options)).value();
  for (int round = 0; round < 2; ++round) {
    // Twice, so that the second record is guessed from the first.
    check((from_files ? decoder->append_lines(text, 0) : decoder->append(text, 0)).ok());
  }
  const bool fast = decoder->slow_records() == 0 && !from_files;
  auto batch = std::move(decoder->finish()).value();
  if (const auto valid = batch->ValidateFull(); !valid.ok()) {
    std::fprintf(stderr, "%s\n", valid.ToString().c_str());
    std::abort();
  }
  if (!fast || batch->num_rows() != 2) return;
  std::vector<columnar::Field> fields(schema.fields().begin(), schema.fields().end() - 1);
  const auto row_type = columnar::Schema::structure(fields);
  auto formats = std::move(codec::DatetimeFormats::create("", "", "", "UTC")).value();
  codec::JsonSlowParser slow(options, formats);
  auto parsed = slow.parse(text, row_type);
  check(!parsed.bad && parsed.rows.size() == 1);
  auto writer = std::move(codec::ColumnWriter::create(row_type)).value();
  writer->reserve(1);
  codec::write_tree(parsed.rows[0], *writer, 0);
  auto data = writer->finish(1);
  const auto equal = arrow::EqualOptions::Defaults().nans_equal(true).signed_zeros_equal(false);
  for (int i = 0; i < batch->num_columns() - 1; ++i) {
    auto expected = arrow::MakeArray(data->child_data[static_cast<size_t>(i)]);
    check(batch->column(i)->Slice(0, 1)->Equals(*expected, equal));
    check(batch->column(i)->Slice(1, 1)->Equals(*expected, equal));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A buffer of the exact size, so that reading past it is seen.
  const std::vector<char> copy(data, data + size);
  const std::string_view text(copy.data(), copy.size());
  run(text, false);
  run(text, true);
  return 0;
}
