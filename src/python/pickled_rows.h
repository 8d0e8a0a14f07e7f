// Rows of plain Python functions (evaluation type 100): pickled lists, each behind its length.
//
// To the worker as Spark writes them: a list of tuples; where a type has another form in Python
// than its value here (dates, timestamps, structs), rows are made by PySpark's own converter of the
// schema. What comes back is read by a reader of plain values only: it imports nothing and calls
// nothing; of classes it knows decimal.Decimal, PySpark's Row and datetime's by name. Any other is
// refused as Spark refuses it. Values that do not fit the type are NULL, as in Spark
// (EvaluatePython.makeFromJava).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "columnar/data_type.h"
#include "relational/batch_stream.h"

namespace weir::python {

using base::Result;
using relational::BatchPtr;

// Frames of 100 rows each; `named`: rows are PySpark's Rows, whatever their types.
Result<std::string> pickle_rows(const arrow::RecordBatch& rows, const columnar::Schema& schema,
                                bool named = false);
// What follows the last frame.
std::string pickles_end();
// One frame's values: a list of a value a row, or of a tuple a row where there are several columns.
Result<BatchPtr> unpickle_rows(std::string_view pickle, const columnar::Schema& schema);

// One struct of an array of such as a pickle of its own: a tuple, or PySpark's Row where a field
// has another form in Python.
Result<std::string> pickle_struct(const arrow::Array& structs, int64_t row,
                                  const columnar::Schema& schema);
// The same, always as a Row.
Result<std::string> pickle_named_row(const arrow::Array& structs, int64_t row,
                                     const columnar::Schema& schema);
// Pickles of tuples, or none (no data()), as structs.
Result<std::shared_ptr<arrow::Array>> unpickle_structs(std::span<const std::string_view> pickles,
                                                       const columnar::Schema& schema);

}  // namespace weir::python
