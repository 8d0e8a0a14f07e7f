// Numbers, random values, digests, and what fits nowhere else.
#include <fmt/format.h>

#include "plan/function_groups.h"
#include "plan/operator_rewrites.h"

namespace weir::plan {

using namespace entry;

namespace {

DataType of(TypeKind kind) { return DataType::of(kind); }
const DataType& type_at(const SignatureCall& call, size_t i) { return call.arguments[i]->type; }

Result<Signature> bit_count_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  if (!is_integral(type) && !type.is(B))
    return unexpected_input(call, 0, "(\"INTEGRAL\" or \"BOOLEAN\")");
  return Signature{{type}, of(I), call.arguments[0]->nullable};
}

Result<Signature> bit_get_rule(const Function&, const SignatureCall& call) {
  if (!is_integral(type_at(call, 0))) return unexpected_input(call, 0, "\"INTEGRAL\"");
  return Signature{{of(L), of(I)},
                   of(TypeKind::kByte),
                   call.arguments[0]->nullable || call.arguments[1]->nullable};
}

Result<Signature> width_bucket_rule(const Function&, const SignatureCall& call) {
  const auto& type = type_at(call, 0);
  const bool interval = type.is_interval();
  const auto over = interval ? type : of(D);
  for (size_t i = 0; i < 3; ++i) {
    if (!can_cast_implicitly(type_at(call, i), over, call.options->ansi))
      return unexpected_input(
          call, i, "(\"DOUBLE\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL DAY TO SECOND\")");
  }
  return Signature{{over, over, over, of(L)}, of(L), true};
}

Result<Signature> numeric_or_zero(const Function& function, const SignatureCall& call) {
  auto type = type_at(call, 0);
  if (type.is(TypeKind::kNull)) type = of(I);
  if (is_text(type)) type = of(D);
  if (!type.is_numeric()) return unexpected_input(call, 0, "\"NUMERIC\"");
  return Signature{{type}, type, function.name == "nullifzero"};
}

// A literal (or NULL) of an integral type, where there is one.
SignatureRule seeded(TypeKind result, size_t seed_at) {
  return [=](const Function&, const SignatureCall& call) -> Result<Signature> {
    Signature signature{{}, of(result), false};
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      const auto& type = type_at(call, i);
      if (i == seed_at) {
        if (!is_integral(type) && !type.is(TypeKind::kNull))
          return unexpected_input(call, i, "(\"INT\" or \"BIGINT\")");
        if (!std::holds_alternative<TypedLiteral>(call.arguments[i]->node) &&
            !std::holds_alternative<TypedCast>(call.arguments[i]->node) &&
            !std::holds_alternative<TypedCall>(call.arguments[i]->node)) {
          return analysis_error("SEED_EXPRESSION_IS_UNFOLDABLE", "42K08",
                                "The seed of the expression has to be foldable.", call.origin)
              .with_parameter("seedExpr", "seed");
        }
        signature.argument_types.push_back(of(L));
      } else {
        if (!type.is_numeric() && !type.is(TypeKind::kNull))
          return unexpected_input(call, i, "INT or SMALLINT");
        signature.argument_types.push_back(of(I));
        signature.nullable |= call.arguments[i]->nullable || !type.is_numeric();
      }
    }
    return signature;
  };
}

// False for what reads a column: then the value is not known before the query runs.
bool known_before(const Typed& expression) {
  return !any_typed(expression, [](const Typed& one) {
    return std::holds_alternative<TypedColumn>(one.node) ||
           std::holds_alternative<TypedOuterColumn>(one.node) ||
           std::holds_alternative<TypedSubquery>(one.node);
  });
}

Result<Signature> uniform_rule(const Function&, const SignatureCall& call) {
  static constexpr const char* kNames[] = {"min", "max", "seed"};
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (known_before(*call.arguments[i])) continue;
    return analysis_error(
               "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
               fmt::format("Cannot resolve \"uniform\" due to data type mismatch: the input `{}` "
                           "should be a foldable expression.",
                           kNames[i]),
               call.origin)
        .with_parameter("inputName", fmt::format("`{}`", kNames[i]));
  }
  if (call.arguments.size() > 2) {
    const auto& seed = type_at(call, 2);
    if (!seed.is(I) && !seed.is(L) && !seed.is(TypeKind::kNull))
      return unexpected_input(call, 2, "integer");
  }
  DataType type = of(TypeKind::kNull);
  for (size_t i = 0; i < 2; ++i) {
    const auto& one = type_at(call, i);
    if (!one.is_numeric() && !one.is(TypeKind::kNull))
      return unexpected_input(call, i, "integer or floating-point");
    const auto common = common_type(type, one, true);
    type = common ? *common : of(D);
  }
  if (type.is(TypeKind::kNull)) type = of(I);
  // The bounds are known before: NULL only where one of them is.
  const auto null = [&](size_t i) { return call.arguments[i]->type.is(TypeKind::kNull); };
  Signature signature{{type, type}, type, null(0) || null(1)};
  if (call.arguments.size() > 2) signature.argument_types.push_back(of(L));
  return signature;
}

Result<Signature> shuffle_rule(const Function&, const SignatureCall& call) {
  if (!type_at(call, 0).is(TypeKind::kArray)) return unexpected_input(call, 0, "\"ARRAY\"");
  Signature signature{{type_at(call, 0)}, type_at(call, 0), call.arguments[0]->nullable};
  if (call.arguments.size() > 1) signature.argument_types.push_back(of(L));
  return signature;
}

}  // namespace

