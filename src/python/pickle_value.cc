#include "python/pickle_value.h"

#include <cstring>
#include <unordered_map>

#include "python/conversation.h"

namespace weir::python {

namespace {

using base::Result;
using Kind = PickleValue::Kind;

// Two's complement, little-endian, of any length, as decimal digits.
std::string digits(std::string_view bytes) {
  const bool negative = (static_cast<uint8_t>(bytes.back()) & 0x80) != 0;
  std::vector<uint8_t> magnitude(bytes.begin(), bytes.end());
  if (negative) {
    int carry = 1;
    for (auto& byte : magnitude) {
      const int sum = static_cast<uint8_t>(~byte) + carry;
      byte = static_cast<uint8_t>(sum);
      carry = sum >> 8;
    }
  }
  std::string reversed;
  while (!magnitude.empty()) {
    int rest = 0;
    for (size_t i = magnitude.size(); i-- > 0;) {
      const int here = rest * 256 + magnitude[i];
      magnitude[i] = static_cast<uint8_t>(here / 10);
      rest = here % 10;
    }
    reversed.push_back(static_cast<char>('0' + rest));
    while (!magnitude.empty() && magnitude.back() == 0)
      magnitude.pop_back();
  }
  if (negative) reversed.push_back('-');
  return {reversed.rbegin(), reversed.rend()};
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<std::unique_ptr<Pickle>> run() {
    while (true) {
      if (at_ >= bytes_.size()) return bad("it ends early");
      const auto code = static_cast<uint8_t>(bytes_[at_++]);
      if (code == '.') {
        if (stack_.size() != 1) return bad("its stack is not one value");
        made_->root = stack_.back();
        return std::move(made_);
      }
      WEIR_TRY(step(code));
      if (failed_) return bad("it ends early");
    }
  }

 private:
  static base::Error bad(std::string_view why) {
    return nonsense(fmt::format("a pickle that cannot be read: {}", why));
  }

  PicklePtr make(Kind kind) {
    made_->values.emplace_back();
    made_->values.back().kind = kind;
    return &made_->values.back();
  }
  PicklePtr make_text(Kind kind, std::string_view text) {
    auto* value = make(kind);
    value->text = text;
    return value;
  }
  PicklePtr make_int(int64_t number) {
    auto* value = make(Kind::kInt);
    value->number = number;
    return value;
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) {
      failed_ = true;
      return {};
    }
    const auto part = bytes_.substr(at_, size);
    at_ += size;
    return part;
  }
  template <typename T>
  T fixed() {
    T value{};
    const auto part = take(sizeof(T));
    if (part.size() == sizeof(T)) std::memcpy(&value, part.data(), sizeof(T));
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) {
      failed_ = true;
      return {};
    }
    const auto part = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return part;
  }

  void push(PicklePtr value) { stack_.push_back(value); }
  PicklePtr pop() {
    if (stack_.empty() || stack_.back()->kind == Kind::kMark) {
      failed_ = true;
      return make(Kind::kNone);
    }
    auto* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  // What stands above the last mark, which goes too.
  std::vector<PicklePtr> pop_to_mark() {
    size_t mark = stack_.size();
    while (mark > 0 && stack_[mark - 1]->kind != Kind::kMark)
      --mark;
    if (mark == 0) {
      failed_ = true;
      return {};
    }
    std::vector<PicklePtr> items(stack_.begin() + static_cast<std::ptrdiff_t>(mark), stack_.end());
    stack_.resize(mark - 1);
    return items;
  }
  PicklePtr with_items(Kind kind, std::vector<PicklePtr> items) {
    auto* value = make(kind);
    value->items = std::move(items);
    return value;
  }
  PicklePtr tuple_of(size_t count) {
    std::vector<PicklePtr> items(count);
    for (size_t i = count; i-- > 0;)
      items[i] = pop();
    return with_items(Kind::kTuple, std::move(items));
  }
  void extend(std::vector<PicklePtr> items) {
    if (stack_.empty()) {
      failed_ = true;
      return;
    }
    auto& into = stack_.back()->items;
    into.insert(into.end(), items.begin(), items.end());
  }
  void get(uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) {
      failed_ = true;
      return;
    }
    push(found->second);
  }
  void put(uint64_t key) {
    if (stack_.empty()) {
      failed_ = true;
      return;
    }
    memo_[key] = stack_.back();
  }
  void push_long(std::string_view part) {
    if (part.empty()) return push(make_int(0));
    if (part.size() > 8) return push(make_text(Kind::kBigInt, digits(part)));
    int64_t value = static_cast<int8_t>(part.back()) < 0 ? -1 : 0;
    for (size_t i = part.size(); i-- > 0;)
      value =
          static_cast<int64_t>(static_cast<uint64_t>(value) << 8 | static_cast<uint8_t>(part[i]));
    push(make_int(value));
  }

