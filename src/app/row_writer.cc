#include "app/row_writer.h"

#include <optional>
#include <unistd.h>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>
#include <sys/ioctl.h>

#include "base/json.h"
#include "eval/cast.h"
#include "eval/utf8.h"

namespace weir::app {

namespace {

using base::Result;
using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;

Result<void> put(std::FILE* out, const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), out) == text.size()) return {};
  return base::error(base::ErrorKind::kIo, "the output cannot be written");
}

std::string value_text(const DataType& type, const arrow::Array& array, int64_t row,
                       eval::Zone& zone) {
  std::string text;
  if (type.is(TypeKind::kBinary)) {
    const eval::Vector one{array.Slice(row, 1), true};
    const std::string_view bytes = eval::TextReader(one)[0];
    text = "[";
    for (size_t i = 0; i < bytes.size(); ++i)
      text += fmt::format("{}{:02X}", i ? " " : "", static_cast<unsigned char>(bytes[i]));
    return text + "]";
  }
  eval::append_text(type, array, row, zone, true, text);
  return text;
}

class TableWriter final : public RowWriter {
 public:
  TableWriter(const Schema& schema, eval::Zone zone, std::FILE* out, int width)
      : schema_(schema),
        zone_(zone),
        out_(out),
        cell_max_(width > 0 ? std::max(20, width / 2) : INT32_MAX) {
    std::vector<std::string> header;
    for (const auto& field : schema_.fields())
      header.push_back(cut(field.name));
    widths_.assign(header.size(), 0);
    hold(std::move(header));
  }

  Result<void> write(const arrow::RecordBatch& batch) override {
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      std::vector<std::string> cells;
      for (int i = 0; i < batch.num_columns(); ++i) {
        const auto& array = *batch.column(i);
        const auto& type = schema_.fields()[static_cast<size_t>(i)].type();
        const bool null = array.IsNull(row) || array.type_id() == arrow::Type::NA;
        std::string text = null ? "NULL" : value_text(type, array, row, zone_);
        if (held_.size() == 1 && text.find('\n') != std::string::npos) first_lines_ = text;
        cells.push_back(cut(one_line(std::move(text))));
      }
      if (!settled_) {
        hold(std::move(cells));
        if (held_.size() > kRowsHeld) WEIR_TRY(settle());
      } else {
        WEIR_TRY(put(out_, line(cells)));
      }
    }
    return {};
  }

  Result<std::string> finish() override {
    // A plan, a statement: one text of several lines is printed as it is.
    if (!settled_ && held_.size() == 2 && widths_.size() == 1 && first_lines_) {
      WEIR_TRY(put(out_, *first_lines_ + (first_lines_->ends_with('\n') ? "" : "\n")));
      return std::string();
    }
    if (!settled_) WEIR_TRY(settle());
    WEIR_TRY(put(out_, rule_));
    return std::string(cut_any_ ? "some values are cut (…); --output json or csv shows them whole"
                                : "");
  }

 private:
  static constexpr size_t kRowsHeld = 1000;

  static std::string one_line(std::string text) {
    for (char& c : text) {
      if (c == '\n' || c == '\r' || c == '\t') c = ' ';
    }
    return text;
  }

  std::string cut(std::string text) {
    if (eval::character_count(text) <= cell_max_) return text;
    cut_any_ = true;
    return text.substr(0, eval::character_position(text, cell_max_ - 1)) + "…";
  }

  void hold(std::vector<std::string> cells) {
    for (size_t i = 0; i < cells.size(); ++i)
      widths_[i] = std::max<int64_t>(widths_[i], eval::character_count(cells[i]));
    held_.push_back(std::move(cells));
  }

  std::string line(const std::vector<std::string>& cells) const {
    std::string text = "|";
    for (size_t i = 0; i < cells.size(); ++i) {
      const auto blanks = std::max<int64_t>(0, widths_[i] - eval::character_count(cells[i]));
      const std::string space(static_cast<size_t>(blanks), ' ');
      text +=
          schema_.fields()[i].type().is_numeric() ? space + cells[i] + "|" : cells[i] + space + "|";
    }
    return text + "\n";
  }

  Result<void> settle() {
    settled_ = true;
    rule_ = "+";
    for (const int64_t width : widths_)
      rule_ += std::string(static_cast<size_t>(width), '-') + "+";
    rule_ += "\n";
    WEIR_TRY(put(out_, rule_ + line(held_[0]) + rule_));
    for (size_t i = 1; i < held_.size(); ++i)
      WEIR_TRY(put(out_, line(held_[i])));
    held_.clear();
    return {};
  }

  Schema schema_;
  eval::Zone zone_;
  std::FILE* out_;
  int64_t cell_max_;
  std::vector<int64_t> widths_;
  std::vector<std::vector<std::string>> held_;
  std::string rule_;
  std::optional<std::string> first_lines_;  // a text of the first row that has several lines
  bool settled_ = false;
  bool cut_any_ = false;
};

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i)
      text += i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

class JsonWriter final : public RowWriter {
 public:
  JsonWriter(const Schema& schema, eval::Zone zone, std::FILE* out)
      : schema_(schema), zone_(zone), out_(out) {
    for (const auto& field : schema_.fields())
      names_.push_back(quoted(field.name));
  }

