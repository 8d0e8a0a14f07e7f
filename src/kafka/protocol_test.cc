#include "kafka/protocol.h"

#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::kafka {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

// Decodes, encodes again; the empty optional where decoding fails.
using Recode = std::function<std::optional<std::string>(std::string_view bytes, int16_t version)>;

template <typename Message>
std::optional<std::string> recode(std::string_view bytes, int16_t version) {
  Reader reader(bytes);
  auto message = Message::decode(reader, version);
  if (!message.ok()) {
    EXPECT_EQ(message.error().kind(), base::ErrorKind::kCorruption) << message.error().to_string();
    return std::nullopt;
  }
  Writer writer;
  message->encode(writer, version);
  return writer.take();
}

const std::map<std::string, Recode>& messages() {
  static const std::map<std::string, Recode> all = {
      {"ProduceRequest", recode<ProduceRequest>},
      {"ProduceResponse", recode<ProduceResponse>},
      {"FetchRequest", recode<FetchRequest>},
      {"FetchResponse", recode<FetchResponse>},
      {"ListOffsetsRequest", recode<ListOffsetsRequest>},
      {"ListOffsetsResponse", recode<ListOffsetsResponse>},
      {"MetadataRequest", recode<MetadataRequest>},
      {"MetadataResponse", recode<MetadataResponse>},
      {"OffsetCommitRequest", recode<OffsetCommitRequest>},
      {"OffsetCommitResponse", recode<OffsetCommitResponse>},
      {"OffsetFetchRequest", recode<OffsetFetchRequest>},
      {"OffsetFetchResponse", recode<OffsetFetchResponse>},
      {"FindCoordinatorRequest", recode<FindCoordinatorRequest>},
      {"FindCoordinatorResponse", recode<FindCoordinatorResponse>},
      {"JoinGroupRequest", recode<JoinGroupRequest>},
      {"JoinGroupResponse", recode<JoinGroupResponse>},
      {"HeartbeatRequest", recode<HeartbeatRequest>},
      {"HeartbeatResponse", recode<HeartbeatResponse>},
      {"LeaveGroupRequest", recode<LeaveGroupRequest>},
      {"LeaveGroupResponse", recode<LeaveGroupResponse>},
      {"SyncGroupRequest", recode<SyncGroupRequest>},
      {"SyncGroupResponse", recode<SyncGroupResponse>},
      {"SaslHandshakeRequest", recode<SaslHandshakeRequest>},
      {"SaslHandshakeResponse", recode<SaslHandshakeResponse>},
      {"ApiVersionsRequest", recode<ApiVersionsRequest>},
      {"ApiVersionsResponse", recode<ApiVersionsResponse>},
      {"CreateTopicsRequest", recode<CreateTopicsRequest>},
      {"CreateTopicsResponse", recode<CreateTopicsResponse>},
      {"InitProducerIdRequest", recode<InitProducerIdRequest>},
      {"InitProducerIdResponse", recode<InitProducerIdResponse>},
      {"AddPartitionsToTxnRequest", recode<AddPartitionsToTxnRequest>},
      {"AddPartitionsToTxnResponse", recode<AddPartitionsToTxnResponse>},
      {"AddOffsetsToTxnRequest", recode<AddOffsetsToTxnRequest>},
      {"AddOffsetsToTxnResponse", recode<AddOffsetsToTxnResponse>},
      {"EndTxnRequest", recode<EndTxnRequest>},
      {"EndTxnResponse", recode<EndTxnResponse>},
      {"TxnOffsetCommitRequest", recode<TxnOffsetCommitRequest>},
      {"TxnOffsetCommitResponse", recode<TxnOffsetCommitResponse>},
      {"SaslAuthenticateRequest", recode<SaslAuthenticateRequest>},
      {"SaslAuthenticateResponse", recode<SaslAuthenticateResponse>},
  };
  return all;
}

struct Golden {
  std::string name;
  int16_t version;
  std::string kind;
  std::string bytes;
};

