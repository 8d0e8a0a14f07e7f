#include "app/state_command.h"

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <arrow/api.h>
#include <fmt/format.h>

#include "app/command.h"
#include "app/row_writer.h"
#include "app/stop_signal.h"
#include "columnar/arrow_adapter.h"
#include "columnar/arrow_types.h"
#include "eval/zone.h"
#include "operators/state_tables.h"

namespace weir::app {
namespace {

using base::error;
using base::ErrorKind;
using base::Result;
using columnar::DataType;
using columnar::Schema;
using columnar::TypeKind;
using operators::CheckpointState;
using operators::StateTable;
using state::StoreInfo;

constexpr std::string_view kFooter =
    "\nCHECKPOINT is a query's checkpointLocation. Nothing in it is changed, and the query may "
    "run.\n"
    "--format json writes one object a row, each on a line of its own. Exit code 6 where verify\n"
    "finds something damaged or missing.\n\n"
    "Examples:\n"
    "  weir state list /lake/averages/checkpoint\n"
    "  weir state show /lake/averages/checkpoint --limit 20\n"
    "  weir state show /lake/joined/checkpoint --operator 0 --join-side left --batch 41\n"
    "  weir state show /lake/averages/checkpoint --changes 40:42 --format json\n"
    "  weir state verify /lake/averages/checkpoint --format csv\n";

struct StateWords {
  std::string checkpoint;
  std::string format = "table";
  std::string time_zone = "UTC";
  std::string operator_id, batch, store, join_side, changes;
  int64_t limit = -1;
};

Result<std::unique_ptr<RowWriter>> writer_of(const StateWords& words, const Schema& schema) {
  WEIR_ASSIGN(const auto zone, eval::Zone::find(words.time_zone));
  return make_row_writer(words.format, schema, zone, stdout, terminal_width(stdout));
}

Result<void> finish(RowWriter& writer) {
  WEIR_ASSIGN(const std::string note, writer.finish());
  if (std::fflush(stdout) != 0) return error(ErrorKind::kIo, "the output cannot be written");
  if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
  return {};
}

// A few rows, column by column: whole numbers and texts.
class SmallTable {
 public:
  explicit SmallTable(const std::vector<std::pair<std::string, TypeKind>>& columns) {
    std::vector<columnar::Field> fields;
    for (const auto& [name, kind] : columns)
      fields.push_back(columnar::make_field(name, DataType::of(kind)));
    schema_ = Schema::structure(std::move(fields));
    cells_.resize(columns.size());
  }
  void add(const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i)
      cells_[i].push_back(row[i]);
  }
  Result<void> print(const StateWords& words) const {
    WEIR_ASSIGN(const auto writer, writer_of(words, schema_));
    arrow::ArrayVector arrays;
    for (size_t i = 0; i < cells_.size(); ++i) {
      arrays.emplace_back();
      if (schema_.fields()[i].type().is(TypeKind::kLong)) {
        arrow::Int64Builder builder;
        for (const auto& cell : cells_[i])
          WEIR_ARROW_TRY(cell.empty() ? builder.AppendNull() : builder.Append(std::stoll(cell)));
        WEIR_ARROW_TRY(builder.Finish(&arrays.back()));
      } else {
        arrow::StringBuilder builder;
        WEIR_ARROW_TRY(builder.AppendValues(cells_[i]));
        WEIR_ARROW_TRY(builder.Finish(&arrays.back()));
      }
    }
    const auto rows = static_cast<int64_t>(cells_[0].size());
    WEIR_TRY(writer->write(
        *arrow::RecordBatch::Make(columnar::to_arrow_schema(schema_), rows, std::move(arrays))));
    return finish(*writer);
  }

