#include "connect/operation.h"

#include <spark/connect/base.pb.h>

#include "connect/errors.h"
#include "connect/wire.h"

namespace weir::connect {

using base::Error;
using base::ErrorKind;

namespace {

Error cursor_error(std::string_view what, std::string message) {
  return Error(ErrorKind::kInvalidArgument, std::move(message))
      .with_class(fmt::format("INVALID_CURSOR.{}", what))
      .with_sql_state("HY109");
}

}  // namespace

Operation::Operation(Names names, std::set<std::string> tags, bool reattachable, base::Clock& clock)
    : names_(std::move(names)),
      tags_(std::move(tags)),
      reattachable_(reattachable),
      clock_(clock),
      detached_us_(clock.monotonic_us()) {}

Result<void> Operation::put(const std::string& response, const std::string& batch,
                            std::shared_ptr<arrow::Buffer> body) {
  spark::connect::ExecutePlanResponse ids;
  ids.set_session_id(names_.session_id);
  ids.set_server_side_session_id(names_.server_side_session_id);
  ids.set_operation_id(names_.operation_id);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop_.get_token(),
                [&] { return unsent_bytes_ < kUnsentBytesMax || entries_.empty(); });
  if (stop_.stop_requested()) return Error(ErrorKind::kCancelled, "Operation has been canceled.");
  // Unique within the process and readable in a trace.
  Entry entry;
  entry.id = fmt::format("{}-{}", names_.operation_id, ++made_);
  ids.set_response_id(entry.id);
  entry.message = join_batch(ids.SerializeAsString() + response, batch, std::move(body));
  unsent_bytes_ += entry.message.bytes();
  entries_.push_back(std::move(entry));
  lock.unlock();
  pump();
  return {};
}

void Operation::finish(CallStatus status) {
  {
    const std::scoped_lock lock(mutex_);
    if (status_) return;
    status_ = answer_ ? answer_ : std::move(status);
  }
  pump();
}

Result<void> Operation::attach(CallPtr call, const std::optional<std::string>& after) {
  CallPtr before;
  {
    const std::scoped_lock lock(mutex_);
    size_t position = 0;
    if (after) {
      while (position < entries_.size() && entries_[position].id != *after)
        ++position;
      if (position < entries_.size()) {
        ++position;
      } else if (after == fmt::format("{}-{}", names_.operation_id, made_ - entries_.size())) {
        position = 0;  // the last one that was released
      } else {
        return cursor_error(
                   "POSITION_NOT_AVAILABLE",
                   fmt::format("The cursor position id {} is no longer available.", *after))
            .with_parameter("responseId", *after);
      }
    } else if (dropped_) {
      return cursor_error("POSITION_NOT_AVAILABLE",
                          "The cursor position at the beginning is no longer available.");
    }
    for (size_t i = position; i < next_; ++i) {
      unsent_bytes_ += entries_[i].message.bytes();
      sent_bytes_ -= entries_[i].message.bytes();
    }
    for (size_t i = next_; i < position; ++i) {
      unsent_bytes_ -= entries_[i].message.bytes();
      sent_bytes_ += entries_[i].message.bytes();
    }
    next_ = position;
    before = std::move(call_);
    call_ = std::move(call);
    writing_ = false;
    detached_us_.reset();
  }
  if (before) {
    before->finish(plain_status(
        cursor_error("DISCONNECTED",
                     "The cursor has been disconnected by the server: another call took it up.")));
  }
  pump();
  return {};
}

void Operation::pump() {
  CallPtr call;
  std::optional<Message> message;
  std::optional<CallStatus> last;
  {
    const std::scoped_lock lock(mutex_);
    if (!call_ || writing_) return;
    call = call_;
    if (answer_) {
      last = answer_;
      call_.reset();
      detached_us_ = clock_.monotonic_us();
    } else if (next_ < entries_.size()) {
      writing_ = true;
      message = entries_[next_].message;
    } else if (status_) {
      last = status_;
      call_.reset();
      detached_us_ = clock_.monotonic_us();
    } else {
      return;
    }
  }
  if (message)
    call->write(std::move(*message));
  else
    call->finish(std::move(*last));
}

void Operation::written(const Call* call, bool ok) {
  {
    const std::scoped_lock lock(mutex_);
    if (call_.get() != call || !writing_) return;
    writing_ = false;
    if (!ok) return;  // on_closed follows
    const int64_t bytes = entries_[next_].message.bytes();
    unsent_bytes_ -= bytes;
    sent_bytes_ += bytes;
    ++next_;
    drop_sent();
  }
  changed_.notify_all();
  pump();
}

void Operation::drop_sent() {
  const int64_t keep = reattachable_ ? kSentBytesMax : 0;
  while (next_ > 0 && sent_bytes_ > keep) {
    sent_bytes_ -= entries_.front().message.bytes();
    entries_.pop_front();
    --next_;
    dropped_ = true;
  }
}

void Operation::detach(const Call* call) {
  const std::scoped_lock lock(mutex_);
  if (call_.get() != call) return;
  call_.reset();
  writing_ = false;
  detached_us_ = clock_.monotonic_us();
  if (!reattachable_ && !status_) stop_.request_stop();
}

void Operation::release_until(const std::string& response_id) {
  {
    const std::scoped_lock lock(mutex_);
    size_t found = 0;
    while (found < entries_.size() && entries_[found].id != response_id)
      ++found;
    if (found >= next_) return;  // unknown, or not sent yet
    for (size_t i = 0; i <= found; ++i) {
      sent_bytes_ -= entries_.front().message.bytes();
      entries_.pop_front();
      --next_;
    }
    dropped_ = true;
  }
  changed_.notify_all();
}

bool Operation::interrupt() {
  {
    const std::scoped_lock lock(mutex_);
    if (status_ || !stop_.request_stop()) return false;
    if (interrupted_) answer_ = interrupted_();
  }
  pump();
  return true;
}

Operation::State Operation::state() const {
  const std::scoped_lock lock(mutex_);
  if (!status_) return stop_.stop_requested() ? State::kStopping : State::kRunning;
  if (status_->code == 0) return State::kSucceeded;
  return stop_.stop_requested() ? State::kCancelled : State::kFailed;
}

bool Operation::ended() const {
  const std::scoped_lock lock(mutex_);
  return status_.has_value();
}

std::optional<int64_t> Operation::detached_since_us() const {
  const std::scoped_lock lock(mutex_);
  return detached_us_;
}

}  // namespace weir::connect
