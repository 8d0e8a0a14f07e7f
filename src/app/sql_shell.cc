#include "app/sql_shell.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include <sys/eventfd.h>
#include <sys/signalfd.h>

#if WEIR_HAS_LIBEDIT
#include <histedit.h>
#endif

namespace weir::app {

size_t statement_end(std::string_view text) {
  size_t i = 0;
  int comment_depth = 0;
  while (i < text.size()) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (comment_depth > 0) {
      if (c == '*' && next == '/') {
        --comment_depth;
        ++i;
      } else if (c == '/' && next == '*') {
        ++comment_depth;
        ++i;
      }
      ++i;
      continue;
    }
    if (c == '-' && next == '-') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '/' && next == '*') {
      ++comment_depth;
      i += 2;
      continue;
    }
    if (c == '\'' || c == '"' || c == '`') {
      const bool raw = i > 0 && (text[i - 1] == 'r' || text[i - 1] == 'R') && c != '`';
      for (++i; i < text.size() && text[i] != c; ++i)
        if (text[i] == '\\' && c != '`' && !raw) ++i;
      if (i >= text.size()) return std::string_view::npos;
      ++i;
      continue;
    }
    if (c == ';') return i + 1;
    ++i;
  }
  return std::string_view::npos;
}

#if WEIR_HAS_LIBEDIT

struct SqlShell::LineEditor {
  LineEditor() {
    history = history_init();
    HistEvent event;
    ::history(history, &event, H_SETSIZE, 2000);
    ::history(history, &event, H_SETUNIQUE, 1);
    if (const char* home = std::getenv("HOME")) {
      file = std::string(home) + "/.weir_history";
      ::history(history, &event, H_LOAD, file.c_str());
    }
    editor = el_init("weir", stdin, stdout, stderr);
    el_set(editor, EL_CLIENTDATA, this);
    el_set(
        editor, EL_PROMPT, +[](EditLine* line) -> char* {
          void* data = nullptr;
          el_get(line, EL_CLIENTDATA, &data);
          return const_cast<char*>(static_cast<LineEditor*>(data)->prompt);
        });
    el_set(editor, EL_EDITOR, "emacs");
    // Ctrl-C at the prompt is a key that gives up what was typed; while a statement runs the
    // terminal makes a signal of it again.
    el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
    el_set(
        editor, EL_ADDFN, "weir-give-up", "Gives up the statement",
        +[](EditLine* line, int) -> unsigned char {
          void* data = nullptr;
          el_get(line, EL_CLIENTDATA, &data);
          static_cast<LineEditor*>(data)->given_up = true;
          return CC_EOF;
        });
    el_set(editor, EL_BIND, "^C", "weir-give-up", nullptr);
    el_set(editor, EL_HIST, ::history, history);
  }
  ~LineEditor() {
    el_end(editor);
    history_end(history);
  }
  std::optional<std::string> line(const char* text) {
    prompt = text;
    int length = 0;
    const char* given = el_gets(editor, &length);
    if (given_up) std::fputs("^C\n", stdout);
    if (given == nullptr || length <= 0) return std::nullopt;
    return std::string(given, static_cast<size_t>(length));
  }
  void remember(const std::string& text) {
    HistEvent event;
    ::history(history, &event, H_ENTER, text.c_str());
    if (!file.empty()) ::history(history, &event, H_SAVE, file.c_str());
  }
  History* history = nullptr;
  EditLine* editor = nullptr;
  const char* prompt = "";
  bool given_up = false;
  std::string file;
};

#else

struct SqlShell::LineEditor {
  std::optional<std::string> line(const char* text) {
    std::fputs(text, stdout);
    std::fflush(stdout);
    std::string given;
    if (!std::getline(std::cin, given)) return std::nullopt;
    return given + "\n";
  }
  void remember(const std::string&) {}
  bool given_up = false;
};

#endif

SqlShell::SqlShell() : terminal_(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  event_fd_ = eventfd(0, EFD_CLOEXEC);
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  waiter_ = std::thread([this, signal_fd] {
    while (true) {
      pollfd ready[2] = {{signal_fd, POLLIN, 0}, {event_fd_, POLLIN, 0}};
      if (poll(ready, 2, -1) < 0) continue;
      if (ready[1].revents != 0) break;
      signalfd_siginfo seen;
      if (read(signal_fd, &seen, sizeof(seen)) != sizeof(seen)) continue;
      const std::lock_guard lock(mutex_);
      if (running_) running_->request_stop();
    }
    close(signal_fd);
  });
  if (terminal_) editor_ = std::make_unique<LineEditor>();
}

SqlShell::~SqlShell() {
  const uint64_t one = 1;
  (void)!write(event_fd_, &one, sizeof(one));
  waiter_.join();
  close(event_fd_);
}

std::optional<std::string> SqlShell::next_line(const char* prompt) {
  if (editor_) return editor_->line(prompt);
  std::string given;
  if (!std::getline(std::cin, given)) return std::nullopt;
  return given + "\n";
}

void SqlShell::remember(const std::string& text) {
  if (editor_) editor_->remember(text);
}

std::optional<std::string> SqlShell::next_text() {
  // Nothing but line ends and remarks that end with their line.
  const auto blank = [](std::string_view text) {
    while (true) {
      text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
      if (!text.starts_with("--")) return text.empty();
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    }
  };
  while (true) {
    if (const size_t end = statement_end(pending_); end != std::string::npos) {
      std::string text = pending_.substr(0, end);
      pending_.erase(0, end);
      if (blank(pending_)) pending_.clear();
      remember(text);
      return text;
    }
    auto line = next_line(blank(pending_) ? "weir> " : "    > ");
    if (editor_ && std::exchange(editor_->given_up, false)) {
      pending_.clear();
      continue;
    }
    if (!line) {
      if (blank(pending_)) return std::nullopt;
      std::string rest = std::move(pending_);  // the last statement may lack its ';'
      pending_.clear();
      return rest;
    }
    if (blank(pending_)) {
      std::string word = *line;
      std::erase_if(word, [](char c) { return c == ';' || c == ' ' || c == '\n' || c == '\r'; });
      if (word == "exit" || word == "quit" || word == "EXIT" || word == "QUIT") return std::nullopt;
    }
    pending_ += *line;
  }
}

base::Result<void> SqlShell::cancellable(
    const std::function<base::Result<void>(std::stop_token)>& work) {
  std::stop_source source;
  {
    const std::lock_guard lock(mutex_);
    running_ = source;
  }
  auto outcome = work(source.get_token());
  const std::lock_guard lock(mutex_);
  running_.reset();
  return outcome;
}

}  // namespace weir::app
