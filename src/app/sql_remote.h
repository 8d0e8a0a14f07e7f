// Statements of `weir sql --remote`: sent to a Spark Connect server, their rows printed.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::app {

// The statements of a script by their ';', without looking at their language. Empty ones are left
// out.
std::vector<std::string_view> split_statements(std::string_view text);

struct RemoteSqlOptions {
  std::string address;                   // sc://…
  std::string output = "table";          // as make_row_writer
  std::optional<std::string> time_zone;  // none: the server's
  bool no_ansi = false;
  bool quiet = false;
  int width = 0;
};

class RemoteSql {
 public:
  static base::Result<std::unique_ptr<RemoteSql>> open(RemoteSqlOptions options);
  virtual ~RemoteSql() = default;
  virtual base::Result<void> run(const std::string& statement, std::stop_token stop) = 0;
};

}  // namespace weir::app
