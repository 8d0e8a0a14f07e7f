// Names in expressions: columns, struct fields, stars, lambda variables, functions without
// parentheses.
#include <algorithm>
#include <optional>
#include <regex>

#include <boost/algorithm/string/case_conv.hpp>
#include <fmt/format.h>

#include "plan/expression_analyzer.h"
#include "plan/metadata_column.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

const std::vector<Column> kNoColumns;

base::Error star_misused(const Origin& origin) {
  return analysis_error("INVALID_USAGE_OF_STAR_OR_REGEX", "42000",
                        "Invalid usage of '*' in an expression.", origin)
      .with_parameter("elem", "'*'")
      .with_parameter("prettyName", "expression");
}

}  // namespace

TypedPtr ExpressionAnalyzer::lambda_variable(std::string_view name) const {
  for (auto frame = lambdas_.rbegin(); frame != lambdas_.rend(); ++frame) {
    for (size_t i = 0; i < frame->names.size(); ++i) {
      if (names_equal(frame->names[i], name, options_.case_sensitive)) return frame->variables[i];
    }
  }
  return nullptr;
}

Result<TypedPtr> ExpressionAnalyzer::visit(const LambdaVariable& variable,
                                           const Expression& whole) {
  if (auto found = lambda_variable(variable.name)) return found;
  return unresolved_column(kNoColumns, {variable.name}, whole.origin);
}

Result<TypedPtr> ExpressionAnalyzer::scope_column(const std::vector<std::string>& parts,
                                                  size_t& used, const Origin& origin) {
  if (!scope_.columns) return TypedPtr();
  WEIR_ASSIGN(const auto found,
              find_column(*scope_.columns, parts, options_.case_sensitive, origin));
  if (!found) return TypedPtr();
  used = found->parts;
  return column_at(*scope_.columns, found->index, origin);
}

Result<TypedPtr> ExpressionAnalyzer::item_reference(const std::vector<std::string>& parts,
                                                    size_t& used, const Origin& origin) {
  if (!scope_.items) return TypedPtr();
  const auto& items = *scope_.items;
  if (scope_.clause == Clause::kGroupBy) {  // the first of that whole name
    const auto named = std::find_if(items.begin(), items.end(), [&](const auto& one) {
      return parts.size() == 1 && names_equal(one.name, parts[0], options_.case_sensitive);
    });
    used = 1;
    return named == items.end() ? TypedPtr() : named->expression;
  }
  int found = -1;
  // With qualifiers only where the item is a column with them.
  for (size_t qualifiers = parts.size() - 1;; --qualifiers) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (!scope_.items_first && !items[i].aliased) continue;
      if (!names_equal(items[i].name, parts[qualifiers], options_.case_sensitive)) continue;
      if (!has_qualifier(items[i].column, parts, qualifiers, options_.case_sensitive)) continue;
      if (found >= 0) {
        const auto& known = items[static_cast<size_t>(found)];
        if (same_expression(*known.expression, *items[i].expression)) continue;
        if (!scope_.items_first) {
          return analysis_error("AMBIGUOUS_LATERAL_COLUMN_ALIAS", "42702",
                                fmt::format("Lateral column alias {} is ambiguous.", quoted(parts)),
                                origin)
              .with_parameter("name", quoted(parts));
        }
        const auto list = fmt::format("[`{}`, `{}`]", known.name, items[i].name);
        return analysis_error(
                   "AMBIGUOUS_REFERENCE", "42704",
                   fmt::format("Reference {} is ambiguous, could be: {}.", quoted(parts), list),
                   origin)
            .with_parameter("name", quoted(parts))
            .with_parameter("referenceNames", list);
      }
      found = static_cast<int>(i);
    }
    if (found >= 0) {
      used = qualifiers + 1;
      const auto& item = items[static_cast<size_t>(found)];
      if (!scope_.items_as_columns) return item.expression;
      return make_typed(item.expression->type, item.expression->nullable,
                        TypedColumn{kItemColumns + found, item.name}, origin);
    }
    if (qualifiers == 0) return TypedPtr();
  }
}

