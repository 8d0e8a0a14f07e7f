#include "python/run_header.h"

#include "base/json.h"

namespace weir::python {

namespace {

constexpr int kV41 = 401, kV42 = 402;

// The types whose functions get single columns, and therefore may get them by name.
bool takes_names(const RunHeader& header) {
  if (header.version >= kV42) return true;
  switch (header.eval_type) {
    case kPickled:
    case kArrowBatched:
    case kScalarPandas:
    case kGroupedAggPandas:
    case kScalarPandasIter:
      return true;
    case kScalarArrow:
    case kScalarArrowIter:
    case kGroupedAggArrow:
      return header.version >= kV41;
    default:
      return false;
  }
}

void put_map(const std::vector<std::pair<std::string, std::string>>& map, WireBytes& out) {
  out.put_int(static_cast<int32_t>(map.size()));
  for (const auto& [key, value] : map) {
    out.put_text(key);
    out.put_text(value);
  }
}

void put_task_context(const RunHeader& header, WireBytes& out) {
  if (header.version >= kV42) {
    base::JsonObject properties;
    for (const auto& [key, value] : header.properties)
      properties[key] = value;
    const base::JsonObject context{{"isBarrier", false},
                                   {"stageId", 0},
                                   {"partitionId", header.task},
                                   {"attemptNumber", 0},
                                   {"taskAttemptId", header.task},
                                   {"cpus", 1},
                                   {"resources", base::JsonObject()},
                                   {"localProperties", std::move(properties)}};
    out.put_text(base::json_text(context));
    return;
  }
  out.put_byte(false);  // no barrier
  if (header.version < kV41) {
    out.put_int(0);  // its port
    out.put_text("");
  }
  out.put_int(0);  // stage
  out.put_int(static_cast<int32_t>(header.task));
  out.put_int(0);  // attempt
  out.put_long(header.task);
  out.put_int(1);  // cpus
  out.put_int(0);  // resources
  put_map(header.properties, out);
}

// 4.2's worker turns the text to lower case before it reads it as JSON: escapes outlive that.
std::string without_capitals(std::string_view json) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char each : json) {
    if (each < 'A' || each > 'Z') {
      text.push_back(each);
      continue;
    }
    text += "\\u00";
    text.push_back(kDigits[static_cast<size_t>(each) >> 4]);
    text.push_back(kDigits[static_cast<size_t>(each) & 15]);
  }
  return text;
}

void put_settings(const RunHeader& header, WireBytes& out) {
  if (header.version >= kV42) {
    put_map(header.settings, out);
    std::vector<std::pair<std::string, std::string>> of_evaluation;
    if (!header.input_schema.empty()) of_evaluation.emplace_back("input_type", header.input_schema);
    if (!header.state_schema.empty())
      of_evaluation.emplace_back("state_value_schema", without_capitals(header.state_schema));
    if (!header.state_address.empty()) {
      of_evaluation.emplace_back("state_server_socket_port", header.state_address);
      of_evaluation.emplace_back("grouping_key_schema", without_capitals(header.key_schema));
    }
    put_map(of_evaluation, out);
    return;
  }
  if (header.eval_type == kPlain) return;
  if (header.eval_type != kPickled) {
    put_map(header.settings, out);
    if (header.eval_type == kArrowBatched && header.version >= kV41)
      out.put_text(header.input_schema);
    if (header.eval_type == kGroupedMapPandasWithState) out.put_text(header.state_schema);
    if (!header.state_address.empty()) {
      out.put_int(-1);  // no port
      out.put_text(header.state_address);
      out.put_text(header.key_schema);
    }
  }
  out.put_byte(false);  // no profiler
}

}  // namespace

void WireBytes::put_int(int32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes_.push_back(static_cast<char>(static_cast<uint32_t>(value) >> shift));
}

void WireBytes::put_long(int64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes_.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
}

void WireBytes::put_text(std::string_view text) {
  put_int(static_cast<int32_t>(text.size()));
  bytes_.append(text);
}

std::string header_bytes(const RunHeader& header) {
  WireBytes out;
  out.put_int(static_cast<int32_t>(header.task));
  out.put_text(header.python_version);
  put_task_context(header, out);
  out.put_text(header.folder.empty() ? "/nonexistent" : header.folder);
  out.put_int(static_cast<int32_t>(header.includes.size()));
  for (const auto& name : header.includes)
    out.put_text(name);
  out.put_byte(false);  // broadcasts
  out.put_int(0);
  out.put_int(header.eval_type);
  put_settings(header, out);
  if (header.eval_type == kPlain) {
    out.put_text(header.functions.at(0).commands.at(0));
    return out.take();
  }
  out.put_int(static_cast<int32_t>(header.functions.size()));
  const bool names = takes_names(header);
  for (const auto& function : header.functions) {
    out.put_int(static_cast<int32_t>(function.offsets.size()));
    for (size_t i = 0; i < function.offsets.size(); ++i) {
      out.put_int(function.offsets[i]);
      if (!names) continue;
      const bool named = i < function.names.size() && !function.names[i].empty();
      out.put_byte(named);
      if (named) out.put_text(function.names[i]);
    }
    out.put_int(static_cast<int32_t>(function.commands.size()));
    for (const auto& command : function.commands)
      out.put_text(command);
    if (header.version >= kV42) out.put_long(0);  // id of the result, for profilers
  }
  return out.take();
}

}  // namespace weir::python
