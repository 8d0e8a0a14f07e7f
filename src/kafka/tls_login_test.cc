// TLS and SASL PLAIN of the client, against a broker with certificates made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "kafka/test_broker.h"

namespace weir::kafka {
namespace {

using base::ErrorKind;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPassword[] = "correct horse battery";

struct Delete {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Delete>;
using Certificate = std::unique_ptr<X509, Delete>;
using Context = std::unique_ptr<SSL_CTX, Delete>;

void extend(X509* certificate, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// An authority of its own, and certificates that it signs.
class Authority {
 public:
  explicit Authority(const char* name) : key_(EVP_EC_gen("P-256")) {
    certificate_ = make(name, nullptr, key_.get());
    extend(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(certificate_.get(), key_.get(), EVP_sha256());
  }
  std::string pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate_.get());
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<size_t>(size));
    BIO_free(bio);
    return text;
  }
  // A server's context with a certificate for `names` ("DNS:localhost,IP:127.0.0.1").
  Context server(const char* names, bool expired = false) const {
    Key key(EVP_EC_gen("P-256"));
    Certificate certificate = make("broker", certificate_.get(), key.get());
    extend(certificate.get(), certificate_.get(), NID_subject_alt_name, names);
    if (expired) X509_gmtime_adj(X509_getm_notAfter(certificate.get()), -3600);
    X509_sign(certificate.get(), key_.get(), EVP_sha256());
    Context context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context.get(), certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), key.get());
    return context;
  }

 private:
  static Certificate make(const char* name, X509* issuer, EVP_PKEY* key) {
    static long serial = 0;
    Certificate made(X509_new());
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -86400);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(made.get(), X509_get_subject_name(issuer ? issuer : made.get()));
    X509_set_pubkey(made.get(), key);
    return made;
  }
  Key key_;
  Certificate certificate_;
};

class TlsLoginTest : public ::testing::Test {
 protected:
  void start(const char* names, bool expired = false) {
    context_ = authority_.server(names, expired);
    broker_ = std::make_unique<test::TestBroker>(
        test::BrokerSecurity{context_.get(), "alice", kPassword});
    broker_->set_host("localhost");
  }
  Properties properties() const {
    return {{"bootstrap.servers", broker_->address()},
            {"security.protocol", "SASL_SSL"},
            {"sasl.mechanism", "PLAIN"},
            {"sasl.jaas.config",
             fmt::format("org.apache.kafka.common.security.plain.PlainLoginModule required "
                         "username=\"alice\" password=\"{}\";",
                         kPassword)},
            {"ssl.truststore.certificates", authority_.pem()},
            {"ssl.truststore.type", "PEM"},
            {"default.api.timeout.ms", "10000"},
            {"retry.backoff.ms", "1"}};
  }
  base::Result<std::vector<TopicInfo>> topics(const Properties& properties) {
    WEIR_ASSIGN(auto options, ClientOptions::from_properties(properties));
    WEIR_ASSIGN(auto client, Client::open(std::move(options), clock_, random_));
    return client->list_topics();
  }
  // The error names the broker and none of the secrets.
  void expect_refused(const Properties& properties, ErrorKind kind, const std::string& why) {
    auto found = topics(properties);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().kind(), kind) << found.error().to_string();
    EXPECT_THAT(found.error().to_string(),
                AllOf(HasSubstr(broker_->address()), HasSubstr(why), Not(HasSubstr(kPassword)),
                      Not(HasSubstr("wrong secret"))));
    EXPECT_FALSE(found.error().retryable()) << found.error().to_string();
  }

  base::SystemClock clock_;
  base::SeededRandom random_{1};
  Authority authority_{"test authority"};
  Context context_;
  std::unique_ptr<test::TestBroker> broker_;
};

TEST_F(TlsLoginTest, LogsInAndMovesRecordsInEachVersionOfTls) {
  start("DNS:localhost");
  int64_t sent = 0;
  for (const char* versions : {"TLSv1.2", "TLSv1.3", "TLSv1.2,TLSv1.3", "TLSv1.3, TLSv1.2"}) {
    Properties common = properties();
    common["ssl.enabled.protocols"] = versions;
    Properties producing = common;
    producing["batch.size"] = "2000";
    producing["linger.ms"] = "0";
    auto producer =
        std::move(
            Producer::open(*ProducerOptions::from_properties(producing), clock_, random_,
                           [](const Delivery& delivery) { EXPECT_EQ(delivery.error, nullptr); }))
            .value();
    const std::string value(1000, 'x');
    for (int i = 0; i < 500; ++i) {
      ProduceRecord record;
      record.topic = "t";
      record.partition = 0;
      record.value = value;
      ASSERT_TRUE(producer->send(record).ok());
    }
    ASSERT_TRUE(producer->flush(20000).ok()) << versions;
    sent += 500;
    EXPECT_EQ(broker_->end_offset(0), sent);
    auto client =
        std::move(Client::open(*ClientOptions::from_properties(common), clock_, random_)).value();
    auto fetcher = std::move(client->fetch({{{"t", 0}, 0, sent}})).value();
    int64_t records = 0;
    while (true) {
      auto outcome = fetcher->next(20000);
      ASSERT_TRUE(outcome.ok()) << outcome.error().to_string();
      if (outcome->status == FetchStatus::kFinished) break;
      for (const BatchView& batch : outcome->fetched.batches)
        records += batch.header.record_count;
    }
    EXPECT_EQ(records, sent);
  }
}

