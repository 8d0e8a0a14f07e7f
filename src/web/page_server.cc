#include "web/page_server.h"

#include <charconv>
#include <optional>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "base/logging.h"

namespace weir::web {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using base::error;
using base::ErrorKind;
using base::Result;
using boost::system::error_code;

namespace {

constexpr int kConnectionsMax = 64;
constexpr auto kRequestTime = std::chrono::seconds(10);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr std::uint32_t kHeadBytesMax = 8 * 1024;
constexpr std::uint64_t kBodyBytesMax = 64 * 1024;

using Pages = std::map<std::string, Page>;
using Request = http::request<http::string_body>;  // a body is left aside
using Response = http::response<http::string_body>;

Response answer(const Pages& pages, const Request& request) {
  Response response;
  response.version(request.version());
  response.keep_alive(request.keep_alive());
  response.set(http::field::server, "weir");
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  const std::string target(request.target());
  const auto page = pages.find(target.substr(0, target.find('?')));
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET, HEAD");
    response.body() = "only GET and HEAD\n";
  } else if (page == pages.end()) {
    response.result(http::status::not_found);
    response.body() = "there is:\n";
    for (const auto& [path, other] : pages)
      response.body() += path + "\n";
  } else {
    response.result(http::status::ok);
    response.set(http::field::content_type, page->second.content_type);
    response.body() = page->second.make();
  }
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();
  return response;
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const Pages& pages, int& open)
      : stream_(std::move(socket)), pages_(pages), open_(open) {
    ++open_;
  }
  ~Connection() { --open_; }

  void read() {
    parser_.emplace();
    parser_->header_limit(kHeadBytesMax);
    parser_->body_limit(kBodyBytesMax);
    stream_.expires_after(kRequestTime);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code failed, size_t) {
                       if (!failed) self->write();
                     });
  }

 private:
  void write() {
    const Request request = parser_->release();
    response_ = answer(pages_, request);
    stream_.expires_after(kRequestTime);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code failed, size_t) {
      if (failed) return;
      if (self->response_.keep_alive()) return self->read();
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, failed);
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{2 * kHeadBytesMax};
  std::optional<http::request_parser<http::string_body>> parser_;
  Response response_;
  const Pages& pages_;
  int& open_;  // the server's thread only
};

}  // namespace

struct PageServer::Parts {
  Pages pages;
  int open = 0;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer pause{context};
  std::jthread thread;

  void accept() {
    acceptor.async_accept([this](error_code failed, tcp::socket socket) {
      if (failed == asio::error::operation_aborted) return;
      if (failed) {  // out of descriptors, say
        pause.expires_after(kAcceptPause);
        pause.async_wait([this](error_code stopped) {
          if (!stopped) accept();
        });
        return;
      }
      if (open < kConnectionsMax)  // else it is closed at once
        std::make_shared<Connection>(std::move(socket), pages, open)->read();
      accept();
    });
  }
};

PageServer::PageServer() : parts_(std::make_unique<Parts>()) {}

PageServer::~PageServer() {
  parts_->context.stop();
  if (parts_->thread.joinable()) parts_->thread.join();
}

Result<std::unique_ptr<PageServer>> PageServer::start(const std::string& listen, Pages pages) {
  const size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon == std::string::npos ? 0 : colon);
  const std::string digits = colon == std::string::npos ? std::string() : listen.substr(colon + 1);
  const std::string shown = host;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  uint16_t port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (host.empty() || digits.empty() || code != std::errc() || end != digits.data() + digits.size())
    return error(ErrorKind::kInvalidArgument, "listen address '{}' is not HOST:PORT", listen);
  std::unique_ptr<PageServer> server(new PageServer());
  Parts& parts = *server->parts_;
  parts.pages = std::move(pages);
  error_code failed;
  const auto found =
      tcp::resolver(parts.context)
          .resolve(host, digits, tcp::resolver::passive | tcp::resolver::numeric_service, failed);
  if (failed || found.empty())
    return error(ErrorKind::kInvalidArgument, "listen address '{}': {}", listen, failed.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();
  parts.acceptor.open(endpoint.protocol(), failed);
  if (!failed) parts.acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) parts.acceptor.bind(endpoint, failed);
  if (!failed) parts.acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed)
    return error(failed == asio::error::address_in_use ? ErrorKind::kAlreadyExists : ErrorKind::kIo,
                 "cannot listen on {}: {}", listen, failed.message());
  server->address_ = fmt::format("{}:{}", shown, parts.acceptor.local_endpoint(failed).port());
  parts.accept();
  parts.thread = std::jthread([&parts] { parts.context.run(); });
  return server;
}

}  // namespace weir::web
