// A table that a streaming query reads: what readStream…load() and readStream.table() resolve to.
#pragma once

#include <memory>
#include <string>

#include "plan/catalog.h"
#include "source/source.h"

namespace weir::session {

class StreamTable : public plan::Table {
 public:
  bool streaming() const override { return true; }
  // A source of its own for each query and place in the plan; schema() of both agree in names and
  // order.
  virtual base::Result<std::unique_ptr<source::Source>> make_source() const = 0;
};

}  // namespace weir::session
