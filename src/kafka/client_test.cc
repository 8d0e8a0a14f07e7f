// Client, fetcher and producer against a small broker in this process, which misbehaves as told.
#include "kafka/client.h"

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unistd.h>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "kafka/producer.h"
#include "kafka/protocol.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::HasSubstr;

// One topic "t" with two partitions, all led by this broker. Remembers the last five batches of a
// producer.
class SmallBroker {
 public:
  SmallBroker() {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 16);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~SmallBroker() {
    stopped_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      std::lock_guard lock(mutex_);
      for (int socket : sockets_)
        ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_)
      thread.join();
  }

  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  std::string& log(int partition) { return logs_[partition]; }
  int64_t end_offset(int partition) {
    std::lock_guard lock(mutex_);
    return ends_[partition];
  }
  // Appends a batch to the log as it is, stamped with its offset.
  void append(int partition, std::string batch) {
    std::lock_guard lock(mutex_);
    append_locked(partition, std::move(batch));
  }

  // Scripts, each used up as it is followed.
  std::atomic<int> produce_errors{0};
  ErrorCode produce_error = ErrorCode::kNotLeaderOrFollower;
  std::atomic<int> lost_answers{0};  // write the batch, then close instead of answering
  std::atomic<int> fetch_errors{0};
  ErrorCode fetch_error = ErrorCode::kNotLeaderOrFollower;
  int64_t log_start = 0;
  std::atomic<int> duplicates{0};  // batches that came once more

 private:
  void accept_all() {
    while (!stopped_) {
      int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket] {
        serve(socket);
        ::shutdown(socket, SHUT_RDWR);
      });
    }
  }
  static bool read_all(int socket, char* into, size_t size) {
    while (size > 0) {
      ssize_t got = ::recv(socket, into, size, 0);
      if (got <= 0) return false;
      into += got;
      size -= static_cast<size_t>(got);
    }
    return true;
  }
  void serve(int socket) {
    char size[4];
    while (read_all(socket, size, 4)) {
      std::string frame(static_cast<size_t>(load_big<int32_t>(size)), '\0');
      if (!read_all(socket, frame.data(), frame.size())) return;
      Reader reader(frame);
      auto header = RequestHeader::decode(reader);
      if (!header.ok()) return;
      std::string answer = respond(*header, reader);
      if (answer.empty()) return;
      if (::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
    }
  }
  template <typename Response>
  static std::string frame(const RequestHeader& header, const Response& response) {
    return encode_response_frame(header.api_version, header.correlation_id, response);
  }
  std::string respond(const RequestHeader& header, Reader& reader) {
    std::lock_guard lock(mutex_);
    switch (header.api_key) {
      case ApiKey::kApiVersions: {
        ApiVersionsResponse response;
        response.api_keys.assign(api_versions().begin(), api_versions().end());
        return frame(header, response);
      }
      case ApiKey::kMetadata: {
        MetadataResponse response;
        response.brokers.push_back({1, "127.0.0.1", port_, std::nullopt});
        auto request = MetadataRequest::decode(reader, header.api_version);
        MetadataResponse::Topic topic;
        topic.name = "t";
        for (int32_t i = 0; i < 2; ++i)
          topic.partitions.push_back({ErrorCode::kNone, i, 1, 0, {1}, {1}, {}});
        for (const std::string& name : request->topics.value_or(std::vector<std::string>{"t"})) {
          topic.name = name;
          topic.error = name == "t" ? ErrorCode::kNone : ErrorCode::kUnknownTopicOrPartition;
          response.topics.push_back(topic);
        }
        return frame(header, response);
      }
      case ApiKey::kInitProducerId: {
        InitProducerIdResponse response;
        response.producer_id = next_producer_id_++;
        return frame(header, response);
      }
      case ApiKey::kProduce:
        return produce(header, *ProduceRequest::decode(reader, header.api_version));
      case ApiKey::kFetch:
        return fetch(header, *FetchRequest::decode(reader, header.api_version));
      case ApiKey::kListOffsets: {
        auto request = ListOffsetsRequest::decode(reader, header.api_version);
        ListOffsetsResponse response;
        for (const auto& topic : request->topics) {
          response.topics.push_back({topic.name, {}});
          for (const auto& partition : topic.partitions) {
            int64_t offset =
                partition.timestamp == kEarliestTimestamp ? log_start : ends_[partition.index];
            response.topics.back().partitions.push_back(
                {partition.index, ErrorCode::kNone, -1, offset, 0});
          }
        }
        return frame(header, response);
      }
      default:
        return "";
    }
  }
  int64_t append_locked(int partition, std::string batch) {
    int64_t base = ends_[partition];
    stamp_record_batch(batch, base, 0);
    ends_[partition] = base + load_big<int32_t>(batch.data() + 23) + 1;
    logs_[partition] += batch;
    return base;
  }
  std::string produce(const RequestHeader& header, const ProduceRequest& request) {
    ProduceResponse response;
    bool lose = lost_answers > 0 && lost_answers-- > 0;
    for (const auto& topic : request.topics) {
      response.topics.push_back({topic.name, {}});
      for (const auto& partition : topic.partitions) {
        ProduceResponse::Partition answer;
        answer.index = partition.index;
        if (produce_errors > 0) {
          --produce_errors;
          answer.error = produce_error;
        } else {
          write(*partition.records, answer);
        }
        response.topics.back().partitions.push_back(answer);
      }
    }
    return lose ? "" : frame(header, response);
  }
  void write(std::string_view records, ProduceResponse::Partition& answer) {
    auto batch = validate_record_batch(records);
    ASSERT_TRUE(batch.ok()) << batch.error().to_string();
    ASSERT_TRUE(check_produced_batch(*batch).ok());
    auto& known = known_[{batch->producer_id, answer.index}];
    for (auto [sequence, offset] : known) {
      if (sequence == batch->base_sequence) {
        ++duplicates;
        answer.base_offset = offset;
        return;
      }
    }
    if (batch->base_sequence != next_sequence_[{batch->producer_id, answer.index}]) {
      answer.error = ErrorCode::kOutOfOrderSequenceNumber;
      return;
    }
    next_sequence_[{batch->producer_id, answer.index}] += batch->record_count;
    answer.base_offset = append_locked(answer.index, std::string(records));
    known.emplace_back(batch->base_sequence, answer.base_offset);
    if (known.size() > 5) known.pop_front();
  }
  std::string fetch(const RequestHeader& header, const FetchRequest& request) {
    FetchResponse response;
    for (const auto& topic : request.topics) {
      response.topics.push_back({topic.name, {}});
      for (const auto& partition : topic.partitions) {
        FetchResponse::Partition answer;
        answer.index = partition.index;
        answer.high_watermark = ends_[partition.index];
        answer.log_start_offset = log_start;
        if (fetch_errors > 0) {
          --fetch_errors;
          answer.error = fetch_error;
        } else if (partition.fetch_offset < log_start ||
                   partition.fetch_offset > ends_[partition.index]) {
          answer.error = ErrorCode::kOffsetOutOfRange;
        } else {
          std::string_view log = logs_[partition.index];
          while (!log.empty() &&
                 load_big<int64_t>(log.data()) + load_big<int32_t>(log.data() + 23) <
                     partition.fetch_offset) {
            log.remove_prefix(*record_batch_size(log));
          }
          // Cut as a broker cuts, but never the first batch.
          size_t least = log.empty() ? 0 : *record_batch_size(log);
          answer.records =
              log.substr(0, std::max<size_t>(least, static_cast<size_t>(partition.max_bytes)));
        }
        response.topics.back().partitions.push_back(answer);
      }
    }
    return frame(header, response);
  }

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopped_{false};
  std::thread acceptor_;
  std::mutex mutex_;
  std::vector<std::thread> threads_;
  std::vector<int> sockets_;
  std::map<int, std::string> logs_;
  std::map<int, int64_t> ends_;
  std::map<std::pair<int64_t, int32_t>, std::deque<std::pair<int32_t, int64_t>>> known_;
  std::map<std::pair<int64_t, int32_t>, int32_t> next_sequence_;
  int64_t next_producer_id_ = 1;
};

class KafkaClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Client> client(Properties properties = {}) {
    properties["bootstrap.servers"] = broker_.address();
    properties.try_emplace("retry.backoff.ms", "1");
    return std::move(Client::open(*ClientOptions::from_properties(properties), clock_, random_))
        .value();
  }
  std::unique_ptr<Producer> producer(Properties properties, Producer::Callback callback) {
    properties["bootstrap.servers"] = broker_.address();
    properties.try_emplace("retry.backoff.ms", "1");
    properties.try_emplace("linger.ms", "0");
    return std::move(Producer::open(*ProducerOptions::from_properties(properties), clock_, random_,
                                    std::move(callback)))
        .value();
  }
  // Values of offsets [start, end) of a partition, or the error.
  base::Result<std::vector<std::string>> read(Client& client, int partition, int64_t start,
                                              int64_t end) {
    WEIR_ASSIGN(auto fetcher, client.fetch({{{"t", partition}, start, end}}));
    std::vector<std::string> values;
    while (true) {
      WEIR_ASSIGN(FetchOutcome outcome, fetcher->next(20000));
      if (outcome.status == FetchStatus::kFinished) return values;
      if (outcome.status != FetchStatus::kBatches)
        return base::error(ErrorKind::kInternal, "status {}", static_cast<int>(outcome.status));
      for (const BatchView& batch : outcome.fetched.batches) {
        WEIR_ASSIGN(BatchRecords opened, open_record_batch(batch.bytes, batch.header));
        RecordIterator iterator(opened.header, opened.records);
        Record record;
        while (iterator.next(record)) {
          if (record.offset >= start && record.offset < end) values.emplace_back(record.value);
        }
        WEIR_TRY(iterator.finish());
      }
    }
  }
  std::string batch_of(int from, int count, Compression compression = Compression::kNone) {
    RecordBatchBuilder builder;
    for (int i = from; i < from + count; ++i)
      builder.add(std::nullopt, std::to_string(i), i);
    RecordBatchBuilder::Options options;
    options.compression = compression;
    return std::move(builder.finish(options)).value();
  }
  static std::vector<std::string> numbers(int from, int to) {
    std::vector<std::string> all;
    for (int i = from; i < to; ++i)
      all.push_back(std::to_string(i));
    return all;
  }
  // Sends 0 … count-1 to partition 0, with a flush after every `stride`.
  void send_numbers(Producer& to, int count) {
    for (int i = 0; i < count; ++i) {
      std::string value = std::to_string(i);
      ProduceRecord record;
      record.topic = "t";
      record.partition = 0;
      record.value = value;
      record.tag = static_cast<uint64_t>(i);
      auto sent = to.send(record);
      ASSERT_TRUE(sent.ok()) << sent.error().to_string();
    }
  }

  base::SystemClock clock_;
  base::SeededRandom random_{1};
  SmallBroker broker_;
};

