// A partition's piece of log in the answer to a fetch, as the broker has stored it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kafka/fetcher.h"
#include "kafka/messages_data.h"

namespace weir::kafka {

using AbortedTransactions = std::vector<FetchResponse::AbortedTransaction>;

// Adds the batches of `records` from `next_offset` up to `end` to the piece, and moves
// `next_offset` behind them; true where the end is reached. Whole batches only: the broker may cut
// the last one off, which comes again with the next fetch. Control batches stay out, and those of
// the transactions `rolled_back`, which the broker names where only committed records are asked
// for.
base::Result<bool> take_batches(std::string_view records, const std::optional<int64_t>& end,
                                int64_t& next_offset,
                                const std::optional<AbortedTransactions>& rolled_back,
                                FetchedBatches& piece);

}  // namespace weir::kafka