  Result<void> write(const arrow::RecordBatch& batch) override {
    std::string text;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      text += '{';
      for (int i = 0; i < batch.num_columns(); ++i) {
        if (i > 0) text += ',';
        text += names_[static_cast<size_t>(i)] + ":";
        append(schema_.fields()[static_cast<size_t>(i)].type(), *batch.column(i), row, text);
      }
      text += "}\n";
      if (text.size() > (1 << 16)) {
        WEIR_TRY(put(out_, text));
        text.clear();
      }
    }
    return put(out_, text);
  }
  Result<std::string> finish() override { return std::string(); }

 private:
  static std::string quoted(const std::string& text) {
    return base::json_text(base::JsonValue(boost::json::string(text)));
  }

  void append(const DataType& type, const arrow::Array& array, int64_t row, std::string& out) {
    if (array.type_id() == arrow::Type::NA || array.IsNull(row)) {
      out += "null";
      return;
    }
    switch (type.kind()) {
      case TypeKind::kStruct: {
        const auto& structure = static_cast<const arrow::StructArray&>(array);
        out += '{';
        for (int i = 0; i < structure.num_fields(); ++i) {
          const auto& field = type.fields()[static_cast<size_t>(i)];
          out += (i ? "," : "") + quoted(field.name) + ":";
          append(field.type(), *structure.field(i), row, out);
        }
        out += '}';
        return;
      }
      case TypeKind::kArray: {
        const auto& list = static_cast<const arrow::ListArray&>(array);
        out += '[';
        for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
          if (i > list.value_offset(row)) out += ',';
          append(type.element(), *list.values(), i, out);
        }
        out += ']';
        return;
      }
      case TypeKind::kMap: {
        const auto& map = static_cast<const arrow::MapArray&>(array);
        out += '{';
        for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
          out += (i > map.value_offset(row) ? "," : "") +
                 quoted(value_text(type.key(), *map.keys(), i, zone_)) + ":";
          append(type.value(), *map.items(), i, out);
        }
        out += '}';
        return;
      }
      case TypeKind::kBinary: {
        const eval::Vector one{array.Slice(row, 1), true};
        out += "\"" + base64(eval::TextReader(one)[0]) + "\"";
        return;
      }
      default:
        append_plain(type, value_text(type, array, row, zone_), array, row, out);
    }
  }

  void append_plain(const DataType& type, std::string text, const arrow::Array& array, int64_t row,
                    std::string& out) {
    const bool finite = text.find_first_of("NI") == std::string::npos;
    if (type.is(TypeKind::kBoolean) || (type.is_numeric() && finite)) {
      out += text;
      return;
    }
    if (type.is(TypeKind::kTimestamp) || type.is(TypeKind::kTimestampNtz)) {
      if (const auto blank = text.find(' '); blank != std::string::npos) text[blank] = 'T';
      if (type.is(TypeKind::kTimestamp)) {
        const int64_t us = static_cast<const arrow::TimestampArray&>(array).Value(row);
        const int64_t minutes = (zone_.to_local(us) - us) / 60'000'000;
        text += minutes == 0 ? "Z"
                             : fmt::format("{}{:02}:{:02}", minutes < 0 ? "-" : "+",
                                           std::abs(minutes) / 60, std::abs(minutes) % 60);
      }
    }
    out += quoted(text);
  }

  Schema schema_;
  eval::Zone zone_;
  std::FILE* out_;
  std::vector<std::string> names_;
};

class CsvWriter final : public RowWriter {
 public:
  CsvWriter(const Schema& schema, eval::Zone zone, std::FILE* out)
      : schema_(schema), zone_(zone), out_(out) {}

  Result<void> write(const arrow::RecordBatch& batch) override {
    WEIR_TRY(header());
    std::string text;
    for (int64_t row = 0; row < batch.num_rows(); ++row) {
      for (int i = 0; i < batch.num_columns(); ++i) {
        if (i > 0) text += ',';
        const auto& array = *batch.column(i);
        if (array.type_id() == arrow::Type::NA || array.IsNull(row)) continue;
        const auto& type = schema_.fields()[static_cast<size_t>(i)].type();
        text += quoted(value_text(type, array, row, zone_));
      }
      text += '\n';
    }
    return put(out_, text);
  }
  Result<std::string> finish() override {
    WEIR_TRY(header());
    return std::string();
  }

 private:
  static std::string quoted(const std::string& text) {
    if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) {
      if (c == '"') out += '"';
      out += c;
    }
    return out + "\"";
  }

  Result<void> header() {
    if (std::exchange(headed_, true)) return {};
    std::string text;
    for (size_t i = 0; i < schema_.fields().size(); ++i)
      text += (i ? "," : "") + quoted(schema_.fields()[i].name);
    return put(out_, text + "\n");
  }

  Schema schema_;
  eval::Zone zone_;
  std::FILE* out_;
  bool headed_ = false;
};

}  // namespace

int terminal_width(std::FILE* out) {
  const int terminal = fileno(out);
  if (!isatty(terminal)) return 0;
  winsize size{};
  return ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

Result<std::unique_ptr<RowWriter>> make_row_writer(const std::string& format, const Schema& schema,
                                                   const eval::Zone& zone, std::FILE* out,
                                                   int width) {
  if (format == "table")
    return std::unique_ptr<RowWriter>(std::make_unique<TableWriter>(schema, zone, out, width));
  if (format == "json")
    return std::unique_ptr<RowWriter>(std::make_unique<JsonWriter>(schema, zone, out));
  if (format == "csv")
    return std::unique_ptr<RowWriter>(std::make_unique<CsvWriter>(schema, zone, out));
  return base::error(base::ErrorKind::kInvalidArgument, "--output {}: table, json or csv", format);
}

}  // namespace weir::app
