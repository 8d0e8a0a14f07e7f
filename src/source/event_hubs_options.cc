#include <algorithm>
#include <ctime>

#include "base/json.h"
#include "base/logging.h"
#include "base/parse_integer.h"
#include "base/text.h"
#include "source/event_hubs_source.h"

namespace weir::source {

using base::error;
using base::ErrorKind;

namespace {

struct Endpoint {
  std::string hub;
  std::string server;  // host:port
  bool plain = false;
};

// Secrets of the text never go into a message.
Result<Endpoint> parse_connection_string(const std::string& text) {
  Endpoint endpoint;
  std::string address;
  bool key = false, key_name = false, signature = false;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest = end == rest.size() ? std::string_view() : rest.substr(end + 1);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string name = base::lower_case(part.substr(0, equals));
    const std::string value(part.substr(equals + 1));
    if (name == "endpoint") address = value;
    if (name == "entitypath") endpoint.hub = value;
    if (name == "sharedaccesskeyname") key_name = !value.empty();
    if (name == "sharedaccesskey") key = !value.empty();
    if (name == "sharedaccesssignature") signature = !value.empty();
    if (name == "usedevelopmentemulator") endpoint.plain = base::lower_case(value) == "true";
  }
  if (address.starts_with("sb://")) address.erase(0, 5);
  while (address.ends_with('/'))
    address.pop_back();
  if (address.empty())
    return error(ErrorKind::kInvalidArgument,
                 "option eventhubs.connectionString: Endpoint=sb://…/;…;EntityPath=… is expected, "
                 "as it is and not encrypted");
  if (endpoint.hub.empty())
    return error(ErrorKind::kInvalidArgument,
                 "option eventhubs.connectionString: EntityPath, the name of the event hub, is "
                 "missing");
  const size_t colon = address.starts_with('[') ? address.find("]:") : address.rfind(':');
  const bool has_port = colon != std::string::npos;
  const std::string host =
      has_port ? address.substr(0, colon + (address.starts_with('[') ? 1 : 0)) : address;
  const bool local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
  if ((!signature && key != key_name) || (!local && !endpoint.plain && !key && !signature))
    return error(ErrorKind::kInvalidArgument, "option eventhubs.connectionString: {} is missing",
                 key_name ? "SharedAccessKey" : "SharedAccessKeyName");
  endpoint.plain |= local;
  endpoint.server = has_port ? address : address + (endpoint.plain ? ":9092" : ":9093");
  return endpoint;
}

struct Position {
  enum class Kind { kOffset, kTime } kind = Kind::kOffset;
  int64_t offset = -1;  // -1 latest, -2 earliest, as Kafka's
  int64_t time_ms = 0;
};

Result<int64_t> parse_time_ms(const std::string& text, std::string_view what) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  int64_t ms = 0;
  if (end != nullptr && *end == '.') {
    int64_t scale = 100;
    for (++end; *end >= '0' && *end <= '9'; ++end, scale /= 10)
      ms += (*end - '0') * scale;
  }
  if (end == nullptr || (std::string_view(end) != "Z" && std::string_view(end) != "+00:00"))
    return error(ErrorKind::kInvalidArgument,
                 "{}: enqueuedTime '{}' is not a time such as 2020-06-01T13:00:00.000Z", what,
                 text);
  return static_cast<int64_t>(timegm(&parts)) * 1000 + ms;
}

// {"offset":"-1","seqNo":-1,"enqueuedTime":null,"isInclusive":true}
Result<Position> parse_position(const base::JsonObject& json, std::string_view what) {
  const bool inclusive = base::json_bool(json, "isInclusive").value_or(true);
  Position position;
  if (const auto time = base::json_string(json, "enqueuedTime"); time && !time->empty()) {
    position.kind = Position::Kind::kTime;
    WEIR_ASSIGN(position.time_ms, parse_time_ms(*time, what));
    return position;
  }
  if (const auto number = base::json_int(json, "seqNo"); number && *number >= 0) {
    position.offset = *number + (inclusive ? 0 : 1);
    return position;
  }
  auto offset = base::json_string(json, "offset");
  if (const auto number = base::json_int(json, "offset")) offset = std::to_string(*number);
  if (!offset || offset->empty())
    return error(ErrorKind::kInvalidArgument, "{}: a position has offset, seqNo or enqueuedTime",
                 what);
  if (*offset == "@latest") return position;
  const auto number = base::parse_integer(*offset);
  if (!number || *number < -1)
    return error(ErrorKind::kInvalidArgument,
                 "{}: offset '{}' is not a number, \"-1\" (the start) or \"@latest\"", what,
                 *offset);
  position.offset = *number < 0 ? -2 : *number + (inclusive ? 0 : 1);
  return position;
}

