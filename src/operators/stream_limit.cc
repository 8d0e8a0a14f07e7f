#include "operators/stream_limit.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "eval/vector.h"
#include "operators/store_operator.h"
#include "state/row_codec.h"

namespace weir::operators {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;

class StreamLimit final : public StoreOperator {
 public:
  StreamLimit(plan::OperatorPtr node, StateEnvironment environment, int64_t limit)
      : StoreOperator("globalLimit", std::move(node), OutputMode::kAppend, std::move(environment)),
        limit_(limit) {}

  std::string identity() const override { return fmt::format("limit {}", limit_); }

  Result<std::unique_ptr<Collector>> collector(int) override {
    class Own final : public Collector {
     public:
      Own(std::vector<BatchPtr>& rows, int64_t limit) : rows_(rows), left_(limit) {}
      Result<void> add(const BatchPtr& rows) override {
        if (left_ <= 0 || rows->num_rows() == 0) return {};
        rows_.push_back(rows->num_rows() > left_ ? rows->Slice(0, left_) : rows);
        left_ -= rows_.back()->num_rows();
        return {};
      }

     private:
      std::vector<BatchPtr>& rows_;
      int64_t left_;
    };
    const std::lock_guard lock(mutex_);
    parts_.push_back(std::make_unique<std::vector<BatchPtr>>());
    return std::unique_ptr<Collector>(std::make_unique<Own>(*parts_.back(), limit_));
  }

  Result<void> finish(const Output& output) override {
    const Stopwatch watch(metrics_.update_us);
    const auto parts = std::move(parts_);
    parts_.clear();
    eval::BoolWriter key(1);
    key.set(0, true);
    const std::vector<ArrayPtr> keys{key.finish()};
    state::EncodedRows encoded, value;
    WEIR_ASSIGN(auto encoder, state::KeyEncoder::make(key_schema()));
    WEIR_TRY(encoder.encode(keys, encoded));
    auto& shard = store().shard(state::shard_of(encoded.hash(0), store().shards()));
    const auto row = counted(1);
    state::FoundValues found;
    WEIR_TRY(shard.get(encoded, row, {}, found));
    int64_t given = 0;
    if (found.values[0].data()) {
      WEIR_ASSIGN(const auto columns, state::decode_values(value_schema(), found.values));
      const eval::Vector vector{columns[0], false};
      given = eval::FixedReader<int64_t>(vector)[0];
    }
    const int64_t before = given;
    for (const auto& part : parts) {
      for (const auto& rows : *part) {
        if (given >= limit_) break;
        const auto some = rows->Slice(0, std::min(rows->num_rows(), limit_ - given));
        given += some->num_rows();
        WEIR_TRY(give(output, some->columns()));
      }
    }
    if (given == before) return {};
    eval::FixedWriter<int64_t> count(1);
    count.set(0, given);
    const std::vector<ArrayPtr> counts{count.finish(arrow::int64())};
    WEIR_ASSIGN(auto value_encoder, state::ValueEncoder::make(value_schema()));
    WEIR_TRY(value_encoder.encode(counts, value));
    return shard.put(encoded, value, row, {});
  }

  bool waits_for_event_time() const override { return false; }

 protected:
  std::vector<state::StoreSpec> specs() const override {
    state::StoreSpec spec{.identity = identity(), .key = key_schema(), .value = value_schema()};
    return {spec};
  }
  void drop_collectors() override { parts_.clear(); }

 private:
  static Schema key_schema() {
    return Schema::structure({columnar::make_field("group", DataType::of(TypeKind::kBoolean))});
  }
  static Schema value_schema() {
    return Schema::structure({columnar::make_field("count", DataType::of(TypeKind::kLong))});
  }

  int64_t limit_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::vector<BatchPtr>>> parts_;
};

}  // namespace

Result<std::unique_ptr<StatefulOperator>> make_stream_limit(const plan::OperatorPtr& node,
                                                            OutputMode mode,
                                                            StateEnvironment environment) {
  const auto& limit = std::get<plan::op::Limit>(node->node);
  if (mode == OutputMode::kUpdate) {
    return base::error(base::ErrorKind::kUnsupported,
                       "Limits are not supported on streaming DataFrames/Datasets in Update output "
                       "mode")
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  if (limit.offset > 0 || limit.limit < 0) {
    return base::error(base::ErrorKind::kUnsupported, "OFFSET over a stream")
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  }
  return std::unique_ptr<StatefulOperator>(
      std::make_unique<StreamLimit>(node, std::move(environment), limit.limit));
}

}  // namespace weir::operators
