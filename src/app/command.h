// What one command of the program is, and the exit codes that all of them share (docs/cli.md).
//
// A command lives in src/app/<name>_command.{h,cc}: the header declares `int run_<name>(int argc,
// char** argv)`, main.cc lists it. argv[0] is "weir <name>", so that a CLI::App shows it in its
// usage.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace CLI {
class App;
}

namespace weir::app {

struct Command {
  std::string_view name;
  std::string_view help;  // one line
  int (*run)(int argc, char** argv);
};

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,       // the work failed, or an assertion of `weir verify` did
  kExitUsage = 2,        // the command line, an option's value or a schema is wrong
  kExitNotFound = 3,     // a table, topic, file or running query is not there
  kExitUnavailable = 4,  // a server does not answer, or the time for it ran out
  kExitInUse = 5,        // a checkpoint, folder or port is in use, or belongs to something else
  kExitDataLoss = 6,     // data is damaged or gone
  kExitUnsupported = 7,  // a feature or option that weir does not have
};

ExitCode exit_code_for(base::ErrorKind kind);

// Prints "weir: <message>" (or, where json is true, {"error":{"kind":…,"message":…}} on standard
// output) and returns the exit code for the error.
int report_error(const base::Error& error, bool json = false);

// Parses; where the command is finished by that (help was shown, or the words were wrong) returns
// its exit code.
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

// The option `--output text|json` that every reporting command has.
void add_output_option(CLI::App& app, std::string& output);

}  // namespace weir::app
