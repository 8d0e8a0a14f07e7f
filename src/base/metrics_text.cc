#include "base/metrics_text.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>
#include <sys/resource.h>

namespace weir::base {
namespace {

void append_escaped(std::string& text, std::string_view raw, bool quotes) {
  for (const char c : raw) {
    if (c == '\\')
      text += "\\\\";
    else if (c == '\n')
      text += "\\n";
    else if (c == '"' && quotes)
      text += "\\\"";
    else
      text += c;
  }
}

// The fields of /proc/self/stat behind the program's name, beginning with field 3.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  for (std::string field; rest >> field;)
    fields.push_back(field);
  return fields;
}

double boot_time_s() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return 0;
}

}  // namespace

void MetricsText::family(std::string_view name, Type type, std::string_view help) {
  constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  name_ = name;
  text_ += fmt::format("# HELP {} ", name);
  append_escaped(text_, help, false);
  text_ += fmt::format("\n# TYPE {} {}\n", name, kTypes[static_cast<int>(type)]);
}

void MetricsText::head(const Labels& labels, std::string_view suffix) {
  text_ += name_;
  text_ += suffix;
  if (!labels.empty()) {
    text_ += '{';
    for (const auto& [label, value] : labels) {
      if (text_.back() != '{') text_ += ',';
      text_ += label;
      text_ += "=\"";
      append_escaped(text_, value, true);
      text_ += '"';
    }
    text_ += '}';
  }
  text_ += ' ';
}

void MetricsText::value(const Labels& labels, int64_t value, std::string_view suffix) {
  head(labels, suffix);
  text_ += fmt::format("{}\n", value);
}

void MetricsText::value(const Labels& labels, double value, std::string_view suffix) {
  head(labels, suffix);
  if (std::isnan(value))
    text_ += "NaN\n";
  else if (std::isinf(value))
    text_ += value > 0 ? "+Inf\n" : "-Inf\n";
  else
    text_ += fmt::format("{}\n", value);
}

void add_process_metrics(MetricsText& text, std::string_view version) {
  using Type = MetricsText::Type;
  text.family("weir_build_info", Type::kGauge, "1, with the version that runs");
  text.value({{"version", std::string(version)}}, int64_t{1});
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    text.family("process_cpu_seconds_total", Type::kCounter,
                "Processor time used, user and system, in seconds");
    text.value(seconds(used.ru_utime) + seconds(used.ru_stime));
  }
  const auto fields = stat_fields();
  constexpr size_t kStartTime = 19;  // field 22
  constexpr size_t kResident = 21;   // field 24
  if (fields.size() > kResident) {
    text.family("process_resident_memory_bytes", Type::kGauge, "Resident memory in bytes");
    text.value(static_cast<int64_t>(std::stoll(fields[kResident]) * sysconf(_SC_PAGESIZE)));
    text.family("process_start_time_seconds", Type::kGauge,
                "When the process started, in seconds since 1970");
    text.value(boot_time_s() + static_cast<double>(std::stoll(fields[kStartTime])) /
                                   static_cast<double>(sysconf(_SC_CLK_TCK)));
  }
  std::error_code failed;
  int64_t open = 0;
  for (std::filesystem::directory_iterator file("/proc/self/fd", failed), end;
       !failed && file != end; file.increment(failed))
    ++open;
  if (!failed) {
    text.family("process_open_fds", Type::kGauge, "Open file descriptors");
    text.value(open);
  }
}

}  // namespace weir::base
