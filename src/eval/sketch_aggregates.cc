#include "eval/sketch_aggregates.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include "columnar/arrow_types.h"
#include "eval/frequent_items.h"
#include "eval/list_rows.h"
#include "eval/node.h"
#include "plan/operator_rewrites.h"

namespace weir::eval {

namespace {

using columnar::make_field;
using plan::Int128;

// A constant argument; nullopt for NULL, or where it is not given and there is no default.
class Settings {
 public:
  Settings(const plan::Typed& expression, const EvalContext& context)
      : expression_(expression),
        call_(std::get<plan::TypedCall>(expression.node)),
        context_(context) {}
  bool has(size_t i) const { return i < call_.arguments.size(); }
  Result<std::optional<int64_t>> number(size_t i, int64_t otherwise) const {
    if (!has(i)) return std::optional(otherwise);
    WEIR_ASSIGN(const auto array, value(i));
    const Vector vector{array, true};
    const FixedReader<int32_t> reader(vector);
    return reader.valid[0] ? std::optional<int64_t>(reader[0]) : std::nullopt;
  }
  Result<std::string> text(size_t i, std::string otherwise) const {
    if (!has(i)) return otherwise;
    WEIR_ASSIGN(const auto array, value(i));
    const Vector vector{array, true};
    const TextReader reader(vector);
    return reader.valid[0] ? std::string(reader[0]) : std::string();
  }
  Result<bool> flag(size_t i) const {
    if (!has(i)) return false;
    WEIR_ASSIGN(const auto array, value(i));
    const Vector vector{array, true};
    const BoolReader reader(vector);
    return reader.valid[0] && reader[0];
  }
  const plan::Origin& origin() const { return expression_.origin; }

 private:
  Result<ArrayPtr> value(size_t i) const {
    const auto& argument = call_.arguments[i];
    if (!plan::is_foldable(*argument)) {
      const auto name = call_.function->name;
      const bool theta = name.starts_with("theta");
      return plan::analysis_error(
                 theta                     ? "THETA_LG_NOM_ENTRIES_MUST_BE_CONSTANT"
                 : name.starts_with("hll") ? "HLL_K_MUST_BE_CONSTANT"
                                           : "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
                 theta || name.starts_with("hll") ? "42K0E" : "42K09",
                 fmt::format("Invalid call to `{}`; argument {} has to be a constant.", name,
                             i + 1),
                 expression_.origin)
          .with_parameter("function", fmt::format("`{}`", name));
    }
    WEIR_ASSIGN(const auto program, compile(argument));
    const auto one = arrow::RecordBatch::Make(arrow::schema({}), 1, std::vector<ArrayPtr>{});
    return program.evaluate(*one, context_);
  }

