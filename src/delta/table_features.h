// Which tables we may read and write (PROTOCOL.md, "Table Features" and "Requirements for
// Writers").
//
// A feature that a table lists and we lack is refused by name before anything is read or written.
// Older writer versions imply features; those count only where the table uses them.
#pragma once

#include <string>

#include "delta/actions.h"
#include "delta/snapshot.h"

namespace weir::delta {

enum class ColumnMappingMode { kNone, kName, kId };

// kUnsupported, naming table and feature.
Result<void> check_readable(const std::string& table_path, const Protocol& protocol,
                            const Metadata& metadata);
Result<void> check_writable(const std::string& table_path, const Protocol& protocol,
                            const Metadata& metadata, const Schema& schema);

// kNone where the protocol doesn't allow column mapping.
ColumnMappingMode column_mapping_mode(const Protocol& protocol, const Metadata& metadata);
// delta.appendOnly is set: rows may not be removed.
bool is_append_only(const Metadata& metadata);
// A boolean table property ("true" in any case).
bool property_is_true(const Metadata& metadata, const std::string& key);

}  // namespace weir::delta
