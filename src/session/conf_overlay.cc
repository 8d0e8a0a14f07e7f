#include "session/conf_overlay.h"

#include <utility>

namespace weir::session {

namespace {

thread_local const ConfOverlay* innermost = nullptr;

}  // namespace

ConfOverlay::ConfOverlay(std::map<std::string, std::string> values)
    : values_(std::move(values)), before_(innermost) {
  innermost = this;
}

ConfOverlay::~ConfOverlay() { innermost = before_; }

const std::string* ConfOverlay::find(const std::string& key) {
  for (const auto* overlay = innermost; overlay != nullptr; overlay = overlay->before_)
    if (const auto found = overlay->values_.find(key); found != overlay->values_.end())
      return &found->second;
  return nullptr;
}

void ConfOverlay::put_over(std::map<std::string, std::string>& values) {
  std::map<std::string, std::string> first;
  for (const auto* overlay = innermost; overlay != nullptr; overlay = overlay->before_)
    first.insert(overlay->values_.begin(), overlay->values_.end());  // the innermost stays
  for (auto& [key, value] : first)
    values[key] = value;
}

}  // namespace weir::session
