// Sessions of clients end when nobody uses them, and take what they hold with them.
#include <filesystem>

#include <gmock/gmock.h>

#include "connect/client_session.h"
#include "connect/remote_session.h"
#include "io/file_system.h"
#include "relational/duck_engine.h"
#include "session/warehouse.h"
#include "sql/parser.h"

namespace weir::connect {
namespace {

constexpr int64_t kIdleUs = 60'000'000;
constexpr int64_t kDetachedUs = 5'000'000;
constexpr const char* kOne = "00112233-4455-6677-8899-aabbccddee01";
constexpr const char* kTwo = "00112233-4455-6677-8899-aabbccddee02";
constexpr const char* kOperation = "00112233-4455-6677-8899-aabbccddee99";

class SessionBookTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("weir_book_" + base::uuid(random_));
    engine_ = relational::DuckEngine::open({}).value();
    warehouse_ =
        session::Warehouse::open({*fs_, clock_, random_, *engine_, 1}, (folder_ / "w").string())
            .value();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void pass(int64_t us) {
    clock_.advance_us(us);
    book_.expire(kIdleUs, kDetachedUs);
  }

  std::filesystem::path folder_;
  std::unique_ptr<io::FileSystem> fs_ = io::local_file_system();
  base::ManualClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<relational::DuckEngine> engine_;
  std::shared_ptr<session::Warehouse> warehouse_;
  SessionBook book_{[this](const std::string& id) -> Result<SessionEngine> {
                      SessionEngine engine;
                      WEIR_ASSIGN(engine.session, session::Session::create(warehouse_, id));
                      return engine;
                    },
                    clock_, random_};
};

TEST_F(SessionBookTest, AnIdleSessionGoesWithAllThatItHolds) {
  auto session = book_.open("ann", kOne, "").value();
  ASSERT_TRUE(
      session->artifacts()
          .add("cache/277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9", "bytes")
          .ok());
  ASSERT_TRUE(session->engine()
                  .create_temp_view("v", sql::parse_plan("SELECT 1 AS a", {}).value(), true, false)
                  .ok());
  auto operation = session->add_operation(kOperation, {"tag"}, true).value();
  operation->finish({});
  const std::weak_ptr<ClientSession> held = session;
  const std::weak_ptr<Operation> ran = operation;
  session.reset();
  operation.reset();

  pass(kIdleUs / 2);
  EXPECT_FALSE(held.expired());
  pass(kIdleUs / 2 + 1);
  EXPECT_TRUE(held.expired());  // and so its views, artifacts and relations
  EXPECT_TRUE(ran.expired());
  EXPECT_EQ(book_.find("ann", kOne, "").error().error_class(), "INVALID_HANDLE.SESSION_NOT_FOUND");
}

TEST_F(SessionBookTest, UseKeepsASessionAndARunningQueryToo) {
  const std::weak_ptr<ClientSession> used = book_.open("ann", kOne, "").value();
  const std::weak_ptr<ClientSession> busy = book_.open("ann", kTwo, "").value();
  auto operation = busy.lock()->add_operation(kOperation, {}, false).value();
  ASSERT_TRUE(operation->attach(std::shared_ptr<Call>(), std::nullopt).ok());
  for (int i = 0; i < 3; ++i) {
    pass(kIdleUs * 2 / 3);
    ASSERT_TRUE(book_.find("ann", kOne, "").ok());
  }
  EXPECT_FALSE(used.expired());
  EXPECT_FALSE(busy.expired());
  operation->finish({});
  operation.reset();
  pass(1);
  EXPECT_TRUE(busy.expired());
}

TEST_F(SessionBookTest, AQueryThatItsClientHasLeftIsStopped) {
  const auto session = book_.open("ann", kOne, "").value();
  const auto operation = session->add_operation(kOperation, {}, true).value();
  pass(kDetachedUs - 1);
  EXPECT_FALSE(operation->stop_token().stop_requested());
  EXPECT_EQ(session->operations().size(), 1u);
  pass(2);
  EXPECT_TRUE(operation->stop_token().stop_requested());
  EXPECT_TRUE(session->operations().empty());
}

TEST_F(SessionBookTest, AClosedSessionStaysClosed) {
  auto session = book_.open("ann", kOne, "").value();
  const auto operation = session->add_operation(kOperation, {}, true).value();
  const std::weak_ptr<ClientSession> held = session;
  session.reset();
  ASSERT_TRUE(book_.close("ann", kOne, false));
  EXPECT_TRUE(operation->stop_token().stop_requested());
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(book_.open("ann", kOne, "").error().error_class(), "INVALID_HANDLE.SESSION_CLOSED");
  EXPECT_TRUE(book_.open("bob", kOne, "").ok());  // another user's
}

TEST_F(SessionBookTest, ARestartedServerIsToldApart) {
  const auto session = book_.open("ann", kOne, "").value();
  EXPECT_TRUE(book_.open("ann", kOne, session->server_side_id()).ok());
  EXPECT_EQ(book_.open("ann", kOne, kTwo).error().error_class(), "INVALID_HANDLE.SESSION_CHANGED");
  EXPECT_EQ(book_.open("ann", "no uuid", "").error().error_class(), "INVALID_HANDLE.FORMAT");
}

TEST(RemoteAddressTest, ConnectionStringsOfPySpark) {
  const auto plain = parse_remote_address("sc://localhost").value();
  EXPECT_EQ(plain.target, "localhost:15002");
  EXPECT_FALSE(plain.tls);
  const auto full =
      parse_remote_address("sc://spark.example:443/;use_ssl=true;user_id=ann;x-team=a%20b").value();
  EXPECT_EQ(full.target, "spark.example:443");
  EXPECT_TRUE(full.tls);
  EXPECT_EQ(full.user_id, "ann");
  EXPECT_THAT(full.headers,
              testing::ElementsAre(std::pair<std::string, std::string>("x-team", "a b")));
  // A token goes in the clear to this machine only.
  EXPECT_TRUE(parse_remote_address("sc://spark.example/;token=t")->tls);
  EXPECT_FALSE(parse_remote_address("sc://127.0.0.1:1/;token=t")->tls);
  for (const char* bad : {"", "http://a", "sc://", "sc://:1", "sc://a:0", "sc://a:x", "sc://a/b",
                          "sc://a/;b", "sc://a/;=c"})
    EXPECT_FALSE(parse_remote_address(bad).ok()) << bad;
}

}  // namespace
}  // namespace weir::connect
