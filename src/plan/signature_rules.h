// How functions type their arguments: the rules that the catalog's entries are made of.
#pragma once

#include <vector>

#include "plan/function_catalog.h"

namespace weir::plan {

using columnar::TypeKind;

// Arguments of these types (the last one repeats), this result. NULL in, NULL out.
SignatureRule fixed(std::vector<TypeKind> arguments, TypeKind result);
// As fixed; the result may be NULL for arguments that are not.
SignatureRule fixed_nullable(std::vector<TypeKind> arguments, TypeKind result);
// Any arguments as they are; the result is never NULL.
SignatureRule any_never_null(TypeKind result);

SignatureRule arithmetic();         // + - * / % pmod try_…: by name
SignatureRule integral_division();  // div
SignatureRule comparison(bool null_safe);
SignatureRule same_numeric();  // one numeric argument, its own type (string → double)
SignatureRule same_type_all(bool nullable_if_all);  // coalesce, greatest, least: a common type
SignatureRule conditional();                        // if(condition, a, b)
SignatureRule case_when();                          // when(c1, v1, …, else)
SignatureRule in_list();
SignatureRule null_if();
SignatureRule nvl2_rule();
SignatureRule rounding();  // round, bround, ceil, floor with scale
SignatureRule ceiling_floor();
SignatureRule string_or_binary(
    TypeKind result_or_same);  // kNull: the result is the argument's type
SignatureRule substring_rule();
SignatureRule concat_rule();
SignatureRule reverse_rule();  // text, or an array
SignatureRule concat_ws_rule();
SignatureRule bitwise();
SignatureRule shift();
SignatureRule structure(bool named);
SignatureRule array_of();
SignatureRule element_rule();  // element_at, get
SignatureRule array_contains_rule();
SignatureRule date_or_timestamp_part(bool time);
SignatureRule timestamp_from(
    TypeKind result);  // to_timestamp, to_date, unix_timestamp (value[, format])
SignatureRule seconds_to_timestamp();

SignatureRule count_rule();
SignatureRule sum_rule();
SignatureRule average_rule();
SignatureRule extreme_rule();  // min, max, any_value

// False for maps and what holds them.
bool is_orderable(const DataType& type);
// DATATYPE_MISMATCH.INVALID_ORDERING_TYPE
base::Error not_orderable(const SignatureCall& call, const DataType& type);
// DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE for argument `index`.
// A call with another number of arguments than the function takes.
base::Error wrong_argument_count(std::string_view name, const Function& function, int count,
                                 const Origin& origin);
base::Error unexpected_input(const SignatureCall& call, size_t index, std::string_view required);

}  // namespace weir::plan