  const plan::Typed& expression_;
  const plan::TypedCall& call_;
  const EvalContext& context_;
};

// ---- keys and numbers as bytes

// Appends the value of a row that is not NULL.
using Append = std::function<void(int64_t row, std::string& out)>;

template <typename From, typename To>
Append number_of(const Vector& vector) {
  return [reader = FixedReader<From>(vector)](int64_t row, std::string& out) {
    const auto value = static_cast<To>(reader[row]);
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
}

SketchKey key_of(const DataType& type) {
  if (type.is(TypeKind::kInteger) || type.is(TypeKind::kLong)) return SketchKey::kLong;
  if (type.is(TypeKind::kFloat) || type.is(TypeKind::kDouble)) return SketchKey::kDouble;
  return SketchKey::kBytes;
}

template <typename T>
void append_list(const ListReader& lists, int64_t row, std::string& out) {
  const Vector inner{lists.values(), false};
  const Validity valid(inner);
  for (int64_t i = lists.begin(row); i < lists.end(row); ++i) {
    T value{};  // of a NULL 0
    if (valid[i]) value = FixedReader<T>(inner)[i];
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
}

// The vector outlives what is made.
Append key_bytes(const DataType& type, const Vector& vector) {
  switch (type.kind()) {
    case TypeKind::kInteger:
      return number_of<int32_t, int64_t>(vector);
    case TypeKind::kLong:
      return number_of<int64_t, int64_t>(vector);
    case TypeKind::kFloat:
      return number_of<float, double>(vector);
    case TypeKind::kDouble:
      return number_of<double, double>(vector);
    case TypeKind::kArray:
      return [lists = ListReader(vector), wide = type.element().is(TypeKind::kLong)](
                 int64_t row, std::string& out) {
        if (wide) {
          append_list<int64_t>(lists, row, out);
        } else {
          append_list<int32_t>(lists, row, out);
        }
      };
    default:
      return [reader = TextReader(vector)](int64_t row, std::string& out) { out += reader[row]; };
  }
}

BatchFunction key_entries(DataType type) {
  return [type = std::move(type)](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const Validity valid(vector);
    TextWriter writer(batch.num_rows());
    if (batch.column(0)->type_id() == arrow::Type::NA) {
      for (int64_t row = 0; row < batch.num_rows(); ++row)
        writer.add_null();
      return writer.finish(arrow::binary());
    }
    const auto append = key_bytes(type, vector);
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!valid[row]) {
        writer.add_null();
        continue;
      }
      append(row, writer.bytes());
      writer.end_row();
    }
    return writer.finish(arrow::binary());
  };
}

BatchFunction number_entries(DataType type) {
  return [type = std::move(type)](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const Validity valid(vector);
    const auto append = type.is(TypeKind::kLong)    ? number_of<int64_t, int64_t>(vector)
                        : type.is(TypeKind::kFloat) ? number_of<float, float>(vector)
                                                    : number_of<double, double>(vector);
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!valid[row]) {
        writer.add_null();
        continue;
      }
      append(row, writer.bytes());
      writer.end_row();
    }
    return writer.finish(arrow::binary());
  };
}

// A number and its key.
BatchFunction pair_entries(DataType key, DataType summary) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector keys{batch.column(0), false}, numbers{batch.column(1), false};
    const Validity key_valid(keys), number_valid(numbers);
    const auto append_key = key_bytes(key, keys);
    const auto append_number = summary.is(TypeKind::kDouble) ? number_of<double, double>(numbers)
                                                             : number_of<int32_t, int32_t>(numbers);
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      if (!key_valid[row] || !number_valid[row]) {
        writer.add_null();
        continue;
      }
      append_number(row, writer.bytes());
      append_key(row, writer.bytes());
      writer.end_row();
    }
    return writer.finish(arrow::binary());
  };
}

// ---- items

template <typename T>
BatchFunction fixed_items() {
  return [](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const FixedReader<T> reader(vector);
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      auto& bytes = writer.bytes();
      bytes += reader.valid[row] ? 'V' : 'N';
      if (reader.valid[row]) {
        const T value = reader[row];
        bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
      }
      writer.end_row();
    }
    return writer.finish(arrow::binary());
  };
}

template <typename Reader>
BatchFunction other_items() {
  return [](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Vector vector{batch.column(0), false};
    const Reader reader(vector);
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      auto& bytes = writer.bytes();
      bytes += reader.valid[row] ? 'V' : 'N';
      if (reader.valid[row]) {
        if constexpr (std::is_same_v<Reader, BoolReader>) {
          bytes += reader[row] ? '\1' : '\0';
        } else {
          bytes += reader[row];
        }
      }
      writer.end_row();
    }
    return writer.finish(arrow::binary());
  };
}

BatchFunction item_entries(items::Kind kind) {
  using items::Kind;
  switch (kind) {
    case Kind::kByte:
      return fixed_items<int8_t>();
    case Kind::kShort:
      return fixed_items<int16_t>();
    case Kind::kInteger:
      return fixed_items<int32_t>();
    case Kind::kLong:
      return fixed_items<int64_t>();
    case Kind::kFloat:
      return fixed_items<float>();
    case Kind::kDouble:
      return fixed_items<double>();
    case Kind::kDecimal:
      return fixed_items<Int128>();
    case Kind::kBoolean:
      return other_items<BoolReader>();
    case Kind::kText:
      break;
  }
  return other_items<TextReader>();
}

