// Arrays: searched, changed, sorted, treated as sets.
#include "eval/arrays.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "eval/compare.h"
#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/node.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

const DataType& element_type(const KernelCall& call, size_t argument = 0) {
  return call.type_of(argument).element();
}

Result<ArrayPtr> array_size(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  FixedWriter<int32_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (list.valid[row]) {
      writer.set(row, static_cast<int32_t>(list.count(row)));
    } else {
      writer.set_null(row);
    }
  }
  return writer.finish(call.arrow_type);
}

// choose(row, picker) adds the positions of a row in the first argument's values.
template <typename Choose>
Result<ArrayPtr> picked(KernelCall& call, const ListReader& list, Choose&& choose) {
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row]) {
      picker.add_null();
      continue;
    }
    choose(row, picker);
    picker.end_row();
  }
  return picker.finish(call.arrow_type, list.values());
}

Result<ArrayPtr> array_distinct(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  return picked(call, list, [&](int64_t row, ListPicker& picker) {
    std::unordered_set<std::string> seen;
    for (int64_t i = list.begin(row); i < list.end(row); ++i) {
      if (seen.insert(value_key(element_type(call), *list.values(), i)).second) picker.add(i);
    }
  });
}

Result<ArrayPtr> array_compact(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  return picked(call, list, [&](int64_t row, ListPicker& picker) {
    for (int64_t i = list.begin(row); i < list.end(row); ++i) {
      if (list.values()->IsValid(i)) picker.add(i);
    }
  });
}

enum class SetOp { kUnion, kIntersect, kExcept };

template <SetOp op>
Result<ArrayPtr> array_set(KernelCall& call, Arguments arguments) {
  const ListReader a(arguments[0]), b(arguments[1]);
  const auto& type = element_type(call);
  WEIR_ASSIGN(auto both, joined(a.values(), b.values(), call.arrow_type->field(0)->type()));
  const int64_t b_at = a.values()->length();
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!a.valid[row] || !b.valid[row]) {
      picker.add_null();
      continue;
    }
    std::unordered_set<std::string> seen, other;
    if (op != SetOp::kUnion) {
      for (int64_t i = b.begin(row); i < b.end(row); ++i)
        other.insert(value_key(type, *both, b_at + i));
    }
    const auto visit = [&](int64_t position) {
      auto key = value_key(type, *both, position);
      if (op != SetOp::kUnion && other.contains(key) != (op == SetOp::kIntersect)) return;
      if (seen.insert(std::move(key)).second) picker.add(position);
    };
    for (int64_t i = a.begin(row); i < a.end(row); ++i)
      visit(i);
    if (op == SetOp::kUnion) {
      for (int64_t i = b.begin(row); i < b.end(row); ++i)
        visit(b_at + i);
    }
    picker.end_row();
  }
  return picker.finish(call.arrow_type, both);
}

Result<ArrayPtr> arrays_overlap(KernelCall& call, Arguments arguments) {
  const ListReader a(arguments[0]), b(arguments[1]);
  BoolWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!a.valid[row] || !b.valid[row]) {
      writer.set_null(row);
      continue;
    }
    std::unordered_set<std::string> known;
    bool has_null = false, found = false;
    for (int64_t i = a.begin(row); i < a.end(row); ++i) {
      if (a.values()->IsNull(i)) {
        has_null = true;
      } else {
        known.insert(value_key(element_type(call), *a.values(), i));
      }
    }
    for (int64_t i = b.begin(row); i < b.end(row) && !found; ++i) {
      if (b.values()->IsNull(i)) {
        has_null = true;
      } else {
        found = known.contains(value_key(element_type(call), *b.values(), i));
      }
    }
    if (!found && has_null && a.count(row) > 0 && b.count(row) > 0) {
      writer.set_null(row);
    } else {
      writer.set(row, found);
    }
  }
  return writer.finish();
}

Result<ArrayPtr> array_position(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  const Validity wanted(arguments[1]);
  FixedWriter<int64_t> writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row] || !wanted[row]) {
      writer.set_null(row);
      continue;
    }
    const auto key =
        value_key(call.type_of(1), *arguments[1].array, arguments[1].constant ? 0 : row);
    int64_t found = 0;
    for (int64_t i = list.begin(row); i < list.end(row) && found == 0; ++i) {
      if (value_key(element_type(call), *list.values(), i) == key) found = i - list.begin(row) + 1;
    }
    writer.set(row, found);
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> array_remove(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  const Validity unwanted(arguments[1]);
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row] || !unwanted[row]) {
      picker.add_null();
      continue;
    }
    const auto key =
        value_key(call.type_of(1), *arguments[1].array, arguments[1].constant ? 0 : row);
    for (int64_t i = list.begin(row); i < list.end(row); ++i) {
      if (value_key(element_type(call), *list.values(), i) != key) picker.add(i);
    }
    picker.end_row();
  }
  return picker.finish(call.arrow_type, list.values());
}

