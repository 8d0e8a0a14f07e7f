#include "connect/errors.h"

#include <algorithm>
#include <array>

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <spark/connect/base.pb.h>

#include "base/json.h"

namespace weir::connect {

namespace {

using base::Error;
using base::ErrorKind;
using Details = spark::connect::FetchErrorDetailsResponse;

constexpr int kGrpcInternal = 13;
constexpr size_t kTextMax = 2048;  // of what goes into the status: headers are bounded

struct Family {
  std::string_view prefix;  // of the error class
  std::string_view exception;
};
// Where Spark throws something else than the phase tells. The first prefix that fits counts.
constexpr std::array kFamilies = {
    Family{"PARSE_", "parse"},
    Family{"INVALID_SQL_SYNTAX", "parse"},
    Family{"INVALID_TYPED_LITERAL", "parse"},
    Family{"INVALID_NUMERIC_LITERAL_RANGE", "parse"},
    Family{"INVALID_INTERVAL_FORMAT", "parse"},
    Family{"UNCLOSED_BRACKETED_COMMENT", "parse"},
    Family{"DUPLICATE_CLAUSES", "parse"},
    Family{"DUPLICATE_KEY", "parse"},
    Family{"REPETITIVE_WINDOW_DEFINITION", "parse"},
    Family{"INVALID_WINDOW_REFERENCE", "parse"},
    Family{"WINDOW_REFERENCE", "parse"},
    Family{"UNSUPPORTED_DATATYPE", "parse"},
    Family{"DATATYPE_MISSING_SIZE", "parse"},
    Family{"INCOMPATIBLE_JOIN_TYPES", "parse"},
    Family{"DIVIDE_BY_ZERO", "arithmetic"},
    Family{"REMAINDER_BY_ZERO", "arithmetic"},
    Family{"INTERVAL_DIVIDED_BY_ZERO", "arithmetic"},
    Family{"ARITHMETIC_OVERFLOW", "arithmetic"},
    Family{"BINARY_ARITHMETIC_OVERFLOW", "arithmetic"},
    Family{"INTERVAL_ARITHMETIC_OVERFLOW", "arithmetic"},
    Family{"CAST_OVERFLOW", "arithmetic"},
    Family{"DATETIME_OVERFLOW", "arithmetic"},
    Family{"NUMERIC_VALUE_OUT_OF_RANGE", "arithmetic"},
    Family{"COLLECTION_SIZE_LIMIT_EXCEEDED", "runtime"},
    Family{"CAST_INVALID_INPUT", "number or time"},
    Family{"CANNOT_PARSE_TIME", "time"},
    Family{"CANNOT_PARSE_TIMESTAMP", "time"},
    Family{"DATETIME_FIELD_OUT_OF_BOUNDS", "time"},
    Family{"INVALID_TIMEZONE", "time"},
    Family{"INVALID_ARRAY_INDEX", "index"},
    Family{"INVALID_INDEX_OF_ZERO", "runtime"},
    Family{"INVALID_PARAMETER_VALUE", "runtime"},
    Family{"MAP_KEY_DOES_NOT_EXIST", "element"},
    Family{"NULL_MAP_KEY", "runtime"},
    Family{"DUPLICATED_MAP_KEY", "runtime"},
    Family{"SCALAR_SUBQUERY_TOO_MANY_ROWS", "spark"},
    Family{"USER_RAISED_EXCEPTION", "runtime"},
    Family{"ASSERT_TRUE", "runtime"},
    Family{"COMPARATOR_RETURNS_NULL", "runtime"},
    Family{"ROW_SUBQUERY_TOO_MANY_ROWS", "runtime"},
    Family{"MALFORMED_RECORD", "runtime"},
    Family{"INCONSISTENT_BEHAVIOR_CROSS_VERSION", "upgrade"},
    Family{"OPERATION_CANCELED", "sql"},
    Family{"INVALID_HANDLE", "sql"},
    Family{"INVALID_CURSOR", "sql"},
    Family{"CONNECT_INVALID_PLAN", "plan"},
    Family{"UNSUPPORTED_FEATURE", "unsupported"},
    Family{"INVALID_CONF_VALUE", "argument"},
    Family{"INVALID_SAMPLING_FRACTION", "argument"},
    Family{"SQL_CONF_NOT_FOUND", "missing"},
    Family{"PYTHON_EXCEPTION", "python"},
    Family{"STREAM_FAILED", "stream"},
    Family{"DATA_SOURCE_NOT_FOUND", "class"},
    Family{"STDS_", "runtime"},
    Family{"STREAMING_OUTPUT_MODE.INVALID", "argument"},
    Family{"_LEGACY_ERROR_TEMP_2048", "argument"},  // a stream without a schema
    Family{"CANNOT_PARSE_INTERVAL", "analysis"},
};

std::vector<std::string> family_classes(std::string_view family, const Error& error) {
  const std::string kRuntime = "org.apache.spark.SparkRuntimeException";
  if (family == "parse")
    return {"org.apache.spark.sql.catalyst.parser.ParseException",
            "org.apache.spark.sql.AnalysisException", "java.lang.Exception"};
  if (family == "arithmetic")
    return {"org.apache.spark.SparkArithmeticException", "java.lang.ArithmeticException",
            "java.lang.RuntimeException"};
  if (family == "time")
    return {"org.apache.spark.SparkDateTimeException", "java.time.DateTimeException",
            "java.lang.RuntimeException"};
  if (family == "number or time") {
    for (const auto& [name, value] : error.parameters())
      if (name == "targetType" &&
          (value.find("DATE") != std::string::npos || value.find("TIME") != std::string::npos))
        return family_classes("time", error);
    for (const auto& [name, value] : error.parameters())
      if (name == "targetType" && value.find("BOOLEAN") != std::string::npos)
        return {kRuntime, "java.lang.RuntimeException"};
    return {"org.apache.spark.SparkNumberFormatException", "java.lang.NumberFormatException",
            "java.lang.IllegalArgumentException", "java.lang.RuntimeException"};
  }
  if (family == "index")
    return {"org.apache.spark.SparkArrayIndexOutOfBoundsException",
            "java.lang.ArrayIndexOutOfBoundsException", "java.lang.IndexOutOfBoundsException",
            "java.lang.RuntimeException"};
  if (family == "element" || family == "missing")
    return {"org.apache.spark.SparkNoSuchElementException", "java.util.NoSuchElementException",
            "java.lang.RuntimeException"};
  if (family == "upgrade")
    return {"org.apache.spark.SparkUpgradeException", "java.lang.RuntimeException"};
  if (family == "sql")
    return {"org.apache.spark.SparkSQLException", "java.sql.SQLException", "java.lang.Exception"};
  if (family == "plan")
    return {"org.apache.spark.sql.connect.common.InvalidPlanInput", "java.lang.RuntimeException"};
  if (family == "unsupported")
    return {"org.apache.spark.SparkUnsupportedOperationException",
            "java.lang.UnsupportedOperationException", "java.lang.RuntimeException"};
  if (family == "analysis")
    return {"org.apache.spark.sql.AnalysisException", "java.lang.Exception"};
  if (family == "stream")
    return {"org.apache.spark.sql.streaming.StreamingQueryException", "java.lang.Exception"};
  if (family == "python")
    return {"org.apache.spark.api.python.PythonException", "java.lang.RuntimeException"};
  if (family == "argument")
    return {"org.apache.spark.SparkIllegalArgumentException", "java.lang.IllegalArgumentException",
            "java.lang.RuntimeException"};
  if (family == "class")
    return {"org.apache.spark.SparkClassNotFoundException", "java.lang.ClassNotFoundException",
            "java.lang.ReflectiveOperationException", "java.lang.Exception"};
  if (family == "spark") return {"org.apache.spark.SparkException", "java.lang.Exception"};
  return {kRuntime, "java.lang.RuntimeException"};
}

// Kernels write their errors as text: the parameters are taken out of it again. {name} stands for
// one, up to the words that follow.
struct MessageShape {
  std::string_view error_class;
  std::string_view text;
  std::string_view constant;  // a parameter that is the same for all, or empty
  std::string_view value;
};
constexpr std::string_view kAnsi = "\"spark.sql.ansi.enabled\"";
constexpr std::array kShapes = {
    MessageShape{"DIVIDE_BY_ZERO", "Division by zero.", "config", kAnsi},
    MessageShape{"REMAINDER_BY_ZERO", "Remainder by zero.", "config", kAnsi},
    MessageShape{"CAST_INVALID_INPUT",
                 "The value {expression} of the type {sourceType} cannot be cast to {targetType} "
                 "because",
                 "ansiConfig", kAnsi},
    MessageShape{"CAST_OVERFLOW",
                 "The value {value} of the type {sourceType} cannot be cast to {targetType} due to",
                 "ansiConfig", kAnsi},
    MessageShape{"NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
                 "{value} cannot be represented as Decimal({precision}, {scale}).", "config",
                 kAnsi},
    MessageShape{"INVALID_ARRAY_INDEX",
                 "The index {indexValue} is out of bounds. The array has {arraySize} elements.", "",
                 ""},
    MessageShape{"INVALID_ARRAY_INDEX_IN_ELEMENT_AT",
                 "The index {indexValue} is out of bounds. The array has {arraySize} elements.", "",
                 ""},
    MessageShape{"DUPLICATED_MAP_KEY", "Duplicate map key {key} was found,", "mapKeyDedupPolicy",
                 "\"spark.sql.mapKeyDedupPolicy\""},
};

Error with_parameters_of_text(Error error) {
  if (!error.parameters().empty()) return error;
  for (const MessageShape& shape : kShapes) {
    if (shape.error_class != error.error_class()) continue;
    std::string_view message = error.message();
    if (const std::string head = fmt::format("[{}] ", shape.error_class); message.starts_with(head))
      message.remove_prefix(head.size());
    std::vector<std::pair<std::string, std::string>> found;
    std::string_view text = shape.text;
    while (!text.empty()) {
      const size_t open = std::min(text.find('{'), text.size());
      if (message.substr(0, open) != text.substr(0, open)) return error;
      message.remove_prefix(open);
      text.remove_prefix(open);
      if (text.empty()) break;
      const size_t close = text.find('}');
      const std::string name(text.substr(1, close - 1));
      text.remove_prefix(close + 1);
      const size_t end = message.find(text.substr(0, std::min(text.find('{'), text.size())));
      if (end == std::string_view::npos) return error;
      found.emplace_back(name, message.substr(0, end));
      message.remove_prefix(end);
    }
    for (auto& [name, value] : found)
      error = std::move(error).with_parameter(name, std::move(value));
    if (!shape.constant.empty())
      error =
          std::move(error).with_parameter(std::string(shape.constant), std::string(shape.value));
    return error;
  }
  return error;
}

std::string shortened(std::string text) {
  if (text.size() <= kTextMax) return text;
  size_t end = kTextMax;  // not inside a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  text.resize(end);
  return text + "...";
}

// The context is the message's end: "== SQL (line 1, position 8) ==", the text, and a line of
// carets below the fragment's first line.
void write_context(const std::string& message, Details::SparkThrowable& out) {
  const size_t header = message.find("== SQL");
  if (header == std::string::npos) return;
  const size_t line_at = message.find("(line ", header);
  const size_t begin = message.find('\n', header);
  if (line_at == std::string::npos || begin == std::string::npos) return;
  int line = 0, position = 0;
  if (std::sscanf(message.c_str() + line_at, "(line %d, position %d)", &line, &position) != 2)
    return;
  std::vector<std::string> lines;
  for (size_t at = begin + 1; at <= message.size();) {
    const size_t end = std::min(message.find('\n', at), message.size());
    lines.push_back(message.substr(at, end - at));
    at = end + 1;
  }
  std::string sql, fragment;
  int number = 0;
  size_t start = 0;
  for (const std::string& text : lines) {
    const size_t caret = text.find('^');
    if (caret != std::string::npos && text.find_first_not_of(" ^") == std::string::npos) {
      const size_t width = text.size() - caret;
      const size_t line_begin = sql.rfind('\n', sql.size() - 2) == std::string::npos
                                    ? 0
                                    : sql.rfind('\n', sql.size() - 2) + 1;
      if (fragment.empty()) start = line_begin + caret;
      const std::string part = sql.substr(std::min(sql.size(), line_begin + caret), width);
      fragment += fragment.empty() ? part : "\n" + part;
      continue;
    }
    ++number;
    sql += text + "\n";
  }
  if (fragment.empty()) return;
  auto& context = *out.add_query_contexts();
  context.set_context_type(Details::QueryContext::SQL);
  context.set_start_index(static_cast<int32_t>(start));
  context.set_stop_index(static_cast<int32_t>(start + fragment.size() - 1));
  context.set_fragment(fragment);
  context.set_summary(message.substr(header));
}

CallStatus make_status(const Error& error, const std::string& id) {
  const auto classes = exception_classes(error);
  google::rpc::ErrorInfo info;
  info.set_reason(classes.front());
  info.set_domain("org.apache.spark");
  base::JsonArray names;
  for (const std::string& name : classes)
    names.emplace_back(name);
  auto& metadata = *info.mutable_metadata();
  metadata["classes"] = base::json_text(names);
  if (!id.empty()) metadata["errorId"] = id;
  if (!error.error_class().empty()) {
    metadata["errorClass"] = error.error_class();
    base::JsonObject parameters;
    for (const auto& [name, value] : error.parameters())
      parameters[name] = value;
    std::string text = base::json_text(parameters);
    metadata["messageParameters"] = text.size() <= kTextMax ? text : "{}";
  }
  if (!error.sql_state().empty()) metadata["sqlState"] = error.sql_state();
  google::rpc::Status status;
  status.set_code(kGrpcInternal);
  status.set_message(shortened(exception_text(error)));
  status.add_details()->PackFrom(info);
  return {kGrpcInternal, status.message(), status.SerializeAsString()};
}

// Values of options that a source or sink checks itself: Spark gives them no condition.
bool is_argument(const Error& error) {
  if (error.kind() != ErrorKind::kInvalidArgument || !error.error_class().empty()) return false;
  constexpr std::array<std::string_view, 11> kBegin{"option ",
                                                    "the option ",
                                                    "Kafka option ",
                                                    "Invalid value ",
                                                    "starting offset",
                                                    "ending offset",
                                                    "Archive mode must",
                                                    "Base archive path",
                                                    "Invalid mode for clean",
                                                    "maxFilesPerTrigger and",
                                                    "the interval of trigger"};
  return std::any_of(kBegin.begin(), kBegin.end(),
                     [&](std::string_view begin) { return error.message().starts_with(begin); });
}

}  // namespace

std::vector<std::string> exception_classes(const Error& error) {
  const std::string& name = error.error_class();
  const auto* found = std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& family) {
    return name.starts_with(family.prefix);
  });
  std::vector<std::string> classes;
  if (found != kFamilies.end() && !name.empty()) {
    classes = family_classes(found->exception, error);
  } else if (error.kind() == ErrorKind::kCancelled) {
    classes = family_classes("sql", error);
  } else if (!name.empty() &&
             (error.sql_state().starts_with("42") || error.sql_state() == "0A000")) {
    classes = {"org.apache.spark.sql.AnalysisException", "java.lang.Exception"};
  } else if (!name.empty() && error.sql_state().starts_with("22")) {
    classes = family_classes("runtime", error);
  } else if (error.kind() == ErrorKind::kUnsupported) {
    classes = family_classes("unsupported", error);
  } else if (is_argument(error) ||
             (name.empty() && (error.kind() == ErrorKind::kAlreadyExists ||
                               error.message().starts_with("requirement failed: ")))) {
    classes = {"java.lang.IllegalArgumentException", "java.lang.RuntimeException"};
  } else if (error.kind() == ErrorKind::kInvalidArgument || error.kind() == ErrorKind::kNotFound ||
             error.kind() == ErrorKind::kAlreadyExists) {
    classes = {"org.apache.spark.sql.AnalysisException", "java.lang.Exception"};
  } else {
    classes = {"org.apache.spark.SparkException", "java.lang.Exception"};
  }
  classes.emplace_back("java.lang.Throwable");
  classes.emplace_back("java.lang.Object");
  return classes;
}

