// Builds a page of metrics in Prometheus's text exposition format (version 0.0.4).
//
//   # HELP weir_queries_active Streaming queries that run
//   # TYPE weir_queries_active gauge
//   weir_queries_active 2
//
// A family is begun once; its values follow it. Names and label names have to be of the format's
// alphabet, values of labels may be any text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::base {

class MetricsText {
 public:
  enum class Type { kCounter, kGauge, kHistogram };
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  void family(std::string_view name, Type type, std::string_view help);
  // A value of the family begun last. suffix: of histograms, "_bucket", "_sum", "_count".
  void value(const Labels& labels, int64_t value, std::string_view suffix = {});
  void value(const Labels& labels, double value, std::string_view suffix = {});
  void value(int64_t number) { value({}, number); }
  void value(double number) { value({}, number); }

  std::string take() { return std::move(text_); }

 private:
  void head(const Labels& labels, std::string_view suffix);

  std::string text_;
  std::string name_;
};

// What every process tells of itself, under the names that Prometheus's own client libraries use:
// process_cpu_seconds_total, process_resident_memory_bytes, process_start_time_seconds,
// process_open_fds; and weir_build_info with the version.
void add_process_metrics(MetricsText& text, std::string_view version);

}  // namespace weir::base
