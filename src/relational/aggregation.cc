#include "relational/aggregation.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/cast.h"
#include "eval/vector.h"
#include "eval/wide_decimal.h"
#include "plan/function_catalog.h"

namespace weir::relational {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using plan::Int128;

// What is done with DuckDB's answer.
enum class Settle { kAsIs, kSumToLong, kSumToDecimal, kDecimalAverage };

struct AggregatePlan {
  Settle settle = Settle::kAsIs;
  size_t first_column = 0;            // of DuckDB's result; an average of decimals takes two
  plan::ResolvedAggregate aggregate;  // a copy: the stream outlives the query's plan
};

class AggregationBuilder {
 public:
  explicit AggregationBuilder(const plan::ResolvedQuery& query) : query_(query) {}

  void build() {
    for (size_t i = 0; i < query_.group_keys.size(); ++i) {
      const auto column = argument(query_.group_keys[i]);
      add(column, query_.group_keys[i]->type);
      groups_ += (i ? ", " : " GROUP BY ") + std::to_string(i + 1);
    }
    for (const auto& aggregate : query_.aggregates)
      plans_.push_back(plan_of(aggregate));
    if (arguments_.empty()) {  // count(*) alone: a column to count rows by
      arguments_.push_back(
          {"c0", std::make_shared<const plan::Typed>(plan::Typed{
                     DataType::of(TypeKind::kByte), false, plan::TypedLiteral{int64_t{1}}, {}})});
    }
  }

  std::string sql() const { return "SELECT " + select_ + " FROM {input}" + groups_; }
  const std::vector<plan::NamedTyped>& arguments() const { return arguments_; }
  const std::vector<AggregatePlan>& plans() const { return plans_; }
  Schema duck_schema() const { return Schema::structure(result_); }

 private:
  // The column of the input that holds the expression.
  std::string argument(const plan::TypedPtr& expression) {
    for (size_t i = 0; i < arguments_.size(); ++i) {
      if (plan::same_expression(*arguments_[i].expression, *expression))
        return "c" + std::to_string(i);
    }
    arguments_.push_back({"c" + std::to_string(arguments_.size()), expression});
    return arguments_.back().name;
  }

  size_t add(const std::string& sql, DataType type) {
    select_ += (result_.empty() ? "" : ", ") + sql;
    result_.push_back(columnar::make_field("c" + std::to_string(result_.size()), std::move(type)));
    return result_.size() - 1;
  }

  AggregatePlan plan_of(const plan::ResolvedAggregate& aggregate) {
    const auto name = aggregate.function->name;
    AggregatePlan plan;
    plan.aggregate = aggregate;
    if (!aggregate.argument) {
      plan.first_column = add("count(*)", aggregate.type);
      return plan;
    }
    const auto column = argument(aggregate.argument);
    const auto& type = aggregate.argument->type;
    const std::string distinct = aggregate.distinct ? "DISTINCT " : "";
    if (name == "count") {
      plan.first_column = add(count(aggregate, column, distinct), aggregate.type);
    } else if (name == "sum" && plan::is_integral(type)) {
      plan.settle = Settle::kSumToLong;
      plan.first_column = add(fmt::format("CAST(sum({}{}) AS DECIMAL(38,0))", distinct, column),
                              DataType::decimal(38, 0));
    } else if (name == "sum" && type.is(TypeKind::kDecimal)) {
      plan.settle = Settle::kSumToDecimal;
      plan.first_column =
          add(decimal_sum(distinct, column, type), DataType::decimal(38, type.scale()));
    } else if (name == "sum") {
      plan.first_column = add(fmt::format("sum({}{})", distinct, column), aggregate.type);
    } else if (name == "avg" && type.is(TypeKind::kDecimal)) {
      plan.settle = Settle::kDecimalAverage;
      plan.first_column =
          add(decimal_sum(distinct, column, type), DataType::decimal(38, type.scale()));
      add(fmt::format("count({}{})", distinct, column), DataType::of(TypeKind::kLong));
    } else if (name == "avg") {
      plan.first_column = add(
          fmt::format("sum({0}{1}) / nullif(count({0}{1}), 0)", distinct, column), aggregate.type);
    } else if (name == "count_if") {
      plan.first_column =
          add(fmt::format("count({}CASE WHEN {} THEN 1 END)", distinct, column), aggregate.type);
    } else if (name == "any_value") {
      plan.first_column = add(fmt::format("first({})", column), aggregate.type);
    } else {  // min, max, bool_and, bool_or
      plan.first_column = add(fmt::format("{}({})", name, column), aggregate.type);
    }
    return plan;
  }

  static std::string decimal_sum(const std::string& distinct, const std::string& column,
                                 const DataType& type) {
    return fmt::format("CAST(sum({}{}) AS DECIMAL(38,{}))", distinct, column, type.scale());
  }