Result<TypedPtr> ExpressionAnalyzer::visit(const ColumnReference& reference,
                                           const Expression& whole) {
  const auto& parts = reference.parts;
  const auto& origin = whole.origin;
  size_t used = 0;
  bool lateral = false;  // the name of an item to the left
  TypedPtr typed;
  if (reference.plan_id) {
    if (!query_)
      return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                            "A column of a DataFrame needs a whole query.", origin);
    WEIR_ASSIGN(typed, query_->plan_column(*reference.plan_id, parts, used,
                                           scope_.columns ? *scope_.columns : kNoColumns, origin));
    // A column of the plan that was just made of the select list.
    if (!typed && scope_.items) {
      WEIR_ASSIGN(typed, item_reference(parts, used, origin));
    }
  } else {
    if ((typed = lambda_variable(parts[0]))) used = 1;
    const bool items_first = scope_.items_first && !in_aggregate_;
    std::optional<base::Error> several;  // items of that name: then the columns may tell
    if (!typed && items_first) {
      auto item = item_reference(parts, used, origin);
      if (item.ok()) {
        typed = std::move(item).value();
      } else {
        several = std::move(item).error();
      }
    }
    if (!typed) {
      auto column = scope_column(parts, used, origin);
      if (!column.ok()) return several ? std::move(*several) : std::move(column).error();
      typed = std::move(column).value();
    }
    if (!typed && several) return std::move(*several);
    if (!typed && parts.size() == 1) {
      WEIR_ASSIGN(typed, bare_function(parts, whole));
      if (typed) return typed;
    }
    if (!typed && !items_first) {
      WEIR_ASSIGN(typed, item_reference(parts, used, origin));
      lateral = typed && scope_.clause != Clause::kGroupBy;
    }
    if (!typed && query_) {
      WEIR_ASSIGN(typed, query_->outer_column(parts, used, origin));
    }
  }
  if (!typed && reference.plan_id) {
    return analysis_error("CANNOT_RESOLVE_DATAFRAME_COLUMN", "42704",
                          fmt::format("Cannot resolve dataframe column {}. It's probably because "
                                      "of illegal references like `df1.select(df2.col(\"a\"))`.",
                                      quoted(parts)),
                          origin)
        .with_parameter("name", quoted(parts));
  }
  if (!typed) {
    return unresolved_column(scope_.columns ? *scope_.columns : kNoColumns, parts, origin);
  }
  std::string name;
  if (const auto* column = std::get_if<TypedColumn>(&typed->node)) name = column->name;
  const auto* outer = std::get_if<TypedOuterColumn>(&typed->node);
  if (outer) name = outer->name;
  if (std::holds_alternative<TypedLambdaVariable>(typed->node)) name = "namedlambdavariable()";
  if (name.empty()) name = parts[used - 1];
  for (size_t i = used; i < parts.size(); ++i) {
    const bool map = typed->type.is(TypeKind::kMap);
    auto field_of = take_field(typed, parts[i], origin);
    if (!field_of.ok() && scope_.items_first && !in_aggregate_) {
      // The item of that name has no such field; a column may.
      size_t again = 0;
      auto column = scope_column(parts, again, origin);
      if (column.ok() && *column && !same_expression(**column, *typed)) {
        typed = std::move(column).value();
        i = again;
        if (i >= parts.size()) break;
        field_of = take_field(typed, parts[i], origin);
      }
    }
    WEIR_ASSIGN(typed, std::move(field_of));
    if (const auto* field = std::get_if<TypedField>(&typed->node)) {
      const auto& field_name = field->child->type.fields()[static_cast<size_t>(field->index)].name;
      if (!std::holds_alternative<TypedLambdaVariable>(field->child->node))
        top_names_[&whole] = field_name;
      name += "." + field_name;
    } else {
      top_names_[&whole] = parts[i];
      name += (map ? "[" : ".") + parts[i] + (map ? "]" : "");
    }
  }
  if (lateral) {
    outer_names_.insert(&whole);
    name = fmt::format("lateralAliasReference({})", fmt::join(parts, "."));
  }
  if (outer && used == parts.size()) {
    // Inside of other expressions Spark shows where it is from.
    outer_names_.insert(&whole);
    auto path = query_->outer_qualifier(outer->level, outer->index);
    path.push_back(outer->name);
    name = fmt::format("outer({})", fmt::join(path, "."));
  }
  names_[&whole] = std::move(name);
  return typed;
}

Result<TypedPtr> ExpressionAnalyzer::bare_function(const std::vector<std::string>& parts,
                                                   const Expression& whole) {
  const auto name = boost::to_lower_copy(parts[0]);
  if (name == "grouping__id" && aggregates_) return visit(Call{"grouping_id", {}}, whole);
  static const char* const kBare[] = {
      "current_date", "current_timestamp", "localtimestamp",   "current_user",   "session_user",
      "user",         "current_catalog",   "current_database", "current_schema", "current_time"};
  if (std::none_of(std::begin(kBare), std::end(kBare),
                   [&](const char* one) { return name == one; }))
    return TypedPtr();
  if (!find_function(name) && !(query_ && query_->constant_function(name))) return TypedPtr();
  auto made = visit(Call{name, {}}, whole);
  names_[&whole] = name == "user" || name == "session_user" ? "current_user()"
                   : name == "current_database"             ? "current_schema()"
                                                            : name + "()";
  return made;
}

