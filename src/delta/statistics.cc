#include "delta/statistics.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <arrow/array.h>
#include <arrow/util/decimal.h>
#include <arrow/util/utf8.h>

#include "delta/civil_time.h"
#include "delta/json_writer.h"

namespace weir::delta {

using columnar::DataType;
using columnar::Field;
using columnar::TypeKind;

namespace {

constexpr int kPrefixCharacters = 32;
constexpr int64_t kDefaultIndexedColumns = 32;

// Bytes of the first `characters` characters.
size_t prefix_bytes(std::string_view text, int characters) {
  size_t position = 0;
  while (position < text.size() && characters > 0) {
    ++position;
    while (position < text.size() && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80)
      ++position;
    --characters;
  }
  return position;
}

// Milliseconds with rounding; nullopt where the year has no four digits.
std::optional<std::string> timestamp_bound(int64_t us, bool round_up, bool utc) {
  constexpr int64_t kYear1 = -62135596800'000'000;
  constexpr int64_t kYear9999 = 253402300799'999'000;
  if (us < kYear1 || us > kYear9999) return std::nullopt;
  int64_t ms = us / 1000;
  if (us % 1000 < 0) --ms;
  if (round_up && us != ms * 1000) ++ms;
  return timestamp_text(ms * 1000, 'T', 3) + (utc ? "Z" : "");
}

std::string number_text(double value, bool single) {
  char digits[64];
  const auto end = single ? std::to_chars(digits, digits + sizeof digits, static_cast<float>(value))
                          : std::to_chars(digits, digits + sizeof digits, value);
  std::string text(digits, end.ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// Calls visit(i) for each valid row.
template <typename Visit>
void for_each_valid(const arrow::Array& array, const uint8_t* parent_valid, Visit visit) {
  const int64_t length = array.length();
  if (array.null_count() == 0 && parent_valid == nullptr) {
    for (int64_t i = 0; i < length; ++i)
      visit(i);
    return;
  }
  for (int64_t i = 0; i < length; ++i) {
    if (array.IsValid(i) && (parent_valid == nullptr || parent_valid[i] != 0)) visit(i);
  }
}

int64_t count_nulls(const arrow::Array& array, const uint8_t* parent_valid) {
  if (array.type_id() == arrow::Type::NA) return array.length();
  if (parent_valid == nullptr) return array.null_count();
  int64_t nulls = 0;
  for (int64_t i = 0; i < array.length(); ++i)
    nulls += array.IsNull(i) || parent_valid[i] == 0 ? 1 : 0;
  return nulls;
}

}  // namespace

std::string lower_bound_text(std::string_view text) {
  return std::string(text.substr(0, prefix_bytes(text, kPrefixCharacters)));
}

std::optional<std::string> upper_bound_text(std::string_view text) {
  size_t cut = prefix_bytes(text, kPrefixCharacters);
  static constexpr std::string_view kLastCharacter = "\xF4\x8F\xBF\xBF";  // U+10FFFF
  while (cut < text.size() && text.substr(cut).starts_with(kLastCharacter))
    cut += kLastCharacter.size();
  if (cut >= text.size()) return std::string(text);
  if (cut > 4096) return std::nullopt;
  const auto next = static_cast<unsigned char>(text[cut]);
  return std::string(text.substr(0, cut)) +
         (next < 0x7F ? std::string("\x7F") : std::string(kLastCharacter));
}

// One field of the schema: a leaf's bounds, or a struct's children.
class ColumnStatistics {
 public:
  explicit ColumnStatistics(const Field& field) : name_(field.name) {}
  virtual ~ColumnStatistics() = default;
  // parent_valid: a byte a row, 0 where an enclosing struct is NULL; null where none is.
  virtual void update(const arrow::Array& array, const uint8_t* parent_valid) = 0;
  // Each appends its member, or nothing.
  virtual void append_min(JsonObjectWriter& object) const = 0;
  virtual void append_max(JsonObjectWriter& object) const = 0;
  virtual void append_nulls(JsonObjectWriter& object) const = 0;

 protected:
  std::string name_;
};

namespace {

class LeafStatistics : public ColumnStatistics {
 public:
  using ColumnStatistics::ColumnStatistics;
  void update(const arrow::Array& array, const uint8_t* parent_valid) override {
    nulls_ += count_nulls(array, parent_valid);
  }
  void append_min(JsonObjectWriter&) const override {}
  void append_max(JsonObjectWriter&) const override {}
  void append_nulls(JsonObjectWriter& object) const override { object.number(name_, nulls_); }

 protected:
  int64_t nulls_ = 0;
};

// Byte, short, integer, long, date, timestamps: anything that is a signed integer inside.
template <typename ArrayType>
class IntegerStatistics final : public LeafStatistics {
 public:
  explicit IntegerStatistics(const Field& field)
      : LeafStatistics(field), kind_(field.type().kind()) {}

  void update(const arrow::Array& array, const uint8_t* parent_valid) override {
    LeafStatistics::update(array, parent_valid);
    const auto* values = static_cast<const ArrayType&>(array).raw_values();
    using Value = std::remove_cvref_t<decltype(values[0])>;
    Value low = std::numeric_limits<Value>::max();
    Value high = std::numeric_limits<Value>::min();
    for_each_valid(array, parent_valid, [&](int64_t i) {
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    });
    min_ = std::min<int64_t>(min_, low);
    max_ = std::max<int64_t>(max_, high);
    any_ = any_ || count_nulls(array, parent_valid) < array.length();
  }
  void append_min(JsonObjectWriter& object) const override { append(object, min_, false); }
  void append_max(JsonObjectWriter& object) const override { append(object, max_, true); }

 private:
  void append(JsonObjectWriter& object, int64_t value, bool round_up) const {
    if (!any_) return;
    switch (kind_) {
      case TypeKind::kDate: {
        const std::string text = date_text(value);
        if (text.size() == 10 && text[0] != '-') object.text(name_, text);
        return;
      }
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampNtz:
        if (auto text = timestamp_bound(value, round_up, kind_ == TypeKind::kTimestamp))
          object.text(name_, *text);
        return;
      default:
        object.number(name_, value);
    }
  }

  TypeKind kind_;
  bool any_ = false;
  int64_t min_ = std::numeric_limits<int64_t>::max();
  int64_t max_ = std::numeric_limits<int64_t>::min();
};

template <typename ArrayType>
class RealStatistics final : public LeafStatistics {
 public:
  using LeafStatistics::LeafStatistics;

  void update(const arrow::Array& array, const uint8_t* parent_valid) override {
    LeafStatistics::update(array, parent_valid);
    const auto* values = static_cast<const ArrayType&>(array).raw_values();
    for_each_valid(array, parent_valid, [&](int64_t i) {
      const auto value = static_cast<double>(values[i]);
      nan_ = nan_ || std::isnan(value);
      min_ = value < min_ || !any_ ? value : min_;
      max_ = value > max_ || !any_ ? value : max_;
      any_ = true;
    });
  }
  void append_min(JsonObjectWriter& object) const override {
    append(object, min_ == 0 ? -0.0 : min_);
  }
  void append_max(JsonObjectWriter& object) const override {
    append(object, max_ == 0 ? 0.0 : max_);
  }

 private:
  void append(JsonObjectWriter& object, double value) const {
    if (!any_ || nan_ || !std::isfinite(value)) return;
    object.member(name_) += number_text(value, std::is_same_v<ArrayType, arrow::FloatArray>);
  }
  bool any_ = false;
  bool nan_ = false;
  double min_ = 0;
  double max_ = 0;
};

class DecimalStatistics final : public LeafStatistics {
 public:
  explicit DecimalStatistics(const Field& field)
      : LeafStatistics(field), scale_(field.type().scale()) {}

  void update(const arrow::Array& array, const uint8_t* parent_valid) override {
    LeafStatistics::update(array, parent_valid);
    const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
    for_each_valid(array, parent_valid, [&](int64_t i) {
      const arrow::Decimal128 value(decimals.GetValue(i));
      if (!any_ || value < min_) min_ = value;
      if (!any_ || value > max_) max_ = value;
      any_ = true;
    });
  }
  void append_min(JsonObjectWriter& object) const override { append(object, min_); }
  void append_max(JsonObjectWriter& object) const override { append(object, max_); }

 private:
  void append(JsonObjectWriter& object, const arrow::Decimal128& value) const {
    // Spark writes decimals as plain numbers; ToString may turn to an exponent for tiny ones.
    if (!any_) return;
    std::string text = value.ToString(scale_);
    if (text.find('E') == std::string::npos) object.member(name_) += text;
  }
  int32_t scale_;
  bool any_ = false;
  arrow::Decimal128 min_;
  arrow::Decimal128 max_;
};

// The first eight bytes as a number that orders as the text does; equal ones need the whole
// comparison.
inline uint64_t order_prefix(std::string_view text) {
  if (text.size() >= 8) {
    uint64_t little_endian = 0;
    std::memcpy(&little_endian, text.data(), 8);
    return __builtin_bswap64(little_endian);
  }
  uint64_t prefix = 0;
  for (size_t i = 0; i < 8; ++i)
    prefix = prefix << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0);
  return prefix;
}

class StringStatistics final : public LeafStatistics {
 public:
  using LeafStatistics::LeafStatistics;

  void update(const arrow::Array& array, const uint8_t* parent_valid) override {
    LeafStatistics::update(array, parent_valid);
    const auto& strings = static_cast<const arrow::BinaryArray&>(array);
    std::string_view low = min_;
    std::string_view high = max_;
    uint64_t low_prefix = order_prefix(low);
    uint64_t high_prefix = order_prefix(high);
    bool any = any_;
    for_each_valid(array, parent_valid, [&](int64_t i) {
      const std::string_view value = strings.GetView(i);
      const uint64_t prefix = order_prefix(value);
      if (!any || prefix < low_prefix || (prefix == low_prefix && value < low))
        low = value, low_prefix = prefix;
      if (!any || prefix > high_prefix || (prefix == high_prefix && value > high))
        high = value, high_prefix = prefix;
      any = true;
    });
    if (low.data() != min_.data()) min_ = std::string(low);
    if (high.data() != max_.data()) max_ = std::string(high);
    any_ = any;
  }
  void append_min(JsonObjectWriter& object) const override {
    if (any_ && is_utf8(min_)) object.text(name_, lower_bound_text(min_));
  }
  void append_max(JsonObjectWriter& object) const override {
    if (!any_ || !is_utf8(max_)) return;
    if (auto text = upper_bound_text(max_)) object.text(name_, *text);
  }

 private:
  static bool is_utf8(const std::string& text) {
    static const bool initialized = (arrow::util::InitializeUTF8(), true);
    return initialized && arrow::util::ValidateUTF8(text);
  }
  bool any_ = false;
  std::string min_;
  std::string max_;
};

class StructStatistics final : public ColumnStatistics {
 public:
  StructStatistics(const Field& field, std::vector<std::unique_ptr<ColumnStatistics>> children)
      : ColumnStatistics(field), children_(std::move(children)) {}

  void update(const arrow::Array& array, const uint8_t* parent_valid) override {
    std::vector<uint8_t> valid;
    if (array.null_count() > 0 || parent_valid != nullptr) {
      valid.resize(static_cast<size_t>(array.length()));
      for (int64_t i = 0; i < array.length(); ++i) {
        valid[static_cast<size_t>(i)] =
            array.IsValid(i) && (parent_valid == nullptr || parent_valid[i] != 0);
      }
    }
    const auto& structure = static_cast<const arrow::StructArray&>(array);
    for (size_t i = 0; i < children_.size(); ++i) {
      if (children_[i])
        children_[i]->update(*structure.field(static_cast<int>(i)),
                             valid.empty() ? nullptr : valid.data());
    }
  }
  void append_min(JsonObjectWriter& object) const override {
    append(object, &ColumnStatistics::append_min);
  }
  void append_max(JsonObjectWriter& object) const override {
    append(object, &ColumnStatistics::append_max);
  }
  void append_nulls(JsonObjectWriter& object) const override {
    append(object, &ColumnStatistics::append_nulls);
  }

 private:
  void append(JsonObjectWriter& object,
              void (ColumnStatistics::*part)(JsonObjectWriter&) const) const {
    std::string text;
    JsonObjectWriter members(text);
    for (const auto& child : children_) {
      if (child) ((*child).*part)(members);
    }
    members.end();
    if (text != "{}") object.member(name_) += text;
  }
  std::vector<std::unique_ptr<ColumnStatistics>> children_;  // null: no statistics wanted
};

std::unique_ptr<ColumnStatistics> make_leaf(const Field& field) {
  switch (field.type().kind()) {
    case TypeKind::kByte:
      return std::make_unique<IntegerStatistics<arrow::Int8Array>>(field);
    case TypeKind::kShort:
      return std::make_unique<IntegerStatistics<arrow::Int16Array>>(field);
    case TypeKind::kInteger:
      return std::make_unique<IntegerStatistics<arrow::Int32Array>>(field);
    case TypeKind::kLong:
      return std::make_unique<IntegerStatistics<arrow::Int64Array>>(field);
    case TypeKind::kDate:
      return std::make_unique<IntegerStatistics<arrow::Date32Array>>(field);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampNtz:
      return std::make_unique<IntegerStatistics<arrow::TimestampArray>>(field);
    case TypeKind::kFloat:
      return std::make_unique<RealStatistics<arrow::FloatArray>>(field);
    case TypeKind::kDouble:
      return std::make_unique<RealStatistics<arrow::DoubleArray>>(field);
    case TypeKind::kDecimal:
      return std::make_unique<DecimalStatistics>(field);
    case TypeKind::kString:
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      return std::make_unique<StringStatistics>(field);
    default:
      return std::make_unique<LeafStatistics>(field);
  }
}

// Chooses the leaves by their number or by their names.
class ColumnChooser {
 public:
  explicit ColumnChooser(const Metadata& metadata) {
    const auto& configuration = metadata.configuration;
    if (const auto names = configuration.find("delta.dataSkippingStatsColumns");
        names != configuration.end()) {
      by_name_ = true;
      parse_names(names->second);
    } else if (const auto count = configuration.find("delta.dataSkippingNumIndexedCols");
               count != configuration.end()) {
      std::from_chars(count->second.data(), count->second.data() + count->second.size(), left_);
      if (left_ < 0) left_ = std::numeric_limits<int64_t>::max();
    }
  }
  std::unique_ptr<ColumnStatistics> choose(const Field& field, const std::string& parent) {
    const std::string path = parent.empty() ? field.name : parent + "." + field.name;
    if (field.type().is(TypeKind::kStruct)) {
      std::vector<std::unique_ptr<ColumnStatistics>> children;
      bool any = false;
      for (const Field& child : field.type().fields()) {
        children.push_back(choose(child, path));
        any = any || children.back() != nullptr;
      }
      return any ? std::make_unique<StructStatistics>(field, std::move(children)) : nullptr;
    }
    return wanted(path) ? make_leaf(field) : nullptr;
  }

 private:
  // "a, b.c, `x y`"
  void parse_names(std::string_view text) {
    std::string name;
    bool quoted = false;
    const auto finish = [&] {
      if (!name.empty()) names_.push_back(name);
      name.clear();
    };
    for (const char c : text) {
      if (c == '`') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        finish();
      } else if (c != ' ' || quoted) {
        name += c;
      }
    }
    finish();
  }
  bool wanted(const std::string& path) {
    if (!by_name_) return left_-- > 0;
    for (const std::string& name : names_) {
      if (path == name || path.starts_with(name + ".")) return true;
    }
    return false;
  }

  bool by_name_ = false;
  std::vector<std::string> names_;
  int64_t left_ = kDefaultIndexedColumns;
};

}  // namespace

StatisticsCollector::StatisticsCollector(const columnar::Schema& schema, const Metadata& metadata) {
  ColumnChooser chooser(metadata);
  for (const Field& field : schema.fields())
    columns_.push_back(chooser.choose(field, ""));
}

StatisticsCollector::~StatisticsCollector() = default;
StatisticsCollector::StatisticsCollector(StatisticsCollector&&) noexcept = default;

void StatisticsCollector::update(const std::vector<std::shared_ptr<arrow::Array>>& columns,
                                 int64_t rows) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i]) columns_[i]->update(*columns[i], nullptr);
  }
  rows_ += rows;
}

std::string StatisticsCollector::json() const {
  std::string out;
  JsonObjectWriter object(out);
  object.number("numRecords", rows_);
  const auto append = [&](std::string_view key,
                          void (ColumnStatistics::*part)(JsonObjectWriter&) const) {
    object.member(key);
    JsonObjectWriter members(out);
    for (const auto& column : columns_) {
      if (column) ((*column).*part)(members);
    }
    members.end();
  };
  append("minValues", &ColumnStatistics::append_min);
  append("maxValues", &ColumnStatistics::append_max);
  append("nullCount", &ColumnStatistics::append_nulls);
  object.end();
  return out;
}

}  // namespace weir::delta
