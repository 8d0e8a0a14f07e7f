#include "kafka/client_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kafka/jaas.h"
#include "kafka/producer.h"
#include "kafka/topic_pattern.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ClientOptions, EventHubsLoginAsTheSamplesWriteIt) {
  auto options = ClientOptions::from_properties({
      {"bootstrap.servers", "ns.servicebus.windows.net:9093"},
      {"security.protocol", "SASL_SSL"},
      {"sasl.mechanism", "PLAIN"},
      {"sasl.jaas.config",
       "kafkashaded.org.apache.kafka.common.security.plain.PlainLoginModule required "
       "username=\"$ConnectionString\" "
       "password=\"Endpoint=sb://ns.servicebus.windows.net/"
       ";SharedAccessKeyName=k;SharedAccessKey=abc=\";"},
      {"group.id", "some-random-id"},
      {"request.timeout.ms", "60000"},
      {"session.timeout.ms", "30000"},
  });
  ASSERT_TRUE(options.ok()) << options.error().to_string();
  EXPECT_THAT(options->without_effect, ::testing::ElementsAre("group.id", "session.timeout.ms"));
  EXPECT_TRUE(options->connection.tls);
  EXPECT_TRUE(options->connection.sasl);
  EXPECT_EQ(options->connection.sasl_username, "$ConnectionString");
  EXPECT_EQ(options->connection.sasl_password,
            "Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey=abc=");
  EXPECT_EQ(options->connection.request_timeout_ms, 60000);
  EXPECT_EQ(options->connection.bootstrap_servers,
            (std::vector<HostPort>{{"ns.servicebus.windows.net", 9093}}));
}

TEST(ClientOptions, WhatIsNotDoneIsRefusedByName) {
  struct Case {
    Properties properties;
    ErrorKind kind;
    std::string message;
  };
  const Case cases[] = {
      {{{"isolation.level", "serializable"}}, ErrorKind::kInvalidArgument, "isolation.level"},
      {{{"sasl.mechanism", "SCRAM-SHA-256"}}, ErrorKind::kUnsupported, "sasl.mechanism"},
      {{{"ssl.truststore.type", "JKS"}}, ErrorKind::kUnsupported, "ssl.truststore.type"},
      {{{"ssl.truststore.password", "x"}}, ErrorKind::kUnsupported, "ssl.truststore.password"},
      {{{"interceptor.classes", "x"}}, ErrorKind::kUnsupported, "interceptor.classes"},
      {{{"ssl.enabled.protocols", "TLSv1.1,TLSv1.2"}}, ErrorKind::kUnsupported, "TLSv1.1"},
      {{{"ssl.enabled.protocols", ""}}, ErrorKind::kInvalidArgument, "ssl.enabled.protocols"},
      {{{"ssl.protocol", "TLSv1"}}, ErrorKind::kUnsupported, "ssl.protocol"},
      {{{"max.poll.records", "0"}}, ErrorKind::kInvalidArgument, "max.poll.records"},
      {{{"fetch.min.byte", "1"}}, ErrorKind::kInvalidArgument, "fetch.min.byte"},
      {{{"fetch.min.bytes", "many"}}, ErrorKind::kInvalidArgument, "many"},
      {{{"security.protocol", "SSH"}}, ErrorKind::kInvalidArgument, "SASL_SSL"},
      {{{"security.protocol", "SASL_SSL"}}, ErrorKind::kInvalidArgument, "no user"},
      {{{"sasl.username", "me"}}, ErrorKind::kInvalidArgument, "security.protocol"},
  };
  for (const Case& each : cases) {
    Properties properties = each.properties;
    properties["bootstrap.servers"] = "h:1";
    auto options = ClientOptions::from_properties(properties);
    ASSERT_FALSE(options.ok()) << each.message;
    EXPECT_EQ(options.error().kind(), each.kind) << options.error().to_string();
    EXPECT_THAT(options.error().message(), HasSubstr(each.message));
  }
  EXPECT_FALSE(ClientOptions::from_properties({}).ok());
}

TEST(ClientOptions, VersionsOfTls) {
  auto versions = [](const std::string& text) {
    auto options = ClientOptions::from_properties(
        {{"bootstrap.servers", "h:1"}, {"ssl.enabled.protocols", text}});
    return std::pair(options->connection.tls_1_2, options->connection.tls_1_3);
  };
  EXPECT_EQ(versions("TLSv1.2"), std::pair(true, false));
  EXPECT_EQ(versions("TLSv1.3"), std::pair(false, true));
  EXPECT_EQ(versions("TLSv1.3 , TLSv1.2"), std::pair(true, true));
}

