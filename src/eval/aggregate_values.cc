// Aggregates that keep values of the rows: the first, the greatest, all of them, the distinct ones,
// sketches.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/aggregate_state.h"
#include "eval/compare.h"
#include "eval/list_finishers.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "eval/row_codec.h"

namespace weir::eval {

namespace {

using columnar::make_field;

// Values picked out of many arrays, by position; -1 is NULL.
class KeptValues {
 public:
  explicit KeptValues(DataType type) : type_(std::move(type)), arrow_(columnar::to_arrow(type_)) {}

  // The position of the array's first value.
  int64_t add(const ArrayPtr& array) {
    const int64_t begin = size_;
    if (array->length() == 0) return begin;
    chunks_.push_back(array);
    begins_.push_back(begin);
    size_ += array->length();
    return begin;
  }
  int64_t size() const { return size_; }
  const DataType& type() const { return type_; }

  bool is_null(int64_t position) const {
    if (position < 0) return true;
    const auto [array, row] = at(position);
    return array->type_id() == arrow::Type::NA || array->IsNull(row);
  }
  int compare(int64_t a, int64_t b) const {
    const auto [first, first_row] = at(a);
    const auto [second, second_row] = at(b);
    if (is_binary_) {
      return static_cast<const arrow::BinaryArray&>(*first).GetView(first_row).compare(
          static_cast<const arrow::BinaryArray&>(*second).GetView(second_row));
    }
    return compare_values(type_, *first, first_row, *second, second_row);
  }
  Result<ArrayPtr> gather(const std::vector<int64_t>& positions) const {
    if (chunks_.empty()) {
      WEIR_ARROW_ASSIGN(auto nulls,
                        arrow::MakeArrayOfNull(arrow_, static_cast<int64_t>(positions.size())));
      return nulls;
    }
    ArrayPtr all = chunks_[0];
    if (chunks_.size() > 1) {
      WEIR_ARROW_ASSIGN(all, arrow::Concatenate(chunks_));
    }
    WEIR_ASSIGN(auto picked, pick(all, positions));
    return canonical(picked, arrow_);
  }
  // Keeps only what the positions name, and renames them.
  Result<void> compact(std::vector<int64_t>& positions) {
    std::vector<int64_t> live;
    for (auto& position : positions) {
      if (position < 0) continue;
      live.push_back(position);
      position = static_cast<int64_t>(live.size()) - 1;
    }
    WEIR_ASSIGN(auto kept, gather(live));
    clear();
    add(kept);
    return {};
  }
  void clear() {
    chunks_.clear();
    begins_.clear();
    size_ = 0;
  }

 private:
  std::pair<const arrow::Array*, int64_t> at(int64_t position) const {
    const auto found = std::upper_bound(begins_.begin(), begins_.end(), position) - 1;
    return {chunks_[static_cast<size_t>(found - begins_.begin())].get(), position - *found};
  }

