#include "codec/json_fast.h"

#include <emmintrin.h>
#include <simdjson.h>

#include "codec/java_number.h"
#include "codec/json_number.h"

namespace weir::codec {

using columnar::TypeKind;

namespace {

namespace numbers = simdjson::SIMDJSON_BUILTIN_IMPLEMENTATION::numberparsing;

// Longer records are rare, and Jackson has limits on strings there.
constexpr size_t kRecordMax = 16 << 20;
constexpr int kDepthMax = 60;
constexpr int kMissesMax = 32;

bool to_double(const uint8_t* p, const uint8_t* end, const NumberParts& parts, double* value) {
  if (parts.integer && parts.exact) {
    *value = static_cast<double>(parts.digits);
    // An integer has no negative zero.
    if (parts.negative && parts.digits != 0) *value = -*value;
    return true;
  }
  if (parts.exact && parts.exponent > -300 && parts.exponent < 290 &&
      numbers::compute_float_64(parts.exponent, parts.digits, parts.negative, *value)) {
    return true;
  }
  if (parts.integer && end - p > 900) return false;
  *value = java_parse_double(
      std::string_view(reinterpret_cast<const char*>(p), static_cast<size_t>(end - p)));
  return true;
}

bool is_null(const uint8_t* p) { return std::memcmp(p, "null", 4) == 0 && ends_scalar(p[4]); }

// Bits of the 32 bytes at p that are digits.
uint32_t digit_mask(const uint8_t* p) {
  const auto half = [](const uint8_t* q) {
    const __m128i x =
        _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(q)), _mm_set1_epi8('0'));
    return static_cast<uint32_t>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(9)), x)));
  };
  return half(p) | half(p + 16) << 16;
}

}  // namespace

struct JsonFastParser::Stage1 {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  size_t capacity = 0;
  bool run(std::string_view text) {
    if (text.empty()) return false;
    if (text.size() > capacity) {
      const size_t wanted = std::max<size_t>(text.size() * 2, 1 << 16);
      const auto made = simdjson::get_active_implementation()->create_dom_parser_implementation(
          wanted, 64, parser);
      if (made != simdjson::SUCCESS) return false;
      capacity = wanted;
    }
    return parser->stage1(reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                          simdjson::stage1_mode::regular) == simdjson::SUCCESS;
  }
};

[[gnu::always_inline]] inline bool JsonFastParser::matches(const KeyGuess& guess,
                                                           const uint8_t* key) {
  const __m128i a = _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(key)),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(guess.bytes)));
  const __m128i b =
      _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(key + 16)),
                     _mm_loadu_si128(reinterpret_cast<const __m128i*>(guess.bytes + 16)));
  const uint32_t equal = static_cast<uint32_t>(_mm_movemask_epi8(a)) |
                         static_cast<uint32_t>(_mm_movemask_epi8(b)) << 16;
  if ((equal & guess.mask) != guess.mask) return false;
  return guess.tail.empty() || std::memcmp(key + 32, guess.tail.data(), guess.tail.size()) == 0;
}

JsonFastParser::JsonFastParser(ColumnWriter& root, const DatetimeFormats& formats)
    : formats_(formats),
      stage1_(std::make_unique<Stage1>()),
      root_(plan_struct(root)),
      default_timestamp_(formats.default_timestamp()) {}
JsonFastParser::~JsonFastParser() = default;

JsonFastParser::ValuePlan JsonFastParser::plan_value(ColumnWriter& column) {
  ValuePlan plan{column.kind(), &column, nullptr, nullptr};
  if (column.kind() == TypeKind::kStruct) plan.structure = plan_struct(column);
  if (column.kind() == TypeKind::kArray)
    plan.element = std::make_unique<ValuePlan>(plan_value(column.child(0)));
  if (column.kind() == TypeKind::kMap)
    plan.element = std::make_unique<ValuePlan>(plan_value(column.child(1)));
  return plan;
}

