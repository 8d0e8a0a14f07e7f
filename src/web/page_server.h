// A small HTTP server for pages that are made when they are asked for: metrics for Prometheus.
//
// GET and HEAD of the paths that it was given; 404 and 405 for the rest. One thread of its own;
// connections are kept alive, at most 64 at once, each request within 10 s and 8 KiB of head. It
// knows no TLS and no users: listen on an address that only those reach who may read the pages.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"

namespace weir::web {

struct Page {
  std::string content_type;
  std::function<std::string()> make;  // called by the server's thread
};

class PageServer {
 public:
  // listen: HOST:PORT, port 0 takes a free one. kAlreadyExists where the port is in use.
  static base::Result<std::unique_ptr<PageServer>> start(const std::string& listen,
                                                         std::map<std::string, Page> pages);
  ~PageServer();  // stops

  // "127.0.0.1:9090"
  const std::string& address() const { return address_; }

 private:
  struct Parts;
  PageServer();
  std::string address_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace weir::web
