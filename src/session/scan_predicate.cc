#include "session/scan_predicate.h"

#include "plan/function_catalog.h"

namespace weir::session {

namespace {

using columnar::TypeKind;

struct Collector {
  const columnar::Schema& schema;
  const std::vector<int>& columns;
  delta::Predicate predicate;

  static bool whole_number(const columnar::DataType& type) {
    return type.kind() >= TypeKind::kByte && type.kind() <= TypeKind::kLong;
  }

  // The path of a column or struct field, empty where the expression is neither. A cast that only
  // widens a whole number does not change how values compare.
  std::vector<std::string> path_of(const plan::Typed& expression) const {
    if (const auto* column = std::get_if<plan::TypedColumn>(&expression.node)) {
      const auto index = static_cast<size_t>(columns[static_cast<size_t>(column->index)]);
      return {schema.fields()[index].name};
    }
    if (const auto* field = std::get_if<plan::TypedField>(&expression.node)) {
      auto path = path_of(*field->child);
      if (!path.empty())
        path.push_back(field->child->type.fields()[static_cast<size_t>(field->index)].name);
      return path;
    }
    if (const auto* cast = std::get_if<plan::TypedCast>(&expression.node)) {
      const auto& from = cast->child->type;
      if (whole_number(from) && whole_number(expression.type) &&
          from.kind() <= expression.type.kind())
        return path_of(*cast->child);
    }
    return {};
  }

  static std::optional<delta::Literal> literal_of(const plan::Typed& expression) {
    const auto* literal = std::get_if<plan::TypedLiteral>(&expression.node);
    if (literal == nullptr) return std::nullopt;
    if (const auto* flag = std::get_if<bool>(&literal->value)) return delta::Literal(*flag);
    if (const auto* number = std::get_if<int64_t>(&literal->value)) return delta::Literal(*number);
    if (const auto* real = std::get_if<double>(&literal->value)) return delta::Literal(*real);
    if (const auto* text = std::get_if<std::string>(&literal->value)) return delta::Literal(*text);
    return std::nullopt;
  }

  void collect(const plan::Typed& condition) {
    const auto* call = std::get_if<plan::TypedCall>(&condition.node);
    if (call == nullptr) return;
    const auto name = call->function->name;
    if (name == "and") {
      for (const auto& side : call->arguments)
        collect(*side);
      return;
    }
    if (name == "isnull" || name == "isnotnull") {
      auto path = path_of(*call->arguments[0]);
      if (path.empty()) return;
      predicate.push_back(
          {std::move(path),
           name == "isnull" ? delta::ComparisonOp::kIsNull : delta::ComparisonOp::kIsNotNull,
           {}});
      return;
    }
    compare(name, *call);
  }

  void compare(std::string_view name, const plan::TypedCall& call) {
    using Op = delta::ComparisonOp;
    struct Operator {
      std::string_view name;
      Op as_written, turned;
    };
    static constexpr Operator kOperators[] = {
        {"=", Op::kEqual, Op::kEqual},  {"==", Op::kEqual, Op::kEqual},
        {"<", Op::kLess, Op::kGreater}, {"<=", Op::kLessOrEqual, Op::kGreaterOrEqual},
        {">", Op::kGreater, Op::kLess}, {">=", Op::kGreaterOrEqual, Op::kLessOrEqual}};
    for (const auto& op : kOperators) {
      if (op.name != name || call.arguments.size() != 2) continue;
      for (const bool turned : {false, true}) {
        auto path = path_of(*call.arguments[turned ? 1 : 0]);
        const auto literal = literal_of(*call.arguments[turned ? 0 : 1]);
        if (path.empty() || !literal) continue;
        predicate.push_back({std::move(path), turned ? op.turned : op.as_written, *literal});
        return;
      }
    }
  }
};

}  // namespace

delta::Predicate scan_predicate(const plan::TypedPtr& condition, const columnar::Schema& schema,
                                const std::vector<int>& columns) {
  Collector collector{schema, columns, {}};
  if (condition) collector.collect(*condition);
  return std::move(collector.predicate);
}

}  // namespace weir::session
