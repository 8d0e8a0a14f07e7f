// Speed of the JSON decoder on 23-field events of about 940 bytes, against simdjson's own full
// on-demand parse of the same records. Rows and bytes per second of CPU time. WEIR_BENCH_EVENTS may
// name a file of JSON lines to use instead of the generated events.
#include <cstdlib>
#include <fstream>
#include <random>
#include <simdjson.h>
#include <sstream>

#include <arrow/record_batch.h>
#include <benchmark/benchmark.h>

#include "codec/json_decoder.h"

namespace weir::codec {
namespace {

constexpr size_t kPadding = 64;
constexpr int64_t kBatchRows = 20'000;

std::string generate(int events) {
  std::mt19937_64 random(42);
  std::uniform_real_distribution<double> level(10, 99.9);
  std::string text;
  for (int i = 0; i < events; ++i) {
    const uint64_t a = random(), b = random();
    text +=
        fmt::format("{{\"eventId\":\"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}\",\"complexData\":{{",
                    a >> 32, a >> 16 & 0xffff, a & 0xfff, b >> 52, b & 0xffffffffffff);
    for (int j = 0; j < 23; ++j)
      text += fmt::format("{}\"moreData{}\":{:.15f}", j ? "," : "", j, level(random));
    text += fmt::format(
        "}},\"value\":{:.15f},\"deviceId\":\"contoso-device-id-{:06}\",\"deviceSequenceNumber\":{},"
        "\"type\":\"{}\",\"createdAt\":\"2026-11-20T10:{:02}:{:02}.{:06}Z\"}}\n",
        level(random), i % 1000, i / 1000 + 1, i % 2 ? "CO2" : "TEMP", i / 60 % 60, i % 60,
        random() % 1'000'000);
  }
  return text;
}

// The events' text, followed by padding.
const std::string& events() {
  static const std::string text = [] {
    std::string loaded;
    if (const char* path = std::getenv("WEIR_BENCH_EVENTS")) {
      std::stringstream stream;
      stream << std::ifstream(path).rdbuf();
      loaded = stream.str();
    } else {
      loaded = generate(20'000);
    }
    return loaded + std::string(kPadding, ' ');
  }();
  return text;
}

std::vector<std::string_view> records() {
  std::vector<std::string_view> lines;
  std::string_view rest = std::string_view(events()).substr(0, events().size() - kPadding);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

void report(benchmark::State& state, size_t rows) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(events().size() - kPadding));
}

// Every value read by its type: numbers parsed, strings unescaped.
double walk(simdjson::ondemand::value value) {
  switch (value.type()) {
    case simdjson::ondemand::json_type::object: {
      double sum = 0;
      for (auto field : value.get_object()) {
        sum += static_cast<double>(std::string_view(field.unescaped_key()).size());
        sum += walk(field.value());
      }
      return sum;
    }
    case simdjson::ondemand::json_type::array: {
      double sum = 0;
      for (auto element : value.get_array())
        sum += walk(element.value());
      return sum;
    }
    case simdjson::ondemand::json_type::number:
      return value.get_double();
    case simdjson::ondemand::json_type::string:
      return static_cast<double>(std::string_view(value.get_string()).size());
    default:
      return 0;
  }
}

void simdjson_full_parse(benchmark::State& state) {
  const auto lines = records();
  simdjson::ondemand::parser parser;
  double sum = 0;
  for (auto _ : state) {
    for (std::string_view line : lines) {
      auto document =
          parser.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING);
      sum += walk(document.get_value());
    }
  }
  benchmark::DoNotOptimize(sum);
  report(state, lines.size());
}

// As a program would that knows the events: fields asked for by name, in order.
void simdjson_fields_in_order(benchmark::State& state) {
  const auto lines = records();
  simdjson::ondemand::parser parser;
  std::vector<std::string> names;
  names.reserve(23);
  for (int i = 0; i < 23; ++i)
    names.push_back(fmt::format("moreData{}", i));
  double sum = 0;
  for (auto _ : state) {
    for (std::string_view line : lines) {
      auto document =
          parser.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING);
      auto root = document.get_object();
      sum += static_cast<double>(std::string_view(root.find_field("eventId").get_string()).size());
      auto data = root.find_field("complexData").get_object();
      for (const std::string& name : names)
        sum += double(data.find_field(name));
      sum += double(root.find_field("value"));
      sum += static_cast<double>(std::string_view(root.find_field("deviceId").get_string()).size());
      sum += static_cast<double>(int64_t(root.find_field("deviceSequenceNumber")));
      sum += static_cast<double>(std::string_view(root.find_field("type").get_string()).size());
      sum +=
          static_cast<double>(std::string_view(root.find_field("createdAt").get_string()).size());
    }
  }
  benchmark::DoNotOptimize(sum);
  report(state, lines.size());
}

void decode(benchmark::State& state, std::string_view ddl, bool by_line) {
  const auto lines = records();
  auto decoder = std::move(JsonDecoder::create(*columnar::parse_ddl_schema(ddl), {})).value();
  const std::string_view text = std::string_view(events()).substr(0, events().size() - kPadding);
  for (auto _ : state) {
    if (by_line) {
      for (std::string_view line : lines) {
        if (!decoder->append(line, kPadding).ok()) state.SkipWithError("append failed");
        if (decoder->rows() >= kBatchRows) benchmark::DoNotOptimize(decoder->finish());
      }
    } else if (!decoder->append_lines(text, kPadding).ok()) {
      state.SkipWithError("append failed");
    }
    benchmark::DoNotOptimize(decoder->finish());
  }
  if (decoder->slow_records() > 0) state.SkipWithError("records took the slow path");
  report(state, lines.size());
}

std::string all_columns() {
  std::string ddl = "eventId string, complexData struct<";
  for (int i = 0; i < 23; ++i)
    ddl += fmt::format("{}moreData{}: double", i ? "," : "", i);
  return ddl +
         ">, value double, deviceId string, deviceSequenceNumber bigint, type string, createdAt "
         "timestamp";
}

void weir_all_columns(benchmark::State& state) { decode(state, all_columns(), true); }
void weir_all_columns_lines(benchmark::State& state) { decode(state, all_columns(), false); }
void weir_three_columns(benchmark::State& state) {
  decode(state, "deviceId string, value double, createdAt timestamp", true);
}

BENCHMARK(simdjson_full_parse)->Unit(benchmark::kMillisecond);
BENCHMARK(simdjson_fields_in_order)->Unit(benchmark::kMillisecond);
BENCHMARK(weir_all_columns)->Unit(benchmark::kMillisecond);
BENCHMARK(weir_all_columns_lines)->Unit(benchmark::kMillisecond);
BENCHMARK(weir_three_columns)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weir::codec
