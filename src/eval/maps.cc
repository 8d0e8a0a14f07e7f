// Maps: made, taken apart, joined.
#include <unordered_set>

#include "eval/arrays.h"
#include "eval/cast.h"
#include "eval/list_rows.h"
#include "eval/map_rows.h"
#include "eval/node.h"
#include "eval/regexp.h"

namespace weir::eval {

using Arguments = Operands;

Result<void> check_map_keys(const KernelCall& call, const DataType& key_type,
                            const arrow::Array& keys, std::span<const int64_t> entries) {
  std::unordered_set<std::string> seen;
  for (const int64_t entry : entries) {
    if (entry < 0 || keys.IsNull(entry)) {
      return call.fail("NULL_MAP_KEY", "2200E", "Cannot use null as map key.");
    }
    if (!seen.insert(value_key(key_type, keys, entry)).second) {
      Zone zone = call.zone;
      std::string text;
      append_text(key_type, keys, entry, zone, call.ansi(), text);
      return call.fail(
          "DUPLICATED_MAP_KEY", "23505",
          fmt::format("Duplicate map key {} was found, please check the input data. If you want to "
                      "remove the duplicated keys, you can set \"spark.sql.mapKeyDedupPolicy\" to "
                      "\"LAST_WIN\" so that the key inserted at last takes precedence.",
                      text));
    }
  }
  return {};
}

namespace {

std::span<const int64_t> tail(const std::vector<int64_t>& list, size_t from) {
  return std::span(list).subspan(from);
}

// A map array of picked keys and items.
class MapPicker {
 public:
  explicit MapPicker(int64_t rows) : offsets_(rows) {}
  void add(int64_t key, int64_t item) {
    keys_.push_back(key);
    items_.push_back(item);
  }
  void add_null() { offsets_.add_null(static_cast<int64_t>(keys_.size())); }
  Result<void> end_row(const KernelCall& call, const ArrayPtr& keys) {
    WEIR_TRY(check_map_keys(call, call.type().key(), *keys, tail(keys_, begun_)));
    begun_ = keys_.size();
    offsets_.end_row(static_cast<int64_t>(begun_));
    return {};
  }
  Result<ArrayPtr> finish(const KernelCall& call, const ArrayPtr& keys, const ArrayPtr& items) {
    WEIR_ASSIGN(auto key, pick(keys, keys_));
    WEIR_ASSIGN(auto item, pick(items, items_));
    const auto& entry = call.arrow_type->field(0)->type();
    WEIR_ASSIGN(key, canonical(key, entry->field(0)->type()));
    WEIR_ASSIGN(item, canonical(item, entry->field(1)->type()));
    const auto values = arrow::MakeArray(
        arrow::ArrayData::Make(entry, key->length(), {nullptr}, {key->data(), item->data()}, 0));
    return offsets_.finish(call.arrow_type, values);
  }

 private:
  ListOffsets offsets_;
  std::vector<int64_t> keys_;
  std::vector<int64_t> items_;
  size_t begun_ = 0;
};

// Every second argument from `first` on as one array: argument a's row r at a * rows + r.
Result<ArrayPtr> stacked(const KernelCall& call, Arguments arguments, size_t first,
                         const std::shared_ptr<arrow::DataType>& type) {
  ArrayPtr all;
  for (size_t i = first; i < arguments.size(); i += 2) {
    WEIR_ASSIGN(auto column, materialize(arguments[i], call.rows));
    WEIR_ASSIGN(column, canonical(column, type));
    if (!all) {
      all = column;
    } else {
      WEIR_ASSIGN(all, joined(all, column, type));
    }
  }
  return all;
}

Result<ArrayPtr> make_map(KernelCall& call, Arguments arguments) {
  const auto& entry = call.arrow_type->field(0)->type();
  MapPicker picker(call.rows);
  if (arguments.empty()) {
    WEIR_ARROW_ASSIGN(auto keys, arrow::MakeEmptyArray(entry->field(0)->type()));
    WEIR_ARROW_ASSIGN(auto items, arrow::MakeEmptyArray(entry->field(1)->type()));
    for (int64_t row = 0; row < call.rows; ++row)
      WEIR_TRY(picker.end_row(call, keys));
    return picker.finish(call, keys, items);
  }
  WEIR_ASSIGN(auto keys, stacked(call, arguments, 0, entry->field(0)->type()));
  WEIR_ASSIGN(auto items, stacked(call, arguments, 1, entry->field(1)->type()));
  const auto pairs = static_cast<int64_t>(arguments.size() / 2);
  for (int64_t row = 0; row < call.rows; ++row) {
    for (int64_t i = 0; i < pairs; ++i)
      picker.add(i * call.rows + row, i * call.rows + row);
    WEIR_TRY(picker.end_row(call, keys));
  }
  return picker.finish(call, keys, items);
}

template <bool keys>
Result<ArrayPtr> map_side(KernelCall& call, Arguments arguments) {
  const ListReader map(arguments[0]);
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!map.valid[row]) {
      picker.add_null();
      continue;
    }
    for (int64_t i = map.begin(row); i < map.end(row); ++i)
      picker.add(i);
    picker.end_row();
  }
  return picker.finish(call.arrow_type, keys ? map.keys() : map.items());
}

