// Aggregate functions as SQL, and what our side does with DuckDB's answers.
#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/cast.h"
#include "eval/vector.h"
#include "eval/wide_decimal.h"
#include "relational/statement_builder.h"

namespace weir::relational {

namespace {

using columnar::TypeKind;
using plan::Int128;

base::Error overflow(const plan::Typed& expression, std::string_view what) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  return eval::kernel_error(
      "ARITHMETIC_OVERFLOW", "22003",
      fmt::format("{} overflow in `{}`. If necessary set \"spark.sql.ansi.enabled\" to \"false\" "
                  "to bypass this error.",
                  what, call.function->name),
      expression.origin);
}

// Sums of 128 bits to bigint.
DuckQuery::Function sum_to_long(std::shared_ptr<const plan::Typed> expression, bool fails,
                                bool wraps) {
  return [expression, fails, wraps](const arrow::RecordBatch& batch) -> Result<eval::ArrayPtr> {
    const eval::Vector vector{batch.column(0), false};
    const eval::FixedReader<Int128> sums(vector);
    eval::FixedWriter<int64_t> writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!sums.valid[row]) {
        writer.set_null(row);
        continue;
      }
      const bool over = sums[row] > INT64_MAX || sums[row] < INT64_MIN;
      if (over && fails) return overflow(*expression, "long");
      if (over && !wraps) {
        writer.set_null(row);
      } else {
        writer.set(row, static_cast<int64_t>(sums[row]));
      }
    }
    return writer.finish(arrow::int64());
  };
}

// Sums of decimals (and, for an average, counts) to the result's decimal.
DuckQuery::Function settle_decimal(std::shared_ptr<const plan::Typed> expression, int scale,
                                   bool average, bool fails) {
  return [expression, scale, average,
          fails](const arrow::RecordBatch& batch) -> Result<eval::ArrayPtr> {
    const auto& type = expression->type;
    const eval::Vector vector{batch.column(0), false};
    const eval::FixedReader<Int128> sums(vector);
    eval::FixedWriter<Int128> writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!sums.valid[row]) {
        writer.set_null(row);
        continue;
      }
      Int128 value = 0;
      bool fits = false;
      if (average) {
        const eval::Vector counted{batch.column(1), false};
        const Int128 count = eval::FixedReader<int64_t>(counted)[row];
        fits = eval::divide_decimals(sums[row], scale, count, 0, type.precision(), type.scale(),
                                     value);
      } else {
        fits = eval::rescale_decimal(sums[row], scale, type.precision(), type.scale(), value);
      }
      if (!fits && fails) return overflow(*expression, "decimal");
      if (fits) {
        writer.set(row, value);
      } else {
        writer.set_null(row);
      }
    }
    return writer.finish(columnar::to_arrow(type));
  };
}

}  // namespace

Result<std::string> StatementBuilder::aggregate(const AggregateCall& call) {
  const auto name = call.call->function->name;
  const auto& type = call.expression->type;
  const std::string distinct = call.call->distinct ? "DISTINCT " : "";
  const auto shared = std::make_shared<const plan::Typed>(*call.expression);
  // The aggregate over rows that meet its FILTER and one more condition.
  const auto over_rows = [&](std::string_view function, const std::string& argument,
                             const std::string& condition = {}) {
    std::string filter = call.filter;
    if (!condition.empty()) filter += (filter.empty() ? "" : " AND ") + condition;
    return fmt::format("{}({}){}{}", function, argument,
                       filter.empty() ? "" : " FILTER (WHERE " + filter + ")", call.over);
  };
  const auto typed = [&](const std::string& sql) {
    return fmt::format("CAST({} AS {})", sql, duck_sql_type(type));
  };
  const bool ansi = context_.eval.ansi;
  const auto first = call.arguments.empty() ? std::string() : call.arguments[0];
  const auto first_type =
      call.arguments.empty() ? DataType::of(TypeKind::kNull) : call.call->arguments[0]->type;
  if (name == "count") {
    bool constant = !call.call->distinct;
    for (const auto& argument : call.call->arguments)
      constant = constant && !argument->nullable;
    if (constant) return over_rows("count", "*");
    if (call.arguments.size() == 1) return over_rows("count", distinct + first);
    std::string present, row;
    for (const auto& argument : call.arguments) {
      present += (present.empty() ? "" : " AND ") + argument + " IS NOT NULL";
      row += (row.empty() ? "" : ", ") + argument;
    }
    return over_rows("count",
                     fmt::format("{}CASE WHEN {} THEN row({}) END", distinct, present, row));
  }
  const bool trying = name == "try_sum" || name == "try_avg";
  if (name == "sum" || name == "try_sum") {
    const auto sum = over_rows("sum", distinct + first);
    if (first_type.is(TypeKind::kDecimal)) {
      if (!exact_ && ansi && !trying) return typed(sum);
      const auto wide = DataType::decimal(38, first_type.scale());
      return query_->add_function(
          {wide}, {fmt::format("CAST({} AS {})", sum, duck_sql_type(wide))}, type, !trying,
          settle_decimal(shared, first_type.scale(), false, ansi && !trying));
    }
    if (plan::is_integral(first_type) || type.is(TypeKind::kDayTimeInterval) ||
        type.is(TypeKind::kYearMonthInterval)) {
      if (!exact_ && ansi && !trying) return typed(sum);
      if (!type.is(TypeKind::kLong)) return typed(sum);
      const auto wide = DataType::decimal(38, 0);
      return query_->add_function({wide}, {fmt::format("CAST({} AS DECIMAL(38,0))", sum)}, type,
                                  !trying, sum_to_long(shared, ansi && !trying, !trying));
    }
    return typed(sum);
  }
  if (name == "avg" || name == "try_avg") {
    const auto sum = over_rows("sum", distinct + first);
    const auto count = over_rows("count", distinct + first);
    if (first_type.is(TypeKind::kDecimal)) {
      const auto wide = DataType::decimal(38, first_type.scale());
      return query_->add_function(
          {wide, DataType::of(TypeKind::kLong)},
          {fmt::format("CAST({} AS {})", sum, duck_sql_type(wide)), count}, type, !trying,
          settle_decimal(shared, first_type.scale(), true, ansi && !trying));
    }
    return fmt::format("({} / nullif({}, 0))", sum, count);
  }
  if (name == "count_if")
    return over_rows("count", distinct + "CASE WHEN " + first + " THEN 1 END");
  if (name == "any_value" || name == "first" || name == "last") {
    const bool last = name == "last";
    return over_rows(last ? "last" : "first", first,
                     call.call->ignore_nulls ? first + " IS NOT NULL" : "");
  }
  if (name == "min" || name == "max") return over_rows(name, first);
  if (name == "bool_and" || name == "bool_or") return over_rows(name, first);
  return base::error(base::ErrorKind::kUnsupported, "the aggregate function {}", name)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace weir::relational
