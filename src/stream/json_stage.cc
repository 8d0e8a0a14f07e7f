#include "stream/json_stage.h"

#include <algorithm>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/text.h"
#include "codec/json_decoder.h"
#include "columnar/arrow_adapter.h"
#include "source/option_text.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

Result<codec::JsonOptions> parse_json_options(const std::map<std::string, std::string>& values) {
  source::Options options(values);
  codec::JsonOptions parsed;
  if (const auto mode = options.take("mode")) {
    const std::string upper = base::upper_case(*mode);
    if (upper == "PERMISSIVE")
      parsed.mode = codec::ParseMode::kPermissive;
    else if (upper == "DROPMALFORMED")
      parsed.mode = codec::ParseMode::kDropMalformed;
    else if (upper == "FAILFAST")
      parsed.mode = codec::ParseMode::kFailFast;
    else
      return error(ErrorKind::kInvalidArgument,
                   "option mode: '{}' is none of PERMISSIVE, DROPMALFORMED, FAILFAST", *mode);
  }
  const std::pair<const char*, std::string*> texts[] = {
      {"columnNameOfCorruptRecord", &parsed.corrupt_column},
      {"timestampFormat", &parsed.timestamp_format},
      {"timestampNTZFormat", &parsed.timestamp_ntz_format},
      {"dateFormat", &parsed.date_format},
      {"timeZone", &parsed.time_zone}};
  for (const auto& [name, target] : texts)
    if (auto text = options.take(name)) *target = std::move(*text);
  const std::pair<const char*, bool*> switches[] = {
      {"allowComments", &parsed.allow_comments},
      {"allowUnquotedFieldNames", &parsed.allow_unquoted_field_names},
      {"allowSingleQuotes", &parsed.allow_single_quotes},
      {"allowNumericLeadingZeros", &parsed.allow_numeric_leading_zeros},
      {"allowNonNumericNumbers", &parsed.allow_non_numeric_numbers},
      {"allowBackslashEscapingAnyCharacter", &parsed.allow_backslash_escaping_any_character},
      {"allowUnquotedControlChars", &parsed.allow_unquoted_control_chars}};
  for (const auto& [name, target] : switches) {
    WEIR_ASSIGN(const auto value, options.take_boolean(name));
    *target = value.value_or(*target);
  }
  WEIR_TRY(options.require_all_taken("JSON in messages"));
  return parsed;
}

JsonStage::JsonStage(std::unique_ptr<codec::JsonDecoder> decoder, int carried)
    : decoder_(std::move(decoder)), carried_(carried) {}
JsonStage::~JsonStage() = default;

Result<std::unique_ptr<JsonStage>> JsonStage::create(const columnar::Schema& fields,
                                                     const codec::JsonOptions& options,
                                                     int carried) {
  WEIR_ASSIGN(auto decoder, codec::JsonDecoder::create(fields, options));
  return std::unique_ptr<JsonStage>(new JsonStage(std::move(decoder), carried));
}

Result<std::shared_ptr<arrow::Array>> JsonStage::rows_kept() const {
  const auto outcomes = decoder_->outcomes();
  const auto dropped = std::count(outcomes.begin(), outcomes.end(), codec::RecordOutcome::kDropped);
  if (dropped == 0) return std::shared_ptr<arrow::Array>();
  arrow::BooleanBuilder kept;
  WEIR_ARROW_TRY(kept.Reserve(static_cast<int64_t>(outcomes.size())));
  for (const codec::RecordOutcome outcome : outcomes)
    kept.UnsafeAppend(outcome != codec::RecordOutcome::kDropped);
  WEIR_ARROW_ASSIGN(auto array, kept.Finish());
  return array;
}

Result<std::shared_ptr<arrow::RecordBatch>> JsonStage::decode(const arrow::RecordBatch& rows,
                                                              TransformCounters& counters) {
  const arrow::Array& messages = *rows.column(0);
  // A binary_view of a source lies in an arena that may be read past each value (source.h).
  WEIR_TRY(decoder_->append_array(messages, messages.type_id() == arrow::Type::BINARY_VIEW));
  WEIR_ASSIGN(const auto kept, rows_kept());
  WEIR_ASSIGN(const auto decoded, decoder_->finish());
  const codec::RecordCounters& totals = decoder_->counters();
  counters.corrupt_rows += totals.corrupt_rows - corrupt_before_;
  counters.dropped_rows += totals.dropped_rows - dropped_before_;
  corrupt_before_ = totals.corrupt_rows;
  dropped_before_ = totals.dropped_rows;
  if (carried_ == 0) return decoded;
  auto fields = decoded->schema()->fields();
  auto columns = decoded->columns();
  for (int i = 1; i <= carried_; ++i) {
    std::shared_ptr<arrow::Array> column = rows.column(i);
    if (kept) {
      WEIR_ARROW_ASSIGN(const arrow::Datum filtered, arrow::compute::Filter(column, kept));
      column = filtered.make_array();
    }
    fields.push_back(rows.schema()->field(i));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), decoded->num_rows(),
                                  std::move(columns));
}

}  // namespace weir::stream
