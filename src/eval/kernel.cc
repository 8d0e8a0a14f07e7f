#include "eval/kernel.h"

#include <unordered_map>

#include "eval/sketch_functions.h"
#include "eval/xml_functions.h"
#include "eval/xml_values.h"

namespace weir::eval {

base::Error kernel_error(std::string error_class, std::string_view sql_state, std::string message,
                         const plan::Origin& origin) {
  return plan::analysis_error(std::move(error_class), sql_state, std::move(message), origin);
}

base::Error KernelCall::fail(std::string error_class, std::string_view sql_state,
                             std::string message) const {
  return kernel_error(std::move(error_class), sql_state, std::move(message), expression.origin);
}

const Vector& Operands::missing() const {
  static const Vector kNull{std::make_shared<arrow::NullArray>(1), true};
  *missed_ = true;
  return kNull;
}

Result<ArrayPtr> run_kernel(Kernel kernel, KernelCall& call, std::span<const Vector> arguments) {
  bool missed = false;
  WEIR_ASSIGN(auto array, kernel(call, Operands(arguments, missed)));
  if (missed) {
    return base::error(base::ErrorKind::kInternal,
                       "the kernel of {} read an argument that the call does not give ({} given)",
                       call.call.function->name, arguments.size());
  }
  if (array->length() != call.rows) {
    return base::error(base::ErrorKind::kInternal, "the kernel of {} gave {} rows instead of {}",
                       call.call.function->name, array->length(), call.rows);
  }
  return array;
}

namespace {

const std::unordered_map<std::string_view, Kernel>& registry() {
  static const auto kernels = [] {
    std::unordered_map<std::string_view, Kernel> map;
    for (const auto list :
         {arithmetic_kernels(), comparison_kernels(), string_kernels(),    pattern_kernels(),
          math_kernels(),       time_kernels(),       hash_kernels(),      nested_kernels(),
          array_kernels(),      map_kernels(),        number_kernels(),    volatile_kernels(),
          digest_kernels(),     misc_kernels(),       text_code_kernels(), json_kernels(),
          time_maker_kernels(), csv_kernels(),        format_kernels(),    number_text_kernels(),
          vector_kernels(),     sketch_kernels(),     xml_kernels(),       xml_value_kernels()}) {
      for (const auto& entry : list)
        WEIR_CHECK(map.emplace(entry.name, entry.kernel).second, entry.name);
    }
    return map;
  }();
  return kernels;
}

}  // namespace

Kernel find_kernel(std::string_view function) {
  const auto found = registry().find(function);
  return found == registry().end() ? nullptr : found->second;
}

std::vector<std::string_view> kernel_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, kernel] : registry())
    names.push_back(name);
  return names;
}

}  // namespace weir::eval
