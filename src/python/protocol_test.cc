// The bytes that go to workers and come back, without Python.
#include <unistd.h>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include "columnar/arrow_types.h"
#include "columnar/data_type.h"
#include "python/arrow_rows.h"
#include "python/conversation.h"
#include "python/group_reader.h"
#include "python/pickle_value.h"
#include "python/pickled_rows.h"
#include "python/run_header.h"

namespace weir::python {
namespace {

using columnar::DataType;
using columnar::TypeKind;
using ::testing::HasSubstr;

std::string bytes_of(std::initializer_list<int> list) {
  std::string bytes;
  for (const int one : list)
    bytes.push_back(static_cast<char>(one));
  return bytes;
}

// The worker's end of a conversation, played by the test.
class FakeWorker {
 public:
  FakeWorker() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_), 0); }
  ~FakeWorker() {
    for (const int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }
  std::unique_ptr<Conversation> talk(const std::string& header = "") {
    return std::make_unique<Conversation>(std::make_unique<Worker>(nullptr, 1, ends_[0]), 402,
                                          header);
  }
  void say(const std::string& bytes) {
    EXPECT_EQ(::send(ends_[1], bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void say_int(int32_t value) {
    WireBytes bytes;
    bytes.put_int(value);
    say(bytes.take());
  }
  void say_end() {
    say_int(kTimingData);
    say(std::string(48, '\0'));
    say_int(kEndOfDataSection);
    say_int(0);
    say_int(kEndOfStream);
  }
  std::string heard() {
    std::string text(1 << 16, '\0');
    const auto got = ::recv(ends_[1], text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }
  void leave() { ::close(std::exchange(ends_[1], -1)); }

 private:
  int ends_[2] = {-1, -1};
};

BatchPtr longs(std::vector<int64_t> values, const std::string& name = "_0") {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field(name, arrow::int64())}),
                                  static_cast<int64_t>(values.size()),
                                  arrow::ArrayVector{*builder.Finish()});
}

std::string arrow_stream(const BatchPtr& batch) {
  const ArrowOut out(batch->schema());
  return out.begin().value()->ToString() + out.rows(batch).value()->ToString() + ArrowOut::end();
}

TEST(RunHeaderTest, NewestVersionSaysSettingsAndNames) {
  RunHeader header;
  header.python_version = "3.11";
  header.eval_type = kPickled;
  header.settings = {{"k", "v"}};
  header.functions = {{{2, 5}, {"", "x"}, {"cmd"}}};
  const auto bytes = header_bytes(header);
  EXPECT_TRUE(bytes.starts_with(bytes_of({0, 0, 0, 0, 0, 0, 0, 4}) + "3.11"));
  EXPECT_THAT(bytes, HasSubstr("\"isBarrier\":false"));
  const auto tail = bytes_of({0, 0, 0, 100, 0, 0, 0, 1, 0, 0, 0, 1}) + "k" +
                    bytes_of({0, 0, 0, 1}) + "v" + bytes_of({0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}) +
                    bytes_of({0, 0, 0, 2, 0, 0, 0, 0, 5, 1, 0, 0, 0, 1}) + "x" +
                    bytes_of({0, 0, 0, 1, 0, 0, 0, 3}) + "cmd" + std::string(8, '\0');
  EXPECT_TRUE(bytes.ends_with(tail));
}

TEST(RunHeaderTest, OlderVersionsHaveTheirOwnForms) {
  RunHeader header;
  header.version = 401;
  header.python_version = "3.11";
  header.eval_type = kArrowBatched;
  header.input_schema = "{}";
  header.functions = {{{0}, {}, {"c"}}};
  const auto newer = header_bytes(header);
  EXPECT_THAT(newer, HasSubstr(bytes_of({0, 0, 0, 2}) + "{}" + bytes_of({0, 0, 0, 0, 1})));
  header.version = 400;
  const auto older = header_bytes(header);
  EXPECT_THAT(older, ::testing::Not(HasSubstr("{}")));
  EXPECT_EQ(newer.size() + 8 - 6, older.size());  // a barrier's port and secret, no schema
  // Functions of whole partitions get no names.
  header.eval_type = kMapPandasIter;
  EXPECT_EQ(header_bytes(header).size() + 1, older.size());
}

TEST(ConversationTest, ArrowComesBackAndTheWorkerStays) {
  FakeWorker worker;
  const auto talk = worker.talk("header");
  talk->send("rows");
  talk->end_input();
  ASSERT_TRUE(talk->advance().ok());
  EXPECT_EQ(worker.heard(), "headerrows" + bytes_of({0xff, 0xff, 0xff, 0xfc}));
  worker.say_int(kStartArrowStream);
  worker.say(arrow_stream(longs({1, 2, 3})));
  ASSERT_TRUE(talk->advance().ok());
  ASSERT_TRUE(talk->has_answer());
  EXPECT_TRUE(talk->take_answer().batch->Equals(*longs({1, 2, 3})));
  EXPECT_FALSE(talk->ended());
  worker.say_end();
  ASSERT_TRUE(talk->advance().ok());
  EXPECT_TRUE(talk->ended());
  EXPECT_NE(talk->release(), nullptr);
}

TEST(ConversationTest, PicklesComeByteByByte) {
  FakeWorker worker;
  const auto talk = worker.talk();
  for (const char byte : bytes_of({0, 0, 0, 3}) + "abc") {
    worker.say(std::string(1, byte));
    ASSERT_TRUE(talk->advance().ok());
  }
  ASSERT_TRUE(talk->has_answer());
  EXPECT_EQ(talk->take_answer().pickle, "abc");
}

TEST(ConversationTest, TheTracebackIsTheError) {
  FakeWorker worker;
  const auto talk = worker.talk();
  worker.say_int(kPythonException);
  WireBytes text;
  text.put_text("Traceback (most recent call last):\n  …\nValueError: no\n");
  worker.say(text.take());
  const auto failed = talk->advance();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().error_class(), "PYTHON_EXCEPTION");
  EXPECT_THAT(failed.error().message(), HasSubstr("Traceback"));
  EXPECT_THAT(failed.error().parameters(),
              ::testing::Contains(::testing::Pair("msg", "ValueError: no")));
}

