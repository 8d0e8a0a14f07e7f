#include "hub/connection.h"

#include <algorithm>
#include <cstring>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/logging.h"

namespace weir::hub {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int64_t kMemoryRetryMs = 20;
constexpr size_t kApiKeyEnd = 6;  // of a frame's bytes: its size, then whose request it is
constexpr size_t kLargeFrame = Connection::kBaseBufferBytes;

std::string client_address(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

}  // namespace

class Connection::AsioTimer final : public Timer {
 public:
  AsioTimer(std::weak_ptr<Connection> owner, asio::io_context& context, std::function<void()> task)
      : owner_(std::move(owner)), timer_(context), task_(std::move(task)) {}
  ~AsioTimer() override {
    if (const auto owner = owner_.lock()) owner->timers_.erase(this);
  }
  void start(int64_t ms) {
    timer_.expires_after(std::chrono::milliseconds(ms));
    timer_.async_wait([task = task_](error_code error) {
      if (!error) task();
    });
  }
  void fire_now(asio::io_context& context) {
    timer_.cancel();
    asio::post(context, task_);
  }

 private:
  std::weak_ptr<Connection> owner_;
  asio::steady_timer timer_;
  std::function<void()> task_;
};

Connection::Connection(asio::ip::tcp::socket socket, asio::io_context& context, Broker& broker,
                       MemoryBudget& request_memory)
    : context_(context),
      socket_(std::move(socket)),
      broker_(broker),
      request_memory_(request_memory),
      memory_timer_(context),
      buffer_(kBaseBufferBytes),
      last_active_us_(broker.clock.monotonic_us()) {
  broker_.metrics.count_connection(1);
}

Connection::~Connection() { request_memory_.give_back(buffer_taken_); }  // the broker may be gone

void Connection::start() {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto local = socket_.local_endpoint(ignored);
  advertised_host_ = client_address(local.address());
  advertised_port_ = local.port();
  if (const std::string& advertise = broker_.options.advertise; !advertise.empty()) {
    const size_t colon = advertise.rfind(':');
    advertised_host_ = advertise.substr(0, colon);
    if (const int port = std::atoi(advertise.c_str() + colon + 1); port > 0)
      advertised_port_ = static_cast<uint16_t>(port);
  }
  read();
}

void Connection::stop_reading() { stopped_ = true; }

void Connection::close(std::string_view why) {
  if (!open_.exchange(false)) return;
  broker_.metrics.count_connection(-1);
  if (!why.empty()) {
    broker_.metrics.count_refused(why);
    base::log(base::LogLevel::kDebug, "connection=closed reason={}", why);
  }
  error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  memory_timer_.cancel();
  slots_.clear();
  for (AsioTimer* timer : std::exchange(timers_, {}))
    timer->fire_now(context_);
}

bool Connection::may_read() const {
  return open_ && !stopped_ && slots_.size() < static_cast<size_t>(broker_.options.in_flight_max) &&
         unsent_bytes_ < kUnsentBytesMax;
}

void Connection::read() {
  if (reading_ || !may_read()) return;
  reading_ = true;
  // A large frame is read up to its end only, so that the next one starts at the front of the
  // buffer.
  const size_t limit =
      frame_end_ > 0 ? std::min(frame_end_, buffer_.capacity()) : buffer_.capacity();
  socket_.async_read_some(asio::buffer(buffer_.data() + end_, limit - end_),
                          [self = shared_from_this()](error_code error, size_t bytes) {
                            self->reading_ = false;
                            if (error) return self->close();
                            self->on_read(bytes);
                          });
}

void Connection::on_read(size_t bytes) {
  if (!open_) return;
  end_ += bytes;
  last_active_us_ = broker_.clock.monotonic_us();
  if (handle_frames()) read();
}

bool Connection::handle_frames() {
  if (handling_ || reading_) return false;  // a read under way has the buffer
  handling_ = true;
  while (open_ && end_ - begin_ >= 4 && may_read()) {
    const auto size = kafka::load_big<int32_t>(buffer_.data() + begin_);
    if (size < 8 || size > broker_.options.frame_bytes_max) {
      close(size < 8 ? "BAD_FRAME" : "FRAME_TOO_LARGE");
      break;
    }
    if (size > broker_.options.control_frame_bytes_max) {
      if (end_ - begin_ < kApiKeyEnd) break;
      const auto key = kafka::load_big<int16_t>(buffer_.data() + begin_ + 4);
      if (static_cast<kafka::ApiKey>(key) != kafka::ApiKey::kProduce) {
        close("FRAME_TOO_LARGE");
        break;
      }
    }
    const size_t whole = 4 + static_cast<size_t>(size);
    if (end_ - begin_ < whole) {
      handling_ = false;
      return make_room(whole);
    }
    handle_frame({buffer_.data() + begin_ + 4, static_cast<size_t>(size)});
    begin_ += whole;
    frame_end_ = 0;
  }
  handling_ = false;
  if (!open_) return false;
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_taken_ > 0 && request_memory_.used() > request_memory_.limit() / 2) {
      buffer_ = kafka::PaddedBuffer(kBaseBufferBytes);
      request_memory_.give_back(std::exchange(buffer_taken_, 0));
    }
  }
  if (may_read() && end_ - begin_ < kApiKeyEnd && buffer_.capacity() - begin_ < kApiKeyEnd) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return may_read();
}

