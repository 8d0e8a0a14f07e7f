// Statistics of one data file: numRecords, minValues, maxValues, nullCount (PROTOCOL.md, "Per-file
// Statistics").
//
// Leaf columns in schema order, partition columns left out; the first
// delta.dataSkippingNumIndexedCols of them (32 by default, -1: all) or those of
// delta.dataSkippingStatsColumns. Bounds that other readers may rely on:
//  * strings are cut to 32 characters; a cut maximum gets a character appended that sorts after
//  what was cut;
//  * timestamps are milliseconds, minima rounded down and maxima up;
//  * NaN in a column: no bounds (readers differ on its order); zero bounds are -0.0 below and 0.0
//  above;
//    an infinite bound is left out (JSON has none);
//  * boolean, binary, arrays and maps have a nullCount only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "columnar/data_type.h"
#include "delta/actions.h"

namespace arrow {
class Array;
class RecordBatch;
}  // namespace arrow

namespace weir::delta {

class ColumnStatistics;

class StatisticsCollector {
 public:
  // schema: of the data file, as users name the columns, without partition columns.
  StatisticsCollector(const columnar::Schema& schema, const Metadata& metadata);
  ~StatisticsCollector();
  StatisticsCollector(StatisticsCollector&&) noexcept;

  // columns: the arrays of the schema's fields, with exactly the schema's Arrow types.
  void update(const std::vector<std::shared_ptr<arrow::Array>>& columns, int64_t rows);
  int64_t rows() const { return rows_; }
  // The text of `stats`.
  std::string json() const;

 private:
  std::vector<std::unique_ptr<ColumnStatistics>> columns_;
  int64_t rows_ = 0;
};

// A string's lower and upper bound of at most 32 characters (plus one). nullopt: there is no upper
// bound so short.
std::string lower_bound_text(std::string_view text);
std::optional<std::string> upper_bound_text(std::string_view text);

}  // namespace weir::delta