TEST_F(TlsLoginTest, AVersionThatTheBrokerDoesNotHave) {
  start("DNS:localhost");
  SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);
  Properties given = properties();
  EXPECT_TRUE(topics(given).ok());
  given["ssl.enabled.protocols"] = "TLSv1.3";
  expect_refused(given, ErrorKind::kUnavailable, "protocol version");
}

TEST_F(TlsLoginTest, AWrongPasswordIsFinal) {
  start("DNS:localhost");
  Properties given = properties();
  given["sasl.jaas.config"] =
      "org.apache.kafka.common.security.plain.PlainLoginModule required "
      "username=\"alice\" password=\"wrong secret\";";
  expect_refused(given, ErrorKind::kPermissionDenied, "Invalid username or password");
}

TEST_F(TlsLoginTest, AnUnknownAuthorityIsNotTrusted) {
  start("DNS:localhost");
  Properties given = properties();
  given["ssl.truststore.certificates"] = Authority("another authority").pem();
  expect_refused(given, ErrorKind::kPermissionDenied, "ssl.truststore");
  given["enable.ssl.certificate.verification"] = "false";
  EXPECT_TRUE(topics(given).ok());
}

TEST_F(TlsLoginTest, ACertificateForAnotherHostIsNotTrusted) {
  start("DNS:broker.example.org,IP:127.0.0.2");
  Properties given = properties();
  expect_refused(given, ErrorKind::kPermissionDenied, "hostname mismatch");
  given["bootstrap.servers"] = "localhost:1," + broker_->address();
  expect_refused(given, ErrorKind::kPermissionDenied, "hostname mismatch");
  given["ssl.endpoint.identification.algorithm"] = "";
  EXPECT_TRUE(topics(given).ok());
  broker_->set_host("127.0.0.1");
  given = properties();
  expect_refused(given, ErrorKind::kPermissionDenied, "IP address mismatch");
}

TEST_F(TlsLoginTest, AnAddressInTheCertificateIsEnough) {
  start("IP:127.0.0.1");
  broker_->set_host("127.0.0.1");
  EXPECT_TRUE(topics(properties()).ok());
}

TEST_F(TlsLoginTest, AnExpiredCertificateIsNotTrusted) {
  start("DNS:localhost", true);
  expect_refused(properties(), ErrorKind::kPermissionDenied, "certificate has expired");
}

TEST_F(TlsLoginTest, PlainTextToATlsPortSaysSo) {
  start("DNS:localhost");
  Properties given = properties();
  given["security.protocol"] = "SASL_PLAINTEXT";
  given["default.api.timeout.ms"] = "50";
  auto found = topics(given);
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().to_string(),
              AllOf(HasSubstr(broker_->address()), HasSubstr("TLS"), Not(HasSubstr(kPassword))));
}

TEST_F(TlsLoginTest, TlsToAPlainTextPortSaysSo) {
  start("DNS:localhost");
  broker_ = std::make_unique<test::TestBroker>(test::BrokerSecurity{nullptr, "alice", kPassword});
  Properties given = properties();
  given["default.api.timeout.ms"] = "50";
  auto found = topics(given);
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.error().to_string(), AllOf(HasSubstr(broker_->address()), HasSubstr("TLS")));
}

TEST_F(TlsLoginTest, AWrongPasswordEndsAProducerToo) {
  start("DNS:localhost");
  Properties given = properties();
  given["sasl.jaas.config"] =
      "org.apache.kafka.common.security.plain.PlainLoginModule required "
      "username=\"alice\" password=\"wrong secret\";";
  auto producer = std::move(Producer::open(*ProducerOptions::from_properties(given), clock_,
                                           random_, [](const Delivery&) {}))
                      .value();
  ProduceRecord record;
  record.topic = "t";
  auto sent = producer->send(record);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().kind(), ErrorKind::kPermissionDenied);
  EXPECT_THAT(sent.error().to_string(),
              AllOf(HasSubstr(broker_->address()), Not(HasSubstr("wrong secret"))));
}

}  // namespace
}  // namespace weir::kafka