TEST(ConversationTest, NonsenseAndDeathAreErrors) {
  const std::string cases[] = {
      bytes_of({0x80, 0, 0, 0}),           // a length that is none
      bytes_of({0, 0, 0, 0}),              // an empty frame
      bytes_of({0xff, 0xff, 0xff, 0xfc}),  // an end before the end
      bytes_of({0xff, 0xff, 0xff, 0xfa}) + "nonsense nonsense",
      bytes_of({0xff, 0xff, 0xff, 0xfe, 0x7f, 0xff, 0xff, 0xff}),
      bytes_of({0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7}),  // accumulators
  };
  for (const auto& bytes : cases) {
    FakeWorker worker;
    const auto talk = worker.talk();
    worker.say(bytes);
    EXPECT_FALSE(talk->advance().ok());
    EXPECT_EQ(talk->release(), nullptr);
  }
  FakeWorker worker;
  const auto talk = worker.talk();
  worker.leave();
  const auto gone = talk->advance();
  ASSERT_FALSE(gone.ok());
  EXPECT_THAT(gone.error().message(), HasSubstr("exited unexpectedly"));
}

TEST(ConversationTest, BatchesAreChecked) {
  // An offset behind the text's end.
  const auto offsets = arrow::Buffer::FromString(bytes_of({0, 0, 0, 0, 0xff, 0, 0, 0}));
  const auto array =
      std::make_shared<arrow::StringArray>(1, offsets, arrow::Buffer::FromString("x"));
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("_0", arrow::utf8())}), 1,
                                              arrow::ArrayVector{array});
  FakeWorker worker;
  const auto talk = worker.talk();
  worker.say_int(kStartArrowStream);
  auto text = arrow_stream(longs({1}));
  text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 0x55);
  worker.say(text);
  (void)talk->advance();  // whatever it is, it is no crash
  EXPECT_FALSE(batch->ValidateFull().ok());
}

DataType type_of(const std::string& ddl) { return columnar::parse_ddl_type(ddl).value(); }

