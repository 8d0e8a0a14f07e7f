#include "sink/delta_sink.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <fmt/format.h>

#include "delta/schema_evolution.h"
#include "delta/table_features.h"
#include "delta/transaction.h"
#include "sink/checkpoint_worker.h"
#include "sink/compaction_worker.h"

namespace weir::sink {
namespace {

using base::ErrorKind;
using delta::AddFile;
using delta::DataFileWriter;
using delta::TableHeader;
using delta::Transaction;
using OutputMode = DeltaSinkOptions::OutputMode;

constexpr int kConflictRetries = 10;

std::string_view output_mode_name(OutputMode mode) {
  return mode == OutputMode::kAppend ? "Append" : "Complete";
}

// What a batch is written against: the ground may move (another writer changes the schema), then it
// is planned anew.
struct WritePlan {
  std::optional<TableHeader> header;        // nullopt: this batch creates the table
  std::optional<delta::Protocol> protocol;  // to commit
  std::optional<delta::Metadata> metadata;  // to commit
  Schema schema = Schema::structure({});    // of the files
  const delta::Metadata& file_metadata() const { return metadata ? *metadata : *header->metadata; }
};

Result<WritePlan> plan_write(delta::Table& table, const DeltaSinkOptions& options,
                             const Schema& rows) {
  WEIR_TRY(table.refresh());
  WritePlan plan;
  if (!table.version()) {
    WEIR_ASSIGN(auto fresh,
                delta::new_table(table.environment(), rows.as_nullable(), options.partition_by));
    WEIR_ASSIGN(plan.schema, columnar::parse_type_json_text(fresh.metadata.schema_string));
    plan.protocol = std::move(fresh.protocol);
    plan.metadata = std::move(fresh.metadata);
    return plan;
  }
  WEIR_ASSIGN(plan.header, table.header());
  const TableHeader& header = *plan.header;
  WEIR_TRY(delta::check_writable(table.path(), *header.protocol, *header.metadata, header.schema));
  if (!options.partition_by.empty() && options.partition_by != header.metadata->partition_columns) {
    return base::error(ErrorKind::kInvalidArgument,
                       "table {} is partitioned by ({}), not by ({}) as partitionBy says",
                       table.path(), fmt::join(header.metadata->partition_columns, ","),
                       fmt::join(options.partition_by, ","));
  }
  if (options.output_mode == OutputMode::kComplete && delta::is_append_only(*header.metadata)) {
    return base::error(ErrorKind::kInvalidArgument,
                       "table {} is append-only (delta.appendOnly): output mode complete would "
                       "replace its rows",
                       table.path())
        .with_class("DELTA_CANNOT_MODIFY_APPEND_ONLY");
  }
  WEIR_ASSIGN(const Schema wanted, delta::delta_schema(rows));
  auto merged = delta::merged_schema(header.schema, wanted, options.merge_schema);
  if (!merged.ok())
    return std::move(merged).error().with_context(fmt::format("table {}", table.path()));
  plan.schema = std::move(merged).value();
  if (!plan.schema.same_type(header.schema)) {
    if (delta::has_timestamp_ntz(plan.schema) && !delta::has_timestamp_ntz(header.schema)) {
      return base::error(
          ErrorKind::kUnsupported,
          "table {}: adding a timestamp_ntz column needs the table feature timestampNtz",
          table.path());
    }
    plan.metadata = *header.metadata;
    plan.metadata->schema_string = base::json_text(plan.schema.to_json());
  }
  return plan;
}

class DeltaSink;

class DeltaBatchWriter final : public BatchWriter {
 public:
  DeltaBatchWriter(DeltaSink& sink, BatchId batch, int parts, WritePlan plan)
      : sink_(sink),
        batch_(batch),
        plan_(std::move(plan)),
        gathered_(static_cast<size_t>(std::max(parts, 1))) {}
  ~DeltaBatchWriter() override { (void)abort(); }

  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override;
  Result<SinkCommit> commit() override;
  Result<void> abort() override;

 private:
  using Gathered = std::vector<std::shared_ptr<arrow::RecordBatch>>;

