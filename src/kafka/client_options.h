// Options of the fetch client and of the producer, named as Kafka names them.
//
// from_properties takes Kafka's property names without Spark's "kafka." prefix. Each is honoured,
// or refused by name (kUnsupported where Kafka knows it and weir doesn't do it, kInvalidArgument
// where nobody knows it or its value can't be): nothing is ignored silently.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kafka/record_batch.h"

namespace weir::kafka {

struct HostPort {
  std::string host;
  int port = 9092;
  auto operator<=>(const HostPort&) const = default;
  std::string to_string() const;  // "host:9092", "[::1]:9092"
};
// "a:9092,b,[::1]:9094", with or without "PLAINTEXT://" and its like in front.
base::Result<std::vector<HostPort>> parse_bootstrap_servers(std::string_view text);

// How to reach a broker and prove who we are.
struct ConnectionOptions {
  std::vector<HostPort> bootstrap_servers;  // bootstrap.servers
  std::string client_id = "weir";           // client.id
  bool tls = false;                         // security.protocol SSL, SASL_SSL
  bool sasl = false;          // security.protocol SASL_PLAINTEXT, SASL_SSL; mechanism PLAIN only
  std::string sasl_username;  // sasl.jaas.config, or sasl.username
  std::string sasl_password;  // likewise; never in a message or a log
  std::string ca_file;  // ssl.truststore.location (PEM) or ssl.ca.location; empty: the system's
  std::string ca_pem;   // ssl.truststore.certificates
  bool verify_hostname = true;     // ssl.endpoint.identification.algorithm: https, or empty
  bool verify_certificate = true;  // enable.ssl.certificate.verification (librdkafka's)
  bool tls_1_2 = true;             // ssl.enabled.protocols
  bool tls_1_3 = true;
  std::string certificate_file;     // ssl.certificate.location, or ssl.keystore.location (PEM)
  std::string key_file;             // ssl.key.location, or ssl.keystore.location (PEM)
  std::string key_password;         // ssl.key.password
  int receive_buffer_bytes = -1;    // receive.buffer.bytes; -1: the system's, which grows
  int send_buffer_bytes = 1 << 20;  // send.buffer.bytes; -1: the system's
  int request_timeout_ms = 30000;   // request.timeout.ms
  int connect_timeout_ms = 10000;   // socket.connection.setup.timeout.ms
  int api_timeout_ms = 60000;       // default.api.timeout.ms: a call with all its retries
  int retry_backoff_ms = 100;       // retry.backoff.ms
  int retry_backoff_max_ms = 1000;  // retry.backoff.max.ms
};

using Properties = std::map<std::string, std::string>;

struct ClientOptions {
  ConnectionOptions connection;
  int fetch_min_bytes = 1;                       // fetch.min.bytes
  int fetch_max_wait_ms = 500;                   // fetch.max.wait.ms
  int fetch_max_bytes = 52428800;                // fetch.max.bytes
  int max_partition_fetch_bytes = 1 << 20;       // max.partition.fetch.bytes
  bool check_crcs = true;                        // check.crcs
  bool read_committed = false;                   // isolation.level
  int64_t read_ahead_bytes = int64_t{32} << 20;  // weir.read.ahead.bytes: fetched and not yet taken
  int64_t decompressed_limit = int64_t{256} << 20;  // weir.decompressed.batch.bytes.max
  // Options that were given, are well-formed and change nothing (group.id, session.timeout.ms and
  // their like): whoever reads the options tells of them.
  std::vector<std::string> without_effect;

  static base::Result<ClientOptions> from_properties(const Properties& properties);
};

struct ProducerOptions {
  ConnectionOptions connection;
  int16_t acks = -1;               // acks: 0, 1, all
  bool idempotence = true;         // enable.idempotence (needs acks=all)
  int max_in_flight = 5;           // max.in.flight.requests.per.connection (1-5 with idempotence)
  int linger_ms = 5;               // linger.ms
  int batch_size = 256 << 10;      // batch.size: a batch is closed at this many bytes
  int max_request_size = 4 << 20;  // max.request.size
  int64_t buffer_memory = int64_t{64} << 20;     // buffer.memory
  int max_block_ms = 60000;                      // max.block.ms
  int delivery_timeout_ms = 120000;              // delivery.timeout.ms
  Compression compression = Compression::kNone;  // compression.type

  static base::Result<ProducerOptions> from_properties(const Properties& properties);
};

}  // namespace weir::kafka