// array_append, array_prepend: a NULL array stays NULL, a NULL element is added.
template <bool front>
Result<ArrayPtr> array_add(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  WEIR_ASSIGN(auto added, materialize(arguments[1], arguments[1].constant ? 1 : call.rows));
  WEIR_ASSIGN(auto both, joined(list.values(), added, call.arrow_type->field(0)->type()));
  const int64_t added_at = list.values()->length();
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row]) {
      picker.add_null();
      continue;
    }
    const int64_t one = added_at + (arguments[1].constant ? 0 : row);
    if (front) picker.add(one);
    for (int64_t i = list.begin(row); i < list.end(row); ++i)
      picker.add(i);
    if (!front) picker.add(one);
    picker.end_row();
  }
  return picker.finish(call.arrow_type, both);
}

constexpr int64_t kArrayLengthMax = 2147483632;  // ByteArrayMethods.MAX_ROUNDED_ARRAY_LENGTH
// What one call may make for a batch, before memory becomes the answer.
constexpr int64_t kBatchElementsMax = int64_t{1} << 27;

base::Error too_many_elements(const KernelCall& call, int64_t count) {
  return call.fail("COLLECTION_SIZE_LIMIT_EXCEEDED.FUNCTION", "54000",
                   fmt::format("Can't create array with {} elements which exceeding the array size "
                               "limit {}, unsuccessful try to create arrays in the function `{}`.",
                               count, kArrayLengthMax, call.call.function->name));
}

Result<ArrayPtr> array_insert(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  const FixedReader<int32_t> index(arguments[1]);
  WEIR_ASSIGN(auto added, materialize(arguments[2], arguments[2].constant ? 1 : call.rows));
  WEIR_ASSIGN(auto both, joined(list.values(), added, call.arrow_type->field(0)->type()));
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row] || !index.valid[row]) {
      picker.add_null();
      continue;
    }
    const int64_t count = list.count(row);
    const int64_t one = list.values()->length() + (arguments[2].constant ? 0 : row);
    int64_t at = index[row];
    if (at == 0) {
      return call.fail("INVALID_INDEX_OF_ZERO", "22003",
                       "The index 0 is invalid. An index shall be either < 0 or > 0 (the first "
                       "element has index 1).");
    }
    const int64_t total = std::max(count + 1, at > 0 ? at : -at);
    if (total > kArrayLengthMax || total > kBatchElementsMax) return too_many_elements(call, total);
    if (at > 0) {
      --at;  // the place that the element will have
      for (int64_t i = 0; i < std::min(at, count); ++i)
        picker.add(list.begin(row) + i);
      for (int64_t i = count; i < at; ++i)
        picker.add(-1);
      picker.add(one);
      for (int64_t i = at; i < count; ++i)
        picker.add(list.begin(row) + i);
    } else if (-at <= count + 1) {
      const int64_t place = count + at + 1;  // -1: after the last
      for (int64_t i = 0; i < place; ++i)
        picker.add(list.begin(row) + i);
      picker.add(one);
      for (int64_t i = place; i < count; ++i)
        picker.add(list.begin(row) + i);
    } else {
      picker.add(one);
      for (int64_t i = count + 1; i < -at; ++i)
        picker.add(-1);
      for (int64_t i = 0; i < count; ++i)
        picker.add(list.begin(row) + i);
    }
    picker.end_row();
  }
  return picker.finish(call.arrow_type, both);
}

Result<ArrayPtr> array_join(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  const TextReader delimiter(arguments[1]);
  const bool replaces = arguments.size() > 2;
  const Vector none{arguments[1]};
  const TextReader replacement(replaces ? arguments[2] : none);
  const Vector values{list.values(), false};
  const TextReader text(values);
  return [&]() -> Result<ArrayPtr> {
    TextWriter writer(call.rows);
    for (int64_t row = 0; row < call.rows; ++row) {
      if (!list.valid[row] || !delimiter.valid[row] || (replaces && !replacement.valid[row])) {
        writer.add_null();
        continue;
      }
      bool first = true;
      for (int64_t i = list.begin(row); i < list.end(row); ++i) {
        if (!text.valid[i] && !replaces) continue;
        if (!first) writer.bytes() += delimiter[row];
        first = false;
        writer.bytes() += text.valid[i] ? text[i] : replacement[row];
      }
      writer.end_row();
    }
    return writer.finish(call.arrow_type);
  }();
}