Result<TypedPtr> ExpressionAnalyzer::take_field(const TypedPtr& child, const std::string& name,
                                                const Origin& origin) {
  const auto& type = child->type;
  if (type.is(TypeKind::kMap)) {
    return call(
        "getitem",
        {child, make_typed(DataType::of(TypeKind::kString), false, TypedLiteral{name}, origin)},
        origin);
  }
  if (type.is(TypeKind::kArray) && type.element().is(TypeKind::kStruct)) {
    // The field of every element.
    const int id = query_ ? query_->next_lambda_variable() : lambda_ids_++;
    const auto element =
        make_typed(type.element(), type.contains_null(), TypedLambdaVariable{id, "x"}, origin);
    WEIR_ASSIGN(auto field, take_field(element, name, origin));
    const auto body_type = field->type;
    const bool nullable = field->nullable;
    auto lambda = make_typed(body_type, nullable,
                             TypedLambda{{id}, {type.element()}, std::move(field)}, origin);
    return call("transform", {child, std::move(lambda)}, origin);
  }
  if (!type.is(TypeKind::kStruct)) {
    return analysis_error("INVALID_EXTRACT_BASE_FIELD_TYPE", "42000",
                          fmt::format("Can't extract a value from \"{}\". Need a complex type "
                                      "[STRUCT, ARRAY, MAP] but got \"{}\".",
                                      name, type.sql()),
                          origin)
        .with_parameter("base", "\"" + name + "\"")
        .with_parameter("other", "\"" + type.sql() + "\"");
  }
  const auto& fields = type.fields();
  int index = -1;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!names_equal(fields[i].name, name, options_.case_sensitive)) continue;
    if (index >= 0) {
      return analysis_error("AMBIGUOUS_REFERENCE_TO_FIELDS", "42000",
                            fmt::format("Ambiguous reference to the field `{}`. It appears more "
                                        "than once in the schema.",
                                        name),
                            origin)
          .with_parameter("field", "`" + name + "`")
          .with_parameter("count", "2");
    }
    index = static_cast<int>(i);
  }
  if (index < 0) {
    std::vector<std::string> names;
    for (const auto& field : fields)
      names.push_back("`" + field.name + "`");
    return analysis_error(
               "FIELD_NOT_FOUND", "42704",
               fmt::format("No such struct field `{}` in {}.", name, fmt::join(names, ", ")),
               origin)
        .with_parameter("fieldName", "`" + name + "`")
        .with_parameter("fields", fmt::format("{}", fmt::join(names, ", ")));
  }
  const auto& field = fields[static_cast<size_t>(index)];
  return make_typed(field.type(), child->nullable || field.nullable, TypedField{child, index},
                    origin);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Extract& extract, const Expression& whole) {
  WEIR_ASSIGN(auto child, analyze(*extract.child));
  WEIR_ASSIGN(auto key, analyze(*extract.key));
  if (const auto* reference = std::get_if<ColumnReference>(&extract.child->node);
      reference && scope_.items_first && !in_aggregate_ && !child->type.is_nested()) {
    size_t used = 0;  // the item of that name has no parts; a column may
    auto column = scope_column(reference->parts, used, whole.origin);
    if (column.ok() && *column && used == reference->parts.size() && (*column)->type.is_nested())
      child = std::move(column).value();
  }
  const auto* literal = std::get_if<TypedLiteral>(&key->node);
  const auto* name = literal ? std::get_if<std::string>(&literal->value) : nullptr;
  const auto& type = child->type;
  const bool fields_of_elements =
      type.is(TypeKind::kArray) && type.element().is(TypeKind::kStruct) && name;
  if (type.is(TypeKind::kMap))
    names_[&whole] = fmt::format("{}[{}]", inner_name(*extract.child), inner_name(*extract.key));
  if (type.is(TypeKind::kMap) || (type.is(TypeKind::kArray) && !fields_of_elements))
    return call("getitem", {child, key}, whole.origin);
  if (!name) {
    if (type.is(TypeKind::kStruct) || fields_of_elements) {
      return analysis_error("INVALID_EXTRACT_FIELD_TYPE", "42000",
                            fmt::format("Field name should be a non-null string literal, but it's "
                                        "\"{}\".",
                                        expression_sql(*extract.key)),
                            whole.origin)
          .with_parameter("extraction", "\"" + expression_sql(*extract.key) + "\"");
    }
    return take_field(child, expression_sql(*extract.key), whole.origin);
  }
  return take_field(child, *name, whole.origin);
}