  DataType type_;
  std::shared_ptr<arrow::DataType> arrow_;
  bool is_binary_ = plan::is_text(type_) || type_.is(TypeKind::kBinary);
  std::vector<ArrayPtr> chunks_;
  std::vector<int64_t> begins_;
  int64_t size_ = 0;
};

constexpr int64_t kCompactFrom = 65536;

// One kept row a group: first, last, any_value; min, max; min_by, max_by (whose second argument
// decides).
enum class Choice : uint8_t { kFirst, kLast, kLeast, kGreatest };

class ChosenState final : public AggregateState {
 public:
  ChosenState(const std::vector<DataType>& types, Choice choice, bool ignore_nulls)
      : choice_(choice), ignore_nulls_(ignore_nulls) {
    for (const auto& type : types)
      values_.emplace_back(type);
  }
  void resize(size_t groups) override { positions_.resize(groups, -1); }
  int64_t memory() const override {
    return static_cast<int64_t>(positions_.capacity() * 8) + 32 * values_[0].size();
  }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    int64_t begin = 0;
    for (size_t i = 0; i < values_.size(); ++i)
      begin = values_[i].add(arguments[i]);
    const Vector deciding{arguments[values_.size() - 1], false};
    const Validity valid(deciding);
    const bool by_order = choice_ == Choice::kLeast || choice_ == Choice::kGreatest;
    const bool skip = (by_order || ignore_nulls_) && !valid.no_nulls();
    for (size_t i = 0; i < groups.size(); ++i) {
      if (skip && !valid[static_cast<int64_t>(i)]) continue;
      auto& position = positions_[groups[i]];
      const int64_t row = begin + static_cast<int64_t>(i);
      if (position < 0 || choice_ == Choice::kLast || (by_order && better(row, position)))
        position = row;
    }
    const auto limit = std::max(kCompactFrom, 4 * static_cast<int64_t>(positions_.size()));
    if (values_[0].size() <= limit) return {};
    return compact();
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    // Only groups that have a row.
    const Vector set{states[values_.size()], false};
    const BoolReader flags(set);
    std::vector<int64_t> rows;
    std::vector<uint32_t> chosen;
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!flags.valid[row] || !flags[row]) continue;
      rows.push_back(row);
      chosen.push_back(groups[i]);
    }
    std::vector<ArrayPtr> picked;
    for (size_t i = 0; i < values_.size(); ++i) {
      WEIR_ASSIGN(auto column, pick(states[i], rows));
      WEIR_ASSIGN(column, canonical(column, columnar::to_arrow(values_[i].type())));
      picked.push_back(std::move(column));
    }
    return update(picked, chosen);
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    for (const auto& values : values_) {
      WEIR_ASSIGN(auto column, values.gather(positions_));
      out.push_back(std::move(column));
    }
    BoolWriter flags(static_cast<int64_t>(positions_.size()));
    for (size_t i = 0; i < positions_.size(); ++i)
      flags.set(static_cast<int64_t>(i), positions_[i] >= 0);
    out.push_back(flags.finish());
    return {};
  }
  Result<ArrayPtr> finish() override { return values_[0].gather(positions_); }

 private:
  // Of two equal ones min and max keep the first, min_by and max_by take the last, as in Spark.
  bool better(int64_t row, int64_t kept) const {
    const int order = values_.back().compare(row, kept);
    if (order == 0) return values_.size() > 1;
    return (order > 0) == (choice_ == Choice::kGreatest);
  }
  Result<void> compact() {
    const auto before = positions_;
    for (auto& values : values_) {
      positions_ = before;
      WEIR_TRY(values.compact(positions_));
    }
    return {};
  }

  std::vector<KeptValues> values_;
  std::vector<int64_t> positions_;
  Choice choice_;
  bool ignore_nulls_;
};

// All values of a group, or the distinct ones.
struct ListPlan {
  std::vector<DataType> columns;  // what is kept of a row
  bool distinct = false;
  bool skip_nulls = true;  // rows where the first column is NULL
  // Gives the results from the columns, where those of group i are rows ends[i-1] … ends[i]-1.
  std::function<Result<ArrayPtr>(const std::vector<ArrayPtr>& columns,
                                 const std::vector<int64_t>& ends)>
      finish;
};

