// Requests of clients: bytes → message → plan. Whatever comes is read or refused.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <spark/connect/base.pb.h>

#include "connect/plan_decoder.h"
#include "connect/requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::connect;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  spark::connect::Plan plan;
  if (!parse_message(bytes, plan).ok()) return 0;
  const DecoderContext context;
  PlanDecoder decoder(context);
  if (plan.has_root()) (void)decoder.relation(plan.root());
  if (plan.command().has_sql_command())
    (void)decoder.relation(plan.command().sql_command().input());
  if (plan.command().has_write_operation())
    (void)decoder.relation(plan.command().write_operation().input());
  return 0;
}
