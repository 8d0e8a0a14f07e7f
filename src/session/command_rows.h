// The rows of a command's answer.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "session/session.h"

namespace weir::session {

class CommandRows {
 public:
  using Cell = std::variant<std::monostate, std::string, bool, int64_t>;
  // ddl: the columns, "namespace STRING NOT NULL, isTemporary BOOLEAN NOT NULL".
  explicit CommandRows(std::string_view ddl);
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  StatementResult result() const;

 private:
  columnar::Schema schema_;
  std::vector<std::vector<Cell>> rows_;
};

// No columns, no rows: what most commands answer.
StatementResult no_rows();

}  // namespace weir::session
