// A small broker in the test's process: one topic "t" with two partitions, all led by it. Speaks
// Kafka's protocol over TCP or TLS, asks for a SASL PLAIN login where told, keeps the last five
// batches of a producer as Apache Kafka does, has transactions (test_transactions.h), and
// misbehaves as its scripts say. For tests only.
#pragma once

#include <atomic>
#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/result.h"
#include "kafka/client.h"
#include "kafka/producer.h"
#include "kafka/protocol.h"
#include "kafka/test_transactions.h"

namespace weir::kafka::test {

using base::ErrorKind;

struct BrokerSecurity {
  SSL_CTX* tls = nullptr;  // the caller's; null: plain text
  std::string user;        // empty: no login
  std::string password;
};

class TestBroker {
 public:
  explicit TestBroker(BrokerSecurity security = {}) : security_(std::move(security)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    WEIR_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    WEIR_CHECK(::listen(listener_, 16) == 0);
    WEIR_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TestBroker() {
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

  // The name it goes by in address() and in metadata; it listens on 127.0.0.1.
  void set_host(std::string host) {
    std::lock_guard lock(mutex_);
    host_ = std::move(host);
  }
  std::string address() const { return fmt::format("{}:{}", host_, port_); }
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

  // Forgets the oldest batch that it knows of each producer and partition, as Apache Kafka may over
  // a restart.
  void forget_oldest_batches() {
    std::lock_guard lock(mutex_);
    for (auto& [producer, known] : known_) {
      if (!known.empty()) known.pop_front();
    }
  }
  // Loses the last `count` batches of a partition and what it knew of producers since.
  void lose_batches(int partition, int count) {
    std::lock_guard lock(mutex_);
    std::vector<size_t> starts;
    std::string& log = logs_[partition];
    for (size_t at = 0; at < log.size(); at += *record_batch_size(std::string_view(log).substr(at)))
      starts.push_back(at);
    ASSERT_GE(starts.size(), static_cast<size_t>(count));
    const size_t end = starts[starts.size() - static_cast<size_t>(count)];
    const auto first = parse_record_batch_header(std::string_view(log).substr(end));
    ASSERT_TRUE(first.ok());
    const std::pair<int64_t, int32_t> producer{first->producer_id, partition};
    std::erase_if(known_[producer],
                  [&](const auto& known) { return known.second >= first->base_offset; });
    next_sequence_[producer] = first->base_sequence;
    ends_[partition] = first->base_offset;
    log.resize(end);
  }

  // Scripts, each used up as it is followed.
  std::atomic<int> produce_errors{0};
  ErrorCode produce_error = ErrorCode::kNotLeaderOrFollower;
  std::atomic<int> lost_answers{0};  // write the batch, then close instead of answering
  // Writes this many requests of one connection without an answer, sees that no more come, calls
  // when_held and closes the connection.
  std::atomic<int> held_requests{0};
  std::function<void()> when_held;
  std::atomic<size_t> batch_bytes_max{SIZE_MAX};  // larger ones are MESSAGE_TOO_LARGE
  std::atomic<int> too_large{0};                  // how many were
  std::atomic<int> fetch_errors{0};
  ErrorCode fetch_error = ErrorCode::kNotLeaderOrFollower;
  int64_t log_start = 0;
  std::atomic<int> duplicates{0};  // batches that came once more
  std::atomic<bool> has_transactions{true};
  // Ends the transaction under way as after transaction.timeout.ms.
  void time_out_transaction(const std::string& transactional_id) {
    std::lock_guard lock(mutex_);
    end_transaction(transactions_.time_out(transactional_id), false);
  }
  std::atomic<int> lost_ends{0};  // end the transaction, then close instead of answering
  std::atomic<int> busy{0};       // so often CONCURRENT_TRANSACTIONS

 private:
  // What was done on a connection so far, and its TLS where it has it.
  struct Session {
    int socket;
    SSL* tls = nullptr;
    bool handshaken = false;  // SASL
    bool logged_in = false;
    int held = 0;

    bool read_all(char* into, size_t size) const {
      while (size > 0) {
        ssize_t got =
            tls ? SSL_read(tls, into, static_cast<int>(size)) : ::recv(socket, into, size, 0);
        if (got <= 0) return false;
        into += got;
        size -= static_cast<size_t>(got);
      }
      return true;
    }
    bool write_all(const std::string& bytes) const {
      return tls ? SSL_write(tls, bytes.data(), static_cast<int>(bytes.size())) > 0
                 : ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
    }
    bool silent_for_ms(int ms) const {
      pollfd entry{socket, POLLIN, 0};
      return ::poll(&entry, 1, ms) == 0;
    }
  };

  void accept_all() {
    // OpenSSL writes to clients that are gone: no signal on the broker's threads. The client's own
    // have to take care of themselves.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (!stopped_) {
      int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket] {
        Session session{socket};
        if (security_.tls) {
          session.tls = SSL_new(security_.tls);
          SSL_set_fd(session.tls, socket);
        }
        if (!session.tls || SSL_accept(session.tls) == 1) serve(session);
        SSL_free(session.tls);
        ::shutdown(socket, SHUT_RDWR);
      });
    }
  }
  void serve(Session& session) {
    char size[4];
    while (session.read_all(size, 4)) {
      const auto bytes = load_big<int32_t>(size);
      if (bytes < 0 || bytes > (64 << 20)) return;  // no Kafka client
      std::string frame(static_cast<size_t>(bytes), '\0');
      if (!session.read_all(frame.data(), frame.size())) return;
      Reader reader(frame);
      auto header = RequestHeader::decode(reader);
      if (!header.ok()) return;
      const int before = session.held;
      std::string answer = respond(session, *header, reader);
      if (session.held > before) {
        if (--held_requests > 0) continue;
        EXPECT_TRUE(session.silent_for_ms(100)) << "more requests in flight than allowed";
        if (when_held) when_held();
        return;
      }
      if (answer.empty() || !session.write_all(answer)) return;
    }
  }
  template <typename Response>
  static std::string frame(const RequestHeader& header, const Response& response) {
    return encode_response_frame(header.api_version, header.correlation_id, response);
  }
  std::string log_in(Session& session, const RequestHeader& header, Reader& reader) {
    if (header.api_key == ApiKey::kSaslHandshake) {
      SaslHandshakeResponse response;
      response.mechanisms = {"PLAIN"};
      session.handshaken =
          SaslHandshakeRequest::decode(reader, header.api_version)->mechanism == "PLAIN";
      if (!session.handshaken) response.error = ErrorCode::kUnsupportedSaslMechanism;
      return frame(header, response);
    }
    if (header.api_key != ApiKey::kSaslAuthenticate || !session.handshaken) return "";
    SaslAuthenticateResponse response;
    auto request = SaslAuthenticateRequest::decode(reader, header.api_version);
    session.logged_in =
        request->auth_bytes == std::string(1, '\0') + security_.user + '\0' + security_.password;
    if (!session.logged_in) {
      response.error = ErrorCode::kSaslAuthenticationFailed;
      response.error_message = "Authentication failed: Invalid username or password";
    }
    return frame(header, response);
  }
  std::string respond(Session& session, const RequestHeader& header, Reader& reader) {
    std::lock_guard lock(mutex_);
    if (!security_.user.empty() && !session.logged_in && header.api_key != ApiKey::kApiVersions)
      return log_in(session, header, reader);
    switch (header.api_key) {
      case ApiKey::kApiVersions: {
        ApiVersionsResponse response;
        for (const ApiVersionRange& range : api_versions())
          if (has_transactions || !TestTransactions::is_call(range.key))
            response.api_keys.push_back(range);
        return frame(header, response);
      }
      case ApiKey::kMetadata: {
        MetadataResponse response;
        response.brokers.push_back({1, host_, port_, std::nullopt});
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
        const auto request = InitProducerIdRequest::decode(reader, header.api_version);
        if (!request->transactional_id) {
          response.producer_id = next_producer_id_++;
          return frame(header, response);
        }
        const bool open = transactions_.is_open(*request->transactional_id);
        const auto ended = transactions_.take_over(*request->transactional_id, next_producer_id_);
        end_transaction(ended, false);
        response.producer_id = ended.producer_id;
        response.producer_epoch = ended.epoch;
        if (open || (busy > 0 && busy-- > 0)) response.error = ErrorCode::kConcurrentTransactions;
        for (int partition : {0, 1})
          forget_producer({ended.producer_id, partition});
        return frame(header, response);
      }
      case ApiKey::kFindCoordinator: {
        FindCoordinatorResponse response;
        response.node_id = 1;
        response.host = host_;
        response.port = port_;
        return frame(header, response);
      }
      case ApiKey::kOffsetFetch:
        return frame(header, transactions_.fetch_offsets(
                                 *OffsetFetchRequest::decode(reader, header.api_version)));
      case ApiKey::kAddPartitionsToTxn:
      case ApiKey::kAddOffsetsToTxn:
      case ApiKey::kTxnOffsetCommit:
      case ApiKey::kEndTxn:
        return in_transaction(header, reader);
      case ApiKey::kProduce:
        if (held_requests > 0) session.held += 1;
        return produce(header, *ProduceRequest::decode(reader, header.api_version));
      case ApiKey::kFetch:
        return fetch(header, *FetchRequest::decode(reader, header.api_version));
      case ApiKey::kListOffsets: {
        auto request = ListOffsetsRequest::decode(reader, header.api_version);
        ListOffsetsResponse response;
        for (const auto& topic : request->topics) {
          response.topics.push_back({topic.name, {}});
          for (const auto& partition : topic.partitions) {
            int64_t offset = partition.timestamp == kEarliestTimestamp ? log_start
                             : request->isolation_level == 1 ? last_stable(partition.index)
                                                             : ends_[partition.index];
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
        } else if (partition.records->size() > batch_bytes_max) {
          ++too_large;
          answer.error = ErrorCode::kMessageTooLarge;
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
    if (!batch->has_producer_id()) {
      answer.base_offset = append_locked(answer.index, std::string(records));
      return;
    }
    if (batch->is_transactional()) {
      answer.error = transactions_.check(*batch, answer.index);
      if (answer.error != ErrorCode::kNone) return;
    }
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
    if (batch->is_transactional())
      open_[answer.index].try_emplace(batch->producer_id, ends_[answer.index]);
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
        answer.last_stable_offset = last_stable(partition.index);
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
          if (request.isolation_level == 1) {
            answer.aborted_transactions.emplace();
            for (const Aborted& aborted : aborted_[partition.index])
              if (aborted.end >= partition.fetch_offset)
                answer.aborted_transactions->push_back({aborted.producer_id, aborted.first_offset});
            size_t stable = 0;
            while (stable < log.size() &&
                   load_big<int64_t>(log.data() + stable) < answer.last_stable_offset)
              stable += *record_batch_size(log.substr(stable));
            log = log.substr(0, stable);
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

  void forget_producer(const std::pair<int64_t, int32_t>& producer) {
    known_.erase(producer);
    next_sequence_.erase(producer);
  }
  int64_t last_stable(int partition) {
    int64_t stable = ends_[partition];
    for (const auto& [producer, first] : open_[partition])
      stable = std::min(stable, first);
    return stable;
  }
  // Writes the markers.
  void end_transaction(const TestTransactions::Ended& ended, bool committed) {
    for (const int partition : ended.partitions) {
      append_locked(partition, control_batch(ended.producer_id, ended.epoch, committed));
      const auto open = open_[partition].extract(ended.producer_id);
      if (!committed && open)
        aborted_[partition].push_back({ended.producer_id, open.mapped(), ends_[partition] - 1});
    }
  }
  std::string in_transaction(const RequestHeader& header, Reader& reader) {
    const ErrorCode busy_code =
        busy > 0 && busy-- > 0 ? ErrorCode::kConcurrentTransactions : ErrorCode::kNone;
    switch (header.api_key) {
      case ApiKey::kAddPartitionsToTxn:
        return frame(
            header, transactions_.add_partitions(
                        *AddPartitionsToTxnRequest::decode(reader, header.api_version), busy_code));
      case ApiKey::kAddOffsetsToTxn:
        return frame(header,
                     transactions_.add_offsets(
                         *AddOffsetsToTxnRequest::decode(reader, header.api_version), busy_code));
      case ApiKey::kTxnOffsetCommit:
        return frame(header, transactions_.commit_offsets(
                                 *TxnOffsetCommitRequest::decode(reader, header.api_version)));
      default:
        break;
    }
    const auto request = EndTxnRequest::decode(reader, header.api_version);
    EndTxnResponse response;
    const auto ended = transactions_.end(*request, response.error);
    if (ended) end_transaction(*ended, request->committed);
    if (lost_ends > 0 && lost_ends-- > 0) return "";
    return frame(header, response);
  }

  const BrokerSecurity security_;
  std::string host_ = "127.0.0.1";
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
  TestTransactions transactions_;
  struct Aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t end;
  };
  std::map<int, std::map<int64_t, int64_t>> open_;  // by partition and producer: first offset
  std::map<int, std::vector<Aborted>> aborted_;
};

class ClientOfTestBroker : public ::testing::Test {
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
  // Sends from … to-1 to partition 0, each as its own tag.
  void send_numbers(Producer& to, int end) { send_numbers(to, 0, end); }
  void send_numbers(Producer& to, int from, int end) {
    for (int i = from; i < end; ++i) {
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
  TestBroker broker_;
};

}  // namespace weir::kafka::test
