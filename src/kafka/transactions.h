// What the cluster keeps of a transactional id and of a group: whose it is, what belongs to the
// transaction under way, its end, and offsets committed with it.
//
// A transactional id belongs to the last one who took it over: whoever had it before is refused
// from then on, and what it left open is rolled back. Calls wait and ask again, up to max.block.ms,
// where that may help. kConflict and retryable: the transaction was ended by others, who may be
// another owner or the coordinator after transaction.timeout.ms; nothing of it will be seen.
// Speaks the protocol of Kafka 2.5 and later. From any thread, one call at a time inside.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/result.h"
#include "kafka/client_options.h"
#include "kafka/cluster.h"

namespace weir::kafka {

struct ProducerIdentity {
  int64_t id = -1;
  int16_t epoch = -1;
};

// An offset committed by a group, and the text that goes with it.
struct GroupOffset {
  base::TopicPartition partition;
  int64_t offset = 0;
  std::string metadata;
};

// True where the code says that the transaction is over, and not by its owner's word.
bool ends_transaction(ErrorCode code);
base::Error transaction_ended(ErrorCode code, std::string_view what);

class Transactions {
 public:
  // Doesn't connect yet.
  static base::Result<std::shared_ptr<Transactions>> open(const ProducerOptions& options,
                                                          std::string transactional_id,
                                                          int32_t timeout_ms, base::Clock& clock,
                                                          base::Random& random);
  Transactions(ConnectionSettings settings, const ProducerOptions& options,
               std::string transactional_id, int32_t timeout_ms, base::Clock& clock,
               base::Random& random);

  const std::string& transactional_id() const { return transactional_id_; }
  // kUnsupported where the brokers have no transactions. Where none answers at all that is known
  // after ten seconds, unless max.block.ms says something of its own.
  base::Result<ProducerIdentity> take_over();
  base::Result<void> add_partitions(const ProducerIdentity& producer,
                                    const std::vector<base::TopicPartition>& partitions);
  // The transaction also commits these offsets.
  base::Result<void> add_offsets(const ProducerIdentity& producer, const std::string& group,
                                 const std::vector<GroupOffset>& offsets);
  // An error leaves it open whether the transaction is committed, unless it is kConflict.
  base::Result<void> commit(const ProducerIdentity& producer);
  // All offsets of the group. `stable`: after the end of transactions that are about to end.
  base::Result<std::vector<GroupOffset>> offsets(const std::string& group, bool stable);

  // Ends what waits for a broker, with kCancelled, and every later call but roll_back().
  void stop();
  // Has what is open rolled back by taking over, without waiting for long, also after stop(). Not
  // where the group's offsets say that the id is somebody else's by now.
  void roll_back(const std::string& group,
                 const std::function<bool(const std::vector<GroupOffset>&)>& ours);

 private:
  enum class Keeper : int8_t { kGroup = 0, kTransaction = 1 };

  base::Result<void> check_supported();
  base::Result<int32_t> find_keeper(Cluster& cluster, Keeper keeper, const std::string& key);
  base::Result<void> pause(int failures, ErrorCode code, int64_t deadline_us,
                           const base::Error& why);
  template <typename Response, typename Request, typename CodeOf>
  base::Result<Response> ask(Keeper keeper, const std::string& key, const Request& request,
                             const std::string& what, CodeOf code_of);

  ConnectionSettings settings_;
  const std::string transactional_id_;
  const int32_t timeout_ms_;
  const int max_block_ms_;
  base::Clock& clock_;
  base::Random& random_;
  std::stop_source stop_;
  std::mutex mutex_;
  Cluster cluster_;
  std::map<std::pair<Keeper, std::string>, int32_t> keepers_;
};

}  // namespace weir::kafka
