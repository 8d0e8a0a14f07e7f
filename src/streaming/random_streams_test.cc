// Random streams through random queries, with restarts and power going at random points. What comes
// out equals, where no row is late, the same query over a table of all rows; else a model that goes
// row by row. WEIR_SOAK=N: so many seeds.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "streaming/case_world.h"

namespace weir::streaming {
namespace {

constexpr int64_t kFlushKey = 999;
constexpr int64_t kFlushTime = 1'000'000;

uint64_t seeds(uint64_t usual) {
  const char* soak = std::getenv("WEIR_SOAK");
  return soak ? std::max<uint64_t>(usual, std::strtoull(soak, nullptr, 10)) : usual;
}

struct Row {
  int64_t key, time, value;
  std::string text() const { return fmt::format("({}, {}, {})", key, time, value); }
};

std::string text_of(const std::vector<Row>& rows) {
  std::string text;
  for (const auto& row : rows)
    text += (text.empty() ? "" : ", ") + row.text();
  return text;
}

CaseOptions random_options(uint64_t seed, base::Random& random) {
  CaseOptions options;
  options.provider = random.below(6) == 0 ? "rocksdb" : "memory";
  options.threads = static_cast<int>(1 + random.below(3));
  options.shards = 1 << random.below(4);
  options.seed = seed;
  return options;
}

// Steps of a case, run and told at once.
class Script {
 public:
  Script(uint64_t seed, base::Random& random)
      : random_(random), world_(random_options(seed, random)) {}