// array_min, array_max: NULLs left out, NaN the greatest.
template <int sign>
Result<ArrayPtr> array_extreme(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  std::vector<int64_t> best(static_cast<size_t>(call.rows), -1);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row]) continue;
    auto& at = best[static_cast<size_t>(row)];
    for (int64_t i = list.begin(row); i < list.end(row); ++i) {
      if (list.values()->IsNull(i)) continue;
      if (at < 0 ||
          sign * compare_values(element_type(call), *list.values(), i, *list.values(), at) < 0)
        at = i;
    }
  }
  WEIR_ASSIGN(auto taken, pick(list.values(), best));
  return canonical(taken, call.arrow_type);
}

Result<ArrayPtr> array_repeat(KernelCall& call, Arguments arguments) {
  const FixedReader<int32_t> times(arguments[1]);
  WEIR_ASSIGN(auto values, materialize(arguments[0], arguments[0].constant ? 1 : call.rows));
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!times.valid[row]) {
      picker.add_null();
      continue;
    }
    const int64_t count = std::max(times[row], 0);
    if (count > kArrayLengthMax ||
        static_cast<int64_t>(picker.positions().size()) + count > kBatchElementsMax)
      return too_many_elements(call, count);
    picker.positions().insert(picker.positions().end(), static_cast<size_t>(count),
                              arguments[0].constant ? 0 : row);
    picker.end_row();
  }
  return picker.finish(call.arrow_type, values);
}

base::Error bad_parameter(const KernelCall& call, std::string_view sub_class,
                          std::string_view message) {
  return call.fail(fmt::format("INVALID_PARAMETER_VALUE.{}", sub_class), "22023",
                   fmt::format("The value of parameter(s) {} in `{}` is invalid: {}",
                               sub_class == "START" ? "`start`" : "`length`",
                               call.call.function->name, message));
}

Result<ArrayPtr> slice(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  const FixedReader<int32_t> start(arguments[1]), length(arguments[2]);
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row] || !start.valid[row] || !length.valid[row]) {
      picker.add_null();
      continue;
    }
    if (start[row] == 0) {
      return bad_parameter(call, "START",
                           "Expects a positive or a negative value for `start`, but got 0.");
    }
    if (length[row] < 0) {
      return bad_parameter(
          call, "LENGTH",
          fmt::format("Expects `length` greater than or equal to 0, but got {}.", length[row]));
    }
    const int64_t count = list.count(row);
    const int64_t from = start[row] > 0 ? start[row] - 1 : count + start[row];
    if (from >= 0) {
      for (int64_t i = from; i < std::min(count, from + length[row]); ++i)
        picker.add(list.begin(row) + i);
    }
    picker.end_row();
  }
  return picker.finish(call.arrow_type, list.values());
}

// NULLs first where ascending, last where not (sort_array); or always last (array_sort).
Result<ArrayPtr> sorted(KernelCall& call, const ListReader& list, const BoolReader* ascending,
                        bool nulls_last) {
  const auto& type = element_type(call);
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!list.valid[row] || (ascending && !ascending->valid[row])) {
      picker.add_null();
      continue;
    }
    const bool up = !ascending || (*ascending)[row];
    std::vector<int64_t> order(static_cast<size_t>(list.count(row)));
    std::iota(order.begin(), order.end(), list.begin(row));
    const auto& values = *list.values();
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      if (nulls_last && (values.IsNull(a) || values.IsNull(b)))
        return values.IsValid(a) && values.IsNull(b);
      const int by_value = compare_values(type, values, a, values, b);
      return up ? by_value < 0 : by_value > 0;
    });
    for (const int64_t position : order)
      picker.add(position);
    picker.end_row();
  }
  return picker.finish(call.arrow_type, list.values());
}

Result<ArrayPtr> sort_array(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  if (arguments.size() == 1) return sorted(call, list, nullptr, false);
  const BoolReader ascending(arguments[1]);
  return sorted(call, list, &ascending, false);
}