// Of the structs that approx_top_k_accumulate gives: how many items are tracked, the sketch.
Result<ArrayPtr> state_entries(const arrow::RecordBatch& batch) {
  const auto& states = static_cast<const arrow::StructArray&>(*batch.column(0));
  WEIR_ARROW_ASSIGN(const auto sketches, states.GetFlattenedField(0));
  WEIR_ARROW_ASSIGN(const auto counts, states.GetFlattenedField(1));
  const Vector sketch_vector{sketches, false}, count_vector{counts, false};
  const TextReader sketch(sketch_vector);
  const FixedReader<int32_t> tracked(count_vector);
  TextWriter writer(batch.num_rows());
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    if (!sketch.valid[row] || !tracked.valid[row]) {
      writer.add_null();
      continue;
    }
    const int32_t count = tracked[row];
    writer.bytes().append(reinterpret_cast<const char*>(&count), sizeof(count));
    writer.add(sketch[row]);
  }
  return writer.finish(arrow::binary());
}

// ---- results

// The sketch of a group: `outcome` is NULL where no row came.
class Outcomes {
 public:
  Outcomes(const arrow::RecordBatch& batch, std::string_view plan)
      : vector_{batch.column(0), false}, reader_(vector_), plan_(plan) {}
  Result<std::string> operator[](int64_t row) const {
    if (reader_.valid[row]) return from_sketch_outcome(reader_[row]);
    WEIR_ASSIGN(const auto empty, make_sketch(plan_));
    return empty->bytes();
  }

 private:
  Vector vector_;
  TextReader reader_;
  std::string_view plan_;
};

BatchFunction sketch_bytes(std::string plan) {
  return [plan = std::move(plan)](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Outcomes outcomes(batch, plan);
    TextWriter writer(batch.num_rows());
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      WEIR_ASSIGN(const auto bytes, outcomes[row]);
      writer.add(bytes);
    }
    return writer.finish(arrow::binary());
  };
}

BatchFunction items_result(std::string plan, items::Kind kind, DataType result, int64_t how_many) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Outcomes outcomes(batch, plan);
    std::vector<std::optional<std::vector<items::Row>>> rows;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      WEIR_ASSIGN(const auto bytes, outcomes[row]);
      WEIR_ASSIGN(auto found,
                  items::most_frequent(std::string_view(bytes).substr(4), kind, how_many));
      rows.emplace_back(std::move(found));
    }
    return item_lists(rows, result);
  };
}

// Without their counts.
BatchFunction frequent_items(std::string plan, DataType result) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Outcomes outcomes(batch, plan);
    std::vector<std::optional<std::vector<items::Row>>> rows;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      WEIR_ASSIGN(const auto bytes, outcomes[row]);
      WEIR_ASSIGN(auto found, items::frequent(bytes));
      rows.emplace_back(std::move(found));
    }
    const auto counted =
        DataType::structure({make_field("item", result.element()),
                             make_field("count", DataType::of(TypeKind::kLong), false)});
    WEIR_ASSIGN(const auto lists, item_lists(rows, DataType::array(counted, false)));
    const auto& list = static_cast<const arrow::ListArray&>(*lists);
    const auto& values = static_cast<const arrow::StructArray&>(*list.values());
    return std::make_shared<arrow::ListArray>(columnar::to_arrow(result), list.length(),
                                              list.value_offsets(), values.field(0));
  };
}

