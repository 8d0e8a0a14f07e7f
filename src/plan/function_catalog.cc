#include "plan/function_catalog.h"

#include <unordered_map>

#include <boost/algorithm/string/case_conv.hpp>

#include "plan/function_groups.h"
#include "plan/functions_sketches.h"
#include "plan/functions_xml.h"

namespace weir::plan {

namespace {

const std::vector<Function>& catalog() {
  static const std::vector<Function> functions = [] {
    std::vector<Function> list;
    add_operators(list);
    add_conditionals(list);
    add_strings(list);
    add_math(list);
    add_times(list);
    add_nested(list);
    add_arrays(list);
    add_misc(list);
    add_text_codes(list);
    add_json(list);
    add_formats(list);
    add_time_makers(list);
    add_aggregates(list);
    add_sketches(list);
    add_xml(list);
    add_windows(list);
    add_generators(list);
    add_lambdas(list);
    return list;
  }();
  return functions;
}

}  // namespace

std::span<const Function> all_functions() { return catalog(); }

const Function* find_function(std::string_view name) {
  static const auto by_name = [] {
    std::unordered_map<std::string_view, const Function*> map;
    for (const auto& function : catalog()) {
      WEIR_CHECK(map.emplace(function.name, &function).second, function.name);
      for (const auto alias : function.aliases)
        WEIR_CHECK(map.emplace(alias, &function).second, alias);
    }
    return map;
  }();
  const auto lower = boost::to_lower_copy(std::string(name));
  const auto found = by_name.find(lower);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace weir::plan
