// The protocol of state, without Python: what a worker asks and is answered.
#include "python/state_desk.h"

#include <cstring>
#include <unistd.h>

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/random.h"
#include "io/model_file_system.h"
#include "state/stored_variables.h"

namespace weir::python {
namespace {

using columnar::DataType;
using columnar::TypeKind;
using ::testing::HasSubstr;

columnar::Schema one(const char* name, TypeKind kind) {
  return DataType::structure({columnar::make_field(name, DataType::of(kind))});
}

// The pickle of (number,).
std::string tuple_of(int number) {
  return std::string("\x80\x04K", 3) + static_cast<char>(number) + "\x85.";
}

std::string message(int field, const std::string& inner) {
  ProtoWriter out;
  out.bytes(field, inner);
  return out.take();
}

std::string named(const std::string& name, const std::string& call) {
  ProtoWriter out;
  out.bytes(1, name);
  return out.take() + call;
}

struct Answer {
  int64_t status = 0;
  std::string text;
  std::vector<std::string> values;
  int64_t number = 0;
  bool more = false;
};

Answer read(const std::string& bytes) {
  Answer made;
  ProtoReader reader(bytes);
  while (true) {
    const auto field = reader.next().value();
    if (field.number == 0) return made;
    if (field.number == 1) made.status = field.number_value();
    if (field.number == 2) made.text = std::string(field.bytes);
    if (field.number == 3) {
      made.values.emplace_back(field.bytes);
      made.number = field.number_value();
    }
    if (field.number == 4) made.more = field.value != 0;
  }
}

class StateDeskTest : public testing::Test {
 protected:
  StateDeskTest() : files_(1), random_(1), variables_(one("k", TypeKind::kLong)) {
    EXPECT_TRUE(files_.make_dirs("/state").ok());
    for (auto& spec : state::variable_stores(one("k", TypeKind::kLong), "test")) {
      state::StoreOptions options;
      options.files = &files_;
      options.random = &random_;
      options.folder = "/state";
      options.background = false;
      stores_.push_back(state::StateStore::open(options, spec, {}, nullptr).value());
      EXPECT_TRUE(stores_.back()->begin(base::BatchId(0)).ok());
    }
    EXPECT_TRUE(
        variables_.restore({stores_[0].get(), stores_[1].get(), stores_[2].get()}, nullptr).ok());
    variables_.begin(1000);
    facts_.key = one("k", TypeKind::kLong);
    facts_.time_mode = state::TimeMode::kProcessingTime;
    facts_.now_ms = 1000;
    facts_.rows_at_once = 2;
  }

  StateProtocol protocol() {
    return StateProtocol(facts_, variables_, [](std::string_view) { return true; });
  }
  static std::string declare(int call, const std::string& name) {
    ProtoWriter out;
    out.bytes(1, name);
    out.bytes(
        2,
        R"({"type":"struct","fields":[{"name":"n","type":"long","nullable":true,"metadata":{}}]})");
    return message(2, message(call, out.text()));
  }
  static std::string handle(int state) {
    ProtoWriter out;
    out.number(1, state);
    return message(2, message(1, out.text()));
  }
  static std::string group(int key) { return message(4, message(1, message(1, tuple_of(key)))); }
  // A call `what` of kind 1 value, 2 list.
  static std::string call(int kind, const std::string& name, int what,
                          const std::string& argument = "") {
    return message(3, message(kind, named(name, message(what, argument))));
  }
  Answer ask(StateProtocol& worker, const std::string& request) {
    const auto answer = worker.answer(request);
    EXPECT_TRUE(answer.ok()) << answer.error().message();
    return answer.ok() ? read(*answer) : Answer{};
  }

