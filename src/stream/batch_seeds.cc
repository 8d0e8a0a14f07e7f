#include "stream/batch_seeds.h"

#include <algorithm>

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::stream {

namespace {

uint64_t mixed(uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// Functions whose last argument is a seed that may be left out.
bool takes_seed(const plan::Typed& expression) {
  const auto* call = std::get_if<plan::TypedCall>(&expression.node);
  if (call == nullptr) return false;
  static constexpr std::string_view kNames[] = {"rand",    "randn", "uniform",
                                                "randstr", "uuid",  "shuffle"};
  return std::find(std::begin(kNames), std::end(kNames), call->function->name) != std::end(kNames);
}

size_t seed_position(const plan::TypedCall& call) {
  const std::string_view name = call.function->name;
  return name == "uniform" ? 2 : name == "randstr" || name == "shuffle" ? 1 : 0;
}

plan::TypedPtr seeded(const plan::TypedPtr& expression, uint64_t& seed) {
  auto made = plan::map_typed_children(
      expression, [&](const plan::TypedPtr& child) { return seeded(child, seed); });
  if (!takes_seed(*made)) return made;
  plan::Typed copy = *made;
  auto& call = std::get<plan::TypedCall>(copy.node);
  const size_t at = seed_position(call);
  seed = mixed(seed);
  call.arguments.resize(at);
  call.arguments.push_back(plan::make_typed(columnar::DataType::of(columnar::TypeKind::kLong),
                                            false, plan::TypedLiteral{static_cast<int64_t>(seed)},
                                            made->origin));
  return std::make_shared<const plan::Typed>(std::move(copy));
}

}  // namespace

uint64_t seed_of_batch(std::string_view query_id, base::BatchId batch) {
  uint64_t seed = 0;
  for (const char c : query_id)
    seed = mixed(seed ^ static_cast<unsigned char>(c));
  return mixed(seed ^ static_cast<uint64_t>(batch.value()));
}

bool draws_at_random(const plan::Operator& node) {
  for (const auto& expression : plan::operator_expressions(node))
    if (plan::any_typed(*expression, takes_seed)) return true;
  return false;
}

plan::OperatorPtr with_seeds(const plan::OperatorPtr& node, uint64_t batch_seed, uint64_t place) {
  uint64_t seed = batch_seed ^ mixed(place);
  return plan::map_operator_expressions(
      node, [&](const plan::TypedPtr& one) { return seeded(one, seed); });
}

}  // namespace weir::stream