// {"{\"ehName\":\"hub\",\"partitionId\":0}":{…position…}}
Result<KafkaOffsets> parse_positions(const std::string& text, const std::string& hub) {
  constexpr std::string_view kWhat = "option eventhubs.startingPositions";
  WEIR_ASSIGN(const auto json, base::parse_json_object(text, kWhat));
  KafkaOffsets offsets;
  for (const auto& [key, value] : json) {
    WEIR_ASSIGN(const auto name, base::parse_json_object(std::string_view(key), kWhat));
    const auto partition = base::json_int(name, "partitionId");
    const auto event_hub = base::json_string(name, "ehName");
    const base::JsonObject* position = value.if_object();
    if (!partition || !event_hub || position == nullptr || *partition < 0 || *partition > INT32_MAX)
      return error(ErrorKind::kInvalidArgument,
                   "{}: {{\"ehName\":…,\"partitionId\":…}} and a position are expected", kWhat);
    if (*event_hub != hub)
      return error(ErrorKind::kInvalidArgument, "{}: the hub '{}' is not that of EntityPath, '{}'",
                   kWhat, *event_hub, hub);
    WEIR_ASSIGN(const auto parsed, parse_position(*position, kWhat));
    if (parsed.kind == Position::Kind::kTime)
      return error(ErrorKind::kUnsupported,
                   "The feature is not supported: enqueuedTime in {}; in "
                   "eventhubs.startingPosition it is.",
                   kWhat)
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
    offsets[{hub, static_cast<int32_t>(*partition)}] = parsed.offset;
  }
  return offsets;
}

}  // namespace

Result<KafkaSourceOptions> parse_event_hubs_options(
    const std::map<std::string, std::string>& values, UnknownOptions unknown) {
  Options options(values, unknown);
  const auto connection = options.take("eventhubs.connectionString");
  if (!connection)
    return error(ErrorKind::kInvalidArgument, "option eventhubs.connectionString is missing");
  WEIR_ASSIGN(const Endpoint endpoint, parse_connection_string(*connection));
  std::map<std::string, std::string> kafka{{"kafka.bootstrap.servers", endpoint.server},
                                           {"subscribe", endpoint.hub},
                                           {"includeHeaders", "true"}};
  if (!endpoint.plain) {
    kafka["kafka.security.protocol"] = "SASL_SSL";
    kafka["kafka.sasl.mechanism"] = "PLAIN";
    kafka["kafka.sasl.username"] = "$ConnectionString";
    kafka["kafka.sasl.password"] = *connection;
  }
  for (auto& [name, value] : options.take_prefixed("kafka."))
    kafka["kafka." + name] = value;
  if (options.take("eventhubs.consumerGroup"))
    base::log_info(
        "option eventhubs.consumerGroup changes nothing: no consumer group is joined, and offsets "
        "are kept in the checkpoint");
  auto limit = options.take("eventhubs.maxEventsPerTrigger");
  if (const auto other = options.take("maxEventsPerTrigger")) limit = other;
  if (limit) kafka["maxOffsetsPerTrigger"] = *limit;
  if (const auto loss = options.take("failOnDataLoss")) kafka["failOnDataLoss"] = *loss;
  const auto position = options.take("eventhubs.startingPosition");
  const auto positions = options.take("eventhubs.startingPositions");
  for (const char* name : {"eventhubs.endingPosition", "eventhubs.endingPositions"})
    if (options.take(name))
      return error(ErrorKind::kInvalidArgument,
                   "option {} is not valid in a streaming query, which has no end", name);
  const auto others = options.take_prefixed("eventhubs.");
  if (!others.empty())
    return error(ErrorKind::kUnsupported,
                 "The feature is not supported: the option eventhubs.{} (events come over the "
                 "Kafka protocol).",
                 others.begin()->first)
        .with_class("UNSUPPORTED_FEATURE")
        .with_sql_state("0A000");
  WEIR_TRY(options.require_all_taken("an event hub source"));
  WEIR_ASSIGN(auto parsed, parse_kafka_source_options(kafka));
  Position start;  // the end of the stream
  if (position) {
    constexpr std::string_view kWhat = "option eventhubs.startingPosition";
    WEIR_ASSIGN(const auto json, base::parse_json_object(*position, kWhat));
    WEIR_ASSIGN(start, parse_position(json, kWhat));
  }
  using Start = KafkaSourceOptions::Start;
  if (start.kind == Position::Kind::kTime) {
    if (positions)
      return error(ErrorKind::kUnsupported,
                   "The feature is not supported: eventhubs.startingPositions beside a "
                   "startingPosition with enqueuedTime.")
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
    parsed.start = Start::kTimestamp;
    parsed.start_timestamp_ms = start.time_ms;
    parsed.latest_where_no_match = true;
    return parsed;
  }
  parsed.start = Start::kOffsets;
  parsed.start_rest = start.offset;
  if (positions) {
    WEIR_ASSIGN(parsed.start_offsets, parse_positions(*positions, endpoint.hub));
  }
  return parsed;
}

}  // namespace weir::source
