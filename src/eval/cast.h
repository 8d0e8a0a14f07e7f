// Casts between Spark types on Arrow arrays, by Spark's rules (Cast.scala).
#pragma once

#include "eval/kernel.h"

namespace weir::eval {

struct CastCall {
  const DataType& from;
  const DataType& to;
  bool ansi = true;       // errors where a value does not convert; else NULL or wrap-around
  bool try_cast = false;  // NULL where a value does not convert
  const plan::Origin& origin;
  Zone zone;
  int64_t batch_timestamp_us = 0;
};

// rows values (1 for a constant) of to_arrow(to).
Result<ArrayPtr> cast_vector(CastCall& call, const Vector& input, int64_t rows);

// The value of a row as Spark shows it in a cast to string; nested values too. NULL inside nested
// is "null".
void append_text(const DataType& type, const arrow::Array& array, int64_t row, Zone& zone,
                 bool ansi, std::string& out);

// Reading numbers out of text as Spark does. False where it is none.
bool parse_integral(std::string_view text, bool allow_fraction, int64_t& value);
bool parse_floating(std::string_view text, double& value);
bool parse_floating(std::string_view text, float& value);
// Decimal of the given scale, rounded half up; `fits` false where the precision does not hold it.
bool parse_decimal(std::string_view text, int precision, int scale, plan::Int128& value,
                   bool& fits);
bool parse_boolean(std::string_view text, bool& value);
// Timestamp text in a zone (the zone in the text wins).
bool parse_timestamp_text(std::string_view text, Zone& zone, int64_t now_us, int64_t& us);

// Another scale, rounded half up; false where the precision does not hold the result.
bool rescale_decimal(plan::Int128 value, int from_scale, int to_precision, int to_scale,
                     plan::Int128& result);
plan::Int128 power_of_ten(int exponent);  // up to 38

}  // namespace weir::eval
