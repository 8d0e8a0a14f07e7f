// The run behind `weir demo`.
//
//   DIR/hub         the broker's log
//   DIR/journal     what the simulator sent
//   DIR/checkpoint  the query's
//   DIR/events      the Delta table
//
// Hub, simulator and query meet over the Kafka protocol only. A run on a folder that has been used
// goes on where it was: same topic, same journal, same checkpoint.
//
// One thread drives it; a thread of its own sends.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "hub/hub.h"
#include "io/file_system.h"
#include "simulate/event_sink.h"
#include "simulate/simulation.h"
#include "simulate/throughput_table.h"
#include "simulate/verification_report.h"
#include "stream/control_server.h"
#include "stream/query_manager.h"

namespace weir::app {

struct DemoOptions {
  std::string dir;
  double rate = 1000;
  int64_t duration_us = 60'000'000;
  int64_t interval_s = 10;  // of the table
  int64_t trigger_us = 1'000'000;
  int partitions = 2;
  int throughput_units = 2;
  std::optional<uint64_t> seed;
};

// Partitions and throughput units of the sample's profiles for 1,000, 5,000 and 10,000 messages a
// second; other rates take the next greater one.
void choose_profile(DemoOptions& options);

class DemoRun {
 public:
  DemoRun(io::FileSystem& files, base::Clock& clock, base::Random& random, DemoOptions options);
  ~DemoRun();

  base::Result<void> start(std::stop_token stop);
  // Prints the table until the simulator has ended (by time, or because stop was requested).
  base::Result<void> watch(std::stop_token stop);
  // Until all that was sent is in the table.
  base::Result<void> catch_up();
  base::Result<simulate::VerificationReport> verify();
  void stop();

  std::string table_path() const { return io::join_path(options_.dir, "events"); }
  std::string journal_path() const { return io::join_path(options_.dir, "journal"); }
  std::string checkpoint_path() const { return io::join_path(options_.dir, "checkpoint"); }
  std::string hub_path() const { return io::join_path(options_.dir, "hub"); }
  std::string bootstrap() const;
  const std::optional<simulate::SimulationReport>& sent() const { return sent_; }

 private:
  base::Result<void> start_hub();
  base::Result<void> start_simulator();
  base::Result<void> wait_for_first_message(std::stop_token stop);
  base::Result<void> start_query();
  void print_row(int64_t start_us, const hub::Traffic& traffic);
  void print_rows();
  void print_rest();
  void announce_first_row();

  io::FileSystem& files_;
  base::Clock& clock_;
  base::Random& random_;
  DemoOptions options_;
  simulate::ThroughputTable table_;
  std::unique_ptr<hub::Hub> hub_;
  std::unique_ptr<simulate::JournalWriter> journal_;
  std::unique_ptr<simulate::Simulation> simulation_;
  std::unique_ptr<simulate::EventSink> sink_;
  std::optional<simulate::SimulationReport> sent_;
  std::optional<base::Error> send_failure_;
  std::atomic<bool> sending_ended_{false};
  std::atomic<int64_t> first_row_us_{0};  // since the process started
  bool first_row_announced_ = false;
  int64_t next_row_us_ = 0;
  hub::Traffic printed_;
  std::unique_ptr<stream::QueryManager> queries_;
  std::unique_ptr<stream::ControlServer> control_;  // weir stream finds the demo's query, too
  std::shared_ptr<stream::MicroBatchQuery> query_;
  std::stop_source send_stop_;
  std::thread sender_;
};

}  // namespace weir::app
