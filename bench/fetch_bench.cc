// Reads a topic from its beginning and hands on every record's key and value: by our own fetch
// client, or by librdkafka with its batch interface.
//
//   fetch_bench weir|librdkafka HOST:PORT TOPIC ROWS [NAME=VALUE ...]
//
// NAME=VALUE: options of the client, such as receive.buffer.bytes=1048576.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/random.h"
#include "kafka/client.h"

namespace {

using namespace weir;

struct Totals {
  int64_t rows = 0;
  int64_t bytes = 0;
};

base::Result<Totals> read_with_weir(const std::string& bootstrap, const std::string& topic,
                                    int64_t rows, kafka::Properties properties) {
  base::SystemClock clock;
  base::SystemRandom random;
  properties["bootstrap.servers"] = bootstrap;
  WEIR_ASSIGN(auto options, kafka::ClientOptions::from_properties(properties));
  WEIR_ASSIGN(auto client, kafka::Client::open(std::move(options), clock, random));
  WEIR_ASSIGN(const auto topics, client->describe_topics({topic}));
  std::vector<kafka::FetchRange> ranges;
  for (const int32_t partition : topics.at(0).partitions)
    ranges.push_back({.partition = {topic, partition}, .start = 0, .end = std::nullopt});
  WEIR_ASSIGN(auto fetcher, client->fetch(std::move(ranges)));
  Totals totals;
  while (totals.rows < rows) {
    WEIR_ASSIGN(auto outcome, fetcher->next(10'000));
    if (outcome.status != kafka::FetchStatus::kBatches)
      return base::error(base::ErrorKind::kDataLoss, "only {} of {} rows came", totals.rows, rows);
    for (const kafka::BatchView& batch : outcome.fetched.batches) {
      WEIR_ASSIGN(const kafka::BatchRecords opened,
                  kafka::open_record_batch(batch.bytes, batch.header));
      kafka::RecordIterator records(batch.header, opened.records);
      kafka::Record record;
      while (records.next(record)) {
        ++totals.rows;
        totals.bytes += static_cast<int64_t>(record.value.size());
      }
      WEIR_TRY(records.finish());
    }
  }
  return totals;
}

base::Result<Totals> read_with_librdkafka(const std::string& bootstrap, const std::string& topic,
                                          int64_t rows, const kafka::Properties& properties) {
  char text[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] :
       {std::pair<const char*, const char*>{"bootstrap.servers", bootstrap.c_str()},
        {"group.id", "fetch-bench"},
        {"enable.auto.commit", "false"},
        {"queued.max.messages.kbytes", "262144"}}) {
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
      return base::error(base::ErrorKind::kInvalidArgument, "{}", text);
  }
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK)
      return base::error(base::ErrorKind::kInvalidArgument, "{}", text);
  }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
  if (consumer == nullptr) return base::error(base::ErrorKind::kInternal, "{}", text);
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_topic_t* handle = rd_kafka_topic_new(consumer, topic.c_str(), nullptr);
  if (rd_kafka_metadata(consumer, 0, handle, &metadata, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return base::error(base::ErrorKind::kUnavailable, "no metadata from {}", bootstrap);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(consumer);
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i)
    rd_kafka_consume_start_queue(handle, metadata->topics[0].partitions[i].id,
                                 RD_KAFKA_OFFSET_BEGINNING, queue);
  std::vector<rd_kafka_message_t*> messages(10'000);
  Totals totals;
  while (totals.rows < rows) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue, 10'000, messages.data(), messages.size());
    if (count <= 0)
      return base::error(base::ErrorKind::kDataLoss, "only {} of {} rows came", totals.rows, rows);
    for (ssize_t i = 0; i < count; ++i) {
      if (messages[static_cast<size_t>(i)]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++totals.rows;
        totals.bytes += static_cast<int64_t>(messages[static_cast<size_t>(i)]->len);
      }
      rd_kafka_message_destroy(messages[static_cast<size_t>(i)]);
    }
  }
  return totals;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr,
                 "usage: fetch_bench weir|librdkafka HOST:PORT TOPIC ROWS [NAME=VALUE ...]\n");
    return 2;
  }
  const int64_t rows = std::atoll(argv[4]);
  const bool ours = std::strcmp(argv[1], "weir") == 0;
  kafka::Properties properties;
  for (int i = 5; i < argc; ++i) {
    const std::string_view given = argv[i];
    const size_t equals = std::min(given.find('='), given.size());
    properties[std::string(given.substr(0, equals))] =
        given.substr(std::min(equals + 1, given.size()));
  }
  const auto totals = ours ? read_with_weir(argv[2], argv[3], rows, std::move(properties))
                           : read_with_librdkafka(argv[2], argv[3], rows, properties);
  if (!totals.ok()) {
    std::fprintf(stderr, "fetch_bench: %s\n", totals.error().to_string().c_str());
    return 1;
  }
  std::printf("{\"rows\": %lld, \"bytes\": %lld}\n", static_cast<long long>(totals->rows),
              static_cast<long long>(totals->bytes));
  std::fflush(stdout);
  std::_Exit(0);  // tearing librdkafka down is not what is measured
}
