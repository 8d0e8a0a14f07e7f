// DataFrame.transpose: a Pivot that aggregates nothing. Its rows become columns, which are known by
// looking at the rows.
#include <algorithm>

#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "plan/integer_setting.h"
#include "plan/name_scope.h"
#include "plan/operator_rewrites.h"
#include "plan/relation_analyzer.h"

namespace weir::plan {

using columnar::TypeKind;

namespace {

constexpr const char* kLimit = "spark.sql.transposeMaxValues";

bool is_datetime(const DataType& type) {
  return type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
         type.is(TypeKind::kTimestampNtz);
}

// As Spark's findTightestCommonType: nothing is lost, and no text is made of what is none.
std::optional<DataType> tightest_type(const DataType& a, const DataType& b) {
  if (a.is_numeric() && b.is_numeric() && !a.same_type(b)) {
    const bool first = a.is(TypeKind::kDecimal), second = b.is(TypeKind::kDecimal);
    if (!first && !second) return common_type(a, b, false);
    const auto& decimal = first ? a : b;
    const auto& other = first ? b : a;
    if (!is_integral(other)) return std::nullopt;
    const bool holds = decimal.precision() - decimal.scale() >= decimal_for(other).precision();
    return holds ? std::optional(decimal) : std::nullopt;
  }
  const bool related = a.same_type(b) || a.is(TypeKind::kNull) || b.is(TypeKind::kNull) ||
                       (is_text(a) && is_text(b)) || (is_datetime(a) && is_datetime(b)) ||
                       (a.is_interval() && b.is_interval()) || a.is_nested();
  return related ? common_type(a, b, true) : std::nullopt;
}

// As Spark's classes of types write themselves.
std::string class_text(const DataType& type) {
  switch (type.kind()) {
    case TypeKind::kArray:
      return fmt::format("ArrayType({},{})", class_text(type.element()), type.contains_null());
    case TypeKind::kMap:
      return fmt::format("MapType({},{},{})", class_text(type.key()), class_text(type.value()),
                         type.contains_null());
    case TypeKind::kStruct: {
      std::string fields;
      for (const auto& field : type.fields())
        fields += fmt::format("{}StructField({},{},{})", fields.empty() ? "" : ",", field.name,
                              class_text(field.type()), field.nullable);
      return "StructType(" + fields + ")";
    }
    case TypeKind::kDecimal:
      return fmt::format("DecimalType({},{})", type.precision(), type.scale());
    case TypeKind::kNull:
      return "NullType";
    case TypeKind::kBoolean:
      return "BooleanType";
    case TypeKind::kByte:
      return "ByteType";
    case TypeKind::kShort:
      return "ShortType";
    case TypeKind::kInteger:
      return "IntegerType";
    case TypeKind::kLong:
      return "LongType";
    case TypeKind::kFloat:
      return "FloatType";
    case TypeKind::kDouble:
      return "DoubleType";
    case TypeKind::kString:
      return "StringType";
    case TypeKind::kBinary:
      return "BinaryType";
    case TypeKind::kDate:
      return "DateType";
    case TypeKind::kTimestamp:
      return "TimestampType";
    case TypeKind::kTimestampNtz:
      return "TimestampNTZType";
    default:
      return type.sql();
  }
}

base::Error bad_index(const std::string& reason, const Origin& origin) {
  return analysis_error("TRANSPOSE_INVALID_INDEX_COLUMN", "42804",
                        "Invalid index column for TRANSPOSE because: " + reason, origin)
      .with_parameter("reason", reason);
}

Result<DataType> common_type_of(const std::vector<Column>& columns, size_t index,
                                const Origin& origin) {
  if (columns.size() == 1) return DataType::of(TypeKind::kString);
  auto made = DataType::of(TypeKind::kNull);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (i == index) continue;
    const auto both = tightest_type(made, columns[i].type);
    if (!both) {
      const auto first = "\"" + made.sql() + "\"", second = "\"" + columns[i].type.sql() + "\"";
      return analysis_error("TRANSPOSE_NO_LEAST_COMMON_TYPE", "42K09",
                            fmt::format("Transpose requires non-index columns to share a least "
                                        "common type, but {} and {} do not.",
                                        first, second),
                            origin)
          .with_parameter("dt1", first)
          .with_parameter("dt2", second);
    }
    made = *both;
  }
  return made;
}

}  // namespace

