#include "stream/query_metadata.h"

#include "base/json.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

Result<std::string> parse_query_metadata(std::string_view text, std::string_view what) {
  WEIR_ASSIGN(const base::JsonObject json, base::parse_json_object(text, what));
  const auto id = base::json_string(json, "id");
  if (!id || id->empty())
    return error(ErrorKind::kCorruption, "{}: the query's id is missing", what);
  return *id;
}

Result<std::string> load_or_create_query_id(io::FileSystem& files, base::Random& random,
                                            const std::string& path) {
  WEIR_ASSIGN(const bool there, files.exists(path));
  if (!there) {
    const std::string id = base::uuid(random);
    WEIR_ASSIGN(const auto outcome,
                files.create_if_absent(path, fmt::format("{{\"id\":\"{}\"}}", id)));
    if (outcome == io::CreateOutcome::kCreated) return id;
  }
  WEIR_ASSIGN(const std::string text, files.read_all(path));
  return parse_query_metadata(text, path);
}

}  // namespace weir::stream