TEST_F(KafkaClientTest, DescribesTopicsAndOffsets) {
  broker_.append(1, batch_of(0, 7));
  auto c = client();
  auto topics = c->describe_topics({"t"});
  ASSERT_TRUE(topics.ok()) << topics.error().to_string();
  EXPECT_EQ((*topics)[0].partitions, (std::vector<int32_t>{0, 1}));
  auto missing = c->describe_topics({"nosuch"});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().kind(), ErrorKind::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("nosuch"));
  EXPECT_EQ(c->match_topics("[s-u]")->size(), 1u);
  EXPECT_EQ(c->match_topics("x.*")->size(), 0u);
  EXPECT_EQ(c->match_topics("(").error().kind(), ErrorKind::kInvalidArgument);
  std::vector<OffsetQuery> queries{
      {{"t", 0}, kLatestTimestamp}, {{"t", 1}, kLatestTimestamp}, {{"t", 1}, kEarliestTimestamp}};
  auto offsets = c->list_offsets(queries);
  ASSERT_TRUE(offsets.ok()) << offsets.error().to_string();
  EXPECT_EQ(*offsets, (std::vector<int64_t>{0, 7, 0}));
  EXPECT_EQ(c->list_offsets(std::vector<OffsetQuery>{{{"t", 9}, kLatestTimestamp}}).error().kind(),
            ErrorKind::kNotFound);
}

TEST_F(KafkaClientTest, FetchesARangeThatBeginsAndEndsInsideBatches) {
  for (int i = 0; i < 100; i += 10)
    broker_.append(0, batch_of(i, 10, i % 20 ? Compression::kLz4 : Compression::kNone));
  auto c = client({{"max.partition.fetch.bytes", "1024"}});
  auto values = read(*c, 0, 13, 87);
  ASSERT_TRUE(values.ok()) << values.error().to_string();
  EXPECT_EQ(*values, numbers(13, 87));
  EXPECT_EQ(*read(*c, 0, 5, 5), numbers(0, 0));
}