 private:
  Schema schema_ = Schema::structure({});
  std::vector<std::vector<std::string>> cells_;
};

Result<CheckpointState> opened(const StateWords& words, io::FileSystem& files) {
  WEIR_ASSIGN(const bool there, files.exists(words.checkpoint));
  if (!there) return error(ErrorKind::kNotFound, "there is no folder {}", words.checkpoint);
  return CheckpointState::open(files, words.checkpoint);
}

bool chosen(const StateWords& words, const StoreInfo& store) {
  const std::string wanted = words.store.empty() ? words.join_side : words.store;
  return (words.operator_id.empty() || words.operator_id == std::to_string(store.operator_id)) &&
         (wanted.empty() || wanted == store.spec.name);
}

Result<void> list(const StateWords& words, io::FileSystem& files) {
  WEIR_ASSIGN(const auto checkpoint, opened(words, files));
  SmallTable table({{"operatorId", TypeKind::kLong},
                    {"operatorName", TypeKind::kString},
                    {"stateStoreName", TypeKind::kString},
                    {"provider", TypeKind::kString},
                    {"numPartitions", TypeKind::kLong},
                    {"minBatchId", TypeKind::kLong},
                    {"maxBatchId", TypeKind::kLong},
                    {"rows", TypeKind::kLong},
                    {"bytes", TypeKind::kLong},
                    {"key", TypeKind::kString},
                    {"value", TypeKind::kString}});
  const auto& commits = checkpoint.commits();
  for (const StoreInfo& store : checkpoint.stores()) {
    std::string rows;
    if (!commits.empty()) {
      WEIR_ASSIGN(const auto manifest, checkpoint.manifest(commits.back(), store));
      if (manifest) rows = std::to_string(base::json_int(*manifest, "rows").value_or(0));
    }
    table.add({std::to_string(store.operator_id), store.spec.operator_name, store.spec.name,
               store.provider == state::Provider::kMemory ? "memory" : "rocksdb",
               std::to_string(store.shards), commits.empty() ? "" : std::to_string(commits.front()),
               commits.empty() ? "" : std::to_string(commits.back()), rows,
               std::to_string(store.bytes), columnar::schema_to_ddl(store.spec.key),
               columnar::schema_to_ddl(store.spec.value)});
  }
  return table.print(words);
}

// The options of the source "statestore" that the words mean.
Result<std::map<std::string, std::string>> source_options(const StateWords& words) {
  std::map<std::string, std::string> options;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) options[name] = value;
  };
  add("operatorId", words.operator_id);
  add("batchId", words.batch);
  add("storeName", words.store);
  add("joinSide", words.join_side);
  if (words.changes.empty()) return options;
  const size_t colon = words.changes.find(':');
  options["readChangeFeed"] = "true";
  options["changeStartBatchId"] = words.changes.substr(0, colon);
  if (colon != std::string::npos && colon + 1 < words.changes.size())
    options["changeEndBatchId"] = words.changes.substr(colon + 1);
  return options;
}

Result<void> show(const StateWords& words, io::FileSystem& files, std::stop_token stop) {
  WEIR_TRY(opened(words, files));
  WEIR_ASSIGN(const auto options, source_options(words));
  WEIR_ASSIGN(auto parsed, operators::parse_state_options(options));
  WEIR_ASSIGN(const auto table, StateTable::open(files, words.checkpoint, std::move(parsed)));
  const auto threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  WEIR_ASSIGN(const auto reader, table->read(threads));
  WEIR_ASSIGN(const auto writer, writer_of(words, table->schema()));
  int64_t left = words.limit < 0 ? INT64_MAX : words.limit;
  for (int piece = 0; piece < reader->pieces() && left > 0; ++piece) {
    if (stop.stop_requested()) return error(ErrorKind::kCancelled, "stopped");
    WEIR_ASSIGN(const auto batches, reader->read(piece));
    for (const auto& batch : batches) {
      if (left <= 0) break;
      const auto some = batch->num_rows() > left ? batch->Slice(0, left) : batch;
      left -= some->num_rows();
      WEIR_TRY(writer->write(*some));
    }
  }
  return finish(*writer);
}