Result<ArrayPtr> flatten(KernelCall& call, Arguments arguments) {
  const ListReader outer(arguments[0]);
  const Vector inner_vector{outer.values(), false};
  const ListReader inner(inner_vector);
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    bool null = !outer.valid[row];
    for (int64_t i = null ? 0 : outer.begin(row); !null && i < outer.end(row); ++i)
      null = !inner.valid[i];
    if (null) {
      picker.add_null();
      continue;
    }
    for (int64_t i = outer.begin(row); i < outer.end(row); ++i) {
      for (int64_t j = inner.begin(i); j < inner.end(i); ++j)
        picker.add(j);
    }
    picker.end_row();
  }
  return picker.finish(call.arrow_type, inner.values());
}

}  // namespace

Result<ArrayPtr> reverse_array(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  return picked(call, list, [&](int64_t row, ListPicker& picker) {
    for (int64_t i = list.end(row); i > list.begin(row); --i)
      picker.add(i - 1);
  });
}

Result<ArrayPtr> concat_arrays(KernelCall& call, Arguments arguments) {
  arrow::ArrayVector sources;
  std::vector<ListReader> lists;
  std::vector<int64_t> starts;
  int64_t total = 0;
  const auto& element = call.arrow_type->field(0)->type();
  for (const auto& argument : arguments) {
    lists.emplace_back(argument);
    WEIR_ASSIGN(auto source, canonical(lists.back().values(), element));
    starts.push_back(total);
    total += source->length();
    sources.push_back(std::move(source));
  }
  ArrayPtr all;
  for (auto& source : sources) {
    if (!all) {
      all = source;
    } else {
      WEIR_ASSIGN(all, joined(all, source, element));
    }
  }
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (std::any_of(lists.begin(), lists.end(), [&](const auto& l) { return !l.valid[row]; })) {
      picker.add_null();
      continue;
    }
    for (size_t l = 0; l < lists.size(); ++l) {
      for (int64_t i = lists[l].begin(row); i < lists[l].end(row); ++i)
        picker.add(starts[l] + i);
    }
    picker.end_row();
  }
  return picker.finish(call.arrow_type, all);
}

Result<ArrayPtr> sort_array_nulls_last(KernelCall& call, Arguments arguments) {
  return sorted(call, ListReader(arguments[0]), nullptr, true);
}

namespace {

Result<ArrayPtr> arrays_zip(KernelCall& call, Arguments arguments) {
  std::vector<ListReader> lists;
  for (const auto& argument : arguments)
    lists.emplace_back(argument);
  std::vector<std::vector<int64_t>> positions(lists.size());
  ListOffsets offsets(call.rows);
  int64_t total = 0;
  for (int64_t row = 0; row < call.rows; ++row) {
    int64_t longest = 0;
    bool null = false;
    for (const auto& list : lists) {
      null |= !list.valid[row];
      if (!null) longest = std::max(longest, list.count(row));
    }
    if (null) {
      offsets.add_null(total);
      continue;
    }
    for (size_t l = 0; l < lists.size(); ++l) {
      for (int64_t i = 0; i < longest; ++i)
        positions[l].push_back(i < lists[l].count(row) ? lists[l].begin(row) + i : -1);
    }
    total += longest;
    offsets.end_row(total);
  }
  const auto& structure = call.arrow_type->field(0)->type();
  std::vector<std::shared_ptr<arrow::ArrayData>> children;
  for (size_t l = 0; l < lists.size(); ++l) {
    WEIR_ASSIGN(auto child, pick(lists[l].values(), positions[l]));
    WEIR_ASSIGN(child, canonical(child, structure->field(static_cast<int>(l))->type()));
    children.push_back(child->data());
  }
  const auto values =
      arrow::MakeArray(arrow::ArrayData::Make(structure, total, {nullptr}, std::move(children), 0));
  return offsets.finish(call.arrow_type, values);
}

constexpr KernelEntry kKernels[] = {
    {"array_size", array_size},
    {"array_distinct", array_distinct},
    {"array_compact", array_compact},
    {"array_union", array_set<SetOp::kUnion>},
    {"array_intersect", array_set<SetOp::kIntersect>},
    {"array_except", array_set<SetOp::kExcept>},
    {"arrays_overlap", arrays_overlap},
    {"array_position", array_position},
    {"array_remove", array_remove},
    {"array_append", array_add<false>},
    {"array_prepend", array_add<true>},
    {"array_insert", array_insert},
    {"array_join", array_join},
    {"array_min", array_extreme<1>},
    {"array_max", array_extreme<-1>},
    {"array_repeat", array_repeat},
    {"slice", slice},
    {"sort_array", sort_array},
    {"array_sort", sort_array_nulls_last},
    {"flatten", flatten},
    {"arrays_zip", arrays_zip},
};

}  // namespace

std::span<const KernelEntry> array_kernels() { return kKernels; }

}  // namespace weir::eval