class ListState final : public AggregateState {
 public:
  explicit ListState(std::shared_ptr<const ListPlan> plan)
      : plan_(std::move(plan)), codec_(plan_->columns) {
    for (const auto& type : plan_->columns)
      values_.emplace_back(type);
  }
  void resize(size_t groups) override { positions_.resize(groups); }
  int64_t memory() const override {
    return static_cast<int64_t>(positions_.capacity() * 24) + 40 * values_[0].size() +
           static_cast<int64_t>(seen_.size()) * 64;
  }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    int64_t begin = 0;
    for (size_t i = 0; i < values_.size(); ++i)
      begin = values_[i].add(arguments[i]);
    const Vector first{arguments[0], false};
    const Validity valid(first);
    if (plan_->distinct)
      WEIR_TRY(codec_.encode(arguments, static_cast<int64_t>(groups.size()), rows_));
    std::string key;
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (plan_->skip_nulls && !valid[row]) continue;
      if (plan_->distinct) {
        key.assign(reinterpret_cast<const char*>(&groups[i]), sizeof(uint32_t));
        key += rows_[row];
        if (!seen_.insert(key).second) continue;
      }
      positions_[groups[i]].push_back(begin + row);
      ++live_;
    }
    if (values_[0].size() <= std::max(kCompactFrom, 4 * live_)) return {};
    return compact();
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    std::vector<ArrayPtr> columns;
    std::vector<uint32_t> rows;
    for (size_t i = 0; i < states.size(); ++i) {
      const Vector vector{states[i], false};
      if (states[i]->type_id() == arrow::Type::NA) return {};
      const ListReader lists(vector);
      std::vector<int64_t> picked;
      for (size_t g = 0; g < groups.size(); ++g) {
        const auto row = static_cast<int64_t>(g);
        if (!lists.valid[row]) continue;
        for (int64_t e = lists.begin(row); e < lists.end(row); ++e) {
          picked.push_back(e);
          if (i == 0) rows.push_back(groups[g]);
        }
      }
      WEIR_ASSIGN(auto column, pick(lists.values(), picked));
      WEIR_ASSIGN(column, canonical(column, columnar::to_arrow(plan_->columns[i])));
      columns.push_back(std::move(column));
    }
    return update(columns, rows);
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    for (const auto& values : values_) {
      ListOffsets offsets(static_cast<int64_t>(positions_.size()));
      std::vector<int64_t> all;
      for (const auto& group : positions_) {
        all.insert(all.end(), group.begin(), group.end());
        offsets.end_row(static_cast<int64_t>(all.size()));
      }
      WEIR_ASSIGN(auto elements, values.gather(all));
      WEIR_ASSIGN(auto lists,
                  offsets.finish(columnar::to_arrow(DataType::array(values.type())), elements));
      out.push_back(std::move(lists));
    }
    return {};
  }
  Result<ArrayPtr> finish() override {
    std::vector<int64_t> all, ends;
    for (const auto& group : positions_) {
      all.insert(all.end(), group.begin(), group.end());
      ends.push_back(static_cast<int64_t>(all.size()));
    }
    std::vector<ArrayPtr> columns;
    for (const auto& values : values_) {
      WEIR_ASSIGN(auto column, values.gather(all));
      columns.push_back(std::move(column));
    }
    return plan_->finish(columns, ends);
  }

 private:
  Result<void> compact() {
    std::vector<int64_t> all;
    for (const auto& group : positions_)
      all.insert(all.end(), group.begin(), group.end());
    for (auto& values : values_) {
      auto positions = all;
      WEIR_TRY(values.compact(positions));
    }
    int64_t next = 0;
    for (auto& group : positions_) {
      for (auto& position : group)
        position = next++;
    }
    return {};
  }

  std::shared_ptr<const ListPlan> plan_;
  RowCodec codec_;
  EncodedRows rows_;
  std::vector<KeptValues> values_;
  std::vector<std::vector<int64_t>> positions_;
  std::unordered_set<std::string> seen_;  // group and row, where distinct
  int64_t live_ = 0;
};

// Sorts each group's rows by the keys (columns), ascending or not.
struct ListOrder {
  size_t column = 0;
  bool ascending = true;
};

template <typename T>
void sort_fixed(const ArrayPtr& array, std::vector<int64_t>& order,
                const std::vector<int64_t>& ends, bool ascending) {
  const Vector vector{array, false};
  const FixedReader<T> values(vector);
  const auto less = [&](int64_t a, int64_t b) {
    const T x = values[a], y = values[b];
    if constexpr (std::is_floating_point_v<T>) {
      if (x != x || y != y) return ascending ? x == x && y != y : x != x && y == y;
    }
    return ascending ? x < y : y < x;
  };
  int64_t begin = 0;
  for (const auto end : ends) {
    std::stable_sort(order.begin() + begin, order.begin() + end, less);
    begin = end;
  }
}

std::vector<int64_t> sorted_rows(const std::vector<ArrayPtr>& columns,
                                 const std::vector<DataType>& types,
                                 const std::vector<ListOrder>& keys,
                                 const std::vector<int64_t>& ends) {
  std::vector<int64_t> order(static_cast<size_t>(ends.empty() ? 0 : ends.back()));
  std::iota(order.begin(), order.end(), 0);
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    const auto& array = columns[key->column];
    const auto& type = types[key->column];
    if (array->null_count() == 0 && type.is(TypeKind::kDouble)) {
      sort_fixed<double>(array, order, ends, key->ascending);
    } else if (array->null_count() == 0 &&
               (type.is(TypeKind::kLong) || type.is(TypeKind::kTimestamp) ||
                type.is(TypeKind::kTimestampNtz))) {
      sort_fixed<int64_t>(array, order, ends, key->ascending);
    } else if (array->null_count() == 0 &&
               (type.is(TypeKind::kInteger) || type.is(TypeKind::kDate))) {
      sort_fixed<int32_t>(array, order, ends, key->ascending);
    } else {
      int64_t begin = 0;
      for (const auto end : ends) {
        std::stable_sort(order.begin() + begin, order.begin() + end, [&](int64_t a, int64_t b) {
          const int found = compare_values(type, *array, a, *array, b);
          return key->ascending ? found < 0 : found > 0;
        });
        begin = end;
      }
    }
  }
  return order;
}

