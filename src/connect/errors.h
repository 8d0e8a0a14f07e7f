// Errors as Spark Connect tells them: a google.rpc.Status with an ErrorInfo in the call's status,
// the long form kept for FetchErrorDetails.
//
// The client raises the first of `classes` that it knows; it then asks for the details by errorId.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "connect/rpc_server.h"

namespace spark::connect {
class FetchErrorDetailsResponse;
}

namespace weir::connect {

// Java's names of the exception and its ancestors, the most special first.
std::vector<std::string> exception_classes(const base::Error& error);
// "[CLASS] text SQLSTATE: state" and the query context.
std::string exception_text(const base::Error& error);

// The last errors of a session. May be used from several threads.
class ErrorBook {
 public:
  explicit ErrorBook(base::Random& random) : random_(random) {}

  // Remembers the error and gives the status that tells the client of it.
  CallStatus status(const base::Error& error);
  // False where the id is unknown (then no details).
  bool describe(const std::string& id, spark::connect::FetchErrorDetailsResponse& out) const;

 private:
  static constexpr size_t kKept = 100;
  base::Random& random_;
  mutable std::mutex mutex_;
  std::deque<std::pair<std::string, base::Error>> errors_;
};

// The status of an error that no session remembers.
CallStatus plain_status(const base::Error& error);

}  // namespace weir::connect
