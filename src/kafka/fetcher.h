// The Fetcher behind Client::fetch: one thread that keeps one fetch request under way at each
// leader.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "kafka/client.h"
#include "kafka/connection.h"

namespace weir::kafka {

std::unique_ptr<Fetcher> make_fetcher(ConnectionSettings settings, ClientOptions options,
                                      std::vector<FetchRange> ranges, base::Clock& clock,
                                      base::Random& random);

}  // namespace weir::kafka