// struct<sketch, maxItemsTracked, itemDataType (NULL), itemDataTypeDDL>
BatchFunction items_state(std::string plan, DataType result) {
  return [=](const arrow::RecordBatch& batch) -> Result<ArrayPtr> {
    const Outcomes outcomes(batch, plan);
    const auto rows = batch.num_rows();
    const auto& item = result.fields()[2].type();
    const auto ddl = plan::is_text(item) ? std::string("item string not null")
                                         : fmt::format("item {} NOT NULL", item.sql());
    TextWriter sketches(rows), names(rows);
    FixedWriter<int32_t> tracked(rows);
    for (int64_t row = 0; row < rows; ++row) {
      WEIR_ASSIGN(const auto bytes, outcomes[row]);
      int32_t count = 0;
      std::memcpy(&count, bytes.data(), sizeof(count));
      tracked.set(row, count);
      sketches.add(std::string_view(bytes).substr(4));
      names.add(ddl);
    }
    const auto type = columnar::to_arrow(result);
    WEIR_ASSIGN(const auto sketch, sketches.finish(type->field(0)->type()));
    const auto count = tracked.finish(type->field(1)->type());
    WEIR_ARROW_ASSIGN(const auto nothing, arrow::MakeArrayOfNull(type->field(2)->type(), rows));
    WEIR_ASSIGN(const auto name, names.finish(type->field(3)->type()));
    return arrow::MakeArray(arrow::ArrayData::Make(
        type, rows, {nullptr}, {sketch->data(), count->data(), nothing->data(), name->data()}, 0));
  };
}

base::Error hint(std::string_view name, const std::string& error_class, std::string_view state,
                 const std::string& message, const plan::Origin& origin) {
  return plan::analysis_error(
      "DATATYPE_MISMATCH.TYPE_CHECK_FAILURE_WITH_HINT", "42K09",
      fmt::format("Cannot resolve \"{}\" due to data type mismatch: [{}] {} SQLSTATE: {}", name,
                  error_class, message, state),
      origin);
}

Result<void> check_theta_entries(std::string_view name, int64_t log_entries,
                                 const plan::Origin& origin) {
  if (log_entries >= 4 && log_entries <= 26) return {};
  return plan::analysis_error(
             "THETA_INVALID_LG_NOM_ENTRIES", "22546",
             fmt::format("Invalid call to `{}`; the `lgNomEntries` value must be between 4 and 26, "
                         "inclusive: {}.",
                         name, log_entries),
             origin)
      .with_parameter("function", fmt::format("`{}`", name))
      .with_parameter("min", "4")
      .with_parameter("max", "26")
      .with_parameter("value", std::to_string(log_entries));
}

Result<SketchAggregate> items_aggregate(const plan::Typed& expression, const Settings& settings) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  const auto name = call.function->name;
  SketchAggregate made;
  made.arguments = {call.arguments[0]};
  if (name == "approx_top_k_combine") {
    WEIR_ASSIGN(const auto tracked, settings.number(1, 0));
    if (settings.has(1))
      WEIR_TRY(check_item_counts(name, std::nullopt, tracked.value_or(0), settings.origin()));
    if (!expression.type.is(TypeKind::kStruct) || expression.type.fields().size() != 4) {
      return base::error(base::ErrorKind::kInternal, "{} gives {}", name,
                         expression.type.simple_string());
    }
    const auto kind = item_kind(expression.type.fields()[2].type());
    made.plan = fmt::format("{} {} {}", name, static_cast<char>(kind), tracked.value_or(0));
    made.entries = state_entries;
    made.result = items_state(made.plan, expression.type);
    return made;
  }
  const bool gathers = name == "approx_top_k_accumulate";
  const auto kind = item_kind(call.arguments[0]->type);
  if (gathers && (kind == items::Kind::kBoolean || kind == items::Kind::kDecimal)) {
    return plan::analysis_error(
        "UNSUPPORTED_FEATURE", "0A000",
        fmt::format("weir has no {} over {}.", name, call.arguments[0]->type.sql()),
        expression.origin);
  }
  WEIR_ASSIGN(const auto how_many, settings.number(gathers ? 9 : 1, 5));
  WEIR_ASSIGN(const auto tracked, settings.number(gathers ? 1 : 2, 10000));
  if (!how_many || !tracked) {
    return plan::analysis_error("APPROX_TOP_K_NULL_ARG", "22004",
                                fmt::format("The value of `{}` in `{}` cannot be NULL.",
                                            how_many ? "maxItemsTracked" : "k", name),
                                expression.origin);
  }
  WEIR_TRY(check_item_counts(name, gathers ? std::nullopt : how_many, tracked, expression.origin));
  made.plan = fmt::format("{} {} {}", name, static_cast<char>(kind), *tracked);
  made.entries = item_entries(kind);
  made.result = gathers ? items_state(made.plan, expression.type)
                        : items_result(made.plan, kind, expression.type, *how_many);
  return made;
}

