#include "stream/checkpoint_lock.h"

#include <unistd.h>

#include "base/json.h"

namespace weir::stream {

using base::error;
using base::ErrorKind;

namespace {

// The id of the checkpoint's query, from its metadata file.
std::string id_in_words(io::FileSystem& files, const std::string& folder) {
  const std::string path = io::join_path(folder, "metadata");
  const auto text = files.read_all(path);
  if (!text.ok()) return {};
  const auto json = base::parse_json_object(*text, path);
  const auto id = json.ok() ? base::json_string(*json, "id") : std::nullopt;
  return id ? " with id " + *id : "";
}

std::string holder_in_words(io::FileSystem& files, const std::string& folder,
                            const std::string& path) {
  const auto text = files.read_all(path);
  if (!text.ok()) return "somebody";
  const auto json = base::parse_json_object(*text, path);
  if (!json.ok()) return "somebody";
  const auto name = base::json_string(*json, "query");
  return fmt::format("{}{} in process {} since {}",
                     name && !name->empty() ? "query '" + *name + "'" : "a query",
                     id_in_words(files, folder), base::json_int(*json, "pid").value_or(0),
                     base::json_string(*json, "since").value_or("?"));
}

}  // namespace

base::Result<std::unique_ptr<io::FileLock>> lock_checkpoint(io::FileSystem& files,
                                                            const base::Clock& clock,
                                                            const std::string& folder,
                                                            const std::string& query_name) {
  const std::string path = io::join_path(folder, "weir.lock");
  WEIR_ASSIGN(auto lock, files.try_lock(path));
  if (lock == nullptr)
    return error(ErrorKind::kConflict,
                 "the checkpoint {} is in use by {}; stop it first, or use another checkpoint",
                 folder, holder_in_words(files, folder, path));
  // In place: a replaced file would be another one than the locked one.
  WEIR_ASSIGN(auto file, files.open_append(path));
  WEIR_TRY(file->truncate(0));
  WEIR_TRY(file->append(
      base::json_text(base::JsonObject{{"pid", static_cast<int64_t>(::getpid())},
                                       {"query", query_name},
                                       {"since", base::format_utc_ms(clock.now_us())}}) +
      "\n"));
  WEIR_TRY(file->close());
  return lock;
}

}  // namespace weir::stream
