#include "source/socket_source.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include <arrow/array.h>
#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/logging.h"
#include "base/parse_integer.h"
#include "codec/json_slow.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "io/stream_socket.h"
#include "source/memory_source.h"

namespace weir::source {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::TypeKind;

namespace {

constexpr size_t kBytesHeldMax = 64 << 20;
constexpr int64_t kWaitMs = 1000;

struct Line {
  std::string text;
  int64_t at_us = 0;
};

Result<int64_t> parse_offset(std::string_view text) {
  const auto offset = base::parse_integer(text);
  if (!offset || *offset < -1)
    return error(ErrorKind::kCorruption, "'{}' is not an offset of a socket source", text);
  return *offset;
}

class SocketSource final : public Source {
 public:
  SocketSource(base::Clock& clock, std::string host, int port, bool with_timestamp, int64_t parts)
      : clock_(clock), host_(std::move(host)), port_(port), parts_(parts) {
    std::vector<columnar::Field> fields{
        columnar::make_field("value", DataType::of(TypeKind::kString))};
    if (with_timestamp)
      fields.push_back(columnar::make_field("timestamp", DataType::of(TypeKind::kTimestamp)));
    schema_ = DataType::structure(std::move(fields));
  }
  ~SocketSource() override { interrupt(); }

  const Schema& schema() const override { return schema_; }
  std::string description() const override {
    return fmt::format("TextSocketV2[host: {}, port: {}]", host_, port_);
  }
  bool replayable() const override { return false; }

  Result<void> open(const std::string&) override {
    io::TcpOptions options;
    options.cancel = cancel_;
    WEIR_ASSIGN(socket_, io::connect_tcp(host_, port_, options));
    reader_ = std::jthread([this] { read_lines(stop_.get_token()); });
    return {};
  }
  Result<std::string> initial_offset() override { return std::string("-1"); }
  Result<void> prepare_available_now() override {
    std::lock_guard lock(mutex_);
    frozen_lines_ = first_ + static_cast<int64_t>(lines_.size());
    return {};
  }
  Result<LatestOffset> latest_offset(const std::string& start, bool) override {
    WEIR_ASSIGN(const int64_t from, parse_offset(start));
    std::lock_guard lock(mutex_);
    take_up(from);
    const int64_t last = frozen_lines_.value_or(first_ + static_cast<int64_t>(lines_.size())) - 1;
    return LatestOffset{.end = last <= from ? start : std::to_string(last),
                        .latest = std::to_string(std::max(from, last))};
  }
  Result<std::vector<std::unique_ptr<PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override;
  Result<void> commit(const std::string& end) override {
    WEIR_ASSIGN(const int64_t to, parse_offset(end));
    std::lock_guard lock(mutex_);
    while (!lines_.empty() && first_ <= to) {
      bytes_held_ -= lines_.front().text.size() + sizeof(Line);
      lines_.pop_front();
      ++first_;
    }
    room_.notify_all();
    return {};
  }
  void interrupt() override {
    cancel_->set();
    stop_.request_stop();
  }
  std::map<std::string, std::string> metrics(const std::string&) const override { return {}; }

 private:
  // Lines of this process count on from where the query stands, once.
  void take_up(int64_t from) {
    if (taken_up_) return;
    taken_up_ = true;
    if (from < 0) return;
    base::log_warn("lines that {} sent before the restart and that were not committed are lost",
                   description());
    first_ += from + 1;
    if (frozen_lines_) *frozen_lines_ += from + 1;
  }
  void read_lines(std::stop_token stop);
  void add(std::string text);

  base::Clock& clock_;
  const std::string host_;
  const int port_;
  const int64_t parts_;
  Schema schema_ = Schema::structure({});
  std::shared_ptr<io::WakeEvent> cancel_ = std::make_shared<io::WakeEvent>();
  std::unique_ptr<io::StreamSocket> socket_;
  std::stop_source stop_;  // not the thread's own: interrupt() may come while open() starts it

