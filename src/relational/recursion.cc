#include "relational/recursion.h"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "plan/operator_rewrites.h"

namespace weir::relational {

using plan::OperatorPtr;
namespace op = plan::op;

namespace {

plan::TypedPtr over_rows(const plan::TypedPtr& expression, int64_t id,
                         const std::vector<BatchPtr>& batches);

// The plan over these rows where it reads the recursion's.
OperatorPtr over_rows(const OperatorPtr& plan, int64_t id, const std::vector<BatchPtr>& batches) {
  if (const auto* rows = std::get_if<op::RecursiveRows>(&plan->node); rows && rows->id == id)
    return plan::make_operator(op::LocalRows{batches}, plan->columns);
  const auto made = plan::map_operator_children(
      plan, [&](const OperatorPtr& child) { return over_rows(child, id, batches); });
  return plan::map_operator_expressions(
      made, [&](const plan::TypedPtr& one) { return over_rows(one, id, batches); });
}

plan::TypedPtr over_rows(const plan::TypedPtr& expression, int64_t id,
                         const std::vector<BatchPtr>& batches) {
  auto made = plan::map_typed_children(
      expression, [&](const plan::TypedPtr& child) { return over_rows(child, id, batches); });
  const auto* query = std::get_if<plan::TypedSubquery>(&made->node);
  if (!query) return made;
  auto below = over_rows(query->plan, id, batches);
  if (below == query->plan) return made;
  plan::Typed copy = *made;
  std::get<plan::TypedSubquery>(copy.node).plan = std::move(below);
  return std::make_shared<const plan::Typed>(std::move(copy));
}

base::Error limit_error(std::string_view name, std::string_view parameter, std::string_view what,
                        std::string_view setting, int64_t limit) {
  return base::error(base::ErrorKind::kInvalidArgument,
                     "Recursion {} limit {} reached but query has not exhausted, try increasing it "
                     "like 'SET {}={}'.",
                     what, limit, setting, limit * 10)
      .with_class(std::string(name))
      .with_sql_state("42836")
      .with_parameter(std::string(parameter), std::to_string(limit));
}

class RecursionStream final : public BatchStream {
 public:
  RecursionStream(OperatorPtr plan, const ExecutionContext& context, StreamPtr first)
      : plan_(std::move(plan)),
        node_(std::get<op::Recursion>(plan_->node)),
        context_(context),
        schema_(plan::schema_of(*plan_)),
        stream_(std::move(first)) {}

  const columnar::Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    while (stream_) {
      if (node_.limit && *node_.limit >= 0 && rows_ >= *node_.limit) break;
      WEIR_ASSIGN(auto batch, stream_->next(stop));
      if (batch) {
        if (batch->num_rows() == 0) continue;
        rows_ += batch->num_rows();
        if (!node_.limit && node_.row_max >= 0 && rows_ > node_.row_max) {
          return limit_error("RECURSION_ROW_LIMIT_EXCEEDED", "rowLimit", "row",
                             "spark.sql.cteRecursionRowLimit", node_.row_max);
        }
        level_rows_.push_back(batch);
        return batch;
      }
      WEIR_TRY(next_level());
    }
    stream_ = nullptr;
    return BatchPtr();
  }

 private:
  Result<void> next_level() {
    stream_ = nullptr;
    if (level_rows_.empty()) return {};
    if (node_.level_max >= 0 && level_ >= node_.level_max) {
      return limit_error("RECURSION_LEVEL_LIMIT_EXCEEDED", "levelLimit", "level",
                         "spark.sql.cteRecursionLevelLimit", node_.level_max);
    }
    ++level_;
    const auto rows = std::exchange(level_rows_, {});
    WEIR_ASSIGN(stream_, execute(over_rows(node_.right, node_.id, rows), context_));
    return {};
  }

  OperatorPtr plan_;
  const op::Recursion& node_;
  ExecutionContext context_;
  columnar::Schema schema_;
  StreamPtr stream_;
  std::vector<BatchPtr> level_rows_;  // of the level that is being read
  int64_t level_ = 0;
  int64_t rows_ = 0;
};

}  // namespace

Result<StreamPtr> recursion_rows(const OperatorPtr& recursion, const ExecutionContext& context) {
  WEIR_ASSIGN(auto first, execute(std::get<op::Recursion>(recursion->node).left, context));
  return StreamPtr(std::make_unique<RecursionStream>(recursion, context, std::move(first)));
}

}  // namespace weir::relational
