// Aggregate functions as SQL, and what our side does with DuckDB's answers.
#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/cast.h"
#include "eval/sketch_aggregates.h"
#include "eval/vector.h"
#include "eval/wide_decimal.h"
#include "relational/statement_builder.h"
#include "relational/steps.h"

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

// Sums of intervals (128 bits) and, for an average, counts: rounded half away from zero.
DuckQuery::Function settle_interval(std::shared_ptr<const plan::Typed> expression, bool average,
                                    bool trying) {
  return [expression, average, trying](const arrow::RecordBatch& batch) -> Result<eval::ArrayPtr> {
    const auto& type = expression->type;
    const bool months = type.is(TypeKind::kYearMonthInterval);
    const eval::Vector summed{batch.column(0), false};
    const eval::FixedReader<Int128> sums(summed);
    const auto fits = [&](Int128 sum) {
      return months ? sum >= INT32_MIN && sum <= INT32_MAX : sum >= INT64_MIN && sum <= INT64_MAX;
    };
    const auto averaged = [&](int64_t row) {
      const eval::Vector counted{batch.column(1), false};
      const Int128 count = eval::FixedReader<int64_t>(counted)[row], sum = sums[row];
      const Int128 whole = sum / count, rest = sum % count;
      return whole + (2 * (rest < 0 ? -rest : rest) >= count ? (sum < 0 ? -1 : 1) : 0);
    };
    const auto fill = [&](auto sample) -> Result<eval::ArrayPtr> {
      eval::FixedWriter<decltype(sample)> writer(batch.num_rows());
      for (int64_t row = 0; row < batch.num_rows(); ++row) {
        const bool some = sums.valid[row];
        if (some && !fits(sums[row]) && !trying) {
          return eval::kernel_error(
              "INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", "22015",
              "Integer overflow while operating with intervals. Use `try_add` to tolerate "
              "overflow and return NULL instead.",
              expression->origin);
        }
        if (some && fits(sums[row])) {
          writer.set(row, static_cast<decltype(sample)>(average ? averaged(row) : sums[row]));
        } else {
          writer.set_null(row);
        }
      }
      return writer.finish(columnar::to_arrow(type));
    };
    return months ? fill(int32_t{}) : fill(int64_t{});
  };
}

// The sum (or average) of lists of decimals that may be past 128 bits on the way.
DuckQuery::Function sum_decimal_list(std::shared_ptr<const plan::Typed> expression, int scale,
                                     bool average, bool fails) {
  return [=](const arrow::RecordBatch& batch) -> Result<eval::ArrayPtr> {
    const auto& type = expression->type;
    const auto& lists = static_cast<const arrow::ListArray&>(*batch.column(0));
    const eval::Vector values{lists.values(), false};
    const eval::FixedReader<Int128> numbers(values);
    eval::FixedWriter<Int128> writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      Int128 sum = 0, value = 0;
      int64_t count = 0;
      bool fits = true;
      if (!lists.IsNull(row)) {
        for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i) {
          if (!numbers.valid[i]) continue;
          ++count;
          fits = fits && !__builtin_add_overflow(sum, numbers[i], &sum);
        }
      }
      if (count == 0) {
        writer.set_null(row);
        continue;
      }
      fits = fits &&
             (average ? eval::divide_decimals(sum, scale, count, 0, type.precision(), type.scale(),
                                              value)
                      : eval::rescale_decimal(sum, scale, type.precision(), type.scale(), value));
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

bool constant_true(const plan::Typed& expression) {
  const auto* literal = std::get_if<plan::TypedLiteral>(&expression.node);
  const auto* flag = literal ? std::get_if<bool>(&literal->value) : nullptr;
  return flag && *flag;
}

std::string filter_clause(const std::string& filter, const std::string& condition) {
  if (filter.empty() && condition.empty()) return {};
  return fmt::format(" FILTER (WHERE {}{}{})", filter,
                     filter.empty() || condition.empty() ? "" : " AND ", condition);
}

// The call as DuckDB's SQL, from the texts of its arguments, filter and window.
Result<std::string> sketch_sql(DuckQuery& query, const plan::Typed& expression,
                               const eval::SketchAggregate& sketch,
                               const std::vector<std::string>& given, const std::string& filter,
                               const std::string& over) {
  const auto bytes = DataType::of(TypeKind::kBinary);
  std::vector<DataType> types;
  for (const auto& argument : sketch.arguments)
    types.push_back(argument->type);
  const std::vector<std::string> arguments(
      given.begin(), given.begin() + static_cast<std::ptrdiff_t>(sketch.arguments.size()));
  WEIR_ASSIGN(const auto entry, query.add_function(types, arguments, bytes, false, sketch.entries));
  const auto distinct = std::get<plan::TypedCall>(expression.node).distinct ? "DISTINCT " : "";
  if (over.empty()) {
    // DISTINCT counts the entries: the plan is the same for all.
    const auto made = fmt::format("weir_sketch({}'{}', {}){}", distinct, sketch.plan, entry,
                                  filter_clause(filter, ""));
    return query.add_function({bytes}, {made}, expression.type, false, sketch.result);
  }
  // Over windows DuckDB cannot call others' aggregates: the entries as a list.
  const auto list = fmt::format("list({}{}){}{}", distinct, entry, filter_clause(filter, ""), over);
  auto over_lists = [plan = sketch.plan, result = sketch.result](
                        const arrow::RecordBatch& batch) -> Result<eval::ArrayPtr> {
    const auto& lists = static_cast<const arrow::ListArray&>(*batch.column(0));
    const eval::Vector values{lists.values(), false};
    const eval::TextReader entries(values);
    eval::TextWriter outcomes(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      WEIR_ASSIGN(const auto builder, eval::make_sketch(plan));
      if (!lists.IsNull(row)) {
        for (int64_t i = lists.value_offset(row); i < lists.value_offset(row + 1); ++i) {
          if (entries.valid[i]) WEIR_TRY(builder->add(entries[i]));
        }
      }
      outcomes.add(eval::sketch_outcome(builder->bytes()));
    }
    WEIR_ASSIGN(const auto column, outcomes.finish(arrow::binary()));
    return result(*arrow::RecordBatch::Make(arrow::schema({arrow::field("v", column->type())}),
                                            column->length(), std::vector<eval::ArrayPtr>{column}));
  };
  return query.add_function({DataType::array(bytes)}, {list}, expression.type, false,
                            std::move(over_lists));
}

}  // namespace

