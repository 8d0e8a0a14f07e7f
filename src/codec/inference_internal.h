// Schema inference, one function a format (schema_inference.h).
#pragma once

#include "codec/json_decoder.h"
#include "codec/schema_inference.h"
#include "codec/text_value.h"

namespace weir::codec {

struct JsonInferenceOptions {
  JsonOptions records;
  bool multi_line = false;
  bool primitives_as_string = false;
  bool prefers_decimal = false;
  bool drop_all_null = false;
  bool infer_timestamp = false;
  bool ntz = false;
  DatetimeFormats formats;
};
Result<JsonInferenceOptions> json_inference_options(
    const std::map<std::string, std::string>& options, bool ntz);

using Files = std::vector<io::FileInfo>;
Result<std::optional<Schema>> infer_json(io::FileSystem& fs, const Files& files,
                                         const InferenceRequest& request, std::stop_token stop);
Result<std::optional<Schema>> infer_csv(io::FileSystem& fs, const Files& files,
                                        const InferenceRequest& request, std::stop_token stop);
Result<std::optional<Schema>> infer_parquet(io::FileSystem& fs, const Files& files,
                                            const InferenceRequest& request);

}  // namespace weir::codec
