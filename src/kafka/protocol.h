// Which calls and versions weir speaks, the request and response headers, and every message.
//
// A frame on the wire is an int32 size followed by that many bytes: header, then body. Every
// message struct has encode and decode, for both sides of the wire, for each version in its range:
//   static Result<M> decode(Reader&, int16_t version);   kCorruption where malformed
//   void encode(Writer&, int16_t version) const;
// A field that a version lacks is left at its default by decode and not written by encode. Strings
// are owned by the struct; record sets (`records`) are views into the decoded bytes. Authority:
// Apache Kafka, clients/src/main/resources/common/message/*.json.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kafka/api_key.h"
#include "kafka/error_code.h"
#include "kafka/messages_cluster.h"
#include "kafka/messages_data.h"
#include "kafka/messages_group.h"
#include "kafka/messages_transaction.h"
#include "kafka/wire.h"

namespace weir::kafka {

struct RequestHeader {
  ApiKey api_key{};
  int16_t api_version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id;

  // Header v2 (with tagged fields) where the call and version are flexible, else v1. An unknown key
  // or version is decoded as far as client_id and is not an error: the caller looks at supports().
  // (An ApiVersions of a version that we don't know is header v2 as well, as Kafka's rule says.)
  static base::Result<RequestHeader> decode(Reader& reader);
  void encode(Writer& writer) const;
};

// Response header v0 (correlation id), or v1 (and tagged fields) where flexible; ApiVersions is
// always v0.
void encode_response_header(Writer& writer, ApiKey key, int16_t version, int32_t correlation_id);
base::Result<int32_t> decode_response_header(Reader& reader, ApiKey key, int16_t version);

// A whole request frame with its size in front.
template <typename Request>
std::string encode_request_frame(const RequestHeader& header, const Request& request) {
  Writer writer;
  writer.int32(0);
  header.encode(writer);
  request.encode(writer, header.api_version);
  writer.patch_int32(0, static_cast<int32_t>(writer.size() - 4));
  return writer.take();
}
// A whole response frame with its size in front.
template <typename Response>
std::string encode_response_frame(int16_t version, int32_t correlation_id,
                                  const Response& response) {
  Writer writer;
  writer.int32(0);
  encode_response_header(writer, Response::kApiKey, version, correlation_id);
  response.encode(writer, version);
  writer.patch_int32(0, static_cast<int32_t>(writer.size() - 4));
  return writer.take();
}

}  // namespace weir::kafka
