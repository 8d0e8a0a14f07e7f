#include "session/plan_key.h"

#include <bit>

#include <arrow/buffer.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include "plan/function_catalog.h"
#include "relational/scan_source.h"

namespace weir::session {

namespace op = plan::op;
using plan::TypedPtr;

namespace {

constexpr int64_t kLocalBytesMax = 1 << 20;

std::string sized(std::string_view text) { return fmt::format("{}:{}", text.size(), text); }

// Writes keys; `failed` where there is something without one.
class KeyWriter {
 public:
  explicit KeyWriter(PlanKeys& keys) : keys_(keys) {}
  std::string text;
  bool failed = false;

  void write(const plan::Operator& plan) {
    text += fmt::format("({}", plan.node.index());
    for (const auto& column : plan.columns) {
      // What hidden columns are for shows in the operators above.
      text += fmt::format(" {}{}{}", column.type.simple_string(), column.nullable ? "?" : "",
                          column.hidden ? "h" : "");
    }
    if (plan.streaming) failed = true;
    std::visit([&](const auto& node) { head(node); }, plan.node);
    for (const auto& child : plan::children_of(plan)) {
      const auto key = keys_.of(child);
      if (!key) {
        failed = true;
        return;
      }
      text += *key;
    }
    text += ')';
  }

 private:
  void add(std::string_view part) { text += fmt::format(" {}", sized(part)); }
  void number(int64_t value) { text += fmt::format(" {}", value); }
  void real(double value) { text += fmt::format(" {:x}", std::bit_cast<uint64_t>(value)); }

  // --- operators
  void head(const op::Scan& node) {
    const auto* source = dynamic_cast<const relational::ScanSource*>(node.table.get());
    const auto state = source ? source->state() : std::string();
    add(node.table->provider());
    add(state.empty() ? fmt::format("{}", static_cast<const void*>(node.table.get())) : state);
    for (const int column : node.columns)
      number(column);
    optional(node.condition);
  }
  void head(const op::LocalRows& node) {
    int64_t left = kLocalBytesMax;
    for (const auto& batch : node.batches) {
      const auto bytes =
          arrow::ipc::SerializeRecordBatch(*batch, arrow::ipc::IpcWriteOptions::Defaults());
      if (!bytes.ok() || (*bytes)->size() > left) {
        failed = true;
        return;
      }
      left -= (*bytes)->size();
      add(std::string_view(reinterpret_cast<const char*>((*bytes)->data()),
                           static_cast<size_t>((*bytes)->size())));
    }
  }
  void head(const op::OneRow&) {}
  // Numbered anew by each analysis.
  void head(const op::Recursion&) { failed = true; }
  void head(const op::RecursiveRows&) { failed = true; }
  void head(const op::Range& node) {
    number(node.start);
    number(node.end);
    number(node.step);
  }
  void head(const op::Values& node) {
    for (const auto& row : node.rows)
      list(row);
  }
  void head(const op::Project& node) { list(node.list); }
  void head(const op::Filter& node) { optional(node.condition); }
  void head(const op::Aggregate& node) {
    list(node.keys);
    list(node.aggregates);
    for (const auto& set : node.sets) {
      text += " [";
      for (const int key : set)
        number(key);
      text += ']';
    }
  }
  void head(const op::Join& node) {
    number(static_cast<int64_t>(node.kind));
    number(node.lateral);
    optional(node.condition);
  }
  void head(const op::SetOperation& node) {
    number(static_cast<int64_t>(node.kind));
    number(node.all);
  }
  void head(const op::Sort& node) { keys(node.keys); }
  void head(const op::Limit& node) {
    number(node.limit);
    number(node.offset);
  }
  void head(const op::Tail& node) { number(node.rows); }
  void head(const op::Distinct&) {}
  void head(const op::Deduplicate& node) {
    for (const int key : node.keys)
      number(key);
    number(node.within_watermark);
  }
  void head(const op::Window& node) { list(node.functions); }
  void head(const op::Generate& node) {
    expression(*node.call);
    number(node.outer);
  }
  void head(const op::Sample& node) {
    real(node.lower);
    real(node.upper);
    number(node.with_replacement);
    number(node.seed);
  }
  void head(const op::MapPartitions& node) { python(*node.function); }
  void head(const op::GroupMap& node) {
    list(node.keys);
    python(*node.function);
    failed = failed || !node.state.empty();
  }
  void head(const op::CoGroupMap& node) {
    list(node.left_keys);
    list(node.right_keys);
    python(*node.function);
  }
  void head(const op::Watermark&) { failed = true; }
  void head(const op::Observe&) { failed = true; }  // has to see its rows each time

