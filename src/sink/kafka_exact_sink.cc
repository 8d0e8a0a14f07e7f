#include "sink/kafka_exact_sink.h"

#include <algorithm>
#include <unistd.h>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/logging.h"
#include "kafka/transactions.h"

namespace weir::sink {

using base::Error;
using base::error;
using base::ErrorKind;

namespace {

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

// Who has written what.
struct Mark {
  int64_t batch = -1;  // none yet
  std::string run_id;
  std::string host;
  int64_t process = 0;
  std::string topic;  // where it is kept

  std::string text(const std::string& query_id) const {
    return base::json_text(base::JsonObject{{"queryId", query_id},
                                            {"batchId", batch},
                                            {"runId", run_id},
                                            {"host", host},
                                            {"process", process}});
  }
};

Result<Mark> newest_mark(const std::vector<kafka::GroupOffset>& offsets, const std::string& group) {
  Mark newest;
  for (const kafka::GroupOffset& offset : offsets) {
    const std::string what =
        fmt::format("the mark of group \"{}\" for topic \"{}\"", group, offset.partition.topic);
    WEIR_ASSIGN(const auto json, base::parse_json_object(offset.metadata, what));
    const auto batch = base::json_int(json, "batchId");
    if (!batch || offset.offset != *batch + 1)
      return error(ErrorKind::kCorruption,
                   "{} is not one of weir's: offset {}, \"{}\". Nobody else may commit offsets "
                   "of this group",
                   what, offset.offset, offset.metadata);
    if (!newest.topic.empty() && *batch < newest.batch) continue;
    newest = {*batch, base::json_string(json, "runId").value_or(""),
              base::json_string(json, "host").value_or("?"),
              base::json_int(json, "process").value_or(0), offset.partition.topic};
  }
  return newest;
}

// The transaction was ended by others; a new session may or may not be ours.
bool is_ended(const Error& why) { return why.kind() == ErrorKind::kConflict && why.retryable(); }

class ExactKafkaSink final : public Sink {
 public:
  ExactKafkaSink(base::Clock& clock, base::Random& random, KafkaSinkOptions options)
      : clock_(clock), random_(random), options_(std::move(options)) {}
  ~ExactKafkaSink() override { abandon(); }

  std::string description() const override { return "KafkaSink"; }
  bool exactly_once() const override { return true; }
  Result<std::string> prepare(const QueryIdentity& query, const Schema& schema) override;
  Result<void> confirm_committed(BatchId batch) override;
  Result<std::unique_ptr<BatchWriter>> begin(BatchId batch, int parts) override;
  void interrupt() override;

  // Of the batch under way.
  Result<void> check() const { return deliveries_.check(); }
  Result<void> end_transaction(BatchId batch, const std::string& topic);
  // What an error means; the session is over.
  Error explain(Error why, BatchId batch);
  // Rolls back what is under way.
  void abandon();

 private:
  Result<void> open_session();
  Result<void> open_producer(const kafka::ProducerIdentity& identity);
  Result<void> commit_mark(const Mark& mark);
  Result<void> refuse_where_taken_over();
  Mark own_mark(int64_t batch, std::string topic) const {
    return {batch, query_.run_id, host_name(), ::getpid(), std::move(topic)};
  }

  base::Clock& clock_;
  base::Random& random_;
  const KafkaSinkOptions options_;
  QueryIdentity query_;
  std::string name_;  // transactional id and group
  KafkaColumns columns_;
  int64_t covered_ = -1;  // the newest batch that is committed
  bool had_session_ = false;
  bool writing_ = false;  // a batch is under way
  kafka::ProducerIdentity identity_;
  Deliveries deliveries_;

