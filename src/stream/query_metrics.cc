#include "stream/query_metrics.h"

#include <cstdlib>
#include <functional>

namespace weir::stream {
namespace {

using base::MetricsText;
using Type = MetricsText::Type;
using Labels = MetricsText::Labels;

// What is asked of one query, once.
struct Seen {
  QueryStatus status;
  std::optional<QueryProgress> progress;
  bool failed = false;
  int64_t starts = 0;

  Labels labels() const { return {{"id", status.id}, {"name", status.name}}; }
  Labels with(std::string_view label, std::string value) const {
    auto all = labels();
    all.emplace_back(label, std::move(value));
    return all;
  }
};

double seconds(int64_t us) { return static_cast<double>(us) / 1e6; }

std::vector<Seen> look_at(const QueryManager& manager) {
  std::map<std::string, Seen> by_id;  // later ones are newer
  for (const auto& query : manager.all()) {
    Seen seen{query->status(), query->last_progress(), query->failure().has_value(),
              manager.starts(query->id())};
    seen.status.id = query->id();
    seen.status.name = query->name();
    by_id.insert_or_assign(query->id(), std::move(seen));
  }
  std::vector<Seen> all;
  all.reserve(by_id.size());
  for (auto& [id, seen] : by_id)
    all.push_back(std::move(seen));
  return all;
}

class QueryMetrics {
 public:
  QueryMetrics(std::vector<Seen> queries, MetricsText& text)
      : queries_(std::move(queries)), text_(text) {}

  void each(std::string_view name, Type type, std::string_view help,
            const std::function<int64_t(const Seen&)>& number) {
    text_.family(name, type, help);
    for (const Seen& query : queries_)
      text_.value(query.labels(), number(query));
  }
  // Of the newest batch, where there is one.
  void of_progress(std::string_view name, Type type, std::string_view help,
                   const std::function<void(const Seen&, const QueryProgress&)>& write) {
    text_.family(name, type, help);
    for (const Seen& query : queries_)
      if (query.progress) write(query, *query.progress);
  }

  // Of the newest batch, over all sources.
  void rate(std::string_view name, std::string_view help, double SourceProgress::*one) {
    of_progress(name, Type::kGauge, help, [&](const Seen& query, const QueryProgress& progress) {
      double sum = 0;
      for (const auto& source : progress.sources)
        sum += source.*one;
      text_.value(query.labels(), sum);
    });
  }

  void counts() {
    int64_t active = 0;
    for (const Seen& query : queries_)
      active += query.status.active ? 1 : 0;
    text_.family("weir_queries_active", Type::kGauge, "Streaming queries that run");
    text_.value(active);
    each("weir_query_active", Type::kGauge, "1 while the query runs",
         [](const Seen& query) { return query.status.active ? 1 : 0; });
    each("weir_query_failed", Type::kGauge, "1 where an error ended the query's newest run",
         [](const Seen& query) { return query.failed ? 1 : 0; });
    each("weir_query_starts_total", Type::kCounter,
         "Starts of the query in this process; more than one: it was restarted",
         [](const Seen& query) { return query.starts; });
    each("weir_query_batch_retries_total", Type::kCounter,
         "Attempts of batches that failed and were tried again, of this run",
         [](const Seen& query) { return query.status.retries; });
    each("weir_query_batches_total", Type::kCounter, "Batches committed in this run",
         [](const Seen& query) { return query.status.batches; });
    each("weir_query_input_rows_total", Type::kCounter, "Rows read in this run",
         [](const Seen& query) { return query.status.input_rows; });
    each("weir_query_output_rows_total", Type::kCounter,
         "Rows written in this run, where the sink counts them",
         [](const Seen& query) { return query.status.output_rows; });
    each("weir_query_corrupt_rows_total", Type::kCounter, "Rows that did not parse",
         [](const Seen& query) { return query.status.corrupt_rows; });
    each("weir_query_dropped_rows_total", Type::kCounter,
         "Rows left out because they did not parse (mode DROPMALFORMED)",
         [](const Seen& query) { return query.status.dropped_rows; });
    each("weir_query_late_rows_total", Type::kCounter,
         "Rows dropped because they came after the watermark",
         [](const Seen& query) { return query.status.late_rows; });
  }

