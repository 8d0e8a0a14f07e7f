// Result<T> and Error: how a failure travels in weir.
//
// An outcome that a caller expects (file exists, commit conflict) is a typed value of the
// function's own result type. A failure is an Error inside a Result. A bug is WEIR_CHECK, which
// aborts in release builds too. Our code does not throw; what a library throws is converted where
// that library is called.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/core.h>

namespace weir::base {

enum class ErrorKind {
  kInvalidArgument,    // the caller's words are wrong: an option, a schema, SQL text
  kNotFound,           // a file, table, topic or column is not there
  kAlreadyExists,      // something is there that must not be
  kConflict,           // a concurrent writer won in a way that a retry does not mend
  kCorruption,         // bytes are not what their format says
  kDataLoss,           // data that should be there is gone (offsets aged out, log truncated)
  kIo,                 // the operating system refused a read, write, sync, rename
  kTimeout,            // the other side did not answer in time
  kUnavailable,        // the other side is not there now; a retry may help
  kUnsupported,        // UNSUPPORTED_FEATURE: named, not built
  kResourceExhausted,  // memory, disk or a configured limit
  kCancelled,          // stopped on request
  kPermissionDenied,   // authentication or authorisation failed
  kInternal,           // a state that should not occur, survivable
};

// The kind's name in upper snake case: "INVALID_ARGUMENT".
std::string_view error_kind_name(ErrorKind kind);

class Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  ErrorKind kind() const { return kind_; }
  // What was wrong, where, and what to do; outermost context first.
  const std::string& message() const { return message_; }
  // Spark's error class where Spark has one ("UNRESOLVED_COLUMN.WITH_SUGGESTION"), else empty.
  const std::string& error_class() const { return error_class_; }
  // SQLSTATE where Spark's error class has one ("42703"), else empty.
  const std::string& sql_state() const;
  // What the error class's message is filled with, as Spark names it ("objectName").
  const std::vector<std::pair<std::string, std::string>>& parameters() const;
  // True where the same call may succeed later without anything else changing.
  bool retryable() const { return retryable_; }

  // "while committing version 7: <message>"
  Error with_context(std::string_view context) &&;
  Error with_class(std::string error_class) &&;
  Error with_sql_state(std::string sql_state) &&;
  Error with_parameter(std::string name, std::string value) &&;
  Error as_retryable() &&;

  // "CORRUPTION: <message>", or "[CLASS] <message>" where there is an error class.
  std::string to_string() const;

 private:
  ErrorKind kind_;
  bool retryable_ = false;
  std::string message_;
  std::string error_class_;
  struct Details {
    std::string sql_state;
    std::vector<std::pair<std::string, std::string>> parameters;
  };
  std::shared_ptr<const Details> details_;  // null: none
};

// error(ErrorKind::kNotFound, "no table at {}", path)
template <typename... Args>
Error error(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  return Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

struct Done {};  // the value of a Result<void>

template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  template <typename U>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::decay_t<U>, T> &&
           !std::is_same_v<std::decay_t<U>, Error> && !std::is_same_v<std::decay_t<U>, Result>)
      Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return require(), std::get<0>(state_); }
  const T& value() const& { return require(), std::get<0>(state_); }
  T&& value() && { return require(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  void require() const;
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;
  Result() : state_(Done{}) {}
  Result(Done) {}                                    // NOLINT: implicit by design
  Result(Error error) : state_(std::move(error)) {}  // NOLINT
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<Done, Error> state_;
};

inline Result<void> ok() { return {}; }

[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               std::string_view message);

template <typename T>
void Result<T>::require() const {
  if (!ok()) check_failed("result.ok()", __FILE__, __LINE__, error().to_string());
}

}  // namespace weir::base

#define WEIR_CHECK(condition, ...)                                                                 \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      ::weir::base::check_failed(#condition, __FILE__, __LINE__, ::std::string_view{__VA_ARGS__}); \
  } while (false)

#define WEIR_CONCAT_INNER(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_INNER(a, b)

// WEIR_TRY(file->sync());  returns the error from the enclosing function.
#define WEIR_TRY(expression)                                        \
  do {                                                              \
    if (auto weir_try_result = (expression); !weir_try_result.ok()) \
      return std::move(weir_try_result).error();                    \
  } while (false)

// WEIR_ASSIGN(auto file, fs.open_read(path));
#define WEIR_ASSIGN(target, expression) \
  WEIR_ASSIGN_INNER(WEIR_CONCAT(weir_assign_result_, __LINE__), target, expression)
#define WEIR_ASSIGN_INNER(temporary, target, expression)    \
  auto temporary = (expression);                            \
  if (!temporary.ok()) return std::move(temporary).error(); \
  target = std::move(temporary).value()
