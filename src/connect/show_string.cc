#include "connect/show_string.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/record_batch.h>

#include "columnar/zone.h"
#include "eval/cast.h"
#include "eval/zone.h"

namespace weir::connect {

namespace {

using columnar::TypeKind;

// Characters that a terminal draws two columns wide: Spark's Utils.stringHalfWidth.
bool is_wide(uint32_t c) {
  return (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
         (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
         (c >= 0xFFE0 && c <= 0xFFE6);
}

// Calls `visit` with each character's code and where it begins.
template <typename Visit>
void each_character(std::string_view text, Visit visit) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = length == 1 ? lead : lead & (0xFF >> (length + 1));
    for (size_t k = 1; k < length && i + k < text.size(); ++k)
      code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    visit(code, i);
    i += length;
  }
}

// Java counts UTF-16 units.
size_t java_length(std::string_view text) {
  size_t units = 0;
  each_character(text, [&](uint32_t code, size_t) { units += code > 0xFFFF ? 2 : 1; });
  return units;
}

size_t width_of(std::string_view text) {
  size_t width = 0;
  each_character(text, [&](uint32_t code, size_t) {
    width += code > 0xFFFF ? 2 : is_wide(code) ? 2 : 1;
  });
  return width;
}

// The first `units` of Java's; half a character is left out.
std::string_view java_prefix(std::string_view text, size_t units) {
  size_t seen = 0;
  size_t end = text.size();
  each_character(text, [&](uint32_t code, size_t at) {
    seen += code > 0xFFFF ? 2 : 1;
    if (seen > units) end = std::min(end, at);
  });
  return text.substr(0, end);
}

std::string pad_left(const std::string& text, size_t width) {
  const size_t own = width_of(text);
  return std::string(width > own ? width - own : 0, ' ') + text;
}
std::string pad_right(const std::string& text, size_t width) {
  const size_t own = width_of(text);
  return text + std::string(width > own ? width - own : 0, ' ');
}

std::string escape_meta(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\v':
        out += "\\v";
        break;
      case '\a':
        out += "\\a";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void append_pretty(const columnar::DataType& type, const arrow::Array& array, int64_t row,
                   eval::Zone& zone, std::string& out);

void append_list(const columnar::DataType& element, const arrow::Array& values, int64_t begin,
                 int64_t end, eval::Zone& zone, std::string& out) {
  out += '[';
  for (int64_t i = begin; i < end; ++i) {
    if (i > begin) out += ", ";
    append_pretty(element, values, i, zone, out);
  }
  out += ']';
}

// As Spark's ToPrettyString: a cast to string, with NULL for nulls at every level and bytes in hex.
void append_pretty(const columnar::DataType& type, const arrow::Array& array, int64_t row,
                   eval::Zone& zone, std::string& out) {
  if (array.IsNull(row) || array.type_id() == arrow::Type::NA) {
    out += "NULL";
    return;
  }
  switch (type.kind()) {
    case TypeKind::kBinary: {
      const std::string_view bytes = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      out += '[';
      for (size_t i = 0; i < bytes.size(); ++i)
        out += fmt::format("{}{:02X}", i ? " " : "", static_cast<unsigned char>(bytes[i]));
      out += ']';
      return;
    }
    case TypeKind::kArray: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      append_list(type.element(), *list.values(), list.value_offset(row),
                  list.value_offset(row) + list.value_length(row), zone, out);
      return;
    }
    case TypeKind::kMap: {
      const auto& map = static_cast<const arrow::MapArray&>(array);
      out += '{';
      const int64_t begin = map.value_offset(row);
      for (int64_t i = begin; i < begin + map.value_length(row); ++i) {
        if (i > begin) out += ", ";
        append_pretty(type.key(), *map.keys(), i, zone, out);
        out += " -> ";
        append_pretty(type.value(), *map.items(), i, zone, out);
      }
      out += '}';
      return;
    }
    case TypeKind::kStruct: {
      const auto& whole = static_cast<const arrow::StructArray&>(array);
      out += '{';
      for (int i = 0; i < whole.num_fields(); ++i) {
        if (i > 0) out += ", ";
        append_pretty(type.fields()[static_cast<size_t>(i)].type(), *whole.field(i), row, zone,
                      out);
      }
      out += '}';
      return;
    }
    default:
      eval::append_text(type, array, row, zone, true, out);
  }
}

}  // namespace

TextTable::TextTable(const columnar::Schema& schema, const std::string& zone, int truncate,
                     bool html)
    : schema_(schema), zone_(zone), truncate_(truncate), html_(html) {
  std::vector<std::string> names;
  for (const auto& field : schema_.fields())
    names.push_back(escape_meta(field.name));
  rows_.push_back(std::move(names));
}

std::string TextTable::cut(std::string text) const {
  const auto units = static_cast<size_t>(truncate_);
  if (truncate_ <= 0 || java_length(text) <= units) return text;
  if (truncate_ < 4) return std::string(java_prefix(text, units));
  return std::string(java_prefix(text, units - 3)) + "...";
}

Result<bool> TextTable::add(const arrow::RecordBatch& batch, int64_t rows_wanted) {
  wanted_ = rows_wanted;
  WEIR_ASSIGN(auto zone, eval::Zone::find(zone_));
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    if (static_cast<int64_t>(rows_.size()) - 1 >= rows_wanted) {
      more_ = true;
      return false;
    }
    std::vector<std::string> cells;
    for (int i = 0; i < batch.num_columns(); ++i) {
      std::string text;
      append_pretty(schema_.fields()[static_cast<size_t>(i)].type(), *batch.column(i), row, zone,
                    text);
      cells.push_back(cut(escape_meta(text)));
    }
    rows_.push_back(std::move(cells));
  }
  return true;
}

