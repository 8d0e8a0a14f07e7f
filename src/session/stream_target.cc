#include "session/stream_target.h"

#include "session/file_table.h"
#include "session/session_catalog.h"
#include "session/table_changes.h"

namespace weir::session {

Result<StreamTarget> find_stream_target(SessionState& state, const StreamTargetRequest& request,
                                        std::stop_token stop) {
  const std::string format =
      lower_case(request.format.empty() ? state.get("spark.sql.sources.default").value_or("delta")
                                        : request.format);
  const SessionCatalog catalog(state);
  if (request.table.size() == 2 && lower_case(request.table[0]) == "delta") {
    WEIR_ASSIGN(const auto database, state.warehouse().database("delta"));
    if (!database) {
      WEIR_ASSIGN(std::string path, local_path(request.table[1]));
      return StreamTarget{"delta", std::move(path)};
    }
  }
  const bool global = request.table.size() == 2 && lower_case(request.table[0]) == kGlobalTemp;
  if (global || (request.table.size() == 1 && state.temp_view(request.table[0]))) {
    const std::string view = quoted_name(request.table);
    return plain_error("_LEGACY_ERROR_TEMP_1190",
                       fmt::format("Temporary view {} doesn't support streaming write.", view))
        .with_parameter("viewName", view);
  }
  WEIR_ASSIGN(auto entry, catalog.entry(request.table));
  if (!entry) {
    TableCreation creation;
    creation.name = request.table;
    creation.provider = format;
    creation.schema = request.schema.as_nullable();
    creation.location = request.path;
    creation.partition_by = request.partition_by;
    creation.properties = request.properties;
    WEIR_TRY(create_table(state, creation, std::move(stop)));
    WEIR_ASSIGN(entry, catalog.entry(request.table));
    if (!entry) return table_not_found(request.table);
  }
  const std::string shown = entry->database + "." + entry->name;
  if (entry->is_view()) {
    return plain_error("_LEGACY_ERROR_TEMP_1191",
                       fmt::format("Streaming into views {} is not supported.", shown))
        .with_parameter("viewName", shown);
  }
  if (entry->provider != format) {
    return plain_error("_LEGACY_ERROR_TEMP_1192",
                       fmt::format("The input source({}) is different from the table {}'s data "
                                   "source provider({}).",
                                   format, shown, entry->provider))
        .with_parameter("source", format)
        .with_parameter("tableName", shown)
        .with_parameter("provider", entry->provider);
  }
  return StreamTarget{entry->provider, entry->location};
}

}  // namespace weir::session
