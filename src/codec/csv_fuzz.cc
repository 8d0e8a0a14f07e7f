// Any bytes to the CSV decoder, with any options: no crash, and batches that Arrow finds valid.
#include <cstdint>
#include <cstdlib>

#include <arrow/record_batch.h>

#include "codec/csv_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  if (size < 3) return 0;
  static const columnar::Schema schema = *columnar::parse_ddl_schema(
      "a int, b string, c double, d timestamp, e date, f decimal(10,2), g boolean, h binary, i "
      "float, j timestamp_ntz, _corrupt_record string");
  codec::CsvOptions options;
  const uint8_t flags = data[0];
  options.multi_line = flags & 1;
  options.header = flags & 2;
  options.ignore_leading_blanks = flags & 4;
  options.ignore_trailing_blanks = flags & 8;
  options.escape = flags & 16 ? '"' : '\\';
  options.separator = flags & 32 ? "||" : ",";
  options.comment = flags & 64 ? '#' : '\0';
  options.quote = flags & 128 ? '\0' : '"';
  options.null_value = data[1] & 1 ? "NA" : "";
  auto decoder = std::move(codec::CsvDecoder::create(schema, schema, options)).value();
  decoder->begin_file();
  const std::vector<char> copy(data + 2, data + size);
  if (!decoder->append(std::string_view(copy.data(), copy.size())).ok()) std::abort();
  auto batch = std::move(decoder->finish()).value();
  if (!batch->ValidateFull().ok()) std::abort();
  return 0;
}
