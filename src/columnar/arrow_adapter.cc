#include "columnar/arrow_adapter.h"

#include <algorithm>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>

namespace weir::columnar {

namespace {

using base::Error;
using base::ErrorKind;

// Carries one of our errors through Arrow unchanged.
class ErrorDetail final : public arrow::StatusDetail {
 public:
  explicit ErrorDetail(Error error) : error_(std::move(error)) {}
  const char* type_id() const override { return "weir::base::Error"; }
  std::string ToString() const override { return error_.to_string(); }
  const Error& error() const { return error_; }

 private:
  Error error_;
};

arrow::Status to_arrow_status(const Error& error) {
  return arrow::Status::FromDetailAndArgs(arrow::StatusCode::IOError,
                                          std::make_shared<ErrorDetail>(error), error.message());
}

class OutputStream final : public arrow::io::OutputStream {
 public:
  explicit OutputStream(io::WritableFile& file) : file_(file), start_(file.size()) {}

  arrow::Status Write(const void* data, int64_t length) override {
    auto written =
        file_.append(std::string_view(static_cast<const char*>(data), static_cast<size_t>(length)));
    if (!written.ok()) return to_arrow_status(written.error());
    position_ += length;
    return arrow::Status::OK();
  }
  using arrow::io::OutputStream::Write;
  arrow::Status Flush() override { return arrow::Status::OK(); }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Tell() const override { return start_ + position_; }
  bool closed() const override { return closed_; }

 private:
  io::WritableFile& file_;
  int64_t start_;
  int64_t position_ = 0;
  bool closed_ = false;
};

class InputFile final : public arrow::io::RandomAccessFile {
 public:
  InputFile(std::shared_ptr<io::ReadableFile> file, int64_t size)
      : file_(std::move(file)), size_(size) {}

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    if (position < 0 || position > size_)
      return arrow::Status::Invalid("seek to ", position, " in a file of ", size_, " bytes");
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return size_; }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t length, void* out) override {
    auto count = file_->read_at(position, length, out);
    if (!count.ok()) return to_arrow_status(count.error());
    return *count;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t length) override {
    // A damaged footer may ask for more than there is; never allocate past the file's end.
    length = std::clamp<int64_t>(length, 0, std::max<int64_t>(0, size_ - position));
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(length));
    ARROW_ASSIGN_OR_RAISE(int64_t count, ReadAt(position, length, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(count));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t length, void* out) override {
    ARROW_ASSIGN_OR_RAISE(int64_t count, ReadAt(position_, length, out));
    position_ += count;
    return count;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, length));
    position_ += buffer->size();
    return buffer;
  }

 private:
  std::shared_ptr<io::ReadableFile> file_;
  int64_t size_;
  int64_t position_ = 0;
  bool closed_ = false;
};

ErrorKind kind_of(arrow::StatusCode code) {
  switch (code) {
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
      return ErrorKind::kResourceExhausted;
    case arrow::StatusCode::KeyError:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::IndexError:
      return ErrorKind::kInvalidArgument;
    // Arrow says Invalid where the bytes of a file are not what their format says, and of bad
    // arguments.
    case arrow::StatusCode::Invalid:
      return ErrorKind::kCorruption;
    case arrow::StatusCode::IOError:
      return ErrorKind::kIo;
    case arrow::StatusCode::Cancelled:
      return ErrorKind::kCancelled;
    case arrow::StatusCode::SerializationError:
      return ErrorKind::kCorruption;
    case arrow::StatusCode::NotImplemented:
      return ErrorKind::kUnsupported;
    case arrow::StatusCode::AlreadyExists:
      return ErrorKind::kAlreadyExists;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

Error from_arrow_status(const arrow::Status& status) {
  if (const auto& detail = status.detail();
      detail && std::string_view(detail->type_id()) == "weir::base::Error") {
    return static_cast<const ErrorDetail&>(*detail).error();
  }
  return Error(kind_of(status.code()), status.message());
}

std::shared_ptr<arrow::io::OutputStream> arrow_output(io::WritableFile& file) {
  return std::make_shared<OutputStream>(file);
}

base::Result<std::shared_ptr<arrow::io::RandomAccessFile>> arrow_input(
    std::shared_ptr<io::ReadableFile> file) {
  WEIR_ASSIGN(int64_t size, file->size());
  return std::shared_ptr<arrow::io::RandomAccessFile>(
      std::make_shared<InputFile>(std::move(file), size));
}

}  // namespace weir::columnar