// Sees to it that the frame at begin_ can be read further: at the front where it would not fit, in
// a buffer that grows with what really arrives, its whole size taken from the budget before.
bool Connection::make_room(size_t frame_bytes) {
  const auto beyond =
      static_cast<int64_t>(frame_bytes > kBaseBufferBytes ? frame_bytes - kBaseBufferBytes : 0);
  if (beyond > buffer_taken_) {
    if (!request_memory_.try_take(beyond - buffer_taken_)) {
      memory_timer_.expires_after(std::chrono::milliseconds(kMemoryRetryMs));
      memory_timer_.async_wait([self = shared_from_this()](error_code error) {
        if (!error && self->open_ && self->handle_frames()) self->read();
      });
      return false;
    }
    buffer_taken_ = beyond;
  }
  if (begin_ > 0 && (frame_bytes > kLargeFrame || begin_ + frame_bytes > buffer_.capacity())) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.capacity()) {
    buffer_.set_size(end_);
    buffer_.reserve(std::min(frame_bytes, 2 * buffer_.capacity()));
  }
  frame_end_ = frame_bytes > kLargeFrame ? begin_ + frame_bytes : 0;
  return true;
}

void Connection::handle_frame(std::string_view frame) {
  kafka::Reader reader(frame);
  auto header = kafka::RequestHeader::decode(reader);
  if (!header.ok()) return close("MALFORMED_REQUEST");
  const uint64_t slot = first_slot_ + slots_.size();
  slots_.emplace_back();
  broker_.handle({std::move(*header), reader.rest(), Reply(weak_from_this(), slot),
                  advertised_host_, advertised_port_});
}

void Connection::reply(uint64_t slot, Frame frame) {
  if (context_.get_executor().running_in_this_thread()) return finish(slot, std::move(frame));
  // Frames are moved only; a shared one lets the task be copied, as std::function wants.
  asio::post(context_,
             [self = shared_from_this(), slot, shared = std::make_shared<Frame>(std::move(frame))] {
               self->finish(slot, std::move(*shared));
             });
}

void Connection::drop(std::string_view why) {
  if (context_.get_executor().running_in_this_thread()) return close(why);
  asio::post(context_, [self = shared_from_this(), why = std::string(why)] { self->close(why); });
}

void Connection::run(std::function<void()> task) { asio::post(context_, std::move(task)); }

std::unique_ptr<Timer> Connection::after(int64_t ms, std::function<void()> task) {
  auto timer = std::make_unique<AsioTimer>(weak_from_this(), context_, std::move(task));
  timers_.insert(timer.get());
  timer->start(ms);
  return timer;
}

void Connection::finish(uint64_t slot, Frame frame) {
  if (!open_ || slot < first_slot_) return;
  Slot& answered = slots_[slot - first_slot_];
  answered.ready = true;
  unsent_bytes_ += static_cast<int64_t>(frame.size());
  answered.frame = std::move(frame);
  write();
}

void Connection::write() {
  if (writing_ || !open_) return;
  while (!slots_.empty() && slots_.front().ready) {
    if (!slots_.front().frame.pieces.empty()) sending_.push_back(std::move(slots_.front().frame));
    slots_.pop_front();
    ++first_slot_;
  }
  if (sending_.empty()) {
    // Requests without an answer: their places are free again.
    if (!handling_ && handle_frames()) read();
    return;
  }
  std::vector<asio::const_buffer> buffers;
  for (const Frame& frame : sending_)
    for (const Frame::Piece& piece : frame.pieces)
      buffers.emplace_back(piece.view().data(), piece.view().size());
  writing_ = true;
  asio::async_write(socket_, buffers, [self = shared_from_this()](error_code error, size_t bytes) {
    self->writing_ = false;
    if (error) return self->close();
    self->unsent_bytes_ -= static_cast<int64_t>(bytes);
    self->on_written();
  });
}

void Connection::on_written() {
  sending_.clear();
  last_active_us_ = broker_.clock.monotonic_us();
  write();
  if (handle_frames()) read();
}

}  // namespace weir::hub
