// What the logs of a checkpoint have in common that keep one entry a batch: offsets/ and commits/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "source/metadata_log.h"

namespace weir::stream {

using base::BatchId;
using base::Result;

// kConflict where the entry exists.
inline Result<void> add_entry(source::MetadataLog& log, BatchId batch, std::string_view text) {
  WEIR_ASSIGN(const auto outcome, log.add(batch.value(), text));
  if (outcome == io::CreateOutcome::kCreated) return {};
  return base::error(base::ErrorKind::kConflict,
                     "{} exists already: another query uses this checkpoint. Stop one of the two, "
                     "or give each a checkpoint of its own",
                     log.path_of(batch.value()));
}

// parse(text, path) of the entry, where there is one.
template <typename Entry>
Result<std::optional<Entry>> get_entry(source::MetadataLog& log, BatchId batch,
                                       Result<Entry> (*parse)(std::string_view, std::string_view)) {
  WEIR_ASSIGN(const auto text, log.get(batch.value()));
  if (!text) return std::optional<Entry>();
  WEIR_ASSIGN(Entry entry, parse(*text, log.path_of(batch.value())));
  return std::optional<Entry>(std::move(entry));
}

inline Result<std::optional<BatchId>> latest_entry(source::MetadataLog& log) {
  WEIR_ASSIGN(const auto id, log.latest());
  return id ? std::optional<BatchId>(BatchId(*id)) : std::optional<BatchId>();
}

}  // namespace weir::stream