  Result<void> encode(const Gathered& batches);
  Result<std::unique_ptr<DataFileWriter>> borrow_writer();
  void return_writer(std::unique_ptr<DataFileWriter> writer);
  Gathered take_gathered();
  Result<std::vector<AddFile>> finish_files();
  Result<delta::CommitOutcome> commit_files(const std::vector<AddFile>& files);
  SinkCommit report(const std::vector<AddFile>& files, base::TableVersion version) const;

  DeltaSink& sink_;
  BatchId batch_;
  WritePlan plan_;
  std::mutex mutex_;                // guards what follows
  std::vector<Gathered> gathered_;  // by part, until the batch is no longer small
  int64_t gathered_bytes_ = 0;
  int64_t rows_ = 0;
  bool large_ = false;
  std::vector<std::unique_ptr<DataFileWriter>>
      idle_;  // writers that nobody uses at the moment, the last used at the end
  // Used by the query's thread only.
  std::vector<std::unique_ptr<DataFileWriter>>
      finished_;               // keep the names of their files, to remove them
  bool named_in_log_ = false;  // a log entry names the files, or may: they must stay
};

// begin() found the batch in the log already.
class DoneBatchWriter final : public BatchWriter {
 public:
  explicit DoneBatchWriter(int64_t recorded) : recorded_(recorded) {}
  Result<void> write(int, const std::shared_ptr<arrow::RecordBatch>&) override { return {}; }
  Result<SinkCommit> commit() override {
    SinkCommit commit;
    commit.already_done = true;
    commit.details["recordedBatch"] = recorded_;
    return commit;
  }
  Result<void> abort() override { return {}; }

 private:
  int64_t recorded_;
};

// Known folders are shared by all writers of the sink.
DeltaSinkOptions with_folders(DeltaSinkOptions options) {
  options.files.folders = std::make_shared<delta::DurableFolders>();
  return options;
}

class DeltaSink final : public Sink {
 public:
  DeltaSink(delta::Environment environment, DeltaSinkOptions options)
      : environment_(environment),
        options_(with_folders(std::move(options))),
        checkpoints_(environment),
        compaction_(environment, options_.compaction, options_.files) {}

  std::string description() const override { return "DeltaSink[" + options_.path + "]"; }
  bool exactly_once() const override { return true; }

  Result<std::string> prepare(const QueryIdentity& query, const Schema& schema) override {
    query_ = query;
    schema_ = schema;
    WEIR_ASSIGN(table_, delta::Table::open_or_new(environment_, options_.path));
    WEIR_ASSIGN(const WritePlan plan, plan_write(*table_, options_, schema));
    return plan.header ? plan.header->metadata->id : std::string();
  }

  Result<void> confirm_committed(BatchId batch) override {
    const auto recorded = table_->transaction_version(query_.query_id);
    // The checkpoint may be one batch behind, where the process died in between.
    if (recorded && *recorded > batch.value() + 1)
      return base::error(
          ErrorKind::kConflict,
          "the table {} has batch {} of query {}, and the checkpoint ends with batch {}: it is an "
          "old copy, or entries of it were removed. New rows would be taken for those of batches "
          "already written. Restore the newer checkpoint, or start with a new one",
          table_->path(), *recorded, query_.query_id, batch.value());
    if (recorded && *recorded >= batch.value()) return {};
    return base::error(ErrorKind::kConflict,
                       "the checkpoint says that batch {} of query {} is in the table, but {} {}: "
                       "the checkpoint belongs to "
                       "another table, or the table was made anew. Use the table it belongs to, or "
                       "a new checkpoint",
                       batch.value(), query_.query_id, table_->path(),
                       recorded ? fmt::format("has its batches only up to {}", *recorded)
                                : "has none of that query");
  }

