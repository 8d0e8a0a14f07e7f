// Settings that come before a session's own, for what the current thread asks while this lives: a
// streaming query is planned under the settings that its batch was planned with before. Not for
// what other threads do.
#pragma once

#include <map>
#include <string>

namespace weir::session {

class ConfOverlay {
 public:
  explicit ConfOverlay(std::map<std::string, std::string> values);
  ~ConfOverlay();
  ConfOverlay(const ConfOverlay&) = delete;
  ConfOverlay& operator=(const ConfOverlay&) = delete;

  // The value that comes first on this thread, or nullptr.
  static const std::string* find(const std::string& key);
  // Puts all of this thread's in front of what is in `values`.
  static void put_over(std::map<std::string, std::string>& values);

 private:
  std::map<std::string, std::string> values_;
  const ConfOverlay* before_;
};

}  // namespace weir::session
