// A session: settings, views, tables of a warehouse folder, and the streaming queries of a program.
//
//   auto session = weir::Session::open({.warehouse = "lake"});
//   if (!session.ok()) …
//   auto query = session->read_stream().format("rate").load()
//                    .select("value % 10 AS key, timestamp")
//                    .write_stream().format("delta").option("checkpointLocation", "lake/cp")
//                    .start("lake/events");
//
// Expressions, conditions and lists are Spark SQL's text. A DataFrame is a plan: nothing runs
// before collect(), start() and their like; these tell of everything that was wrong before. A
// program has one session at a time as a rule: each has memory and threads of its own. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/group_state.h"
#include "weir/result.h"
#include "weir/streaming.h"
#include "weir/value.h"

namespace weir {

class GroupedFrame;

class DataFrame {
 public:
  DataFrame select(std::string_view list) const;      // "a, b + 1 AS c, data.*"
  DataFrame where(std::string_view condition) const;  // "a > 1 AND b IS NOT NULL"
  DataFrame with_watermark(std::string column, std::string delay) const;  // "ts", "10 seconds"
  GroupedFrame group_by(std::string_view keys) const;  // "window(ts, '1 minute'), device"
  // kind: inner, cross, left, right, full, left semi, left anti.
  DataFrame join(const DataFrame& right, std::string_view condition,
                 std::string_view kind = "inner") const;
  DataFrame union_all(const DataFrame& other) const;  // by position
  DataFrame drop_duplicates(std::vector<std::string> columns = {}) const;
  DataFrame drop_duplicates_within_watermark(std::vector<std::string> columns = {}) const;
  DataFrame alias(std::string name) const;

  Result<bool> is_streaming() const;
  Result<std::string> schema() const;  // as DDL: "a BIGINT NOT NULL,b STRING"
  Result<std::string> explain(bool extended = false) const;
  // All rows, of a plan without streams.
  Result<Rows> collect() const;
  // SQL of the session then finds the plan by that name, in the place of one of before.
  Result<void> create_temp_view(std::string_view name) const;

  DataStreamWriter write_stream() const;

  explicit DataFrame(std::shared_ptr<const FrameParts> parts) : parts_(std::move(parts)) {}
  const std::shared_ptr<const FrameParts>& parts() const { return parts_; }

 private:
  std::shared_ptr<const FrameParts> parts_;
};

class GroupedFrame {
 public:
  DataFrame agg(std::string_view list) const;  // "count(*) AS n, avg(x)": after the keys
  // State of one's own by group. map: output mode update.
  DataFrame map_groups_with_state(GroupStateSpec spec, MapGroups function) const;
  DataFrame flat_map_groups_with_state(GroupStateSpec spec, FlatMapGroups function) const;

  GroupedFrame(DataFrame frame, std::string keys)
      : frame_(std::move(frame)), keys_(std::move(keys)) {}

 private:
  DataFrame frame_;
  std::string keys_;
};

// session.read()… and session.read_stream()….
class DataReader {
 public:
  DataReader& format(std::string name);  // kafka, json, csv, parquet, text, delta, rate …
  DataReader& schema(std::string ddl);
  DataReader& option(std::string key, std::string value);
  DataFrame load(std::vector<std::string> paths = {}) const;
  DataFrame table(std::string_view name) const;

  struct Words;
  explicit DataReader(std::shared_ptr<Words> words) : words_(std::move(words)) {}

 private:
  std::shared_ptr<Words> words_;
};

struct SessionOptions {
  std::string warehouse = "spark-warehouse";  // folder of the catalog and of managed tables
  int threads = 0;                            // 0: as many as there are cores
  int64_t memory_mb = 1024;                   // for grouping, sorting and joining
  // Where what outgrows the memory is written; empty: nowhere, it fails. nullopt: `.spill` in the
  // warehouse.
  std::optional<std::string> spill_folder = {};
  // `weir stream list|show|stop` reach the session's queries.
  bool listed = false;
};

// As Spark's StreamingQueryListener hears it; called by threads of the queries, has to be quick.
struct QueryListener {
  std::function<void(const std::string& id, const std::string& run_id, const std::string& name)>
      started = {};
  std::function<void(const std::string& progress_json)> progress = {};
  // error: null where the query was stopped or had nothing more to do.
  std::function<void(const std::string& id, const std::string& run_id, const Error* error)>
      terminated = {};
};

class Session {
 public:
  static Result<Session> open(SessionOptions options = {});

  Result<void> set(const std::string& key, const std::string& value);  // spark.sql.…
  std::optional<std::string> get(const std::string& key) const;

  // One statement. A query's plan; a command (CREATE TABLE, INSERT …) is run at once, and its rows
  // are the frame's.
  Result<DataFrame> sql(std::string_view text);
  DataFrame table(std::string_view name) const;
  DataReader read() const;
  DataReader read_stream() const;

  std::vector<StreamingQuery> active_queries() const;
  std::optional<StreamingQuery> find_query(std::string_view id) const;
  // True once a query has ended since the session began; the error that ended it.
  Result<bool> await_any_termination(
      std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  int64_t add_listener(QueryListener listener);
  void remove_listener(int64_t listener);

  // Stops all queries. Frames and handles of the session are of no use afterwards. As does the end
  // of the last copy of the session and of what came from it.
  void close();

  struct Inner;
  explicit Session(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}

 private:
  std::shared_ptr<Inner> inner_;
};

}  // namespace weir
