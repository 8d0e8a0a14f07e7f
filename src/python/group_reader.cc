#include "python/group_reader.h"

#include <cmath>

#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/record_batch.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>
#include <arrow/visit_array_inline.h>

namespace weir::python {

bool same_keys(const arrow::RecordBatch& a, int64_t row_a, const arrow::RecordBatch& b,
               int64_t row_b, int keys) {
  static const auto kOptions = arrow::EqualOptions::Defaults().nans_equal(true);
  for (int i = 0; i < keys; ++i) {
    if (!a.column(i)->RangeEquals(*b.column(i), row_a, row_a + 1, row_b, kOptions)) return false;
  }
  return true;
}

// The rows are sorted: the end is looked for by doubling steps, then by halving.
int64_t GroupReader::run_end(int64_t begin) const {
  const int64_t rows = batch_->num_rows();
  const auto same = [&](int64_t row) { return same_keys(*batch_, begin, *batch_, row, keys_); };
  int64_t known = begin, step = 1;
  while (known + step < rows && same(known + step)) {
    known += step;
    step *= 2;
  }
  int64_t low = known, high = std::min(rows, known + step);  // low is in, high is not
  while (low + 1 < high) {
    const int64_t middle = low + (high - low) / 2;
    (same(middle) ? low : high) = middle;
  }
  return high;
}

Result<GroupPiece> GroupReader::next(std::stop_token stop) {
  while (!batch_ || at_ == batch_->num_rows()) {
    WEIR_ASSIGN(batch_, input_->next(stop));
    at_ = 0;
    if (!batch_) return GroupPiece{};
  }
  const int64_t end = keys_ == 0 ? batch_->num_rows() : run_end(at_);
  GroupPiece piece{batch_->Slice(at_, end - at_), !last_};
  if (last_ && !same_keys(*last_, 0, *piece.rows, 0, keys_)) piece.begins = true;
  last_ = piece.rows->Slice(piece.rows->num_rows() - 1);
  at_ = end;
  return piece;
}

namespace {

template <typename T>
int order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

template <typename T>
int real_order(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return order(std::isnan(a), std::isnan(b));
  return order(a, b);
}

class CompareFirst {
 public:
  explicit CompareFirst(const arrow::Array& other) : other_(other) {}
  int result = 0;

  template <typename A>
  arrow::Status Visit(const A& array) {
    using T = typename A::TypeClass;
    const auto& other = static_cast<const A&>(other_);
    if constexpr (arrow::is_floating_type<T>::value && !std::is_same_v<T, arrow::HalfFloatType>) {
      result = real_order(array.Value(0), other.Value(0));
      return arrow::Status::OK();
    } else if constexpr (std::is_same_v<T, arrow::Decimal128Type>) {
      result = order(arrow::Decimal128(array.GetValue(0)), arrow::Decimal128(other.GetValue(0)));
      return arrow::Status::OK();
    } else if constexpr (arrow::is_boolean_type<T>::value || arrow::is_integer_type<T>::value ||
                         arrow::is_date_type<T>::value || arrow::is_timestamp_type<T>::value ||
                         arrow::is_duration_type<T>::value) {
      result = order(array.Value(0), other.Value(0));
      return arrow::Status::OK();
    } else if constexpr (arrow::is_base_binary_type<T>::value ||
                         arrow::is_binary_view_like_type<T>::value) {
      result = order(array.GetView(0), other.GetView(0));
      return arrow::Status::OK();
    } else {
      return arrow::Status::NotImplemented("order");
    }
  }

 private:
  const arrow::Array& other_;
};

}  // namespace

Result<int> compare_keys(const arrow::RecordBatch& a, const arrow::RecordBatch& b, int keys) {
  for (int i = 0; i < keys; ++i) {
    const auto& left = *a.column(i);
    const auto& right = *b.column(i);
    if (left.IsNull(0) || right.IsNull(0)) {
      if (const int known = order(right.IsNull(0), left.IsNull(0)); known != 0) return known;
      continue;
    }
    CompareFirst compare(right);
    if (left.type_id() != right.type_id() || !arrow::VisitArrayInline(left, &compare).ok())
      return base::error(
                 base::ErrorKind::kUnsupported,
                 "A cogroup by a column of type {} and one of type {} is not supported yet.",
                 left.type()->ToString(), right.type()->ToString())
          .with_class("UNSUPPORTED_FEATURE")
          .with_sql_state("0A000");
    if (compare.result != 0) return compare.result;
  }
  return 0;
}

}  // namespace weir::python
