// Values and rows, for functions of one's own and for results that are looked at.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weir/result.h"

namespace weir {

// A value of one of Spark's types. What holds it:
//   BOOLEAN                                   bool
//   TINYINT, SMALLINT, INT, BIGINT            int64_t
//   DATE                                      int64_t, days since 1970-01-01
//   TIMESTAMP, TIMESTAMP_NTZ                  int64_t, microseconds since 1970-01-01 (UTC; local)
//   INTERVAL DAY TO SECOND, YEAR TO MONTH     int64_t, microseconds; months
//   FLOAT, DOUBLE                             double
//   STRING, BINARY, DECIMAL (as a text)       std::string
//   ARRAY, STRUCT                             the elements, the fields
//   MAP                                       entries, each a list of key and value
class Value {
 public:
  using List = std::vector<Value>;

  Value() = default;                                              // NULL
  Value(std::nullptr_t) {}                                        // NOLINT: implicit
  Value(bool value) : held_(value) {}                             // NOLINT: implicit
  Value(int value) : held_(static_cast<int64_t>(value)) {}        // NOLINT: implicit
  Value(long value) : held_(static_cast<int64_t>(value)) {}       // NOLINT: implicit
  Value(long long value) : held_(static_cast<int64_t>(value)) {}  // NOLINT: implicit
  Value(double value) : held_(value) {}                           // NOLINT: implicit
  Value(std::string value) : held_(std::move(value)) {}           // NOLINT: implicit
  Value(const char* value) : held_(std::string(value)) {}         // NOLINT: implicit
  Value(List value) : held_(std::move(value)) {}                  // NOLINT: implicit

  bool is_null() const { return held_.index() == 0; }
  // The value where it is of that kind; nullptr for NULL and for others.
  const bool* boolean() const { return std::get_if<bool>(&held_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&held_); }
  const double* real() const { return std::get_if<double>(&held_); }
  const std::string* text() const { return std::get_if<std::string>(&held_); }
  const List* list() const { return std::get_if<List>(&held_); }
  // The same with something in the place of NULL and other kinds.
  bool boolean_or(bool otherwise) const { return boolean() ? *boolean() : otherwise; }
  int64_t integer_or(int64_t otherwise) const { return integer() ? *integer() : otherwise; }
  double real_or(double otherwise) const { return real() ? *real() : otherwise; }
  std::string text_or(std::string otherwise) const { return text() ? *text() : otherwise; }

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List> held_;
};

// Values by position: in the order of the columns that they are of.
using Row = std::vector<Value>;

struct Rows {
  std::vector<std::string> columns;
  std::vector<Row> rows;
};

}  // namespace weir
