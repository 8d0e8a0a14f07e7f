// Lends PaddedBuffers and takes them back when the last holder lets go, so that a stream of arenas
// runs in memory that is mapped and warm already. Keeps at most `free_max` of them. Thread-safe;
// outlives its user.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "kafka/padded_buffer.h"

namespace weir::kafka {

class BufferPool {
 public:
  explicit BufferPool(size_t free_max) : state_(std::make_shared<State>()) {
    state_->free_max = free_max;
  }

  std::shared_ptr<PaddedBuffer> take() {
    PaddedBuffer* buffer = nullptr;
    {
      std::lock_guard lock(state_->mutex);
      if (!state_->free.empty()) {
        buffer = state_->free.back().release();
        state_->free.pop_back();
      }
    }
    if (!buffer) buffer = new PaddedBuffer();
    return {buffer, [state = state_](PaddedBuffer* back) {
              give_back(*state, std::unique_ptr<PaddedBuffer>(back));
            }};
  }

 private:
  struct State {
    std::mutex mutex;
    size_t free_max = 0;
    std::vector<std::unique_ptr<PaddedBuffer>> free;
  };
  static void give_back(State& state, std::unique_ptr<PaddedBuffer> buffer) {
    std::lock_guard lock(state.mutex);
    if (state.free.size() < state.free_max) state.free.push_back(std::move(buffer));
  }
  std::shared_ptr<State> state_;
};

}  // namespace weir::kafka