void add_misc(Functions& list) {
  for (const auto* name : {"sec", "csc", "cot"})
    list.push_back(sure(name, 1, 1, fixed({D}, D), "Trigonometry, in radians."));
  for (const auto* name : {"asinh", "acosh", "atanh"})
    list.push_back(sure(name, 1, 1, fixed({D}, D), "Area functions."));
  list.push_back(sure("bin", 1, 1, fixed({L}, S), "Binary digits of a number."));
  list.push_back(risky("conv", 3, 3, fixed_nullable({S, I, I}, S),
                       "A number's text from one base to another."));
  list.push_back(sure("factorial", 1, 1, fixed_nullable({I}, L), "n!, NULL outside of 0 … 20."));
  list.push_back(sure("bit_count", 1, 1, bit_count_rule, "Number of bits that are set."));
  list.push_back(
      risky("getbit", 2, 2, bit_get_rule, "The bit at a position (0 the lowest).", {"bit_get"}));
  list.push_back(
      sure("shiftrightunsigned", 2, 2, shift(), "Bits moved right, zeros from the left.", {">>>"}));
  list.push_back(sure("width_bucket", 4, 4, width_bucket_rule,
                      "Number of the bucket of a value between two bounds."));
  list.push_back(sure("try_mod", 2, 2, arithmetic(), "Remainder, NULL where the divisor is 0."));
  list.push_back(sure("zeroifnull", 1, 1, numeric_or_zero, "0 for NULL."));
  list.push_back(sure("nullifzero", 1, 1, numeric_or_zero, "NULL for 0."));
  list.push_back(
      sure("bitmap_bit_position", 1, 1, fixed({L}, L), "Bit of a number within its bitmap."));
  list.push_back(sure("bitmap_bucket_number", 1, 1, fixed({L}, L), "Bitmap of a number."));
  list.push_back(sure("bitmap_count", 1, 1, fixed({Bin}, L), "Number of bits that are set."));

  list.push_back(volatile_one("rand", 0, 1, seeded(D, 0), "Random number in [0, 1).", {"random"}));
  list.push_back(
      volatile_one("randn", 0, 1, seeded(D, 0), "Random number of the normal distribution."));
  list.push_back(volatile_one("uniform", 2, 3, uniform_rule, "Random number between two bounds."));
  list.push_back(volatile_one("randstr", 1, 2, seeded(S, 1), "Random text of a length."));
  list.push_back(volatile_one("uuid", 0, 1, seeded(S, 0), "Random UUID."));
  list.push_back(volatile_one("shuffle", 1, 2, shuffle_rule, "The elements in random order."));
  list.push_back(volatile_one("monotonically_increasing_id", 0, 0, any_never_null(L),
                              "A number of its own for every row."));
  list.push_back(volatile_one("input_file_name", 0, 0, any_never_null(S),
                              "The file that a row comes from; empty where there is none."));
  list.push_back(volatile_one("input_file_block_start", 0, 0, any_never_null(L),
                              "Where the part of the file begins that is read; otherwise -1."));
  list.push_back(volatile_one("input_file_block_length", 0, 0, any_never_null(L),
                              "How long the part of the file is that is read; otherwise -1."));
  list.push_back(volatile_one("spark_partition_id", 0, 0, any_never_null(I),
                              "Number of the partition: always 0."));

  list.push_back(sure("md5", 1, 1, fixed({Bin}, S), "MD5 as hexadecimal text."));
  list.push_back(sure("sha1", 1, 1, fixed({Bin}, S), "SHA-1 as hexadecimal text.", {"sha"}));
  list.push_back(sure("sha2", 2, 2, fixed_nullable({Bin, I}, S),
                      "SHA-2 of 224, 256, 384 or 512 bits as hexadecimal text."));
  list.push_back(sure("crc32", 1, 1, fixed({Bin}, L), "CRC-32."));
  list.push_back(
      risky("aes_encrypt", 2, 6, fixed({Bin, Bin, S, S, Bin, Bin}, Bin),
            "AES: bytes, key, mode (GCM, CBC, ECB), padding, initialisation vector, more data."));
  list.push_back(risky("aes_decrypt", 2, 5, fixed({Bin, Bin, S, S, Bin}, Bin),
                       "The bytes that aes_encrypt made."));
  list.push_back(sure("try_aes_decrypt", 2, 5, fixed_nullable({Bin, Bin, S, S, Bin}, Bin),
                      "As aes_decrypt, NULL where it fails."));

  list.push_back(
      risky("raise_error", 1, 1, fixed_nullable({S}, TypeKind::kNull), "Fails with the message."));
  list.push_back(
      risky("assert_true", 1, 2, fixed_nullable({B, S}, TypeKind::kNull), "Fails unless true."));
  list.push_back(
      risky("elt", 2, -1, fixed_nullable({I, S}, S), "The n-th of the texts that follow."));
  list.push_back(
      sure("find_in_set", 2, 2, fixed({S}, I), "Position of a text in a list with commas."));
  list.push_back(sure("space", 1, 1, fixed({I}, S), "That many spaces."));
}

}  // namespace weir::plan
