#include "app/command.h"

#include <cstdio>

#include <CLI/CLI.hpp>

#include "base/json.h"

namespace weir::app {

using base::ErrorKind;

ExitCode exit_code_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return kExitUsage;
    case ErrorKind::kNotFound:
      return kExitNotFound;
    case ErrorKind::kUnavailable:
    case ErrorKind::kTimeout:
      return kExitUnavailable;
    case ErrorKind::kAlreadyExists:
    case ErrorKind::kConflict:
      return kExitInUse;
    case ErrorKind::kCorruption:
    case ErrorKind::kDataLoss:
      return kExitDataLoss;
    case ErrorKind::kUnsupported:
      return kExitUnsupported;
    case ErrorKind::kIo:
    case ErrorKind::kResourceExhausted:
    case ErrorKind::kCancelled:
    case ErrorKind::kPermissionDenied:
    case ErrorKind::kInternal:
      return kExitFailed;
  }
  return kExitFailed;
}

int report_error(const base::Error& error, bool json) {
  if (json) {
    base::JsonObject body{{"kind", base::error_kind_name(error.kind())},
                          {"message", error.message()}};
    if (!error.error_class().empty()) body["errorClass"] = error.error_class();
    std::printf("%s\n", base::json_text(base::JsonObject{{"error", std::move(body)}}).c_str());
    std::fflush(stdout);
  }
  std::fprintf(stderr, "weir: %s\n", error.to_string().c_str());
  return exit_code_for(error.kind());
}

std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& finished) {
    // exit() prints the help or the complaint; its own codes are over 100.
    return app.exit(finished) == 0 ? kExitOk : kExitUsage;
  }
}

void add_output_option(CLI::App& app, std::string& output) {
  app.add_option("--output", output, "How the result is printed: text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");
}

}  // namespace weir::app