Result<SketchAggregate> tuple_aggregate(const plan::Typed& expression, const Settings& settings) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  const auto name = call.function->name;
  SketchAggregate made;
  const bool counts = name.starts_with("tuple_sketch_agg");
  const bool common = name.starts_with("tuple_intersection");
  const size_t first = counts ? 2 : 1;
  WEIR_ASSIGN(const auto entries, settings.number(common ? 9 : first, 12));
  WEIR_ASSIGN(const auto mode, settings.text(common ? first : first + 1, "sum"));
  WEIR_TRY(check_log_entries(name, entries.value_or(0), expression.origin));
  WEIR_TRY(checked_mode(name, mode, expression.origin));
  made.arguments = {call.arguments[0]};
  if (counts) {
    const auto& key = call.arguments[0]->type;
    made.arguments.push_back(call.arguments[1]);
    made.plan = fmt::format("{} {} {} {}", name, static_cast<char>(key_of(key)), *entries, mode);
    made.entries = pair_entries(key, call.arguments[1]->type);
  } else {
    made.plan =
        common ? fmt::format("{} {}", name, mode) : fmt::format("{} {} {}", name, *entries, mode);
    made.entries = key_entries(DataType::of(TypeKind::kBinary));
  }
  made.result = sketch_bytes(made.plan);
  return made;
}

}  // namespace

Result<std::optional<SketchAggregate>> sketch_aggregate(const plan::Typed& expression,
                                                        const EvalContext& context) {
  const auto& call = std::get<plan::TypedCall>(expression.node);
  const auto name = call.function->name;
  const Settings settings(expression, context);
  SketchAggregate made;
  if (name.starts_with("approx_top_k")) {
    WEIR_ASSIGN(made, items_aggregate(expression, settings));
    return std::optional(std::move(made));
  }
  if (name == "collect_frequent_items") {
    WEIR_ASSIGN(const auto items_max, settings.number(1, 0));
    const auto& type = call.arguments[0]->type;
    const auto kind = item_kind(type);
    made.arguments = {call.arguments[0]};
    made.plan = fmt::format("{} {} {} {}", name, static_cast<char>(kind), items_max.value_or(0),
                            kind == items::Kind::kDecimal ? type.scale() : 0);
    made.entries = item_entries(kind);
    made.result = frequent_items(made.plan, expression.type);
    return std::optional(std::move(made));
  }
  if (name.starts_with("tuple_")) {
    WEIR_ASSIGN(made, tuple_aggregate(expression, settings));
    return std::optional(std::move(made));
  }
  const auto& type = call.arguments.empty() ? expression.type : call.arguments[0]->type;
  const auto key = static_cast<char>(key_of(type));
  if (name == "hll_sketch_agg") {
    WEIR_ASSIGN(const auto log_k, settings.number(1, 12));
    if (log_k.value_or(0) < 4 || log_k.value_or(0) > 21) {
      return plan::analysis_error(
                 "HLL_INVALID_LG_K", "22546",
                 fmt::format("Invalid call to `{}`; the `lgConfigK` value must be between 4 and "
                             "21, inclusive: {}.",
                             name, log_k.value_or(0)),
                 expression.origin)
          .with_parameter("function", fmt::format("`{}`", name))
          .with_parameter("min", "4")
          .with_parameter("max", "21")
          .with_parameter("value", std::to_string(log_k.value_or(0)));
    }
    made.plan = fmt::format("{} {} {}", name, key, *log_k);
  } else if (name == "hll_union_agg") {
    WEIR_ASSIGN(const bool different, settings.flag(1));
    made.plan = fmt::format("{} {}", name, different ? 1 : 0);
  } else if (name == "theta_sketch_agg" || name == "theta_union_agg") {
    WEIR_ASSIGN(const auto entries, settings.number(1, 12));
    WEIR_TRY(check_theta_entries(name, entries.value_or(0), expression.origin));
    made.plan = name == "theta_union_agg" ? fmt::format("{} {}", name, *entries)
                                          : fmt::format("{} {} {}", name, key, *entries);
  } else if (name == "theta_intersection_agg") {
    made.plan = name;
  } else if (name.starts_with("kll_")) {
    const bool merges = name.starts_with("kll_merge");
    WEIR_ASSIGN(const auto k, settings.number(1, merges ? 0 : 200));
    if (!k) {
      return plan::analysis_error("DATATYPE_MISMATCH.UNEXPECTED_NULL", "42K09",
                                  fmt::format("The k of {} must not be NULL.", name),
                                  expression.origin);
    }
    if (settings.has(1) && (*k < 8 || *k > 65535)) {
      return hint(name, "KLL_SKETCH_K_OUT_OF_RANGE", "22003",
                  fmt::format("For function `{}`, the k parameter must be between 8 and 65535 "
                              "(inclusive), but got {}.",
                              name, *k),
                  expression.origin);
    }
    made.plan = fmt::format("{} {}", name, *k);
    made.arguments = {call.arguments[0]};
    made.entries = merges ? key_entries(type) : number_entries(type);
  } else {
    return std::optional<SketchAggregate>();
  }
  made.arguments = {call.arguments[0]};
  if (!made.entries) made.entries = key_entries(type);
  made.result = sketch_bytes(made.plan);
  return std::optional(std::move(made));
}