TEST_F(KafkaClientTest, FetchGoesOnAfterErrorsThatPass) {
  broker_.append(0, batch_of(0, 10));
  broker_.fetch_errors = 3;
  auto values = read(*client(), 0, 0, 10);
  ASSERT_TRUE(values.ok()) << values.error().to_string();
  EXPECT_EQ(*values, numbers(0, 10));
}

TEST_F(KafkaClientTest, FetchEndsWithAnErrorThatDoesNot) {
  broker_.append(0, batch_of(0, 10));
  broker_.fetch_errors = 1000;
  broker_.fetch_error = ErrorCode::kTopicAuthorizationFailed;
  auto values = read(*client(), 0, 0, 10);
  ASSERT_FALSE(values.ok());
  EXPECT_EQ(values.error().kind(), ErrorKind::kPermissionDenied);
  EXPECT_THAT(values.error().message(), HasSubstr("t-0 at offset 0"));
}

TEST_F(KafkaClientTest, AnOffsetThatIsGoneIsAnOutcome) {
  broker_.append(0, batch_of(0, 10));
  broker_.append(0, batch_of(10, 10));
  broker_.log_start = 10;
  auto c = client();
  auto fetcher = c->fetch({{{"t", 0}, 3, 20}});
  auto outcome = (*fetcher)->next(20000);
  ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
  ASSERT_EQ(outcome->status, FetchStatus::kOffsetOutOfRange);
  EXPECT_EQ(outcome->requested_offset, 3);
  EXPECT_EQ(outcome->log_start_offset, 10);
  EXPECT_EQ(outcome->log_end_offset, 20);
  (*fetcher)->seek(0, 10);
  outcome = (*fetcher)->next(20000);
  ASSERT_EQ(outcome->status, FetchStatus::kBatches);
  EXPECT_EQ(outcome->fetched.batches[0].header.base_offset, 10);
  EXPECT_EQ((*fetcher)->next(20000)->status, FetchStatus::kFinished);
}

TEST_F(KafkaClientTest, ADamagedBatchIsAnErrorThatNamesItsPlace) {
  broker_.append(0, batch_of(0, 10));
  broker_.append(0, batch_of(10, 10));
  broker_.log(0).back() = 'x';
  auto values = read(*client(), 0, 0, 20);
  ASSERT_FALSE(values.ok());
  EXPECT_EQ(values.error().kind(), ErrorKind::kCorruption);
  EXPECT_THAT(values.error().message(), HasSubstr("t-0 at offset 10"));
}

TEST_F(KafkaClientTest, ReadAheadIsBounded) {
  std::string value(1000, 'x');
  for (int i = 0; i < 300; ++i) {
    RecordBatchBuilder builder;
    builder.add(std::nullopt, value, 0);
    broker_.append(0, std::move(builder.finish({})).value());
  }
  auto c = client({{"weir.read.ahead.bytes", "5000"}, {"max.partition.fetch.bytes", "2048"}});
  auto values = read(*c, 0, 0, 300);
  ASSERT_TRUE(values.ok()) << values.error().to_string();
  EXPECT_EQ(values->size(), 300u);
}

TEST_F(KafkaClientTest, StopWakesAWaitingReader) {
  auto c = client();
  auto fetcher = std::move(c->fetch({{{"t", 0}, 0, std::nullopt}})).value();
  std::thread stopper([&] { fetcher->stop(); });
  while (true) {
    auto outcome = fetcher->next(60000);
    if (outcome.ok()) continue;
    EXPECT_EQ(outcome.error().kind(), ErrorKind::kCancelled);
    break;
  }
  stopper.join();
}

TEST_F(KafkaClientTest, ABrokerThatIsNotThereIsUnavailable) {
  auto options = ClientOptions::from_properties(
      {{"bootstrap.servers", "127.0.0.1:1"}, {"default.api.timeout.ms", "50"}});
  auto c = Client::open(*options, clock_, random_);
  auto topics = (*c)->list_topics();
  ASSERT_FALSE(topics.ok());
  EXPECT_EQ(topics.error().kind(), ErrorKind::kUnavailable);
  EXPECT_THAT(topics.error().message(), HasSubstr("127.0.0.1:1"));
}