  Result<std::unique_ptr<BatchWriter>> begin(BatchId batch, int parts) override {
    WEIR_CHECK(table_ != nullptr, "prepare() comes before begin()");
    WEIR_TRY(table_->refresh());
    if (const auto recorded = table_->transaction_version(query_.query_id);
        recorded && *recorded >= batch.value()) {
      // Whoever wrote that entry may have died before its name was durable; the query is about to
      // rely on it.
      WEIR_TRY(environment_.fs.sync_dir(table_->path() + "/_delta_log"));
      return std::unique_ptr<BatchWriter>(std::make_unique<DoneBatchWriter>(*recorded));
    }
    WEIR_ASSIGN(WritePlan plan, plan_write(*table_, options_, *schema_));
    return std::unique_ptr<BatchWriter>(
        std::make_unique<DeltaBatchWriter>(*this, batch, parts, std::move(plan)));
  }

 private:
  friend class DeltaBatchWriter;
  delta::Environment environment_;
  DeltaSinkOptions options_;
  QueryIdentity query_;
  std::optional<Schema> schema_;
  std::unique_ptr<delta::Table> table_;
  CheckpointWorker checkpoints_;
  CompactionWorker compaction_;
};

Result<void> DeltaBatchWriter::write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) {
  if (rows->num_rows() == 0) return {};
  WEIR_CHECK(part >= 0 && static_cast<size_t>(part) < gathered_.size(), "part of the batch");
  Gathered ready;
  {
    const std::lock_guard lock(mutex_);
    rows_ += rows->num_rows();
    if (large_) {
      ready.push_back(rows);
    } else {
      gathered_[static_cast<size_t>(part)].push_back(rows);
      gathered_bytes_ += arrow::util::TotalBufferSize(*rows);
      if (gathered_bytes_ < sink_.options_.small_batch_bytes) return {};
      large_ = true;
      ready = take_gathered();
    }
  }
  return encode(ready);
}

DeltaBatchWriter::Gathered DeltaBatchWriter::take_gathered() {
  Gathered all;
  for (Gathered& part : gathered_) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
    part.clear();
  }
  gathered_bytes_ = 0;
  return all;
}

// As many writers as threads that write at the same moment; the one used last is taken first.
Result<std::unique_ptr<DataFileWriter>> DeltaBatchWriter::borrow_writer() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto writer = std::move(idle_.back());
      idle_.pop_back();
      return writer;
    }
  }
  return DataFileWriter::create(sink_.environment_, sink_.table_->path(), plan_.schema,
                                plan_.file_metadata(), sink_.options_.files);
}

void DeltaBatchWriter::return_writer(std::unique_ptr<DataFileWriter> writer) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(writer));
}

Result<void> DeltaBatchWriter::encode(const Gathered& batches) {
  WEIR_ASSIGN(auto writer, borrow_writer());
  Result<void> result;
  for (const auto& rows : batches) {
    result = writer->write(*rows);
    if (!result.ok()) break;
  }
  return_writer(std::move(writer));
  return result;
}

Result<std::vector<AddFile>> DeltaBatchWriter::finish_files() {
  Gathered rest;
  {
    const std::lock_guard lock(mutex_);
    rest = take_gathered();
  }
  if (!rest.empty()) WEIR_TRY(encode(rest));
  std::vector<AddFile> files;
  while (!idle_.empty()) {
    finished_.push_back(std::move(idle_.back()));
    idle_.pop_back();
    WEIR_ASSIGN(auto adds, finished_.back()->finish());
    std::move(adds.begin(), adds.end(), std::back_inserter(files));
  }
  return files;
}