// ---- over many groups

namespace {

std::shared_ptr<arrow::RecordBatch> batch_of(std::span<const ArrayPtr> columns) {
  arrow::FieldVector fields;
  for (const auto& column : columns)
    fields.push_back(arrow::field("v", column->type()));
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), columns[0]->length(),
                                  std::vector<ArrayPtr>(columns.begin(), columns.end()));
}

class SketchesState final : public AggregateState {
 public:
  explicit SketchesState(std::shared_ptr<const SketchAggregate> aggregate)
      : aggregate_(std::move(aggregate)) {}
  void resize(size_t groups) override { builders_.resize(groups); }
  int64_t memory() const override {
    int64_t bytes = static_cast<int64_t>(builders_.size()) * 16;
    for (const auto& builder : builders_)
      bytes += builder ? builder->memory() : 0;
    return bytes;
  }
  Result<void> update(std::span<const ArrayPtr> arguments,
                      std::span<const uint32_t> groups) override {
    WEIR_ASSIGN(const auto entries, aggregate_->entries(*batch_of(arguments)));
    return each(entries, groups,
                [](SketchBuilder& builder, std::string_view entry) { return builder.add(entry); });
  }
  Result<void> merge(std::span<const ArrayPtr> states, std::span<const uint32_t> groups) override {
    return each(states[0], groups, [](SketchBuilder& builder, std::string_view bytes) {
      return builder.merge(bytes);
    });
  }
  Result<void> store(std::vector<ArrayPtr>& out) override {
    WEIR_ASSIGN(auto column, bytes_of([](std::string bytes) { return bytes; }));
    out.push_back(std::move(column));
    return {};
  }
  Result<ArrayPtr> finish() override {
    WEIR_ASSIGN(const auto column,
                bytes_of([](std::string bytes) { return sketch_outcome(std::move(bytes)); }));
    const ArrayPtr columns[] = {column};
    return aggregate_->result(*batch_of(columns));
  }

 private:
  template <typename Work>
  Result<void> each(const ArrayPtr& array, std::span<const uint32_t> groups, Work&& work) {
    const Vector vector{array, false};
    const TextReader reader(vector);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (!reader.valid[row]) continue;
      auto& builder = builders_[groups[i]];
      if (!builder) {
        WEIR_ASSIGN(builder, make_sketch(aggregate_->plan));
      }
      WEIR_TRY(work(*builder, reader[row]));
    }
    return {};
  }
  template <typename Form>
  Result<ArrayPtr> bytes_of(Form&& form) {
    TextWriter writer(static_cast<int64_t>(builders_.size()));
    for (const auto& builder : builders_) {
      if (!builder) {
        writer.add_null();
        continue;
      }
      WEIR_ASSIGN(auto bytes, builder->bytes());
      writer.add(form(std::move(bytes)));
    }
    return writer.finish(arrow::binary());
  }

  std::shared_ptr<const SketchAggregate> aggregate_;
  std::vector<std::unique_ptr<SketchBuilder>> builders_;
};

}  // namespace