std::string read(const std::string& pickle, const std::string& ddl) {
  const auto schema = columnar::Schema::structure({columnar::make_field("_0", type_of(ddl))});
  const auto rows = unpickle_rows(pickle, schema);
  if (!rows.ok()) return rows.error().to_string();
  std::string text;
  for (int64_t i = 0; i < (*rows)->num_rows(); ++i)
    text += (i ? "|" : "") + (*rows)->column(0)->GetScalar(i).ValueOrDie()->ToString();
  return text;
}

// pickle.dumps(…, protocol=5) of Python 3.11.
const auto kNumbers =
    bytes_of({0x80, 0x05, 0x95, 0x2f, 0,    0,    0,    0,    0, 0,    0, ']', 0x94, '(', 'K',
              1,    'J',  0xff, 0xff, 0xff, 0xff, 'M',  0x2c, 1, 0x8a, 6, 0,   0,    0,   0,
              0,    1,    'N',  0x88, 'G',  0x3f, 0xf8, 0,    0, 0,    0, 0,   0,    'e', '.'});

TEST(UnpickleTest, ValuesThatDoNotFitAreNull) {
  EXPECT_EQ(read(kNumbers, "BIGINT"), "1|-1|300|1099511627776|null|null|null");
  EXPECT_EQ(read(kNumbers, "DOUBLE"), "null|null|null|null|null|null|1.5");
  EXPECT_EQ(read(kNumbers, "BOOLEAN"), "null|null|null|null|null|true|null");
  EXPECT_EQ(read(kNumbers, "STRING"), "1|-1|300|1099511627776|null|true|1.5");
  EXPECT_EQ(read(kNumbers, "TINYINT"), "1|-1|44|0|null|null|null");  // as Java narrows
}

TEST(UnpickleTest, DecimalsAreKnownByName) {
  const auto pickle = std::string("\x80\x02](cdecimal\nDecimal\n") + "X" + bytes_of({4, 0, 0, 0}) +
                      "1.25" + "\x85Re.";
  EXPECT_EQ(read(pickle, "DECIMAL(5,2)"), "1.25");
  EXPECT_EQ(read(pickle, "DECIMAL(5,1)"), "1.3");
  EXPECT_THAT(read(pickle, "DECIMAL(2,2)"), HasSubstr("NUMERIC_VALUE_OUT_OF_RANGE"));
}

TEST(UnpickleTest, NothingIsImportedOrCalled) {
  const auto pickle =
      std::string("\x80\x02](cos\nsystem\n") + "X" + bytes_of({2, 0, 0, 0}) + "ls" + "\x85Re.";
  EXPECT_THAT(read(pickle, "STRING"), HasSubstr("ClassDict (for os.system)"));
}