  void step(const std::string& verb, const std::string& rest) {
    if (failed_) return;
    story_ += verb + " " + rest + "\n";
    const auto done = world_.step({verb, rest, 0});
    if (done.ok()) return;
    failed_ = true;
    ADD_FAILURE() << done.error().to_string() << "\nafter:\n" << story_;
  }
  // Perhaps a restart, perhaps a crash in the batch that follows.
  void trouble() {
    if (random_.below(5) == 0) step("restart", "");
    if (random_.below(4) == 0)
      step("crash", std::string(kCrashPoints[random_.below(std::size(kCrashPoints))]));
  }
  std::vector<std::string> fresh() {
    step("process", "");
    if (failed_) return {};
    auto rows = world_.rows_since_check().value();
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  std::vector<std::string> table(const std::string& sql) {
    auto rows = world_.table_rows(sql);
    if (rows.ok()) return *rows;
    failed_ = true;
    ADD_FAILURE() << rows.error().to_string();
    return {};
  }
  bool failed() const { return failed_; }
  const std::string& story() const { return story_; }

 private:
  base::Random& random_;
  CaseWorld world_;
  std::string story_;
  bool failed_ = false;
};

// {0} and {1} are the streams with a watermark, or tables of the same rows.
struct Query {
  const char* name;
  const char* mode;
  int streams;
  const char* text;
  const char* dedup = nullptr;  // columns: {0} has its duplicates dropped first
};

constexpr Query kQueries[] = {
    {"windows", "append", 1,
     "SELECT window.start, k, count(*), sum(v), max(v) FROM {0} GROUP BY window(ts, '5 seconds'), "
     "k"},
    {"sliding windows", "append", 1,
     "SELECT window.start, k, count(*), min(v) FROM {0} GROUP BY window(ts, '6 seconds', '2 "
     "seconds'), k"},
    {"sessions", "append", 1,
     "SELECT session_window.start, session_window.end, k, count(*), sum(v) FROM {0} GROUP BY "
     "session_window(ts, '3 seconds'), k"},
    {"sessions by a gap of each row", "append", 1,
     "SELECT session_window.start, session_window.end, k, count(*) FROM {0} GROUP BY "
     "session_window(ts, concat(v % 4, ' seconds')), k"},
    // Rows that are filtered out do not move the watermark on; the last one is not.
    {"event times", "append", 1,
     "SELECT ts, k, sum(v) FROM {0} WHERE v > 2 OR k > 900 GROUP BY ts, k"},
    {"duplicates", "append", 1, "SELECT k, ts FROM {0}", "(k, ts)"},
    {"duplicates, then windows", "append", 1,
     "SELECT window.start, k, count(*) FROM {0} GROUP BY window(ts, '5 seconds'), k", "(k, ts)"},
    {"windows of windows", "append", 1,
     "SELECT window.start, k, sum(n) FROM (SELECT window AS w, k, count(*) AS n FROM {0} GROUP BY "
     "window(ts, '5 seconds'), k) GROUP BY window(w, '10 seconds'), k"},
    {"inner join", "append", 2,
     "SELECT a.k, a.ts, a.v, b.ts, b.v FROM {0} AS a JOIN {1} AS b ON a.k = b.k AND a.ts BETWEEN "
     "b.ts - INTERVAL 3 SECONDS AND b.ts + INTERVAL 2 SECONDS"},
    {"left join", "append", 2,
     "SELECT a.k, a.ts, a.v, b.ts, b.v FROM {0} AS a LEFT JOIN {1} AS b ON a.k = b.k AND a.ts "
     "BETWEEN b.ts - INTERVAL 3 SECONDS AND b.ts + INTERVAL 2 SECONDS AND a.v <> b.v"},
    {"right join", "append", 2,
     "SELECT b.k, a.ts, a.v, b.ts, b.v FROM {0} AS a RIGHT JOIN {1} AS b ON a.k = b.k AND a.ts = "
     "b.ts"},
    {"full join", "append", 2,
     "SELECT coalesce(a.k, b.k), a.ts, a.v, b.ts, b.v FROM {0} AS a FULL JOIN {1} AS b ON a.k = "
     "b.k AND a.ts BETWEEN b.ts - INTERVAL 3 SECONDS AND b.ts + INTERVAL 2 SECONDS"},
    {"semi join", "append", 2,
     "SELECT a.k, a.ts, a.v FROM {0} AS a LEFT SEMI JOIN {1} AS b ON a.k = b.k AND a.ts BETWEEN "
     "b.ts - INTERVAL 3 SECONDS AND b.ts + INTERVAL 2 SECONDS"},
    {"join, then windows", "append", 2,
     "SELECT window.start, k, count(*) FROM (SELECT a.k, a.ts FROM {0} AS a JOIN {1} AS b ON a.k = "
     "b.k AND a.ts = b.ts) GROUP BY window(ts, '5 seconds'), k"},
    {"counts", "complete", 1, "SELECT k, count(*), sum(v), min(ts) FROM {0} GROUP BY k"},
    {"sessions", "complete", 1,
     "SELECT session_window.start, session_window.end, k, sum(v) FROM {0} GROUP BY "
     "session_window(ts, '3 seconds'), k"},
    {"union", "complete", 2,
     "SELECT k, count(*) FROM (SELECT k FROM {0} UNION ALL SELECT k FROM {1}) GROUP BY k"},
};

std::string drop_flush(std::vector<std::string> rows) {
  std::erase_if(rows, [](const std::string& row) {
    return ("," + row + ",").find(",999,") != std::string::npos ||
           ("," + row + ",").find(",998,") != std::string::npos;
  });
  std::sort(rows.begin(), rows.end());
  std::string text;
  for (const auto& row : rows)
    text += row + "\n";
  return text;
}

void run_without_late_rows(uint64_t seed) {
  base::SeededRandom random(seed);
  const Query& query = kQueries[seed % std::size(kQueries)];
  SCOPED_TRACE(fmt::format("{}, {}, seed {}", query.name, query.mode, seed));
  Script script(seed, random);
  const int64_t delay = static_cast<int64_t>(random.below(12));
  std::vector<Row> all[2];
  const std::string dedup = query.dedup ? query.dedup : "";
  for (int i = 0; i < query.streams; ++i) {
    script.step("stream", fmt::format("s{}(k int, ts timestamp, v int)", i));
    script.step("view", fmt::format("w{0} = watermark s{0} ts {1} seconds", i, delay));
    if (query.dedup) script.step("view", fmt::format("d{0} = deduplicate w{0} {1}", i, dedup));
  }
  const char* prefix = query.dedup ? "d" : "w";
  script.step("mode", query.mode);
  script.step("query", fmt::format(fmt::runtime(query.text), fmt::format("{}0", prefix),
                                   fmt::format("{}1", prefix)));
  if (random.below(3) == 0) script.step("limit", "1");
  int64_t now = 10;
  std::vector<std::string> given;
  const auto take = [&] {
    auto rows = script.fresh();
    if (std::string_view(query.mode) == "complete") given.clear();
    given.insert(given.end(), rows.begin(), rows.end());
  };
  const auto batches = 2 + random.below(6);
  for (uint64_t batch = 0; batch < batches && !script.failed(); ++batch) {
    const int64_t floor = now - delay;
    for (int i = 0; i < query.streams; ++i) {
      std::vector<Row> rows;
      const auto count = random.below(6);
      for (uint64_t n = 0; n < count; ++n) {
        const int64_t span = delay + 1 + static_cast<int64_t>(random.below(8));
        rows.push_back({static_cast<int64_t>(random.below(3)),
                        std::max<int64_t>(1, floor + 1) +
                            static_cast<int64_t>(random.below(static_cast<uint64_t>(span))),
                        static_cast<int64_t>(random.below(9))});
        now = std::max(now, rows.back().time);
      }
      if (rows.empty()) continue;
      all[i].insert(all[i].end(), rows.begin(), rows.end());
      script.step("add", fmt::format("s{} {}", i, text_of(rows)));
    }
    script.trouble();
    if (random.below(3) > 0) take();
  }
  for (int i = 0; i < query.streams; ++i)
    script.step("add", fmt::format("s{} ({}, {}, 1)", i, kFlushKey - i, kFlushTime));
  take();
  for (int i = 0; i < query.streams; ++i)  // the watermark of the rows before
    script.step("add", fmt::format("s{} ({}, {}, 1)", i, kFlushKey - i, kFlushTime + 1));
  take();
  if (script.failed()) return;
  std::string sources[2];
  for (int i = 0; i < query.streams; ++i) {
    sources[i] = fmt::format(
        "(SELECT {}CAST(col1 AS INT) AS k, CAST(col2 AS TIMESTAMP) AS ts, {} FROM VALUES {})",
        query.dedup ? "DISTINCT " : "", query.dedup ? "0 AS v" : "CAST(col3 AS INT) AS v",
        all[i].empty() ? "(null, null, null)" : text_of(all[i]));
  }
  std::string sql = fmt::format(fmt::runtime(query.text), sources[0], sources[1]);
  for (int i = 0; i < query.streams; ++i) {
    if (all[i].empty()) return;
  }
  EXPECT_EQ(drop_flush(given), drop_flush(script.table(sql))) << "after:\n" << script.story();
}

TEST(RandomStreams, EqualTheSameQueryOverATable) {
  for (uint64_t seed = 1; seed <= seeds(170) && !::testing::Test::HasFailure(); ++seed)
    run_without_late_rows(seed);
}

// As Spark's documentation of session_window shows it.
TEST(SessionsOverTables, ByKeysByAllRowsAndByAGapOfEachRow) {
  CaseWorld world({});
  const std::string rows =
      "VALUES ('A1', '1970-01-01 00:00:00'), ('A1', '1970-01-01 00:04:30'), ('A1', '1970-01-01 "
      "00:10:00'), ('A2', '1970-01-01 00:01:00'), ('A2', NULL) AS tab(a, b)";
  const auto of = [&](const std::string& sql) {
    auto made = world.table_rows(fmt::format(fmt::runtime(sql), rows));
    return made.ok() ? *made : std::vector<std::string>{made.error().to_string()};
  };
  using Rows = std::vector<std::string>;
  EXPECT_EQ(of("SELECT a, session_window.start, session_window.end, count(*) FROM {} GROUP BY a, "
               "session_window(b, '5 minutes')"),
            (Rows{"A1,0,570,2", "A1,600,900,1", "A2,60,360,1"}));
  EXPECT_EQ(of("SELECT session_window, count(*) FROM {} GROUP BY session_window(b, '5 minutes')"),
            (Rows{"{0,570},3", "{600,900},1"}));
  EXPECT_EQ(of("SELECT a, session_window.end, count(*) FROM {} GROUP BY a, session_window(b, CASE "
               "WHEN a = 'A1' THEN '10 minutes' ELSE '1 minute' END) HAVING count(*) > 0"),
            (Rows{"A1,1200,3", "A2,120,1"}));
}

// --- rows that may be late: models, row by row. A batch's late rows are those up to the watermark
// that the batches before left; after it the watermark moves, and what is up to it leaves.

class Model {
 public:
  virtual ~Model() = default;
  virtual const char* query() const = 0;
  virtual std::string view() const { return ""; }
  virtual const char* mode() const { return "append"; }
  virtual void add(const Row& row, int64_t watermark, std::vector<std::string>& out) = 0;
  virtual void end_of_batch(std::vector<std::string>&) {}
  virtual void leave(int64_t watermark, std::vector<std::string>& out) = 0;
};

class WindowModel : public Model {
 public:
  const char* query() const override {
    return "SELECT window.start, k, count(*), sum(v) FROM w GROUP BY window(ts, '5 seconds'), k";
  }
  void add(const Row& row, int64_t watermark, std::vector<std::string>&) override {
    const int64_t start = row.time - ((row.time % 5) + 5) % 5;
    if (start + 5 <= watermark) return;
    auto& group = groups_[{start, row.key}];
    ++group.first;
    group.second += row.value;
    changed_.insert({start, row.key});
  }
  void leave(int64_t watermark, std::vector<std::string>& out) override {
    for (auto one = groups_.begin(); one != groups_.end();) {
      if (one->first.first + 5 > watermark) {
        ++one;
        continue;
      }
      if (std::string_view(mode()) == "append") out.push_back(text(one->first));
      one = groups_.erase(one);
    }
  }

