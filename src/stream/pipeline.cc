#include "stream/pipeline.h"

#include <algorithm>
#include <strings.h>

#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "codec/json_decoder.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "eval/program.h"
#include "plan/analysis.h"
#include "sql/parser.h"
#include "stream/json_stage.h"
#include "stream/plain_arrays.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;
using columnar::Field;

namespace {

// Where a name of select and where comes from.
struct Origin {
  int json_field = -1;  // of the messages' schema, or
  std::string source_column;
};

struct Names {
  Schema schema = Schema::structure({});
  std::vector<Origin> origins;  // one a field of schema
  size_t star = 0;              // the first so many are what * stands for
};

bool has_name(const std::vector<Field>& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    return field.name.size() == name.size() &&
           strncasecmp(field.name.data(), name.data(), name.size()) == 0;
  });
}

Names names_of(const PipelineSpec& spec) {
  Names names;
  std::vector<Field> fields;
  const auto add = [&](Field field, Origin origin) {
    fields.push_back(std::move(field));
    names.origins.push_back(std::move(origin));
  };
  if (!spec.json) {
    for (const Field& field : spec.source_schema.fields())
      add(field, Origin{-1, field.name});
    names.star = fields.size();
  } else {
    const auto& json_fields = spec.json->schema.fields();
    for (size_t i = 0; i < json_fields.size(); ++i) {
      Field field = json_fields[i];
      field.type_holder = std::make_shared<columnar::DataType>(field.type().as_nullable());
      field.nullable = true;  // a missing field is NULL whatever was declared
      add(std::move(field), Origin{static_cast<int>(i), {}});
    }
    names.star = fields.size();
    for (const bool underscore : {true, false})
      for (const Field& column : spec.source_schema.fields()) {
        Field field = column;
        if (underscore) field.name = "_" + field.name;
        if (!has_name(fields, field.name)) add(std::move(field), Origin{-1, column.name});
      }
  }
  names.schema = Schema::structure(std::move(fields));
  return names;
}

// * means the messages' own fields, not what came along with them.
std::vector<plan::ExpressionPtr> expand_star(const std::vector<plan::ExpressionPtr>& list,
                                             const Names& names) {
  std::vector<plan::ExpressionPtr> expanded;
  for (const plan::ExpressionPtr& item : list) {
    const auto* star = std::get_if<plan::Star>(&item->node);
    if (star == nullptr || !star->qualifier.empty()) {
      expanded.push_back(item);
      continue;
    }
    for (size_t i = 0; i < names.star; ++i)
      expanded.push_back(plan::make_expression(
          plan::ColumnReference{{names.schema.fields()[i].name}}, item->origin));
  }
  return expanded;
}

std::vector<plan::NamedTyped> select_all(const Names& names) {
  std::vector<plan::NamedTyped> list;
  for (size_t i = 0; i < names.star; ++i) {
    const Field& field = names.schema.fields()[i];
    list.push_back({field.name, std::make_shared<const plan::Typed>(
                                    plan::Typed{field.type(),
                                                field.nullable,
                                                plan::TypedColumn{static_cast<int>(i), field.name},
                                                {}})});
  }
  return list;
}

struct CompiledParts {
  std::shared_ptr<const eval::Program> where;          // null: all rows
  std::shared_ptr<const eval::Projection> projection;  // null: the columns as they are
  std::optional<Schema> json_fields;                   // decoded, in order
  codec::JsonOptions json_options;
  int carried = 0;  // source columns beside the message
  std::string session_zone;
  bool ansi = true;
};

class CompiledTransform final : public BatchTransform {
 public:
  CompiledTransform(std::shared_ptr<const CompiledParts> parts, std::unique_ptr<JsonStage> json)
      : parts_(std::move(parts)), json_(std::move(json)) {}

  Result<std::shared_ptr<arrow::RecordBatch>> apply(std::shared_ptr<arrow::RecordBatch> rows,
                                                    const BatchContext& context,
                                                    TransformCounters& counters) override {
    if (json_ != nullptr) {
      WEIR_ASSIGN(rows, json_->decode(*rows, counters));
    }
    const eval::EvalContext eval_context{.batch_timestamp_us = context.timestamp_us,
                                         .session_zone = parts_->session_zone,
                                         .ansi = parts_->ansi};
    if (parts_->where != nullptr) {
      WEIR_ASSIGN(rows, eval::filter_rows(rows, *parts_->where, eval_context));
    }
    if (parts_->projection != nullptr && rows->num_rows() > 0) {
      WEIR_ASSIGN(rows, parts_->projection->evaluate(*rows, eval_context));
    }
    return with_plain_arrays(std::move(rows));
  }

 private:
  std::shared_ptr<const CompiledParts> parts_;
  std::unique_ptr<JsonStage> json_;
};

class CompiledPipeline final : public Pipeline {
 public:
  CompiledPipeline(Schema output, std::vector<std::string> source_columns, CompiledParts parts)
      : output_(std::move(output)),
        source_columns_(std::move(source_columns)),
        parts_(std::make_shared<const CompiledParts>(std::move(parts))) {}