Result<ArrayPtr> map_entries(KernelCall& call, Arguments arguments) {
  const ListReader map(arguments[0]);
  ListPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!map.valid[row]) {
      picker.add_null();
      continue;
    }
    for (int64_t i = map.begin(row); i < map.end(row); ++i)
      picker.add(i);
    picker.end_row();
  }
  return picker.finish(call.arrow_type, map.values());
}

Result<ArrayPtr> map_from_arrays(KernelCall& call, Arguments arguments) {
  const ListReader keys(arguments[0]), items(arguments[1]);
  MapPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!keys.valid[row] || !items.valid[row]) {
      picker.add_null();
      continue;
    }
    if (keys.count(row) != items.count(row)) {
      return call.fail("MAP_KEY_VALUE_DIFF_SIZES", "2201G",
                       "The key array and value array of MapData must have the same length.");
    }
    for (int64_t i = 0; i < keys.count(row); ++i)
      picker.add(keys.begin(row) + i, items.begin(row) + i);
    WEIR_TRY(picker.end_row(call, keys.values()));
  }
  return picker.finish(call, keys.values(), items.values());
}

Result<ArrayPtr> map_from_entries(KernelCall& call, Arguments arguments) {
  const ListReader list(arguments[0]);
  const auto& entries = static_cast<const arrow::StructArray&>(*list.values());
  WEIR_ARROW_ASSIGN(auto keys, entries.GetFlattenedField(0));
  WEIR_ARROW_ASSIGN(auto items, entries.GetFlattenedField(1));
  MapPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    bool null = !list.valid[row];
    for (int64_t i = null ? 0 : list.begin(row); !null && i < list.end(row); ++i)
      null = entries.IsNull(i);
    if (null) {
      picker.add_null();
      continue;
    }
    for (int64_t i = list.begin(row); i < list.end(row); ++i)
      picker.add(i, i);
    WEIR_TRY(picker.end_row(call, keys));
  }
  return picker.finish(call, keys, items);
}

Result<ArrayPtr> map_concat(KernelCall& call, Arguments arguments) {
  const auto& entry = call.arrow_type->field(0)->type();
  std::vector<ListReader> maps;
  std::vector<int64_t> starts;
  WEIR_ARROW_ASSIGN(auto keys, arrow::MakeEmptyArray(entry->field(0)->type()));
  WEIR_ARROW_ASSIGN(auto items, arrow::MakeEmptyArray(entry->field(1)->type()));
  for (const auto& argument : arguments) {
    maps.emplace_back(argument);
    starts.push_back(keys->length());
    WEIR_ASSIGN(keys, joined(keys, maps.back().keys(), entry->field(0)->type()));
    WEIR_ASSIGN(items, joined(items, maps.back().items(), entry->field(1)->type()));
  }
  MapPicker picker(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (std::any_of(maps.begin(), maps.end(), [&](const auto& map) { return !map.valid[row]; })) {
      picker.add_null();
      continue;
    }
    for (size_t m = 0; m < maps.size(); ++m) {
      for (int64_t i = maps[m].begin(row); i < maps[m].end(row); ++i)
        picker.add(starts[m] + i, starts[m] + i);
    }
    WEIR_TRY(picker.end_row(call, keys));
  }
  return picker.finish(call, keys, items);
}

