// One client's connection: reads frames, hands them to the broker, sends the answers in order.
//
// Lives on one network thread (its io_context runs on exactly one); reply, drop and run may be
// called from any thread. Owned by the server until it is closed. Bounded: a frame by
// frame_bytes_max, unanswered requests by in_flight_max, unsent answers by kUnsentBytesMax (reading
// pauses while either is reached), the memory for frames by the shared budget.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "hub/broker.h"
#include "hub/request.h"

namespace weir::hub {

class Connection final : public ReplySink, public std::enable_shared_from_this<Connection> {
 public:
  static constexpr size_t kBaseBufferBytes = 64 * 1024;
  static constexpr int64_t kUnsentBytesMax = 32 << 20;

  Connection(boost::asio::ip::tcp::socket socket, boost::asio::io_context& context, Broker& broker,
             MemoryBudget& request_memory);
  ~Connection() override;

  // The rest on the connection's thread.
  void start();
  void stop_reading();
  void close(std::string_view why = {});  // a reason is counted as a refused request
  bool is_open() const { return open_; }
  int64_t last_active_us() const { return last_active_us_; }

  void reply(uint64_t slot, Frame frame) override;
  void drop(std::string_view why) override;
  bool alive() const override { return open_; }
  void run(std::function<void()> task) override;
  std::unique_ptr<Timer> after(int64_t ms, std::function<void()> task) override;

 private:
  class AsioTimer;
  struct Slot {
    bool ready = false;
    Frame frame;
  };

  void read();
  void on_read(size_t bytes);
  bool handle_frames();  // false: reading is paused or over
  bool make_room(size_t frame_bytes);
  void handle_frame(std::string_view frame);
  void finish(uint64_t slot, Frame frame);
  void write();
  void on_written();
  bool may_read() const;

  boost::asio::io_context& context_;
  boost::asio::ip::tcp::socket socket_;
  Broker& broker_;
  MemoryBudget& request_memory_;
  std::string advertised_host_;
  uint16_t advertised_port_ = 0;
  boost::asio::steady_timer memory_timer_;
  std::unordered_set<AsioTimer*> timers_;

  kafka::PaddedBuffer buffer_;
  size_t begin_ = 0;          // of what is not handled yet
  size_t end_ = 0;            // of what has been read
  size_t frame_end_ = 0;      // where the large frame that is being read ends; 0: none
  int64_t buffer_taken_ = 0;  // of request_memory_

  std::deque<Slot> slots_;
  uint64_t first_slot_ = 0;
  std::vector<Frame> sending_;
  int64_t unsent_bytes_ = 0;
  bool writing_ = false;
  bool reading_ = false;
  bool handling_ = false;
  bool stopped_ = false;
  std::atomic<bool> open_ = true;
  int64_t last_active_us_ = 0;
};

}  // namespace weir::hub
