// How the key and value of a store are shown as a table: as Spark's source shows those of the same
// operator, without the columns that only weir needs.
#pragma once

#include <memory>
#include <vector>

#include <arrow/type_fwd.h>

#include "base/result.h"
#include "columnar/data_type.h"
#include "state/state_reader.h"

namespace weir::operators {

class StateShape {
 public:
  // `as_join_side`: the rows of a side of a join rather than what is stored.
  static StateShape of(const state::StoreInfo& store, bool as_join_side);

  const columnar::Schema& key() const { return key_; }
  const columnar::Schema& value() const { return value_; }
  // Of a batch of state_table_schema(store).
  base::Result<std::shared_ptr<arrow::Array>> key_of(const arrow::RecordBatch& rows) const;
  base::Result<std::shared_ptr<arrow::Array>> value_of(const arrow::RecordBatch& rows) const;

 private:
  enum class From { kKey, kValue, kTimeMicros, kTimeMillis, kGroup };
  struct Part {
    From from = From::kKey;
    int index = 0;              // of the key's or value's fields
    std::vector<Part> parts{};  // kGroup: of the value, where its column `index` is true
    columnar::Field field;
  };
  static columnar::Schema schema_of(const std::vector<Part>& parts);
  static base::Result<std::shared_ptr<arrow::Array>> made(const std::vector<Part>& parts,
                                                          const columnar::Schema& schema,
                                                          const arrow::RecordBatch& rows,
                                                          const arrow::Array* validity);

  std::vector<Part> key_parts_, value_parts_;
  columnar::Schema key_ = columnar::DataType::structure({});
  columnar::Schema value_ = columnar::DataType::structure({});
};

}  // namespace weir::operators