std::unique_ptr<JsonFastParser::StructPlan> JsonFastParser::plan_struct(ColumnWriter& column) {
  auto plan = std::make_unique<StructPlan>();
  const size_t count = column.child_count();
  plan->names.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    plan->fields.push_back(plan_value(column.child(i)));
    plan->names.push_back("\"" + column.type().fields()[i].name + "\"");
    // Of fields with the same name the last one is meant.
    plan->index[plan->names.back()] = static_cast<int32_t>(i);
  }
  plan->position.assign(count, -1);
  if (count > 64) plan->seen_many.assign((count + 63) / 64, 0);
  return plan;
}

bool JsonFastParser::parse(std::string_view record, int64_t slot) {
  if (record.size() > kRecordMax || !stage1_->run(record)) return false;
  buffer_ = reinterpret_cast<const uint8_t*>(record.data());
  const auto& parser = *stage1_->parser;
  At at = parser.structural_indexes.get();
  end_ = at + parser.n_structural_indexes;
  if (at == end_ || buffer_[*at] != '{') return false;
  has_backslash_ = std::memchr(buffer_, '\\', record.size()) != nullptr;
  at = read_struct(*root_, at, slot);
  // What follows the object is not looked at, as in Spark.
  return at != nullptr && at <= end_;
}

int32_t JsonFastParser::find_key(StructPlan& plan, At at, size_t* position) {
  const uint8_t* key = buffer_ + *at;
  if (*position + 1 < plan.guesses.size() && matches(plan.guesses[*position + 1], key)) {
    *position += 2;
    return plan.guesses[*position - 1].field;
  }
  const uint8_t* last = buffer_ + at[1] - 1;
  while (last > key && *last != '"')
    --last;
  if (last <= key) return -2;
  const std::string_view quoted(reinterpret_cast<const char*>(key),
                                static_cast<size_t>(last - key + 1));
  if (has_backslash_ && quoted.find('\\') != std::string_view::npos) return -2;
  const auto found = plan.index.find(quoted);
  const int32_t field = found == plan.index.end() ? -1 : found->second;
  if (++plan.misses > kMissesMax) {
    // The records look otherwise now: learn anew.
    plan.misses = 0;
    plan.guesses.clear();
    std::fill(plan.position.begin(), plan.position.end(), -1);
  }
  if (*position >= plan.guesses.size() && plan.guesses.size() < 4096) {
    KeyGuess guess{};
    std::memcpy(guess.bytes, quoted.data(), std::min<size_t>(quoted.size(), 32));
    guess.mask = quoted.size() >= 32 ? 0xffffffffu : (1u << quoted.size()) - 1;
    guess.field = field;
    if (quoted.size() > 32) guess.tail = quoted.substr(32);
    if (field >= 0)
      plan.position[static_cast<size_t>(field)] = static_cast<int32_t>(plan.guesses.size());
    plan.guesses.push_back(std::move(guess));
    *position = plan.guesses.size();
  } else if (field >= 0 && plan.position[static_cast<size_t>(field)] >= 0) {
    *position = static_cast<size_t>(plan.position[static_cast<size_t>(field)]) + 1;
  }
  return field;
}

JsonFastParser::At JsonFastParser::read_struct(StructPlan& plan, At at, int64_t slot) {
  const uint8_t* const buffer = buffer_;
  const size_t count = plan.fields.size();
  uint64_t seen = 0;
  const bool many = count > 64;
  if (many) std::fill(plan.seen_many.begin(), plan.seen_many.end(), 0);
  size_t position = 0;
  ++at;
  if (buffer[*at] == '}') {
    ++at;
  } else {
    while (true) {
      const uint8_t* key = buffer + *at;
      if (at >= end_ || *key != '"') return nullptr;
      int32_t field;
      if (position < plan.guesses.size() && matches(plan.guesses[position], key)) [[likely]] {
        field = plan.guesses[position++].field;
      } else {
        field = find_key(plan, at, &position);
        if (field == -2) return nullptr;
      }
      if (buffer[at[1]] != ':') return nullptr;
      at += 2;
      if (field >= 0) {
        uint64_t& word = many ? plan.seen_many[static_cast<size_t>(field) / 64] : seen;
        const uint64_t bit = uint64_t{1} << (field & 63);
        if (word & bit) return nullptr;
        word |= bit;
        at = read_value(plan.fields[static_cast<size_t>(field)], at, slot);
      } else {
        at = skip_value(at);
      }
      if (!at) return nullptr;
      const uint8_t c = buffer[*at++];
      if (c == ',') continue;
      if (c == '}') break;
      return nullptr;
    }
  }
  if (!many && count > 0 && seen == (~uint64_t{0} >> (64 - count))) return at;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t word = many ? plan.seen_many[i / 64] : seen;
    if (!(word >> (i & 63) & 1)) plan.fields[i].column->set_null(slot);
  }
  return at;
}

