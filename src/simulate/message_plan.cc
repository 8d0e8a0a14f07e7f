#include "simulate/message_plan.h"

namespace weir::simulate {

JournalReservation MessagePlan::plan(int64_t count, std::vector<PlannedMessage>& messages) {
  JournalReservation reservation{.first = next_, .end = next_, .copies = {}};
  for (int64_t i = 0; i < count; ++i) {
    if (!copies_.empty() && copies_.top().due < next_) {
      reservation.copies.push_back(copies_.top().index);
      messages.push_back(
          {.tag = {.index = copies_.top().index, .copy = true}, .copied_later = false});
      copies_.pop();
      continue;
    }
    const bool copied = generator_.is_duplicated(next_);
    if (copied) copies_.push({.due = next_ + generator_.copy_lag(next_), .index = next_});
    messages.push_back({.tag = {.index = next_, .copy = false}, .copied_later = copied});
    ++next_;
  }
  reservation.end = next_;
  return reservation;
}

}  // namespace weir::simulate
