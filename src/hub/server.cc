#include "hub/server.h"

#include <charconv>
#include <future>
#include <list>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/logging.h"
#include "hub/broker.h"
#include "hub/connection.h"

namespace weir::hub {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::error;
using base::ErrorKind;
using base::Result;
using boost::system::error_code;

namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);

struct Network {  // one thread
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::list<std::shared_ptr<Connection>>
      connections;  // its own thread only; closed ones go now and then
  std::jthread thread;
};

struct Listener {
  explicit Listener(asio::io_context& context) : acceptor(context), pause(context) {}
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  BoundAddress bound;
};

}  // namespace

struct Server::Parts {
  const HubOptions& options;
  MemoryBudget request_memory;
  std::vector<std::unique_ptr<Network>> networks;
  std::vector<std::unique_ptr<Listener>> listeners;
  Broker* broker = nullptr;
  std::atomic<size_t> next_network = 0;
  std::atomic<int> connections = 0;
  bool running = false;

  explicit Parts(const HubOptions& given)
      : options(given), request_memory(given.request_memory_bytes_max) {}
  void accept(Listener& listener);
  void accepted(tcp::socket socket, Network& network);
  // Runs on every network thread and waits for it.
  void everywhere(const std::function<void(Network&)>& task);
};

Server::Server(const HubOptions& options) : parts_(std::make_unique<Parts>(options)) {
  for (int i = 0; i < std::max(options.threads, 1); ++i)
    parts_->networks.push_back(std::make_unique<Network>());
}

Server::~Server() { stop(); }

Result<void> Server::listen() {
  for (const std::string& address : parts_->options.listen) {
    const size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon == std::string::npos ? address.size() : colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
      host = host.substr(1, host.size() - 2);
    uint16_t port = 0;
    const std::string digits =
        colon == std::string::npos ? std::string() : address.substr(colon + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (host.empty() || digits.empty() || code != std::errc() ||
        end != digits.data() + digits.size())
      return error(ErrorKind::kInvalidArgument, "listen address '{}' is not HOST:PORT", address);
    asio::io_context& context = parts_->networks.front()->context;
    error_code failed;
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(
        host, digits, tcp::resolver::passive | tcp::resolver::numeric_service, failed);
    if (failed || found.empty())
      return error(ErrorKind::kInvalidArgument, "listen address '{}': {}", address,
                   failed.message());
    const tcp::endpoint endpoint = found.begin()->endpoint();
    auto listener = std::make_unique<Listener>(context);
    listener->acceptor.open(endpoint.protocol(), failed);
    if (!failed) listener->acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) listener->acceptor.bind(endpoint, failed);
    if (!failed) listener->acceptor.listen(asio::socket_base::max_listen_connections, failed);
    if (failed) {
      const ErrorKind kind =
          failed == asio::error::address_in_use ? ErrorKind::kAlreadyExists : ErrorKind::kIo;
      return error(kind, "cannot listen on {}: {}", address, failed.message());
    }
    listener->bound = {host, listener->acceptor.local_endpoint(failed).port()};
    parts_->listeners.push_back(std::move(listener));
  }
  return {};
}

void Server::start(Broker& broker) {
  parts_->broker = &broker;
  parts_->running = true;
  for (const auto& listener : parts_->listeners)
    parts_->accept(*listener);
  for (const auto& network : parts_->networks)
    network->thread = std::jthread([network = network.get()] { network->context.run(); });
}

void Server::Parts::accept(Listener& listener) {
  Network& network = *networks[next_network++ % networks.size()];
  listener.acceptor.async_accept(
      network.context, [this, &listener, &network](error_code failed, tcp::socket socket) {
        if (failed == asio::error::operation_aborted) return;
        if (failed) {  // out of descriptors, say: try again a little later
          base::log_warn("accept=failed reason=\"{}\"", failed.message());
          listener.pause.expires_after(kAcceptPause);
          listener.pause.async_wait([this, &listener](error_code stopped) {
            if (!stopped) accept(listener);
          });
          return;
        }
        accepted(std::move(socket), network);
        accept(listener);
      });
}

void Server::Parts::accepted(tcp::socket socket, Network& network) {
  if (broker->metrics.snapshot().connections >= options.connections_max)
    return broker->metrics.count_refused("TOO_MANY_CONNECTIONS");
  auto connection =
      std::make_shared<Connection>(std::move(socket), network.context, *broker, request_memory);
  asio::post(network.context, [&network, connection = std::move(connection)] {
    std::erase_if(network.connections, [](const auto& known) { return !known->is_open(); });
    network.connections.push_back(connection);
    connection->start();
  });
}

void Server::Parts::everywhere(const std::function<void(Network&)>& task) {
  for (const auto& network : networks) {
    std::promise<void> done;
    asio::post(network->context, [&] {
      task(*network);
      done.set_value();
    });
    done.get_future().wait();
  }
}

void Server::stop_reading() {
  if (!parts_->running) return;
  parts_->everywhere([this](Network& network) {
    if (&network == parts_->networks.front().get()) {
      for (const auto& listener : parts_->listeners) {
        error_code ignored;
        listener->acceptor.close(ignored);
        listener->pause.cancel();
      }
    }
    for (const auto& connection : network.connections)
      connection->stop_reading();
  });
}

void Server::stop() {
  if (!parts_->running) return;
  stop_reading();
  parts_->everywhere([](Network& network) {
    for (const auto& connection : network.connections)
      connection->close();
  });
  for (const auto& network : parts_->networks)
    network->context.stop();
  for (const auto& network : parts_->networks)
    if (network->thread.joinable()) network->thread.join();
  for (const auto& network : parts_->networks)
    network->connections.clear();
  parts_->running = false;
}

void Server::close_idle(int64_t now_us) {
  if (!parts_->running) return;
  const int64_t oldest_us = now_us - parts_->options.idle_connection_ms * 1000;
  for (const auto& network : parts_->networks) {
    asio::post(network->context, [network = network.get(), oldest_us] {
      for (const auto& connection : network->connections)
        if (connection->last_active_us() < oldest_us) connection->close("IDLE");
      std::erase_if(network->connections, [](const auto& known) { return !known->is_open(); });
    });
  }
}

int64_t Server::request_bytes() const { return parts_->request_memory.used(); }

std::vector<BoundAddress> Server::addresses() const {
  std::vector<BoundAddress> result;
  for (const auto& listener : parts_->listeners)
    result.push_back(listener->bound);
  return result;
}

}  // namespace weir::hub
