// The topics of a hub and their partitions on disk.
//
//   DIR/topics/<topic>/topic.json            exists exactly where the topic does (written last,
//   atomically) DIR/topics/<topic>/<partition>/…         see partition_log.h and
//   docs/formats/hub-segment.md
//
// open() recovers every partition; one that can't be recovered stays offline with its reason, and
// the others go on. All calls from any thread; a topic, once made, stays until the store is
// destroyed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "base/random.h"
#include "hub/hub_options.h"
#include "hub/partition_log.h"
#include "kafka/error_code.h"

namespace weir::hub {

struct Topic {
  std::string name;
  std::string id;  // a UUID
  TopicConfig config;
  std::vector<std::unique_ptr<PartitionLog>> partitions;
};

class TopicStore {
 public:
  TopicStore(io::FileSystem& files, base::Clock& clock, base::Random& random, Flusher& flusher,
             HubMetrics* metrics, const HubOptions& options);

  base::Result<void> open();
  base::Result<void> close();

  struct Outcome {
    kafka::ErrorCode error = kafka::ErrorCode::kNone;
    std::string message;
  };
  // Whether the topic could be made (name free and legal, within the limits).
  Outcome check(const TopicSpec& spec) const;
  Outcome create(const TopicSpec& spec);

  std::shared_ptr<Topic> find(const std::string& name) const;  // nullptr where there is none
  PartitionLog* partition(const std::string& topic,
                          int32_t index) const;      // lives as long as the store
  std::vector<std::shared_ptr<Topic>> list() const;  // by name
  std::vector<PartitionLog*> all_partitions() const;

 private:
  std::string folder(const std::string& topic) const;
  base::Result<std::shared_ptr<Topic>> open_topic(const std::string& name);
  base::Result<void> make_files(const TopicSpec& spec, const std::string& id);
  void make_logs(Topic& topic, int32_t partitions);
  Outcome check_locked(const TopicSpec& spec) const;

  io::FileSystem& files_;
  base::Clock& clock_;
  base::Random& random_;
  Flusher& flusher_;
  HubMetrics* metrics_;
  const HubOptions& options_;
  std::mutex
      create_mutex_;  // one creation at a time, without keeping readers out during its file work
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<Topic>, std::less<>> topics_;
  int32_t partition_count_ = 0;
};

}  // namespace weir::hub
