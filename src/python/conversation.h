// One run of functions by one worker: bytes go in, batches (or pickled rows) come out, both at the
// same time and never waiting: whoever owns it waits for socket() to become ready.
//
// The worker's answer: -6 and one Arrow stream, or frames of pickled rows (a positive length each);
// then -3 with times, -1 with accumulators, and -4 where the worker may be used again. -2 is a
// traceback instead of what would have come. What the worker says is checked: a length or a batch
// that cannot be ends the run with an error, as does a worker that goes away.
//
// One thread at a time.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "python/worker_pool.h"
#include "relational/batch_stream.h"

namespace arrow {
class Buffer;
namespace ipc {
class StreamDecoder;
}
}  // namespace arrow

namespace weir::python {

using relational::BatchPtr;

struct Answer {
  BatchPtr batch;      // of a run with Arrow; else
  std::string pickle;  // pickled rows
};

class Conversation {
 public:
  // `version` is PySpark's (402); the header is the first that is sent.
  Conversation(WorkerPtr worker, int version, const std::string& header);
  ~Conversation();

  void send(std::string bytes);
  void send(std::shared_ptr<arrow::Buffer> bytes);
  void end_input();  // `kEndOfStream`, after which nothing is sent
  bool input_ended() const { return input_ended_; }

  int64_t unsent() const { return unsent_; }
  int64_t unread() const { return answer_bytes_; }  // of answers that nobody has taken
  // Moves all that goes without waiting.
  Result<void> advance();
  int socket() const { return worker_->socket(); }
  bool wants_read() const;
  bool wants_write() const { return unsent_ > 0; }
  // Bytes moved so far, both ways: a worker that hangs moves none.
  int64_t moved() const { return moved_; }

  bool has_answer() const { return !answers_.empty(); }
  Answer take_answer();
  // Nothing more comes: all has been said.
  bool ended() const { return state_ == State::kEnded; }
  // The worker, after the end, where it may be used again; else null.
  WorkerPtr release();

 private:
  enum class State {
    kLength,
    kArrow,
    kPickle,
    kTracebackLength,
    kTraceback,
    kTimes,
    kAccumulators,
    kEnded
  };
  class Listener;

  void write_some();
  Result<void> read_some();
  Result<void> on_length(int32_t length);
  Result<void> on_bytes();
  void expect(State state, int64_t bytes);
  base::Error gone() const;

  WorkerPtr worker_;
  const int64_t times_bytes_;
  std::deque<std::shared_ptr<arrow::Buffer>> output_;
  int64_t output_at_ = 0;  // sent of the first
  int64_t unsent_ = 0;
  bool input_ended_ = false;

  State state_ = State::kLength;
  std::shared_ptr<arrow::Buffer> buffer_;  // what is being read
  int64_t buffer_at_ = 0;
  bool data_ended_ = false;  // times and accumulators have come
  std::shared_ptr<Listener> listener_;
  std::unique_ptr<arrow::ipc::StreamDecoder> decoder_;
  std::deque<Answer> answers_;
  std::deque<int64_t> answer_sizes_;
  int64_t answer_bytes_ = 0;
  int64_t moved_ = 0;
  bool reusable_ = false;
};

// A failure in the user's code, as Spark's PythonException.
base::Error python_exception(std::string_view traceback);
// A worker that did not keep to the protocol.
base::Error nonsense(std::string_view what);

}  // namespace weir::python