std::vector<Golden> goldens() {
  std::ifstream file("tests/golden/kafka/messages.txt");
  std::vector<Golden> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Golden golden;
    std::string hex;
    words >> golden.name >> golden.version >> golden.kind >> hex;
    golden.bytes = from_hex(hex);
    all.push_back(std::move(golden));
  }
  return all;
}

TEST(Protocol, EveryVersionOfEveryMessageIsAsKafkaPythonWritesIt) {
  std::map<std::string, int> versions;
  for (const Golden& golden : goldens()) {
    auto bytes = messages().at(golden.name)(golden.bytes, golden.version);
    ASSERT_TRUE(bytes) << golden.name << " " << golden.version << " " << golden.kind;
    EXPECT_EQ(*bytes, golden.bytes) << golden.name << " " << golden.version << " " << golden.kind;
    if (golden.kind == "full") ++versions[golden.name];
  }
  EXPECT_EQ(versions.size(), messages().size());
  for (const ApiVersionRange& range : api_versions()) {
    for (std::string side : {"Request", "Response"}) {
      EXPECT_EQ(versions[std::string(api_key_name(range.key)) + side], range.max - range.min + 1)
          << api_key_name(range.key);
    }
  }
}

TEST(Protocol, AMessageThatIsCutOffAnywhereIsAnError) {
  for (const Golden& golden : goldens()) {
    for (size_t size = 0; size < golden.bytes.size(); ++size) {
      auto bytes = messages().at(golden.name)(std::string_view(golden.bytes).substr(0, size),
                                              golden.version);
      EXPECT_FALSE(bytes) << golden.name << " " << golden.version << " cut to " << size;
    }
  }
}

TEST(Protocol, AMessageWithAnyByteChangedIsDecodedOrRefused) {
  for (const Golden& golden : goldens()) {
    for (size_t at = 0; at < golden.bytes.size(); ++at) {
      for (char change : {'\x01', '\x7f', '\x80', '\xff'}) {
        std::string bytes = golden.bytes;
        bytes[at] = static_cast<char>(bytes[at] ^ change);
        messages().at(golden.name)(bytes, golden.version);
      }
    }
  }
}

TEST(Protocol, AnArrayCannotClaimMoreThanThereIs) {
  Writer writer;
  writer.array_length(0x7fffffff);
  Reader reader(writer.buffer());
  auto request = MetadataRequest::decode(reader, 1);
  ASSERT_FALSE(request.ok());
  EXPECT_THAT(request.error().message(), HasSubstr("more elements than there are bytes"));
}

TEST(Protocol, FieldsOfAFetchRequestAreWhereTheyBelong) {
  FetchRequest request;
  request.max_wait_ms = 500;
  request.min_bytes = 1;
  request.max_bytes = 1000;
  request.isolation_level = 1;
  request.topics.push_back({"t", {{3, 7, 42, -1, 99}}});
  Writer writer;
  request.encode(writer, 11);
  EXPECT_EQ(writer.buffer(), from_hex("ffffffff"  // replica id
                                      "000001f4"
                                      "00000001"
                                      "000003e8"
                                      "01"
                                      "00000000"
                                      "ffffffff"  // no session
                                      "00000001"
                                      "000174"
                                      "00000001"
                                      "00000003"
                                      "00000007"
                                      "000000000000002a"
                                      "ffffffffffffffff"
                                      "00000063"
                                      "00000000"  // forgotten topics
                                      "0000"));   // rack
}

TEST(Protocol, MetadataOfAllTopicsDiffersByVersion) {
  MetadataRequest request;
  for (int16_t version = 0; version <= 8; ++version) {
    Writer writer;
    request.encode(writer, version);
    EXPECT_EQ(load_big<int32_t>(writer.buffer().data()), version == 0 ? 0 : -1);
    Reader reader(writer.buffer());
    EXPECT_FALSE(MetadataRequest::decode(reader, version)->topics);
  }
  request.topics.emplace();
  Writer writer;
  request.encode(writer, 5);
  Reader reader(writer.buffer());
  EXPECT_EQ(MetadataRequest::decode(reader, 5)->topics->size(), 0u);
}

