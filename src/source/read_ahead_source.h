// A source that lets the next batch be read while the last one is being committed.
#pragma once

namespace weir::source {

// Beside Source: latest_offset() and plan() may be called for the next batch before the last one is
// committed, because they leave nothing behind that a restart would see. Still one thread at a
// time.
class ReadAheadSource {
 public:
  virtual ~ReadAheadSource() = default;
  virtual bool may_read_ahead() const { return true; }
};

}  // namespace weir::source
