#include "python/conversation.h"

#include <cerrno>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <sys/socket.h>

#include "columnar/arrow_adapter.h"
#include "python/run_header.h"

namespace weir::python {

namespace {

using base::ErrorKind;

constexpr int64_t kPartBytesMax = int64_t{1} << 30;  // of one message or frame
constexpr int64_t kUnreadMax = int64_t{16} << 20;    // then the worker has to wait

int32_t read_big_endian(const uint8_t* bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value = value << 8 | bytes[i];
  return static_cast<int32_t>(value);
}

}  // namespace

base::Error python_exception(std::string_view traceback) {
  std::string text(traceback);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  const size_t line = text.rfind('\n');
  const auto last = line == std::string::npos ? text : text.substr(line + 1);
  return base::error(ErrorKind::kInvalidArgument, "{}: \n{}\n", last, text)
      .with_class("PYTHON_EXCEPTION")
      .with_sql_state("38000")
      .with_parameter("msg", last)
      .with_parameter("traceback", text);
}

base::Error nonsense(std::string_view what) {
  return base::error(ErrorKind::kCorruption, "the Python worker does not keep to the protocol: {}",
                     what);
}

class Conversation::Listener final : public arrow::ipc::Listener {
 public:
  arrow::Status OnRecordBatchDecoded(std::shared_ptr<arrow::RecordBatch> batch) override {
    ARROW_RETURN_NOT_OK(batch->ValidateFull());
    batches.push_back(std::move(batch));
    return arrow::Status::OK();
  }
  arrow::Status OnEOS() override {
    ended = true;
    return arrow::Status::OK();
  }
  std::vector<BatchPtr> batches;
  bool ended = false;
};

Conversation::Conversation(WorkerPtr worker, int version, const std::string& header)
    : worker_(std::move(worker)), times_bytes_(version >= 402 ? 6 * 8 : 5 * 8) {
  send(header);
  expect(State::kLength, 4);
}

Conversation::~Conversation() = default;

void Conversation::send(std::string bytes) { send(arrow::Buffer::FromString(std::move(bytes))); }

void Conversation::send(std::shared_ptr<arrow::Buffer> bytes) {
  if (bytes->size() == 0) return;
  unsent_ += bytes->size();
  output_.push_back(std::move(bytes));
}

void Conversation::end_input() {
  WireBytes end;
  end.put_int(kEndOfStream);
  send(end.take());
  input_ended_ = true;
}

bool Conversation::wants_read() const {
  return state_ != State::kEnded && answer_bytes_ < kUnreadMax;
}

Result<void> Conversation::advance() {
  write_some();
  return read_some();
}

void Conversation::write_some() {
  while (!output_.empty()) {
    const auto& first = *output_.front();
    const auto left = static_cast<size_t>(first.size() - output_at_);
    const auto sent =
        ::send(socket(), first.data() + output_at_, left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (sent < 0) {
      // The worker is gone; what it said before tells why.
      output_.clear();
      output_at_ = unsent_ = 0;
      return;
    }
    moved_ += sent;
    unsent_ -= sent;
    output_at_ += sent;
    if (output_at_ == first.size()) {
      output_.pop_front();
      output_at_ = 0;
    }
  }
}

base::Error Conversation::gone() const {
  const auto how = worker_->how_ended();
  return base::error(ErrorKind::kUnavailable,
                     "Python worker exited unexpectedly (crashed){}. It may have run out of memory "
                     "(weir serve --python-memory-mb), or the function ended the process",
                     how.empty() ? "" : ": " + how);
}

void Conversation::expect(State state, int64_t bytes) {
  state_ = state;
  buffer_at_ = 0;
  auto made = arrow::AllocateBuffer(bytes);
  buffer_ = made.ok() ? std::shared_ptr<arrow::Buffer>(std::move(*made)) : nullptr;
}

Result<void> Conversation::read_some() {
  while (wants_read()) {
    if (!buffer_)
      return base::error(ErrorKind::kResourceExhausted, "no memory for what a Python worker says");
    while (buffer_at_ < buffer_->size()) {
      const auto got = ::recv(socket(), buffer_->mutable_data() + buffer_at_,
                              static_cast<size_t>(buffer_->size() - buffer_at_), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
      if (got <= 0) return gone();
      buffer_at_ += got;
      moved_ += got;
    }
    WEIR_TRY(on_bytes());
  }
  return {};
}

Result<void> Conversation::on_length(int32_t length) {
  switch (length) {
    case kStartArrowStream:
      if (decoder_) return nonsense("a second Arrow stream");
      listener_ = std::make_shared<Listener>();
      decoder_ = std::make_unique<arrow::ipc::StreamDecoder>(listener_);
      expect(State::kArrow, decoder_->next_required_size());
      return {};
    case kTimingData:
      expect(State::kTimes, times_bytes_);
      return {};
    case kEndOfDataSection:
      if (data_ended_) {  // instead of the end: not to be used again
        state_ = State::kEnded;
        return {};
      }
      expect(State::kAccumulators, 4);
      return {};
    case kEndOfStream:
      if (!data_ended_) return nonsense("an end without accumulators");
      reusable_ = input_ended_ && unsent_ == 0;
      state_ = State::kEnded;
      return {};
    case kPythonException:
      expect(State::kTracebackLength, 4);
      return {};
    default:
      if (length < 0) return nonsense(fmt::format("length {}", length));
      if (length == 0) return nonsense("an empty frame");
      if (decoder_) return nonsense("pickled rows after Arrow");
      if (length > kPartBytesMax) return nonsense("a frame of more than a gigabyte");
      expect(State::kPickle, length);
      return {};
  }
}

Result<void> Conversation::on_bytes() {
  const auto number = [&] { return read_big_endian(buffer_->data()); };
  const auto text = [&] {
    return std::string(reinterpret_cast<const char*>(buffer_->data()),
                       static_cast<size_t>(buffer_->size()));
  };
  switch (state_) {
    case State::kLength:
      return on_length(number());
    case State::kArrow: {
      const auto consumed = decoder_->Consume(buffer_);
      if (!consumed.ok()) return nonsense(consumed.ToString());
      for (auto& batch : listener_->batches) {
        const auto size = arrow::util::TotalBufferSize(*batch);
        answer_bytes_ += size;
        answer_sizes_.push_back(size);
        answers_.push_back({std::move(batch), {}});
      }
      listener_->batches.clear();
      const auto next = decoder_->next_required_size();
      if (listener_->ended) {
        expect(State::kLength, 4);
      } else if (next <= 0 || next > kPartBytesMax) {
        return nonsense(fmt::format("an Arrow message of {} bytes", next));
      } else {
        expect(State::kArrow, next);
      }
      return {};
    }
    case State::kPickle:
      answer_bytes_ += buffer_->size();
      answer_sizes_.push_back(buffer_->size());
      answers_.push_back({nullptr, text()});
      expect(State::kLength, 4);
      return {};
    case State::kTracebackLength: {
      constexpr int kTracebackMax = 64 << 20;
      const auto length = number();
      if (length < 0 || length > kTracebackMax) return nonsense("the length of a traceback");
      if (length == 0) return python_exception("");
      expect(State::kTraceback, length);
      return {};
    }
    case State::kTraceback:
      return python_exception(text());
    case State::kTimes:
      expect(State::kLength, 4);
      return {};
    case State::kAccumulators:
      // Accumulators belong to RDDs, which Spark Connect has none of.
      if (number() != 0) return nonsense("accumulators");
      data_ended_ = true;
      expect(State::kLength, 4);
      return {};
    default:
      return nonsense("more than was asked for");
  }
}

Answer Conversation::take_answer() {
  auto answer = std::move(answers_.front());
  answers_.pop_front();
  answer_bytes_ -= answer_sizes_.front();
  answer_sizes_.pop_front();
  return answer;
}

WorkerPtr Conversation::release() { return reusable_ ? std::move(worker_) : nullptr; }

}  // namespace weir::python