Result<std::string> StatementBuilder::first_or_last(const AggregateCall& call, bool last) {
  const bool ignore_nulls = call.call->ignore_nulls || (call.call->arguments.size() > 1 &&
                                                        constant_true(*call.call->arguments[1]));
  const auto& value = call.arguments[0];
  if (!call.over.empty() && call.filter.empty()) {
    return fmt::format("{}({}{}){}", last ? "last_value" : "first_value", value,
                       ignore_nulls ? " IGNORE NULLS" : "", call.over);
  }
  return fmt::format("{}({}){}{}", last ? "last" : "first", value,
                     filter_clause(call.filter, ignore_nulls ? value + " IS NOT NULL" : ""),
                     call.over);
}

Result<std::string> StatementBuilder::extreme_of_nested(const AggregateCall& call, bool greatest) {
  const auto& value = call.arguments[0];
  WEIR_ASSIGN(const auto key, order_bytes(value, call.call->arguments[0]->type));
  return fmt::format("{}({}, {}){}{}", greatest ? "arg_max" : "arg_min", value, key,
                     filter_clause(call.filter, value + " IS NOT NULL"), call.over);
}

Result<std::string> StatementBuilder::distinct_estimate(const AggregateCall& call) {
  double error = 0.05;
  if (call.call->arguments.size() > 1) {
    WEIR_ASSIGN(const auto given, constant_value(call.call->arguments[1], context_.eval));
    if (const auto* number = std::get_if<double>(&given)) error = *number;
  }
  WEIR_ASSIGN(const int precision, eval::sketch_precision(error));
  const auto& value = call.call->arguments[0];
  WEIR_ASSIGN(auto entry, eval::sketch_entry(value, precision, context_.eval));
  WEIR_ASSIGN(const auto entries,
              query_->add_function({value->type}, {call.arguments[0]},
                                   DataType::of(TypeKind::kInteger), false, std::move(entry)));
  const auto list =
      fmt::format("list(DISTINCT {}){}{}", entries,
                  filter_clause(call.filter, call.arguments[0] + " IS NOT NULL"), call.over);
  return query_->add_function({DataType::array(DataType::of(TypeKind::kInteger))}, {list},
                              DataType::of(TypeKind::kLong), false,
                              eval::sketch_estimate(precision));
}

