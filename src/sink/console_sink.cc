// As Spark's console sink prints a batch:
//
// -------------------------------------------
// Batch: 3
// -------------------------------------------
// +------+-----+
// |device|value|
// +------+-----+
// |   d-1|   20|
// +------+-----+
// only showing top 1 row
#include <algorithm>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>

#include "columnar/arrow_adapter.h"
#include "sink/simple_sinks.h"

namespace weir::sink {
namespace {

constexpr size_t kCellMax = 20;

size_t characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// At most kCellMax characters, the last three being "...".
std::string cut(const std::string& text) {
  if (characters(text) <= kCellMax) return text;
  size_t bytes = 0;
  for (size_t count = 0; bytes < text.size() && count < kCellMax - 3; ++count) {
    ++bytes;
    while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80)
      ++bytes;
  }
  return text.substr(0, bytes) + "...";
}

// Control characters would break the table.
std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += "?";
    else
      out += c;
  }
  return out;
}

Result<std::string> cell_text(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return std::string("NULL");
  if (array.type_id() == arrow::Type::STRING)
    return escape(static_cast<const arrow::StringArray&>(array).GetString(row));
  WEIR_ARROW_ASSIGN(auto scalar, array.GetScalar(row));
  std::string text = scalar->ToString();
  if (array.type_id() == arrow::Type::TIMESTAMP && text.ends_with('Z')) text.pop_back();
  return escape(text);
}

class ConsoleSink;

class ConsoleWriter final : public BatchWriter {
 public:
  ConsoleWriter(ConsoleSink& sink, BatchId batch, int parts)
      : sink_(sink), batch_(batch), parts_(static_cast<size_t>(std::max(parts, 1))) {}
  Result<void> write(int part, const std::shared_ptr<arrow::RecordBatch>& rows) override;
  Result<SinkCommit> commit() override;
  Result<void> abort() override {
    parts_.clear();
    return {};
  }

 private:
  struct Part {
    std::vector<std::vector<std::string>> lines;  // the first rows only
    int64_t rows = 0;
  };
  ConsoleSink& sink_;
  BatchId batch_;
  std::mutex mutex_;
  std::vector<Part> parts_;
};

class ConsoleSink final : public Sink {
 public:
  ConsoleSink(ConsoleOptions options, std::FILE* out) : options_(options), out_(out) {}
  std::string description() const override { return "ConsoleTable$"; }
  bool exactly_once() const override { return false; }
  Result<std::string> prepare(const QueryIdentity&, const Schema& schema) override {
    names_.clear();
    for (const columnar::Field& field : schema.fields()) {
      names_.push_back(escape(field.name));
    }
    return std::string();
  }
  Result<std::unique_ptr<BatchWriter>> begin(BatchId batch, int parts) override {
    return std::unique_ptr<BatchWriter>(std::make_unique<ConsoleWriter>(*this, batch, parts));
  }
  const ConsoleOptions& options() const { return options_; }

  Result<void> print(BatchId batch, const std::vector<std::vector<std::string>>& lines,
                     int64_t rows) {
    std::vector<size_t> widths;
    for (size_t i = 0; i < names_.size(); ++i) {
      size_t width = std::max<size_t>(characters(names_[i]), options_.truncate ? 3 : 0);
      for (const auto& line : lines)
        width = std::max(width, characters(line[i]));
      widths.push_back(width);
    }
    std::string text =
        "-------------------------------------------\nBatch: " + std::to_string(batch.value()) +
        "\n-------------------------------------------\n";
    append_rule(text, widths);
    append_line(text, names_, widths);
    append_rule(text, widths);
    for (const auto& line : lines)
      append_line(text, line, widths);
    append_rule(text, widths);
    const auto shown = static_cast<int64_t>(lines.size());
    if (shown < rows)
      text += "only showing top " + std::to_string(shown) + (shown == 1 ? " row\n" : " rows\n");
    text += "\n";
    if (std::fwrite(text.data(), 1, text.size(), out_) != text.size() || std::fflush(out_) != 0) {
      return base::error(base::ErrorKind::kIo, "console sink: the output does not take any more");
    }
    return {};
  }

 private:
  static void append_rule(std::string& text, const std::vector<size_t>& widths) {
    for (const size_t width : widths)
      text += "+" + std::string(width, '-');
    text += "+\n";
  }
  // Spark aligns right where cells are cut, left where they are not.
  void append_line(std::string& text, const std::vector<std::string>& cells,
                   const std::vector<size_t>& widths) const {
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - characters(cells[i]), ' ');
      text += "|";
      text += options_.truncate ? padding + cells[i] : cells[i] + padding;
    }
    text += "|\n";
  }

  ConsoleOptions options_;
  std::FILE* out_;
  std::vector<std::string> names_;
};

Result<void> ConsoleWriter::write(int part_index, const std::shared_ptr<arrow::RecordBatch>& rows) {
  WEIR_CHECK(part_index >= 0 && static_cast<size_t>(part_index) < parts_.size(),
             "part of the batch");
  const std::lock_guard lock(mutex_);
  Part& part = parts_[static_cast<size_t>(part_index)];
  for (int64_t row = 0;
       row < rows->num_rows() && static_cast<int64_t>(part.lines.size()) < sink_.options().rows_max;
       ++row) {
    std::vector<std::string> line;
    for (int column = 0; column < rows->num_columns(); ++column) {
      WEIR_ASSIGN(std::string text, cell_text(*rows->column(column), row));
      line.push_back(sink_.options().truncate ? cut(text) : std::move(text));
    }
    part.lines.push_back(std::move(line));
  }
  part.rows += rows->num_rows();
  return {};
}

Result<SinkCommit> ConsoleWriter::commit() {
  std::vector<std::vector<std::string>> lines;
  SinkCommit commit;
  for (Part& part : parts_) {
    commit.rows += part.rows;
    for (auto& line : part.lines) {
      if (static_cast<int64_t>(lines.size()) < sink_.options().rows_max)
        lines.push_back(std::move(line));
    }
  }
  WEIR_TRY(sink_.print(batch_, lines, commit.rows));
  return commit;
}

}  // namespace

std::unique_ptr<Sink> make_console_sink(ConsoleOptions options, std::FILE* out) {
  return std::make_unique<ConsoleSink>(options, out);
}

}  // namespace weir::sink
