// Conversion of texts to values of Spark types where JSON and CSV agree: dates and timestamps by
// format or by Spark's default rules, decimals, base64.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "columnar/zone.h"

namespace weir::columnar {
class DatetimePattern;
}

namespace weir::codec {

using base::Result;

// The format options of a reader, compiled.
class DatetimeFormats {
 public:
  // Empty patterns stand for Spark's default rules. time_zone: any that Spark knows.
  static Result<DatetimeFormats> create(const std::string& timestamp,
                                        const std::string& timestamp_ntz, const std::string& date,
                                        const std::string& time_zone);

  std::optional<int64_t> timestamp(std::string_view text) const;
  std::optional<int64_t> timestamp_ntz(std::string_view text) const;
  // day_numbers: a text that is an integer is a number of days (JSON; Spark 1.5 wrote such).
  std::optional<int32_t> date(std::string_view text, bool day_numbers = true) const;
  bool default_timestamp() const { return !timestamp_; }

 private:
  columnar::Zone zone_;  // of texts that name none
  std::shared_ptr<const columnar::DatetimePattern> timestamp_;
  std::shared_ptr<const columnar::DatetimePattern> timestamp_ntz_;
  std::shared_ptr<const columnar::DatetimePattern> date_;
};

// "YYYY-MM-DDTHH:MM:SS[.1-6 digits]Z" exactly, the form that machines write; 32 bytes have to be
// readable. False where the text has another form: then ask DatetimeFormats.
bool parse_timestamp_machine(const uint8_t* text, int64_t length, int64_t* micros);

// Unscaled value at `scale` of a decimal text as java.math.BigDecimal takes it ("12", "-1.50",
// "1e3"), rounded half up; nullopt where it is none or needs more than `precision` digits.
std::optional<__int128> parse_decimal(std::string_view text, int precision, int scale);

// Jackson's default base64 variant (padding needed, white space between groups of four skipped);
// nullopt where it is not base64.
std::optional<std::string> parse_base64(std::string_view text);

}  // namespace weir::codec
