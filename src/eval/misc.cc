// What fits nowhere else: errors on request, texts picked by number, zeros and NULLs.
#include "eval/map_rows.h"
#include "eval/node.h"
#include "eval/utf8.h"

namespace weir::eval {

using plan::Int128;

namespace {

using Arguments = Operands;

// change(value or nothing) → value or nothing, for every numeric type.
template <typename Change>
Result<ArrayPtr> change_numbers(KernelCall& call, const Vector& argument, Change&& change) {
  const auto over = [&](auto zero) -> Result<ArrayPtr> {
    using T = decltype(zero);
    const FixedReader<T> reader(argument);
    FixedWriter<T> writer(call.rows);
    for (int64_t row = 0; row < call.rows; ++row) {
      const auto out =
          change(reader.valid[row] ? std::optional<T>(reader[row]) : std::optional<T>());
      if (out) {
        writer.set(row, *out);
      } else {
        writer.set_null(row);
      }
    }
    return writer.finish(call.arrow_type);
  };
  switch (call.type().kind()) {
    case TypeKind::kByte:
      return over(int8_t{});
    case TypeKind::kShort:
      return over(int16_t{});
    case TypeKind::kInteger:
      return over(int32_t{});
    case TypeKind::kFloat:
      return over(float{});
    case TypeKind::kDouble:
      return over(double{});
    case TypeKind::kDecimal:
      return over(Int128{});
    default:
      return over(int64_t{});
  }
}

Result<ArrayPtr> zero_if_null(KernelCall& call, Arguments arguments) {
  return change_numbers(call, arguments[0], [](auto value) {
    using T = typename decltype(value)::value_type;
    return value ? value : std::optional<T>(T{});
  });
}

Result<ArrayPtr> null_if_zero(KernelCall& call, Arguments arguments) {
  return change_numbers(call, arguments[0], [](auto value) {
    using T = typename decltype(value)::value_type;
    return value && *value == T{} ? decltype(value)() : value;
  });
}

base::Error user_raised(const KernelCall& call, std::string_view message) {
  return call.fail("USER_RAISED_EXCEPTION", "P0001", std::string(message))
      .with_parameter("errorMessage", std::string(message));
}

Result<ArrayPtr> raise_error(KernelCall& call, Arguments arguments) {
  const TextReader message(arguments[0]);
  if (call.rows > 0) return user_raised(call, message.valid[0] ? message[0] : "null");
  WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(call.arrow_type, call.rows));
  return nulls;
}

Result<ArrayPtr> assert_true(KernelCall& call, Arguments arguments) {
  const BoolReader condition(arguments[0]);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (condition.valid[row] && condition[row]) continue;
    if (arguments.size() > 1) {
      const TextReader message(arguments[1]);
      return user_raised(call, message.valid[row] ? message[row] : "null");
    }
    const auto& origin = call.call.arguments[0]->origin;
    const auto text = origin.text ? origin.text->substr(origin.begin, origin.end - origin.begin)
                                  : std::string("condition");
    return user_raised(call, fmt::format("'({})' is not true!", text));
  }
  WEIR_ARROW_ASSIGN(auto nulls, arrow::MakeArrayOfNull(call.arrow_type, call.rows));
  return nulls;
}

// elt(n, a, b, …)
Result<ArrayPtr> elt(KernelCall& call, Arguments arguments) {
  const FixedReader<int32_t> index(arguments[0]);
  std::vector<TextReader> readers(arguments.begin() + 1, arguments.end());
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!index.valid[row]) {
      writer.add_null();
      continue;
    }
    const int64_t at = index[row];
    if (at < 1 || at > static_cast<int64_t>(readers.size())) {
      if (call.ansi()) {
        return call
            .fail("INVALID_ARRAY_INDEX", "22003",
                  fmt::format("The index {} is out of bounds. The array has {} elements. Use the "
                              "SQL function `get()` to tolerate accessing element at invalid index "
                              "and return NULL instead.",
                              at, readers.size()))
            .with_parameter("indexValue", std::to_string(at))
            .with_parameter("arraySize", std::to_string(readers.size()));
      }
      writer.add_null();
      continue;
    }
    const auto& reader = readers[static_cast<size_t>(at - 1)];
    if (reader.valid[row]) {
      writer.add(reader[row]);
    } else {
      writer.add_null();
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> find_in_set(KernelCall& call, Arguments arguments) {
  return map_fixed<int32_t>(
      call,
      [](std::string_view wanted, std::string_view set) {
        if (wanted.find(',') != std::string_view::npos) return 0;
        int32_t index = 1;
        while (true) {
          const auto comma = set.find(',');
          if (set.substr(0, comma) == wanted) return index;
          if (comma == std::string_view::npos) return 0;
          set.remove_prefix(comma + 1);
          ++index;
        }
      },
      TextReader(arguments[0]), TextReader(arguments[1]));
}

Result<ArrayPtr> space(KernelCall& call, Arguments arguments) {
  return map_text(
      call,
      [](int32_t count, std::string& out) {
        if (count > 0) out.append(static_cast<size_t>(count), ' ');
      },
      FixedReader<int32_t>(arguments[0]));
}

constexpr KernelEntry kKernels[] = {
    {"zeroifnull", zero_if_null},
    {"nullifzero", null_if_zero},
    {"raise_error", raise_error},
    {"assert_true", assert_true},
    {"elt", elt},
    {"find_in_set", find_in_set},
    {"space", space},
};

}  // namespace

std::span<const KernelEntry> misc_kernels() { return kKernels; }

}  // namespace weir::eval
