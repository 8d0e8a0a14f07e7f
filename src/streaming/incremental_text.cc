#include "streaming/incremental_text.h"

#include <unordered_map>

#include <fmt/format.h>

#include "plan/stateful_function.h"

namespace weir::streaming {

namespace op = plan::op;
using plan::OperatorPtr;

namespace {

std::string_view state_of(const plan::Operator& node) {
  if (std::holds_alternative<op::Join>(node.node)) return "SymmetricHashJoin";
  if (std::holds_alternative<op::Deduplicate>(node.node)) return "StreamingDeduplicate";
  if (std::holds_alternative<op::Limit>(node.node)) return "StreamingGlobalLimit";
  if (plan::transform_options(node)) return "TransformWithState";
  if (std::holds_alternative<op::GroupMap>(node.node)) return "FlatMapGroupsWithState";
  return "StateStoreSave";
}

class Printer {
 public:
  Printer(plan::StreamMode mode, const std::function<bool(const plan::Operator&)>& is_stateful)
      : mode_(mode), is_stateful_(is_stateful) {}

  // Numbered as the checkpoint does: inputs first, what stands at several places once.
  void number(const OperatorPtr& node) {
    if (!seen_.emplace(node.get(), -1).second) return;
    for (const auto& child : plan::children_of(*node))
      number(child);
    if (is_stateful_(*node)) seen_[node.get()] = count_++;
  }

  void print(const OperatorPtr& node, const std::string& first, const std::string& rest) {
    std::string begin = first, below = rest;
    if (const int state = seen_[node.get()]; state >= 0) {
      text_ +=
          fmt::format("{}{} state {}, {}\n", begin, state_of(*node), state, plan::to_string(mode_));
      begin = below + "+- ";
      below += "   ";
    }
    std::string line = plan::plan_text(*node);
    line.erase(std::min(line.find('\n'), line.size()));
    const bool scan = std::holds_alternative<op::Scan>(node->node) && node->streaming;
    text_ += begin + (scan ? "MicroBatchScan " : "") + line + "\n";
    const auto children = plan::children_of(*node);
    for (size_t i = 0; i < children.size(); ++i) {
      const bool last = i + 1 == children.size();
      print(children[i], below + (last ? "+- " : ":- "), below + (last ? "   " : ":  "));
    }
  }
  std::string text() const { return text_; }

 private:
  const plan::StreamMode mode_;
  const std::function<bool(const plan::Operator&)>& is_stateful_;
  std::unordered_map<const plan::Operator*, int> seen_;  // the number of its state; -1: none
  int count_ = 0;
  std::string text_;
};

}  // namespace

std::string incremental_text(const OperatorPtr& root, plan::StreamMode mode,
                             const std::function<bool(const plan::Operator&)>& is_stateful) {
  Printer printer(mode, is_stateful);
  printer.number(root);
  printer.print(root, "", "");
  return printer.text();
}

}  // namespace weir::streaming
