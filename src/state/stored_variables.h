// Variables and timers of groups in versioned stores of one operator, each entry of a list or map a
// row of its own: a batch costs by what it touches.
//
// Three stores:
//   values    group's columns, variable (number), entry → value         variables without time to
//   live expiring  the same, with the row's time: when it is over            variables with one
//   timers    group's columns, at_ms → set, with at_ms as the key's time
// Entries: empty for a value; the user's key, encoded, of a map; of a list the element's number
// (from 1; a byte that counts bytes, then those, big-endian) and an empty entry whose value is the
// next number. What the numbers of variables mean, describe() gives for the commit's manifest.
//
// Owner: the operator, which opens, prepares and commits the stores. One thread at a time.
#pragma once

#include "base/json.h"
#include "state/group_variables.h"
#include "state/state_store.h"

namespace weir::state {

struct VariableStores {
  StateStore* values = nullptr;
  StateStore* expiring = nullptr;
  StateStore* timers = nullptr;
};

// In the order of VariableStores; the identity is the operator's.
std::vector<StoreSpec> variable_stores(const columnar::Schema& group, const std::string& identity);

class StoredVariables final : public GroupVariables {
 public:
  explicit StoredVariables(columnar::Schema group) : group_(std::move(group)) {}

  // What describe() gave at the version that the stores are opened with; null: none.
  Result<void> restore(VariableStores stores, const base::JsonArray* described);
  base::JsonArray describe() const;
  void begin(int64_t now_ms);
  Result<void> remove_expired();
  void committed() { committed_ = variables_; }
  void roll_back() { variables_ = committed_; }
  // The first time at which a timer runs, or a value is over; nullopt: never. Between batches.
  Result<std::optional<int64_t>> next_timer_ms() const;
  std::optional<int64_t> next_expiry_ms() const;

  Result<int> declare(const StateVariable& variable) override;
  Result<void> purge(const std::string& name) override;
  Result<std::optional<std::string>> get(std::string_view group, int variable,
                                         std::string_view key) override;
  Result<void> put(std::string_view group, int variable, std::string_view key,
                   std::string_view value) override;
  Result<void> remove(std::string_view group, int variable, std::string_view key) override;
  Result<void> append(std::string_view group, int variable,
                      std::span<const std::string> values) override;
  Result<std::vector<Entry>> entries(std::string_view group, int variable) override;
  Result<bool> any(std::string_view group, int variable) override;
  Result<void> clear(std::string_view group, int variable) override;
  Result<void> add_timer(std::string_view group, int64_t at_ms) override;
  Result<void> remove_timer(std::string_view group, int64_t at_ms) override;
  Result<std::vector<int64_t>> timers(std::string_view group) override;
  Result<std::vector<Timer>> expired_timers(
      int64_t until_ms, const std::function<bool(std::string_view group)>& wanted) override;

 private:
  struct Row {
    std::string key;
    size_t prefix = 0;
    std::string value;
    int64_t time = 0;
  };
  const StateVariable& variable(int number) const;
  StateStore& store_of(const StateVariable& one) const {
    return one.ttl_ms ? *stores_.expiring : *stores_.values;
  }
  Result<std::vector<Row>> rows_of(std::string_view group, int variable);
  Result<void> put_row(StateStore& store, std::string_view key, size_t prefix,
                       std::string_view value, int64_t time);
  Result<void> remove_row(StateStore& store, std::string_view key, size_t prefix, int64_t time);

  columnar::Schema group_;
  VariableStores stores_;
  std::vector<std::optional<StateVariable>> variables_, committed_;  // by number
  int64_t now_ms_ = 0;
};

}  // namespace weir::state