std::string exception_text(const Error& error) {
  std::string text = error.message();
  if (error.kind() == ErrorKind::kCancelled && error.error_class().empty())
    return "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008";
  if (error.error_class().empty()) return text;
  const std::string head = fmt::format("[{}] ", error.error_class());
  if (!text.starts_with(head)) text = head + text;
  if (error.sql_state().empty() || text.find("SQLSTATE: ") != std::string::npos) return text;
  const size_t context = text.find("\n==");
  return text.insert(std::min(context, text.size()),
                     fmt::format(" SQLSTATE: {}", error.sql_state()));
}

CallStatus plain_status(const Error& error) { return make_status(error, ""); }

CallStatus ErrorBook::status(const Error& given) {
  Error error = given;
  if (error.kind() == ErrorKind::kUnsupported && error.error_class().empty())
    error = Error(error.kind(), (error.message().starts_with("The feature is")
                                     ? ""
                                     : "The feature is not supported: ") +
                                    error.message())
                .with_class("UNSUPPORTED_FEATURE")
                .with_sql_state("0A000");
  if (error.kind() == ErrorKind::kCancelled && error.error_class().empty())
    error = Error(ErrorKind::kCancelled, "Operation has been canceled.")
                .with_class("OPERATION_CANCELED")
                .with_sql_state("HY008");
  error = with_parameters_of_text(std::move(error));
  const std::string id = base::uuid(random_);
  {
    const std::scoped_lock lock(mutex_);
    errors_.emplace_back(id, error);
    if (errors_.size() > kKept) errors_.pop_front();
  }
  return make_status(error, id);
}

bool ErrorBook::describe(const std::string& id, Details& out) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(errors_.begin(), errors_.end(),
                                  [&](const auto& entry) { return entry.first == id; });
  if (found == errors_.end()) return false;
  const Error& error = found->second;
  out.set_root_error_idx(0);
  auto& written = *out.add_errors();
  for (const std::string& name : exception_classes(error))
    written.add_error_type_hierarchy(name);
  written.set_message(exception_text(error));
  auto& throwable = *written.mutable_spark_throwable();
  if (!error.error_class().empty()) throwable.set_error_class(error.error_class());
  if (!error.sql_state().empty()) throwable.set_sql_state(error.sql_state());
  for (const auto& [name, value] : error.parameters())
    (*throwable.mutable_message_parameters())[name] = value;
  write_context(exception_text(error), throwable);
  return true;
}

}  // namespace weir::connect