Result<ArrayPtr> map_contains_key(KernelCall& call, Arguments arguments) {
  const ListReader map(arguments[0]);
  const Validity wanted(arguments[1]);
  const auto& key_type = call.type_of(0).key();
  const auto keys = map.keys();
  BoolWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!map.valid[row] || !wanted[row]) {
      writer.set_null(row);
      continue;
    }
    const auto key = value_key(key_type, *arguments[1].array, arguments[1].constant ? 0 : row);
    bool found = false;
    for (int64_t i = map.begin(row); i < map.end(row) && !found; ++i)
      found = value_key(key_type, *keys, i) == key;
    writer.set(row, found);
  }
  return writer.finish();
}

Result<ArrayPtr> str_to_map(KernelCall& call, Arguments arguments) {
  static const Vector kComma = constant_text(","), kColon = constant_text(":");
  const TextReader text(arguments[0]), pairs(arguments.size() > 1 ? arguments[1] : kComma),
      between(arguments.size() > 2 ? arguments[2] : kColon);
  RegexpCache pair_patterns, key_patterns;
  std::vector<std::string> key_texts;
  std::vector<std::optional<std::string>> item_texts;
  MapPicker picker(call.rows);
  std::vector<size_t> ends;
  std::vector<bool> nulls;
  for (int64_t row = 0; row < call.rows; ++row) {
    const bool null = !text.valid[row] || !pairs.valid[row] || !between.valid[row];
    nulls.push_back(null);
    if (!null) {
      WEIR_ASSIGN(const auto* pair_pattern, pair_patterns.get(call, pairs[row]));
      WEIR_ASSIGN(const auto* key_pattern, key_patterns.get(call, between[row]));
      WEIR_ASSIGN(const auto parts, pair_pattern->split(call, text[row], -1));
      for (const auto& part : parts) {
        WEIR_ASSIGN(auto sides, key_pattern->split(call, part, 2));
        key_texts.push_back(std::move(sides[0]));
        item_texts.push_back(sides.size() > 1 ? std::optional(std::move(sides[1])) : std::nullopt);
      }
    }
    ends.push_back(key_texts.size());
  }
  TextWriter key_writer(static_cast<int64_t>(key_texts.size()));
  TextWriter item_writer(static_cast<int64_t>(key_texts.size()));
  for (size_t i = 0; i < key_texts.size(); ++i) {
    key_writer.add(key_texts[i]);
    if (item_texts[i]) {
      item_writer.add(*item_texts[i]);
    } else {
      item_writer.add_null();
    }
  }
  WEIR_ASSIGN(const auto key_array, key_writer.finish(arrow::utf8()));
  WEIR_ASSIGN(const auto item_array, item_writer.finish(arrow::utf8()));
  size_t at = 0;
  for (size_t row = 0; row < ends.size(); ++row) {
    if (nulls[row]) {
      picker.add_null();
      continue;
    }
    for (; at < ends[row]; ++at)
      picker.add(static_cast<int64_t>(at), static_cast<int64_t>(at));
    WEIR_TRY(picker.end_row(call, key_array));
  }
  return picker.finish(call, key_array, item_array);
}

constexpr KernelEntry kKernels[] = {
    {"map", make_map},
    {"map_keys", map_side<true>},
    {"map_values", map_side<false>},
    {"map_entries", map_entries},
    {"map_from_arrays", map_from_arrays},
    {"map_from_entries", map_from_entries},
    {"map_concat", map_concat},
    {"map_contains_key", map_contains_key},
    {"str_to_map", str_to_map},
};

}  // namespace

std::span<const KernelEntry> map_kernels() { return kKernels; }

}  // namespace weir::eval
