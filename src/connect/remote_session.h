// A session on any Spark Connect server: what `weir sql --remote` sends its statements through.
//
// One thread at a time. A statement whose token is stopped is interrupted on the server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "columnar/data_type.h"
#include "connect/arrow_results.h"
#include "connect/rpc_server.h"

namespace weir::connect {

// sc://HOST[:PORT][/;key=value;…] as in PySpark: user_id, user_agent, session_id, token, use_ssl;
// other keys are sent as headers. A token means TLS, but for addresses of this machine.
struct RemoteAddress {
  std::string target;  // HOST:PORT
  bool tls = false;
  std::string token;
  std::string user_id;
  std::string user_agent = "weir";
  std::string session_id;  // empty: a new one
  std::vector<std::pair<std::string, std::string>> headers;
};
Result<RemoteAddress> parse_remote_address(std::string_view text);

class RemoteSession {
 public:
  // Asks the server for its version, so that an address that does not answer is told at once.
  static Result<std::unique_ptr<RemoteSession>> open(RemoteAddress address, base::Random& random);
  ~RemoteSession();  // the server drops the session
  RemoteSession(const RemoteSession&) = delete;
  RemoteSession& operator=(const RemoteSession&) = delete;

  Result<std::string> get(const std::string& key);
  Result<void> set(const std::string& key, const std::string& value);

  // `begin` gets the columns (none: the statement gives no rows), `take` the rows in the layouts of
  // columnar::to_arrow_schema. An error carries the server's class and SQLSTATE.
  using Begin = std::function<Result<void>(const columnar::Schema& schema)>;
  using Take = std::function<Result<void>(const BatchPtr& batch)>;
  Result<void> sql(const std::string& text, const Begin& begin, const Take& take,
                   std::stop_token stop);

 private:
  RemoteSession(RemoteAddress address, base::Random& random);
  template <typename Request>
  void fill(Request& request) const;
  Result<std::string> call(std::string_view method, const std::string& request);
  Result<void> execute(const std::string& plan, std::stop_token stop,
                       const std::function<Result<void>(const std::string&)>& on_response);
  base::Error described(base::Error error, const std::string& details);

  const RemoteAddress address_;
  RpcClientOptions rpc_;
  base::Random& random_;
  const std::string session_id_;
};

}  // namespace weir::connect
