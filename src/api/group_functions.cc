#include "api/group_functions.h"

#include <arrow/record_batch.h>

#include "api/errors.h"
#include "api/values.h"

namespace weir {

struct GroupState::Inner {
  operators::GroupState& state;
  const columnar::Schema& schema;
  Row value = {};  // what state has, where exists
  bool exists = false;
  std::optional<base::Error> failed = {};  // the first update that did not fit
};

GroupState::GroupState(std::unique_ptr<Inner> inner) : inner_(std::move(inner)) {}
GroupState::~GroupState() = default;

bool GroupState::exists() const { return inner_->exists; }
const Row& GroupState::get() const { return inner_->value; }

void GroupState::update(Row state) {
  auto made = api::to_batch({state}, inner_->schema);
  if (!made.ok()) {
    if (!inner_->failed)
      inner_->failed = std::move(made).error().with_context("the state of a group");
    return;
  }
  inner_->state.update(std::move(made).value());
  inner_->value = std::move(state);
  inner_->exists = true;
}

void GroupState::remove() {
  inner_->state.remove();
  inner_->value.clear();
  inner_->exists = false;
}

bool GroupState::timed_out() const { return inner_->state.timed_out(); }
int64_t GroupState::watermark_us() const { return inner_->state.watermark_us(); }
int64_t GroupState::batch_time_us() const { return inner_->state.batch_time_us(); }

Result<void> GroupState::set_timeout_duration(std::chrono::microseconds duration) {
  return api::to_public(inner_->state.set_timeout_duration(duration.count()));
}
Result<void> GroupState::set_timeout_timestamp(int64_t microseconds) {
  return api::to_public(inner_->state.set_timeout_timestamp(microseconds));
}

namespace api {
namespace {

using base::ErrorKind;

class NativeFunction final : public operators::GroupFunction {
 public:
  explicit NativeFunction(NativeGroupFunction function) : own_(std::move(function)) {}

  base::Result<void> call(operators::GroupCall& group, const operators::Output& output) override {
    WEIR_ASSIGN(const auto keys, to_rows(*group.key, own_.key));
    std::vector<Row> rows;
    if (group.rows != nullptr) {
      WEIR_ASSIGN(rows, to_rows(*group.rows, own_.input));
    }
    auto inner = std::make_unique<GroupState::Inner>(GroupState::Inner{group.state, own_.state});
    if (group.state.exists()) {
      WEIR_ASSIGN(auto kept, to_rows(*group.state.get(), own_.state));
      inner->value = std::move(kept.front());
      inner->exists = true;
    }
    GroupState state(std::move(inner));
    WEIR_ASSIGN(const auto given, guarded(keys.front(), rows, state));
    if (state.inner().failed) return *state.inner().failed;
    if (given.empty()) return {};
    auto batch = to_batch(given, own_.output);
    if (!batch.ok()) return std::move(batch).error().with_context("what a group's function gave");
    return output(*batch);
  }

 private:
  // What the user's code throws is an error of the query.
  base::Result<std::vector<Row>> guarded(const Row& key, const std::vector<Row>& rows,
                                         GroupState& state) {
    try {
      auto given = own_.function(key, rows, state);
      if (!given.ok()) return from_public(given.error());
      return std::move(given).value();
    } catch (const std::exception& exception) {
      return base::error(ErrorKind::kInvalidArgument, "a group's function threw: {}",
                         exception.what());
    } catch (...) {
      return base::error(ErrorKind::kInvalidArgument, "a group's function threw");
    }
  }

  NativeGroupFunction own_;
};

}  // namespace

std::unique_ptr<operators::GroupFunction> make_group_function(NativeGroupFunction function) {
  return std::make_unique<NativeFunction>(std::move(function));
}

}  // namespace api
}  // namespace weir