Result<AggregateMaker> sketch_maker(const plan::TypedPtr& expression, const EvalContext& context) {
  AggregateMaker made;
  WEIR_ASSIGN(auto aggregate, sketch_aggregate(*expression, context));
  if (!aggregate) return made;
  made.arguments = aggregate->arguments;
  made.state_fields = {make_field("sketch", DataType::of(TypeKind::kBinary))};
  auto shared = std::make_shared<const SketchAggregate>(std::move(*aggregate));
  made.make = [shared](const EvalContext&) { return std::make_unique<SketchesState>(shared); };
  return made;
}

std::string sketch_outcome(const Result<std::string>& made) {
  if (made.ok()) return '\0' + made.value();
  const auto& error = made.error();
  return fmt::format("\1{}\n{}\n{}", error.error_class(), error.sql_state(), error.message());
}

Result<std::string> from_sketch_outcome(std::string_view outcome) {
  if (!outcome.starts_with('\1')) return std::string(outcome.substr(1));
  outcome.remove_prefix(1);
  const auto next = [&] {
    const auto word = outcome.substr(0, outcome.find('\n'));
    outcome.remove_prefix(std::min(outcome.size(), word.size() + 1));
    return std::string(word);
  };
  auto error_class = next();
  auto state = next();
  return base::Error(base::ErrorKind::kInvalidArgument, std::string(outcome))
      .with_class(std::move(error_class))
      .with_sql_state(std::move(state));
}

// ---- items

items::Kind item_kind(const DataType& type) {
  using items::Kind;
  switch (type.kind()) {
    case TypeKind::kByte:
      return Kind::kByte;
    case TypeKind::kShort:
      return Kind::kShort;
    case TypeKind::kInteger:
    case TypeKind::kDate:
      return Kind::kInteger;
    case TypeKind::kLong:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return Kind::kLong;
    case TypeKind::kFloat:
      return Kind::kFloat;
    case TypeKind::kDouble:
      return Kind::kDouble;
    case TypeKind::kBoolean:
      return Kind::kBoolean;
    case TypeKind::kDecimal:
      return Kind::kDecimal;
    default:
      return Kind::kText;
  }
}

Result<ArrayPtr> item_lists(const std::vector<std::optional<std::vector<items::Row>>>& rows,
                            const DataType& result) {
  const auto type = columnar::to_arrow(result);
  const auto entry = static_cast<const arrow::ListType&>(*type).value_type();
  std::vector<const items::Row*> all;
  ListOffsets offsets(static_cast<int64_t>(rows.size()));
  for (const auto& row : rows) {
    if (!row) {
      offsets.add_null(static_cast<int64_t>(all.size()));
      continue;
    }
    for (const auto& one : *row)
      all.push_back(&one);
    offsets.end_row(static_cast<int64_t>(all.size()));
  }
  const auto count = static_cast<int64_t>(all.size());
  const auto item_type = entry->field(0)->type();
  const auto fixed = [&](auto sample) -> Result<ArrayPtr> {
    FixedWriter<decltype(sample)> writer(count);
    for (int64_t i = 0; i < count; ++i) {
      const auto& item = all[static_cast<size_t>(i)]->item;
      if (!item) {
        writer.set_null(i);
        continue;
      }
      decltype(sample) value{};
      std::memcpy(&value, item->data(), std::min(sizeof(value), item->size()));
      writer.set(i, value);
    }
    return writer.finish(item_type);
  };
  const auto other = [&](items::Kind kind) -> Result<ArrayPtr> {
    if (kind == items::Kind::kBoolean) {
      BoolWriter writer(count);
      for (int64_t i = 0; i < count; ++i) {
        const auto& item = all[static_cast<size_t>(i)]->item;
        if (item) {
          writer.set(i, (*item)[0] != 0);
        } else {
          writer.set_null(i);
        }
      }
      return writer.finish();
    }
    TextWriter writer(count);
    for (const auto* one : all) {
      if (one->item) {
        writer.add(*one->item);
      } else {
        writer.add_null();
      }
    }
    return writer.finish(item_type);
  };
  const auto values = [&]() -> Result<ArrayPtr> {
    using items::Kind;
    const auto kind = item_kind(result.element().fields()[0].type());
    switch (kind) {
      case Kind::kByte:
        return fixed(int8_t{});
      case Kind::kShort:
        return fixed(int16_t{});
      case Kind::kInteger:
        return fixed(int32_t{});
      case Kind::kLong:
        return fixed(int64_t{});
      case Kind::kFloat:
        return fixed(float{});
      case Kind::kDouble:
        return fixed(double{});
      case Kind::kDecimal:
        return fixed(Int128{});
      default:
        return other(kind);
    }
  };
  WEIR_ASSIGN(const auto found, values());
  FixedWriter<int64_t> counts(count);
  for (int64_t i = 0; i < count; ++i)
    counts.set(i, all[static_cast<size_t>(i)]->count);
  const auto counted = counts.finish(entry->field(1)->type());
  return offsets.finish(type, arrow::MakeArray(arrow::ArrayData::Make(
                                  entry, count, {nullptr}, {found->data(), counted->data()}, 0)));
}