Result<std::string> StatementBuilder::collected(const AggregateCall& call,
                                                const eval::ListFinisher& finisher) {
  const auto name = call.call->function->name;
  const bool within = name == "percentile_cont" || name == "percentile_disc" ||
                      (name == "mode" && call.arguments.empty());
  if (within && call.order.empty())
    return base::error(base::ErrorKind::kInvalidArgument, "{} needs WITHIN GROUP (ORDER BY …)",
                       name)
        .with_class("DISTINCT_WINDOW_FUNCTION_UNSUPPORTED");
  std::string value, order;
  auto type = DataType::of(TypeKind::kDouble);
  if (within) {
    const auto column = call.order[0].substr(0, call.order[0].find(' '));
    type = call.call->within_group[0].expression->type;
    value = column;
    if (name != "mode" && !type.is(TypeKind::kDouble) && !type.is_interval()) {
      type = DataType::of(TypeKind::kDouble);
      value = fmt::format("CAST({} AS DOUBLE)", column);
    }
    order = value + call.order[0].substr(column.size());
  } else {
    value = call.arguments[0];
    type = call.call->arguments[0]->type;
    for (const auto& key : call.order)
      order += (order.empty() ? "" : ", ") + key;
    for (const auto& key : call.order) {
      if (!call.call->distinct || key.starts_with(value + " ")) continue;
      return eval::kernel_error(
          "INVALID_WITHIN_GROUP_EXPRESSION.MISMATCH_WITH_DISTINCT_INPUT", "42K0K",
          fmt::format("Invalid function `{}` with WITHIN GROUP. Cannot invoke the function with "
                      "DISTINCT and WITHIN GROUP when its argument and the ordering expression "
                      "are not the same.",
                      name),
          call.expression->origin);
    }
    if (order.empty() && finisher.order == eval::ListFinisher::Order::kAscending)
      order = value + " ASC";
  }
  auto present = value + " IS NOT NULL";
  if (name == "percentile" && call.arguments.size() > 2) {
    present += fmt::format(" AND {} IS NOT NULL", call.arguments[2]);
    value = fmt::format("struct_pack(f0 := {}, f1 := {})", value, call.arguments[2]);
    type = DataType::structure({columnar::make_field("f0", type),
                                columnar::make_field("f1", DataType::of(TypeKind::kLong))});
  }
  // listagg keeps the order in which the texts come: it leaves out repetitions itself.
  const bool distinct = call.call->distinct && (name != "listagg" || !order.empty());
  const auto list = fmt::format("list({}{}{}{}){}{}", distinct ? "DISTINCT " : "", value,
                                order.empty() ? "" : " ORDER BY ", order,
                                filter_clause(call.filter, present), call.over);
  return query_->add_function({DataType::array(type)}, {list}, call.expression->type, false,
                              finisher.function);
}