std::string TextTable::horizontal() const {
  constexpr size_t kNarrowest = 3;
  std::vector<size_t> widths(schema_.fields().size(), kNarrowest);
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i]));
  std::string rule = "+";
  for (const size_t width : widths)
    rule += std::string(width, '-') + "+";
  if (widths.empty()) rule = "++";
  rule += "\n";
  std::string out = rule;
  for (size_t r = 0; r < rows_.size(); ++r) {
    out += "|";
    for (size_t i = 0; i < widths.size(); ++i)
      out +=
          (truncate_ > 0 ? pad_left(rows_[r][i], widths[i]) : pad_right(rows_[r][i], widths[i])) +
          "|";
    if (widths.empty()) out += "|";
    out += "\n";
    if (r == 0) out += rule;
  }
  out += rule;
  if (more_) out += fmt::format("only showing top {} row{}", wanted_, wanted_ == 1 ? "" : "s");
  return out;
}

std::string TextTable::vertical() const {
  constexpr size_t kNarrowest = 3;
  size_t names = kNarrowest;
  size_t values = kNarrowest;
  for (const std::string& name : rows_.front())
    names = std::max(names, width_of(name));
  for (size_t r = 1; r < rows_.size(); ++r)
    for (const std::string& cell : rows_[r])
      values = std::max(values, width_of(cell));
  std::string out;
  for (size_t r = 1; r < rows_.size(); ++r) {
    std::string header = fmt::format("-RECORD {}", r - 1);
    if (header.size() < names + values + 5) header.append(names + values + 5 - header.size(), '-');
    out += header + "\n";
    for (size_t i = 0; i < rows_[r].size(); ++i)
      out += fmt::format(" {} | {} \n", pad_right(rows_.front()[i], names),
                         pad_right(rows_[r][i], values));
  }
  if (rows_.size() == 1) return "(0 rows)\n";
  if (more_) out += fmt::format("only showing top {} row{}", wanted_, wanted_ == 1 ? "" : "s");
  return out;
}

std::string TextTable::html() const {
  std::string out = "<table border='1'>\n";
  for (size_t r = 0; r < rows_.size(); ++r) {
    const std::string_view tag = r == 0 ? "th" : "td";
    out += "<tr>";
    for (size_t i = 0; i < rows_[r].size(); ++i)
      out += fmt::format("{}<{}>{}</{}>", "", tag, escape_html(rows_[r][i]), tag);
    out += "</tr>\n";
  }
  out += "</table>\n";
  if (more_) out += fmt::format("only showing top {} row{}\n", wanted_, wanted_ == 1 ? "" : "s");
  return out;
}

}  // namespace weir::connect
