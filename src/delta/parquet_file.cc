#include "delta/parquet_file.h"

#include <unordered_set>

#include <arrow/array.h>
#include <arrow/io/buffered.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>
#include <parquet/properties.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using ArrayPtr = std::shared_ptr<arrow::Array>;

constexpr int64_t kSampleRows = 2048;
constexpr int64_t kSampleRowsMin = 16;
constexpr int64_t kOutputBufferBytes = 256 * 1024;

arrow::Compression::type arrow_compression(ParquetCompression compression) {
  switch (compression) {
    case ParquetCompression::kUncompressed:
      return arrow::Compression::UNCOMPRESSED;
    case ParquetCompression::kSnappy:
      return arrow::Compression::SNAPPY;
    case ParquetCompression::kZstd:
      return arrow::Compression::ZSTD;
    case ParquetCompression::kGzip:
      return arrow::Compression::GZIP;
  }
  return arrow::Compression::SNAPPY;
}

// Few values repeat: at most one in eight of the sample's rows brings a new one. Only texts gain:
// fixed-width values are small as they are, and snappy finds their runs.
bool repeats(const arrow::Array& array) {
  if (array.type_id() != arrow::Type::STRING && array.type_id() != arrow::Type::BINARY)
    return false;
  const int64_t rows = std::min(array.length(), kSampleRows);
  if (rows < kSampleRowsMin) return false;
  const auto& texts = static_cast<const arrow::BinaryArray&>(array);
  const auto most = static_cast<size_t>(rows / 8);
  std::unordered_set<std::string_view> distinct;
  for (int64_t i = 0; i < rows; ++i) {
    if (texts.IsNull(i)) continue;
    distinct.insert(texts.GetView(i));
    if (distinct.size() > most) return false;
  }
  return true;
}

void choose_encodings(const arrow::Field& field, const arrow::Array& array,
                      const std::string& parent, parquet::WriterProperties::Builder& properties) {
  const std::string path = parent.empty() ? field.name() : parent + "." + field.name();
  if (array.type_id() == arrow::Type::STRUCT) {
    const auto& structure = static_cast<const arrow::StructArray&>(array);
    for (int i = 0; i < structure.num_fields(); ++i) {
      choose_encodings(*array.type()->field(i), *structure.field(i), path, properties);
    }
    return;
  }
  if (repeats(array)) properties.enable_dictionary(path);
  // The log has the bounds of texts; a second set in the footer costs 5 % of encoding and helps
  // nobody.
  if (arrow::is_base_binary_like(array.type_id())) properties.disable_statistics(path);
}

}  // namespace

struct ParquetFile::Encoder {
  std::unique_ptr<io::WritableFile> file;
  std::shared_ptr<arrow::Schema> schema;
  std::shared_ptr<arrow::io::BufferedOutputStream> stream;
  std::unique_ptr<parquet::arrow::FileWriter> writer;
};

ParquetFile::ParquetFile(std::string path, StatisticsCollector statistics)
    : path_(std::move(path)),
      statistics_(std::move(statistics)),
      encoder_(std::make_unique<Encoder>()) {}

ParquetFile::~ParquetFile() {
  if (encoder_->stream == nullptr) return;  // finished
  // Given up: nobody will name this file. Parquet's destructor writes a footer into the buffer; it
  // goes no further.
  try {
    encoder_->writer.reset();
  } catch (...) {
  }
  (void)encoder_->stream->Abort();
}

Result<std::unique_ptr<ParquetFile>> ParquetFile::create(io::FileSystem& fs, std::string path,
                                                         const columnar::Schema& schema,
                                                         const Metadata& metadata,
                                                         const DataFileOptions& options,
                                                         const std::vector<ArrayPtr>& sample) {
  std::unique_ptr<ParquetFile> result(
      new ParquetFile(std::move(path), StatisticsCollector(schema, metadata)));
  Encoder& encoder = *result->encoder_;
  encoder.schema = columnar::to_arrow_schema(schema);
  WEIR_ASSIGN(encoder.file, fs.create(result->path_));

  parquet::WriterProperties::Builder properties;
  properties.compression(arrow_compression(options.compression));
  properties.max_row_group_length(options.row_group_rows);
  properties.disable_dictionary();
  properties.created_by("weir");
  properties.enable_store_decimal_as_integer();
  for (size_t i = 0; i < sample.size(); ++i) {
    choose_encodings(*encoder.schema->field(static_cast<int>(i)), *sample[i], "", properties);
  }
  parquet::ArrowWriterProperties::Builder arrow_properties;
  arrow_properties.set_use_threads(false);
  try {
    auto* pool = arrow::default_memory_pool();
    WEIR_ARROW_ASSIGN(encoder.stream,
                      arrow::io::BufferedOutputStream::Create(
                          kOutputBufferBytes, pool, columnar::arrow_output(*encoder.file)));
    WEIR_ARROW_ASSIGN(encoder.writer, parquet::arrow::FileWriter::Open(
                                          *encoder.schema, pool, encoder.stream, properties.build(),
                                          arrow_properties.build()));
  } catch (const std::exception& exception) {
    return base::error(ErrorKind::kInternal, "data file {}: {}", result->path_, exception.what());
  }
  return result;
}

Result<void> ParquetFile::write(const std::vector<ArrayPtr>& columns, int64_t rows) {
  statistics_.update(columns, rows);
  try {
    const auto batch = arrow::RecordBatch::Make(encoder_->schema, rows, columns);
    WEIR_ARROW_TRY(encoder_->writer->WriteRecordBatch(*batch));
  } catch (const std::exception& exception) {
    return base::error(ErrorKind::kInternal, "data file {}: {}", path_, exception.what());
  }
  return {};
}

Result<void> ParquetFile::finish() {
  try {
    auto writer = std::move(encoder_->writer);
    WEIR_ARROW_TRY(writer->Close());
    WEIR_ARROW_TRY(encoder_->stream->Flush());
    encoder_->stream.reset();
  } catch (const std::exception& exception) {
    return base::error(ErrorKind::kIo, "data file {}: {}", path_, exception.what());
  }
  WEIR_TRY(encoder_->file->sync());
  return encoder_->file->close();
}

int64_t ParquetFile::bytes() const { return encoder_->file->size(); }

}  // namespace weir::delta
