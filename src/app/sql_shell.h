// Statements typed at a terminal: lines joined until a ';' ends them, a history, and Ctrl-C that
// cancels what runs.
//
// Made before any thread is started: it blocks SIGINT for this thread and those that follow, and a
// thread of its own waits for it. Ctrl-C at the prompt drops what was typed so far.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.h"

namespace weir::app {

// Where the first statement of `text` ends that has its ';', position behind it; npos where it goes
// on. Quotes and comments are stepped over.
size_t statement_end(std::string_view text);

class SqlShell {
 public:
  SqlShell();
  ~SqlShell();
  SqlShell(const SqlShell&) = delete;
  SqlShell& operator=(const SqlShell&) = delete;

  // The next statement's text, or several on one line; nothing at the end of the input or after
  // "exit" or "quit".
  std::optional<std::string> next_text();
  // Runs `work`, whose token is stopped by Ctrl-C.
  base::Result<void> cancellable(const std::function<base::Result<void>(std::stop_token)>& work);

 private:
  std::optional<std::string> next_line(const char* prompt);
  void remember(const std::string& text);

  bool terminal_;
  std::string pending_;
  std::mutex mutex_;
  std::optional<std::stop_source> running_;
  int event_fd_ = -1;
  std::thread waiter_;
  struct LineEditor;
  std::unique_ptr<LineEditor> editor_;
};

}  // namespace weir::app
