#include "app/sql_command.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <arrow/record_batch.h>
#include <sys/ioctl.h>

#include "app/command.h"
#include "app/row_writer.h"
#include "app/stop_signal.h"
#include "base/clock.h"
#include "io/file_system.h"
#include "relational/query.h"
#include "sql/parser.h"

namespace weir::app {

namespace {

using base::Result;

constexpr std::string_view kFooter =
    "The language is Spark's: SELECT [DISTINCT] … FROM delta.`PATH` [VERSION AS OF n] [AS t] WHERE "
    "… GROUP BY … HAVING …\n"
    "ORDER BY … LIMIT … OFFSET …; several statements are separated by ';'. ANSI mode is on, as in "
    "Spark 4.\n"
    "--output json writes one object a row, each on a line of its own. Timing goes to standard "
    "error.\n\n"
    "Examples:\n"
    "  weir sql 'SELECT deviceId, count(*) AS n FROM delta.`/data/events` GROUP BY deviceId ORDER "
    "BY n DESC LIMIT 10'\n"
    "  weir sql -f report.sql --output csv > report.csv\n"
    "  weir sql -e 'SELECT max(storedAt) FROM delta.`/data/events` VERSION AS OF 7' --time-zone "
    "Europe/Oslo";

struct SqlWords {
  std::vector<std::string> statements;
  std::string text;
  std::string file;
  std::string output = "table";
  std::string time_zone = "UTC";
  bool no_ansi = false;
  bool quiet = false;
  int64_t memory_mb = 1024;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::string spill_folder;
};

void describe(CLI::App& app, SqlWords& words) {
  app.footer(std::string(kFooter));
  app.add_option("SQL", words.text, "The statement(s)");
  app.add_option("-e,--execute", words.statements, "A statement; may be given several times");
  app.add_option("-f,--file", words.file, "A file of statements; - reads standard input");
  app.add_option("--output", words.output, "table, json (one object a row and line) or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str();
  app.add_option("--time-zone", words.time_zone, "The session's time zone")->capture_default_str();
  app.add_flag("--no-ansi", words.no_ansi,
               "spark.sql.ansi.enabled=false: NULL instead of an error for what has no value");
  app.add_option("--memory-mb", words.memory_mb, "Memory for grouping and sorting")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
  app.add_option("--threads", words.threads, "Threads for grouping and sorting")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--spill-folder", words.spill_folder,
                 "Where a sort that outgrows the memory may write; without, it fails");
  app.add_flag("-q,--quiet", words.quiet, "No timing on standard error");
}

Result<std::string> read_all(const std::string& path) {
  std::ostringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return base::error(base::ErrorKind::kNotFound, "the file {} cannot be read", path);
  text << in.rdbuf();
  return text.str();
}

Result<std::vector<plan::QueryPtr>> read_statements(const SqlWords& words) {
  std::vector<std::string> texts = words.statements;
  if (!words.file.empty()) {
    WEIR_ASSIGN(auto text, read_all(words.file));
    texts.push_back(std::move(text));
  }
  if (!words.text.empty()) texts.push_back(words.text);
  std::vector<plan::QueryPtr> queries;
  for (const auto& text : texts) {
    WEIR_ASSIGN(auto parsed, sql::parse_statements(text));
    queries.insert(queries.end(), parsed.begin(), parsed.end());
  }
  if (queries.empty()) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "there is no statement: give it as an argument, with -e or with -f");
  }
  return queries;
}

int terminal_width() {
  if (!isatty(STDOUT_FILENO)) return 0;
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

Result<void> run_one(const plan::Query& query, const relational::QueryEnvironment& environment,
                     const SqlWords& words, base::Clock& clock, std::stop_token stop) {
  const int64_t begin_us = clock.monotonic_us();
  relational::ScanReport report;
  WEIR_ASSIGN(auto stream, relational::run_query(query, environment, &report));
  WEIR_ASSIGN(const auto zone, eval::Zone::find(environment.context.session_zone));
  WEIR_ASSIGN(auto writer,
              make_row_writer(words.output, stream->schema(), zone, stdout, terminal_width()));
  int64_t rows = 0;
  while (true) {
    WEIR_ASSIGN(auto batch, stream->next(stop));
    if (!batch) break;
    rows += batch->num_rows();
    WEIR_TRY(writer->write(*batch));
  }
  WEIR_ASSIGN(const auto note, writer->finish());
  if (std::fflush(stdout) != 0)
    return base::error(base::ErrorKind::kIo, "the output cannot be written");
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
  if (!words.quiet) {
    std::fprintf(stderr, "%lld row%s in %.3f s", static_cast<long long>(rows), rows == 1 ? "" : "s",
                 static_cast<double>(clock.monotonic_us() - begin_us) / 1e6);
    if (report.table_version) {
      std::fprintf(stderr, " (version %lld, %lld files read, %lld skipped)",
                   static_cast<long long>(*report.table_version),
                   static_cast<long long>(report.files),
                   static_cast<long long>(report.files_skipped));
    }
    std::fprintf(stderr, "\n");
  }
  return {};
}

Result<void> run_all(const SqlWords& words, std::stop_token stop) {
  WEIR_TRY(eval::Zone::find(words.time_zone));
  WEIR_ASSIGN(const auto queries, read_statements(words));
  const auto fs = io::local_file_system();
  base::SystemClock clock;
  WEIR_ASSIGN(auto engine, relational::DuckEngine::open(
                               {words.memory_mb << 20, words.threads, words.spill_folder}));
  for (const auto& query : queries) {
    const relational::QueryEnvironment environment{
        *fs, *engine, {clock.now_us(), words.time_zone, !words.no_ansi}};
    WEIR_TRY(run_one(*query, environment, words, clock, stop));
  }
  return {};
}

}  // namespace

int run_sql(int argc, char** argv) {
  const StopSignal stop;
  CLI::App app("Query Delta tables with SQL");
  SqlWords words;
  describe(app, words);
  if (const auto done = parse_command_line(app, argc, argv)) return *done;
  const auto outcome = run_all(words, stop.token());
  if (outcome.ok()) return kExitOk;
  return report_error(outcome.error());
}

}  // namespace weir::app
