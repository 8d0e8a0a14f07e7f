// Operators that make rows or columns of other rows: windows, generators, samples.
#include <random>

#include <arrow/api.h>
#include <fmt/format.h>

#include "eval/program.h"
#include "eval/vector.h"
#include "relational/errors.h"
#include "relational/statement_builder.h"
#include "relational/steps.h"

namespace weir::relational {

using columnar::TypeKind;
using plan::TypedPtr;
namespace op = plan::op;

namespace {

std::string magnitude_text(const plan::Value& value, const DataType& type, bool& negative) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    negative = *number < 0;
    return fmt::format(
        "{}", negative ? -static_cast<plan::Int128>(*number) : static_cast<plan::Int128>(*number));
  }
  if (const auto* real = std::get_if<double>(&value)) {
    negative = *real < 0;
    return literal_sql(negative ? -*real : *real, type);
  }
  if (const auto* decimal = std::get_if<plan::Int128>(&value)) {
    negative = *decimal < 0;
    return literal_sql(plan::Value{negative ? -*decimal : *decimal}, type);
  }
  return {};
}

}  // namespace

// A bound of a frame as SQL. Offsets of RANGE are added to the order key: `key` is turned into
// something that DuckDB can add them to.
Result<std::string> StatementBuilder::frame_bound(const plan::TypedFrameBound& bound,
                                                  plan::FrameUnit unit, const DataType& key_type,
                                                  bool lower) {
  using Kind = plan::FrameBound::Kind;
  switch (bound.kind) {
    case Kind::kUnboundedPreceding:
      return std::string("UNBOUNDED PRECEDING");
    case Kind::kUnboundedFollowing:
      return std::string("UNBOUNDED FOLLOWING");
    case Kind::kCurrentRow:
      return std::string("CURRENT ROW");
    case Kind::kValue:
      break;
  }
  (void)lower;
  WEIR_ASSIGN(const auto value, constant_value(bound.value, context_.eval));
  bool negative = false;
  auto text = magnitude_text(value, bound.value->type, negative);
  if (text.empty()) return unsupported("a frame bound that is no number");
  if (unit == plan::FrameUnit::kRange) {
    const bool months = bound.value->type.is(TypeKind::kYearMonthInterval) &&
                        !key_type.is(TypeKind::kYearMonthInterval);
    if (months) text = fmt::format("INTERVAL ({}) MONTH", text);
  }
  return text + (negative ? " PRECEDING" : " FOLLOWING");
}

