// Rows of the next batch are read while the last one commits, and nothing of it is durable before.
#include <condition_variable>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/model_file_system.h"
#include "source/read_ahead_source.h"
#include "stream/stream_test_kit.h"

namespace weir::stream {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What happened, in order, and waiting for it.
class Story {
 public:
  void tell(std::string what) {
    const std::lock_guard lock(mutex_);
    told_.push_back(std::move(what));
    changed_.notify_all();
  }
  bool wait_for(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::find(told_.begin(), told_.end(), what) != told_.end();
    });
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> told_;
};

class TellingReader final : public source::PartitionReader {
 public:
  TellingReader(std::unique_ptr<source::PartitionReader> own, Story& story, std::string name)
      : own_(std::move(own)), story_(story), name_(std::move(name)) {}
  base::Result<std::shared_ptr<arrow::RecordBatch>> next(std::stop_token stop) override {
    auto rows = own_->next(std::move(stop));
    if (rows.ok() && *rows != nullptr) story_.tell("read " + name_);
    return rows;
  }
  const source::ReadCounters& counters() const override { return own_->counters(); }

 private:
  std::unique_ptr<source::PartitionReader> own_;
  Story& story_;
  std::string name_;
};

class TellingSource final : public source::Source, public source::ReadAheadSource {
 public:
  TellingSource(std::shared_ptr<source::MemorySource::Data> data, Story& story)
      : own_(std::move(data), 1), story_(story) {}
  const columnar::Schema& schema() const override { return own_.schema(); }
  std::string description() const override { return own_.description(); }
  base::Result<void> open(const std::string& folder) override { return own_.open(folder); }
  base::Result<std::string> initial_offset() override { return own_.initial_offset(); }
  base::Result<void> prepare_available_now() override { return own_.prepare_available_now(); }
  base::Result<source::LatestOffset> latest_offset(const std::string& start, bool all) override {
    return own_.latest_offset(start, all);
  }
  base::Result<std::vector<std::unique_ptr<source::PartitionReader>>> plan(
      const std::string& start, const std::string& end,
      const std::vector<std::string>& columns) override {
    WEIR_ASSIGN(auto readers, own_.plan(start, end, columns));
    for (auto& reader : readers)
      reader = std::make_unique<TellingReader>(std::move(reader), story_, end);
    return readers;
  }
  base::Result<void> commit(const std::string& end) override {
    story_.tell("forgets up to " + end);
    return {};
  }
  std::map<std::string, std::string> metrics(const std::string&) const override { return {}; }

 private:
  source::MemorySource own_;
  Story& story_;
};

// Its commit of batch 0 waits until rows of batch 1 have been read, and looks at the checkpoint.
class WaitingSink final : public sink::Sink {
 public:
  WaitingSink(io::FileSystem& files, Story& story, int failures)
      : files_(files), story_(story), failures_(failures) {}
  std::string description() const override { return "WaitingSink"; }
  bool exactly_once() const override { return true; }
  base::Result<std::string> prepare(const sink::QueryIdentity&, const columnar::Schema&) override {
    return std::string();
  }
  base::Result<std::unique_ptr<sink::BatchWriter>> begin(base::BatchId batch, int) override {
    return std::unique_ptr<sink::BatchWriter>(std::make_unique<Writer>(*this, batch.value()));
  }
  std::vector<int64_t> values;

 private:
  class Writer final : public sink::BatchWriter {
   public:
    Writer(WaitingSink& sink, int64_t batch) : sink_(sink), batch_(batch) {}
    base::Result<void> write(int, const std::shared_ptr<arrow::RecordBatch>& rows) override {
      const auto more = long_values({rows});
      rows_.insert(rows_.end(), more.begin(), more.end());
      return {};
    }
    base::Result<sink::SinkCommit> commit() override {
      if (batch_ == 0) {
        EXPECT_TRUE(sink_.story_.wait_for("read 1")) << "while batch 0 commits";
        EXPECT_FALSE(*sink_.files_.exists("/checkpoint/offsets/1"));
        EXPECT_FALSE(*sink_.files_.exists("/checkpoint/commits/0"));
        if (sink_.failures_-- > 0)
          return base::error(base::ErrorKind::kUnavailable, "not now").as_retryable();
      }
      sink_.story_.tell(fmt::format("commit {}", batch_));
      sink_.values.insert(sink_.values.end(), rows_.begin(), rows_.end());
      sink::SinkCommit done;
      done.rows = static_cast<int64_t>(rows_.size());
      return done;
    }
    base::Result<void> abort() override { return {}; }

   private:
    WaitingSink& sink_;
    int64_t batch_;
    std::vector<int64_t> rows_;
  };

  io::FileSystem& files_;
  Story& story_;
  int failures_;
};

std::vector<int64_t> run(Story& story, int failures) {
  io::ModelFileSystem files(1);
  base::SystemClock clock;
  base::SeededRandom random(1);
  auto data = std::make_shared<source::MemorySource::Data>(
      columnar::parse_ddl_schema("value BIGINT").value());
  for (int64_t i = 0; i < 3; ++i)
    data->add(long_rows({10 * i, 10 * i + 1}));
  QueryParts parts;
  parts.source = std::make_unique<TellingSource>(data, story);
  parts.pipeline = identity_pipeline(parts.source->schema());
  auto sink = std::make_unique<WaitingSink>(files, story, failures);
  auto* const kept = sink.get();
  std::vector<int64_t> values;
  parts.sink = std::move(sink);
  QueryOptions options;
  options.checkpoint = "/checkpoint";
  options.trigger = Trigger::available_now();
  options.threads = 1;
  options.retry.first_delay_us = 1;
  QueryListener listener;
  listener.on_progress = [&](const QueryProgress&) { values = kept->values; };
  auto query = MicroBatchQuery::start({files, clock, random}, std::move(parts), std::move(options),
                                      std::move(listener));
  EXPECT_TRUE(query.ok());
  auto ended = (*query)->wait();
  EXPECT_TRUE(ended.ok()) << ended.error().to_string();
  return values;
}

TEST(ReadAheadTest, TheNextBatchIsReadWhileTheLastCommits) {
  Story story;
  EXPECT_THAT(run(story, 0), ElementsAre(0, 1, 10, 11, 20, 21));
  const auto told = story.told();
  const auto at = [&](const std::string& what) {
    return std::find(told.begin(), told.end(), what) - told.begin();
  };
  EXPECT_LT(at("read 1"), at("commit 0"));
  EXPECT_LT(at("commit 0"), at("commit 1"));
  EXPECT_EQ(std::count(told.begin(), told.end(), "read 1"), 1) << "and not read a second time";
  EXPECT_EQ(std::count(told.begin(), told.end(), "read 2"), 1);
}

TEST(ReadAheadTest, ABatchThatFailsDropsWhatWasRead) {
  Story story;
  EXPECT_THAT(run(story, 2), ElementsAre(0, 1, 10, 11, 20, 21));
  const auto told = story.told();
  EXPECT_EQ(std::count(told.begin(), told.end(), "read 0"), 3);
  EXPECT_GE(std::count(told.begin(), told.end(), "read 1"), 2) << "dropped, and read anew";
}

}  // namespace
}  // namespace weir::stream
