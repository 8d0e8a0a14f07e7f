// Merges small data files of a table into larger ones, by a commit that rearranges rows and changes
// none (PROTOCOL.md: dataChange=false).
//
// Readers of a version see the same rows before and after; streams that read the table pass such a
// commit over. The merged files stay on disk for older versions, as tombstones, until they are
// vacuumed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "delta/data_file_writer.h"
#include "delta/table.h"
#include "delta/transaction.h"

namespace weir::delta {

struct CompactionPolicy {
  int64_t files_min = 50;                   // so many small files of a partition are merged
  int64_t target_file_bytes = 128LL << 20;  // files of half of it or more stay as they are
};

struct CompactionFile {
  std::string path;  // as in the log
  int64_t size = 0;
  int64_t order = 0;  // in which they came
};

// Which files to merge next. Files are kept by partition and by size, in levels that are files_min
// times apart; a level that has files_min files is merged, together with all smaller ones. So a row
// is written again once a level (two or three times on its way to the target), and a partition
// keeps at most files_min small files a level. Used by one thread.
class CompactionCandidates {
 public:
  CompactionCandidates() { set_policy({}); }
  void set_policy(const CompactionPolicy& policy);
  // A file of the table; one that is large enough is left aside, as is any where there are too many
  // already (then false).
  bool add(const AddFile& file);
  // Takes out files of one partition that are to become one, in the order in which they came;
  // empty: nothing is due.
  std::vector<CompactionFile> take_due();
  size_t size() const { return count_; }

 private:
  // By level, the first has the smallest files.
  using Partition = std::vector<std::vector<CompactionFile>>;
  size_t level_of(int64_t size) const;

  CompactionPolicy policy_;
  std::vector<int64_t> bounds_;  // a level's files are smaller than its bound; ascending
  std::map<std::string, Partition> partitions_;  // by the texts of their values
  size_t count_ = 0;
  int64_t next_order_ = 0;
};

struct Compacted {
  TableVersion version;
  std::vector<AddFile> added;
  int64_t files_removed = 0;
  int64_t bytes_removed = 0;
};
// Nothing was written: fewer than two of the files are still there as they were.
struct NothingToCompact {};
using CompactionOutcome = std::variant<Compacted, NothingToCompact, Conflict>;

struct CompactionRequest {
  std::vector<std::string> paths;  // of one partition
  DataFileOptions files;
  std::string query_id;  // whose files they are; goes to commitInfo and to a tag of the new files
};

// The tag's key.
inline constexpr const char* kCompactedForTag = "weir.compactedFor";

// Rewrites the files and commits. Files that are gone, or have a deletion vector, are left out;
// another writer that touches one of them before the commit wins (Conflict), and nothing stays
// behind. A crash between leaves files that no log entry names.
Result<CompactionOutcome> compact_files(Table& table, const CompactionRequest& request,
                                        std::stop_token stop);

// The files that streaming query `query_id` has added and that are still there: those of its newest
// `commits_max` commits up to `newest`, and what was compacted for it before. In the order of their
// coming.
Result<FileList> files_of_query(Table& table, const std::string& query_id, TableVersion newest,
                                int64_t commits_max);

}  // namespace weir::delta
