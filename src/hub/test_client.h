// For the tests of this room: a client that says exactly what it is told to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "kafka/protocol.h"

namespace weir::hub::test {

namespace asio = boost::asio;

class Client {
 public:
  explicit Client(uint16_t port) : socket_(context_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }

  void send_bytes(std::string_view bytes) {
    asio::write(socket_, asio::buffer(bytes.data(), bytes.size()));
  }
  template <typename Message>
  void send(const Message& message, int16_t version) {
    send_bytes(kafka::encode_request_frame({Message::kApiKey, version, ++correlation_id_, "test"},
                                           message));
  }
  // The next answer's body behind its header; nothing where the connection has ended.
  std::optional<std::string> receive() {
    char head[4];
    boost::system::error_code failed;
    asio::read(socket_, asio::buffer(head), failed);
    if (failed) return std::nullopt;
    std::string frame(static_cast<size_t>(kafka::load_big<int32_t>(head)), '\0');
    asio::read(socket_, asio::buffer(frame), failed);
    if (failed) return std::nullopt;
    return frame;
  }
  template <typename Response, typename Message>
  Response call(const Message& message, int16_t version) {
    send(message, version);
    return answer<Response>(version);
  }
  template <typename Response>
  Response answer(int16_t version) {
    frame_ = receive().value();
    kafka::Reader reader(frame_);
    last_correlation_id_ =
        kafka::decode_response_header(reader, Response::kApiKey, version).value();
    return Response::decode(reader, version).value();
  }
  int32_t last_correlation_id() const { return last_correlation_id_; }
  // Whether an answer has begun to arrive.
  bool has_answer() {
    boost::system::error_code ignored;
    return socket_.available(ignored) > 0;
  }
  bool closed() { return !receive().has_value(); }

 private:
  asio::io_context context_;
  asio::ip::tcp::socket socket_;
  int32_t correlation_id_ = 0;
  int32_t last_correlation_id_ = -1;
  std::string frame_;  // what views of the last answer look at
};

}  // namespace weir::hub::test