  const Schema& output_schema() const override { return output_; }
  const std::vector<std::string>& source_columns() const override { return source_columns_; }
  Result<std::unique_ptr<BatchTransform>> make_transform() const override {
    std::unique_ptr<JsonStage> json;
    if (parts_->json_fields) {
      WEIR_ASSIGN(json,
                  JsonStage::create(*parts_->json_fields, parts_->json_options, parts_->carried));
    }
    return std::unique_ptr<BatchTransform>(
        std::make_unique<CompiledTransform>(parts_, std::move(json)));
  }

 private:
  Schema output_;
  std::vector<std::string> source_columns_;
  std::shared_ptr<const CompiledParts> parts_;
};

// Which of the names are read decides what is decoded; new positions go to `position`, by old
// index.
struct Needed {
  std::vector<Field> json_fields;
  std::vector<std::string> source_columns;
  std::vector<int> position;
};

Needed needed_of(const PipelineSpec& spec, const Names& names, const std::vector<int>& columns) {
  Needed needed;
  needed.position.assign(names.origins.size(), -1);
  for (const int index : columns) {
    const Origin& origin = names.origins[static_cast<size_t>(index)];
    if (origin.json_field < 0) continue;
    needed.position[static_cast<size_t>(index)] = static_cast<int>(needed.json_fields.size());
    needed.json_fields.push_back(
        spec.json->schema.fields()[static_cast<size_t>(origin.json_field)]);
  }
  const int first = static_cast<int>(needed.json_fields.size());
  for (const int index : columns) {
    const Origin& origin = names.origins[static_cast<size_t>(index)];
    if (origin.json_field >= 0) continue;
    auto found =
        std::find(needed.source_columns.begin(), needed.source_columns.end(), origin.source_column);
    if (found == needed.source_columns.end())
      found = needed.source_columns.insert(found, origin.source_column);
    needed.position[static_cast<size_t>(index)] =
        first + static_cast<int>(found - needed.source_columns.begin());
  }
  return needed;
}

}  // namespace

Result<std::unique_ptr<Pipeline>> compile_pipeline(const PipelineSpec& spec) {
  const Names names = names_of(spec);
  const plan::Scope scope{.schema = &names.schema, .qualifiers = {}};
  const plan::AnalysisOptions analysis{
      .ansi = spec.ansi, .case_sensitive = false, .session_zone = spec.session_zone};
  std::vector<plan::NamedTyped> list;
  if (spec.select.empty()) {
    list = select_all(names);
  } else {
    WEIR_ASSIGN(const auto parsed, sql::parse_select_list(spec.select));
    WEIR_ASSIGN(list, plan::analyze_select_list(expand_star(parsed, names), scope, analysis));
  }
  plan::TypedPtr where;
  if (!spec.where.empty()) {
    WEIR_ASSIGN(const auto parsed, sql::parse_expression(spec.where));
    WEIR_ASSIGN(where, plan::analyze_condition(*parsed, scope, analysis));
  }
  std::vector<plan::TypedPtr> roots;
  roots.reserve(list.size() + 1);
  for (const plan::NamedTyped& item : list)
    roots.push_back(item.expression);
  if (where != nullptr) roots.push_back(where);
  const Needed needed = needed_of(spec, names, plan::columns_needed(roots));

  CompiledParts parts;
  parts.session_zone = spec.session_zone;
  parts.ansi = spec.ansi;
  std::vector<std::string> source_columns = needed.source_columns;
  if (spec.json) {
    WEIR_ASSIGN(parts.json_options, parse_json_options(spec.json->options));
    if (!needed.json_fields.empty() || parts.json_options.mode != codec::ParseMode::kPermissive ||
        source_columns.empty()) {
      parts.json_fields = Schema::structure(needed.json_fields);
      parts.carried = static_cast<int>(source_columns.size());
      source_columns.insert(source_columns.begin(), "value");
    }
  }
  const Schema output = plan::schema_of(list);
  bool as_is = where == nullptr && static_cast<size_t>(list.size()) ==
                                       needed.json_fields.size() + needed.source_columns.size();
  for (size_t i = 0; i < list.size(); ++i) {
    list[i].expression = plan::remap_columns(list[i].expression, needed.position);
    const auto* column = std::get_if<plan::TypedColumn>(&list[i].expression->node);
    as_is &= column != nullptr && column->index == static_cast<int>(i) && spec.select.empty();
  }
  if (!as_is) {
    WEIR_ASSIGN(auto projection, eval::Projection::compile(list));
    parts.projection = std::make_shared<const eval::Projection>(std::move(projection));
  }
  if (where != nullptr) {
    WEIR_ASSIGN(auto program, eval::compile(plan::remap_columns(where, needed.position)));
    parts.where = std::make_shared<const eval::Program>(std::move(program));
  }
  return std::unique_ptr<Pipeline>(
      std::make_unique<CompiledPipeline>(output, std::move(source_columns), std::move(parts)));
}

}  // namespace weir::stream
