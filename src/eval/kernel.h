// What a kernel is: a function from operands to an array, by catalog name.
//
// A kernel sees operands already cast to the signature's types, `rows` rows at a time (1 where all
// operands are constant), and gives `rows` values of call.arrow_type. It is called for rows only
// that Spark would evaluate.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "eval/program.h"
#include "eval/vector.h"
#include "eval/zone.h"
#include "plan/function_catalog.h"

namespace weir::eval {

using columnar::DataType;
using columnar::TypeKind;

struct KernelCall {
  const plan::Typed& expression;
  const plan::TypedCall& call;
  const std::shared_ptr<arrow::DataType>& arrow_type;  // of the result
  const EvalContext& context;
  Zone zone;  // the session's
  int64_t rows = 0;

  const DataType& type() const { return expression.type; }
  const DataType& type_of(size_t argument) const { return call.arguments[argument]->type; }
  bool ansi() const { return context.ansi; }
  // An error of Spark's class that points at the expression.
  base::Error fail(std::string error_class, std::string_view sql_state, std::string message) const;
  void count_corrupt(int64_t rows) const {
    if (context.rows_met) context.rows_met->corrupt += rows;
  }
};

// The operands that a call gives. Reading one that it does not give yields NULL and is noted: the
// call then fails, so that a kernel that forgets an optional argument cannot read beyond the list.
class Operands {
 public:
  Operands(std::span<const Vector> given, bool& missed) : given_(given), missed_(&missed) {}
  size_t size() const { return given_.size(); }
  bool empty() const { return given_.empty(); }
  const Vector& operator[](size_t i) const { return i < given_.size() ? given_[i] : missing(); }
  auto begin() const { return given_.begin(); }
  auto end() const { return given_.end(); }
  Operands first(size_t count) const { return {given_.first(std::min(count, size())), *missed_}; }

 private:
  const Vector& missing() const;
  std::span<const Vector> given_;
  bool* missed_;
};

using Kernel = Result<ArrayPtr> (*)(KernelCall& call, Operands arguments);
// Runs the kernel; kInternal where it read an argument that was not given or answered another
// number of rows.
Result<ArrayPtr> run_kernel(Kernel kernel, KernelCall& call, std::span<const Vector> arguments);

// nullptr where the function has no kernel (aggregates, and forms that nodes evaluate themselves).
Kernel find_kernel(std::string_view function);
// True where a node of its own evaluates the function (and, or, when …).
bool is_special_form(const plan::Function& function);
// Names of all kernels, for the test that compares them with the catalog.
std::vector<std::string_view> kernel_names();

struct KernelEntry {
  std::string_view name;
  Kernel kernel;
};
// One list a source file.
std::span<const KernelEntry> arithmetic_kernels();
std::span<const KernelEntry> comparison_kernels();
std::span<const KernelEntry> string_kernels();
std::span<const KernelEntry> pattern_kernels();
std::span<const KernelEntry> math_kernels();
std::span<const KernelEntry> time_kernels();
std::span<const KernelEntry> hash_kernels();
std::span<const KernelEntry> nested_kernels();
std::span<const KernelEntry> array_kernels();
std::span<const KernelEntry> map_kernels();
std::span<const KernelEntry> number_kernels();
std::span<const KernelEntry> volatile_kernels();
std::span<const KernelEntry> digest_kernels();
std::span<const KernelEntry> misc_kernels();
std::span<const KernelEntry> text_code_kernels();
std::span<const KernelEntry> json_kernels();
std::span<const KernelEntry> csv_kernels();
std::span<const KernelEntry> format_kernels();
std::span<const KernelEntry> number_text_kernels();
std::span<const KernelEntry> vector_kernels();
std::span<const KernelEntry> time_maker_kernels();

base::Error kernel_error(std::string error_class, std::string_view sql_state, std::string message,
                         const plan::Origin& origin);

}  // namespace weir::eval
