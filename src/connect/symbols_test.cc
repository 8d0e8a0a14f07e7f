// The libraries that the program is made of side by side: a regular expression in Arrow's compute
// library (its re2), a TLS call through gRPC (our OpenSSL, abseil and re2), and encrypted Parquet
// (the OpenSSL inside libparquet). Shared copies of them would take each other's symbols.
#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/io/memory.h>
#include <arrow/util/secure_string.h>
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/encryption/encryption.h>

#include "connect/rpc_server.h"

namespace weir::connect {
namespace {

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

struct Identity {
  std::string certificate;
  std::string key;
};

// A certificate for localhost that signs itself.
Identity make_identity() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  for (const auto& [what, value] : {std::pair{NID_subject_alt_name, "DNS:localhost"},
                                    std::pair{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_out = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_out, certificate);
  BIO* key_out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_out, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {text_of(certificate_out), text_of(key_out)};
}

class Echo final : public CallHandler {
 public:
  explicit Echo(CallPtr call) : call_(std::move(call)) {}
  void on_message(std::string bytes) override {
    const auto body = std::make_shared<arrow::Buffer>("!");
    call_->answer(Message{"echo " + bytes, body});
  }

 private:
  const CallPtr call_;
};

void match_in_arrow() {
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.AppendValues({"abc123", "x", "zz9"}).ok());
  std::shared_ptr<arrow::Array> texts;
  ASSERT_TRUE(builder.Finish(&texts).ok());
  const arrow::compute::MatchSubstringOptions options("[a-z]+[0-9]{1,3}$");
  const auto matched = arrow::compute::CallFunction("match_substring_regex", {texts}, &options);
  ASSERT_TRUE(matched.ok()) << matched.status().ToString();
  EXPECT_EQ(matched->make_array()->ToString(), "[\n  true,\n  false,\n  true\n]");
}

void call_over_tls() {
  const Identity identity = make_identity();
  RpcServerOptions options;
  options.listen = "localhost:0";
  options.certificate_pem = identity.certificate;
  options.key_pem = identity.key;
  options.token = "secret";
  auto server = RpcServer::start(options, [](const CallPtr& call) -> std::shared_ptr<CallHandler> {
    if (call->method() != "Echo") return nullptr;
    return std::make_shared<Echo>(call);
  });
  ASSERT_TRUE(server.ok()) << server.error().to_string();
  RpcClientOptions client;
  client.target = fmt::format("localhost:{}", (*server)->port());
  client.certificate_pem = identity.certificate;
  client.token = "secret";
  const auto answer = call_unary(client, "/spark.connect.SparkConnectService/Echo", "hello");
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(*answer, "echo hello!");
  const auto unknown = call_unary(client, "/spark.connect.SparkConnectService/Nothing", "");
  EXPECT_FALSE(unknown.ok());
  client.token = "wrong";
  const auto refused = call_unary(client, "/spark.connect.SparkConnectService/Echo", "hello");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), base::ErrorKind::kPermissionDenied);
}

void encrypt_parquet() {
  arrow::Int64Builder builder;
  ASSERT_TRUE(builder.AppendValues({1, 2, 3}).ok());
  std::shared_ptr<arrow::Array> numbers;
  ASSERT_TRUE(builder.Finish(&numbers).ok());
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {numbers});
  const std::string key = "0123456789012345";
  const auto properties = parquet::WriterProperties::Builder()
                              .encryption(parquet::FileEncryptionProperties::Builder(
                                              arrow::util::SecureString(std::string(key)))
                                              .build())
                              ->build();
  const auto out = arrow::io::BufferOutputStream::Create().ValueOrDie();
  ASSERT_TRUE(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, 100, properties).ok());
  const auto bytes = out->Finish().ValueOrDie();
  parquet::ReaderProperties reading;
  reading.file_decryption_properties(parquet::FileDecryptionProperties::Builder()
                                         .footer_key(arrow::util::SecureString(std::string(key)))
                                         ->build());
  parquet::arrow::FileReaderBuilder opening;
  ASSERT_TRUE(opening.Open(std::make_shared<arrow::io::BufferReader>(bytes), reading).ok());
  std::unique_ptr<parquet::arrow::FileReader> reader;
  ASSERT_TRUE(opening.Build(&reader).ok());
  const auto back = reader->ReadTable();
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE((*back)->Equals(*table));
}

TEST(Symbols, RegexTlsAndEncryptedParquetInOneProcess) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  for (int round = 0; round < 2; ++round) {  // whoever came first
    match_in_arrow();
    call_over_tls();
    encrypt_parquet();
  }
}

}  // namespace
}  // namespace weir::connect