Result<OperatorPtr> RelationAnalyzer::transpose(const Pivot& node, const Origin& origin) {
  WEIR_ASSIGN(auto child, analyze(node.child));
  child = visible(child);
  if (child->columns.empty()) return make_operator(op::LocalRows{}, {});
  ExpressionScope scope;
  scope.columns = &child->columns;
  size_t index = 0;
  if (!node.columns.empty()) {
    WEIR_ASSIGN(const auto by, expressions(scope).analyze(*node.columns[0]));
    const auto* column = std::get_if<TypedColumn>(&by->node);
    if (!column) return bad_index("Index column must be an atomic attribute", origin);
    index = static_cast<size_t>(column->index);
  }
  const auto& index_type = child->columns[index].type;
  if (index_type.is_nested() || index_type.is(TypeKind::kNull)) {
    return bad_index("Index column must be of atomic type, but found: " + class_text(index_type),
                     origin);
  }
  WEIR_ASSIGN(const auto type, common_type_of(child->columns, index, origin));
  if (type.is_nested()) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          fmt::format("The feature is not supported: transpose() of columns of "
                                      "type {}.",
                                      type.sql()),
                          origin);
  }
  if (child->streaming || !small_query_) {
    return analysis_error("UNSUPPORTED_FEATURE", "0A000",
                          "The feature is not supported: transpose() of a stream.", origin);
  }

  // The index as text, the other columns as their type, sorted by the index.
  const auto text = DataType::of(TypeKind::kString);
  const auto cast = [&](const TypedPtr& value, const DataType& to) {
    return value->type.same_type(to)
               ? value
               : make_typed(to, value->nullable, TypedCast{value, false, true}, origin);
  };
  WEIR_ASSIGN(auto there,
              expressions(scope).call("isnotnull", {column_at(child->columns, index)}, origin));
  auto sorted = make_operator(op::Filter{child, std::move(there)}, child->columns);
  op::Sort sort{sorted, {{column_at(child->columns, index), true, true}}};
  sorted = make_operator(std::move(sort), child->columns);
  std::vector<SelectItem> items{{"key", cast(column_at(child->columns, index), text), true, {}}};
  for (size_t i = 0; i < child->columns.size(); ++i) {
    if (i == index) continue;
    items.push_back({child->columns[i].name, cast(column_at(child->columns, i), type), true, {}});
  }
  WEIR_ASSIGN(const int64_t rows_max, integer_setting(settings_.conf, kLimit, 500));
  const auto cells = project(sorted, items);
  WEIR_ASSIGN(const auto rows,
              small_query_(make_operator(op::Limit{cells, rows_max + 1, 0}, cells->columns)));
  if (static_cast<int64_t>(rows.size()) > rows_max) {
    return analysis_error("TRANSPOSE_EXCEED_ROW_LIMIT", "54006",
                          fmt::format("Number of rows exceeds the allowed limit of {} for "
                                      "TRANSPOSE. If this was intended, set {} to at least the "
                                      "current row count.",
                                      rows_max, kLimit),
                          origin)
        .with_parameter("maxValues", std::to_string(rows_max))
        .with_parameter("config", kLimit);
  }

  std::vector<Column> columns;
  const auto add_column = [&](std::string name, const DataType& of, bool nullable) {
    Column column;
    column.name = std::move(name);
    column.type = of;
    column.nullable = nullable;
    column.id = fresh_id();
    columns.push_back(std::move(column));
  };
  add_column("key", text, false);
  for (const auto& row : rows)
    add_column(std::get<std::string>(row[0]), type, true);
  op::Values made;
  for (size_t i = 1; i < items.size(); ++i) {
    std::vector<TypedPtr> line{make_typed(text, false, TypedLiteral{items[i].name})};
    for (const auto& row : rows)
      line.push_back(make_typed(type, true, TypedLiteral{row[i]}));
    made.rows.push_back(std::move(line));
  }
  if (made.rows.empty()) return make_operator(op::LocalRows{}, std::move(columns));
  return make_operator(std::move(made), std::move(columns));
}

}  // namespace weir::plan