JsonFastParser::At JsonFastParser::read_value(ValuePlan& plan, At at, int64_t slot) {
  const uint8_t* p = buffer_ + *at;
  switch (plan.kind) {
    case TypeKind::kDouble: {
      NumberParts parts;
      const uint8_t* end = read_number_parts(p, &parts);
      double value;
      if (!end || !ends_scalar(*end) || !to_double(p, end, parts, &value)) break;
      plan.column->set(slot, value);
      return at + 1;
    }
    case TypeKind::kString: {
      if (*p != '"') break;
      const std::string_view text = string_at(at);
      if (!text.data()) return nullptr;
      if (has_backslash_ && std::memchr(text.data(), '\\', text.size())) {
        if (!unescape(text)) return nullptr;
        plan.column->set_text(slot, scratch_);
      } else {
        plan.column->set_text_padded(slot, reinterpret_cast<const uint8_t*>(text.data()),
                                     static_cast<int64_t>(text.size()));
      }
      return at + 1;
    }
    case TypeKind::kStruct:
      if (*p == '{') return read_struct(*plan.structure, at, slot);
      break;
    case TypeKind::kArray:
      if (*p == '[') return read_array(plan, at, slot);
      break;
    case TypeKind::kMap:
      if (*p == '{') return read_map(plan, at, slot);
      break;
    case TypeKind::kBoolean:
      if (std::memcmp(p, "true", 4) == 0 && ends_scalar(p[4])) {
        plan.column->set_bool(slot, true);
        return at + 1;
      }
      if (std::memcmp(p, "false", 5) == 0 && ends_scalar(p[5])) {
        plan.column->set_bool(slot, false);
        return at + 1;
      }
      break;
    default: {
      const At next = *p == '"' ? read_text(plan, at, slot) : read_number(plan, at, slot);
      if (next) return next;
    }
  }
  if (!is_null(p)) return nullptr;
  plan.column->set_null(slot);
  return at + 1;
}

JsonFastParser::At JsonFastParser::read_number(ValuePlan& plan, At at, int64_t slot) {
  const uint8_t* p = buffer_ + *at;
  int64_t value;
  switch (plan.kind) {
    case TypeKind::kByte:
    case TypeKind::kShort:
    case TypeKind::kInteger:
    case TypeKind::kLong: {
      const uint8_t* end = read_integer(p, &value);
      if (!end || !ends_scalar(*end)) return nullptr;
      if (plan.kind == TypeKind::kLong) {
        plan.column->set(slot, value);
      } else if (plan.kind == TypeKind::kInteger && value == static_cast<int32_t>(value)) {
        plan.column->set(slot, static_cast<int32_t>(value));
      } else if (plan.kind == TypeKind::kShort && value == static_cast<int16_t>(value)) {
        plan.column->set(slot, static_cast<int16_t>(value));
      } else if (plan.kind == TypeKind::kByte && value == static_cast<int8_t>(value)) {
        plan.column->set(slot, static_cast<int8_t>(value));
      } else {
        return nullptr;
      }
      return at + 1;
    }
    case TypeKind::kFloat:
    case TypeKind::kDecimal: {
      NumberParts parts;
      const uint8_t* end = read_number_parts(p, &parts);
      if (!end || !ends_scalar(*end) || end - p > 900) return nullptr;
      const std::string_view text(reinterpret_cast<const char*>(p), static_cast<size_t>(end - p));
      if (plan.kind == TypeKind::kFloat) {
        const float single = java_parse_float(text);
        plan.column->set(slot, single == 0 && parts.integer ? 0.0f : single);
      } else {
        const auto& type = plan.column->type();
        const auto unscaled = parse_decimal(text, type.precision(), type.scale());
        if (!unscaled) return nullptr;
        plan.column->set(slot, *unscaled);
      }
      return at + 1;
    }
    default:
      return nullptr;
  }
}

