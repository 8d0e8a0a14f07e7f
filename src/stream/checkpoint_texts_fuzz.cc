// What a checkpoint's files and a query's options say may be anything: read or refused, never a
// crash. What is read is written and read again the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "source/file_source_log.h"
#include "source/kafka_offsets.h"
#include "source/kafka_source_options.h"
#include "source/option_text.h"
#include "stream/commit_log.h"
#include "stream/offset_log.h"
#include "stream/query_metadata.h"
#include "stream/trigger.h"

namespace {

using namespace weir;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_logs(std::string_view text) {
  if (const auto entry = stream::parse_offset_log(text, "fuzz"); entry.ok()) {
    const std::string written = stream::offset_log_text(*entry);
    const auto again = stream::parse_offset_log(written, "fuzz again");
    check(again.ok() && stream::offset_log_text(*again) == written);
  }
  if (const auto entry = stream::parse_commit_log(text, "fuzz"); entry.ok()) {
    const std::string written = stream::commit_log_text(*entry);
    const auto again = stream::parse_commit_log(written, "fuzz again");
    check(again.ok() && stream::commit_log_text(*again) == written);
  }
  if (const auto entries = source::parse_file_entries(text, "fuzz"); entries.ok()) {
    const std::string written = source::file_entries_text(*entries);
    const auto again = source::parse_file_entries(written, "fuzz again");
    check(again.ok() && source::file_entries_text(*again) == written);
  }
  if (const auto offsets = source::parse_kafka_offsets(text, "fuzz"); offsets.ok()) {
    const std::string written = source::kafka_offsets_json(*offsets);
    const auto again = source::parse_kafka_offsets(written, "fuzz again");
    check(again.ok() && *again == *offsets);
  }
  (void)stream::parse_query_metadata(text, "fuzz");
}

void check_options(std::string_view text) {
  if (const auto trigger = stream::parse_trigger(text); trigger.ok()) {
    const auto again = stream::parse_trigger(stream::to_string(*trigger));
    check(again.ok() && again->kind == trigger->kind && again->interval_us == trigger->interval_us);
  }
  (void)source::parse_duration_us(text, "fuzz");
  (void)source::parse_byte_size(text, "fuzz");
  std::map<std::string, std::string> options{{"kafka.bootstrap.servers", "a:1"}};
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (const size_t equals = line.find('='); equals != line.npos)
      options[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  }
  (void)source::parse_kafka_source_options(options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    check_logs(text);
  } else {
    check_options(text);
  }
  return 0;
}