Result<ArrayPtr> lists_of(const ArrayPtr& values, const DataType& element,
                          const std::vector<int64_t>& ends) {
  ListOffsets offsets(static_cast<int64_t>(ends.size()));
  for (const auto end : ends)
    offsets.end_row(end);
  return offsets.finish(columnar::to_arrow(DataType::array(element)), values);
}

AggregateMaker list_maker(std::vector<plan::TypedPtr> arguments, ListPlan plan) {
  AggregateMaker made;
  made.arguments = std::move(arguments);
  for (size_t i = 0; i < plan.columns.size(); ++i)
    made.state_fields.push_back(
        make_field(i ? fmt::format("values{}", i) : "values", DataType::array(plan.columns[i])));
  auto shared = std::make_shared<const ListPlan>(std::move(plan));
  made.make = [shared](const EvalContext&) { return std::make_unique<ListState>(shared); };
  return made;
}

plan::TypedPtr as_double(const plan::TypedPtr& expression) {
  if (expression->type.is(TypeKind::kDouble)) return expression;
  return std::make_shared<const plan::Typed>(
      plan::Typed{DataType::of(TypeKind::kDouble), expression->nullable,
                  plan::TypedCast{expression, false, true}, expression->origin});
}

// Functions that list_finishers.h finishes: percentiles, median, mode, listagg.
Result<AggregateMaker> finished_list(const plan::TypedPtr& expression, ListFinisher finisher) {
  const auto& call = std::get<plan::TypedCall>(expression->node);
  const auto name = call.function->name;
  const bool within = name == "percentile_cont" || name == "percentile_disc" ||
                      (name == "mode" && call.arguments.empty());
  if (within && call.within_group.empty()) {
    return base::error(base::ErrorKind::kInvalidArgument, "{} needs WITHIN GROUP (ORDER BY …)",
                       name)
        .with_class("DISTINCT_WINDOW_FUNCTION_UNSUPPORTED");
  }
  ListPlan plan;
  std::vector<plan::TypedPtr> arguments;
  std::vector<ListOrder> order;
  if (within) {
    const auto& key = call.within_group[0];
    arguments = {name == "mode" ? key.expression : as_double(key.expression)};
    order = {{0, key.ascending}};
  } else {
    arguments = {call.arguments[0]};
    for (const auto& key : call.within_group) {
      size_t column = arguments.size();
      if (plan::same_expression(*key.expression, *call.arguments[0])) {
        column = 0;
      } else {
        arguments.push_back(key.expression);
      }
      order.push_back({column, key.ascending});
    }
    if (order.empty() && finisher.order == ListFinisher::Order::kAscending) order = {{0, true}};
  }
  const bool frequencies = name == "percentile" && call.arguments.size() > 2;
  if (frequencies) arguments.push_back(call.arguments[2]);
  for (const auto& argument : arguments)
    plan.columns.push_back(argument->type);
  plan.finish = [types = plan.columns, order, frequencies, finisher = std::move(finisher)](
                    const std::vector<ArrayPtr>& columns,
                    const std::vector<int64_t>& ends) -> Result<ArrayPtr> {
    auto rows = sorted_rows(columns, types, order, ends);
    auto kept_ends = ends;
    auto type = types[0];
    if (frequencies) {  // pairs without NULL
      const Vector counts{columns.back(), false};
      const Validity valid(counts);
      std::vector<int64_t> kept;
      int64_t begin = 0;
      for (size_t g = 0; g < ends.size(); ++g) {
        for (int64_t i = begin; i < ends[g]; ++i) {
          if (valid[rows[static_cast<size_t>(i)]]) kept.push_back(rows[static_cast<size_t>(i)]);
        }
        begin = ends[g];
        kept_ends[g] = static_cast<int64_t>(kept.size());
      }
      rows = std::move(kept);
    }
    WEIR_ASSIGN(auto values, pick(columns[0], rows));
    if (frequencies) {
      WEIR_ASSIGN(const auto counts, pick(columns.back(), rows));
      type = DataType::structure(
          {make_field("f0", types[0]), make_field("f1", DataType::of(TypeKind::kLong))});
      values =
          arrow::MakeArray(arrow::ArrayData::Make(columnar::to_arrow(type), values->length(),
                                                  {nullptr}, {values->data(), counts->data()}, 0));
    }
    WEIR_ASSIGN(const auto lists, lists_of(values, type, kept_ends));
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("values", lists->type())}),
                                 lists->length(), std::vector<ArrayPtr>{lists});
    return finisher.function(*batch);
  };
  return list_maker(std::move(arguments), std::move(plan));
}