JsonFastParser::At JsonFastParser::read_text(ValuePlan& plan, At at, int64_t slot) {
  std::string_view text = string_at(at);
  if (!text.data() || (has_backslash_ && text.find('\\') != std::string_view::npos)) return nullptr;
  switch (plan.kind) {
    case TypeKind::kChar:
    case TypeKind::kVarchar:
      plan.column->set_text(slot, text);
      return at + 1;
    case TypeKind::kTimestamp: {
      int64_t micros;
      if (default_timestamp_ &&
          parse_timestamp_machine(reinterpret_cast<const uint8_t*>(text.data()),
                                  static_cast<int64_t>(text.size()), &micros)) {
        plan.column->set(slot, micros);
        return at + 1;
      }
      const auto value = formats_.timestamp(text);
      if (!value) return nullptr;
      plan.column->set(slot, *value);
      return at + 1;
    }
    case TypeKind::kTimestampNtz: {
      const auto value = formats_.timestamp_ntz(text);
      if (!value) return nullptr;
      plan.column->set(slot, *value);
      return at + 1;
    }
    case TypeKind::kDate: {
      const auto value = formats_.date(text);
      if (!value || text.empty()) return nullptr;
      plan.column->set(slot, *value);
      return at + 1;
    }
    case TypeKind::kBinary: {
      const auto bytes = parse_base64(text);
      if (!bytes) return nullptr;
      plan.column->set_text(slot, *bytes);
      return at + 1;
    }
    default:
      return nullptr;
  }
}

JsonFastParser::At JsonFastParser::read_array(ValuePlan& plan, At at, int64_t slot) {
  ++at;
  if (buffer_[*at] == ']') {
    ++at;
  } else {
    while (true) {
      if (at >= end_) return nullptr;
      at = read_value(*plan.element, at, plan.column->grow());
      if (!at) return nullptr;
      const uint8_t c = buffer_[*at++];
      if (c == ',') continue;
      if (c == ']') break;
      return nullptr;
    }
  }
  plan.column->list_end(slot);
  return at;
}

JsonFastParser::At JsonFastParser::read_map(ValuePlan& plan, At at, int64_t slot) {
  ++at;
  if (buffer_[*at] == '}') {
    ++at;
  } else {
    while (true) {
      if (at >= end_ || buffer_[*at] != '"' || buffer_[at[1]] != ':') return nullptr;
      const std::string_view key = string_at(at);
      if (!key.data() || (has_backslash_ && key.find('\\') != std::string_view::npos))
        return nullptr;
      const int64_t child = plan.column->grow();
      plan.column->child(0).set_text(child, key);
      at = read_value(*plan.element, at + 2, child);
      if (!at) return nullptr;
      const uint8_t c = buffer_[*at++];
      if (c == ',') continue;
      if (c == '}') break;
      return nullptr;
    }
  }
  plan.column->list_end(slot);
  return at;
}

std::string_view JsonFastParser::string_at(At at) const {
  const uint8_t* begin = buffer_ + *at + 1;
  const uint8_t* end = buffer_ + at[1] - 1;
  while (end >= begin && *end != '"')
    --end;
  if (end < begin) return {};
  return {reinterpret_cast<const char*>(begin), static_cast<size_t>(end - begin)};
}

