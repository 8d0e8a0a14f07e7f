// Rows brought to a table's columns: the casts that Spark's ANSI store assignment allows.
#include <algorithm>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "plan/operator_rewrites.h"
#include "session/writers.h"

namespace weir::session {

using columnar::DataType;
using columnar::Field;
using columnar::TypeKind;

namespace {

bool is_text(const DataType& type) {
  return type.is(TypeKind::kString) || type.is(TypeKind::kChar) || type.is(TypeKind::kVarchar);
}
bool is_time(const DataType& type) {
  return type.is(TypeKind::kDate) || type.is(TypeKind::kTimestamp) ||
         type.is(TypeKind::kTimestampNtz);
}

// Cast.canANSIStoreAssign.
bool can_assign(const DataType& from, const DataType& to) {
  if (from.same_type(to) || from.is(TypeKind::kNull)) return true;
  if (from.is_nested() || to.is_nested()) {
    if (from.kind() != to.kind()) return false;
    if (from.is(TypeKind::kArray)) return can_assign(from.element(), to.element());
    if (from.is(TypeKind::kMap))
      return can_assign(from.key(), to.key()) && can_assign(from.value(), to.value());
    if (from.fields().size() != to.fields().size()) return false;
    for (size_t i = 0; i < from.fields().size(); ++i)
      if (!can_assign(from.fields()[i].type(), to.fields()[i].type())) return false;
    return true;
  }
  if (is_text(to)) return true;
  if (from.is_numeric() && to.is_numeric()) return true;
  if (is_time(from) && is_time(to)) return true;
  return false;
}

// The path of the field whose type does not fit, for the message.
std::string unfit_path(const DataType& from, const DataType& to, const std::string& path,
                       DataType* bad_from, DataType* bad_to) {
  if (from.is(TypeKind::kStruct) && to.is(TypeKind::kStruct) &&
      from.fields().size() == to.fields().size()) {
    for (size_t i = 0; i < from.fields().size(); ++i) {
      if (!can_assign(from.fields()[i].type(), to.fields()[i].type()))
        return unfit_path(from.fields()[i].type(), to.fields()[i].type(),
                          path + "." + quoted_word(to.fields()[i].name), bad_from, bad_to);
    }
  }
  if (from.is(TypeKind::kArray) && to.is(TypeKind::kArray))
    return unfit_path(from.element(), to.element(), path + ".`element`", bad_from, bad_to);
  *bad_from = from;
  *bad_to = to;
  return path;
}

// The declared type of a char or varchar column, whose data are strings.
std::optional<DataType> declared_type(const Field& field) {
  if (field.type().is(TypeKind::kChar) || field.type().is(TypeKind::kVarchar)) return field.type();
  const auto text = base::json_string(field.metadata, "__CHAR_VARCHAR_TYPE_STRING");
  if (!text) return std::nullopt;
  const auto parsed = columnar::parse_ddl_type(*text);
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}

}  // namespace

Result<StoreAssignment> StoreAssignment::make(const std::string& shown, const Schema& table,
                                              const Schema& rows, std::vector<int> positions,
                                              std::vector<std::optional<plan::Literal>> constants,
                                              eval::EvalContext context) {
  StoreAssignment made;
  made.table_ = table;
  made.context_ = std::move(context);
  made.context_.ansi = true;  // a value that does not fit is an error whatever the session says
  for (size_t i = 0; i < table.fields().size(); ++i) {
    const Field& field = table.fields()[i];
    plan::TypedPtr expression;
    if (positions[i] >= 0) {
      const Field& source = rows.fields()[static_cast<size_t>(positions[i])];
      if (!can_assign(source.type(), field.type())) {
        DataType from = source.type();
        DataType to = field.type();
        const std::string path =
            unfit_path(source.type(), field.type(), quoted_word(field.name), &from, &to);
        return sql_error("INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST", "KD000",
                         fmt::format("Cannot write incompatible data for the table {}: Cannot "
                                     "safely cast {} \"{}\" to \"{}\".",
                                     shown, path, from.sql(), to.sql()))
            .with_parameter("tableName", shown)
            .with_parameter("colName", path)
            .with_parameter("srcType", "\"" + from.sql() + "\"")
            .with_parameter("targetType", "\"" + to.sql() + "\"");
      }
      expression =
          plan::make_typed(source.type(), true, plan::TypedColumn{positions[i], source.name});
      if (!source.type().same_type(field.type())) {
        const DataType to = is_text(field.type()) ? DataType::of(TypeKind::kString) : field.type();
        if (!source.type().same_type(to))
          expression =
              plan::make_typed(to, true, plan::TypedCast{std::move(expression), false, true});
      }
    } else if (constants[i]) {
      expression = plan::make_typed(field.type(), true, plan::TypedLiteral{constants[i]->value});
    } else {
      expression = plan::make_typed(field.type(), true, plan::TypedLiteral{});
    }
    WEIR_ASSIGN(auto program, eval::compile(expression));
    made.programs_.push_back(std::move(program));
  }
  made.sources_.push_back(rows);
  return made;
}

Result<relational::BatchPtr> StoreAssignment::apply(const arrow::RecordBatch& rows) const {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (size_t i = 0; i < programs_.size(); ++i) {
    const Field& field = table_.fields()[i];
    auto column = programs_[i].evaluate(rows, context_);
    if (!column.ok()) {
      const auto& error_class = column.error().error_class();
      if (error_class != "CAST_OVERFLOW" && error_class != "NUMERIC_VALUE_OUT_OF_RANGE" &&
          !error_class.starts_with("NUMERIC_VALUE_OUT_OF_RANGE."))
        return column.error();
      std::string from;
      if (const auto* cast = std::get_if<plan::TypedCast>(&programs_[i].expression()->node))
        from = cast->child->type.sql();
      return sql_error(
                 "CAST_OVERFLOW_IN_TABLE_INSERT", "22003",
                 fmt::format("Fail to assign a value of \"{}\" type to the \"{}\" type column "
                             "or variable {} due to an overflow. Use `try_cast` on the input "
                             "value to tolerate overflow and return NULL instead.",
                             from, field.type().sql(), quoted_word(field.name)))
          .with_parameter("sourceType", "\"" + from + "\"")
          .with_parameter("targetType", "\"" + field.type().sql() + "\"")
          .with_parameter("columnName", quoted_word(field.name));
    }
    auto array = std::move(column).value();
    if (!field.nullable && array->null_count() > 0) {
      return sql_error("NOT_NULL_ASSERT_VIOLATION", "42000",
                       fmt::format("NULL value appeared in non-nullable field: column {}.",
                                   quoted_word(field.name)))
          .with_parameter("walkedTypePath", field.name);
    }
    if (const auto declared = declared_type(field)) {
      const int64_t most = declared->precision();
      const auto& texts = static_cast<const arrow::StringArray&>(*array);
      for (int64_t row = 0; array->type_id() == arrow::Type::STRING && row < texts.length();
           ++row) {
        if (texts.IsNull(row)) continue;
        std::string_view text = texts.GetView(row);
        const auto length = [](std::string_view t) {
          return std::count_if(t.begin(), t.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
          });
        };
        while (length(text) > most && text.ends_with(' '))
          text.remove_suffix(1);
        if (length(text) <= most) continue;
        return sql_error("EXCEED_LIMIT_LENGTH", "54006",
                         fmt::format("Exceeds char/varchar type length limitation: {}.", most))
            .with_parameter("limit", std::to_string(most));
      }
    }
    columns.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(columnar::to_arrow_schema(table_), rows.num_rows(),
                                  std::move(columns));
}

}  // namespace weir::session