AggregateMaker collector_of(const plan::TypedPtr& expression, bool distinct) {
  const auto& call = std::get<plan::TypedCall>(expression->node);
  ListPlan plan;
  plan.columns = {call.arguments[0]->type};
  plan.distinct = distinct;
  const bool sorted = distinct && plan::is_integral(plan.columns[0]);
  plan.finish = [types = plan.columns, sorted, type = expression->type](
                    const std::vector<ArrayPtr>& columns,
                    const std::vector<int64_t>& ends) -> Result<ArrayPtr> {
    auto values = columns[0];
    if (sorted) {
      WEIR_ASSIGN(values, pick(values, sorted_rows(columns, types, {{0, true}}, ends)));
    }
    WEIR_ASSIGN(auto lists, lists_of(values, types[0], ends));
    return canonical(lists, columnar::to_arrow(type));
  };
  return list_maker({call.arguments[0]}, std::move(plan));
}

// approx_count_distinct: the registers of a sketch, made when the first value comes.
class SketchState final : public AggregateState {
 public:
  SketchState(BatchFunction entry, int precision)
      : entry_(std::move(entry)), precision_(precision) {}
  void resize(size_t groups) override { registers_.resize(groups); }
  int64_t memory() const override {
    return static_cast<int64_t>(registers_.size()) * (32 + (int64_t{1} << precision_));
  }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arguments[0]->type())}),
                                 arguments[0]->length(), std::vector<ArrayPtr>{arguments[0]});
    WEIR_ASSIGN(const auto entries, entry_(*batch));
    const Vector vector{entries, false};
    const FixedReader<int32_t> reader(vector);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!reader.valid[row]) continue;
      raise(registers_of(groups[i])[static_cast<size_t>(reader[row] / 64)], reader[row] % 64);
    }
    return {};
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    const Vector vector{states[0], false};
    const TextReader reader(vector);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!reader.valid[row]) continue;
      const auto other = reader[row];
      if (other.size() != size_t{1} << precision_)
        return base::error(base::ErrorKind::kCorruption, "a sketch of {} registers", other.size());
      auto& own = registers_of(groups[i]);
      for (size_t r = 0; r < other.size(); ++r)
        raise(own[r], other[r]);
    }
    return {};
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    TextWriter writer(static_cast<int64_t>(registers_.size()));
    for (const auto& one : registers_) {
      if (one.empty()) {
        writer.add_null();
      } else {
        writer.add(one);
      }
    }
    WEIR_ASSIGN(auto column, writer.finish(arrow::binary()));
    out.push_back(std::move(column));
    return {};
  }
  Result<ArrayPtr> finish() override {
    FixedWriter<int64_t> writer(static_cast<int64_t>(registers_.size()));
    for (size_t i = 0; i < registers_.size(); ++i)
      writer.set(static_cast<int64_t>(i),
                 registers_[i].empty() ? 0 : sketch_estimate(registers_[i], precision_));
    return writer.finish(arrow::int64());
  }

 private:
  static void raise(char& rank, int other) { rank = static_cast<char>(std::max<int>(rank, other)); }
  std::string& registers_of(uint32_t group) {
    auto& one = registers_[group];
    if (one.empty()) one.assign(size_t{1} << precision_, '\0');
    return one;
  }

  BatchFunction entry_;
  int precision_;
  std::vector<std::string> registers_;
};