  // NULL in any argument takes the row out.
  std::string count(const plan::ResolvedAggregate& aggregate, const std::string& first,
                    const std::string& distinct) {
    if (aggregate.more.empty()) return fmt::format("count({}{})", distinct, first);
    std::string present = first + " IS NOT NULL", row = first;
    for (const auto& more : aggregate.more) {
      const auto column = argument(more);
      present += " AND " + column + " IS NOT NULL";
      row += ", " + column;
    }
    return fmt::format("count({}CASE WHEN {} THEN row({}) END)", distinct, present, row);
  }

  const plan::ResolvedQuery& query_;
  std::vector<plan::NamedTyped> arguments_;
  std::vector<columnar::Field> result_;
  std::vector<AggregatePlan> plans_;
  std::string select_;
  std::string groups_;
};

class SettleStep final : public BatchStream {
 public:
  SettleStep(StreamPtr input, Schema schema, size_t keys, std::vector<AggregatePlan> plans,
             bool ansi)
      : input_(std::move(input)),
        schema_(std::move(schema)),
        keys_(keys),
        plans_(std::move(plans)),
        ansi_(ansi) {}

  const Schema& schema() const override { return schema_; }

  Result<BatchPtr> next(std::stop_token stop) override {
    WEIR_ASSIGN(auto batch, input_->next(stop));
    if (!batch) return batch;
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < keys_; ++i)
      arrays.push_back(batch->column(static_cast<int>(i)));
    for (const auto& plan : plans_) {
      WEIR_ASSIGN(auto array, settle(plan, *batch));
      arrays.push_back(std::move(array));
    }
    return arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), batch->num_rows(), arrays);
  }

 private:
  base::Error overflow(const AggregatePlan& plan) const {
    return eval::kernel_error(
        "ARITHMETIC_OVERFLOW", "22003",
        fmt::format("{} overflow in `{}`. If necessary set \"spark.sql.ansi.enabled\" to \"false\" "
                    "to bypass this error.",
                    plan.settle == Settle::kSumToLong ? "long" : "decimal",
                    plan.aggregate.function->name),
        plan.aggregate.origin);
  }

  Result<std::shared_ptr<arrow::Array>> settle(const AggregatePlan& plan,
                                               const arrow::RecordBatch& batch) const {
    const auto& column = batch.column(static_cast<int>(plan.first_column));
    if (plan.settle == Settle::kAsIs) return column;
    const int64_t rows = batch.num_rows();
    const eval::Vector vector{column, false};
    const eval::FixedReader<Int128> sums(vector);
    const auto& type = plan.aggregate.type;
    if (plan.settle == Settle::kSumToLong) {
      eval::FixedWriter<int64_t> writer(rows);
      for (int64_t row = 0; row < rows; ++row) {
        if (!sums.valid[row]) {
          writer.set_null(row);
          continue;
        }
        if (ansi_ && (sums[row] > INT64_MAX || sums[row] < INT64_MIN)) return overflow(plan);
        writer.set(row, static_cast<int64_t>(sums[row]));
      }
      return writer.finish(arrow::int64());
    }
    eval::FixedWriter<Int128> writer(rows);
    const int scale = plan.aggregate.argument->type.scale();
    for (int64_t row = 0; row < rows; ++row) {
      if (!sums.valid[row]) {
        writer.set_null(row);
        continue;
      }
      Int128 value = 0;
      bool fits = false;
      if (plan.settle == Settle::kSumToDecimal) {
        fits = eval::rescale_decimal(sums[row], scale, type.precision(), type.scale(), value);
      } else {
        const eval::Vector counted{batch.column(static_cast<int>(plan.first_column + 1)), false};
        const Int128 count = eval::FixedReader<int64_t>(counted)[row];
        fits = eval::divide_decimals(sums[row], scale, count, 0, type.precision(), type.scale(),
                                     value);
      }
      if (!fits && ansi_) return overflow(plan);
      if (fits) {
        writer.set(row, value);
      } else {
        writer.set_null(row);
      }
    }
    return writer.finish(columnar::to_arrow(type));
  }

  StreamPtr input_;
  Schema schema_;
  size_t keys_;
  std::vector<AggregatePlan> plans_;
  bool ansi_;
};

}  // namespace

Result<StreamPtr> aggregation_step(StreamPtr input, const plan::ResolvedQuery& query,
                                   DuckEngine& engine, const eval::EvalContext& context) {
  AggregationBuilder builder(query);
  builder.build();
  WEIR_ASSIGN(auto arguments, projection_step(std::move(input), builder.arguments(), context));
  WEIR_ASSIGN(auto grouped, engine.run(builder.sql(), std::move(arguments), builder.duck_schema()));
  std::vector<columnar::Field> fields;
  for (const auto& key : query.group_keys)
    fields.push_back(
        columnar::make_field("_g" + std::to_string(fields.size()), key->type, key->nullable));
  for (const auto& one : query.aggregates)
    fields.push_back(columnar::make_field("_g" + std::to_string(fields.size()), one.type));
  return StreamPtr(
      std::make_unique<SettleStep>(std::move(grouped), Schema::structure(std::move(fields)),
                                   query.group_keys.size(), builder.plans(), context.ansi));
}

}  // namespace weir::relational
