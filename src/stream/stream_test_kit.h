// Scripted tests of streaming queries, after Spark's StreamTest: rows go in, the query runs over a
// file system that can lose power, what the sink shows is compared. A failure prints what was done
// so far.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "io/model_file_system.h"
#include "source/memory_source.h"
#include "stream/micro_batch_query.h"

namespace weir::stream {

std::shared_ptr<arrow::RecordBatch> long_rows(const std::vector<int64_t>& values);
std::vector<int64_t> long_values(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches);

// What a table would hold: it outlives the queries that write to it.
struct SinkStore {
  std::mutex mutex;
  std::map<std::pair<std::string, int64_t>, std::vector<int64_t>>
      batches;  // by query id and batch id
  std::string id = "store-1";
  int writes_to_fail = 0;     // so many commits give a retryable error
  std::string fail_for_good;  // a commit gives this error
  int64_t duplicates_refused = 0;
  std::vector<int64_t> values() const;
};

class StoreSink final : public sink::Sink {
 public:
  StoreSink(std::shared_ptr<SinkStore> store, io::ModelFileSystem* files)
      : store_(std::move(store)), files_(files) {}
  std::string description() const override { return "StoreSink"; }
  bool exactly_once() const override { return true; }
  base::Result<std::string> prepare(const sink::QueryIdentity& query,
                                    const columnar::Schema&) override {
    query_id_ = query.query_id;
    return store_->id;
  }
  base::Result<std::unique_ptr<sink::BatchWriter>> begin(base::BatchId batch, int parts) override;

 private:
  std::shared_ptr<SinkStore> store_;
  io::ModelFileSystem* files_;
  std::string query_id_;
};

class StreamScript {
 public:
  explicit StreamScript(uint64_t seed = 1);
  ~StreamScript() { stop(); }

  void add(const std::vector<int64_t>& values);
  base::Result<void> try_start(Trigger trigger = Trigger::processing_time(0));
  void start(Trigger trigger = Trigger::processing_time(0));  // has to succeed
  void stop();
  void process();                                   // everything there is, and no error
  void expect(const std::vector<int64_t>& values);  // of the sink, in any order
  void advance(int64_t us);                         // once the query sleeps
  void wait_for_batches(int64_t committed);         // in this run
  void let_time_pass();  // as long as the query sleeps, until it has committed a batch or ended
  std::string text_of(const std::string& file);

  io::ModelFileSystem files;
  base::ManualClock clock;
  base::SeededRandom random;
  std::shared_ptr<SinkStore> store = std::make_shared<SinkStore>();
  std::shared_ptr<source::MemorySource::Data> data;
  QueryOptions options;
  int64_t batches_per_trigger = 0;
  std::unique_ptr<MicroBatchQuery> query;
  std::string story;
};

}  // namespace weir::stream