TEST(TopicPattern, MatchesWholeNamesAsJavaDoes) {
  auto matches = [](const char* pattern, const char* name) {
    return *TopicPattern::compile(pattern)->matches(name);
  };
  EXPECT_TRUE(matches("events-\\d+", "events-12"));
  EXPECT_FALSE(matches("events", "events-12"));
  EXPECT_TRUE(matches("(?!test)[a-z.]+", "prod.a"));
  EXPECT_FALSE(matches("(?!test)[a-z.]+", "test.a"));
  EXPECT_TRUE(matches("(?i)EVENTS|other", "events"));
  EXPECT_TRUE(matches("a++b", "aab"));
  for (const std::string& bad : {std::string("("), std::string("[a"), std::string(5000, 'a')})
    EXPECT_EQ(TopicPattern::compile(bad).error().kind(), ErrorKind::kInvalidArgument) << bad;
}

TEST(TopicPattern, APatternThatWouldTakeForEverIsGivenUp) {
  const auto pattern = TopicPattern::compile("(?:a+)+(?:b+)+x");
  const auto matched = pattern->matches(std::string(120, 'a') + std::string(120, 'b'));
  ASSERT_FALSE(matched.ok());
  EXPECT_EQ(matched.error().kind(), ErrorKind::kInvalidArgument);
  EXPECT_THAT(matched.error().message(), HasSubstr("too complex"));
}

TEST(ClientOptions, BootstrapServersInEveryForm) {
  auto servers = parse_bootstrap_servers("PLAINTEXT://a:1, b ,[::1]:3");
  ASSERT_TRUE(servers.ok());
  EXPECT_EQ(*servers, (std::vector<HostPort>{{"a", 1}, {"b", 9092}, {"::1", 3}}));
  EXPECT_EQ((*servers)[2].to_string(), "[::1]:3");
  for (std::string bad :
       {"", ",", "a:0", "a:99999", "a:x", ":9092", "SSL://b://c:1", "[[a]:1", "a b", "a\t:1"})
    EXPECT_FALSE(parse_bootstrap_servers(bad).ok()) << bad;
}

TEST(ProducerOptions, IdempotenceFollowsKafkasRules) {
  Properties properties{{"bootstrap.servers", "h:1"}};
  EXPECT_TRUE(ProducerOptions::from_properties(properties)->idempotence);
  properties["acks"] = "1";
  EXPECT_FALSE(ProducerOptions::from_properties(properties)->idempotence);
  properties["enable.idempotence"] = "true";
  EXPECT_FALSE(ProducerOptions::from_properties(properties).ok());
  properties["acks"] = "all";
  EXPECT_TRUE(ProducerOptions::from_properties(properties).ok());
  properties["transactional.id"] = "t";
  EXPECT_EQ(ProducerOptions::from_properties(properties).error().kind(), ErrorKind::kUnsupported);
}

TEST(Jaas, QuotesAndEscapes) {
  auto login = parse_jaas_config(
      "org.apache.kafka.common.security.plain.PlainLoginModule required\n password='a\\'b;c' "
      "username=me ;");
  ASSERT_TRUE(login.ok()) << login.error().to_string();
  EXPECT_EQ(login->username, "me");
  EXPECT_EQ(login->password, "a'b;c");
}

TEST(Jaas, MalformedTextIsAnErrorWithoutTheSecret) {
  const std::string module = "org.apache.kafka.common.security.plain.PlainLoginModule";
  for (const std::string& text :
       {std::string(""), module, module + " required",
        module + " required username=\"u\" password=\"geheim\"", module + " required username=\"u;",
        module + " required username \"u\" password=\"geheim\";",
        module + " optional username=\"u\" password=\"geheim\";",
        module + " required username=\"u\";",
        std::string(
            "com.sun.security.auth.module.Krb5LoginModule required password=\"geheim\";")}) {
    auto login = parse_jaas_config(text);
    ASSERT_FALSE(login.ok()) << text;
    EXPECT_THAT(login.error().message(), Not(HasSubstr("geheim")));
  }
}

// Values of Java's Utils.murmur2 (kafka-clients' UtilsTest).
TEST(Partitioner, MurmurIsJavas) {
  EXPECT_EQ(static_cast<int32_t>(murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<int32_t>(murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<int32_t>(murmur2("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(static_cast<int32_t>(murmur2("a-little-bit-longer-string")), -1486304829);
  EXPECT_EQ(static_cast<int32_t>(murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")),
            -58897971);
  EXPECT_EQ(static_cast<int32_t>(murmur2("abc")), 479470107);
}

}  // namespace
}  // namespace weir::kafka
