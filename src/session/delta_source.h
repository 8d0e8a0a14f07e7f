// A Delta table at one version as a table that queries read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "delta/snapshot.h"
#include "plan/metadata_column.h"
#include "relational/scan_source.h"
#include "session/warehouse.h"

namespace weir::session {

class DeltaSource final : public relational::ScanSource, public plan::FileBacked {
 public:
  // pinned: a version that was asked for, not just the newest.
  DeltaSource(Services services, std::shared_ptr<const delta::TableSnapshot> snapshot, bool pinned)
      : services_(services), snapshot_(std::move(snapshot)), pinned_(pinned) {}

  const Schema& schema() const override { return shown_ ? *shown_ : snapshot_->schema(); }
  plan::TablePtr with_metadata() const override;
  std::string_view provider() const override { return "delta"; }
  std::string description() const override;
  Result<std::vector<std::unique_ptr<relational::BatchStream>>> scan(
      const std::vector<int>& columns, const plan::TypedPtr& condition, int streams) const override;
  std::string state() const override;
  std::optional<relational::ChosenFiles> chosen_files(
      const std::vector<int>& columns, const plan::TypedPtr& condition) const override;
  std::optional<int64_t> rows_estimate() const override;
  std::optional<relational::PlainParquet> plain_parquet(
      const std::vector<int>& columns, const plan::TypedPtr& condition) const override;

  const delta::TableSnapshot& snapshot() const { return *snapshot_; }
  bool pinned() const { return pinned_; }
  // What SHOW TBLPROPERTIES tells of the table itself: its configuration, its protocol's versions.
  void add_properties(std::map<std::string, std::string>& properties) const;
  bool shows_metadata() const { return shown_.has_value(); }

 private:
  Services services_;
  std::shared_ptr<const delta::TableSnapshot> snapshot_;
  bool pinned_;
  std::optional<Schema> shown_;  // with `_metadata`
};

// The newest state, or that of a version or of a time (microseconds; the newest commit that is not
// younger). Errors carry delta-spark's classes.
struct DeltaState {
  std::optional<int64_t> version;
  std::optional<int64_t> timestamp_us;
};
Result<std::shared_ptr<const DeltaSource>> open_delta(const Services& services,
                                                      const std::string& path,
                                                      const DeltaState& state);
// Whether the folder holds a Delta log.
Result<bool> is_delta_table(io::FileSystem& fs, const std::string& path);

}  // namespace weir::session