Result<delta::CommitOutcome> DeltaBatchWriter::commit_files(const std::vector<AddFile>& files) {
  WEIR_ASSIGN(Transaction transaction, Transaction::begin(*sink_.table_));
  if (plan_.protocol) transaction.set_protocol(*plan_.protocol);
  if (plan_.metadata) transaction.set_metadata(*plan_.metadata);
  transaction.set_transaction(sink_.query_.query_id, batch_.value());
  if (sink_.options_.output_mode == OutputMode::kComplete) WEIR_TRY(transaction.remove_all());
  int64_t bytes = 0;
  for (const AddFile& file : files) {
    transaction.add(file);
    bytes += file.size;
  }
  delta::Operation operation;
  operation.name = "STREAMING UPDATE";
  operation.parameters["outputMode"] = std::string(output_mode_name(sink_.options_.output_mode));
  operation.parameters["queryId"] = sink_.query_.query_id;
  operation.parameters["epochId"] = std::to_string(batch_.value());
  operation.metrics["numAddedFiles"] = std::to_string(files.size());
  operation.metrics["numRemovedFiles"] = std::to_string(transaction.removes());
  operation.metrics["numOutputRows"] = std::to_string(rows_);
  operation.metrics["numOutputBytes"] = std::to_string(bytes);
  named_in_log_ = true;  // from here on a failure may leave the entry in the log
  return transaction.commit(operation);
}

SinkCommit DeltaBatchWriter::report(const std::vector<AddFile>& files,
                                    base::TableVersion version) const {
  SinkCommit commit;
  commit.rows = rows_;
  for (const AddFile& file : files)
    commit.bytes += file.size;
  commit.details["tableVersion"] = version.value();
  commit.details["tableId"] = plan_.file_metadata().id;
  commit.details["files"] = static_cast<int64_t>(files.size());
  return commit;
}

Result<SinkCommit> DeltaBatchWriter::commit() {
  WEIR_ASSIGN(const std::vector<AddFile> files, finish_files());
  for (int attempt = 0;; ++attempt) {
    WEIR_ASSIGN(const delta::CommitOutcome outcome, commit_files(files));
    if (const auto* committed = std::get_if<delta::Committed>(&outcome)) {
      sink_.checkpoints_.after_commit(*sink_.table_, sink_.options_);
      if (sink_.options_.output_mode == OutputMode::kAppend)
        sink_.compaction_.after_commit(*sink_.table_, sink_.query_.query_id, committed->version,
                                       files);
      return report(files, committed->version);
    }
    named_in_log_ = false;  // somebody else's entry is there instead
    if (const auto* already = std::get_if<delta::AlreadyCommitted>(&outcome)) {
      (void)abort();
      SinkCommit commit;
      commit.already_done = true;
      commit.details["recordedBatch"] = already->recorded_version;
      return commit;
    }
    const auto& conflict = std::get<delta::Conflict>(outcome);
    const bool ground_moved = conflict.kind == delta::ConflictKind::kMetadataChanged ||
                              conflict.kind == delta::ConflictKind::kProtocolChanged;
    if (!ground_moved || attempt >= kConflictRetries) {
      return base::error(ErrorKind::kConflict, "{}", conflict.text)
          .with_class("DELTA_CONCURRENT_WRITE");
    }
    // The files stay good where the table still has (or takes) exactly the columns that they were
    // written with.
    WEIR_ASSIGN(WritePlan again, plan_write(*sink_.table_, sink_.options_, *sink_.schema_));
    const bool same_files =
        again.schema.same_type(plan_.schema) &&
        again.file_metadata().partition_columns == plan_.file_metadata().partition_columns;
    if (!same_files) {
      return base::error(ErrorKind::kConflict,
                         "{}; the rows were written for another schema, start the batch again",
                         conflict.text)
          .with_class("DELTA_METADATA_CHANGED")
          .as_retryable();
    }
    plan_ = std::move(again);
  }
}

Result<void> DeltaBatchWriter::abort() {
  if (named_in_log_) return {};
  Result<void> result;
  const auto give_up = [&](std::vector<std::unique_ptr<DataFileWriter>>& writers) {
    for (auto& writer : writers) {
      auto aborted = writer->abort();
      if (!aborted.ok()) result = aborted;
    }
    writers.clear();
  };
  give_up(idle_);
  give_up(finished_);
  return result;
}

}  // namespace

Result<std::unique_ptr<Sink>> make_delta_sink(delta::Environment environment,
                                              DeltaSinkOptions options) {
  WEIR_ASSIGN(options.path, delta::table_path(options.path));
  return std::unique_ptr<Sink>(std::make_unique<DeltaSink>(environment, std::move(options)));
}

}  // namespace weir::sink
