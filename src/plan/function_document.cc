#include "plan/function_document.h"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

std::string escaped(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '<' || c == '_') made += '\\';
    made += c;
  }
  return made;
}

bool is_word(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

// Arguments that rules are tried with, from what fits most to what fits least.
const std::vector<DataType>& samples() {
  static const std::vector<DataType> kSamples = {
      DataType::of(TypeKind::kNull),
      DataType::of(TypeKind::kInteger),
      DataType::of(TypeKind::kString),
      DataType::of(TypeKind::kDouble),
      DataType::of(TypeKind::kDate),
      DataType::of(TypeKind::kTimestamp),
      DataType::of(TypeKind::kBoolean),
      DataType::of(TypeKind::kBinary),
      DataType::array(DataType::of(TypeKind::kInteger)),
      DataType::array(DataType::array(DataType::of(TypeKind::kInteger))),
      DataType::map(DataType::of(TypeKind::kString), DataType::of(TypeKind::kInteger)),
      DataType::structure({columnar::make_field("a", DataType::of(TypeKind::kInteger)),
                           columnar::make_field("b", DataType::of(TypeKind::kString))})};
  return kSamples;
}

struct Tried {
  std::vector<DataType> arguments;
  DataType result = DataType::of(TypeKind::kNull);
};

std::optional<Tried> tried(const Function& function, const std::vector<DataType>& types) {
  static const AnalysisOptions kOptions;
  SignatureCall call{function.name, {}, &kOptions, {}};
  for (size_t i = 0; i < types.size(); ++i) {
    call.arguments.push_back(
        make_typed(types[i], true, TypedColumn{static_cast<int>(i), fmt::format("a{}", i)}));
  }
  auto signature = function.rule(function, call);
  if (!signature.ok() || signature->argument_types.size() != types.size()) return std::nullopt;
  return Tried{std::move(signature->argument_types), std::move(signature->result)};
}

bool says_nothing(const Tried& one) {
  const auto is_null = [](const DataType& type) { return type.is(TypeKind::kNull); };
  return is_null(one.result) || std::any_of(one.arguments.begin(), one.arguments.end(), is_null);
}

// The first combination of samples that the rule takes and that says what it makes of them.
std::optional<Tried> example(const Function& function) {
  const int most = function.arguments_max < 0
                       ? std::max(function.arguments_min, std::min(2, function.arguments_min + 1))
                       : function.arguments_max;
  for (const int count : {most, function.arguments_min}) {
    std::vector<DataType> types(static_cast<size_t>(count), DataType::of(TypeKind::kNull));
    if (count == 0) return tried(function, types);
    for (const auto& first : samples()) {
      for (const auto& rest : samples()) {
        std::fill(types.begin(), types.end(), rest);
        types[0] = first;
        if (auto found = tried(function, types); found && !says_nothing(*found)) return found;
        if (count == 1) break;
      }
    }
  }
  return std::nullopt;
}

std::string usage_of(const Function& function) {
  const auto found = example(function);
  const bool sign = !is_word(function.name);
  std::vector<std::string> names;
  const int shown =
      found ? static_cast<int>(found->arguments.size()) : std::max(function.arguments_min, 0);
  for (int i = 0; i < shown; ++i) {
    auto text = found ? found->arguments[static_cast<size_t>(i)].sql() : std::string("…");
    names.push_back(i >= function.arguments_min ? "[" + text + "]" : text);
  }
  if (function.arguments_max < 0) names.emplace_back("…");
  auto text = sign && names.size() == 2
                  ? fmt::format("{} {} {}", names[0], function.name, names[1])
                  : fmt::format("{}({})", function.name, fmt::join(names, ", "));
  if (found) text += " → " + found->result.sql();
  return "`" + text + "`";
}

std::string line_of(const Function& function) {
  std::string names = "`" + std::string(function.name) + "`";
  for (const auto& alias : function.aliases)
    names += ", `" + std::string(alias) + "`";
  auto pipes = [](std::string text) {
    for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
      text.insert(at, "\\");
    return text;
  };
  std::string doc = escaped(function.doc);
  if (!function.deterministic) doc += " *Not deterministic.*";
  return fmt::format("| {} | {} | {} |\n", pipes(names), pipes(usage_of(function)), doc);
}

}  // namespace

std::string function_document() {
  static const std::pair<FunctionKind, std::string_view> kKinds[] = {
      {FunctionKind::kScalar, "Scalar functions and operators"},
      {FunctionKind::kAggregate, "Aggregate functions"},
      {FunctionKind::kWindow, "Window functions"},
      {FunctionKind::kGenerator, "Generators"}};
  std::string text =
      "# Functions\n\n"
      "<!-- Written from the catalog of functions (src/plan/functions_*.cc) by\n"
      "     WEIR_RECORD=1 plan_test --gtest_filter='FunctionDocument.*'; a test checks that it is "
      "current. -->\n\n"
      "What SQL, `--select` and `--where` and Spark Connect clients may call. A usage shows "
      "argument types that a\n"
      "function takes and what it then gives; most take others too, by Spark's rules of "
      "coercion. `[…]` may be left out,\n"
      "`…` may go on. NULL for a NULL argument, unless the line says otherwise. Names are known in "
      "any case.\n";
  for (const auto& [kind, title] : kKinds) {
    std::map<std::string_view, const Function*> sorted;
    for (const auto& function : all_functions()) {
      if (function.kind == kind) sorted.emplace(function.name, &function);
    }
    text += fmt::format("\n## {} ({})\n\n| Names | Usage | What it does |\n|---|---|---|\n", title,
                        sorted.size());
    for (const auto& [name, function] : sorted)
      text += line_of(*function);
  }
  return text;
}

}  // namespace weir::plan