TEST(UnpickleTest, HostileBytesAreErrors) {
  for (const std::string bytes : {"", ".", "]", "](", "e.", "\x80", "K", "X\xff\xff\xff\x7f",
                                  "h\x05.", "\x85.", "R.", "s.", "cos\n", "\x93.", "](aaa."}) {
    EXPECT_FALSE(read_pickle(bytes).ok()) << bytes;
  }
  // A list that holds itself, and one nested very deep.
  EXPECT_THAT(read("]\x94h" + std::string(1, '\0') + "a.", "ARRAY<STRING>"), HasSubstr("deep"));
  std::string deep = "](";
  for (int i = 0; i < 100'000; ++i)
    deep += "]";
  for (int i = 1; i < 100'000; ++i)
    deep += "a";
  EXPECT_THAT(read(deep + "e.", "STRING"), HasSubstr("deep"));
}

TEST(PickleRowsTest, FramesOfAHundredRows) {
  std::vector<int64_t> values(250, 7);
  const auto schema = columnar::Schema::structure({columnar::make_field("_0", type_of("BIGINT"))});
  const auto bytes = pickle_rows(*longs(values), schema).value();
  int frames = 0;
  size_t rows = 0;
  for (size_t at = 0; at < bytes.size(); ++frames) {
    size_t length = 0;
    for (int i = 0; i < 4; ++i)
      length = length << 8 | static_cast<uint8_t>(bytes[at++]);
    const auto frame = read_pickle(std::string_view(bytes).substr(at, length)).value();
    for (const auto* row : frame->root->items) {
      ASSERT_EQ(row->items.size(), 1u);
      EXPECT_EQ(row->items[0]->number, 7);
      ++rows;
    }
    at += length;
  }
  EXPECT_EQ(frames, 3);
  EXPECT_EQ(rows, 250u);
}

class Batches final : public relational::BatchStream {
 public:
  explicit Batches(std::vector<BatchPtr> batches) : batches_(std::move(batches)) {}
  const columnar::Schema& schema() const override { return schema_; }
  Result<BatchPtr> next(std::stop_token) override {
    return at_ < batches_.size() ? batches_[at_++] : BatchPtr();
  }

 private:
  columnar::Schema schema_ =
      columnar::Schema::structure({columnar::make_field("k", type_of("BIGINT"))});
  std::vector<BatchPtr> batches_;
  size_t at_ = 0;
};

TEST(PickledStructsTest, StateComesBackAsItWent) {
  const auto schema = columnar::parse_ddl_schema("a long, b string, c array<int>").value();
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::Int32Builder>());
  ASSERT_TRUE(numbers.AppendValues({7, 8}).ok() && texts.AppendValues({"x", "ä"}).ok());
  ASSERT_TRUE(lists.Append().ok());
  ASSERT_TRUE(static_cast<arrow::Int32Builder*>(lists.value_builder())->Append(5).ok());
  ASSERT_TRUE(lists.AppendNull().ok());
  const auto type = columnar::to_arrow(schema);
  const arrow::StructArray structs(type, 2, {*numbers.Finish(), *texts.Finish(), *lists.Finish()});
  const auto first = pickle_struct(structs, 0, schema), second = pickle_struct(structs, 1, schema);
  ASSERT_TRUE(first.ok() && second.ok());
  const std::vector<std::string_view> pickles{*second, std::string_view(), *first};
  const auto read = unpickle_structs(pickles, schema);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)->length(), 3);
  EXPECT_TRUE((*read)->IsNull(1));
  EXPECT_TRUE((*read)->RangeEquals(structs, 2, 3, 0));
  EXPECT_TRUE((*read)->RangeEquals(structs, 0, 1, 1));
  // A tuple of another width is refused.
  EXPECT_FALSE(unpickle_structs(pickles, columnar::parse_ddl_schema("a long").value()).ok());
}

TEST(RunHeaderTest, CapitalsOfTheStatesSchemaOutliveTheNewestWorker) {
  RunHeader header;
  header.python_version = "3.11";
  header.eval_type = kGroupedMapPandasWithState;
  header.state_schema = "{\"a\":\"Nb\"}";
  header.functions = {{{0}, {}, {"c"}}};
  EXPECT_THAT(header_bytes(header), HasSubstr("state_value_schema"));
  EXPECT_THAT(header_bytes(header), HasSubstr("{\"a\":\"\\u004eb\"}"));
  header.version = 401;
  EXPECT_THAT(header_bytes(header), HasSubstr(header.state_schema));
}

TEST(GroupReaderTest, GroupsGoOnOverBatches) {
  GroupReader reader(std::make_unique<Batches>(std::vector<BatchPtr>{
                         longs({1, 1, 2}), longs({2, 2}), longs({}), longs({2, 3})}),
                     1);
  std::string seen;
  while (true) {
    const auto piece = reader.next({}).value();
    if (!piece.rows) break;
    seen += fmt::format("{}{}×{} ", piece.begins ? "*" : "",
                        piece.rows->column(0)->GetScalar(0).ValueOrDie()->ToString(),
                        piece.rows->num_rows());
  }
  EXPECT_EQ(seen, "*1×2 *2×1 2×2 2×1 *3×1 ");
}

TEST(RebatchTest, RowsComeInBatchesOfTheSizeAskedFor) {
  const auto stream = in_batches_of(std::make_unique<Batches>(std::vector<BatchPtr>{
                                        longs({1, 2, 3}), longs({4}), longs({5, 6, 7})}),
                                    2);
  std::vector<int64_t> sizes;
  while (const auto batch = stream->next({}).value())
    sizes.push_back(batch->num_rows());
  EXPECT_THAT(sizes, ::testing::ElementsAre(2, 2, 2, 1));
}

}  // namespace
}  // namespace weir::python