Result<std::string> StatementBuilder::window_clause(const plan::TypedWindow& window,
                                                    Computed& computed, const Scope& scope) {
  std::string partition, order;
  for (const auto& one : window.partition_by) {
    WEIR_ASSIGN(const auto column, computed_column(computed, one, scope));
    partition += (partition.empty() ? " PARTITION BY " : ", ") + column;
  }
  auto key_type = DataType::of(TypeKind::kNull);
  using Kind = plan::FrameBound::Kind;
  const bool offsets = window.unit == plan::FrameUnit::kRange &&
                       (window.lower.kind == Kind::kValue || window.upper.kind == Kind::kValue);
  for (const auto& key : window.order_by) {
    WEIR_ASSIGN(auto column, computed_column(computed, key.expression, scope));
    key_type = key.expression->type;
    if (offsets) {
      const auto& by = window.lower.kind == Kind::kValue ? window.lower.value : window.upper.value;
      if (plan::is_integral(key_type) || key_type.is_interval()) {
        column = fmt::format("CAST({} AS HUGEINT)", column);
      } else if (key_type.is(TypeKind::kDate) && !by->type.is(TypeKind::kYearMonthInterval)) {
        const bool micros = by->type.is(TypeKind::kDayTimeInterval);
        column = fmt::format("CAST({} - DATE '1970-01-01' AS HUGEINT){}", column,
                             micros ? " * 86400000000" : "");
      } else if (!by->type.is(TypeKind::kYearMonthInterval) &&
                 (key_type.is(TypeKind::kTimestamp) || key_type.is(TypeKind::kTimestampNtz))) {
        column = fmt::format("CAST(epoch_us({}) AS HUGEINT)", column);
      }
    } else if (key_type.is_nested()) {
      WEIR_ASSIGN(column, order_bytes(column, key_type));
    }
    order += fmt::format("{}{} {} NULLS {}", order.empty() ? " ORDER BY " : ", ", column,
                         key.ascending ? "ASC" : "DESC", key.nulls_first ? "FIRST" : "LAST");
  }
  std::string frame;
  const bool whole = window.lower.kind == Kind::kUnboundedPreceding &&
                     window.upper.kind == Kind::kUnboundedFollowing;
  if (!order.empty() || window.unit == plan::FrameUnit::kRows) {
    if (!whole || !order.empty()) {
      WEIR_ASSIGN(const auto from, frame_bound(window.lower, window.unit, key_type, true));
      WEIR_ASSIGN(const auto to, frame_bound(window.upper, window.unit, key_type, false));
      frame = fmt::format(" {} BETWEEN {} AND {}",
                          window.unit == plan::FrameUnit::kRows ? "ROWS" : "RANGE", from, to);
    }
  }
  auto text = partition + order + frame;
  if (!text.empty()) text.erase(0, 1);
  return fmt::format(" OVER ({})", text);
}

Result<std::string> StatementBuilder::window_function(const plan::Typed& expression,
                                                      const plan::TypedCall& call,
                                                      const std::vector<std::string>& arguments,
                                                      const std::string& over) {
  const auto name = call.function->name;
  const auto typed = [&](const std::string& sql) {
    return fmt::format("CAST({} AS {})", sql, duck_sql_type(expression.type));
  };
  const auto* nulls = call.ignore_nulls ? " IGNORE NULLS" : "";
  if (name == "row_number" || name == "rank" || name == "dense_rank" || name == "percent_rank" ||
      name == "cume_dist")
    return typed(fmt::format("{}(){}", name, over));
  if (name == "ntile")
    return typed(fmt::format("ntile({}){}", arguments.empty() ? "1" : arguments[0], over));
  if (name == "lag" || name == "lead") {
    std::string text = arguments[0];
    text += arguments.size() > 1 ? fmt::format(", CAST({} AS BIGINT)", arguments[1]) : ", 1";
    if (arguments.size() > 2) text += ", " + arguments[2];
    return fmt::format("{}({}{}){}", name, text, nulls, over);
  }
  if (name == "nth_value")
    return fmt::format("nth_value({}, CAST({} AS BIGINT){}){}", arguments[0], arguments[1], nulls,
                       over);
  return unsupported(fmt::format("the window function {}", name));
}

Result<std::string> StatementBuilder::operator()(const op::Window& node, const plan::Operator&) {
  auto functions = node.functions;
  WEIR_ASSIGN(const auto child, with_python_stage(node.child, functions));
  WEIR_ASSIGN(const auto below, query(child));
  const auto alias = fresh(), inner = fresh();
  const auto width = node.child->columns.size();
  const auto scope = scope_of(alias, child->columns.size());
  Computed computed;
  auto columns = scope_of(inner, width);
  for (const auto& function : functions) {
    const auto* window = std::get_if<plan::TypedWindow>(&function->node);
    WEIR_CHECK(window, "a Window's function is no TypedWindow");
    const auto* call = std::get_if<plan::TypedCall>(&window->function->node);
    if (!call) return unsupported("a user function over a window");
    WEIR_ASSIGN(const auto over, window_clause(*window, computed, scope));
    AggregateCall aggregated{window->function.get(), call, {}, {}, {}, over};
    for (const auto& argument : call->arguments) {
      WEIR_ASSIGN(auto column, computed_column(computed, argument, scope));
      aggregated.arguments.push_back(std::move(column));
    }
    if (call->filter) {
      WEIR_ASSIGN(aggregated.filter, computed_column(computed, call->filter, scope));
    }
    for (const auto& key : call->within_group) {
      WEIR_ASSIGN(const auto column, computed_column(computed, key.expression, scope));
      aggregated.order.push_back(fmt::format("{} {} NULLS {}", column,
                                             key.ascending ? "ASC" : "DESC",
                                             key.nulls_first ? "FIRST" : "LAST"));
    }
    std::string sql;
    if (call->function->kind == plan::FunctionKind::kWindow) {
      WEIR_ASSIGN(sql, window_function(*window->function, *call, aggregated.arguments, over));
    } else {
      WEIR_ASSIGN(sql, aggregate(aggregated));
    }
    columns.push_back(std::move(sql));
  }
  return fmt::format("SELECT {} FROM (SELECT {}{} FROM ({}) AS {}) AS {}", names(columns),
                     width == 0 ? "" : alias + ".*, ", computed_list(computed), below, alias,
                     inner);
}