  // --- expressions
  void list(const std::vector<TypedPtr>& many) {
    text += " [";
    for (const auto& one : many)
      expression(*one);
    text += ']';
  }
  void optional(const TypedPtr& one) {
    if (one) {
      expression(*one);
    } else {
      text += " -";
    }
  }
  void keys(const std::vector<plan::TypedSortKey>& many) {
    text += " [";
    for (const auto& key : many) {
      expression(*key.expression);
      text += key.ascending ? '+' : '-';
      text += key.nulls_first ? 'f' : 'l';
    }
    text += ']';
  }
  void python(const plan::PythonFunction& function) {
    add(function.command);
    add(function.name);
    number(function.eval_type);
    add(function.result.simple_string());
  }
  void expression(const plan::Typed& one) {
    text += fmt::format(" <{} {}", one.node.index(), one.type.simple_string());
    std::visit([&](const auto& node) { inside(node); }, one.node);
    text += '>';
  }
  void inside(const plan::TypedLiteral& node) {
    text += fmt::format(" {}", node.value.index());
    if (const auto* flag = std::get_if<bool>(&node.value)) number(*flag);
    if (const auto* whole = std::get_if<int64_t>(&node.value)) number(*whole);
    if (const auto* value = std::get_if<double>(&node.value)) real(*value);
    if (const auto* string = std::get_if<std::string>(&node.value)) add(*string);
    if (const auto* wide = std::get_if<plan::Int128>(&node.value)) {
      number(static_cast<int64_t>(*wide >> 64));
      number(static_cast<int64_t>(*wide));
    }
  }
  void inside(const plan::TypedColumn& node) { number(node.index); }
  void inside(const plan::TypedOuterColumn& node) {
    number(node.level);
    number(node.index);
  }
  void inside(const plan::TypedField& node) {
    number(node.index);
    expression(*node.child);
  }
  void inside(const plan::TypedCast& node) {
    number(node.try_cast);
    expression(*node.child);
  }
  void inside(const plan::TypedCall& node) {
    add(node.function->name);
    list(node.arguments);
    number(node.distinct);
    number(node.ignore_nulls);
    optional(node.filter);
    keys(node.within_group);
  }
  void inside(const plan::TypedLambda& node) {
    for (const int id : node.variables)
      number(id);
    expression(*node.body);
  }
  void inside(const plan::TypedLambdaVariable& node) { number(node.id); }
  void inside(const plan::TypedSubquery& node) {
    number(static_cast<int64_t>(node.kind));
    list(node.values);
    const auto key = keys_.of(node.plan);
    failed = failed || !key;
    if (key) text += *key;
  }
  void inside(const plan::TypedWindow& node) {
    expression(*node.function);
    list(node.partition_by);
    keys(node.order_by);
    number(static_cast<int64_t>(node.unit));
    for (const auto* bound : {&node.lower, &node.upper}) {
      number(static_cast<int64_t>(bound->kind));
      optional(bound->value);
    }
  }
  void inside(const plan::TypedPython& node) {
    python(*node.function);
    list(node.arguments);
  }

  PlanKeys& keys_;
};

}  // namespace

std::optional<std::string> PlanKeys::of(const plan::OperatorPtr& plan) {
  const auto found = known_.find(plan.get());
  if (found != known_.end()) return found->second;
  KeyWriter writer(*this);
  writer.write(*plan);
  auto key = writer.failed ? std::nullopt : std::optional(std::move(writer.text));
  known_[plan.get()] = key;
  return key;
}

}  // namespace weir::session
