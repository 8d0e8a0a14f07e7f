// Entries of the durable catalog as JSON text (docs/formats/catalog.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "session/warehouse.h"

namespace weir::session {

std::string database_json(const DatabaseEntry& entry);
Result<DatabaseEntry> parse_database_json(std::string_view text, std::string_view what);
std::string table_json(const TableEntry& entry);
Result<TableEntry> parse_table_json(std::string_view text, std::string_view what);

// A change of several files, to be carried out whole: written before its first step, removed after
// its last. Doing it twice does no harm.
struct ChangeNote {
  struct Put {
    std::string path;
    std::string bytes;
  };
  std::vector<Put> puts;
  std::vector<std::string> files;    // to be removed
  std::vector<std::string> folders;  // to be removed with what is in them
};
std::string change_note_json(const ChangeNote& note);
Result<ChangeNote> parse_change_note_json(std::string_view text, std::string_view what);

}  // namespace weir::session
