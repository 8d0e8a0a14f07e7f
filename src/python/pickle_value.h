// A plain Python value, as a pickle describes it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weir::python {

struct PickleValue;
using PicklePtr = PickleValue*;  // owned by the Pickle

struct PickleValue {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,     // fits 64 bits
    kBigInt,  // text: decimal digits
    kReal,
    kText,
    kBytes,
    kList,     // items; also sets
    kTuple,    // items; also rows
    kDict,     // items: key, value, key, value …
    kDecimal,  // text
    kGlobal,   // text: module, newline, name
    kCalled,   // of class `text` with items as arguments
    kMark,
  };
  Kind kind = Kind::kNone;
  int64_t number = 0;
  double real = 0;
  std::string text;
  std::vector<PicklePtr> items;
};

// A value and all that it holds. Values may hold each other, even themselves.
struct Pickle {
  std::deque<PickleValue> values;
  PicklePtr root = nullptr;
};

// Reads one pickle of protocol 2 to 5. Never calls or imports anything; bounded by the pickle's own
// size. kCorruption where the bytes are no pickle of values.
base::Result<std::unique_ptr<Pickle>> read_pickle(std::string_view bytes);

}  // namespace weir::python