// The generator's rows as a DuckDB list (over the child's columns), and what each of its columns
// is, given an element `s` of the list and its position `p`.
Result<StatementBuilder::Generator> StatementBuilder::generator(const plan::Typed& expression,
                                                                const Scope& scope) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  const auto name = call.function->name;
  const auto fields = expression.type.element().fields().size();
  Generator made;
  std::vector<std::string> arguments;
  for (const auto& argument : call.arguments) {
    WEIR_ASSIGN(auto text, this->expression(argument, scope));
    arguments.push_back(std::move(text));
  }
  made.outer = name == "explode_outer" || name == "posexplode_outer" || name == "inline_outer";
  if (name == "explode" || name == "explode_outer" || name == "posexplode" ||
      name == "posexplode_outer") {
    if (name.substr(0, 3) == "pos") made.columns.push_back("p");
    if (call.arguments[0]->type.is(TypeKind::kMap)) {
      made.list = fmt::format("map_entries({})", arguments[0]);
      made.columns.push_back("struct_extract(s, 'key')");
      made.columns.push_back("struct_extract(s, 'value')");
    } else {
      made.list = arguments[0];
      made.columns.push_back("s");
    }
    return made;
  }
  if (name == "inline" || name == "inline_outer") {
    made.list = arguments[0];
  } else if (name == "stack") {
    std::vector<std::string> rows;
    for (size_t begin = 1; begin < arguments.size(); begin += fields) {
      std::string row;
      for (size_t i = 0; i < fields; ++i) {
        const auto type = duck_sql_type(expression.type.element().fields()[i].type());
        row += fmt::format("{}f{} := CAST({} AS {})", i ? ", " : "", i,
                           begin + i < arguments.size() ? arguments[begin + i] : "NULL", type);
      }
      rows.push_back("struct_pack(" + row + ")");
    }
    made.list = fmt::format("[{}]", fmt::join(rows, ", "));
  } else if (name == "json_tuple") {
    std::string row;
    static const auto* const getter = plan::find_function("get_json_object");
    static const auto* const concat = plan::find_function("concat");
    const auto text_literal = [](std::string text) {
      return std::make_shared<const plan::Typed>(plan::Typed{
          DataType::of(TypeKind::kString), false, plan::TypedLiteral{std::move(text)}, {}});
    };
    for (size_t i = 0; i < fields; ++i) {
      plan::TypedCall path;
      path.function = concat;
      path.arguments = {text_literal("$['"), call.arguments[i + 1], text_literal("']")};
      plan::TypedCall get;
      get.function = getter;
      get.arguments = {call.arguments[0],
                       std::make_shared<const plan::Typed>(plan::Typed{
                           DataType::of(TypeKind::kString), true, std::move(path), {}})};
      WEIR_ASSIGN(const auto value,
                  this->expression(std::make_shared<const plan::Typed>(
                                       plan::Typed{DataType::of(TypeKind::kString), true,
                                                   std::move(get), expression.origin}),
                                   scope));
      row += fmt::format("{}f{} := {}", i ? ", " : "", i, value);
    }
    made.list = "[struct_pack(" + row + ")]";
  } else {
    return unsupported(fmt::format("the generator {}", name));
  }
  for (size_t i = 0; i < fields; ++i)
    made.columns.push_back(fmt::format("struct_extract_at(s, {})", i + 1));
  return made;
}

