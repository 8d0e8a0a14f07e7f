#include "connect/listener_bus.h"

#include <condition_variable>
#include <deque>

#include <spark/connect/base.pb.h>
#include <spark/connect/commands.pb.h>
#include <spdlog/spdlog.h>

#include "base/json.h"
#include "connect/errors.h"
#include "connect/operation.h"
#include "streaming/stream_queries.h"

namespace weir::connect {

namespace proto = spark::connect;

// The queue of one stream.
class ListenerBus::Feed {
 public:
  struct Event {
    proto::StreamingQueryEventType type;
    std::string json;
  };

  void put(proto::StreamingQueryEventType type, std::string json) {
    {
      const std::scoped_lock lock(mutex_);
      const bool may_go = type != proto::QUERY_TERMINATED_EVENT;
      if (may_go && events_.size() >= kEventsMax) {
        ++dropped_;
        return;
      }
      events_.push_back({type, std::move(json)});
    }
    changed_.notify_all();
  }
  void end() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
  }
  // Empty: there are no more.
  std::deque<Event> take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return ended_ || !events_.empty(); });
    if (dropped_ > 0)
      spdlog::warn("listener_events_dropped={} why=\"the client takes them too slowly\"",
                   std::exchange(dropped_, 0));
    return std::exchange(events_, {});
  }

 private:
  static constexpr size_t kEventsMax = 10'000;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Event> events_;
  bool ended_ = false;
  int64_t dropped_ = 0;
};

namespace {

base::JsonObject identity(const std::string& id, const std::string& run_id) {
  return {{"id", id}, {"runId", run_id}};
}

base::JsonValue text_or_null(const std::string& text) {
  return text.empty() ? base::JsonValue(nullptr) : base::JsonValue(text);
}

template <typename Feed>
streaming::QueryEvents events_into(std::shared_ptr<Feed> feed) {
  streaming::QueryEvents events;
  // The client hears of a start by the answer to start().
  events.started = [](const auto&, const auto&, const auto&, const auto&) {};
  events.progress = [feed](const std::string& json) {
    feed->put(proto::QUERY_PROGRESS_EVENT, "{\"progress\":" + json + "}");
  };
  events.idle = [feed](const std::string& id, const std::string& run_id,
                       const std::string& timestamp) {
    auto json = identity(id, run_id);
    json["timestamp"] = timestamp;
    feed->put(proto::QUERY_IDLE_EVENT, base::json_text(json));
  };
  events.terminated = [feed](const std::string& id, const std::string& run_id,
                             const base::Error* error) {
    auto json = identity(id, run_id);
    json["exception"] = text_or_null(error ? exception_text(*error) : "");
    json["errorClassOnException"] = text_or_null(error ? error->error_class() : "");
    feed->put(proto::QUERY_TERMINATED_EVENT, base::json_text(json));
  };
  return events;
}

}  // namespace

Result<void> ListenerBus::serve(streaming::StreamQueries& queries, Operation& operation) {
  const auto feed = std::make_shared<Feed>();
  {
    const std::scoped_lock lock(mutex_);
    if (current_) current_->end();
    current_ = feed;
  }
  const int64_t listener = queries.add_listener(events_into(feed));
  const auto served = [&]() -> Result<void> {
    proto::ExecutePlanResponse response;
    auto& result = *response.mutable_streaming_query_listener_events_result();
    result.set_listener_bus_listener_added(true);
    while (true) {
      WEIR_TRY(operation.put(response.SerializeAsString()));
      result.Clear();
      const auto events = feed->take(operation.stop_token());
      if (operation.stop_token().stop_requested())
        return base::Error(base::ErrorKind::kCancelled, "Operation has been canceled.");
      if (events.empty()) return {};
      for (const auto& event : events) {
        auto& told = *result.add_events();
        told.set_event_type(event.type);
        told.set_event_json(event.json);
      }
    }
  }();
  queries.remove_listener(listener);
  const std::scoped_lock lock(mutex_);
  if (current_ == feed) current_.reset();
  return served;
}

void ListenerBus::remove() {
  const std::scoped_lock lock(mutex_);
  if (current_) current_->end();
}

}  // namespace weir::connect
