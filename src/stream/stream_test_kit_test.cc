#include "stream/stream_test_kit.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

namespace weir::stream {

using base::error;
using base::ErrorKind;

std::shared_ptr<arrow::RecordBatch> long_rows(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("value", arrow::int64())}),
                                  static_cast<int64_t>(values.size()),
                                  {builder.Finish().ValueOrDie()});
}

std::vector<int64_t> long_values(const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches) {
  std::vector<int64_t> values;
  for (const auto& batch : batches) {
    const auto& column = static_cast<const arrow::Int64Array&>(*batch->column(0));
    for (int64_t row = 0; row < column.length(); ++row)
      values.push_back(column.Value(row));
  }
  return values;
}

std::vector<int64_t> SinkStore::values() const {
  std::vector<int64_t> all;
  for (const auto& [key, values] : batches)
    all.insert(all.end(), values.begin(), values.end());
  std::sort(all.begin(), all.end());
  return all;
}

namespace {

class StoreWriter final : public sink::BatchWriter {
 public:
  StoreWriter(std::shared_ptr<SinkStore> store, io::ModelFileSystem* files, std::string query_id,
              base::BatchId batch, int parts)
      : store_(std::move(store)),
        files_(files),
        query_id_(std::move(query_id)),
        batch_(batch),
        parts_(static_cast<size_t>(parts)) {}
  base::Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    parts_[static_cast<size_t>(part)].push_back(rows);
    return {};
  }
  base::Result<sink::SinkCommit> commit() override {
    std::lock_guard lock(store_->mutex);
    if (files_->power_lost()) return error(ErrorKind::kIo, "no power");
    if (store_->writes_to_fail > 0) {
      --store_->writes_to_fail;
      return error(ErrorKind::kUnavailable, "the store is away").as_retryable();
    }
    if (!store_->fail_for_good.empty()) return error(ErrorKind::kIo, "{}", store_->fail_for_good);
    sink::SinkCommit commit;
    if (store_->batches.contains({query_id_, batch_.value()})) {
      ++store_->duplicates_refused;
      commit.already_done = true;
      return commit;
    }
    std::vector<int64_t> values;
    for (const auto& part : parts_)
      for (const int64_t value : long_values(part))
        values.push_back(value);
    commit.rows = static_cast<int64_t>(values.size());
    store_->batches[{query_id_, batch_.value()}] = std::move(values);
    return commit;
  }
  base::Result<void> abort() override { return {}; }

 private:
  std::shared_ptr<SinkStore> store_;
  io::ModelFileSystem* files_;
  std::string query_id_;
  base::BatchId batch_;
  std::vector<std::vector<std::shared_ptr<arrow::RecordBatch>>> parts_;
};

columnar::Schema long_schema() {
  return columnar::DataType::structure(
      {columnar::make_field("value", columnar::DataType::of(columnar::TypeKind::kLong))});
}

}  // namespace

base::Result<std::unique_ptr<sink::BatchWriter>> StoreSink::begin(base::BatchId batch, int parts) {
  return std::unique_ptr<sink::BatchWriter>(
      std::make_unique<StoreWriter>(store_, files_, query_id_, batch, parts));
}

StreamScript::StreamScript(uint64_t seed)
    : files(seed), random(seed), data(std::make_shared<source::MemorySource::Data>(long_schema())) {
  options.checkpoint = "/checkpoint";
  options.name = "test";
  options.threads = 2;
}

void StreamScript::add(const std::vector<int64_t>& values) {
  story += fmt::format("add {} rows; ", values.size());
  data->add(long_rows(values));
}

base::Result<void> StreamScript::try_start(Trigger trigger) {
  story += fmt::format("start {}; ", to_string(trigger));
  options.trigger = trigger;
  QueryParts parts;
  parts.source = std::make_unique<source::MemorySource>(data, batches_per_trigger);
  parts.pipeline = identity_pipeline(parts.source->schema());
  parts.sink = std::make_unique<StoreSink>(store, &files);
  auto started = MicroBatchQuery::start({files, clock, random}, std::move(parts), options);
  if (!started.ok()) return std::move(started).error();
  query = std::move(started).value();
  return {};
}

void StreamScript::start(Trigger trigger) {
  auto started = try_start(trigger);
  ASSERT_TRUE(started.ok()) << started.error().to_string() << " after: " << story;
}

void StreamScript::stop() {
  story += "stop; ";
  query.reset();
}

void StreamScript::process() {
  story += "process; ";
  auto done = query->process_all_available();
  ASSERT_TRUE(done.ok()) << done.error().to_string() << " after: " << story;
}

void StreamScript::expect(const std::vector<int64_t>& values) {
  std::lock_guard lock(store->mutex);
  EXPECT_EQ(store->values(), values) << "after: " << story;
}

void StreamScript::advance(int64_t us) {
  story += fmt::format("advance {} us; ", us);
  while (clock.sleepers() == 0 && query->active())
    std::this_thread::yield();
  clock.advance_us(us);
}

void StreamScript::wait_for_batches(int64_t committed) {
  while (query->active() && query->status().batches < committed)
    std::this_thread::yield();
}

void StreamScript::let_time_pass() {
  story += "let time pass; ";
  while (query->active() && query->status().batches == 0) {
    if (clock.sleepers() > 0) clock.advance_us(1'000'000);
    std::this_thread::yield();
  }
}

std::string StreamScript::text_of(const std::string& file) {
  auto text = files.read_all("/checkpoint/" + file);
  return text.ok() ? *text : "missing: " + text.error().to_string();
}

}  // namespace weir::stream
