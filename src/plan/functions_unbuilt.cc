#include "plan/functions_unbuilt.h"

#include <set>

namespace weir::plan {

bool is_unbuilt_function(std::string_view name) {
  if (name.starts_with("st_")) return true;  // geography
  static const std::set<std::string_view> kNames = {
      // Avro, protocol buffers, XML, variant
      "from_avro", "to_avro", "schema_of_avro", "from_protobuf", "to_protobuf", "parse_json",
      "try_parse_json", "is_variant_null", "variant_get", "try_variant_get", "schema_of_variant",
      "schema_of_variant_agg", "to_variant_object", "variant_explode", "variant_explode_outer",
      // the types INTERVAL (months, days and microseconds in one) and TIME
      "make_interval", "try_make_interval", "make_time", "to_time", "try_to_time", "current_time",
      "time_diff", "time_trunc", "time_from_seconds", "time_from_millis", "time_from_micros",
      "time_to_seconds", "time_to_millis", "time_to_micros",
      // the JVM's methods
      "java_method", "reflect", "try_reflect",
      // collations
      "collate", "collation",
      // metric views
      "measure"};
  return kNames.contains(name);
}

}  // namespace weir::plan