  std::mutex mutex_;
  std::condition_variable_any room_;
  std::deque<Line> lines_;
  int64_t first_ = 0;  // number of lines_.front()
  size_t bytes_held_ = 0;
  bool taken_up_ = false;
  std::optional<int64_t> frozen_lines_;
  std::jthread reader_;  // the last member: it uses the others
};

void SocketSource::add(std::string text) {
  if (text.ends_with('\r')) text.pop_back();
  Line line{codec::replace_invalid_utf8(text), clock_.now_us() / 1000 * 1000};
  std::lock_guard lock(mutex_);
  bytes_held_ += line.text.size() + sizeof(Line);
  lines_.push_back(std::move(line));
}

void SocketSource::read_lines(std::stop_token stop) {
  std::string begun;
  std::vector<char> buffer(1 << 16);
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      if (!room_.wait(lock, stop, [&] { return bytes_held_ < kBytesHeldMax; })) return;
    }
    const auto count = socket_->read_some(buffer.data(), buffer.size(), kWaitMs);
    if (!count.ok() && count.error().kind() == ErrorKind::kTimeout) continue;
    if (!count.ok() && count.error().kind() == ErrorKind::kCancelled) return;
    if (!count.ok()) {
      base::log_warn("stream closed by {}: {}", socket_->peer(), count.error().message());
      if (!begun.empty()) add(std::move(begun));
      return;
    }
    std::string_view bytes(buffer.data(), *count);
    for (size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
      begun += bytes.substr(0, end);
      add(std::exchange(begun, {}));
      bytes.remove_prefix(end + 1);
    }
    begun += bytes;
    if (begun.size() > kBytesHeldMax) {
      base::log_error("{} sent a line of more than {} bytes; no more is read from it",
                      socket_->peer(), kBytesHeldMax);
      return;
    }
  }
}

Result<std::vector<std::unique_ptr<PartitionReader>>> SocketSource::plan(
    const std::string& start, const std::string& end, const std::vector<std::string>& columns) {
  WEIR_ASSIGN(const int64_t from, parse_offset(start));
  WEIR_ASSIGN(const int64_t to, parse_offset(end));
  std::vector<std::unique_ptr<PartitionReader>> readers;
  std::lock_guard lock(mutex_);
  take_up(to);  // where this is the first call, the batch was begun before a restart
  const int64_t begin = std::max(from + 1, first_);
  const int64_t past = std::min(to + 1, first_ + static_cast<int64_t>(lines_.size()));
  for (int64_t part = 0; part < std::min(parts_, past - begin); ++part) {
    arrow::StringBuilder values;
    arrow::TimestampBuilder times(arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
                                  arrow::default_memory_pool());
    for (int64_t i = begin + part; i < past; i += parts_) {
      const Line& line = lines_[static_cast<size_t>(i - first_)];
      WEIR_ARROW_TRY(values.Append(line.text));
      WEIR_ARROW_TRY(times.Append(line.at_us));
    }
    arrow::ArrayVector arrays(2);
    WEIR_ARROW_ASSIGN(arrays[0], values.Finish());
    WEIR_ARROW_ASSIGN(arrays[1], times.Finish());
    arrays.resize(schema_.fields().size());
    const int64_t rows = arrays[0]->length();
    const auto batch =
        arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), rows, std::move(arrays));
    WEIR_ASSIGN(auto selected, select_columns(batch, columns));
    readers.push_back(make_batch_reader({std::move(selected)}));
  }
  return readers;
}

}  // namespace

Result<std::unique_ptr<Source>> make_socket_source(base::Clock& clock,
                                                   const std::map<std::string, std::string>& values,
                                                   UnknownOptions unknown) {
  Options options(values, unknown);
  const auto host = options.take("host");
  if (!host)
    return error(ErrorKind::kInvalidArgument,
                 "Set a host to read from with option(\"host\", ...).");
  WEIR_ASSIGN(const auto port, options.take_integer("port", 0));
  if (!port)
    return error(ErrorKind::kInvalidArgument,
                 "Set a port to read from with option(\"port\", ...).");
  WEIR_ASSIGN(const auto with_timestamp, options.take_boolean("includeTimestamp"));
  WEIR_ASSIGN(const auto parts, options.take_integer("numPartitions", 1));
  WEIR_TRY(options.require_all_taken("a socket source"));
  if (*port > 65535)
    return error(ErrorKind::kInvalidArgument, "option port: {} is not a port", *port);
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  return std::unique_ptr<Source>(
      std::make_unique<SocketSource>(clock, *host, static_cast<int>(*port),
                                     with_timestamp.value_or(false), parts.value_or(cores)));
}

}  // namespace weir::source
