// One request on its way through a handler, and the way back to its connection.
//
// A handler gets a Request, whose body it may look at only until it returns, and answers through
// the Reply, now or later, from any thread, once. Answers leave a connection in the order of its
// requests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/memory_budget.h"
#include "kafka/padded_buffer.h"
#include "kafka/protocol.h"

namespace weir::hub {

// The bytes of an answer, in pieces, so that fetched records are not copied once more.
struct Frame {
  struct Piece {
    std::string text;
    kafka::PaddedBuffer data;  // used where text is empty
    std::string_view view() const { return text.empty() ? data.view() : std::string_view(text); }
  };
  std::vector<Piece> pieces;
  MemoryLease lease;

  static Frame of(std::string text) {
    Frame frame;
    frame.pieces.push_back({std::move(text), {}});
    return frame;
  }
  size_t size() const {
    size_t total = 0;
    for (const Piece& piece : pieces)
      total += piece.view().size();
    return total;
  }
};

class Timer {
 public:
  virtual ~Timer() = default;  // cancels
};

class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void reply(uint64_t slot, Frame frame) = 0;  // an empty frame: nothing is sent
  virtual void drop(std::string_view why) = 0;         // closes the connection
  virtual bool alive() const = 0;
  virtual void run(std::function<void()> task) = 0;  // on the connection's thread, later
  // On the connection's thread, which has to be the caller's: after that time, or when the
  // connection closes.
  virtual std::unique_ptr<Timer> after(int64_t ms, std::function<void()> task) = 0;
};

class Reply {
 public:
  Reply() = default;
  Reply(std::weak_ptr<ReplySink> sink, uint64_t slot) : sink_(std::move(sink)), slot_(slot) {}
  void send(Frame frame) const {
    if (const auto sink = sink_.lock()) sink->reply(slot_, std::move(frame));
  }
  void none() const { send({}); }
  void drop(std::string_view why) const {
    if (const auto sink = sink_.lock()) sink->drop(why);
  }
  bool alive() const {
    const auto sink = sink_.lock();
    return sink && sink->alive();
  }
  void run(std::function<void()> task) const {
    if (const auto sink = sink_.lock()) sink->run(std::move(task));
  }
  std::unique_ptr<Timer> after(int64_t ms, std::function<void()> task) const {
    const auto sink = sink_.lock();
    return sink ? sink->after(ms, std::move(task)) : nullptr;
  }

 private:
  std::weak_ptr<ReplySink> sink_;
  uint64_t slot_ = 0;
};

struct Request {
  kafka::RequestHeader header;
  std::string_view body;
  Reply reply;
  std::string advertised_host;  // where the client finds this broker
  uint16_t advertised_port = 0;

  template <typename Response>
  void answer(const Response& response) const {
    reply.send(Frame::of(
        kafka::encode_response_frame(header.api_version, header.correlation_id, response)));
  }
  // The decoded request, or nothing: then the connection has been dropped.
  template <typename Message>
  std::optional<Message> decode() const {
    kafka::Reader reader(body);
    auto message = Message::decode(reader, header.api_version);
    if (message.ok()) return std::move(*message);
    reply.drop("MALFORMED_REQUEST");
    return std::nullopt;
  }
};

}  // namespace weir::hub