  // callable(*arguments), of the callables that stand for values.
  void call() {
    const auto* arguments = pop();
    const auto* callable = pop();
    if (callable->kind != Kind::kGlobal) {
      auto* made = with_items(Kind::kCalled, {});
      made->text = "an object";
      return push(made);
    }
    const auto& name = callable->text;
    const auto& items = arguments->items;
    if (name == "decimal\nDecimal" && items.size() == 1 && items[0]->kind == Kind::kText)
      return push(make_text(Kind::kDecimal, items[0]->text));
    // Row: its names, its values.
    if (name == "pyspark.sql.types\n_create_row" && items.size() == 2)
      return push(with_items(Kind::kTuple, items[1]->items));
    if ((name == "builtins\nset" || name == "builtins\nfrozenset") && items.size() == 1)
      return push(with_items(Kind::kList, items[0]->items));
    if (name == "builtins\nbytearray" && items.size() == 1 && items[0]->kind == Kind::kBytes)
      return push(items[0]);
    auto* made = with_items(Kind::kCalled, items);
    made->text = name;
    push(made);
  }

  Result<void> step(uint8_t code) {
    switch (code) {
      case 0x80:  // PROTO
        take(1);
        return {};
      case 0x95:  // FRAME
        take(8);
        return {};
      case '(':
        push(make(Kind::kMark));
        return {};
      case '0':
        pop();
        return {};
      case '1':
        pop_to_mark();
        return {};
      case '2':
        if (stack_.empty())
          failed_ = true;
        else
          push(stack_.back());
        return {};
      case 'N':
        push(make(Kind::kNone));
        return {};
      case 0x88:
      case 0x89: {
        auto* value = make(Kind::kBool);
        value->number = code == 0x88;
        push(value);
        return {};
      }
      case 'J':
        push(make_int(fixed<int32_t>()));
        return {};
      case 'K':
        push(make_int(fixed<uint8_t>()));
        return {};
      case 'M':
        push(make_int(fixed<uint16_t>()));
        return {};
      case 0x8a:
        push_long(take(fixed<uint8_t>()));
        return {};
      case 0x8b:
        push_long(take(fixed<uint32_t>()));
        return {};
      case 'G': {
        uint64_t bits = 0;
        for (const char byte : take(8))
          bits = bits << 8 | static_cast<uint8_t>(byte);
        auto* value = make(Kind::kReal);
        std::memcpy(&value->real, &bits, sizeof(bits));
        push(value);
        return {};
      }
      case 0x8c:
        push(make_text(Kind::kText, take(fixed<uint8_t>())));
        return {};
      case 'X':
        push(make_text(Kind::kText, take(fixed<uint32_t>())));
        return {};
      case 0x8d:
        push(make_text(Kind::kText, take(fixed<uint64_t>())));
        return {};
      case 'C':
        push(make_text(Kind::kBytes, take(fixed<uint8_t>())));
        return {};
      case 'B':
        push(make_text(Kind::kBytes, take(fixed<uint32_t>())));
        return {};
      case 0x8e:
      case 0x96:  // BINBYTES8, BYTEARRAY8
        push(make_text(Kind::kBytes, take(fixed<uint64_t>())));
        return {};
      default:
        return containers(code);
    }
  }

  Result<void> containers(uint8_t code) {
    switch (code) {
      case ']':
      case 0x8f:  // EMPTY_LIST, EMPTY_SET
        push(make(Kind::kList));
        return {};
      case '}':
        push(make(Kind::kDict));
        return {};
      case ')':
        push(make(Kind::kTuple));
        return {};
      case 'a': {
        auto* item = pop();
        extend({item});
        return {};
      }
      case 'e':
      case 'u':
      case 0x90:  // APPENDS, SETITEMS, ADDITEMS
        extend(pop_to_mark());
        return {};
      case 's': {
        auto* value = pop();
        auto* key = pop();
        extend({key, value});
        return {};
      }
      case 0x91:  // FROZENSET
        push(with_items(Kind::kList, pop_to_mark()));
        return {};
      case 't':
        push(with_items(Kind::kTuple, pop_to_mark()));
        return {};
      case 0x85:
      case 0x86:
      case 0x87:
        push(tuple_of(code - 0x84u));
        return {};
      case 'h':
        get(fixed<uint8_t>());
        return {};
      case 'j':
        get(fixed<uint32_t>());
        return {};
      case 'q':
        put(fixed<uint8_t>());
        return {};
      case 'r':
        put(fixed<uint32_t>());
        return {};
      case 0x94:  // MEMOIZE
        put(memo_.size());
        return {};
      case 'c': {
        const auto module = std::string(line());
        push(make_text(Kind::kGlobal, module + "\n" + std::string(line())));
        return {};
      }
      case 0x93: {  // STACK_GLOBAL
        const auto* name = pop();
        const auto* module = pop();
        push(make_text(Kind::kGlobal, module->text + "\n" + name->text));
        return {};
      }
      case 'R':
      case 0x81:  // REDUCE, NEWOBJ
        call();
        return {};
      case 'b': {  // BUILD: an object's state, which plain values have none of
        pop();
        auto* made = with_items(Kind::kCalled, {});
        const auto* object = pop();
        made->text = object->text.empty() ? "an object" : object->text;
        push(made);
        return {};
      }
      default:
        return bad(fmt::format("opcode {:#x}", code));
    }
  }

  const std::string_view bytes_;
  std::unique_ptr<Pickle> made_ = std::make_unique<Pickle>();
  size_t at_ = 0;
  bool failed_ = false;
  std::vector<PicklePtr> stack_;
  std::unordered_map<uint64_t, PicklePtr> memo_;
};

}  // namespace

base::Result<std::unique_ptr<Pickle>> read_pickle(std::string_view bytes) {
  return Reader(bytes).run();
}

}  // namespace weir::python