  std::mutex mutex_;  // of what interrupt() touches
  bool interrupted_ = false;
  std::shared_ptr<kafka::Transactions> transactions_;
  std::unique_ptr<kafka::Producer> producer_;  // null: no session
};

class ExactBatch final : public BatchWriter {
 public:
  ExactBatch(ExactKafkaSink& sink, BatchId batch, kafka::Producer& producer, KafkaRowSender sender)
      : sink_(sink), batch_(batch), producer_(producer), sender_(std::move(sender)) {}
  ~ExactBatch() override { (void)abort(); }

  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override {
    WEIR_TRY(sink_.check());
    return sender_.send(part, *rows);
  }
  Result<SinkCommit> commit() override {
    auto done = send_all();
    if (!done.ok()) {
      over_ = true;
      return sink_.explain(std::move(done).error(), batch_);
    }
    over_ = true;
    return sender_.counts();
  }
  Result<void> abort() override {
    if (!std::exchange(over_, true)) sink_.abandon();
    return {};
  }

 private:
  Result<void> send_all() {
    WEIR_TRY(producer_.flush(kFlushTimeoutMs));
    WEIR_TRY(sink_.check());
    return sink_.end_transaction(batch_, sender_.some_topic());
  }

  ExactKafkaSink& sink_;
  const BatchId batch_;
  kafka::Producer& producer_;
  KafkaRowSender sender_;
  bool over_ = false;
};

class CoveredBatch final : public BatchWriter {
 public:
  explicit CoveredBatch(int64_t covered) : covered_(covered) {}
  Result<void> write(int, const std::shared_ptr<arrow::RecordBatch>&) override { return {}; }
  Result<SinkCommit> commit() override {
    SinkCommit commit;
    commit.already_done = true;
    commit.details["recordedBatch"] = covered_;
    return commit;
  }
  Result<void> abort() override { return {}; }