Result<AggregateMaker> sketch(const plan::TypedPtr& expression, const EvalContext& context) {
  const auto& call = std::get<plan::TypedCall>(expression->node);
  double error = 0.05;
  if (call.arguments.size() > 1) {
    WEIR_ASSIGN(const auto program, compile(call.arguments[1]));
    const auto one = arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<ArrayPtr>{});
    WEIR_ASSIGN(const auto value, program.evaluate(*one, context));
    const Vector vector{value, false};
    const FixedReader<double> reader(vector);
    if (reader.valid[0]) error = reader[0];
  }
  WEIR_ASSIGN(const int precision, sketch_precision(error));
  WEIR_ASSIGN(auto entry, sketch_entry(call.arguments[0], precision, context));
  AggregateMaker made;
  made.arguments = {call.arguments[0]};
  made.state_fields = {make_field("registers", DataType::of(TypeKind::kBinary))};
  made.make = [entry, precision](const EvalContext&) {
    return std::make_unique<SketchState>(entry, precision);
  };
  return made;
}

AggregateMaker chosen(const std::vector<plan::TypedPtr>& arguments, Choice choice,
                      bool ignore_nulls) {
  AggregateMaker made;
  made.arguments = arguments;
  std::vector<DataType> types;
  static constexpr std::string_view kNames[] = {"value", "order"};
  for (const auto& argument : arguments) {
    made.state_fields.push_back(make_field(std::string(kNames[types.size()]), argument->type));
    types.push_back(argument->type);
  }
  made.state_fields.push_back(make_field("is_set", DataType::of(TypeKind::kBoolean)));
  made.make = [types, choice, ignore_nulls](const EvalContext&) {
    return std::make_unique<ChosenState>(types, choice, ignore_nulls);
  };
  return made;
}

}  // namespace

Result<AggregateMaker> value_aggregate(const plan::TypedPtr& expression,
                                       const EvalContext& context) {
  const auto& call = std::get<plan::TypedCall>(expression->node);
  const auto name = call.function->name;
  if (name == "first" || name == "last" || name == "any_value") {
    const bool ignore_nulls =
        call.ignore_nulls || (call.arguments.size() > 1 && is_true_literal(*call.arguments[1]));
    return chosen({call.arguments[0]}, name == "last" ? Choice::kLast : Choice::kFirst,
                  ignore_nulls);
  }
  if (name == "min" || name == "max")
    return chosen({call.arguments[0]}, name == "min" ? Choice::kLeast : Choice::kGreatest, true);
  if (name == "min_by" || name == "max_by") {
    return chosen({call.arguments[0], call.arguments[1]},
                  name == "min_by" ? Choice::kLeast : Choice::kGreatest, true);
  }
  if (name == "collect_list" || name == "collect_set")
    return collector_of(expression, name == "collect_set");
  if (name == "approx_count_distinct") return sketch(expression, context);
  WEIR_ASSIGN(auto finisher, list_finisher(*expression, context));
  if (finisher) return finished_list(expression, std::move(*finisher));
  return AggregateMaker();
}

Result<AggregateMaker> distinct_aggregate(AggregateMaker inner) {
  if (inner.arguments.empty()) return inner;
  ListPlan plan;
  for (const auto& argument : inner.arguments)
    plan.columns.push_back(argument->type);
  plan.distinct = true;
  auto arguments = inner.arguments;
  AggregateMaker made = list_maker(std::move(arguments), plan);
  made.make = [plan, inner](const EvalContext& context) {
    auto own = plan;
    own.finish = [inner, context](const std::vector<ArrayPtr>& columns,
                                  const std::vector<int64_t>& ends) -> Result<ArrayPtr> {
      auto state = inner.make(context);
      state->resize(ends.size());
      std::vector<uint32_t> groups;
      int64_t begin = 0;
      for (size_t g = 0; g < ends.size(); ++g) {
        groups.insert(groups.end(), static_cast<size_t>(ends[g] - begin), static_cast<uint32_t>(g));
        begin = ends[g];
      }
      WEIR_TRY(state->update(columns, groups));
      return state->finish();
    };
    return std::make_unique<ListState>(std::make_shared<const ListPlan>(std::move(own)));
  };
  return made;
}

}  // namespace weir::eval
