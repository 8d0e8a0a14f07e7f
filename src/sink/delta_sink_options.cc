
#include "base/parse_integer.h"
#include "base/text.h"
#include "sink/delta_sink.h"

namespace weir::sink {
namespace {

using base::ErrorKind;
using base::Result;

base::Error bad_value(std::string_view option, std::string_view value, std::string_view expected) {
  return base::error(ErrorKind::kInvalidArgument, "Delta sink: {} is \"{}\"; {} is expected",
                     option.find(' ') == std::string_view::npos ? fmt::format("option {}", option)
                                                                : std::string(option),
                     value, expected);
}

Result<bool> parse_bool(std::string_view option, const std::string& value) {
  if (base::lower_case(value) == "true") return true;
  if (base::lower_case(value) == "false") return false;
  return bad_value(option, value, "true or false");
}

Result<int64_t> parse_number(std::string_view option, std::string_view value) {
  const auto number = base::parse_integer(value);
  if (!number || *number < 0) return bad_value(option, value, "a number");
  return *number;
}

// "134217728", "128mb", "1g"
Result<int64_t> parse_bytes(std::string_view option, const std::string& value) {
  const std::string text = base::lower_case(value);
  const size_t digits = text.find_first_not_of("0123456789");
  const std::string unit = digits == std::string::npos ? "b" : text.substr(digits);
  const int shift = unit == "b"                   ? 0
                    : unit == "k" || unit == "kb" ? 10
                    : unit == "m" || unit == "mb" ? 20
                    : unit == "g" || unit == "gb" ? 30
                                                  : -1;
  if (shift < 0 || digits == 0 || (digits != std::string::npos && digits > 12))
    return bad_value(option, value, "a size like 128mb");
  WEIR_ASSIGN(const int64_t count, parse_number(option, text.substr(0, digits)));
  if (count == 0 || count > (int64_t{1} << 50 >> shift))
    return bad_value(option, value, "a size like 128mb");
  return count << shift;
}

std::vector<std::string> parse_list(std::string_view value) {
  std::vector<std::string> list;
  while (!value.empty()) {
    const size_t end = value.find(',');
    std::string_view item = value.substr(0, end);
    value.remove_prefix(end == std::string_view::npos ? value.size() : end + 1);
    while (item.starts_with(' '))
      item.remove_prefix(1);
    while (item.ends_with(' '))
      item.remove_suffix(1);
    if (!item.empty()) list.emplace_back(item);
  }
  return list;
}

Result<void> parse_option(DeltaSinkOptions& options, const std::string& name,
                          const std::string& value) {
  const std::string key = base::lower_case(name);
  if (key == "path") {
    options.path = value;
  } else if (key == "outputmode") {
    const std::string mode = base::lower_case(value);
    if (mode != "append" && mode != "complete") {
      return base::error(ErrorKind::kUnsupported,
                         "Delta sink: output mode {} is not supported; use append or complete",
                         value)
          .with_class("DELTA_UNSUPPORTED_OUTPUT_MODE");
    }
    options.output_mode = mode == "append" ? DeltaSinkOptions::OutputMode::kAppend
                                           : DeltaSinkOptions::OutputMode::kComplete;
  } else if (key == "mergeschema") {
    WEIR_ASSIGN(options.merge_schema, parse_bool(name, value));
  } else if (key == "partitionby") {
    options.partition_by = parse_list(value);
  } else if (key == "targetfilesize") {
    WEIR_ASSIGN(options.files.target_file_bytes, parse_size(name, value));
  } else if (key == "compression") {
    WEIR_ASSIGN(options.files.compression, delta::parse_compression(value));
  } else if (key == "checkpointinterval") {
    WEIR_ASSIGN(options.checkpoint_commits, parse_number(name, value));
  } else if (key == "autocompact") {
    if (base::lower_case(value) != "auto") {
      WEIR_ASSIGN(options.compaction.enabled, parse_auto_compact(name, value));
    }
  } else if (key == "autocompactminfiles") {
    WEIR_ASSIGN(options.compaction.files_min, parse_number(name, value));
    if (options.compaction.files_min < 2) return bad_value(name, value, "a number from 2 on");
  } else if (key == "autocompactmaxfilesize") {
    WEIR_ASSIGN(options.compaction.target_file_bytes, parse_size(name, value));
  } else {
    return base::error(ErrorKind::kUnsupported,
                       "Delta sink: option {} is not supported; there are path, outputMode, "
                       "mergeSchema, partitionBy, targetFileSize, "
                       "compression, checkpointInterval, autoCompact, autoCompactMinFiles, "
                       "autoCompactMaxFileSize",
                       name);
  }
  return {};
}

}  // namespace

Result<int64_t> parse_size(std::string_view option, const std::string& value) {
  return parse_bytes(option, value);
}

Result<bool> parse_auto_compact(std::string_view option, const std::string& value) {
  const std::string word = base::lower_case(value);
  if (word == "true" || word == "auto" || word == "legacy") return true;
  if (word == "false" || word == "off") return false;
  return bad_value(option, value, "true, false or auto");
}

Result<DeltaSinkOptions> parse_delta_sink_options(
    const std::vector<std::pair<std::string, std::string>>& given) {
  DeltaSinkOptions options;
  for (const auto& [name, value] : given)
    WEIR_TRY(parse_option(options, name, value));
  if (options.path.empty())
    return base::error(ErrorKind::kInvalidArgument, "Delta sink: option path is missing");
  return options;
}

}  // namespace weir::sink
