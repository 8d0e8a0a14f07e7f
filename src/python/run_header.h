// What a worker is told before the rows: PySpark's protocol of workers, big-endian.
//
// split index int | Python version text | task context | folder of files text, count of includes
// int | broadcasts: needs a decryption server byte, count int | evaluation type int | settings |
// functions. Texts and commands are an int length and the bytes. By PySpark's version:
//   4.2  task context as JSON text; two maps of settings (of the runner, of the evaluation) for
//   every
//        evaluation type; arguments as (offset int, has a name byte, name text); a result id long
//        after each function
//   4.1  task context in fields; one map, for Arrow's types only; for 101 the schema of the
//   arguments
//        as JSON text behind it; "profiling" byte before the functions; names only where functions
//        are called with single columns
//        for 208 the schema of the state follows the same way (4.2: in the second map, which the
//        worker reads in lower case)
//        for 211 … 214 the address of the state's server follows: -1 and a socket's name, and the
//        schema of the groups (4.2: in the second map)
//   4.0  as 4.1, with a barrier's port and secret in the task context and without 101's schema
// Evaluation type 0 has no functions but one command, and before 4.2 no settings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::python {

// PySpark's PythonEvalType.
enum EvalType : int {
  kPlain = 0,  // rows in, rows out, the command holds the serializers too (foreach)
  kPickled = 100,
  kArrowBatched = 101,
  kScalarPandas = 200,
  kGroupedMapPandas = 201,
  kGroupedAggPandas = 202,
  kScalarPandasIter = 204,
  kMapPandasIter = 205,
  kCogroupedMapPandas = 206,
  kMapArrowIter = 207,
  kGroupedMapPandasWithState = 208,
  kGroupedMapArrow = 209,
  kCogroupedMapArrow = 210,
  kTransformPandas = 211,
  kTransformPandasInitial = 212,
  kTransformRows = 213,
  kTransformRowsInitial = 214,
  kGroupedMapArrowIter = 215,
  kGroupedMapPandasIter = 216,
  kGroupedAggPandasIter = 217,
  kScalarArrow = 250,
  kScalarArrowIter = 251,
  kGroupedAggArrow = 252,
  kGroupedAggArrowIter = 254,
};

// Lengths that are none.
enum SpecialLength : int32_t {
  kEndOfDataSection = -1,
  kPythonException = -2,
  kTimingData = -3,
  kEndOfStream = -4,
  kStartArrowStream = -6,
};

// Builds what goes over the wire.
class WireBytes {
 public:
  void put_byte(bool value) { bytes_.push_back(value ? '\1' : '\0'); }
  void put_int(int32_t value);
  void put_long(int64_t value);
  void put_text(std::string_view text);
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

struct FunctionWords {
  std::vector<int> offsets;           // columns of the input
  std::vector<std::string> names;     // of keyword arguments, as relational::UserCall
  std::vector<std::string> commands;  // pickled (function, type), the innermost first
};

struct RunHeader {
  int version = 402;  // of PySpark: 4.2
  std::string python_version;
  int eval_type = 0;
  int64_t task = 0;
  std::vector<std::pair<std::string, std::string>> properties;  // of the task context
  std::vector<std::pair<std::string, std::string>> settings;
  std::string input_schema;  // JSON; kArrowBatched only
  std::string state_schema;  // JSON; kGroupedMapPandasWithState only
  // kTransform…: the name of the socket that serves state, and the groups' schema as JSON.
  std::string state_address;
  std::string key_schema;
  std::string folder;                 // of files that the session has; empty: none
  std::vector<std::string> includes;  // of them: those that modules are in
  std::vector<FunctionWords> functions;
};

std::string header_bytes(const RunHeader& header);

}  // namespace weir::python
