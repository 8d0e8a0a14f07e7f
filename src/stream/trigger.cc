#include "stream/trigger.h"

#include "source/option_text.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

base::Result<Trigger> parse_trigger(std::string_view text) {
  if (text == "once") return Trigger::once();
  if (text == "availableNow" || text == "availablenow") return Trigger::available_now();
  if (text.starts_with("continuous"))
    return error(ErrorKind::kUnsupported,
                 "trigger continuous: records would be in the sink before their batch is logged, "
                 "so a restart repeats "
                 "them; use 0s, which starts a batch as soon as there are records");
  WEIR_ASSIGN(const int64_t interval_us, source::parse_duration_us(text, "trigger"));
  return Trigger::processing_time(interval_us);
}

std::string to_string(const Trigger& trigger) {
  switch (trigger.kind) {
    case Trigger::Kind::kOnce:
      return "once";
    case Trigger::Kind::kAvailableNow:
      return "availableNow";
    case Trigger::Kind::kProcessingTime:
      break;
  }
  if (trigger.interval_us % 1000 != 0) return fmt::format("{}us", trigger.interval_us);
  return fmt::format("{}ms", trigger.interval_us / 1000);
}

}  // namespace weir::stream
