#include <arrow/array.h>
#include <arrow/type.h>

#include "base/json.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "python/conversation.h"
#include "python/pickled_rows.h"
#include "python/state_desk.h"

namespace weir::python {

namespace {

using base::error;
using base::ErrorKind;
using state::StateVariable;
using Kind = StateVariable::Kind;

constexpr const char* kHandles[] = {"PRE_INIT",       "CREATED",         "INITIALIZED",
                                    "DATA_PROCESSED", "TIMER_PROCESSED", "CLOSED"};
constexpr const char* kTimeModes[] = {"NoTime", "ProcessingTime", "EventTime"};
constexpr const char* kGetters[] = {"get_value_state", "get_list_state", "get_map_state"};
constexpr const char* kWords[] = {"Value", "List", "Map"};

enum Status { kDone = 0, kError = 1, kNone = 2 };

std::string status(Status status, std::string_view message = {}) {
  ProtoWriter out;
  out.number(1, status);
  if (!message.empty()) out.bytes(2, message);
  return out.take();
}

Result<std::string> done(Result<void> what) {
  if (!what.ok()) return std::move(what).error();
  return status(kDone);
}

std::string done_with(std::string_view value) {
  ProtoWriter out;
  out.bytes(3, value);
  return out.take();
}

std::string done_with_number(int64_t value) {
  ProtoWriter out;
  out.number(3, value);
  return out.take();
}

// What the user's code did: the worker is told, and raises it there.
bool is_users(const base::Error& error) { return !error.error_class().empty(); }

base::Error users_error(const char* error_class, const char* state, std::string message) {
  return error(ErrorKind::kInvalidArgument, "{}", message)
      .with_class(error_class)
      .with_sql_state(state);
}

Result<ProtoField> field_of(std::string_view message, int number) {
  ProtoReader reader(message);
  ProtoField found;
  while (true) {
    WEIR_ASSIGN(const auto field, reader.next());
    if (field.number == 0) return found;
    if (field.number == number) found = field;
  }
}

Result<std::vector<std::string_view>> all_of(std::string_view message, int number) {
  ProtoReader reader(message);
  std::vector<std::string_view> found;
  while (true) {
    WEIR_ASSIGN(const auto field, reader.next());
    if (field.number == 0) return found;
    if (field.number == number) found.push_back(field.bytes);
  }
}

Result<std::vector<std::shared_ptr<arrow::Array>>> columns_of(
    std::span<const std::string_view> pickles, const columnar::Schema& schema) {
  WEIR_ASSIGN(const auto array, unpickle_structs(pickles, schema));
  if (array->null_count() > 0)
    return users_error("ILLEGAL_STATE_STORE_VALUE.NULL_VALUE", "42601",
                       "Cannot write null values to State Store.");
  return static_cast<const arrow::StructArray&>(*array).fields();
}

// One pickled tuple as the encoder's row.
template <typename Encoder>
Result<std::string> encoded(Encoder& encoder, std::string_view pickle,
                            const columnar::Schema& schema) {
  WEIR_ASSIGN(const auto columns, columns_of({&pickle, 1}, schema));
  state::EncodedRows rows;
  WEIR_TRY(encoder.encode(columns, rows));
  return std::string(rows.at(0));
}

// Encoded rows as pickled Rows.
template <typename Decode>
Result<std::vector<std::string>> pickles_of(std::span<const std::string_view> rows,
                                            const columnar::Schema& schema, Decode&& decode) {
  std::vector<std::string> made;
  if (rows.empty()) return made;
  WEIR_ASSIGN(auto columns, decode(schema, rows));
  const auto structs = std::make_shared<arrow::StructArray>(
      columnar::to_arrow(schema), static_cast<int64_t>(rows.size()), std::move(columns));
  for (int64_t row = 0; row < structs->length(); ++row) {
    WEIR_ASSIGN(auto pickle, pickle_named_row(*structs, row, schema));
    made.push_back(std::move(pickle));
  }
  return made;
}

Result<std::vector<std::string>> value_pickles(std::span<const std::string_view> rows,
                                               const columnar::Schema& schema) {
  return pickles_of(rows, schema, state::decode_values);
}

Result<std::vector<std::string>> key_pickles(std::span<const std::string_view> rows,
                                             const columnar::Schema& schema) {
  return pickles_of(rows, schema, state::decode_keys);
}

}  // namespace

Result<std::string> StateProtocol::answer(std::string_view request) {
  auto made = answer_or_fail(request);
  if (made.ok() || !is_users(made.error())) return made;
  return status(kError, made.error().to_string());
}

Result<std::string> StateProtocol::answer_or_fail(std::string_view request) {
  WEIR_ASSIGN(const auto call, last_field(request));
  switch (call.number) {
    case 2:
      return handle_call(call.bytes);
    case 3:
      return variable_call(call.bytes);
    case 4:
      return group_call(call.bytes);
    case 5:
      return timer_request(call.bytes);
    case 6:
      return utils_call(call.bytes);
    default:
      return nonsense("a request about state of an unknown kind");
  }
}

Result<void> StateProtocol::need_handle(const char* operation, Handle from, Handle until) const {
  if (handle_ >= from && handle_ <= until) return {};
  const auto* now = kHandles[static_cast<size_t>(handle_)];
  return users_error(
      "STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_HANDLE_STATE", "42802",
      fmt::format("Failed to perform stateful processor operation={} with invalid handle state={}.",
                  operation, now));
}

Result<void> StateProtocol::need_time(const char* operation) const {
  if (facts_.time_mode == state::TimeMode::kNone)
    return users_error(
        "STATEFUL_PROCESSOR_CANNOT_PERFORM_OPERATION_WITH_INVALID_TIME_MODE", "42802",
        fmt::format("Failed to perform stateful processor operation={} with invalid timeMode={}",
                    operation, kTimeModes[static_cast<size_t>(facts_.time_mode)]));
  return need_handle(operation, Handle::kInitialized, Handle::kDataProcessed);
}

Result<std::string_view> StateProtocol::group() const {
  if (group_) return std::string_view(*group_);
  return users_error("INTERNAL_ERROR_TWS", "XX000",
                     "Implicit key not found in state store: state is used outside of the "
                     "handling of a group's rows or timers.");
}

Result<std::string> StateProtocol::handle_call(std::string_view message) {
  WEIR_ASSIGN(const auto call, last_field(message));
  switch (call.number) {
    case 1: {
      WEIR_ASSIGN(const auto to, field_of(call.bytes, 1));
      if (to.value > static_cast<uint64_t>(Handle::kClosed))
        return nonsense("an unknown state of a handle");
      handle_ = static_cast<Handle>(to.value);
      return status(kDone);
    }
    case 2:
      return declare(call.bytes, Kind::kValue);
    case 3:
      return declare(call.bytes, Kind::kList);
    case 4:
      return declare(call.bytes, Kind::kMap);
    case 5:
      return timer_call(call.bytes);
    case 6: {
      WEIR_ASSIGN(const auto name, field_of(call.bytes, 1));
      WEIR_TRY(need_handle("delete_if_exists", Handle::kCreated, Handle::kCreated));
      WEIR_TRY(variables_.purge(std::string(name.bytes)));
      declared_.erase(std::string(name.bytes));
      return status(kDone);
    }
    default:
      return nonsense("a call of a stateful processor of an unknown kind");
  }
}

Result<std::string> StateProtocol::declare(std::string_view command, Kind kind) {
  StateVariable what;
  what.kind = kind;
  std::string_view schema, map_value;
  ProtoReader reader(command);
  while (true) {
    WEIR_ASSIGN(const auto field, reader.next());
    if (field.number == 0) break;
    if (field.number == 1) what.name = std::string(field.bytes);
    if (field.number == 2) schema = field.bytes;
    if (field.number == 3) map_value = field.bytes;
    if (field.number == 4) {
      WEIR_ASSIGN(const auto duration, field_of(field.bytes, 1));
      what.ttl_ms = duration.number_value();
    }
  }
  WEIR_TRY(need_handle(kGetters[static_cast<size_t>(kind)], Handle::kCreated, Handle::kCreated));
  if (what.ttl_ms && facts_.time_mode != state::TimeMode::kProcessingTime)
    return users_error(
        "STATEFUL_PROCESSOR_INCORRECT_TIME_MODE_TO_ASSIGN_TTL", "42802",
        fmt::format(
            "Cannot use TTL for state={} in timeMode={}, use TimeMode.ProcessingTime() instead.",
            what.name, kTimeModes[static_cast<size_t>(facts_.time_mode)]));
  if (what.ttl_ms && *what.ttl_ms <= 0)
    return users_error("STATEFUL_PROCESSOR_TTL_DURATION_MUST_BE_POSITIVE", "42802",
                       fmt::format("TTL duration must be greater than zero for State store "
                                   "operation=update on state={}.",
                                   what.name));
  if (declared_.contains(what.name))
    return users_error("STATEFUL_PROCESSOR_DUPLICATE_STATE_VARIABLE_DEFINED", "42802",
                       fmt::format("State variable with name {} has already been defined in the "
                                   "StatefulProcessor.",
                                   what.name));
  if (what.name.empty() || what.name.starts_with('_') || what.name.starts_with('$'))
    return users_error(
        "STATE_STORE_CANNOT_CREATE_COLUMN_FAMILY_WITH_RESERVED_CHARS", "42802",
        fmt::format("Failed to create column family with unsupported starting character and "
                    "name={}.",
                    what.name));
  WEIR_ASSIGN(auto first, columnar::parse_type_json_text(schema));
  if (kind == Kind::kMap) {
    what.key = std::move(first);
    WEIR_ASSIGN(what.value, columnar::parse_type_json_text(map_value));
  } else {
    what.value = std::move(first);
  }
  if (!what.value.is(columnar::TypeKind::kStruct) || !what.key.is(columnar::TypeKind::kStruct))
    return nonsense("a schema of state that is no struct");
  Variable made;
  WEIR_ASSIGN(made.key, state::KeyEncoder::make(what.key));
  WEIR_ASSIGN(made.value, state::ValueEncoder::make(what.value));
  WEIR_ASSIGN(made.number, variables_.declare(what));
  const auto name = what.name;
  made.what = std::move(what);
  declared_.emplace(name, std::move(made));
  return status(kDone);
}

Result<std::string> StateProtocol::timer_call(std::string_view message) {
  WEIR_ASSIGN(const auto call, last_field(message));
  WEIR_ASSIGN(const auto argument, field_of(call.bytes, 1));
  switch (call.number) {
    case 1: {
      WEIR_TRY(need_time("register_timer"));
      WEIR_ASSIGN(const auto of, group());
      WEIR_TRY(variables_.add_timer(of, argument.number_value()));
      return status(kDone);
    }
    case 2: {
      WEIR_TRY(need_time("delete_timer"));
      WEIR_ASSIGN(const auto of, group());
      WEIR_TRY(variables_.remove_timer(of, argument.number_value()));
      return status(kDone);
    }
    case 3: {
      WEIR_TRY(need_time("list_timers"));
      WEIR_ASSIGN(const auto of, group());
      const std::string id(argument.bytes);
      if (!iterators_.contains(id)) {
        WEIR_ASSIGN(const auto times, variables_.timers(of));
        auto& made = iterators_[id];
        for (const auto at : times)
          made.timers.push_back({at, {}});
      }
      return timers_of(iterators_[id], false);
    }
    default:
      return nonsense("a call about timers of an unknown kind");
  }
}

Result<std::string> StateProtocol::group_call(std::string_view message) {
  WEIR_ASSIGN(const auto call, last_field(message));
  iterators_.clear();
  if (call.number == 2) {
    group_.reset();
    return status(kDone);
  }
  if (call.number != 1) return nonsense("a call about groups of an unknown kind");
  WEIR_ASSIGN(const auto pickle, field_of(call.bytes, 1));
  if (!group_encoder_) {
    WEIR_ASSIGN(group_encoder_, state::KeyEncoder::make(facts_.key));
  }
  WEIR_ASSIGN(group_, encoded(*group_encoder_, pickle.bytes, facts_.key));
  return status(kDone);
}

Result<std::string> StateProtocol::timer_request(std::string_view message) {
  WEIR_ASSIGN(const auto call, last_field(message));
  if (call.number == 1) {
    WEIR_ASSIGN(const auto which, last_field(call.bytes));
    if (which.number == 1) return done_with_number(facts_.now_ms);
    if (which.number == 2) return done_with_number(facts_.watermark_ms);
    return nonsense("a call about times of an unknown kind");
  }
  if (call.number != 2) return nonsense("a call about times of an unknown kind");
  WEIR_ASSIGN(const auto id, field_of(call.bytes, 1));
  WEIR_ASSIGN(const auto until, field_of(call.bytes, 2));
  WEIR_TRY(need_time("get_expired_timers"));
  const std::string name(id.bytes);
  if (!expired_.contains(name)) {
    WEIR_ASSIGN(auto timers, variables_.expired_timers(until.number_value(), wanted_));
    expired_[name].timers = std::move(timers);
  }
  return timers_of(expired_[name], true);
}

Result<std::string> StateProtocol::utils_call(std::string_view message) {
  WEIR_ASSIGN(const auto call, last_field(message));
  if (call.number != 1) return nonsense("a call of an unknown kind");
  WEIR_ASSIGN(const auto text, field_of(call.bytes, 1));
  WEIR_ASSIGN(const auto schema, columnar::parse_ddl_schema(text.bytes));
  return done_with(base::json_text(schema.to_json()));
}

Result<std::string> StateProtocol::variable_call(std::string_view message) {
  WEIR_ASSIGN(const auto of_kind, last_field(message));
  if (of_kind.number < 1 || of_kind.number > 3)
    return nonsense("a call of a state variable of an unknown kind");
  const auto kind = static_cast<Kind>(of_kind.number - 1);
  std::string_view name;
  ProtoField call;
  ProtoReader reader(of_kind.bytes);
  while (true) {
    WEIR_ASSIGN(const auto field, reader.next());
    if (field.number == 0) break;
    (field.number == 1 ? name : call.bytes) = field.bytes;
    if (field.number != 1) call.number = field.number;
  }
  const auto found = declared_.find(name);
  if (found == declared_.end() || found->second.what.kind != kind)
    return status(kError, fmt::format("{} state {} is not initialized.",
                                      kWords[static_cast<size_t>(kind)], name));
  if (kind == Kind::kValue) return value_call(found->second, call);
  return kind == Kind::kList ? list_call(found->second, call) : map_call(found->second, call);
}

Result<std::string> StateProtocol::exists(const Variable& one, std::string_view of) {
  WEIR_ASSIGN(const bool any, variables_.any(of, one.number));
  return any ? status(kDone) : status(kNone, fmt::format("state {} doesn't exist", one.what.name));
}

Result<std::string> StateProtocol::get(const Variable& one, std::string_view of,
                                       std::string_view key) {
  WEIR_ASSIGN(const auto found, variables_.get(of, one.number, key));
  if (!found) return status(kDone);
  const std::string_view row(*found);
  WEIR_ASSIGN(const auto pickles, value_pickles({&row, 1}, one.what.value));
  return done_with(pickles[0]);
}

Result<std::string> StateProtocol::put(Variable& one, std::string_view of, std::string_view key,
                                       std::string_view pickle) {
  WEIR_ASSIGN(const auto value, encoded(*one.value, pickle, one.what.value));
  return done(variables_.put(of, one.number, key, value));
}

Result<std::string> StateProtocol::entries(const Variable& one, std::string_view of,
                                           std::string_view iterator, bool keys, bool values) {
  const std::string id(iterator);
  if (!iterators_.contains(id)) {
    WEIR_ASSIGN(auto entries, variables_.entries(of, one.number));
    iterators_[id].entries = std::move(entries);
  }
  return values_of(one, iterators_[id], keys, values);
}

Result<std::string> StateProtocol::value_call(Variable& one, const ProtoField& call) {
  WEIR_ASSIGN(const auto of, group());
  switch (call.number) {
    case 2:
      return exists(one, of);
    case 3:
      return get(one, of, {});
    case 4: {
      WEIR_ASSIGN(const auto pickle, field_of(call.bytes, 1));
      return put(one, of, {}, pickle.bytes);
    }
    case 5:
      return done(variables_.clear(of, one.number));
    default:
      return nonsense("a call of a value of an unknown kind");
  }
}

Result<std::string> StateProtocol::list_call(Variable& one, const ProtoField& call) {
  WEIR_ASSIGN(const auto of, group());
  const auto given = [&](int field) -> Result<std::vector<std::string>> {
    WEIR_ASSIGN(const auto pickles, all_of(call.bytes, field));
    std::vector<std::string> values;
    if (pickles.empty())
      return users_error(
          "ILLEGAL_STATE_STORE_VALUE.EMPTY_LIST_VALUE", "42601",
          fmt::format("Illegal value provided to the State Store. Cannot write empty list values "
                      "to State Store for StateName {}.",
                      one.what.name));
    WEIR_ASSIGN(const auto columns, columns_of(pickles, one.what.value));
    state::EncodedRows rows;
    WEIR_TRY(one.value->encode(columns, rows));
    for (int64_t row = 0; row < rows.rows(); ++row)
      values.emplace_back(rows.at(row));
    return values;
  };
  WEIR_ASSIGN(const auto argument, field_of(call.bytes, 1));
  switch (call.number) {
    case 2:
      return exists(one, of);
    case 3:
      return entries(one, of, argument.bytes, false, true);
    case 4:
    case 5:
    case 6: {
      WEIR_ASSIGN(const auto arrow, field_of(call.bytes, 2));
      if (arrow.value != 0) return nonsense("a list's values in Arrow");
      WEIR_ASSIGN(const auto values, given(1));
      if (call.number == 4) WEIR_TRY(variables_.clear(of, one.number));
      WEIR_TRY(variables_.append(of, one.number, values));
      return status(kDone);
    }
    case 7:
      return done(variables_.clear(of, one.number));
    default:
      return nonsense("a call of a list of an unknown kind");
  }
}

Result<std::string> StateProtocol::map_call(Variable& one, const ProtoField& call) {
  WEIR_ASSIGN(const auto of, group());
  WEIR_ASSIGN(const auto argument, field_of(call.bytes, 1));
  std::string key;
  constexpr int kGet = 3, kContains = 4, kUpdate = 5, kRemove = 9;
  if (call.number == kGet || call.number == kContains || call.number == kUpdate ||
      call.number == kRemove) {
    WEIR_ASSIGN(key, encoded(*one.key, argument.bytes, one.what.key));
  }
  switch (call.number) {
    case 2:
      return exists(one, of);
    case kGet:
      return get(one, of, key);
    case kContains: {
      WEIR_ASSIGN(const auto found, variables_.get(of, one.number, key));
      return found ? status(kDone)
                   : status(kNone, fmt::format("Map state {} doesn't contain key", one.what.name));
    }
    case kUpdate: {
      WEIR_ASSIGN(const auto pickle, field_of(call.bytes, 2));
      return put(one, of, key, pickle.bytes);
    }
    case 6:
    case 7:
    case 8:
      return entries(one, of, argument.bytes, call.number != 8, call.number != 7);
    case kRemove:
      return done(variables_.remove(of, one.number, key));
    case 10:
      return done(variables_.clear(of, one.number));
    default:
      return nonsense("a call of a map of an unknown kind");
  }
}

Result<std::string> StateProtocol::values_of(const Variable& one, Iterator& from, bool keys,
                                             bool values) {
  const size_t end = std::min(from.entries.size(), from.at + facts_.rows_at_once);
  if (from.at == end)
    return status(kNone, fmt::format("{} state {} doesn't contain any value.",
                                     kWords[static_cast<size_t>(one.what.kind)], one.what.name));
  std::vector<std::string_view> key_rows, value_rows;
  for (size_t i = from.at; i < end; ++i) {
    if (keys) key_rows.push_back(from.entries[i].key);
    if (values) value_rows.push_back(from.entries[i].value);
  }
  WEIR_ASSIGN(const auto key_texts, key_pickles(key_rows, one.what.key));
  WEIR_ASSIGN(const auto value_texts, value_pickles(value_rows, one.what.value));
  ProtoWriter out;
  for (size_t i = 0; i < end - from.at; ++i) {
    if (!keys || !values) {
      out.bytes(3, keys ? key_texts[i] : value_texts[i]);
      continue;
    }
    ProtoWriter pair;
    pair.bytes(1, key_texts[i]);
    pair.bytes(2, value_texts[i]);
    out.bytes(3, pair.text());
  }
  from.at = end;
  out.number(4, end < from.entries.size());
  return out.take();
}

Result<std::string> StateProtocol::timers_of(Iterator& from, bool with_keys) {
  const size_t end = std::min(from.timers.size(), from.at + facts_.rows_at_once);
  if (from.at == end) return status(kNone, "there are no timers");
  std::vector<std::string_view> groups;
  for (size_t i = from.at; i < end && with_keys; ++i)
    groups.push_back(from.timers[i].group);
  WEIR_ASSIGN(const auto keys, key_pickles(groups, facts_.key));
  ProtoWriter out;
  for (size_t i = from.at; i < end; ++i) {
    ProtoWriter timer;
    if (with_keys) timer.bytes(1, keys[i - from.at]);
    timer.number(2, from.timers[i].at_ms);
    out.bytes(3, timer.text());
  }
  from.at = end;
  out.number(4, end < from.timers.size());
  return out.take();
}

}  // namespace weir::python
