#include "app/sql_command.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <arrow/record_batch.h>

#include "app/command.h"
#include "app/row_writer.h"
#include "app/sql_remote.h"
#include "app/sql_shell.h"
#include "app/stop_signal.h"
#include "base/clock.h"
#include "base/random.h"
#include "eval/zone.h"
#include "io/file_system.h"
#include "relational/duck_engine.h"
#include "relational/spill_folder.h"
#include "session/session.h"
#include "session/warehouse.h"
#include "sql/parser.h"

namespace weir::app {

namespace {

using base::Result;

constexpr std::string_view kFooter =
    "The language is Spark's: queries, CREATE / DROP / ALTER TABLE, VIEW and DATABASE, INSERT, "
    "SET, "
    "SHOW, DESCRIBE, EXPLAIN …\n"
    "over the warehouse's tables and over files: delta.`PATH`, parquet.`PATH`, json.`PATH`, "
    "csv.`PATH`, text.`PATH`.\n"
    "Several statements are separated by ';'. ANSI mode is on, as in Spark 4. Without a statement, "
    "at "
    "a terminal, they are asked for.\n"
    "--output json writes one object a row, each on a line of its own. Timing goes to standard "
    "error.\n\n"
    "Examples:\n"
    "  weir sql 'SELECT deviceId, count(*) AS n FROM delta.`/data/events` GROUP BY deviceId ORDER "
    "BY n DESC LIMIT 10'\n"
    "  weir sql -f report.sql --output csv > report.csv\n"
    "  weir sql -e 'SELECT max(storedAt) FROM delta.`/data/events` VERSION AS OF 7' --time-zone "
    "Europe/Oslo\n"
    "  weir sql --warehouse /lake -e 'CREATE TABLE t AS SELECT * FROM json.`/in/*.json`'\n"
    "  weir sql --remote sc://spark.example:15002 -f report.sql";

struct SqlWords {
  std::vector<std::string> statements;
  std::string text;
  std::string file;
  std::string output = "table";
  std::string time_zone = "UTC";
  bool time_zone_given = false;
  std::string warehouse = "weir-warehouse";
  std::string remote;
  bool interactive = false;
  bool no_ansi = false;
  bool quiet = false;
  int64_t memory_mb = 1024;
  int threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::optional<std::string> spill_folder;
};

void describe(CLI::App& app, SqlWords& words) {
  app.footer(std::string(kFooter));
  app.add_option("SQL", words.text, "The statement(s)");
  app.add_option("-e,--execute", words.statements, "A statement; may be given several times");
  app.add_option("-f,--file", words.file, "A file of statements; - reads standard input");
  app.add_flag("-i,--interactive", words.interactive,
               "Ask for statements, also where standard input is no terminal");
  auto* warehouse =
      app.add_option("--warehouse", words.warehouse,
                     "The folder of the catalog and of managed tables; made with the first table")
          ->capture_default_str();
  auto* remote = app.add_option(
      "--remote", words.remote,
      "Send the statements to a Spark Connect server: sc://HOST:PORT, with a token and TLS\n"
      "sc://HOST:PORT/;token=TOKEN;use_ssl=true, as in PySpark");
  app.add_option("--output", words.output, "table, json (one object a row and line) or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str();
  app.add_option("--time-zone", words.time_zone,
                 "The session's time zone; with --remote, where it is not given, the server's")
      ->capture_default_str();
  app.add_flag("--no-ansi", words.no_ansi,
               "spark.sql.ansi.enabled=false: NULL instead of an error for what has no value");
  auto* memory = app.add_option("--memory-mb", words.memory_mb, "Memory for grouping and sorting")
                     ->check(CLI::Range(16, 1 << 20))
                     ->capture_default_str();
  auto* threads = app.add_option("--threads", words.threads, "Threads for grouping and sorting")
                      ->check(CLI::Range(1, 1024))
                      ->capture_default_str();
  auto* spill = app.add_option(
      "--spill-folder", words.spill_folder,
      "Where what outgrows the memory is written; '': nowhere, it fails [.spill in the warehouse]");
  app.add_flag("-q,--quiet", words.quiet, "No timing on standard error");
  for (auto* local : {warehouse, memory, threads, spill})
    remote->excludes(local);  // the server has its own
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

Result<std::vector<plan::Statement>> read_statements(const SqlWords& words) {
  std::vector<std::string> texts = words.statements;
  if (!words.file.empty()) {
    WEIR_ASSIGN(auto text, read_all(words.file));
    texts.push_back(std::move(text));
  }
  if (!words.text.empty()) texts.push_back(words.text);
  std::vector<plan::Statement> statements;
  for (const auto& text : texts) {
    WEIR_ASSIGN(auto parsed, sql::parse_script(text));
    statements.insert(statements.end(), parsed.begin(), parsed.end());
  }
  if (statements.empty() && !words.interactive) {
    return base::error(base::ErrorKind::kInvalidArgument,
                       "there is no statement: give it as an argument, with -e or with -f");
  }
  return statements;
}

class StatementPrinter {
 public:
  StatementPrinter(session::Session& session, base::Clock& clock, const SqlWords& words)
      : session_(session), clock_(clock), words_(words) {}

  Result<void> run(const plan::Statement& statement, std::stop_token stop) {
    const int64_t begin_us = clock_.monotonic_us();
    WEIR_ASSIGN(const auto result, session_.execute(statement, stop));
    int64_t rows = 0;
    const bool quiet_command = !result.plan && result.schema.fields().empty();
    if (!quiet_command) {
      WEIR_ASSIGN(rows, print(result, stop));
    }
    if (std::fflush(stdout) != 0)
      return base::error(base::ErrorKind::kIo, "the output cannot be written");
    if (words_.quiet) return {};
    const double seconds = static_cast<double>(clock_.monotonic_us() - begin_us) / 1e6;
    if (quiet_command) {
      std::fprintf(stderr, "done in %.3f s\n", seconds);
    } else {
      std::fprintf(stderr, "%lld row%s in %.3f s", static_cast<long long>(rows),
                   rows == 1 ? "" : "s", seconds);
      const auto files =
          result.plan ? session_.chosen_files(result.plan) : relational::ChosenFiles{};
      if (files.read + files.skipped > 0) {
        std::fprintf(stderr, " (%lld files read, %lld skipped)", static_cast<long long>(files.read),
                     static_cast<long long>(files.skipped));
      }
      std::fputc('\n', stderr);
    }
    return {};
  }

 private:
  Result<int64_t> print(const session::StatementResult& result, std::stop_token stop) {
    WEIR_ASSIGN(const auto zone,
                eval::Zone::find(session_.get("spark.sql.session.timeZone").value_or("UTC")));
    std::unique_ptr<relational::BatchStream> stream;
    if (result.plan) {
      WEIR_ASSIGN(stream, session_.run(result.plan));
    }
    WEIR_ASSIGN(auto writer,
                make_row_writer(words_.output, stream ? stream->schema() : result.schema, zone,
                                stdout, terminal_width(stdout)));
    int64_t rows = 0;
    const auto take = [&](const arrow::RecordBatch& batch) {
      rows += batch.num_rows();
      return writer->write(batch);
    };
    while (stream) {
      WEIR_ASSIGN(const auto batch, stream->next(stop));
      if (!batch) break;
      WEIR_TRY(take(*batch));
    }
    for (const auto& batch : result.rows)
      WEIR_TRY(take(*batch));
    WEIR_ASSIGN(const auto note, writer->finish());
    std::fflush(stdout);
    if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
    return rows;
  }

  session::Session& session_;
  base::Clock& clock_;
  const SqlWords& words_;
};

// Everything that statements run in.
struct SqlProcess {
  std::unique_ptr<io::FileSystem> fs = io::local_file_system();
  base::SystemClock clock;
  base::SystemRandom random;
  std::unique_ptr<relational::DuckEngine> engine;
  std::unique_ptr<session::Session> session;

  Result<void> open(const SqlWords& words) {
    WEIR_ASSIGN(const auto spill,
                relational::SpillFolder::choose(*fs, random, words.spill_folder, words.warehouse));
    WEIR_ASSIGN(engine,
                relational::DuckEngine::open({words.memory_mb << 20, words.threads, spill, {"/"}}));
    WEIR_ASSIGN(auto warehouse,
                session::Warehouse::open(
                    {*fs, clock, random, *engine, words.threads, (words.memory_mb << 20) / 4},
                    words.warehouse));
    WEIR_ASSIGN(session, session::Session::create(std::move(warehouse), "sql"));
    WEIR_TRY(session->set("spark.sql.session.timeZone", words.time_zone));
    if (words.no_ansi) WEIR_TRY(session->set("spark.sql.ansi.enabled", "false"));
    return {};
  }
};

// Statements go to the server as they are written: its dialect decides what they are.
Result<std::vector<std::string>> read_texts(const SqlWords& words) {
  std::vector<std::string> texts = words.statements;
  if (!words.file.empty()) {
    WEIR_ASSIGN(auto text, read_all(words.file));
    texts.push_back(std::move(text));
  }
  if (!words.text.empty()) texts.push_back(words.text);
  std::vector<std::string> statements;
  for (const std::string& text : texts) {
    for (const auto one : split_statements(text))
      statements.emplace_back(one);
  }
  if (statements.empty())
    return base::error(base::ErrorKind::kInvalidArgument,
                       "there is no statement: give it as an argument, with -e or with -f");
  return statements;
}

RemoteSqlOptions remote_options(const SqlWords& words) {
  RemoteSqlOptions options;
  options.address = words.remote;
  options.output = words.output;
  if (words.time_zone_given) options.time_zone = words.time_zone;
  options.no_ansi = words.no_ansi;
  options.quiet = words.quiet;
  options.width = terminal_width(stdout);
  return options;
}

Result<void> run_remote(const SqlWords& words, std::stop_token stop) {
  WEIR_ASSIGN(const auto statements, read_texts(words));
  WEIR_ASSIGN(const auto remote, RemoteSql::open(remote_options(words)));
  for (const std::string& text : statements)
    WEIR_TRY(remote->run(text, stop));
  return {};
}

Result<void> run_remote_prompt(const SqlWords& words) {
  SqlShell shell;
  WEIR_ASSIGN(const auto remote, RemoteSql::open(remote_options(words)));
  while (auto text = shell.next_text()) {
    for (const auto one : split_statements(*text)) {
      const auto outcome = shell.cancellable(
          [&](std::stop_token stop) { return remote->run(std::string(one), stop); });
      if (outcome.ok()) continue;
      report_error(outcome.error());
      break;
    }
  }
  return {};
}

Result<void> check_words(const SqlWords& words) {
  WEIR_TRY(eval::Zone::find(words.time_zone));
  return {};
}

Result<void> run_all(const SqlWords& words, std::stop_token stop) {
  WEIR_ASSIGN(const auto statements, read_statements(words));
  SqlProcess process;
  WEIR_TRY(process.open(words));
  StatementPrinter printer(*process.session, process.clock, words);
  for (const auto& statement : statements)
    WEIR_TRY(printer.run(statement, stop));
  return {};
}

// Statements from a terminal: an error ends the statement, not the program.
Result<void> run_prompt(const SqlWords& words) {
  SqlShell shell;
  SqlProcess process;
  WEIR_TRY(process.open(words));
  StatementPrinter printer(*process.session, process.clock, words);
  const auto run_text = [&](std::string_view text) {
    const auto parsed = sql::parse_script(text);
    if (!parsed.ok()) {
      report_error(parsed.error());
      return;
    }
    for (const auto& statement : *parsed) {
      const auto outcome =
          shell.cancellable([&](std::stop_token stop) { return printer.run(statement, stop); });
      if (outcome.ok()) continue;
      report_error(outcome.error());
      return;
    }
  };
  while (auto text = shell.next_text())
    run_text(*text);
  return {};
}

}  // namespace

int run_sql(int argc, char** argv) {
  CLI::App app("Query and change tables with SQL");
  SqlWords words;
  describe(app, words);
  if (const auto done = parse_command_line(app, argc, argv)) return *done;
  words.time_zone_given = app.count("--time-zone") > 0;
  const bool given = !words.statements.empty() || !words.text.empty() || !words.file.empty();
  const bool prompt =
      !given && (words.interactive || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)));
  Result<void> outcome = check_words(words);
  const bool remote = !words.remote.empty();
  if (outcome.ok() && prompt) {
    outcome = remote ? run_remote_prompt(words) : run_prompt(words);
  } else if (outcome.ok()) {
    const StopSignal stop;  // before any thread is started
    outcome = remote ? run_remote(words, stop.token()) : run_all(words, stop.token());
  }
  if (outcome.ok()) return kExitOk;
  return report_error(outcome.error(), words.output == "json");
}

}  // namespace weir::app