  io::ModelFileSystem files_;
  base::SeededRandom random_;
  std::vector<std::unique_ptr<state::StateStore>> stores_;
  state::StoredVariables variables_;
  DeskFacts facts_;
};

TEST_F(StateDeskTest, ValuesAndListsOfAGroup) {
  auto worker = protocol();
  EXPECT_EQ(ask(worker, declare(2, "v")).status, 0);
  EXPECT_EQ(ask(worker, declare(3, "l")).status, 0);
  const auto twice = ask(worker, declare(3, "v"));
  EXPECT_EQ(twice.status, 1);
  EXPECT_THAT(twice.text, HasSubstr("[STATEFUL_PROCESSOR_DUPLICATE_STATE_VARIABLE_DEFINED]"));
  EXPECT_EQ(ask(worker, handle(2)).status, 0);
  EXPECT_THAT(ask(worker, declare(2, "late")).text, HasSubstr("INVALID_HANDLE_STATE"));
  EXPECT_THAT(ask(worker, call(1, "v", 2)).text, HasSubstr("Implicit key not found"));

  EXPECT_EQ(ask(worker, group(1)).status, 0);
  EXPECT_EQ(ask(worker, call(1, "v", 2)).status, 2);
  EXPECT_TRUE(ask(worker, call(1, "v", 3)).values.empty());
  EXPECT_EQ(ask(worker, call(1, "v", 4, message(1, tuple_of(7)))).status, 0);
  EXPECT_EQ(ask(worker, call(1, "v", 2)).status, 0);
  EXPECT_EQ(ask(worker, group(2)).status, 0);
  EXPECT_EQ(ask(worker, call(1, "v", 2)).status, 2);  // of the other group

  ProtoWriter three;
  for (const int n : {1, 2, 3})
    three.bytes(1, tuple_of(n));
  EXPECT_EQ(ask(worker, call(2, "l", 6, three.text())).status, 0);
  const auto first = ask(worker, call(2, "l", 3, message(1, "iterator")));
  EXPECT_EQ(first.values.size(), 2u);
  EXPECT_TRUE(first.more);
  EXPECT_THAT(first.values[0], HasSubstr("_create_row"));
  const auto second = ask(worker, call(2, "l", 3, message(1, "iterator")));
  EXPECT_EQ(second.values.size(), 1u);
  EXPECT_FALSE(second.more);
  EXPECT_EQ(ask(worker, call(2, "l", 3, message(1, "iterator"))).status, 2);
  EXPECT_THAT(ask(worker, call(2, "l", 4)).text, HasSubstr("EMPTY_LIST_VALUE"));
  EXPECT_EQ(ask(worker, call(2, "l", 7)).status, 0);
  EXPECT_EQ(ask(worker, call(2, "l", 2)).status, 2);
  EXPECT_THAT(ask(worker, call(2, "unknown", 2)).text, HasSubstr("is not initialized"));
}

TEST_F(StateDeskTest, Timers) {
  auto worker = protocol();
  ask(worker, handle(2));
  ask(worker, group(1));
  const auto timer = [](int call, int64_t at) {
    ProtoWriter out;
    out.number(1, at);
    return message(2, message(5, message(call, out.text())));
  };
  for (const int64_t at : {500, 1000, 1500, 500})
    EXPECT_EQ(ask(worker, timer(1, at)).status, 0);
  EXPECT_EQ(ask(worker, timer(2, 1500)).status, 0);
  EXPECT_EQ(ask(worker, message(5, message(1, message(1, "")))).number, 1000);  // the batch's time
  ProtoWriter until;
  until.bytes(1, "expired");
  until.number(2, 1000);
  EXPECT_EQ(ask(worker, message(5, message(2, until.text()))).values.size(), 2u);
  EXPECT_EQ(ask(worker, message(5, message(2, until.text()))).status, 2);
}

TEST_F(StateDeskTest, BytesThatAreNoMessagesEndTheRun) {
  auto worker = protocol();
  base::SeededRandom random(3);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = call(1, "v", 4, message(1, tuple_of(7)));
    for (uint64_t n = 1 + random.below(4); n > 0; --n)
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    (void)worker.answer(bytes);
    (void)worker.answer(std::string_view(bytes).substr(0, random.below(bytes.size())));
  }
  EXPECT_FALSE(worker.answer("\xFF").ok());
}

int connect_to(const std::string& address) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, address.data(), address.size());
  EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&name),
                      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size())),
            0);
  return socket;
}

TEST_F(StateDeskTest, OnlyTheWorkerIsServed) {
  auto own = StateDesk::open(::getpid(), protocol()).value();
  auto other = StateDesk::open(1, protocol()).value();
  const auto request = group(1);
  const std::string frame =
      std::string("\0\0\0\0\0\0\0", 7) + static_cast<char>(request.size()) + request;
  const int served = connect_to(own->address()), refused = connect_to(other->address());
  for (const int socket : {served, refused})
    EXPECT_EQ(::send(socket, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  EXPECT_TRUE(own->advance().ok());
  EXPECT_TRUE(other->advance().ok());
  char answer[64];
  EXPECT_EQ(::recv(served, answer, sizeof(answer), 0), 4);  // an empty answer: it is done
  EXPECT_LE(::recv(refused, answer, sizeof(answer), 0), 0);
  ::close(served);
  ::close(refused);
  EXPECT_TRUE(own->advance().ok());
  EXPECT_EQ(own->socket(), -1);
}

}  // namespace
}  // namespace weir::python