Result<std::string> StatementBuilder::operator()(const op::Generate& node, const plan::Operator&) {
  std::vector<TypedPtr> list{node.call};
  WEIR_ASSIGN(const auto child, with_python_stage(node.child, list));
  WEIR_ASSIGN(const auto below, query(child));
  const auto alias = fresh(), inner = fresh(), outer = fresh();
  const auto width = node.child->columns.size();
  WEIR_ASSIGN(const auto made, generator(*list[0], scope_of(alias, child->columns.size())));
  std::string kept;
  for (size_t i = 0; i < width; ++i)
    kept += fmt::format("c{}, ", i);
  auto rows = std::string("g");
  auto position = std::string("CAST(generate_subscripts(g, 1) - 1 AS INTEGER)");
  if (node.outer || made.outer) {
    rows = "CASE WHEN g IS NULL OR len(g) = 0 THEN [NULL] ELSE g END";
    position = fmt::format(
        "CASE WHEN g IS NULL OR len(g) = 0 THEN NULL ELSE CAST(generate_subscripts({}, 1) - 1 AS "
        "INTEGER) END",
        rows);
  }
  auto columns = scope_of(outer, width);
  columns.insert(columns.end(), made.columns.begin(), made.columns.end());
  const bool positions = std::find(columns.begin(), columns.end(), "p") != columns.end();
  return fmt::format(
      "SELECT {} FROM (SELECT {}unnest({}) AS s{} FROM (SELECT {}{} AS g FROM ({}) AS {}) AS {}) "
      "AS {}",
      names(columns), kept, rows, positions ? ", " + position + " AS p" : "", kept, made.list,
      below, alias, inner, outer);
}

namespace {

// java.util.Random's first nextLong(): the seed that Spark gives its only partition.
int64_t partition_seed(int64_t seed) {
  constexpr uint64_t kMask = (uint64_t{1} << 48) - 1, kFactor = 0x5DEECE66DULL;
  uint64_t state = (static_cast<uint64_t>(seed) ^ kFactor) & kMask;
  const auto next = [&] {
    state = (state * kFactor + 0xB) & kMask;
    return static_cast<int32_t>(state >> 16);
  };
  const auto high = static_cast<int64_t>(next());
  return static_cast<int64_t>((static_cast<uint64_t>(high) << 32) +
                              static_cast<uint64_t>(static_cast<int64_t>(next())));
}

// The same draws by number, whichever thread asks first: the state before every so many is kept.
// Not thread safe.
class NumberedDraws {
 public:
  explicit NumberedDraws(int64_t seed) : random_(seed), states_{random_} {}
  double operator[](int64_t number) {
    const int64_t block = number / kBlock;
    if (number < next_ || block > next_ / kBlock) {
      const auto known = std::min<int64_t>(block, static_cast<int64_t>(states_.size()) - 1);
      random_ = states_[static_cast<size_t>(known)];
      next_ = known * kBlock;
    }
    for (; next_ < number; step())
      random_.next_double();
    const double drawn = random_.next_double();
    step();
    return drawn;
  }

