// Serves one worker that runs a function of transformWithState: PySpark's protocol of state.
//
// The worker connects to a socket of this machine by its name (in the abstract namespace, so that
// nothing is left in a folder) and asks: version int 0, length int, protobuf StateRequest. The
// answer is a length and a protobuf, whose kind follows from the question; all of them are
//   1 status: 0, 1 error, 2 there is none | 2 message | 3 the value, or values | 4 more to come
// Values and keys of users travel as pickled tuples (Rows on the way to the worker).
//
// Only the process that was meant may connect. One thread at a time; nothing waits.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "python/proto_fields.h"
#include "state/group_variables.h"
#include "state/row_codec.h"

namespace weir::python {

struct DeskFacts {
  columnar::Schema key = columnar::DataType::structure({});  // of groups
  state::TimeMode time_mode = state::TimeMode::kNone;
  int64_t now_ms = 0;
  int64_t watermark_ms = 0;
  size_t rows_at_once = 10000;  // of lists, maps, timers in one answer
};

// Answers requests; StateDesk brings them.
class StateProtocol {
 public:
  // `wanted`: the groups whose timers are this worker's.
  StateProtocol(const DeskFacts& facts, state::GroupVariables& variables,
                std::function<bool(std::string_view group)> wanted)
      : facts_(facts), variables_(variables), wanted_(std::move(wanted)) {}

  // What the worker is answered; an error of the user's making is an answer. Any other error ends
  // the run.
  Result<std::string> answer(std::string_view request);

 private:
  enum class Handle { kPreInit, kCreated, kInitialized, kDataProcessed, kTimerProcessed, kClosed };
  struct Variable {
    int number = 0;
    state::StateVariable what;
    std::optional<state::KeyEncoder> key;
    std::optional<state::ValueEncoder> value;
  };
  struct Iterator {
    std::vector<state::GroupVariables::Entry> entries;
    std::vector<state::GroupVariables::Timer> timers;
    size_t at = 0;
  };

  Result<std::string> answer_or_fail(std::string_view request);
  Result<std::string> handle_call(std::string_view call);
  Result<std::string> declare(std::string_view command, state::StateVariable::Kind kind);
  Result<std::string> timer_call(std::string_view call);
  Result<std::string> variable_call(std::string_view call);
  Result<std::string> value_call(Variable& one, const ProtoField& call);
  Result<std::string> list_call(Variable& one, const ProtoField& call);
  Result<std::string> map_call(Variable& one, const ProtoField& call);
  Result<std::string> group_call(std::string_view call);
  Result<std::string> timer_request(std::string_view call);
  Result<std::string> utils_call(std::string_view call);

  Result<void> need_handle(const char* operation, Handle from, Handle until) const;
  Result<void> need_time(const char* operation) const;
  Result<std::string_view> group() const;
  // What calls of values, lists and maps have in common; `of` is the group.
  Result<std::string> exists(const Variable& one, std::string_view of);
  Result<std::string> get(const Variable& one, std::string_view of, std::string_view key);
  Result<std::string> put(Variable& one, std::string_view of, std::string_view key,
                          std::string_view pickle);
  Result<std::string> entries(const Variable& one, std::string_view of, std::string_view iterator,
                              bool keys, bool values);
  // Answers of several: the next ones of the iterator.
  Result<std::string> values_of(const Variable& one, Iterator& from, bool keys, bool values);
  Result<std::string> timers_of(Iterator& from, bool with_keys);

  const DeskFacts& facts_;
  state::GroupVariables& variables_;
  const std::function<bool(std::string_view group)> wanted_;
  Handle handle_ = Handle::kCreated;
  std::map<std::string, Variable, std::less<>> declared_;
  std::optional<std::string> group_;
  std::optional<state::KeyEncoder> group_encoder_;
  std::map<std::string, Iterator, std::less<>> iterators_, expired_;
};

class StateDesk {
 public:
  static Result<std::unique_ptr<StateDesk>> open(int worker_pid, StateProtocol protocol);
  ~StateDesk();
  StateDesk(const StateDesk&) = delete;
  StateDesk& operator=(const StateDesk&) = delete;

  const std::string& address() const { return address_; }
  int socket() const { return connection_ >= 0 ? connection_ : listener_; }  // -1: no more
  bool wants_write() const { return sent_ < output_.size(); }
  // Reads, answers and writes all that goes without waiting.
  Result<void> advance();
  int64_t moved() const { return moved_; }

 private:
  StateDesk(int worker_pid, StateProtocol protocol)
      : worker_pid_(worker_pid), protocol_(std::move(protocol)) {}
  Result<void> accept();
  Result<void> serve();

  const int worker_pid_;
  StateProtocol protocol_;
  std::string address_;
  int listener_ = -1;
  bool closed_ = false;  // by the worker
  int connection_ = -1;
  std::string input_, output_;
  size_t sent_ = 0;
  int64_t moved_ = 0;
};

}  // namespace weir::python
