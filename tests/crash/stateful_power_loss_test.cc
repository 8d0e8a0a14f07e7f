// Stateful queries as a session starts them, from files into a table, over the file system model:
// power is lost, or a call fails, at any call that changes something of source log, offset log,
// state (in memory with its changelogs and snapshots, or RocksDB's files), data files, table log
// and commit log. What a reader sees in between are rows of the answer, each once; in the end it is
// the answer over all rows, calculated here row by row. WEIR_POWER_LOSS_RUNS sets the number of
// seeded runs.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/logging.h"
#include "base/random.h"
#include "columnar/data_type.h"
#include "eval/cast.h"
#include "eval/zone.h"
#include "io/model_file_system.h"
#include "relational/duck_engine.h"
#include "session/session.h"
#include "session/warehouse.h"
#include "streaming/stream_queries.h"

namespace weir::streaming {
namespace {

using Rows = std::map<std::string, int>;  // text -> how often

constexpr int64_t kStartS = 1'700'000'000;
constexpr int64_t kFlushS = kStartS + 1'000'000;  // moves the watermark past everything
constexpr int kFiles = 13;
constexpr int kRowsPerFile = 4;
constexpr int64_t kDelayS = 8;  // more than any row is late
constexpr const char* kTable = "/lake/table";

uint64_t run_count(uint64_t usual) {
  const char* text = std::getenv("WEIR_POWER_LOSS_RUNS");
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

struct Event {
  int64_t id, at, value;
  int key;
};
struct Mark {
  int64_t id, at, weight;
};

// What the files hold: events, some twice, in nearly the order of their times, and marks of most of
// them.
struct Data {
  std::vector<std::vector<Event>> events;  // by file
  std::vector<std::vector<Mark>> marks;

  explicit Data(uint64_t seed) {
    base::SeededRandom random(seed);
    int64_t id = 0;
    for (int file = 0; file < kFiles; ++file) {
      auto& rows = events.emplace_back();
      if (file > 0 && random.below(2) == 0) rows.push_back(events[events.size() - 2].back());
      auto& beside = marks.emplace_back();
      for (int i = 0; i < kRowsPerFile; ++i, ++id) {
        const int64_t at = kStartS + id + static_cast<int64_t>(random.below(3));
        rows.push_back({id, at, static_cast<int64_t>(random.below(50)), static_cast<int>(id % 3)});
        if (random.below(3) > 0)
          beside.push_back({id, at - 3 + static_cast<int64_t>(random.below(7)),
                            static_cast<int64_t>(random.below(9))});
      }
    }
  }
  template <typename Take>
  void each_event(const Take& take) const {
    for (const auto& file : events)
      for (const auto& event : file)
        take(event);
  }
};

int64_t window_of(int64_t at) { return at - at % 5; }

Rows windows_answer(const Data& data, bool distinct) {
  std::map<std::pair<int64_t, int>, std::pair<int64_t, int64_t>> groups;
  std::map<int64_t, bool> seen;
  data.each_event([&](const Event& event) {
    if (distinct && !seen.emplace(event.id, true).second) return;
    auto& group = groups[{window_of(event.at), event.key}];
    ++group.first;
    group.second += event.value;
  });
  Rows rows;
  for (const auto& [key, group] : groups)
    rows[fmt::format("{}|{}|{}|{}", key.first, key.second, group.first, group.second)] = 1;
  return rows;
}

Rows sessions_answer(const Data& data) {
  std::map<int, std::vector<int64_t>> times;
  data.each_event([&](const Event& event) { times[event.key].push_back(event.at); });
  Rows rows;
  for (auto& [key, all] : times) {
    std::sort(all.begin(), all.end());
    for (size_t begin = 0; begin < all.size();) {
      size_t end = begin + 1;
      while (end < all.size() && all[end] <= all[end - 1] + 3)
        ++end;
      ++rows[fmt::format("{}|{}|{}|{}", all[begin], all[end - 1] + 3, key, end - begin)];
      begin = end;
    }
  }
  return rows;
}

Rows distinct_answer(const Data& data) {
  Rows rows;
  data.each_event([&](const Event& event) {
    rows[fmt::format("{}|{}|{}", event.id, event.key, event.value)] = 1;
  });
  return rows;
}

Rows join_answer(const Data& data, bool outer) {
  std::map<int64_t, Mark> marks;
  for (const auto& file : data.marks)
    for (const auto& mark : file)
      marks.emplace(mark.id, mark);
  Rows rows;
  data.each_event([&](const Event& event) {
    const auto mark = marks.find(event.id);
    if (mark != marks.end() && std::abs(mark->second.at - event.at) <= 2)
      ++rows[fmt::format("{}|{}|{}", event.id, event.value, mark->second.weight)];
    else if (outer)
      ++rows[fmt::format("{}|{}|NULL", event.id, event.value)];
  });
  return rows;
}

// e and m are the streams of events and marks under their watermarks, d is e without duplicates.
struct Query {
  const char* name;
  const char* text;
  Rows (*answer)(const Data&);
};
constexpr Query kQueries[] = {
    {"windows",
     "SELECT unix_timestamp(window.start) AS start, k, count(*) AS n, sum(v) AS total FROM e GROUP "
     "BY window(at, '5 seconds'), k",
     [](const Data& data) { return windows_answer(data, false); }},
    {"sessions",
     "SELECT unix_timestamp(session_window.start) AS start, unix_timestamp(session_window.end) AS "
     "stop, k, count(*) AS n FROM e GROUP BY session_window(at, '3 seconds'), k",
     sessions_answer},
    {"distinct", "SELECT id, k, v FROM d", distinct_answer},
    {"distinct, then windows",
     "SELECT unix_timestamp(window.start) AS start, k, count(*) AS n, sum(v) AS total FROM d GROUP "
     "BY window(at, '5 seconds'), k",
     [](const Data& data) { return windows_answer(data, true); }},
    {"inner join",
     "SELECT e.id, v, w FROM e JOIN m ON e.id = m.id AND e.at BETWEEN m.at - INTERVAL 2 SECONDS "
     "AND m.at + INTERVAL 2 SECONDS",
     [](const Data& data) { return join_answer(data, false); }},
    {"left join",
     "SELECT e.id, v, w FROM e LEFT JOIN m ON e.id = m.id AND e.at BETWEEN m.at - INTERVAL 2 "
     "SECONDS AND m.at + INTERVAL 2 SECONDS",
     [](const Data& data) { return join_answer(data, true); }},
};

// Nobody waits for real time: who sleeps finds that it is later.
class HastyClock final : public base::Clock {
 public:
  int64_t now_us() const override { return now_us_; }
  int64_t monotonic_us() const override { return now_us_; }
  bool sleep_until_us(int64_t deadline_us, std::stop_token stop) override {
    int64_t now = now_us_;
    while (now < deadline_us && !now_us_.compare_exchange_weak(now, deadline_us)) {
    }
    return !stop.stop_requested();
  }

 private:
  std::atomic<int64_t> now_us_{1'700'000'000'000'000};
};

struct Setup {
  const Query* query;
  bool rocksdb;
  const char* format;
  int threads;

  std::string name() const {
    return fmt::format("{}, {}, into {}, {} threads", query->name, rocksdb ? "RocksDB" : "memory",
                       format, threads);
  }
};

relational::DuckEngine& engine() {
  static auto* const one = relational::DuckEngine::open({}).value().release();
  return *one;  // its threads end with the process
}

// One machine: its disk, and what a process on it has open.
class Machine {
 public:
  Machine(uint64_t seed, Setup setup) : files(seed), setup_(setup), data_(seed), random_(seed) {
    wanted_ = setup.query->answer(data_);
    write_files();
    if (std::string_view(setup.format) != "delta") return;
    // Checkpoints of the table belong to what may be torn.
    boot();
    const auto made =
        sql(fmt::format("CREATE TABLE delta.`{}` ({}) USING delta TBLPROPERTIES "
                        "('delta.checkpointInterval' = '3')",
                        kTable, columns()));
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    shut_down();
  }
  ~Machine() { shut_down(); }

  // Runs the query until all files are in the table, or it fails; then the process is gone.
  base::Result<void> run_query() {
    boot();
    auto started = start();
    auto ended = started.ok() ? (*started)->wait(std::nullopt, {}) : started.error();
    if (started.ok()) started->reset();
    shut_down();
    if (!ended.ok()) return ended.error();
    return {};
  }

  // Of what has to be there in the end; sentinels are left out.
  base::Result<Rows> table_rows() {
    boot();
    auto rows = sql(fmt::format("SELECT * FROM {}.`{}`", setup_.format, kTable));
    shut_down();
    return rows;
  }
  // A folder without a commit of the file sink is only files to a reader.
  bool readable() {
    const char* log =
        std::string_view(setup_.format) == "delta" ? "_delta_log" : "_spark_metadata/0";
    const auto there = files.exists(io::join_path(kTable, log));
    return there.ok() && *there;
  }
  const Rows& wanted() const { return wanted_; }

  io::ModelFileSystem files;

 private:
  std::string columns() const {
    const std::string_view name = setup_.query->name;
    if (name == "sessions") return "start BIGINT, stop BIGINT, k INT, n BIGINT";
    if (name == "distinct") return "id BIGINT, k INT, v BIGINT";
    if (name.find("join") != std::string_view::npos) return "id BIGINT, v BIGINT, w BIGINT";
    return "start BIGINT, k INT, n BIGINT, total BIGINT";
  }

  void put(const std::string& path, const std::string& text) {
    auto file = files.create(path);
    ASSERT_TRUE(file.ok()) << file.error().to_string();
    ASSERT_TRUE((*file)->append(text).ok() && (*file)->sync().ok());
  }
  void write_files() {
    const auto time = [](int64_t at) { return base::format_utc_ms(at * 1'000'000); };
    ASSERT_TRUE(files.make_dirs("/in/events").ok() && files.make_dirs("/in/marks").ok());
    ASSERT_TRUE(files.make_dirs("/lake").ok());
    for (int file = 0; file < kFiles + 2; ++file) {
      std::string events, marks;
      if (file < kFiles) {
        for (const auto& one : data_.events[static_cast<size_t>(file)])
          events += fmt::format(R"({{"id":{},"k":{},"v":{},"at":"{}"}})"
                                "\n",
                                one.id, one.key, one.value, time(one.at));
        for (const auto& one : data_.marks[static_cast<size_t>(file)])
          marks += fmt::format(R"({{"id":{},"w":{},"at":"{}"}})"
                               "\n",
                               one.id, one.weight, time(one.at));
      } else {
        const int64_t at = kFlushS + 1000 * file;
        events = fmt::format(R"({{"id":{},"k":-1,"v":0,"at":"{}"}})"
                             "\n",
                             -file, time(at));
        marks = fmt::format(R"({{"id":{},"w":0,"at":"{}"}})"
                            "\n",
                            -file - 100, time(at));
      }
      put(fmt::format("/in/events/{:02}.json", file), events);
      put(fmt::format("/in/marks/{:02}.json", file), marks);
    }
    ASSERT_TRUE(files.sync_dir("/in/events").ok() && files.sync_dir("/in/marks").ok());
  }

  void boot() {
    warehouse_ =
        session::Warehouse::open({files, clock_, random_, engine(), setup_.threads}, "/warehouse")
            .value();
    session_ = session::Session::create(warehouse_, "one").value();
    set("spark.sql.session.timeZone", "UTC");
    set("spark.sql.shuffle.partitions", "2");
    set("spark.sql.streaming.minBatchesToRetain", "3");
    set("spark.sql.streaming.stateStore.providerClass",
        fmt::format("org.apache.spark.sql.execution.streaming.state.{}StateStoreProvider",
                    setup_.rocksdb ? "RocksDB" : "HDFSBacked"));
    queries_ = StreamQueries::create({files, clock_, random_}, *session_);
  }
  void set(const std::string& key, const std::string& value) {
    const auto done = session_->set(key, value);
    EXPECT_TRUE(done.ok()) << done.error().to_string();
  }
  void shut_down() {
    queries_.reset();
    session_.reset();
    warehouse_.reset();
  }

  plan::PlanPtr read(const std::string& folder, const std::string& ddl) {
    plan::DataSource source;
    source.format = "json";
    source.schema = columnar::parse_ddl_schema(ddl).value();
    source.paths = {folder};
    source.options = {{"maxFilesPerTrigger", "1"}};
    source.streaming = true;
    return plan::make_plan(plan::WithWatermark{plan::make_plan(std::move(source)), "at",
                                               fmt::format("{} seconds", kDelayS)});
  }
  base::Result<StreamQueryPtr> start() {
    const auto events = read("/in/events", "id BIGINT, k INT, v BIGINT, at TIMESTAMP");
    const std::pair<const char*, plan::PlanPtr> views[] = {
        {"e", events},
        {"m", read("/in/marks", "id BIGINT, w BIGINT, at TIMESTAMP")},
        {"d", plan::make_plan(plan::Deduplicate{events, {"id"}, true})}};
    for (const auto& [name, plan] : views) {
      WEIR_ASSIGN(auto analyzed, session_->analyze(plan));
      session_->put_temp_view(name, std::move(analyzed));
    }
    StreamWrite write;
    WEIR_ASSIGN(write.plan, session_->parse(setup_.query->text));
    write.format = setup_.format;
    write.path = kTable;
    write.trigger = stream::Trigger::available_now();
    write.options["checkpointlocation"] = "/lake/checkpoint";
    return queries_->start(std::move(write));
  }

  base::Result<Rows> sql(const std::string& text) {
    WEIR_ASSIGN(auto result, session_->sql(text, {}));
    Rows rows;
    if (!result.plan) return rows;
    WEIR_ASSIGN(auto stream, session_->run(result.plan));
    auto zone = eval::Zone::find("UTC").value();
    // Columns of files come by name or as the schema says: by name here.
    const auto wanted = columnar::parse_ddl_schema(columns()).value();
    while (true) {
      WEIR_ASSIGN(const auto batch, stream->next({}));
      if (!batch) return rows;
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        std::string line;
        for (const auto& field : wanted.fields()) {
          const int at = batch->schema()->GetFieldIndex(field.name);
          line += line.empty() ? "" : "|";
          if (at < 0 || batch->column(at)->IsNull(row))
            line += "NULL";
          else
            eval::append_text(stream->schema().fields()[static_cast<size_t>(at)].type(),
                              *batch->column(at), row, zone, true, line);
        }
        if (!of_the_end(line)) ++rows[line];
      }
    }
  }
  static bool of_the_end(const std::string& line) {
    const int64_t first = std::strtoll(line.c_str(), nullptr, 10);
    return first < 0 || first >= kFlushS - 5;
  }

  const Setup setup_;
  const Data data_;
  HastyClock clock_;
  base::SeededRandom random_;
  Rows wanted_;
  std::shared_ptr<session::Warehouse> warehouse_;
  std::unique_ptr<session::Session> session_;
  std::unique_ptr<StreamQueries> queries_;
};

std::string different(const Rows& have, const Rows& wanted, bool all) {
  std::string text;
  for (const auto& [row, count] : wanted) {
    const auto found = have.find(row);
    const int times = found == have.end() ? 0 : found->second;
    if (times > count || (all && times < count))
      text += fmt::format("  {} is there {} times, not {}\n", row, times, count);
  }
  for (const auto& [row, count] : have)
    if (!wanted.contains(row)) text += fmt::format("  {} is no row of the answer\n", row);
  return text;
}

void expect_rows(Machine& machine, const std::string& what, bool all) {
  if (!all && !machine.readable()) return;
  auto rows = machine.table_rows();
  // So far only batches without rows, which make no file.
  if (!all && !rows.ok() && rows.error().error_class() == "UNABLE_TO_INFER_SCHEMA") rows = Rows();
  ASSERT_TRUE(rows.ok()) << what << ": " << rows.error().to_string();
  EXPECT_EQ(different(*rows, machine.wanted(), all), "") << what;
}

Setup setup_of(uint64_t seed) {
  const auto queries = std::size(kQueries);
  const uint64_t sink = seed / (2 * queries) % 4;
  return {&kQueries[seed % queries], seed / queries % 2 == 1,
          sink == 0   ? "parquet"
          : sink == 1 ? "json"
                      : "delta",
          static_cast<int>(1 + seed / 3 % 2)};
}

// Calls of an undisturbed run that change something.
int64_t calls_of(const Setup& setup) {
  static std::map<std::string, int64_t> known;
  const auto found = known.find(setup.name());
  if (found != known.end()) return found->second;
  base::set_log_level(base::LogLevel::kOff);  // thousands of expected failures
  Machine machine(0, setup);
  const int64_t before = machine.files.calls();
  const auto ran = machine.run_query();
  EXPECT_TRUE(ran.ok()) << setup.name() << ": " << ran.error().to_string();
  const int64_t calls = machine.files.calls() - before;
  expect_rows(machine, setup.name() + ", undisturbed", true);
  return known[setup.name()] = calls;
}

void run_with_fault(uint64_t seed, io::Fault fault, bool lose_power_after) {
  const Setup setup = setup_of(seed);
  const int64_t calls = calls_of(setup);
  ASSERT_GT(calls, 100) << setup.name();
  base::SeededRandom choice(seed * 7919 + static_cast<uint64_t>(fault));
  Machine machine(seed, setup);
  const std::string what =
      fmt::format("seed {} fault {}: {}", seed, static_cast<int>(fault), setup.name());
  // A second fault often hits the recovery from the first one.
  for (int attempt = 0; attempt < 3; ++attempt) {
    machine.files.inject(static_cast<int64_t>(choice.below(static_cast<uint64_t>(calls))), fault);
    const auto ran = machine.run_query();
    if (lose_power_after || machine.files.power_lost()) machine.files.restart();
    machine.files.free_space();
    machine.files.inject(-1, fault);
    expect_rows(machine, what, false);
    if (ran.ok()) break;
  }
  const auto ran = machine.run_query();
  ASSERT_TRUE(ran.ok()) << what << ": " << ran.error().to_string();
  expect_rows(machine, what, true);
}

TEST(StatefulPowerLossTest, TheAnswerAfterPowerLossAtAnyCall) {
  for (uint64_t seed = 1; seed <= run_count(60) && !testing::Test::HasFailure(); ++seed)
    run_with_fault(seed, io::Fault::kPowerLoss, true);
}

TEST(StatefulPowerLossTest, TheAnswerAfterAFailingCall) {
  for (uint64_t seed = 1; seed <= run_count(60) / 3 && !testing::Test::HasFailure(); ++seed)
    for (const io::Fault fault : {io::Fault::kError, io::Fault::kShortWrite, io::Fault::kNoSpace})
      run_with_fault(seed, fault, seed % 2 == 0);
}

}  // namespace
}  // namespace weir::streaming
