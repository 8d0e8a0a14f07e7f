#include "streaming/json_fields.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "plan/function_catalog.h"
#include "plan/operator_rewrites.h"

namespace weir::streaming {

namespace op = plan::op;
using columnar::DataType;
using columnar::TypeKind;
using plan::OperatorPtr;
using plan::TypedPtr;

namespace {

// What is read of a column: only these fields, or (nullopt) all of it.
using Use = std::optional<std::set<int>>;
using Uses = std::vector<Use>;

// Where a column's fields are now; empty: it is as it was.
struct Change {
  DataType type = DataType::structure({});
  std::map<int, int> fields;
};
using Changes = std::map<int, Change>;

struct Narrowed {
  OperatorPtr node;
  Changes changes;
};

bool narrowable(const plan::Typed& expression) {
  const auto* call = std::get_if<plan::TypedCall>(&expression.node);
  if (call == nullptr || call->function->name != "from_json" || call->arguments.size() != 2 ||
      !expression.type.is(TypeKind::kStruct))
    return false;
  const auto& fields = expression.type.fields();
  return std::none_of(fields.begin(), fields.end(),
                      [](const auto& field) { return field.name == "_corrupt_record"; });
}

void add(Use& use, int field) {
  if (use) use->insert(field);
}
void add(Use& use, const Use& more) {
  if (!more)
    use.reset();
  else if (use)
    use->insert(more->begin(), more->end());
}

// Adds what the expression reads.
void note(const plan::Typed& expression, Uses& uses) {
  if (const auto* column = std::get_if<plan::TypedColumn>(&expression.node)) {
    uses[static_cast<size_t>(column->index)].reset();
    return;
  }
  if (const auto* field = std::get_if<plan::TypedField>(&expression.node)) {
    if (const auto* column = std::get_if<plan::TypedColumn>(&field->child->node)) {
      add(uses[static_cast<size_t>(column->index)], field->index);
      return;
    }
  }
  if (std::holds_alternative<plan::TypedSubquery>(expression.node)) {
    for (Use& use : uses)
      use.reset();
    return;
  }
  for (const auto& child : plan::typed_children(expression))
    note(*child, uses);
}

// The expression over columns that have changed.
TypedPtr moved(const TypedPtr& expression, const Changes& changes) {
  if (changes.empty()) return expression;
  if (const auto* field = std::get_if<plan::TypedField>(&expression->node)) {
    if (const auto* column = std::get_if<plan::TypedColumn>(&field->child->node)) {
      const auto change = changes.find(column->index);
      if (change == changes.end()) return expression;
      auto child = plan::make_typed(change->second.type, field->child->nullable, *column,
                                    field->child->origin);
      return plan::make_typed(expression->type, expression->nullable,
                              plan::TypedField{child, change->second.fields.at(field->index)},
                              expression->origin);
    }
  }
  if (const auto* column = std::get_if<plan::TypedColumn>(&expression->node)) {
    const auto change = changes.find(column->index);
    if (change == changes.end()) return expression;
    return plan::make_typed(change->second.type, expression->nullable, *column, expression->origin);
  }
  return plan::map_typed_children(expression,
                                  [&](const TypedPtr& child) { return moved(child, changes); });
}

// The call with the fields of `wanted` only, which change tells.
TypedPtr narrowed(const TypedPtr& expression, const std::set<int>& wanted, Change& change) {
  std::vector<columnar::Field> fields;
  for (const int index : wanted) {
    change.fields[index] = static_cast<int>(fields.size());
    fields.push_back(expression->type.fields()[static_cast<size_t>(index)]);
  }
  change.type = DataType::structure(std::move(fields));
  plan::Typed copy = *expression;
  copy.type = change.type;
  auto& schema = std::get<plan::TypedCall>(copy.node).arguments[1];
  schema =
      plan::make_typed(schema->type, schema->nullable,
                       plan::TypedLiteral{base::json_text(change.type.to_json())}, schema->origin);
  return std::make_shared<const plan::Typed>(std::move(copy));
}

class Narrower {
 public:
  OperatorPtr run(const OperatorPtr& root) {
    count(root);
    return visit(root, whole(*root)).node;
  }

 private:
  static Uses whole(const plan::Operator& node) { return Uses(node.columns.size()); }
  static Uses nothing(const plan::Operator& node) {
    return Uses(node.columns.size(), Use(std::set<int>()));
  }