Result<TypedPtr> ExpressionAnalyzer::visit(const Star&, const Expression& whole) {
  return star_misused(whole.origin);
}
Result<TypedPtr> ExpressionAnalyzer::visit(const ColumnRegex& regex, const Expression& whole) {
  WEIR_ASSIGN(auto items, expand_regex(regex, whole.origin));
  if (items.size() != 1) return star_misused(whole.origin);
  names_[&whole] = items[0].name;
  return items[0].expression;
}

SelectItem ExpressionAnalyzer::item_of_column(size_t index, const Origin& origin) const {
  const auto& column = (*scope_.columns)[index];
  SelectItem item{column.name, column_at(*scope_.columns, index, origin), false, {}};
  item.column.id = column.id;
  item.column.qualifier = column.qualifier;
  item.column.metadata = column.metadata;
  return item;
}

// A quoted name that is none, where such are patterns.
bool ExpressionAnalyzer::is_quoted_regex(const Expression& expression) const {
  if (!options_.quoted_regex) return false;
  const auto* reference = std::get_if<ColumnReference>(&expression.node);
  return reference && reference->parts.back().find_first_of("()|?+*.[]^$") != std::string::npos;
}

namespace {

// "(a)?+b" takes the group and does not give it back; std::regex says that by looking ahead.
std::string without_possessive(const std::string& pattern) {
  const auto at = pattern.find(")?+");
  if (at == std::string::npos || pattern[0] != '(' || pattern.find('(', 1) < at) return pattern;
  return "(?=(" + pattern.substr(0, at + 2) + "))\\1" + pattern.substr(at + 3);
}

}  // namespace

Result<std::vector<SelectItem>> ExpressionAnalyzer::expand_regex(
    const ColumnRegex& regex, const Origin& origin, const std::vector<std::string>& qualifier) {
  std::vector<SelectItem> items;
  try {
    auto flags = std::regex::ECMAScript;
    if (!options_.case_sensitive) flags |= std::regex::icase;
    const std::regex pattern(without_possessive(regex.pattern), flags);
    for (size_t i = 0; scope_.columns && i < scope_.columns->size(); ++i) {
      const auto& column = (*scope_.columns)[i];
      if (!has_qualifier(column, qualifier, qualifier.size(), options_.case_sensitive)) continue;
      if (!column.hidden && std::regex_match(column.name, pattern))
        items.push_back(item_of_column(i, origin));
    }
  } catch (const std::regex_error&) {
    return analysis_error(
        "INVALID_REGEXP_REPLACE", "22023",
        fmt::format("The pattern of columns '{}' is no regular expression.", regex.pattern),
        origin);
  }
  return items;
}

