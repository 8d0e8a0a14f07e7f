#include "app/version.h"

#include <simdjson.h>

#include <arrow/config.h>
#include <boost/version.hpp>
#include <fmt/core.h>

// Found where a linked room brings the library in, else null: asking for a version links nothing.
extern "C" {
[[gnu::weak]] const char* OpenSSL_version(int what);
[[gnu::weak]] const char* duckdb_library_version();
[[gnu::weak]] const char* rd_kafka_version_str();
}

namespace weir::app {

std::vector<std::pair<std::string, std::string>> versions() {
  std::vector<std::pair<std::string, std::string>> found{
      {"weir", WEIR_VERSION},
      {"commit", kBuildCommit},
      {"compiler", __VERSION__},
      {"arrow", arrow::GetBuildInfo().version_string},
      {"simdjson", SIMDJSON_VERSION},
      {"boost", fmt::format("{}.{}.{}", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000,
                            BOOST_VERSION % 100)},
  };
  if (duckdb_library_version != nullptr) found.emplace_back("duckdb", duckdb_library_version());
  if (OpenSSL_version != nullptr)
    found.emplace_back("openssl", OpenSSL_version(6));  // OPENSSL_VERSION_STRING
  if (rd_kafka_version_str != nullptr) found.emplace_back("librdkafka", rd_kafka_version_str());
  return found;
}

}  // namespace weir::app