  void durations() {
    text_.family("weir_query_trigger_seconds", Type::kHistogram,
                 "How long triggers that ran a batch took");
    for (const Seen& query : queries_) {
      const DurationHistogram& triggers = query.status.triggers;
      int64_t sum = 0;
      for (size_t i = 0; i < DurationHistogram::kBoundsUs.size(); ++i) {
        sum += triggers.counts[i];
        text_.value(query.with("le", fmt::format("{}", seconds(DurationHistogram::kBoundsUs[i]))),
                    sum, "_bucket");
      }
      sum += triggers.counts.back();
      text_.value(query.with("le", "+Inf"), sum, "_bucket");
      text_.value(query.labels(), seconds(triggers.sum_us), "_sum");
      text_.value(query.labels(), sum, "_count");
    }
    text_.family("weir_query_phase_seconds_total", Type::kCounter,
                 "Time spent in the phases of batches, of this run");
    for (const Seen& query : queries_)
      for (const auto& [phase, us] : query.status.duration_us)
        text_.value(query.with("phase", phase), seconds(us));
    of_progress("weir_query_last_phase_seconds", Type::kGauge,
                "Time spent in the phases of the newest batch",
                [this](const Seen& query, const QueryProgress& progress) {
                  for (const auto& [phase, us] : progress.duration_us)
                    text_.value(query.with("phase", phase), seconds(us));
                });
  }

  void newest_batch() {
    of_progress("weir_query_last_batch_id", Type::kGauge, "Number of the newest batch",
                [this](const Seen& query, const QueryProgress& progress) {
                  text_.value(query.labels(), progress.batch_id);
                });
    of_progress("weir_query_last_batch_timestamp_seconds", Type::kGauge,
                "When the newest batch began, in seconds since 1970",
                [this](const Seen& query, const QueryProgress& progress) {
                  text_.value(query.labels(), seconds(progress.timestamp_us));
                });
    rate("weir_query_input_rows_per_second",
         "Rows of the newest batch by the time since the batch before",
         &SourceProgress::input_rows_per_second);
    rate("weir_query_processed_rows_per_second",
         "Rows of the newest batch by the time that it took",
         &SourceProgress::processed_rows_per_second);
    of_progress("weir_query_watermark_timestamp_seconds", Type::kGauge,
                "Watermark of the newest batch, in seconds since 1970",
                [this](const Seen& query, const QueryProgress& progress) {
                  if (progress.watermark_ms)
                    text_.value(query.labels(), seconds(*progress.watermark_ms * 1000));
                });
    of_progress("weir_query_source_offsets_behind", Type::kGauge,
                "How far the newest batch ended before the end of the partition that is furthest "
                "behind (Kafka)",
                [this](const Seen& query, const QueryProgress& progress) {
                  for (size_t i = 0; i < progress.sources.size(); ++i) {
                    const auto& metrics = progress.sources[i].metrics;
                    const auto behind = metrics.find("maxOffsetsBehindLatest");
                    if (behind == metrics.end()) continue;
                    text_.value(query.with("source", std::to_string(i)),
                                std::strtod(behind->second.c_str(), nullptr));
                  }
                });
  }

  void state() {
    const auto operators = [this](std::string_view name, std::string_view help,
                                  int64_t operators::OperatorMetrics::*number) {
      of_progress(name, Type::kGauge, help, [&](const Seen& query, const QueryProgress& progress) {
        for (size_t i = 0; i < progress.state_operators.size(); ++i) {
          auto labels = query.with("operator", progress.state_operators[i].name);
          labels.emplace_back("index", std::to_string(i));
          text_.value(labels, progress.state_operators[i].*number);
        }
      });
    };
    operators("weir_query_state_rows", "Rows of state of an operator",
              &operators::OperatorMetrics::rows_total);
    operators("weir_query_state_bytes", "Memory of the state of an operator",
              &operators::OperatorMetrics::memory_bytes);
  }

 private:
  std::vector<Seen> queries_;
  MetricsText& text_;
};

}  // namespace

void add_query_metrics(const QueryManager& manager, base::MetricsText& text) {
  QueryMetrics metrics(look_at(manager), text);
  metrics.counts();
  metrics.durations();
  metrics.newest_batch();
  metrics.state();
}

}  // namespace weir::stream