 protected:
  using Group = std::pair<int64_t, int64_t>;
  std::string text(const Group& group) {
    const auto& [count, sum] = groups_[group];
    return fmt::format("{},{},{},{}", group.first, group.second, count, sum);
  }
  std::map<Group, std::pair<int64_t, int64_t>> groups_;
  std::set<Group> changed_;
};

class UpdatedWindowModel final : public WindowModel {
 public:
  const char* mode() const override { return "update"; }
  void end_of_batch(std::vector<std::string>& out) override {
    for (const auto& group : changed_)
      out.push_back(text(group));
    changed_.clear();
  }
};

class SessionModel final : public Model {
 public:
  const char* query() const override {
    return "SELECT session_window.start, session_window.end, k, count(*) FROM w GROUP BY "
           "session_window(ts, '3 seconds'), k";
  }
  void add(const Row& row, int64_t watermark, std::vector<std::string>&) override {
    Session one{row.time, row.time + 3, 1};
    if (one.end <= watermark) return;
    auto& sessions = sessions_[row.key];
    for (auto other = sessions.begin(); other != sessions.end();) {
      if (other->start > one.end || other->end < one.start) {
        ++other;
        continue;
      }
      one = {std::min(one.start, other->start), std::max(one.end, other->end),
             one.count + other->count};
      other = sessions.erase(other);
    }
    sessions.push_back(one);
  }
  void leave(int64_t watermark, std::vector<std::string>& out) override {
    for (auto& [key, sessions] : sessions_) {
      for (const auto& one : sessions)
        if (one.end <= watermark)
          out.push_back(fmt::format("{},{},{},{}", one.start, one.end, key, one.count));
      std::erase_if(sessions, [&](const Session& one) { return one.end <= watermark; });
    }
  }