 private:
  static constexpr int64_t kBlock = 2048;
  void step() {  // after a draw
    if (++next_ == static_cast<int64_t>(states_.size()) * kBlock) states_.push_back(random_);
  }
  eval::XorShiftRandom random_;  // before draw `next_`
  int64_t next_ = 0;
  std::vector<eval::XorShiftRandom> states_;  // before draw n * kBlock
};

struct Sampler {
  explicit Sampler(int64_t seed) : random(seed), draws(seed) {}
  std::mutex mutex;
  eval::XorShiftRandom random;  // one draw after the other
  NumberedDraws draws;          // by the row's number
};

}  // namespace

Result<std::string> StatementBuilder::operator()(const op::Sample& node,
                                                 const plan::Operator& plan) {
  WEIR_ASSIGN(const auto below, query(node.child));
  const auto alias = fresh();
  auto sampler = std::make_shared<Sampler>(partition_seed(node.seed));
  if (node.ordered && !node.with_replacement) {
    auto taken = [sampler, node_lower = node.lower, node_upper = node.upper](
                     const arrow::RecordBatch& batch) -> Result<std::shared_ptr<arrow::Array>> {
      const std::lock_guard lock(sampler->mutex);
      const eval::Vector vector{batch.column(0), false};
      const eval::FixedReader<int64_t> numbers(vector);
      eval::FixedWriter<int32_t> writer(batch.num_rows());
      for (int64_t row = 0; row < batch.num_rows(); ++row) {
        const double drawn = sampler->draws[numbers[row] - 1];
        writer.set(row, drawn >= node_lower && drawn < node_upper ? 1 : 0);
      }
      return writer.finish(arrow::int32());
    };
    const auto numbered = fresh();
    const auto columns = scope_of(alias, plan.columns.size());
    const auto order =
        columns.empty() ? std::string() : fmt::format("ORDER BY {}", fmt::join(columns, ", "));
    WEIR_ASSIGN(const auto chosen,
                query_->add_function({DataType::of(TypeKind::kLong)}, {numbered + ".rn"},
                                     DataType::of(TypeKind::kInteger), true, std::move(taken)));
    return fmt::format(
        "SELECT {} FROM (SELECT *, row_number() OVER ({}) AS rn FROM ({}) AS {}) AS {} WHERE {} = "
        "1",
        names(scope_of(numbered, plan.columns.size())), order, below, alias, numbered, chosen);
  }
  // How often each row is taken.
  auto draw = [sampler, node_lower = node.lower, node_upper = node.upper,
               replace = node.with_replacement](
                  const arrow::RecordBatch& batch) -> Result<std::shared_ptr<arrow::Array>> {
    const std::lock_guard lock(sampler->mutex);
    eval::FixedWriter<int32_t> writer(batch.num_rows());
    const double mean = node_upper - node_lower;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      int32_t times = 0;
      if (replace) {  // Poisson, by multiplication
        const double limit = std::exp(-mean);
        for (double product = sampler->random.next_double(); product > limit;
             product *= sampler->random.next_double())
          ++times;
      } else if (mean > 0) {
        const double drawn = sampler->random.next_double();
        times = drawn >= node_lower && drawn < node_upper ? 1 : 0;
      }
      writer.set(row, times);
    }
    return writer.finish(arrow::int32());
  };
  const auto scope = scope_of(alias, plan.columns.size());
  // Any argument: DuckDB has to call for each row.
  const auto row = scope.empty() ? std::string("1") : scope[0];
  const auto row_type =
      scope.empty() ? DataType::of(TypeKind::kInteger) : node.child->columns[0].type;
  WEIR_ASSIGN(const auto times,
              query_->add_function({row_type}, {row}, DataType::of(TypeKind::kInteger), true,
                                   std::move(draw)));
  if (!node.with_replacement)
    return fmt::format("SELECT {} FROM ({}) AS {} WHERE {} = 1", names(scope), below, alias, times);
  const auto inner = fresh();
  return fmt::format("SELECT {} FROM (SELECT *, unnest(range({})) AS copy FROM ({}) AS {}) AS {}",
                     names(scope_of(inner, plan.columns.size())), times, below, alias, inner);
}

}  // namespace weir::relational