Result<std::string> StatementBuilder::aggregate(const AggregateCall& call) {
  const auto name = call.call->function->name;
  const auto& type = call.expression->type;
  const std::string distinct = call.call->distinct ? "DISTINCT " : "";
  const auto shared = std::make_shared<const plan::Typed>(*call.expression);
  // The aggregate over rows that meet its FILTER and one more condition.
  const auto over_rows = [&](std::string_view function, const std::string& argument,
                             const std::string& condition = {}) {
    return fmt::format("{}({}){}{}", function, argument, filter_clause(call.filter, condition),
                       call.over);
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
  // DuckDB fails where a sum on the way needs more than 128 bits: the exact statement adds here.
  const bool wide_decimal =
      exact_ && first_type.is(TypeKind::kDecimal) && first_type.precision() > 28;
  const auto listed_decimals = [&](bool average) {
    return query_->add_function(
        {DataType::array(first_type)}, {over_rows("list", distinct + first)}, type, !trying,
        sum_decimal_list(shared, first_type.scale(), average, ansi && !trying));
  };
  if (name == "sum" || name == "try_sum") {
    const auto sum = over_rows("sum", distinct + first);
    if (wide_decimal) return listed_decimals(false);
    if (first_type.is(TypeKind::kDecimal)) {
      // A sum may be past 38 digits without DuckDB's saying so: then our side looks.
      if (!exact_ && ansi && !trying && type.precision() < 38) return typed(sum);
      const auto wide = DataType::decimal(38, first_type.scale());
      return query_->add_function(
          {wide}, {fmt::format("CAST({} AS {})", sum, duck_sql_type(wide))}, type, !trying,
          settle_decimal(shared, first_type.scale(), false, ansi && !trying));
    }
    if (type.is_interval()) {
      if (!exact_ && !trying) return typed(sum);
      return query_->add_function({DataType::decimal(38, 0)},
                                  {fmt::format("CAST({} AS DECIMAL(38,0))", sum)}, type, !trying,
                                  settle_interval(shared, false, trying));
    }
    if (plan::is_integral(first_type)) {
      if (!exact_ && ansi && !trying) return typed(sum);
      const auto wide = DataType::decimal(38, 0);
      return query_->add_function({wide}, {fmt::format("CAST({} AS DECIMAL(38,0))", sum)}, type,
                                  !trying, sum_to_long(shared, ansi && !trying, !trying));
    }
    return typed(sum);
  }
  if (name == "avg" || name == "try_avg") {
    const auto sum = over_rows("sum", distinct + first);
    const auto count = over_rows("count", distinct + first);
    if (wide_decimal) return listed_decimals(true);
    if (first_type.is(TypeKind::kDecimal)) {
      const auto wide = DataType::decimal(38, first_type.scale());
      return query_->add_function(
          {wide, DataType::of(TypeKind::kLong)},
          {fmt::format("CAST({} AS {})", sum, duck_sql_type(wide)), count}, type, !trying,
          settle_decimal(shared, first_type.scale(), true, ansi && !trying));
    }
    if (type.is_interval()) {
      return query_->add_function({DataType::decimal(38, 0), DataType::of(TypeKind::kLong)},
                                  {fmt::format("CAST({} AS DECIMAL(38,0))", sum), count}, type,
                                  !trying, settle_interval(shared, true, trying));
    }
    return fmt::format("({} / nullif({}, 0))", sum, count);
  }
  if (name == "count_if")
    return over_rows("count", distinct + "CASE WHEN " + first + " THEN 1 END");
  if (name == "any_value" || name == "first" || name == "last")
    return first_or_last(call, name == "last");
  if (name == "min" || name == "max") {
    if (first_type.is_nested()) return extreme_of_nested(call, name == "max");
    return over_rows(name, first);
  }
  if (name == "bool_and" || name == "bool_or" || name == "bit_and" || name == "bit_or" ||
      name == "bit_xor" || name == "product")
    return over_rows(name, distinct + first);
  if ((name == "max_by" || name == "min_by") && call.arguments.size() > 2) {
    WEIR_ASSIGN(const auto wanted, constant_value(call.call->arguments[2], context_.eval));
    const auto* most = std::get_if<int64_t>(&wanted);
    if (!most || *most < 1 || *most > 100000) {
      return plan::analysis_error("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "42K09",
                                  "The number of values has to be between 1 and 100000.",
                                  call.expression->origin);
    }
    auto key = call.arguments[1];
    if (call.call->arguments[1]->type.is_nested()) {
      WEIR_ASSIGN(key, order_bytes(key, call.call->arguments[1]->type));
    }
    const auto list =
        fmt::format("list({} ORDER BY {} {}){}{}", first, key, name == "max_by" ? "DESC" : "ASC",
                    filter_clause(call.filter, call.arguments[1] + " IS NOT NULL"), call.over);
    return fmt::format("list_slice({}, 1, {})", list, *most);
  }
  if (name == "max_by" || name == "min_by")
    return over_rows(name == "max_by" ? "arg_max_null" : "arg_min_null",
                     first + ", " + call.arguments[1]);
  if (name == "regr_count")
    return over_rows("count", fmt::format("CASE WHEN {} IS NOT NULL AND {} IS NOT NULL THEN 1 END",
                                          first, call.arguments[1]));
  if (is_moment(name)) {
    const auto pair = call.arguments.size() > 1 ? first + ", " + call.arguments[1] : first;
    // Over windows DuckDB's own: it calls others' aggregates there in a way that they cannot meet
    // (the state of a whole partition as a constant vector, which the C API does not tell).
    if (call.over.empty()) return over_rows(fmt::format("weir_{}", name), distinct + pair);
    if (name == "skewness") {
      return base::error(base::ErrorKind::kUnsupported, "skewness over a window is not supported")
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
    }
    return over_rows(name == "stddev"     ? "stddev_samp"
                     : name == "variance" ? "var_samp"
                     : name == "kurtosis" ? "kurtosis_pop"
                                          : name,
                     pair);
  }
  if (name == "collect_list")
    return fmt::format("coalesce({}, [])",
                       over_rows("list", distinct + first, first + " IS NOT NULL"));
  if (name == "collect_set") {
    const auto list = over_rows("list", "DISTINCT " + first, first + " IS NOT NULL");
    return fmt::format("coalesce({}, [])",
                       plan::is_integral(first_type) ? fmt::format("list_sort({})", list) : list);
  }
  if (name == "approx_count_distinct") return distinct_estimate(call);
  WEIR_ASSIGN(auto finisher, eval::list_finisher(*call.expression, context_.eval));
  if (finisher) return collected(call, *finisher);
  WEIR_ASSIGN(const auto sketched, eval::sketch_aggregate(*call.expression, context_.eval));
  if (sketched) {
    return sketch_sql(*query_, *call.expression, *sketched, call.arguments, call.filter, call.over);
  }
  return base::error(base::ErrorKind::kUnsupported, "the aggregate function {}", name)
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000");
}

}  // namespace weir::relational
