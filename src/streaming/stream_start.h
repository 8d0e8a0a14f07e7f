// What a StreamWrite means: the analysed plan, the sink, the checkpoint folder, the settings. One
// file a part; stream_queries.cc starts the query.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "operators/operator_factory.h"
#include "plan/streaming_check.h"
#include "streaming/stream_queries.h"

namespace weir::streaming {

// --- stream_conf.cc: the session's settings that a query keeps for its life

struct QueryConf {
  std::map<std::string, std::string> pinned;  // goes to the conf of the offset log
  // Other values of some of them, with which the batch that has to run again was planned.
  std::map<std::string, std::string> replayed;
  std::string provider = "memory";  // of the state
  int shards = 0;                   // of a state that begins; 0: the default
  int64_t rocksdb_memory_mb = 500;  // caches and buffers of the query's stores
  stream::WatermarkPolicy policy = stream::WatermarkPolicy::kMin;
  bool batches_without_rows = true;
  size_t progress_kept = 100;
  int64_t batches_retained = 100;
  int64_t poll_interval_us = 10'000;
  int64_t stop_timeout_ms = 0;
};
// What the checkpoint's newest offsets say comes before the session's word.
Result<QueryConf> query_conf(const session::Session& session, io::FileSystem& files,
                             const std::string& checkpoint);

// --- stream_checkpoint.cc

struct Checkpoint {
  std::string folder;
  bool temporary = false;  // removed when the query ends
};
// option checkpointLocation, else spark.sql.streaming.checkpointLocation/<name or an id>, else a
// temporary folder where the sink allows it.
Result<Checkpoint> find_checkpoint(const session::Session& session, const StreamWrite& write,
                                   const std::string& format, base::Random& random);
// The query that a checkpoint belongs to; empty where there is none yet.
std::string checkpoint_id(io::FileSystem& files, const std::string& folder);
// Spark's refusal of a sink that cannot go on from a checkpoint.
Result<void> refuse_recovery(io::FileSystem& files, const Checkpoint& checkpoint);

// --- stream_sink.cc

struct StreamSink {
  std::unique_ptr<sink::Sink> sink;
  plan::OperatorPtr view;  // of the memory sink: what the name of the query stands for
};
// "foreach_batch", "foreach", "memory", "console", "noop", "delta" …: lower case.
std::string sink_format(const session::Session& session, const StreamWrite& write);
// Options that are known and fit together; nothing is made yet.
Result<void> check_sink(const StreamWrite& write, const std::string& format, plan::StreamMode mode);
// toTable's table is made where it is absent.
Result<StreamSink> make_sink(session::Session& session, const StreamWrite& write,
                             const std::string& format, plan::StreamMode mode,
                             const plan::OperatorPtr& root, std::stop_token stop);

// --- stream_parts.cc

operators::OutputMode output_mode(plan::StreamMode mode);

struct PlannedStream {
  plan::OperatorPtr analyzed;
  plan::OperatorPtr optimized;
};
Result<PlannedStream> plan_stream(session::Session& session, const plan::PlanPtr& plan,
                                  plan::StreamMode mode);
// The plan ready to run, and its sources. `settings` come before the session's.
Result<stream::QueryParts> make_parts(session::Session& session, io::FileSystem& files,
                                      const StreamWrite& write, const plan::OperatorPtr& root,
                                      plan::StreamMode mode, const QueryConf& conf,
                                      const std::string& checkpoint, int threads,
                                      const std::map<std::string, std::string>& settings);

base::Error unsupported_in_stream(std::string_view what);

}  // namespace weir::streaming