bool JsonFastParser::unescape(std::string_view text) {
  scratch_.clear();
  for (size_t at = 0; at < text.size();) {
    const size_t next = std::min(text.find('\\', at), text.size());
    scratch_.append(text, at, next - at);
    at = next;
    if (at == text.size()) return true;
    // Rarer escapes are left to the slow path.
    switch (at + 1 < text.size() ? text[at + 1] : '\0') {
      case 'n':
        scratch_ += '\n';
        break;
      case 't':
        scratch_ += '\t';
        break;
      case 'r':
        scratch_ += '\r';
        break;
      case 'b':
        scratch_ += '\b';
        break;
      case 'f':
        scratch_ += '\f';
        break;
      case '"':
      case '\\':
      case '/':
        scratch_ += text[at + 1];
        break;
      case 'u': {
        uint32_t code = 0;
        if (at + 6 > text.size()) return false;
        for (size_t i = at + 2; i < at + 6; ++i) {
          const char c = text[i];
          const int digit = c >= '0' && c <= '9'   ? c - '0'
                            : c >= 'a' && c <= 'f' ? c - 'a' + 10
                            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                   : -1;
          if (digit < 0) return false;
          code = code << 4 | static_cast<uint32_t>(digit);
        }
        if (code >= 0xd800 && code <= 0xdfff) return false;
        if (code < 0x80) {
          scratch_ += static_cast<char>(code);
        } else if (code < 0x800) {
          scratch_ += static_cast<char>(0xc0 | code >> 6);
          scratch_ += static_cast<char>(0x80 | (code & 0x3f));
        } else {
          scratch_ += static_cast<char>(0xe0 | code >> 12);
          scratch_ += static_cast<char>(0x80 | (code >> 6 & 0x3f));
          scratch_ += static_cast<char>(0x80 | (code & 0x3f));
        }
        at += 4;
        break;
      }
      default:
        return false;
    }
    at += 2;
  }
  return true;
}

bool JsonFastParser::skip_scalar(At at) {
  const uint8_t* p = buffer_ + *at;
  const uint32_t other = ~digit_mask(p);
  if (other != 0) {
    const int first = __builtin_ctz(other);
    if (first > 0 && (first == 1 || *p != '0')) {
      if (ends_scalar(p[first])) return true;
      const uint32_t rest = other & (other - 1);
      if (p[first] == '.' && rest != 0) {
        const int second = __builtin_ctz(rest);
        if (second > first + 1 && ends_scalar(p[second])) return true;
      }
    }
  }
  switch (*p) {
    case '"': {
      if (!has_backslash_) return true;
      const std::string_view text = string_at(at);
      return text.data() && unescape(text);
    }
    case 't':
      return std::memcmp(p, "true", 4) == 0 && ends_scalar(p[4]);
    case 'f':
      return std::memcmp(p, "false", 5) == 0 && ends_scalar(p[5]);
    case 'n':
      return is_null(p);
    default: {
      NumberParts parts;
      const uint8_t* end = read_number_parts(p, &parts);
      return end && ends_scalar(*end) && end - p <= 900;
    }
  }
}

JsonFastParser::At JsonFastParser::skip_value(At at) {
  const uint8_t c = buffer_[*at];
  if (c == '{' || c == '[') return skip_nested(at);
  return skip_scalar(at) ? at + 1 : nullptr;
}

JsonFastParser::At JsonFastParser::skip_nested(At at) {
  const uint8_t* const buffer = buffer_;
  uint64_t objects = 0;  // bit 0: the innermost open container is an object
  int depth = 0;
  while (at < end_) {
    // A value begins at `at`.
    const uint8_t c = buffer[*at];
    if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return nullptr;
      objects = objects << 1 | (c == '{');
      ++at;
      if (buffer[*at] != (c == '{' ? '}' : ']')) {
        if (c == '[') continue;
        goto key;
      }
    } else {
      if (c != '"' || has_backslash_) {
        if (!skip_scalar(at)) return nullptr;
      }
      ++at;
    }
    // Behind a value, or at the end of an empty container.
    while (true) {
      const uint8_t d = buffer[*at++];
      if (d == ',') break;
      if (d != ((objects & 1) ? '}' : ']')) return nullptr;
      objects >>= 1;
      if (--depth == 0) return at;
    }
    if (!(objects & 1)) continue;
  key:
    if (buffer[*at] != '"' || buffer[at[1]] != ':') return nullptr;
    if (has_backslash_ && !skip_scalar(at)) return nullptr;
    at += 2;
  }
  return nullptr;
}

}  // namespace weir::codec
