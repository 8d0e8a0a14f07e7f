// DataFrame.show(): a table of text, as Spark draws it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "columnar/data_type.h"

namespace arrow {
class RecordBatch;
}

namespace weir::connect {

using base::Result;

struct ShowOptions {
  int64_t rows = 20;
  int truncate = 20;  // longest cell; 0: whole
  bool vertical = false;
};

// Cells of the first rows, headers first; a cell is cut to `truncate` characters.
class TextTable {
 public:
  TextTable(const columnar::Schema& schema, const std::string& zone, int truncate, bool html);
  // False once the wanted rows and one more are there.
  Result<bool> add(const arrow::RecordBatch& batch, int64_t rows_wanted);

  std::string horizontal() const;
  std::string vertical() const;
  std::string html() const;

 private:
  std::string cut(std::string text) const;

  const columnar::Schema schema_;
  const std::string zone_;
  const int truncate_;
  const bool html_;
  bool more_ = false;
  int64_t wanted_ = 0;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weir::connect
