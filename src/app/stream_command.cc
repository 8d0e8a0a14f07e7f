#include "app/stream_command.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "stream/control_server.h"

namespace weir::app {
namespace {

using base::error;
using base::ErrorKind;

std::string text_of(const base::JsonObject& object, std::string_view key) {
  return base::json_string(object, key).value_or("");
}

std::string name_of(const base::JsonObject& query) {
  const std::string name = text_of(query, "name");
  return name.empty() ? text_of(query, "id") : name;
}

const char* state_of(const base::JsonObject& query) {
  if (base::json_bool(query, "isActive").value_or(false)) return "active";
  return text_of(query, "message").starts_with("Terminated with") ? "failed" : "ended";
}

int list(bool json) {
  const auto answers = stream::ask_all({{"command", "list"}});
  if (!answers.ok()) return report_error(answers.error(), json);
  base::JsonArray queries;
  for (const stream::ControlAnswer& answer : *answers)
    if (const auto* some = base::json_array(answer.json, "queries"))
      for (const base::JsonValue& query : *some)
        queries.push_back(query);
  if (json) {
    std::printf("%s\n", base::json_text(base::JsonObject{{"queries", queries}}).c_str());
    return kExitOk;
  }
  if (queries.empty()) {
    std::printf("no queries are running\n");
    return kExitOk;
  }
  // A query without a name is called by its id.
  int width = 20;
  for (const base::JsonValue& value : queries)
    width = std::max(width, static_cast<int>(name_of(value.as_object()).size()));
  std::printf("%-*s %-8s %-10s %12s  %s\n", width, "NAME", "PID", "STATE", "ROWS", "SINK");
  for (const base::JsonValue& value : queries) {
    const base::JsonObject& query = value.as_object();
    std::printf("%-*s %-8lld %-10s %12lld  %s\n", width, name_of(query).c_str(),
                static_cast<long long>(base::json_int(query, "pid").value_or(0)), state_of(query),
                static_cast<long long>(base::json_int(query, "inputRows").value_or(0)),
                text_of(query, "sink").c_str());
  }
  return kExitOk;
}

// show and stop: the first process that knows the name answers.
int ask(const std::string& command, const std::string& name, bool json) {
  const auto answers = stream::ask_all({{"command", command}, {"query", name}});
  if (!answers.ok()) return report_error(answers.error(), json);
  for (const stream::ControlAnswer& answer : *answers) {
    if (answer.json.contains("error")) continue;
    std::printf("%s\n", json ? base::json_text(answer.json).c_str()
                             : base::json_text_pretty(answer.json).c_str());
    return command == "stop" && !base::json_bool(answer.json, "stopped").value_or(false)
               ? kExitFailed
               : kExitOk;
  }
  return report_error(
      error(ErrorKind::kNotFound, "no running query is called '{}'; see weir stream list", name),
      json);
}

}  // namespace

int run_stream(int argc, char** argv) {
  CLI::App app{"The queries that run on this machine under this user", argv[0]};
  app.footer(
      "\nExamples:\n"
      "  weir stream list\n"
      "  weir stream show events --output json\n"
      "  weir stream stop events\n");
  std::string output = "text";
  std::string name;
  app.require_subcommand(1);
  auto* list_app = app.add_subcommand("list", "All queries, one a line");
  add_output_option(*list_app, output);
  for (const auto& [verb, help] : {std::pair{"show", "State and progress of a query"},
                                   {"stop", "Stop a query and wait for it"}}) {
    auto* sub = app.add_subcommand(verb, help);
    sub->add_option("NAME", name, "Its name, id or run id")->required();
    add_output_option(*sub, output);
  }
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  const bool json = output == "json";
  if (list_app->parsed()) return list(json);
  return ask(app.got_subcommand("stop") ? "stop" : "show", name, json);
}

}  // namespace weir::app