 private:
  struct Session {
    int64_t start, end, count;
  };
  std::map<int64_t, std::vector<Session>> sessions_;
};

class DuplicateModel final : public Model {
 public:
  const char* query() const override { return "SELECT k, ts FROM d"; }
  std::string view() const override { return "d = deduplicate w (k, ts)"; }
  void add(const Row& row, int64_t watermark, std::vector<std::string>& out) override {
    if (row.time <= watermark || !seen_.insert({row.time, row.key}).second) return;
    out.push_back(fmt::format("{},{}", row.key, row.time));
  }
  void leave(int64_t watermark, std::vector<std::string>&) override {
    std::erase_if(seen_, [&](const auto& one) { return one.first <= watermark; });
  }

 private:
  std::set<std::pair<int64_t, int64_t>> seen_;
};

class WithinModel final : public Model {
 public:
  explicit WithinModel(int64_t delay) : delay_(delay) {}
  const char* query() const override { return "SELECT k, ts, v FROM d"; }
  std::string view() const override { return "d = deduplicate_within w (k)"; }
  void add(const Row& row, int64_t watermark, std::vector<std::string>& out) override {
    if (row.time <= watermark || !until_.emplace(row.key, row.time + delay_).second) return;
    out.push_back(fmt::format("{},{},{}", row.key, row.time, row.value));
  }
  void leave(int64_t watermark, std::vector<std::string>&) override {
    std::erase_if(until_, [&](const auto& one) { return one.second <= watermark; });
  }