 private:
  int64_t covered_;
};

Result<std::string> ExactKafkaSink::prepare(const QueryIdentity& query, const Schema& schema) {
  WEIR_ASSIGN(columns_, kafka_columns(schema, options_));
  query_ = query;
  name_ = "weir-" + query.query_id;
  WEIR_ASSIGN(auto transactions,
              kafka::Transactions::open(options_.producer, name_, options_.transaction_timeout_ms,
                                        clock_, random_));
  {
    const std::lock_guard lock(mutex_);
    transactions_ = std::move(transactions);
    if (interrupted_) transactions_->stop();
  }
  auto opened = open_session();
  if (opened.ok()) return std::string();
  Error why = std::move(opened).error();
  if (why.kind() != ErrorKind::kUnsupported)
    return std::move(why).with_context("option exactlyOnce of the Kafka sink");
  return error(ErrorKind::kUnsupported,
               "The feature is not supported: the option exactlyOnce of the Kafka sink: {}.",
               why.message())
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

Result<void> ExactKafkaSink::confirm_committed(BatchId batch) {
  // The checkpoint may be one batch behind, where the process died in between.
  if (covered_ <= batch.value() + 1) return {};
  return error(ErrorKind::kConflict,
               "the group \"{}\" says that batch {} of this query is in Kafka, and the checkpoint "
               "ends with batch {}: it is an old copy, or another process has gone on with it. "
               "Batches would be taken for those already written. Restore the newer checkpoint, or "
               "start with a new one",
               name_, covered_, batch.value());
}

// Where this process had the id before: whether somebody else has begun since.
Result<void> ExactKafkaSink::refuse_where_taken_over() {
  WEIR_ASSIGN(const auto offsets, transactions_->offsets(name_, false));
  WEIR_ASSIGN(const Mark mark, newest_mark(offsets, name_));
  if (mark.topic.empty() || mark.run_id == query_.run_id) return {};
  return error(ErrorKind::kConflict,
               "another process goes on with this query (id {}): run {} in process {} on {}, which "
               "has committed {}. This one (run {}) stops; its batch was rolled back",
               query_.query_id, mark.run_id, mark.process, mark.host,
               mark.batch < 0 ? "no batch yet" : fmt::format("batch {}", mark.batch),
               query_.run_id);
}

Result<void> ExactKafkaSink::open_session() {
  if (had_session_) WEIR_TRY(refuse_where_taken_over());
  deliveries_.forget();
  WEIR_ASSIGN(identity_, transactions_->take_over());
  WEIR_ASSIGN(const auto offsets, transactions_->offsets(name_, true));
  WEIR_ASSIGN(Mark mark, newest_mark(offsets, name_));
  WEIR_TRY(open_producer(identity_));
  covered_ = std::max(covered_, mark.batch);
  if (mark.topic.empty()) mark.topic = options_.topic;
  // Where rows name their topics and none is known yet, the first batch says who we are.
  if (!mark.topic.empty()) {
    auto there = producer_->partition_count(mark.topic);
    WEIR_TRY(there);
    WEIR_TRY(commit_mark(own_mark(covered_, mark.topic)));
  }
  had_session_ = true;
  return {};
}

Result<void> ExactKafkaSink::open_producer(const kafka::ProducerIdentity& identity) {
  WEIR_ASSIGN(auto producer,
              kafka::Producer::open(
                  options_.producer, clock_, random_,
                  [this](const kafka::Delivery& delivery) { deliveries_.take(delivery); },
                  kafka::TransactionalSession{transactions_, identity}));
  const std::lock_guard lock(mutex_);
  if (interrupted_) producer->stop();
  producer_ = std::move(producer);
  return {};
}

Result<void> ExactKafkaSink::commit_mark(const Mark& mark) {
  WEIR_TRY(transactions_->add_offsets(
      identity_, name_, {{{mark.topic, 0}, mark.batch + 1, mark.text(query_.query_id)}}));
  return transactions_->commit(identity_);
}

Result<std::unique_ptr<BatchWriter>> ExactKafkaSink::begin(BatchId batch, int parts) {
  if (producer_ == nullptr) {
    auto opened = open_session();
    if (!opened.ok()) {
      abandon();
      return std::move(opened).error();
    }
  }
  if (batch.value() <= covered_)
    return std::unique_ptr<BatchWriter>(std::make_unique<CoveredBatch>(covered_));
  writing_ = true;
  return std::unique_ptr<BatchWriter>(std::make_unique<ExactBatch>(
      *this, batch, *producer_,
      KafkaRowSender(*producer_, clock_, columns_, options_.topic, parts)));
}

Result<void> ExactKafkaSink::end_transaction(BatchId batch, const std::string& topic) {
  if (!topic.empty()) {
    WEIR_TRY(commit_mark(own_mark(batch.value(), topic)));
    covered_ = batch.value();
    producer_->next_transaction();
  }
  writing_ = false;
  return {};
}

Error ExactKafkaSink::explain(Error why, BatchId batch) {
  abandon();
  if (!is_ended(why)) return why;
  auto taken = refuse_where_taken_over();
  if (!taken.ok() && !taken.error().retryable()) return std::move(taken).error();
  return std::move(why).with_context(
      fmt::format("batch {} was rolled back, as after kafka.transaction.timeout.ms ({} ms)",
                  batch.value(), options_.transaction_timeout_ms));
}

void ExactKafkaSink::abandon() {
  std::unique_ptr<kafka::Producer> producer;
  {
    const std::lock_guard lock(mutex_);
    producer = std::move(producer_);
  }
  if (producer == nullptr) return;
  producer.reset();  // nothing more is sent
  if (!std::exchange(writing_, false)) return;
  // Readers would wait for the transaction.
  transactions_->roll_back(name_, [this](const std::vector<kafka::GroupOffset>& offsets) {
    const auto mark = newest_mark(offsets, name_);
    return mark.ok() && (mark->topic.empty() || mark->run_id == query_.run_id);
  });
}

void ExactKafkaSink::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (producer_ != nullptr) producer_->stop();
  if (transactions_ != nullptr) transactions_->stop();
}

}  // namespace

std::unique_ptr<Sink> make_exact_kafka_sink(base::Clock& clock, base::Random& random,
                                            KafkaSinkOptions options) {
  return std::make_unique<ExactKafkaSink>(clock, random, std::move(options));
}

}  // namespace weir::sink
