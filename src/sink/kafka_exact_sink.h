// The Kafka sink with exactlyOnce: a batch is one transaction, which also commits who has written
// which batch, so that readers with isolation.level=read_committed see each batch once.
//
// The transactional id and the consumer group of the marks are both "weir-<query id>". A mark is an
// offset that the group commits for partition 0 of a topic of the batch: the number of batches
// done, with {"queryId", "batchId", "runId", "host", "process"} as its metadata. It is committed by
// the transaction that holds the batch's records, so that there are both or neither.
//
// A session begins at the start and after each failure: it takes the transactional id over (whoever
// had it is refused from then on, and what it left open is rolled back), reads the newest mark and
// writes it anew under its own name. A batch that a mark covers is skipped. What can happen:
//   dies before the transaction's end   the next session rolls it back, the batch runs again
//   dies after it, before the commit    the mark covers the batch: skipped
//   no answer to the transaction's end  a new session finds out by the mark
//   two processes of one query          the later one has the id; the earlier one is refused with
//                                       its next batch and names the other by the mark
//   slower than transaction.timeout.ms  the coordinator rolls back; the batch is tried again
// A batch without rows makes no transaction and leaves no mark.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/random.h"
#include "sink/kafka_sink_rows.h"
#include "sink/sink.h"

namespace weir::sink {

// prepare() asks the brokers: kUnsupported where they have no transactions.
std::unique_ptr<Sink> make_exact_kafka_sink(base::Clock& clock, base::Random& random,
                                            KafkaSinkOptions options);

}  // namespace weir::sink
