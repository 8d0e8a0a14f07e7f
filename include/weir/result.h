// How calls of weir tell that they failed: by value, never by an exception.
#pragma once

#include <exception>
#include <string>
#include <utility>
#include <variant>

namespace weir {

// What went wrong. Errors that Spark has carry its error class
// ("UNRESOLVED_COLUMN.WITH_SUGGESTION") and SQLSTATE; `kind` is weir's own word
// ("INVALID_ARGUMENT", "CONFLICT", "DATA_LOSS" …).
class Error {
 public:
  Error(std::string kind, std::string message)
      : kind_(std::move(kind)), message_(std::move(message)) {}
  Error(std::string kind, std::string message, std::string error_class, std::string sql_state)
      : kind_(std::move(kind)),
        message_(std::move(message)),
        error_class_(std::move(error_class)),
        sql_state_(std::move(sql_state)) {}

  const std::string& kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& error_class() const { return error_class_; }  // may be empty
  const std::string& sql_state() const { return sql_state_; }      // may be empty
  // "[CLASS] message", or "KIND: message" without a class.
  std::string to_string() const {
    return error_class_.empty() ? kind_ + ": " + message_ : "[" + error_class_ + "] " + message_;
  }

 private:
  std::string kind_;
  std::string message_;
  std::string error_class_;
  std::string sql_state_;
};

struct Done {};

// A value, or the error that kept it from being. Asking a failed one for its value ends the
// program: look at ok() first.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return *std::get_if<0>(&checked()); }
  const T& value() const& { return *std::get_if<0>(&checked()); }
  T&& value() && { return std::move(*std::get_if<0>(&checked())); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return *std::get_if<1>(&state_); }  // where not ok()

 private:
  std::variant<T, Error>& checked() {
    if (!ok()) std::terminate();
    return state_;
  }
  const std::variant<T, Error>& checked() const {
    if (!ok()) std::terminate();
    return state_;
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() : state_(Done{}) {}
  Result(Done) : state_(Done{}) {}                   // NOLINT: implicit
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *std::get_if<1>(&state_); }  // where not ok()

 private:
  std::variant<Done, Error> state_;
};

}  // namespace weir
