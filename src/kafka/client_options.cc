#include "kafka/client_options.h"

#include <algorithm>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "base/parse_integer.h"
#include "base/text.h"
#include "kafka/jaas.h"

namespace weir::kafka {

namespace {

using base::ErrorKind;
using base::Result;

std::string_view trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

base::Error bad_value(std::string_view name, std::string_view value, std::string_view wanted) {
  return base::error(ErrorKind::kInvalidArgument, "Kafka option {} = \"{}\": {}", name, value,
                     wanted);
}

template <typename T>
Result<void> set_integer(std::string_view name, std::string_view value, int64_t least, int64_t most,
                         T& target) {
  const auto parsed = base::parse_integer(value);
  if (!parsed || *parsed < least || *parsed > most) {
    return bad_value(name, value,
                     fmt::format("a whole number from {} to {} is needed", least, most));
  }
  target = static_cast<T>(*parsed);
  return base::ok();
}

Result<void> set_boolean(std::string_view name, std::string_view value, bool& target) {
  if (value != "true" && value != "false") return bad_value(name, value, "true or false is needed");
  target = value == "true";
  return base::ok();
}

constexpr int64_t kIntMax = std::numeric_limits<int32_t>::max();
constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

using Setter = std::function<Result<void>(std::string_view name, std::string_view value)>;
using Table = std::map<std::string_view, Setter>;

template <typename T>
Setter integer(T& target, int64_t least, int64_t most = kIntMax) {
  return [&target, least, most](std::string_view name, std::string_view value) {
    return set_integer(name, value, least, most, target);
  };
}
Setter boolean(bool& target) {
  return [&target](std::string_view name, std::string_view value) {
    return set_boolean(name, value, target);
  };
}
Setter text(std::string& target) {
  return [&target](std::string_view, std::string_view value) -> Result<void> {
    target = value;
    return base::ok();
  };
}
// Kafka's meaning of the option is what weir does anyway for this value; any other is refused.
Setter only(std::vector<std::string_view> accepted) {
  return [accepted = std::move(accepted)](std::string_view name,
                                          std::string_view value) -> Result<void> {
    if (std::find(accepted.begin(), accepted.end(), value) != accepted.end()) return base::ok();
    return base::error(ErrorKind::kUnsupported,
                       "Kafka option {} = \"{}\" is not supported; leave it out or use {}", name,
                       value, fmt::join(accepted, " or "));
  };
}
// Options of group membership, which have no effect on a Kafka consumer with assigned partitions
// either: their values are checked and their names handed on.
Setter without_effect(std::vector<std::string>& names, int64_t least) {
  return [&names, least](std::string_view name, std::string_view value) -> Result<void> {
    int64_t unused = 0;
    WEIR_TRY(set_integer(name, value, least, kInt64Max, unused));
    names.emplace_back(name);
    return base::ok();
  };
}

Result<void> set_security_protocol(std::string_view name, std::string_view value,
                                   ConnectionOptions& options) {
  const std::string upper = base::upper_case(value);
  if (upper != "PLAINTEXT" && upper != "SSL" && upper != "SASL_PLAINTEXT" && upper != "SASL_SSL") {
    return bad_value(name, value, "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL is needed");
  }
  options.tls = upper.ends_with("SSL");
  options.sasl = upper.starts_with("SASL_");
  return base::ok();
}

// A list of versions; those that are no longer safe are refused.
Result<void> set_tls_versions(std::string_view name, std::string_view value,
                              ConnectionOptions& options) {
  options.tls_1_2 = options.tls_1_3 = false;
  std::string_view rest = value;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view version = trim(rest.substr(0, comma));
    if (version == "TLSv1.2") {
      options.tls_1_2 = true;
    } else if (version == "TLSv1.3") {
      options.tls_1_3 = true;
    } else if (version == "TLSv1.1" || version == "TLSv1" || version.starts_with("SSL")) {
      return base::error(ErrorKind::kUnsupported,
                         "Kafka option {} = \"{}\": {} is not safe any more and not supported; "
                         "name TLSv1.2 and TLSv1.3",
                         name, value, version);
    } else {
      return bad_value(name, value, "a list of TLSv1.2 and TLSv1.3 is needed");
    }
    if (comma == std::string_view::npos) return base::ok();
    rest.remove_prefix(comma + 1);
  }
}

void add_connection(Table& table, ConnectionOptions& o) {
  table["bootstrap.servers"] = [&o](std::string_view, std::string_view value) -> Result<void> {
    WEIR_ASSIGN(o.bootstrap_servers, parse_bootstrap_servers(value));
    return base::ok();
  };
  table["metadata.broker.list"] = table["bootstrap.servers"];
  table["client.id"] = text(o.client_id);
  table["security.protocol"] = [&o](std::string_view name, std::string_view value) {
    return set_security_protocol(name, value, o);
  };
  table["sasl.mechanism"] = only({"PLAIN"});
  table["sasl.mechanisms"] = only({"PLAIN"});
  table["sasl.jaas.config"] = [&o](std::string_view, std::string_view value) -> Result<void> {
    WEIR_ASSIGN(PlainLogin login, parse_jaas_config(value));
    o.sasl_username = std::move(login.username);
    o.sasl_password = std::move(login.password);
    return base::ok();
  };
  table["sasl.username"] = text(o.sasl_username);
  table["sasl.password"] = text(o.sasl_password);
  table["ssl.truststore.location"] = text(o.ca_file);
  table["ssl.truststore.type"] = only({"PEM"});
  table["ssl.truststore.certificates"] = text(o.ca_pem);
  table["ssl.ca.location"] = text(o.ca_file);
  table["ssl.endpoint.identification.algorithm"] = [&o](std::string_view name,
                                                        std::string_view value) -> Result<void> {
    if (value != "https" && value != "HTTPS" && !value.empty() && value != "none") {
      return bad_value(name, value,
                       "https, or nothing to leave the host name unchecked, is needed");
    }
    o.verify_hostname = value == "https" || value == "HTTPS";
    return base::ok();
  };
  table["enable.ssl.certificate.verification"] = boolean(o.verify_certificate);
  table["ssl.keystore.location"] = [&o](std::string_view, std::string_view value) -> Result<void> {
    o.certificate_file = value;
    o.key_file = value;
    return base::ok();
  };
  table["ssl.keystore.type"] = only({"PEM"});
  table["ssl.certificate.location"] = text(o.certificate_file);
  table["ssl.key.location"] = text(o.key_file);
  table["ssl.key.password"] = text(o.key_password);
  // Which versions are spoken is a matter of ssl.enabled.protocols, in Java too.
  table["ssl.protocol"] = only({"TLS", "TLSv1.2", "TLSv1.3"});
  table["ssl.enabled.protocols"] = [&o](std::string_view name, std::string_view value) {
    return set_tls_versions(name, value, o);
  };
  table["receive.buffer.bytes"] = integer(o.receive_buffer_bytes, -1);
  table["send.buffer.bytes"] = integer(o.send_buffer_bytes, -1);
  table["request.timeout.ms"] = integer(o.request_timeout_ms, 1);
  table["socket.connection.setup.timeout.ms"] = integer(o.connect_timeout_ms, 1);
  table["default.api.timeout.ms"] = integer(o.api_timeout_ms, 1);
  table["retry.backoff.ms"] = integer(o.retry_backoff_ms, 0);
  table["retry.backoff.max.ms"] = integer(o.retry_backoff_max_ms, 0);
  table["client.dns.lookup"] = only({"use_all_dns_ips"});
  table["metric.reporters"] = only({""});
  table["enable.metrics.push"] = only({"false"});
}

void add_consumer(Table& table, ClientOptions& o) {
  table["fetch.min.bytes"] = integer(o.fetch_min_bytes, 0);
  table["fetch.max.wait.ms"] = integer(o.fetch_max_wait_ms, 0);
  table["fetch.max.bytes"] = integer(o.fetch_max_bytes, 1024);
  table["max.partition.fetch.bytes"] = integer(o.max_partition_fetch_bytes, 1024);
  table["check.crcs"] = boolean(o.check_crcs);
  table["weir.read.ahead.bytes"] = integer(o.read_ahead_bytes, 1, kInt64Max);
  table["weir.decompressed.batch.bytes.max"] = integer(o.decompressed_limit, 1, kInt64Max);
  table["isolation.level"] = [&o](std::string_view name, std::string_view value) -> Result<void> {
    if (value != "read_committed" && value != "read_uncommitted")
      return bad_value(name, value, "read_committed or read_uncommitted is needed");
    o.read_committed = value == "read_committed";
    return base::ok();
  };
  table["enable.auto.commit"] = only({"false"});
  table["auto.commit.interval.ms"] = without_effect(o.without_effect, 0);
  // Spark sets these itself and refuses them of its user; the source decides about both.
  table["auto.offset.reset"] = only({"none"});
  table["key.deserializer"] = only({"org.apache.kafka.common.serialization.ByteArrayDeserializer"});
  table["value.deserializer"] = table["key.deserializer"];
  table["allow.auto.create.topics"] = only({"false"});
  table["exclude.internal.topics"] = only({"true"});
  std::string_view membership[] = {"session.timeout.ms", "heartbeat.interval.ms",
                                   "max.poll.interval.ms", "max.poll.records"};
  for (std::string_view name : membership)
    table[name] = without_effect(o.without_effect, 1);
  // No group is joined and nothing is committed, as with Spark's source.
  auto name_only = [&o](std::string_view name, std::string_view) -> Result<void> {
    o.without_effect.emplace_back(name);
    return base::ok();
  };
  table["group.id"] = name_only;
  table["group.instance.id"] = name_only;
}

void add_producer(Table& table, ProducerOptions& o, bool& in_flight_given,
                  bool& idempotence_given) {
  table["acks"] = [&o](std::string_view name, std::string_view value) -> Result<void> {
    if (value == "all") {
      o.acks = -1;
      return base::ok();
    }
    return set_integer(name, value, -1, 1, o.acks);
  };
  table["enable.idempotence"] = [&o, &idempotence_given](std::string_view name,
                                                         std::string_view value) {
    idempotence_given = true;
    return set_boolean(name, value, o.idempotence);
  };
  table["max.in.flight.requests.per.connection"] = [&o, &in_flight_given](std::string_view name,
                                                                          std::string_view value) {
    in_flight_given = true;
    return set_integer(name, value, 1, 1000, o.max_in_flight);
  };
  table["linger.ms"] = integer(o.linger_ms, 0);
  table["batch.size"] = integer(o.batch_size, 0);
  table["max.request.size"] = integer(o.max_request_size, 1024);
  table["buffer.memory"] = integer(o.buffer_memory, 1024, kInt64Max);
  table["max.block.ms"] = integer(o.max_block_ms, 0);
  table["delivery.timeout.ms"] = integer(o.delivery_timeout_ms, 1);
  table["retries"] = only({"2147483647"});
  table["compression.type"] = [&o](std::string_view, std::string_view value) -> Result<void> {
    WEIR_ASSIGN(o.compression, parse_compression(value));
    return base::ok();
  };
  table["key.serializer"] = only({"org.apache.kafka.common.serialization.ByteArraySerializer"});
  table["value.serializer"] = table["key.serializer"];
}

// What Kafka's clients know and weir doesn't do.
constexpr std::string_view kKnown[] = {"sasl.kerberos.",
                                       "sasl.login.",
                                       "sasl.oauthbearer.",
                                       "sasl.client.",
                                       "ssl.",
                                       "interceptor.classes",
                                       "partition.assignment.strategy",
                                       "client.rack",
                                       "connections.max.idle.ms",
                                       "metadata.max.age.ms",
                                       "reconnect.backoff.",
                                       "socket.connection.setup.timeout.max.ms",
                                       "group.protocol",
                                       "group.remote.assignor",
                                       "metadata.recovery.",
                                       "metrics.",
                                       "security.providers",
                                       "transactional.id",
                                       "transaction.timeout.ms",
                                       "partitioner.",
                                       "auto.include.jmx.reporter",
                                       "compression.",
                                       "throw.on.fetch.stable.offset.unsupported",
                                       "internal.leave.group.on.close",
                                       "config.providers"};

Result<void> apply_properties(const Table& table, const Properties& properties) {
  for (const auto& [name, value] : properties) {
    auto entry = table.find(name);
    if (entry != table.end()) {
      WEIR_TRY(entry->second(name, trim(value)));
      continue;
    }
    const std::string_view option = name;
    bool known = std::any_of(std::begin(kKnown), std::end(kKnown),
                             [=](std::string_view prefix) { return option.starts_with(prefix); });
    if (known)
      return base::error(ErrorKind::kUnsupported, "Kafka option {} is not supported; leave it out",
                         name);
    std::string names;
    for (const auto& [each, setter] : table)
      names += (names.empty() ? "" : ", ") + std::string(each);
    return base::error(ErrorKind::kInvalidArgument, "there is no Kafka option {}; there are {}",
                       name, names);
  }
  return base::ok();
}

Result<void> check_connection(const ConnectionOptions& o) {
  if (o.bootstrap_servers.empty())
    return base::error(ErrorKind::kInvalidArgument, "Kafka option bootstrap.servers is missing");
  if (o.sasl && o.sasl_username.empty()) {
    return base::error(ErrorKind::kInvalidArgument,
                       "security.protocol asks for SASL, but there is no user: set "
                       "sasl.jaas.config, or sasl.username and sasl.password");
  }
  if (!o.sasl && !o.sasl_username.empty()) {
    return base::error(ErrorKind::kInvalidArgument,
                       "a SASL user is given, but security.protocol doesn't use it: set it to "
                       "SASL_SSL (or SASL_PLAINTEXT)");
  }
  return base::ok();
}

}  // namespace

