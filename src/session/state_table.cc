#include "session/state_table.h"

#include <algorithm>
#include <atomic>

#include <arrow/record_batch.h>

#include "columnar/arrow_adapter.h"
#include "operators/state_tables.h"
#include "relational/scan_schema.h"
#include "relational/steps.h"
#include "session/file_table.h"

namespace weir::session {

using operators::StateTable;
using relational::BatchPtr;
using relational::BatchStream;

namespace {

constexpr const char* kMetadataFormat = "state-metadata";

// The pieces of one scan; each stream takes the next that nobody has.
struct SharedPieces {
  std::shared_ptr<const StateTable> table;  // outlives the reader
  std::unique_ptr<StateTable::Reader> reader;
  std::vector<int> columns;
  Schema schema = Schema::structure({});
  std::atomic<int> next = 0;
};

class StateStream final : public BatchStream {
 public:
  explicit StateStream(std::shared_ptr<SharedPieces> shared) : shared_(std::move(shared)) {}
  const Schema& schema() const override { return shared_->schema; }
  Result<BatchPtr> next(std::stop_token stop) override {
    while (batches_.empty()) {
      if (stop.stop_requested())
        return base::error(base::ErrorKind::kCancelled, "the query was stopped");
      const int piece = shared_->next++;
      if (piece >= shared_->reader->pieces()) return BatchPtr();
      WEIR_ASSIGN(batches_, shared_->reader->read(piece));
      std::reverse(batches_.begin(), batches_.end());
    }
    const BatchPtr rows = std::move(batches_.back());
    batches_.pop_back();
    WEIR_ARROW_ASSIGN(auto made, rows->SelectColumns(shared_->columns));
    return made;
  }

 private:
  std::shared_ptr<SharedPieces> shared_;
  std::vector<BatchPtr> batches_;  // the first last
};

class StateStoreTable final : public relational::ScanSource {
 public:
  explicit StateStoreTable(std::shared_ptr<const StateTable> table) : table_(std::move(table)) {}
  const Schema& schema() const override { return table_->schema(); }
  std::string_view provider() const override { return "statestore"; }
  std::string description() const override { return table_->description(); }
  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr&,
                                                         int streams) const override {
    auto shared = std::make_shared<SharedPieces>();
    shared->table = table_;
    WEIR_ASSIGN(shared->reader, table_->read(std::max(1, streams)));
    shared->columns = columns;
    shared->schema = relational::pick_fields(schema(), columns);
    std::vector<std::unique_ptr<BatchStream>> all;
    for (int i = 0; i < std::clamp(shared->reader->pieces(), 1, std::max(1, streams)); ++i)
      all.push_back(std::make_unique<StateStream>(shared));
    return all;
  }

 private:
  std::shared_ptr<const StateTable> table_;
};

class StateMetadataTable final : public relational::ScanSource {
 public:
  StateMetadataTable(Services services, std::string path)
      : services_(services), path_(std::move(path)) {}
  const Schema& schema() const override { return schema_; }
  std::string_view provider() const override { return kMetadataFormat; }
  std::string description() const override { return "state-metadata " + path_; }
  Result<std::vector<std::unique_ptr<BatchStream>>> scan(const std::vector<int>& columns,
                                                         const plan::TypedPtr&,
                                                         int) const override {
    WEIR_ASSIGN(const auto checkpoint, operators::CheckpointState::open(services_.fs, path_));
    WEIR_ASSIGN(auto rows, operators::state_metadata(checkpoint));
    WEIR_ARROW_ASSIGN(rows, rows->SelectColumns(columns));
    std::vector<std::unique_ptr<BatchStream>> streams;
    streams.push_back(
        relational::given_batches(relational::pick_fields(schema_, columns), {std::move(rows)}));
    return streams;
  }

 private:
  Services services_;
  std::string path_;
  Schema schema_ = operators::state_metadata_schema();
};

}  // namespace

bool is_state_format(std::string_view format) {
  return format == "statestore" || format == kMetadataFormat;
}

Result<std::shared_ptr<const relational::ScanSource>> open_state_table(
    const Services& services, const std::string& format, const std::vector<std::string>& paths,
    const TextMap& options, const Origin& origin) {
  using Opened = std::shared_ptr<const relational::ScanSource>;
  if (paths.empty())
    return sql_error("STDS_REQUIRED_OPTION_UNSPECIFIED", "42601", "'path' must be specified.",
                     origin)
        .with_parameter("optionName", "path");
  if (paths.size() > 1)
    return base::error(base::ErrorKind::kInvalidArgument,
                       "'path' must be specified once: a checkpoint is one folder");
  WEIR_ASSIGN(const std::string path, local_path(paths[0]));
  if (format == kMetadataFormat)
    return Opened(std::make_shared<StateMetadataTable>(services, path));
  WEIR_ASSIGN(auto parsed, operators::parse_state_options(options));
  WEIR_ASSIGN(auto table, StateTable::open(services.fs, path, std::move(parsed)));
  return Opened(std::make_shared<StateStoreTable>(std::move(table)));
}

}  // namespace weir::session
