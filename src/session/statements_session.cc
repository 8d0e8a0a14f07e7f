// SET, RESET, USE, CACHE, EXPLAIN, and the statements that are refused by name.
#include <climits>
#include <cstdlib>
#include <unistd.h>

#include "base/json.h"
#include "session/command_rows.h"
#include "session/conf.h"
#include "session/redaction.h"
#include "session/statements.h"

namespace weir::session {

using Done = StatementRunner::Done;

Result<StatementResult> StatementRunner::run(const plan::Statement& statement) {
  return std::visit([&](const auto& one) { return on(one); }, statement.kind);
}

Done StatementRunner::on(const plan::QueryStatement& statement) {
  StatementResult result;
  WEIR_ASSIGN(result.plan, analyze_plan(state_, statement.plan, parameters_));
  result.schema = plan::schema_of(*result.plan);
  return result;
}

Done StatementRunner::on(const plan::UnsupportedStatement& statement) {
  return unsupported("weir has no " + statement.what + " yet");
}

namespace {

// The zone of the machine: TZ, else what /etc/localtime leads to, else UTC.
std::string machine_zone() {
  std::string zone;
  if (const char* set = std::getenv("TZ")) {
    zone = set;
  } else {
    char target[PATH_MAX];
    const auto size = ::readlink("/etc/localtime", target, sizeof(target));
    if (size > 0) zone.assign(target, static_cast<size_t>(size));
  }
  constexpr std::string_view kFolder = "zoneinfo/";
  if (const auto at = zone.find(kFolder); at != std::string::npos)
    zone.erase(0, at + kFolder.size());
  if (zone.starts_with(':')) zone.erase(0, 1);
  const auto known = normal_time_zone(zone);
  return known.ok() ? *known : std::string("UTC");
}

std::string shown_value(const std::string& key, const std::string& value) {
  return names_secret(key) ? std::string(kRedacted) : value;
}

}  // namespace

Done StatementRunner::on(const plan::SetStatement& statement) {
  if (statement.verbose) {
    CommandRows rows(
        "key STRING NOT NULL, value STRING NOT NULL, meaning STRING NOT NULL, "
        "`Since version` STRING NOT NULL");
    for (const auto key : known_keys()) {
      rows.add({std::string(key), state_.get(std::string(key)).value_or("<undefined>"),
                std::string(), std::string()});
    }
    return rows.result();
  }
  CommandRows rows("key STRING NOT NULL, value STRING NOT NULL");
  if (!statement.key) {
    for (const auto& [key, value] : state_.all_set())
      rows.add({key, shown_value(key, value)});
    return rows.result();
  }
  const std::string& key = *statement.key;
  if (!statement.value) {
    const auto value = state_.get(key);
    rows.add({key, value ? shown_value(key, *value) : std::string("<undefined>")});
    return rows.result();
  }
  WEIR_TRY(check_conf_value(key, *statement.value));
  state_.put(key, *statement.value);
  rows.add({key, *statement.value});
  return rows.result();
}

Done StatementRunner::on(const plan::ResetStatement& statement) {
  if (!statement.key) {
    state_.erase_all();
    return no_rows();
  }
  if (is_known_key(*statement.key) && !is_modifiable(*statement.key)) {
    WEIR_TRY(check_conf_value(*statement.key, ""));
  }
  state_.erase(*statement.key);
  return no_rows();
}

Done StatementRunner::on(const plan::SetTimeZone& statement) {
  CommandRows rows("key STRING NOT NULL, value STRING NOT NULL");
  std::string zone = statement.zone;
  if (statement.interval) {
    WEIR_ASSIGN(const auto value,
                constant_of(state_, statement.interval,
                            columnar::DataType::of(columnar::TypeKind::kDayTimeInterval)));
    const auto* micros = std::get_if<int64_t>(&value);
    constexpr int64_t kLimit = int64_t{18} * 3600;
    if (micros == nullptr || *micros % 1'000'000 != 0 || std::abs(*micros) > kLimit * 1'000'000) {
      return sql_error("INVALID_INTERVAL_FORMAT.TIMEZONE_INTERVAL_OUT_OF_RANGE", "22006",
                       "The interval value must be in the range of [-18, +18] hours with second "
                       "precision.");
    }
    const int64_t seconds = *micros / 1'000'000;
    const int64_t size = std::abs(seconds);
    zone = fmt::format("{}{:02}:{:02}", seconds < 0 ? '-' : '+', size / 3600, size / 60 % 60);
    if (size % 60 != 0) zone += fmt::format(":{:02}", size % 60);
  } else if (lower_case(zone) == "local") {
    zone = machine_zone();
  }
  WEIR_ASSIGN(zone, normal_time_zone(zone));
  state_.put("spark.sql.session.timeZone", zone);
  rows.add({std::string("spark.sql.session.timeZone"), zone});
  return rows.result();
}

Done StatementRunner::on(const plan::Use& statement) {
  if (statement.catalog) {
    if (statement.name.size() == 1 && lower_case(statement.name[0]) == kCatalogName)
      return no_rows();
    return sql_error("CATALOG_NOT_FOUND", "42P08",
                     fmt::format("The catalog {} not found. Consider to set the SQL config "
                                 "\"spark.sql.catalog.{}\" to a catalog plugin.",
                                 quoted_name(statement.name), statement.name.back()))
        .with_parameter("catalogName", quoted_name(statement.name))
        .with_parameter("config", "\"spark.sql.catalog." + statement.name.back() + "\"");
  }
  if (statement.name.size() == 1 && lower_case(statement.name[0]) == kCatalogName) return no_rows();
  WEIR_ASSIGN(const auto entry, database_entry(statement.name));
  state_.use_database(entry.name);
  return no_rows();
}

Done StatementRunner::on(const plan::CacheTable& statement) {
  if (statement.as_select) {
    WEIR_ASSIGN(auto analyzed, analyze_plan(state_, statement.as_select, parameters_));
    TempView view;
    view.plan = std::move(analyzed);
    if (!state_.put_temp_view(statement.name.back(), std::move(view), false)) {
      return sql_error("TEMP_TABLE_OR_VIEW_ALREADY_EXISTS", "42P07",
                       fmt::format("Cannot create the temporary view {} because it already exists.",
                                   quoted_name(statement.name)))
          .with_parameter("relationName", quoted_name(statement.name));
    }
  }
  plan::NamedTable table;
  table.name = statement.as_select ? Name{statement.name.back()} : statement.name;
  WEIR_ASSIGN(const auto plan, analyze_plan(state_, plan::make_plan(std::move(table))));
  WEIR_TRY(cache_plan(state_, plan, !statement.lazy, stop_));
  return no_rows();
}

Done StatementRunner::on(const plan::UncacheTable& statement) {
  if (statement.all) {
    state_.cache.clear();
    return no_rows();
  }
  plan::NamedTable table;
  table.name = statement.name;
  const auto plan = analyze_plan(state_, plan::make_plan(std::move(table)));
  if (!plan.ok()) {
    if (statement.if_exists) return no_rows();
    return plan.error();
  }
  state_.cache.remove(*plan);
  return no_rows();
}

// Delta logs and folders are looked at by every query.
Done StatementRunner::on(const plan::Refresh& statement) {
  if (statement.name.empty()) return no_rows();
  plan::NamedTable table;
  table.name = statement.name;
  SessionCatalog catalog(state_);
  WEIR_TRY(catalog.find(table, {}));
  return no_rows();
}

Done StatementRunner::on(const plan::Explain& statement) {
  CommandRows rows("plan STRING NOT NULL");
  const auto* query = std::get_if<plan::QueryStatement>(&statement.statement->kind);
  if (query == nullptr) return unsupported("EXPLAIN of a statement that is no query");
  auto text = explain_plan(state_, query->plan, statement.mode);
  if (!text.ok()) {
    // As Spark: EXPLAIN itself does not fail.
    rows.add({"Error occurred during query planning: \n" + text.error().message()});
    return rows.result();
  }
  rows.add({std::move(text).value()});
  return rows.result();
}

}  // namespace weir::session