TEST(Protocol, HeadersFollowTheVersion) {
  RequestHeader header{ApiKey::kFetch, 11, 77, "me"};
  Writer writer;
  header.encode(writer);
  EXPECT_EQ(writer.buffer(), from_hex("0001000b0000004d00026d65"));
  header.api_key = ApiKey::kApiVersions;
  header.api_version = 3;
  Writer flexible;
  header.encode(flexible);
  EXPECT_EQ(flexible.buffer(), from_hex("001200030000004d00026d6500"));
  Reader reader(flexible.buffer());
  auto back = RequestHeader::decode(reader);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->correlation_id, 77);
  EXPECT_EQ(reader.remaining(), 0u);
  Writer response;
  encode_response_header(response, ApiKey::kApiVersions, 3, 77);
  EXPECT_EQ(response.buffer(), from_hex("0000004d"));  // never with tagged fields
}

TEST(Protocol, AnUnknownCallStillHasAHeader) {
  Reader reader(std::string_view("\x7f\xff\0\x09\0\0\0\x01\xff\xff", 10));
  auto header = RequestHeader::decode(reader);
  ASSERT_TRUE(header.ok());
  EXPECT_FALSE(supports(header->api_key, header->api_version));
  EXPECT_EQ(header->correlation_id, 1);
  EXPECT_FALSE(header->client_id);
}

TEST(Protocol, TaggedFieldsThatAreUnknownAreSkipped) {
  // ApiVersions 3 with one tagged field of three bytes at the end.
  std::string bytes = from_hex(
      "05776569720231"
      "0105"
      "03"
      "aabbcc");
  Reader reader(bytes);
  auto request = ApiVersionsRequest::decode(reader, 3);
  ASSERT_TRUE(request.ok()) << request.error().to_string();
  EXPECT_EQ(request->client_software_name, "weir");
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ErrorCodes, HaveKafkasNamesAndClasses) {
  EXPECT_EQ(error_code_name(ErrorCode::kNotLeaderOrFollower), "NOT_LEADER_OR_FOLLOWER");
  EXPECT_EQ(error_code_name(ErrorCode::kUnknownServerError), "UNKNOWN_SERVER_ERROR");
  EXPECT_EQ(error_code_name(static_cast<ErrorCode>(9999)), "UNKNOWN_ERROR_CODE");
  EXPECT_TRUE(is_retriable(ErrorCode::kNotEnoughReplicas));
  EXPECT_FALSE(is_retriable(ErrorCode::kMessageTooLarge));
  base::Error error = error_of(ErrorCode::kLeaderNotAvailable, "metadata of t", "soon");
  EXPECT_EQ(error.message(), "metadata of t: LEADER_NOT_AVAILABLE (5): soon");
  EXPECT_TRUE(error.retryable());
}

TEST(Wire, VarintsGoThereAndBack) {
  for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{63}, int64_t{-64}, int64_t{64},
                        int64_t{300}, INT64_MAX, INT64_MIN}) {
    Writer writer;
    writer.varlong(value);
    Reader reader(writer.buffer());
    EXPECT_EQ(reader.varlong(), value);
    EXPECT_TRUE(reader.ok());
    EXPECT_EQ(reader.remaining(), 0u);
  }
  Writer writer;
  writer.varint(-65);
  EXPECT_EQ(writer.buffer(), from_hex("8101"));
}

TEST(Wire, AVarintThatNeverEndsIsMalformed) {
  std::string endless(20, '\xff');
  Reader reader(endless);
  reader.varint();
  EXPECT_FALSE(reader.ok());
  Reader longer(endless);
  longer.varlong();
  EXPECT_FALSE(longer.ok());
}

TEST(Wire, AFailureSticks) {
  Reader reader(
      std::string_view("\0\x05"
                       "ab",
                       4));
  EXPECT_EQ(reader.string(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.int32(), 0);
  EXPECT_EQ(reader.remaining(), 0u);
}

}  // namespace
}  // namespace weir::kafka
