#include "app/sql_remote.h"

#include <cstdio>

#include <arrow/record_batch.h>

#include "app/row_writer.h"
#include "app/sql_shell.h"
#include "base/clock.h"
#include "base/random.h"
#include "connect/remote_session.h"
#include "eval/zone.h"

namespace weir::app {

namespace {

using base::Result;

constexpr const char* kTimeZone = "spark.sql.session.timeZone";

class Sender final : public RemoteSql {
 public:
  explicit Sender(RemoteSqlOptions options) : options_(std::move(options)) {}

  Result<void> connect() {
    WEIR_ASSIGN(auto address, connect::parse_remote_address(options_.address));
    WEIR_ASSIGN(session_, connect::RemoteSession::open(std::move(address), random_));
    if (options_.time_zone) WEIR_TRY(session_->set(kTimeZone, *options_.time_zone));
    if (options_.no_ansi) WEIR_TRY(session_->set("spark.sql.ansi.enabled", "false"));
    return {};
  }

  Result<void> run(const std::string& statement, std::stop_token stop) override {
    const int64_t begin_us = clock_.monotonic_us();
    std::unique_ptr<RowWriter> writer;
    int64_t rows = 0;
    const auto begin = [&](const columnar::Schema& schema) -> Result<void> {
      if (schema.fields().empty()) return {};
      WEIR_ASSIGN(const auto name, session_->get(kTimeZone));
      WEIR_ASSIGN(const auto zone, eval::Zone::find(name));
      WEIR_ASSIGN(writer, make_row_writer(options_.output, schema, zone, stdout, options_.width));
      return {};
    };
    const auto take = [&](const connect::BatchPtr& batch) -> Result<void> {
      rows += batch->num_rows();
      return writer->write(*batch);
    };
    WEIR_TRY(session_->sql(statement, begin, take, stop));
    std::string note;
    if (writer) {
      WEIR_ASSIGN(note, writer->finish());
    }
    if (std::fflush(stdout) != 0)
      return base::error(base::ErrorKind::kIo, "the output cannot be written");
    if (!note.empty()) std::fprintf(stderr, "%s\n", note.c_str());
    if (options_.quiet) return {};
    const double seconds = static_cast<double>(clock_.monotonic_us() - begin_us) / 1e6;
    if (writer) {
      std::fprintf(stderr, "%lld row%s in %.3f s\n", static_cast<long long>(rows),
                   rows == 1 ? "" : "s", seconds);
    } else {
      std::fprintf(stderr, "done in %.3f s\n", seconds);
    }
    return {};
  }

 private:
  const RemoteSqlOptions options_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::unique_ptr<connect::RemoteSession> session_;
};

}  // namespace

std::vector<std::string_view> split_statements(std::string_view text) {
  std::vector<std::string_view> statements;
  while (!text.empty()) {
    const size_t end = statement_end(text);
    std::string_view one = text.substr(0, end);
    text.remove_prefix(one.size());
    if (end != std::string_view::npos) one.remove_suffix(1);
    while (!one.empty() && std::isspace(static_cast<unsigned char>(one.front())))
      one.remove_prefix(1);
    while (!one.empty() && std::isspace(static_cast<unsigned char>(one.back())))
      one.remove_suffix(1);
    if (!one.empty()) statements.push_back(one);
  }
  return statements;
}

Result<std::unique_ptr<RemoteSql>> RemoteSql::open(RemoteSqlOptions options) {
  auto sender = std::make_unique<Sender>(std::move(options));
  WEIR_TRY(sender->connect());
  return std::unique_ptr<RemoteSql>(std::move(sender));
}

}  // namespace weir::app
