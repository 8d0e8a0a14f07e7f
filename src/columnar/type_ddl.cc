// DDL to DataType: the types and column lists of Spark's SQL grammar (rules dataType, colTypeList,
// complexColTypeList).
#include <cctype>
#include <charconv>

#include "base/text.h"
#include "columnar/data_type.h"

namespace weir::columnar {

namespace {

using base::error;
using base::ErrorKind;

constexpr int kDepthMax = 100;

enum class TokenKind { kEnd, kWord, kQuoted, kText, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;   // words as written; quoted identifiers and texts without their quotes
  std::string upper;  // words only
  size_t position = 0;
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (c & 0x80) != 0;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> next() {
    WEIR_TRY(skip_blanks());
    Token token;
    token.position = at_;
    if (at_ >= text_.size()) return token;
    const char c = text_[at_];
    if (is_word(c)) {
      const size_t start = at_;
      while (at_ < text_.size() && is_word(text_[at_]))
        ++at_;
      token.kind = TokenKind::kWord;
      token.text = text_.substr(start, at_ - start);
      token.upper = base::upper_case(token.text);
      return token;
    }
    if (c == '`') return quoted_identifier(std::move(token));
    if (c == '\'' || c == '"') return literal(std::move(token), c);
    token.kind = TokenKind::kSymbol;
    token.text = std::string(1, c);
    ++at_;
    return token;
  }

 private:
  Result<void> skip_blanks() {
    while (at_ < text_.size()) {
      const std::string_view rest = text_.substr(at_);
      if (std::isspace(static_cast<unsigned char>(rest[0]))) {
        ++at_;
      } else if (rest.starts_with("--")) {
        const size_t end = rest.find('\n');
        at_ = end == std::string_view::npos ? text_.size() : at_ + end;
      } else if (rest.starts_with("/*")) {
        const size_t end = rest.find("*/", 2);
        if (end == std::string_view::npos)
          return error(ErrorKind::kInvalidArgument, "unclosed comment at position {}", at_);
        at_ += end + 2;
      } else {
        return {};
      }
    }
    return {};
  }

  Result<Token> quoted_identifier(Token token) {
    token.kind = TokenKind::kQuoted;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '`') {
        if (at_ + 1 < text_.size() && text_[at_ + 1] == '`') {
          ++at_;
        } else {
          ++at_;
          return token;
        }
      }
      token.text += text_[at_];
    }
    return error(ErrorKind::kInvalidArgument, "unclosed ` at position {}", token.position);
  }

