#include <filesystem>

#include "base/json.h"
#include "io/file_system.h"
#include "session/file_table.h"
#include "streaming/stream_start.h"

namespace weir::streaming {

using base::error;
using base::ErrorKind;

namespace {

constexpr const char* kLocationKey = "spark.sql.streaming.checkpointLocation";

bool may_be_temporary(const std::string& format) {
  return format == "memory" || format == "console" || format == "noop" || format == "foreach" ||
         format == "foreach_batch";
}

}  // namespace

Result<Checkpoint> find_checkpoint(const session::Session& session, const StreamWrite& write,
                                   const std::string& format, base::Random& random) {
  Checkpoint checkpoint;
  if (const auto option = write.options.find("checkpointlocation"); option != write.options.end()) {
    WEIR_ASSIGN(checkpoint.folder, session::local_path(option->second));
    return checkpoint;
  }
  if (const auto location = session.get(kLocationKey); location && !location->empty()) {
    WEIR_ASSIGN(const std::string folder, session::local_path(*location));
    checkpoint.folder = io::join_path(folder, write.name.empty() ? base::uuid(random) : write.name);
    return checkpoint;
  }
  if (!may_be_temporary(format)) {
    return error(ErrorKind::kInvalidArgument,
                 "checkpointLocation must be specified either through option(\"checkpointLocation\""
                 ", ...) or SparkSession.conf.set(\"{}\", ...).",
                 kLocationKey)
        .with_class("_LEGACY_ERROR_TEMP_1298")
        .with_parameter("config", kLocationKey);
  }
  checkpoint.folder =
      (std::filesystem::temp_directory_path() / ("weir-temporary-" + base::uuid(random))).string();
  checkpoint.temporary = true;
  return checkpoint;
}

std::string checkpoint_id(io::FileSystem& files, const std::string& folder) {
  const std::string path = io::join_path(folder, "metadata");
  const auto text = files.read_all(path);
  if (!text.ok()) return {};
  const auto json = base::parse_json_object(*text, path);
  return json.ok() ? base::json_string(*json, "id").value_or("") : "";
}

Result<void> refuse_recovery(io::FileSystem& files, const Checkpoint& checkpoint) {
  const std::string offsets = io::join_path(checkpoint.folder, "offsets");
  WEIR_ASSIGN(const bool there, files.exists(offsets));
  if (!there) return {};
  return error(ErrorKind::kInvalidArgument,
               "This query does not support recovering from checkpoint location. Delete {} to "
               "start over.",
               offsets)
      .with_class("_LEGACY_ERROR_TEMP_1299")
      .with_parameter("checkpointPath", offsets);
}

}  // namespace weir::streaming