 private:
  int64_t delay_;
  std::map<int64_t, int64_t> until_;
};

void run_with_late_rows(uint64_t seed) {
  base::SeededRandom random(seed);
  const auto delay = static_cast<int64_t>(random.below(8));
  std::unique_ptr<Model> model;
  switch (seed % 5) {
    case 0:
      model = std::make_unique<WindowModel>();
      break;
    case 1:
      model = std::make_unique<UpdatedWindowModel>();
      break;
    case 2:
      model = std::make_unique<SessionModel>();
      break;
    case 3:
      model = std::make_unique<DuplicateModel>();
      break;
    default:
      model = std::make_unique<WithinModel>(delay);
  }
  SCOPED_TRACE(fmt::format("{}, seed {}", model->query(), seed));
  Script script(seed, random);
  script.step("stream", "s(k int, ts timestamp, v int)");
  script.step("view", fmt::format("w = watermark s ts {} seconds", delay));
  if (!model->view().empty()) script.step("view", model->view());
  script.step("mode", model->mode());
  script.step("query", model->query());
  int64_t watermark = 0, newest = 0;
  const auto batches = 3 + random.below(8);
  for (uint64_t batch = 0; batch < batches && !script.failed(); ++batch) {
    std::vector<Row> rows;
    const auto count = 1 + random.below(6);
    const int64_t base = newest + static_cast<int64_t>(random.below(6));
    for (uint64_t n = 0; n < count; ++n) {
      const auto back = static_cast<int64_t>(random.below(14));
      rows.push_back({static_cast<int64_t>(random.below(3)), std::max<int64_t>(1, base - back),
                      static_cast<int64_t>(random.below(9))});
    }
    script.step("add", "s " + text_of(rows));
    script.trouble();
    std::vector<std::string> wanted;
    for (const auto& row : rows) {
      model->add(row, watermark, wanted);
      newest = std::max(newest, row.time);
    }
    model->end_of_batch(wanted);
    watermark = std::max(watermark, newest - delay);
    model->leave(watermark, wanted);
    std::sort(wanted.begin(), wanted.end());
    const auto given = script.fresh();
    if (script.failed()) return;
    ASSERT_EQ(given, wanted) << "after:\n" << script.story();
  }
}

TEST(RandomStreams, WithLateRowsEqualAModelRowByRow) {
  for (uint64_t seed = 1; seed <= seeds(200) && !::testing::Test::HasFailure(); ++seed)
    run_with_late_rows(seed);
}

}  // namespace
}  // namespace weir::streaming
