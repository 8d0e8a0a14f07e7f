#include "base/result.h"

#include <cstdio>

namespace weir::base {

std::string_view error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorKind::kNotFound:
      return "NOT_FOUND";
    case ErrorKind::kAlreadyExists:
      return "ALREADY_EXISTS";
    case ErrorKind::kConflict:
      return "CONFLICT";
    case ErrorKind::kCorruption:
      return "CORRUPTION";
    case ErrorKind::kDataLoss:
      return "DATA_LOSS";
    case ErrorKind::kIo:
      return "IO_ERROR";
    case ErrorKind::kTimeout:
      return "TIMEOUT";
    case ErrorKind::kUnavailable:
      return "UNAVAILABLE";
    case ErrorKind::kUnsupported:
      return "UNSUPPORTED_FEATURE";
    case ErrorKind::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case ErrorKind::kCancelled:
      return "CANCELLED";
    case ErrorKind::kPermissionDenied:
      return "PERMISSION_DENIED";
    case ErrorKind::kInternal:
      return "INTERNAL_ERROR";
  }
  return "INTERNAL_ERROR";
}

Error Error::with_context(std::string_view context) && {
  message_ = fmt::format("{}: {}", context, message_);
  return std::move(*this);
}

const std::string& Error::sql_state() const {
  static const std::string kNone;
  return details_ ? details_->sql_state : kNone;
}

const std::vector<std::pair<std::string, std::string>>& Error::parameters() const {
  static const std::vector<std::pair<std::string, std::string>> kNone;
  return details_ ? details_->parameters : kNone;
}

Error Error::with_sql_state(std::string sql_state) && {
  auto details = details_ ? std::make_shared<Details>(*details_) : std::make_shared<Details>();
  details->sql_state = std::move(sql_state);
  details_ = std::move(details);
  return std::move(*this);
}

Error Error::with_parameter(std::string name, std::string value) && {
  auto details = details_ ? std::make_shared<Details>(*details_) : std::make_shared<Details>();
  details->parameters.emplace_back(std::move(name), std::move(value));
  details_ = std::move(details);
  return std::move(*this);
}

Error Error::with_class(std::string error_class) && {
  error_class_ = std::move(error_class);
  return std::move(*this);
}

Error Error::as_retryable() && {
  retryable_ = true;
  return std::move(*this);
}

std::string Error::to_string() const {
  if (!error_class_.empty()) return fmt::format("[{}] {}", error_class_, message_);
  return fmt::format("{}: {}", error_kind_name(kind_), message_);
}

void check_failed(const char* condition, const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "weir: internal check failed: %s at %s:%d %.*s\n", condition, file, line,
               static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace weir::base