Result<void> check_item_counts(std::string_view function, std::optional<int64_t> how_many,
                               std::optional<int64_t> tracked, const plan::Origin& origin) {
  for (const auto& [what, value] :
       {std::pair{"k", how_many}, std::pair{"maxItemsTracked", tracked}}) {
    if (!value || *value > 0) continue;
    return plan::analysis_error(
               "APPROX_TOP_K_NON_POSITIVE_ARG", "22023",
               fmt::format("The value of `{}` in `{}` must be a positive integer, but got {}.",
                           what, function, *value),
               origin)
        .with_parameter("argName", fmt::format("`{}`", what))
        .with_parameter("argValue", std::to_string(*value));
  }
  if (tracked && *tracked > 1000000) {
    return plan::analysis_error(
               "APPROX_TOP_K_MAX_ITEMS_TRACKED_EXCEEDS_LIMIT", "22023",
               fmt::format(
                   "The max items tracked `maxItemsTracked`({}) of `{}` should be less than "
                   "or equal to 1000000.",
                   *tracked, function),
               origin)
        .with_parameter("maxItemsTracked", std::to_string(*tracked))
        .with_parameter("limit", "1000000");
  }
  if (how_many && tracked && *how_many > *tracked) {
    return plan::analysis_error(
               "APPROX_TOP_K_MAX_ITEMS_TRACKED_LESS_THAN_K", "22023",
               fmt::format("The max items tracked `maxItemsTracked`({}) of `{}` should be greater "
                           "than or equal to `k`({}).",
                           *tracked, function, *how_many),
               origin)
        .with_parameter("maxItemsTracked", std::to_string(*tracked))
        .with_parameter("k", std::to_string(*how_many));
  }
  return {};
}

Result<tuple::Mode> checked_mode(std::string_view function, std::string_view mode,
                                 const plan::Origin& origin) {
  const auto found = tuple::mode_of(mode);
  if (found) return *found;
  return hint(function, "TUPLE_INVALID_SKETCH_MODE", "22023",
              fmt::format("Invalid call to `{}`: mode '{}' is not supported. Valid modes are: sum, "
                          "min, max, alwaysone.",
                          function, mode),
              origin);
}

Result<void> check_log_entries(std::string_view function, int64_t log_entries,
                               const plan::Origin& origin) {
  if (log_entries >= 4 && log_entries <= 26) return {};
  return hint(
      function, "SKETCH_INVALID_LG_NOM_ENTRIES", "22003",
      fmt::format("Invalid call to `{}`; the `lgNomEntries` value must be between 4 and 26, "
                  "inclusive: {}.",
                  function, log_entries),
      origin);
}

}  // namespace weir::eval