// Each commit's files are looked for; those of the batch that is asked for (else the last) are read
// and counted.
Result<bool> verify(const StateWords& words, io::FileSystem& files, std::stop_token stop) {
  WEIR_ASSIGN(const auto checkpoint, opened(words, files));
  SmallTable table({{"operatorId", TypeKind::kLong},
                    {"stateStoreName", TypeKind::kString},
                    {"batchId", TypeKind::kLong},
                    {"rows", TypeKind::kLong},
                    {"files", TypeKind::kLong},
                    {"checked", TypeKind::kString},
                    {"result", TypeKind::kString}});
  const auto& commits = checkpoint.commits();
  bool good = true;
  bool found = false;
  for (const StoreInfo& store : checkpoint.stores()) {
    if (!chosen(words, store)) continue;
    found = true;
    const std::string folder =
        fmt::format("{}/{}/{}", checkpoint.folder(), store.operator_id, store.spec.name);
    for (const int64_t batch : commits) {
      if (!words.batch.empty() && words.batch != std::to_string(batch)) continue;
      if (stop.stop_requested()) return error(ErrorKind::kCancelled, "stopped");
      WEIR_ASSIGN(const auto manifest, checkpoint.manifest(batch, store));
      if (!manifest) continue;
      WEIR_ASSIGN(const auto names, state::files_of(*manifest));
      const bool whole = batch == commits.back() || !words.batch.empty();
      std::string result = "ok";
      for (const std::string& name : names) {
        WEIR_ASSIGN(const bool there, files.exists(io::join_path(folder, name)));
        if (!there && result == "ok")
          result = fmt::format("{} is not there", io::join_path(folder, name));
      }
      if (whole && result == "ok") {
        const auto rows = state::verify_state(files, checkpoint.folder(), store, *manifest);
        if (!rows.ok()) result = rows.error().message();
      }
      good &= result == "ok";
      table.add({std::to_string(store.operator_id), store.spec.name, std::to_string(batch),
                 std::to_string(base::json_int(*manifest, "rows").value_or(0)),
                 std::to_string(names.size()), whole ? "contents" : "files", result});
    }
  }
  if (!found)
    return error(ErrorKind::kNotFound, "{} has no such state; see weir state list",
                 words.checkpoint);
  WEIR_TRY(table.print(words));
  return good;
}

void add_choice(CLI::App& app, StateWords& words) {
  app.add_option("CHECKPOINT", words.checkpoint, "The query's checkpoint folder")->required();
  app.add_option("--format", words.format, "table, json (one object a row and line) or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}))
      ->capture_default_str();
  app.add_option("--time-zone", words.time_zone, "Of timestamps")->capture_default_str();
}

}  // namespace

int run_state(int argc, char** argv) {
  CLI::App app{"What stateful queries remember, read from their checkpoints", argv[0]};
  app.footer(std::string(kFooter));
  app.require_subcommand(1);
  StateWords words;
  auto* list_app = app.add_subcommand("list", "The stores of every operator, one a line");
  auto* show_app = app.add_subcommand("show", "The rows of a store, or what batches changed");
  auto* verify_app =
      app.add_subcommand("verify", "Look for every commit's files and read those of the last");
  for (auto* sub : {list_app, show_app, verify_app}) {
    add_choice(*sub, words);
    if (sub == list_app) continue;
    sub->add_option("--operator", words.operator_id,
                    sub == show_app ? "The operator's number (0)" : "This operator alone");
    sub->add_option("--batch", words.batch,
                    sub == show_app ? "The state after this batch (the last that is committed)"
                                    : "This batch alone, with its contents");
    sub->add_option("--store", words.store,
                    sub == show_app ? "The store's name (default)" : "This store alone");
  }
  show_app
      ->add_option("--join-side", words.join_side, "left or right: the rows of that side of a join")
      ->check(CLI::IsMember({"left", "right"}));
  show_app->add_option("--changes", words.changes,
                       "FROM[:TO], batches: what they changed, in place of the state");
  show_app->add_option("--limit", words.limit, "No more rows than this")
      ->check(CLI::NonNegativeNumber);
  if (const auto finished = parse_command_line(app, argc, argv)) return *finished;
  const bool json = words.format == "json";
  StopSignal signal;
  const auto files = io::local_file_system();
  if (verify_app->parsed()) {
    const auto good = verify(words, *files, signal.token());
    if (!good.ok()) return report_error(good.error(), json);
    return *good ? kExitOk : kExitDataLoss;
  }
  const auto done = list_app->parsed() ? list(words, *files) : show(words, *files, signal.token());
  return done.ok() ? kExitOk : report_error(done.error(), json);
}

}  // namespace weir::app