  Result<Token> literal(Token token, char quote) {
    token.kind = TokenKind::kText;
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == quote) {
        ++at_;
        return token;
      }
      if (c == '\\' && at_ + 1 < text_.size()) {
        c = text_[++at_];
        switch (c) {
          case 'n':
            c = '\n';
            break;
          case 't':
            c = '\t';
            break;
          case 'r':
            c = '\r';
            break;
          case 'b':
            c = '\b';
            break;
          case '0':
            c = '\0';
            break;
          case 'Z':
            c = '\x1a';
            break;
          default:
            break;
        }
      }
      token.text += c;
    }
    return error(ErrorKind::kInvalidArgument, "unclosed {} at position {}", quote, token.position);
  }

  std::string_view text_;
  size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lexer_(text) {}

  Result<void> start() { return advance(); }
  bool at_end() const { return token_.kind == TokenKind::kEnd; }
  base::Error unexpected(std::string_view wanted) const {
    return error(ErrorKind::kInvalidArgument, "DDL '{}': expected {} at position {}, found {}",
                 text_, wanted, token_.position, at_end() ? "the end" : "'" + token_.text + "'")
        .with_class("PARSE_SYNTAX_ERROR");
  }

  Result<DataType> type(int depth) {
    if (depth > kDepthMax)
      return error(ErrorKind::kInvalidArgument, "DDL: nested deeper than {}", kDepthMax);
    if (token_.kind != TokenKind::kWord) return unexpected("a type");
    const Token name = token_;
    WEIR_TRY(advance());
    if (name.upper == "ARRAY") return array(depth);
    if (name.upper == "MAP") return map(depth);
    if (name.upper == "STRUCT") return structure(depth);
    if (name.upper == "INTERVAL") return interval();
    WEIR_ASSIGN(std::vector<int> numbers, parameters());
    return primitive(name, numbers);
  }

  // "a INT NOT NULL COMMENT 'x', b …" up to the end, or up to '>' inside of struct<…>.
  Result<std::vector<Field>> columns(bool inside_struct, int depth) {
    std::vector<Field> fields;
    while (true) {
      WEIR_ASSIGN(Field field, column(inside_struct, depth));
      fields.push_back(std::move(field));
      if (!symbol(',')) return fields;
      WEIR_TRY(advance());
    }
  }

 private:
  Result<void> advance() {
    WEIR_ASSIGN(token_, lexer_.next());
    return {};
  }
  bool symbol(char c) const { return token_.kind == TokenKind::kSymbol && token_.text[0] == c; }
  bool word(std::string_view upper) const {
    return token_.kind == TokenKind::kWord && token_.upper == upper;
  }
  Result<void> expect(char c) {
    if (!symbol(c)) return unexpected(fmt::format("'{}'", c));
    return advance();
  }

  Result<DataType> array(int depth) {
    WEIR_TRY(expect('<'));
    WEIR_ASSIGN(DataType element, type(depth + 1));
    WEIR_TRY(expect('>'));
    return DataType::array(std::move(element));
  }

  Result<DataType> map(int depth) {
    WEIR_TRY(expect('<'));
    WEIR_ASSIGN(DataType key, type(depth + 1));
    WEIR_TRY(expect(','));
    WEIR_ASSIGN(DataType value, type(depth + 1));
    WEIR_TRY(expect('>'));
    return DataType::map(std::move(key), std::move(value));
  }

  Result<DataType> structure(int depth) {
    WEIR_TRY(expect('<'));
    std::vector<Field> fields;
    if (!symbol('>')) {
      WEIR_ASSIGN(fields, columns(true, depth + 1));
    }
    WEIR_TRY(expect('>'));
    return DataType::structure(std::move(fields));
  }

  // The unit that the word here names.
  std::optional<std::pair<TypeKind, int>> unit() const {
    if (token_.kind != TokenKind::kWord) return std::nullopt;
    return interval_unit(base::lower_case(token_.upper));
  }

  Result<DataType> interval() {
    const auto first = unit();
    if (!first) {
      return error(ErrorKind::kUnsupported,
                   "DDL '{}': type INTERVAL without units (calendar interval)", text_);
    }
    auto last = first;
    WEIR_TRY(advance());
    if (word("TO")) {
      WEIR_TRY(advance());
      last = unit();
      if (!last || last->first != first->first || last->second <= first->second)
        return unexpected("the last unit of the interval");
      WEIR_TRY(advance());
    }
    return DataType::interval(first->first, first->second, last->second);
  }

  Result<std::vector<int>> parameters() {
    std::vector<int> numbers;
    if (!symbol('(')) return numbers;
    do {
      WEIR_TRY(advance());
      int number = 0;
      const std::string& digits = token_.text;
      const auto [end, code] =
          std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (token_.kind != TokenKind::kWord || code != std::errc() ||
          end != digits.data() + digits.size())
        return unexpected("a number");
      numbers.push_back(number);
      WEIR_TRY(advance());
    } while (symbol(','));
    WEIR_TRY(expect(')'));
    return numbers;
  }

  Result<DataType> primitive(const Token& name, const std::vector<int>& numbers) const {
    struct Entry {
      std::string_view name;
      TypeKind kind;
    };
    static constexpr Entry kEntries[] = {
        {"BOOLEAN", TypeKind::kBoolean},
        {"TINYINT", TypeKind::kByte},
        {"BYTE", TypeKind::kByte},
        {"SMALLINT", TypeKind::kShort},
        {"SHORT", TypeKind::kShort},
        {"INT", TypeKind::kInteger},
        {"INTEGER", TypeKind::kInteger},
        {"BIGINT", TypeKind::kLong},
        {"LONG", TypeKind::kLong},
        {"FLOAT", TypeKind::kFloat},
        {"REAL", TypeKind::kFloat},
        {"DOUBLE", TypeKind::kDouble},
        {"DATE", TypeKind::kDate},
        {"TIMESTAMP", TypeKind::kTimestamp},
        {"TIMESTAMP_LTZ", TypeKind::kTimestamp},
        {"TIMESTAMP_NTZ", TypeKind::kTimestampNtz},
        {"STRING", TypeKind::kString},
        {"BINARY", TypeKind::kBinary},
        {"VOID", TypeKind::kNull},
    };
    for (const Entry& entry : kEntries) {
      if (entry.name == name.upper && numbers.empty()) return DataType::of(entry.kind);
    }
    const bool chars = name.upper == "CHAR" || name.upper == "CHARACTER";
    if (chars || name.upper == "VARCHAR") {
      if (numbers.size() != 1 || numbers[0] < 1) {
        return error(ErrorKind::kInvalidArgument, "DDL '{}': {} needs a length, as {}(10)", text_,
                     name.text, name.text)
            .with_class("DATATYPE_MISSING_SIZE");
      }
      return chars ? DataType::chars(numbers[0]) : DataType::varchar(numbers[0]);
    }
    if ((name.upper == "DECIMAL" || name.upper == "DEC" || name.upper == "NUMERIC") &&
        numbers.size() <= 2) {
      const int precision = numbers.empty() ? 10 : numbers[0];
      const int scale = numbers.size() < 2 ? 0 : numbers[1];
      if (precision < 1 || precision > 38 || scale > precision || scale < 0) {
        return error(ErrorKind::kInvalidArgument,
                     "DDL '{}': {}({},{}) is outside of decimal(1..38, 0..precision)", text_,
                     name.text, precision, scale);
      }
      return DataType::decimal(precision, scale);
    }
    if (name.upper == "VARIANT" || name.upper == "TIME" || name.upper == "GEOGRAPHY" ||
        name.upper == "GEOMETRY") {
      return error(ErrorKind::kUnsupported, "DDL '{}': type {}", text_, name.upper);
    }
    return error(ErrorKind::kInvalidArgument, "DDL '{}': '{}' at position {} is not a type", text_,
                 name.text, name.position)
        .with_class("UNSUPPORTED_DATATYPE");
  }

  Result<Field> column(bool inside_struct, int depth) {
    if (token_.kind != TokenKind::kWord && token_.kind != TokenKind::kQuoted)
      return unexpected("a column name");
    std::string name = token_.text;
    WEIR_TRY(advance());
    if (inside_struct && symbol(':')) WEIR_TRY(advance());
    WEIR_ASSIGN(DataType data_type, type(depth));
    if (word("COLLATE"))
      return error(ErrorKind::kUnsupported, "DDL '{}': COLLATE of column {}", text_, name);
    bool nullable = true;
    base::JsonObject metadata;
    if (word("NOT")) {
      WEIR_TRY(advance());
      if (!word("NULL")) return unexpected("NULL");
      WEIR_TRY(advance());
      nullable = false;
    }
    if (word("DEFAULT") || word("GENERATED")) {
      return error(ErrorKind::kUnsupported, "DDL '{}': {} of column {}", text_, token_.upper, name);
    }
    if (word("COMMENT")) {
      WEIR_TRY(advance());
      if (token_.kind != TokenKind::kText) return unexpected("a text in quotes");
      metadata["comment"] = token_.text;
      WEIR_TRY(advance());
    }
    return make_field(std::move(name), std::move(data_type), nullable, std::move(metadata));
  }

  std::string_view text_;
  Lexer lexer_;
  Token token_;
};

}  // namespace

Result<DataType> parse_ddl_type(std::string_view ddl) {
  Parser parser(ddl);
  WEIR_TRY(parser.start());
  WEIR_ASSIGN(DataType type, parser.type(0));
  if (!parser.at_end()) return parser.unexpected("the end");
  return type;
}

Result<Schema> parse_ddl_schema(std::string_view ddl) {
  // As Spark's DataType.fromDDL: a type first ("struct<…>"), else a list of columns.
  auto type = parse_ddl_type(ddl);
  if (type.ok() && type->is(TypeKind::kStruct)) return type;
  Parser parser(ddl);
  WEIR_TRY(parser.start());
  if (parser.at_end()) return DataType::structure({});
  WEIR_ASSIGN(std::vector<Field> fields, parser.columns(false, 0));
  if (!parser.at_end()) return parser.unexpected("',' or the end");
  return DataType::structure(std::move(fields));
}

}  // namespace weir::columnar