  void count(const OperatorPtr& node) {
    if (parents_[node.get()]++ > 0) return;
    for (const auto& child : plan::children_of(*node))
      count(child);
  }

  Narrowed visit(const OperatorPtr& node, Uses uses) {
    if (parents_[node.get()] > 1) {  // read from several places: it stays as it is above
      if (const auto known = done_.find(node.get()); known != done_.end())
        return {known->second, {}};
      uses = whole(*node);
    }
    Narrowed made = rebuild(node, uses);
    if (parents_[node.get()] > 1) done_[node.get()] = made.node;
    return made;
  }

  Narrowed rebuild(const OperatorPtr& node, const Uses& uses) {
    if (const auto* project = std::get_if<op::Project>(&node->node))
      return over_project(*node, *project, uses);
    if (const auto* filter = std::get_if<op::Filter>(&node->node)) {
      Uses below = uses;
      note(*filter->condition, below);
      auto child = visit(filter->child, below);
      return passing(*node, op::Filter{child.node, moved(filter->condition, child.changes)},
                     std::move(child.changes));
    }
    if (const auto* watermark = std::get_if<op::Watermark>(&node->node)) {
      Uses below = uses;
      below[static_cast<size_t>(watermark->column)].reset();
      auto child = visit(watermark->child, below);
      op::Watermark made = *watermark;
      made.child = child.node;
      return passing(*node, std::move(made), std::move(child.changes));
    }
    if (const auto* aggregate = std::get_if<op::Aggregate>(&node->node)) {
      Uses below = nothing(*aggregate->child);
      for (const auto& one : plan::operator_expressions(*node))
        note(*one, below);
      const auto child = visit(aggregate->child, below);
      const auto over =
          plan::map_operator_children(node, [&](const OperatorPtr&) { return child.node; });
      return {plan::map_operator_expressions(
                  over, [&](const TypedPtr& one) { return moved(one, child.changes); }),
              {}};
    }
    return {plan::map_operator_children(
                node, [&](const OperatorPtr& child) { return visit(child, whole(*child)).node; }),
            {}};
  }

  // An operator that gives its child's columns.
  static Narrowed passing(const plan::Operator& node, plan::OperatorKind kind, Changes changes) {
    auto columns = node.columns;
    for (const auto& [index, change] : changes)
      columns[static_cast<size_t>(index)].type = change.type;
    return {plan::make_operator(std::move(kind), std::move(columns), node.streaming),
            std::move(changes)};
  }

  Narrowed over_project(const plan::Operator& node, const op::Project& project, const Uses& uses) {
    Uses below = nothing(*project.child);
    for (size_t i = 0; i < project.list.size(); ++i) {
      const auto* column = std::get_if<plan::TypedColumn>(&project.list[i]->node);
      if (column != nullptr)
        add(below[static_cast<size_t>(column->index)], uses[i]);
      else
        note(*project.list[i], below);
    }
    auto child = visit(project.child, below);
    Narrowed made;
    std::vector<TypedPtr> list;
    auto columns = node.columns;
    for (size_t i = 0; i < project.list.size(); ++i) {
      auto one = moved(project.list[i], child.changes);
      if (const auto* column = std::get_if<plan::TypedColumn>(&one->node)) {
        if (const auto change = child.changes.find(column->index); change != child.changes.end())
          made.changes.insert_or_assign(static_cast<int>(i), change->second);
      } else if (uses[i] && !uses[i]->empty() && narrowable(*one) &&
                 uses[i]->size() < one->type.fields().size()) {
        Change change;
        one = narrowed(one, *uses[i], change);
        made.changes.insert_or_assign(static_cast<int>(i), std::move(change));
      }
      if (const auto change = made.changes.find(static_cast<int>(i)); change != made.changes.end())
        columns[i].type = change->second.type;
      list.push_back(std::move(one));
    }
    made.node = plan::make_operator(op::Project{child.node, std::move(list)}, std::move(columns),
                                    node.streaming);
    return made;
  }

  std::unordered_map<const plan::Operator*, int> parents_;
  std::unordered_map<const plan::Operator*, OperatorPtr> done_;
};

}  // namespace

OperatorPtr with_narrow_json(const OperatorPtr& root) { return Narrower().run(root); }

}  // namespace weir::streaming
