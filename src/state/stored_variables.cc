#include "state/stored_variables.h"

#include <algorithm>
#include <tuple>

#include <arrow/array.h>

#include "state/row_codec.h"
#include "state/varint.h"

namespace weir::state {

namespace {

using base::error;
using base::ErrorKind;
using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;

constexpr int64_t kBucketUs = 10'000'000;
constexpr uint32_t kFirst[] = {0};  // the row of a request of one
constexpr const char* kKinds[] = {"ValueState", "ListState", "MapState"};

const char* kind_name(StateVariable::Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

// A column of a key that is a number, as KeyEncoder writes it.
void append_number(std::string& out, uint64_t value, int bytes) {
  out.push_back('\1');
  value ^= uint64_t{1} << (bytes * 8 - 1);
  for (int shift = bytes * 8 - 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

// The same for bytes.
void append_bytes(std::string& out, std::string_view bytes) {
  out.push_back('\1');
  for (const char each : bytes) {
    out.push_back(each);
    if (each == '\0') out.push_back('\xFF');
  }
  out += std::string_view("\0\0", 2);
}

std::string without_escapes(std::string_view column) {
  std::string bytes;
  for (size_t i = 1; i + 2 < column.size(); ++i) {  // closed by two bytes
    bytes.push_back(column[i]);
    if (column[i] == '\0') ++i;
  }
  return bytes;
}

// A value of one column of bytes, as ValueEncoder writes it.
std::string encoded_value(std::string_view bytes) {
  std::string made(1, '\0');
  append_varint(made, bytes.size());
  made += bytes;
  return made;
}

Result<std::string_view> decoded_value(std::string_view value) {
  uint64_t size = 0;
  const char* end = value.data() + value.size();
  const char* in = value.size() < 2 ? nullptr : read_varint(value.data() + 1, end, size);
  if (in == nullptr || static_cast<uint64_t>(end - in) != size)
    return error(ErrorKind::kCorruption, "the state holds a value that is none");
  return std::string_view(in, size);
}

constexpr std::string_view kSet("\0\1", 2);  // true, as a value of one column

std::string element_key(uint64_t number) {
  std::string digits;
  for (; number > 0; number >>= 8)
    digits.insert(digits.begin(), static_cast<char>(number));
  return static_cast<char>(digits.size()) + digits;
}

struct KeyBytes {
  std::string bytes;
  size_t prefix = 0;
};

KeyBytes prefix_of(std::string_view group, int variable) {
  KeyBytes made{std::string(group), 0};
  append_number(made.bytes, static_cast<uint64_t>(static_cast<uint32_t>(variable)), 4);
  made.prefix = made.bytes.size();
  return made;
}

KeyBytes key_of(std::string_view group, int variable, std::string_view entry) {
  auto made = prefix_of(group, variable);
  append_bytes(made.bytes, entry);
  return made;
}

constexpr size_t kTimeColumn = 9;

KeyBytes timer_key(std::string_view group, int64_t at_ms) {
  KeyBytes made{std::string(group), group.size()};
  append_number(made.bytes, static_cast<uint64_t>(at_ms), 8);
  return made;
}

int64_t timer_of(std::string_view key) {
  uint64_t value = 0;
  for (const char each : key.substr(key.size() - 8))
    value = value << 8 | static_cast<uint8_t>(each);
  return static_cast<int64_t>(value ^ uint64_t{1} << 63);
}

int64_t us_of(int64_t ms) {
  return std::clamp(ms, INT64_MIN / 1000 + kBucketUs, INT64_MAX / 1000 - kBucketUs) * 1000;
}

EncodedRows one_key(std::string_view key, size_t prefix) {
  EncodedRows rows;
  rows.add_key(key, prefix);
  return rows;
}

StateShard& shard_of_row(StateStore& store, const EncodedRows& keys) {
  return store.shard(shard_of(keys.hash(0), store.shards()));
}

base::Error not_compatible(const char* which, const char* field, const StateVariable& had,
                           const Schema& stored, const Schema& given) {
  const auto old_text = columnar::schema_to_ddl(stored), new_text = columnar::schema_to_ddl(given);
  return error(ErrorKind::kInvalidArgument,
               "Provided {} schema does not match existing state {} schema.\nPlease check number "
               "and type of fields.\nExisting {}_schema={} and new {}_schema={} of the state "
               "variable {}.",
               which, which, which, old_text, which, new_text, had.name)
      .with_class(fmt::format("STATE_STORE_{}_SCHEMA_NOT_COMPATIBLE", field))
      .with_sql_state("XXKST");
}

Result<void> check_same(const StateVariable& had, const StateVariable& given) {
  if (had.kind != given.kind)
    return error(ErrorKind::kInvalidArgument,
                 "Cannot change {} to {} between query restarts. Please set {} to {}, or restart "
                 "with a new checkpoint directory.",
                 given.name, kind_name(given.kind), given.name, kind_name(had.kind))
        .with_class("STATE_STORE_INVALID_VARIABLE_TYPE_CHANGE")
        .with_sql_state("42K06");
  if (columnar::schema_to_ddl(had.key) != columnar::schema_to_ddl(given.key))
    return not_compatible("key", "KEY", had, had.key, given.key);
  if (columnar::schema_to_ddl(had.value) != columnar::schema_to_ddl(given.value))
    return not_compatible("value", "VALUE", had, had.value, given.value);
  if (had.ttl_ms.has_value() == given.ttl_ms.has_value()) return {};
  return error(ErrorKind::kInvalidArgument,
               "Provided value schema does not match existing state value schema: the state "
               "variable {} was kept with{} a time to live, and is declared with{} one now. "
               "Declare it as before, or restart with a new checkpoint directory.",
               had.name, had.ttl_ms ? "" : "out", given.ttl_ms ? "" : "out")
      .with_class("STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE")
      .with_sql_state("XXKST");
}

Result<StateVariable> variable_of(const base::JsonObject& json) {
  StateVariable made;
  const auto name = base::json_string(json, "name"), kind = base::json_string(json, "kind");
  const auto* key = json.if_contains("key");
  const auto* value = json.if_contains("value");
  const auto* found =
      kind ? std::find(std::begin(kKinds), std::end(kKinds), *kind) : std::end(kKinds);
  if (!name || found == std::end(kKinds) || !key || !value)
    return error(ErrorKind::kCorruption, "a commit describes a state variable as {}",
                 base::json_text(json));
  made.name = *name;
  made.kind = static_cast<StateVariable::Kind>(found - std::begin(kKinds));
  WEIR_ASSIGN(made.key, columnar::parse_type_json(*key));
  WEIR_ASSIGN(made.value, columnar::parse_type_json(*value));
  made.ttl_ms = base::json_int(json, "ttlMs");
  return made;
}

}  // namespace

std::vector<StoreSpec> variable_stores(const Schema& group, const std::string& identity) {
  const auto type = [](TypeKind kind) { return DataType::of(kind); };
  std::vector<columnar::Field> fields(group.fields().begin(), group.fields().end());
  const int columns = static_cast<int>(fields.size());
  StoreSpec timers{.name = "timers", .identity = identity};
  auto timer_fields = fields;
  timer_fields.push_back(columnar::make_field("at_ms", type(TypeKind::kLong)));
  timers.key = Schema::structure(std::move(timer_fields));
  timers.value = Schema::structure({columnar::make_field("set", type(TypeKind::kBoolean))});
  timers.prefix_columns = columns;
  timers.layout = Layout::kOrdered;
  timers.time = TimeBuckets::kOfKey;
  timers.bucket_width_us = kBucketUs;
  fields.push_back(columnar::make_field("variable", type(TypeKind::kInteger)));
  fields.push_back(columnar::make_field("entry", type(TypeKind::kBinary)));
  StoreSpec values{.name = "values", .identity = identity};
  values.key = Schema::structure(std::move(fields));
  values.value = Schema::structure({columnar::make_field("value", type(TypeKind::kBinary))});
  values.prefix_columns = columns + 1;
  values.layout = Layout::kOrdered;
  auto expiring = values;
  expiring.name = "expiring";
  expiring.time = TimeBuckets::kOfRow;
  expiring.bucket_width_us = kBucketUs;
  return {std::move(values), std::move(expiring), std::move(timers)};
}

Result<void> StoredVariables::restore(VariableStores stores, const base::JsonArray* described) {
  stores_ = stores;
  variables_.clear();
  for (const auto& one : described ? *described : base::JsonArray()) {
    if (one.is_null()) {
      variables_.emplace_back();
      continue;
    }
    if (!one.is_object())
      return error(ErrorKind::kCorruption, "a commit describes state variables as {}",
                   base::json_text(*described));
    WEIR_ASSIGN(auto made, variable_of(one.get_object()));
    variables_.push_back(std::move(made));
  }
  committed_ = variables_;
  return {};
}

base::JsonArray StoredVariables::describe() const {
  base::JsonArray all;
  for (const auto& one : variables_) {
    if (!one) {
      all.emplace_back(nullptr);
      continue;
    }
    base::JsonObject json{{"name", one->name}, {"kind", kind_name(one->kind)}};
    json["key"] = one->key.to_json();
    json["value"] = one->value.to_json();
    if (one->ttl_ms) json["ttlMs"] = *one->ttl_ms;
    all.push_back(std::move(json));
  }
  return all;
}

void StoredVariables::begin(int64_t now_ms) {
  now_ms_ = now_ms;
  variables_ = committed_;
}

Result<void> StoredVariables::remove_expired() {
  auto& store = *stores_.expiring;
  for (int shard = 0; shard < store.shards(); ++shard)
    WEIR_TRY(store.shard(shard).evict_below(us_of(now_ms_) + 1, {}));
  return {};
}

std::optional<int64_t> StoredVariables::next_expiry_ms() const {
  std::optional<int64_t> next;
  auto& store = *stores_.expiring;
  for (int shard = 0; shard < store.shards(); ++shard) {
    const auto earliest = store.shard(shard).earliest_time();
    if (earliest && (!next || *earliest / 1000 < *next)) next = *earliest / 1000;
  }
  return next;
}

Result<std::optional<int64_t>> StoredVariables::next_timer_ms() const {
  std::optional<int64_t> next;
  auto& store = *stores_.timers;
  for (int index = 0; index < store.shards(); ++index) {
    auto& shard = store.shard(index);
    // The bound of a bucket whose earliest timer may be gone: looked through, bucket by bucket.
    for (auto from = shard.earliest_time(); from && shard.rows() > 0; *from += kBucketUs) {
      if (next && *from / 1000 > *next) break;
      bool found = false;
      WEIR_TRY(shard.scan(*from, *from, [&](std::span<const StateRow> rows) -> Result<void> {
        for (const auto& row : rows) {
          const auto at_ms = timer_of(row.key);
          if (!next || at_ms < *next) next = at_ms;
          found = true;
        }
        return {};
      }));
      if (found) break;
      if (*from > INT64_MAX - 2 * kBucketUs) break;
    }
  }
  return next;
}

const StateVariable& StoredVariables::variable(int number) const {
  WEIR_CHECK(number >= 0 && static_cast<size_t>(number) < variables_.size() &&
                 variables_[static_cast<size_t>(number)].has_value(),
             "a state variable is used that nobody has declared");
  return *variables_[static_cast<size_t>(number)];
}

Result<int> StoredVariables::declare(const StateVariable& given) {
  for (size_t i = 0; i < variables_.size(); ++i) {
    auto& one = variables_[i];
    if (!one || one->name != given.name) continue;
    WEIR_TRY(check_same(*one, given));
    one->ttl_ms = given.ttl_ms;
    return static_cast<int>(i);
  }
  variables_.emplace_back(given);
  return static_cast<int>(variables_.size()) - 1;
}

Result<void> StoredVariables::purge(const std::string& name) {
  for (size_t i = 0; i < variables_.size(); ++i) {
    if (!variables_[i] || variables_[i]->name != name) continue;
    auto& store = store_of(*variables_[i]);
    const auto& schema = store.spec().key;
    const size_t columns = schema.fields().size();
    for (int index = 0; index < store.shards(); ++index) {
      auto& shard = store.shard(index);
      EncodedRows gone;
      WEIR_TRY(shard.scan(kTimeMin, kTimeMax, [&](std::span<const StateRow> rows) -> Result<void> {
        std::vector<std::string_view> keys;
        for (const auto& row : rows)
          keys.push_back(row.key);
        WEIR_ASSIGN(const auto read, decode_keys(schema, keys));
        const auto& numbers = static_cast<const arrow::Int32Array&>(*read[columns - 2]);
        const auto& entries = static_cast<const arrow::BinaryArray&>(*read[columns - 1]);
        for (size_t row = 0; row < keys.size(); ++row) {
          const auto at = static_cast<int64_t>(row);
          if (numbers.Value(at) != static_cast<int32_t>(i)) continue;
          std::string entry;
          append_bytes(entry, entries.GetView(at));
          gone.add_key(keys[row], keys[row].size() - entry.size());
        }
        return {};
      }));
      std::vector<uint32_t> all;
      for (uint32_t row = 0; row < gone.rows(); ++row)
        all.push_back(row);
      if (!all.empty()) WEIR_TRY(shard.remove(gone, all, {}));
    }
    variables_[i].reset();
    return {};
  }
  return {};
}

Result<std::optional<std::string>> StoredVariables::get(std::string_view group, int number,
                                                        std::string_view key) {
  const auto& one = variable(number);
  auto& store = store_of(one);
  const auto [bytes, prefix] = key_of(group, number, key);
  const auto keys = one_key(bytes, prefix);
  FoundValues found;
  WEIR_TRY(shard_of_row(store, keys).get(keys, kFirst, {}, found));
  if (found.values[0].data() == nullptr) return std::optional<std::string>();
  if (one.ttl_ms && found.times[0] <= us_of(now_ms_)) return std::optional<std::string>();
  WEIR_ASSIGN(const auto value, decoded_value(found.values[0]));
  return std::optional<std::string>(value);
}

Result<void> StoredVariables::put_row(StateStore& store, std::string_view key, size_t prefix,
                                      std::string_view value, int64_t time) {
  const auto keys = one_key(key, prefix);
  EncodedRows values;
  values.add(value);
  const int64_t times[] = {time};
  return shard_of_row(store, keys)
      .put(keys, values, kFirst,
           store.spec().time == TimeBuckets::kNone ? std::span<const int64_t>()
                                                   : std::span<const int64_t>(times));
}

Result<void> StoredVariables::remove_row(StateStore& store, std::string_view key, size_t prefix,
                                         int64_t time) {
  const auto keys = one_key(key, prefix);
  const int64_t times[] = {time};
  return shard_of_row(store, keys)
      .remove(keys, kFirst,
              store.spec().time == TimeBuckets::kOfKey ? std::span<const int64_t>(times)
                                                       : std::span<const int64_t>());
}

Result<void> StoredVariables::put(std::string_view group, int number, std::string_view key,
                                  std::string_view value) {
  const auto& one = variable(number);
  const auto [bytes, prefix] = key_of(group, number, key);
  return put_row(store_of(one), bytes, prefix, encoded_value(value),
                 us_of(now_ms_ + one.ttl_ms.value_or(0)));
}

Result<void> StoredVariables::remove(std::string_view group, int number, std::string_view key) {
  const auto [bytes, prefix] = key_of(group, number, key);
  return remove_row(store_of(variable(number)), bytes, prefix, 0);
}

Result<void> StoredVariables::append(std::string_view group, int number,
                                     std::span<const std::string> values) {
  uint64_t next = 1;
  WEIR_ASSIGN(const auto head, get(group, number, {}));
  if (head) {
    const char* end = head->data() + head->size();
    if (read_varint(head->data(), end, next) != end)
      return error(ErrorKind::kCorruption, "the state holds a list without its length");
  }
  for (const auto& value : values)
    WEIR_TRY(put(group, number, element_key(next++), value));
  std::string after;
  append_varint(after, next);
  return put(group, number, {}, after);
}

// All of the variable in the group, heads of lists and what is over too.
Result<std::vector<StoredVariables::Row>> StoredVariables::rows_of(std::string_view group,
                                                                   int number) {
  auto& store = store_of(variable(number));
  const auto prefix = prefix_of(group, number);
  const auto keys = one_key(prefix.bytes, prefix.prefix);
  std::vector<Row> made;
  WEIR_TRY(shard_of_row(store, keys)
               .scan_prefixes(keys, kFirst, kTimeMin, kTimeMax,
                              [&](uint32_t, std::span<const StateRow> rows) -> Result<void> {
                                for (const auto& row : rows)
                                  made.push_back({std::string(row.key), prefix.prefix,
                                                  std::string(row.value), row.time});
                                return {};
                              }));
  return made;
}

Result<std::vector<GroupVariables::Entry>> StoredVariables::entries(std::string_view group,
                                                                    int number) {
  const auto& one = variable(number);
  WEIR_ASSIGN(auto rows, rows_of(group, number));
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  std::vector<Entry> made;
  for (const auto& row : rows) {
    if (one.ttl_ms && row.time <= us_of(now_ms_)) continue;
    auto entry = without_escapes(std::string_view(row.key).substr(row.prefix));
    const bool list = one.kind == StateVariable::Kind::kList;
    if (list && entry.empty()) continue;  // its head
    WEIR_ASSIGN(const auto value, decoded_value(row.value));
    made.push_back({list ? std::string() : std::move(entry), std::string(value)});
  }
  return made;
}

Result<bool> StoredVariables::any(std::string_view group, int number) {
  const auto& one = variable(number);
  if (one.kind != StateVariable::Kind::kMap) {
    WEIR_ASSIGN(const auto found, get(group, number, {}));  // a value, or a list's head
    return found.has_value();
  }
  WEIR_ASSIGN(const auto rows, rows_of(group, number));
  return std::any_of(rows.begin(), rows.end(),
                     [&](const Row& row) { return !one.ttl_ms || row.time > us_of(now_ms_); });
}

Result<void> StoredVariables::clear(std::string_view group, int number) {
  const auto& one = variable(number);
  if (one.kind == StateVariable::Kind::kValue) return remove(group, number, {});
  WEIR_ASSIGN(const auto rows, rows_of(group, number));
  for (const auto& row : rows)
    WEIR_TRY(remove_row(store_of(one), row.key, row.prefix, 0));
  return {};
}

Result<void> StoredVariables::add_timer(std::string_view group, int64_t at_ms) {
  const auto key = timer_key(group, at_ms);
  return put_row(*stores_.timers, key.bytes, key.prefix, kSet, us_of(at_ms));
}

Result<void> StoredVariables::remove_timer(std::string_view group, int64_t at_ms) {
  const auto key = timer_key(group, at_ms);
  return remove_row(*stores_.timers, key.bytes, key.prefix, us_of(at_ms));
}

Result<std::vector<int64_t>> StoredVariables::timers(std::string_view group) {
  const auto keys = one_key(group, group.size());
  std::vector<int64_t> made;
  WEIR_TRY(shard_of_row(*stores_.timers, keys)
               .scan_prefixes(keys, kFirst, kTimeMin, kTimeMax,
                              [&](uint32_t, std::span<const StateRow> rows) -> Result<void> {
                                for (const auto& row : rows)
                                  made.push_back(timer_of(row.key));
                                return {};
                              }));
  std::sort(made.begin(), made.end());
  return made;
}

Result<std::vector<GroupVariables::Timer>> StoredVariables::expired_timers(
    int64_t until_ms, const std::function<bool(std::string_view group)>& wanted) {
  std::vector<Timer> made;
  auto& store = *stores_.timers;
  for (int shard = 0; shard < store.shards(); ++shard) {
    WEIR_TRY(store.shard(shard).scan(
        kTimeMin, us_of(until_ms), [&](std::span<const StateRow> rows) -> Result<void> {
          for (const auto& row : rows) {
            const auto at_ms = timer_of(row.key);
            const auto group = row.key.substr(0, row.key.size() - kTimeColumn);
            if (at_ms <= until_ms && wanted(group)) made.push_back({at_ms, std::string(group)});
          }
          return {};
        }));
  }
  std::sort(made.begin(), made.end(), [](const Timer& a, const Timer& b) {
    return std::tie(a.at_ms, a.group) < std::tie(b.at_ms, b.group);
  });
  return made;
}

}  // namespace weir::state
