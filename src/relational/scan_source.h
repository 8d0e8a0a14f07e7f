// A table that queries can read: what plan::Table is to analysis, this is to execution.
//
// Implemented over Delta, files and rows in memory (room session). Immutable; scan() may be called
// from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/catalog.h"
#include "relational/batch_stream.h"

namespace weir::relational {

// Local Parquet files that hold a scan's rows, and the names of its columns in them.
struct PlainParquet {
  std::vector<std::string> paths;  // absolute
  std::vector<std::string> names;
};

// How many of a table's files a scan reads, and how many its condition leaves out.
struct ChosenFiles {
  int64_t read = 0;
  int64_t skipped = 0;
};

class ScanSource : public plan::Table {
 public:
  // The columns at these positions of schema(), in this order. `condition` (over those columns; may
  // be null) lets the source leave out rows that do not meet it, never others. One to `streams`
  // streams that together give every row once and may be pulled by one thread each.
  virtual Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                                 const plan::TypedPtr& condition,
                                                                 int streams) const = 0;
  // Where the rows of these columns are exactly what is in local Parquet files, those files: DuckDB
  // then reads them itself. Every file has every column under that name (no other differs from it
  // in case only), of the Parquet type that Spark writes for the schema's type (no INT96, text
  // marked as UTF-8); nothing is deleted or added on top (deletion vectors, partition columns,
  // defaults). Files that `condition` rules out may be left away.
  virtual std::optional<PlainParquet> plain_parquet(const std::vector<int>& /*columns*/,
                                                    const plan::TypedPtr& /*condition*/) const {
    return std::nullopt;
  }
  // What its rows are: another table of the same state() gives the same ones. Empty: not known.
  virtual std::string state() const { return {}; }
  // Of scan() with the same arguments; none where there are no files.
  virtual std::optional<ChosenFiles> chosen_files(const std::vector<int>& /*columns*/,
                                                  const plan::TypedPtr& /*condition*/) const {
    return std::nullopt;
  }
  // For the join order; none where it is not known.
  virtual std::optional<int64_t> rows_estimate() const { return std::nullopt; }
};

}  // namespace weir::relational
