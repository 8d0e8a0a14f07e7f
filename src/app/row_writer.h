// Query results as text: an aligned table, JSON lines, or CSV. Rows are written as they come.
//
// table: Spark's show style; widths are those of the first 1,000 rows; NULL shows as NULL; on a
// terminal a wide value is
//        cut and ends in "…" (finish() says so).
// json:  one object a row on a line of its own, in the columns' order; NULL is null, NaN and
// infinities and binary
//        (base 64) are strings, timestamps "2024-02-29T12:34:56.789Z" in the session's zone with
//        its offset.
// csv:   a header, then rows; RFC 4180 quotes; NULL is empty, an empty text is "".
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "base/result.h"
#include "columnar/data_type.h"
#include "eval/zone.h"

namespace arrow {
class RecordBatch;
}

namespace weir::app {

class RowWriter {
 public:
  virtual ~RowWriter() = default;
  virtual base::Result<void> write(const arrow::RecordBatch& batch) = 0;
  // Writes what is held back; returns a note for the person at the terminal, or nothing.
  virtual base::Result<std::string> finish() = 0;
};

// Columns of the terminal that `out` is, 0 where it is none.
int terminal_width(std::FILE* out);

// format: "table", "json", "csv". width: terminal_width(out).
base::Result<std::unique_ptr<RowWriter>> make_row_writer(const std::string& format,
                                                         const columnar::Schema& schema,
                                                         const eval::Zone& zone, std::FILE* out,
                                                         int width);

}  // namespace weir::app