TEST_F(KafkaClientTest, WhatIsProducedIsRead) {
  for (std::string compression : {"none", "gzip", "snappy", "lz4", "zstd"}) {
    int64_t before = broker_.end_offset(0);
    std::atomic<int64_t> acknowledged{0};
    auto p = producer(
        {{"compression.type", compression}, {"batch.size", "500"}}, [&](const Delivery& delivery) {
          EXPECT_EQ(delivery.error, nullptr);
          EXPECT_EQ(delivery.tags.size(), static_cast<size_t>(delivery.record_count));
          EXPECT_EQ(delivery.base_offset - before, static_cast<int64_t>(delivery.tags.front()));
          acknowledged += delivery.record_count;
        });
    send_numbers(*p, 1000);
    ASSERT_TRUE(p->flush(20000).ok());
    EXPECT_EQ(acknowledged, 1000);
    EXPECT_EQ(p->counters().buffered_bytes, 0u);
    auto values = read(*client(), 0, before, before + 1000);
    ASSERT_TRUE(values.ok()) << values.error().to_string();
    EXPECT_EQ(*values, numbers(0, 1000));
  }
}

TEST_F(KafkaClientTest, ProducerKeepsOrderOverErrorsThatPass) {
  broker_.produce_errors = 4;
  auto p = producer({{"batch.size", "200"}},
                    [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); });
  send_numbers(*p, 500);
  broker_.produce_errors = 3;
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), numbers(0, 500));
}

TEST_F(KafkaClientTest, ABatchWhoseAnswerIsLostIsWrittenOnce) {
  broker_.lost_answers = 3;
  auto p = producer({{"batch.size", "200"}},
                    [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); });
  send_numbers(*p, 500);
  broker_.lost_answers = 2;
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(*read(*client(), 0, 0, broker_.end_offset(0)), numbers(0, 500));
  EXPECT_GT(broker_.duplicates, 0);
  EXPECT_EQ(p->counters().records_acknowledged, 500u);
}

TEST_F(KafkaClientTest, ABatchThatIsRefusedFailsAndTheNextOnesGo) {
  broker_.produce_error = ErrorCode::kMessageTooLarge;
  broker_.produce_errors = 1;
  std::atomic<int> failed{0};
  auto p = producer({}, [&](const Delivery& delivery) {
    if (!delivery.error) return;
    failed += delivery.record_count;
    EXPECT_THAT(delivery.error->message(), HasSubstr("MESSAGE_TOO_LARGE"));
  });
  send_numbers(*p, 1);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(failed, 1);
  send_numbers(*p, 20);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(*read(*client(), 0, 0, 20), numbers(0, 20));
}

TEST_F(KafkaClientTest, ProducerNamesATopicThatIsNotThere) {
  auto p = producer({{"max.block.ms", "50"}}, nullptr);
  ProduceRecord record;
  record.topic = "nosuch";
  auto sent = p->send(record);
  ASSERT_FALSE(sent.ok());
  EXPECT_THAT(sent.error().message(), HasSubstr("nosuch"));
}

TEST_F(KafkaClientTest, ABrokerThatNeverAnswersFailsTheBatchInTime) {
  broker_.produce_errors = 1'000'000;
  std::atomic<int> failed{0};
  auto p = producer({{"delivery.timeout.ms", "100"}}, [&](const Delivery& delivery) {
    ASSERT_NE(delivery.error, nullptr);
    EXPECT_EQ(delivery.error->kind(), ErrorKind::kTimeout);
    failed += delivery.record_count;
  });
  send_numbers(*p, 50);
  ASSERT_TRUE(p->flush(20000).ok());
  EXPECT_EQ(failed, 50);
  // It goes on afterwards, under a new producer id where sequences have a hole.
  broker_.produce_errors = 0;
}

TEST_F(KafkaClientTest, ClosingFailsWhatIsLeft) {
  broker_.produce_errors = 1'000'000;
  std::atomic<int> failed{0};
  auto p = producer(
      {}, [&](const Delivery& delivery) { failed += delivery.error ? delivery.record_count : 0; });
  send_numbers(*p, 50);
  p->close(0);
  EXPECT_EQ(failed, 50);
  ProduceRecord record;
  record.topic = "t";
  EXPECT_EQ(p->send(record).error().kind(), ErrorKind::kCancelled);
}

}  // namespace
}  // namespace weir::kafka
