#include "operators/join_side.h"

#include <algorithm>

#include <arrow/api.h>
#include <fmt/format.h>

#include "eval/node.h"
#include "eval/vector.h"
#include "operators/event_time.h"

namespace weir::operators {

namespace {

using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using plan::JoinKind;

class SideCollector final : public Collector {
 public:
  SideCollector(const JoinSide& side, const BatchRun& run, std::atomic<int64_t>& dropped,
                SideRows& out)
      : side_(side), run_(run), dropped_(dropped), out_(out) {}

  Result<void> add(const BatchPtr& given) override {
    auto rows = given;
    if (side_.event >= 0 && run_.late_us != kNoWatermark) {
      std::vector<int64_t> times;
      WEIR_TRY(event_times(*rows->column(side_.event), times));
      WEIR_ASSIGN(const auto late, drop_late(times, run_.late_us, rows));
      dropped_ += late;
    }
    if (rows->num_rows() == 0) return {};
    // NULL equals nothing.
    std::vector<uint8_t> fits(static_cast<size_t>(rows->num_rows()), 1);
    for (size_t k = 0; k < side_.keys.size(); ++k) {
      if (side_.null_safe[k]) continue;
      WEIR_ASSIGN(const auto array, side_.keys[k].evaluate(*rows, run_.eval));
      const eval::Vector vector{array, false};
      const eval::Validity valid(vector);
      for (size_t i = 0; !valid.no_nulls() && i < fits.size(); ++i)
        fits[i] = fits[i] && valid[static_cast<int64_t>(i)];
    }
    if (side_.only) {
      WEIR_ASSIGN(const auto array, side_.only->evaluate(*rows, run_.eval));
      const eval::Vector vector{array, false};
      const eval::BoolReader flags(vector);
      for (size_t i = 0; i < fits.size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        fits[i] = fits[i] && flags.valid[row] && flags[row];
      }
    }
    if (std::find(fits.begin(), fits.end(), 0) == fits.end()) {
      out_.rows.push_back(std::move(rows));
      return {};
    }
    eval::BoolWriter yes(rows->num_rows()), no(rows->num_rows());
    for (size_t i = 0; i < fits.size(); ++i)
      (fits[i] ? yes : no).set(static_cast<int64_t>(i), true);
    WEIR_ASSIGN(auto kept, eval::filter_rows(rows, *yes.finish()));
    if (kept->num_rows() > 0) out_.rows.push_back(std::move(kept));
    if (!side_.outer) return {};
    WEIR_ASSIGN(auto alone, eval::filter_rows(rows, *no.finish()));
    out_.alone.push_back(std::move(alone));
    return {};
  }

 private:
  const JoinSide& side_;
  BatchRun run_;
  std::atomic<int64_t>& dropped_;
  SideRows& out_;
};

Result<JoinSide> make_side(const plan::OperatorPtr& input, std::string name,
                           const std::vector<plan::TypedPtr>& keys,
                           const std::vector<bool>& null_safe, const plan::TypedPtr& only,
                           const JoinSideTime& time, bool outer) {
  JoinSide side;
  side.null_safe = null_safe;
  side.name = std::move(name);
  side.columns = input->columns;
  side.time = time;
  side.outer = outer;
  std::vector<columnar::Field> key_fields, value_fields;
  for (const auto& key : keys) {
    WEIR_ASSIGN(auto program, eval::compile(key));
    key_fields.push_back(
        columnar::make_field(fmt::format("field{}", key_fields.size()), key->type));
    side.keys.push_back(std::move(program));
  }
  side.prefix_schema = Schema::structure(key_fields);
  key_fields.push_back(columnar::make_field("number", DataType::of(TypeKind::kLong)));
  if (only) {
    WEIR_ASSIGN(auto program, eval::compile(only));
    side.only.emplace(std::move(program));
  }
  for (const auto& column : input->columns)
    value_fields.push_back(columnar::make_field(column.name, column.type));
  value_fields.push_back(columnar::make_field("matched", DataType::of(TypeKind::kBoolean)));
  side.key_schema = Schema::structure(std::move(key_fields));
  side.value_schema = Schema::structure(std::move(value_fields));
  const auto events = event_time_columns(*input);
  for (size_t i = 0; i < events.size() && side.event < 0; ++i) {
    if (events[i]) side.event = static_cast<int>(i);
  }
  return side;
}

}  // namespace

Result<JoinSide> JoinSide::left(const plan::op::Join& join, const JoinCondition& condition) {
  return make_side(join.left, "left", condition.left_keys, condition.null_safe, condition.left_only,
                   condition.left_time,
                   join.kind == JoinKind::kLeft || join.kind == JoinKind::kFull);
}

Result<JoinSide> JoinSide::right(const plan::op::Join& join, const JoinCondition& condition) {
  return make_side(join.right, "right", condition.right_keys, condition.null_safe,
                   condition.right_only, condition.right_time,
                   join.kind == JoinKind::kRight || join.kind == JoinKind::kFull);
}

std::unique_ptr<Collector> make_side_collector(const JoinSide& side, const BatchRun& run,
                                               std::atomic<int64_t>& dropped, SideRows& out) {
  return std::make_unique<SideCollector>(side, run, dropped, out);
}

}  // namespace weir::operators