std::string HostPort::to_string() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<std::vector<HostPort>> parse_bootstrap_servers(std::string_view text) {
  std::vector<HostPort> servers;
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    std::string_view item = trim(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (item.empty()) continue;
    std::string_view whole = item;
    if (size_t scheme = item.find("://"); scheme != std::string_view::npos)
      item.remove_prefix(scheme + 3);
    HostPort server;
    size_t colon = item.rfind(':');
    size_t bracket = item.rfind(']');
    bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    std::string_view host = has_port ? item.substr(0, colon) : item;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const bool odd = std::any_of(host.begin(), host.end(), [](char c) {
      return static_cast<unsigned char>(c) <= ' ' || c == '[' || c == ']' || c == '/';
    });
    if (host.empty() || odd) return bad_value("bootstrap.servers", whole, "host:port is needed");
    server.host = host;
    if (has_port)
      WEIR_TRY(set_integer("bootstrap.servers", item.substr(colon + 1), 1, 65535, server.port));
    servers.push_back(std::move(server));
  }
  if (servers.empty())
    return bad_value("bootstrap.servers", text, "at least one host:port is needed");
  return servers;
}

Result<ClientOptions> ClientOptions::from_properties(const Properties& properties) {
  ClientOptions options;
  Table table;
  add_connection(table, options.connection);
  add_consumer(table, options);
  WEIR_TRY(apply_properties(table, properties));
  WEIR_TRY(check_connection(options.connection));
  return options;
}

Result<ProducerOptions> ProducerOptions::from_properties(const Properties& properties) {
  ProducerOptions options;
  Table table;
  bool in_flight_given = false;
  bool idempotence_given = false;
  add_connection(table, options.connection);
  add_producer(table, options, in_flight_given, idempotence_given);
  WEIR_TRY(apply_properties(table, properties));
  WEIR_TRY(check_connection(options.connection));
  bool possible = options.acks == -1 && options.max_in_flight <= 5;
  if (options.idempotence && !possible) {
    if (idempotence_given) {
      return base::error(ErrorKind::kInvalidArgument,
                         "enable.idempotence=true needs acks=all and at most 5 "
                         "max.in.flight.requests.per.connection");
    }
    options.idempotence = false;  // as Kafka does where idempotence was not asked for by name
  }
  return options;
}

}  // namespace weir::kafka