Result<std::vector<SelectItem>> ExpressionAnalyzer::expand_star(const Star& star,
                                                                const Origin& origin) {
  std::vector<SelectItem> items;
  const auto& columns = scope_.columns ? *scope_.columns : kNoColumns;
  const auto& qualifier = star.qualifier;
  bool known = false;
  std::vector<size_t> order;  // t.*: the keys of a USING join that are hidden come first
  for (const bool hidden : {true, false}) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].hidden == hidden) order.push_back(i);
    }
  }
  for (const size_t i : order) {
    if (!has_qualifier(columns[i], qualifier, qualifier.size(), options_.case_sensitive)) continue;
    if (columns[i].hidden && (qualifier.empty() || columns[i].name == kMetadataColumn)) continue;
    if (star.plan_id && query_) {
      size_t used = 0;
      auto found = query_->plan_column(*star.plan_id, {columns[i].name}, used, columns, origin);
      const auto* column =
          found.ok() && *found ? std::get_if<TypedColumn>(&(*found)->node) : nullptr;
      if (!column || column->index != static_cast<int>(i)) continue;
    }
    known = true;
    items.push_back(item_of_column(i, origin));
  }
  if (known) return without_excepted(std::move(items), star, origin);
  if (qualifier.empty()) {
    const bool lateral = query_ && query_->outer_columns(1);
    if (scope_.columns && (!columns.empty() || lateral)) return items;
    return star_misused(origin);
  }
  if (const auto* outer = query_ ? query_->outer_columns(1) : nullptr) {  // LATERAL (SELECT t.*)
    for (size_t i = 0; i < outer->size(); ++i) {
      const auto& column = (*outer)[i];
      if (column.hidden ||
          !has_qualifier(column, qualifier, qualifier.size(), options_.case_sensitive))
        continue;
      auto one = make_typed(column.type, column.nullable,
                            TypedOuterColumn{1, static_cast<int>(i), column.name}, origin);
      items.push_back({column.name, std::move(one), false, {}});
    }
    if (!items.empty()) return without_excepted(std::move(items), star, origin);
  }
  size_t used = 0;
  WEIR_ASSIGN(auto parent, scope_column(qualifier, used, origin));
  if (parent) {
    for (size_t i = used; i < qualifier.size(); ++i) {
      WEIR_ASSIGN(parent, take_field(parent, qualifier[i], origin));
    }
  }
  if (!parent || !parent->type.is(TypeKind::kStruct)) {
    std::vector<std::string> names;
    for (const auto& column : columns) {
      if (!column.hidden) names.push_back("`" + column.name + "`");
    }
    const auto list = fmt::format("{}", fmt::join(names, ", "));
    return analysis_error("CANNOT_RESOLVE_STAR_EXPAND", "42704",
                          fmt::format("Cannot resolve {}.* given input columns {}. Please check "
                                      "that the specified table or struct exists and is "
                                      "accessible in the input columns.",
                                      quoted(qualifier), list),
                          origin)
        .with_parameter("targetString", quoted(qualifier))
        .with_parameter("columns", list);
  }
  const auto& fields = parent->type.fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    SelectItem item;
    item.name = fields[i].name;
    item.expression = make_typed(fields[i].type(), parent->nullable || fields[i].nullable,
                                 TypedField{parent, static_cast<int>(i)}, origin);
    items.push_back(std::move(item));
  }
  return without_excepted(std::move(items), star, origin);
}

Result<std::vector<SelectItem>> ExpressionAnalyzer::without_excepted(std::vector<SelectItem> items,
                                                                     const Star& star,
                                                                     const Origin& origin) {
  for (const auto& path : star.except) {
    // The item that the longest beginning of the path names; what is left are fields to drop.
    size_t found = items.size(), used = 0;
    for (size_t last = std::min<size_t>(path.size(), 4); last > 0 && found == items.size();
         --last) {
      for (size_t i = 0; i < items.size(); ++i) {
        if (names_equal(items[i].name, path[last - 1], options_.case_sensitive) &&
            has_qualifier(items[i].column, path, last - 1, options_.case_sensitive)) {
          found = i;
          used = last;
          break;
        }
      }
    }
    if (found == items.size()) {
      return unresolved_column(scope_.columns ? *scope_.columns : kNoColumns, path, origin);
    }
    if (used == path.size()) {
      items.erase(items.begin() + static_cast<long>(found));
      continue;
    }
    // Rebuild the struct without the field.
    const auto drop = [&](const auto& self, const TypedPtr& whole,
                          size_t level) -> Result<TypedPtr> {
      WEIR_ASSIGN(auto dropped, take_field(whole, path[level], origin));
      const auto& gone = std::get<TypedField>(dropped->node);
      std::vector<TypedPtr> arguments;
      const auto& fields = whole->type.fields();
      for (size_t i = 0; i < fields.size(); ++i) {
        TypedPtr field = make_typed(fields[i].type(), whole->nullable || fields[i].nullable,
                                    TypedField{whole, static_cast<int>(i)}, origin);
        if (static_cast<int>(i) == gone.index) {
          if (level + 1 == path.size()) continue;
          WEIR_ASSIGN(field, self(self, field, level + 1));
        }
        arguments.push_back(make_typed(DataType::of(TypeKind::kString), false,
                                       TypedLiteral{fields[i].name}, origin));
        arguments.push_back(std::move(field));
      }
      WEIR_ASSIGN(auto made, this->call("named_struct", std::move(arguments), origin));
      if (!whole->nullable) return made;
      WEIR_ASSIGN(auto there, this->call("isnotnull", {whole}, origin));
      return this->call("when", {there, made}, origin);
    };
    WEIR_ASSIGN(items[found].expression, drop(drop, items[found].expression, used));
    items[found].column.id = 0;
    items[found].column.qualifier.clear();
  }
  return items;
}

}  // namespace weir::plan
