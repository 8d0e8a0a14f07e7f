// How another `weir` reaches the queries of this process: a Unix socket of mode 0600, one a
// process, in a folder of mode 0700 ($XDG_RUNTIME_DIR/weir, else /tmp/weir-<uid>), named
// <pid>.sock.
//
// One JSON object a line each way, one answer to one question:
//   {"command":"list"}                  {"queries":[{…status…}]}
//   {"command":"show","query":"NAME"} {"query":{…status…},"lastProgress":{…},"recentProgress":[…]}
//   {"command":"stop","query":"NAME"}   {"stopped":true,"query":{…status…}}
//   what fails                          {"error":{"kind":"NOT_FOUND","message":"…"}}
// NAME is a query's name, id or run id. A question longer than 64 KiB or not finished within 5 s
// ends the connection. The server has one thread and answers one connection at a time.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "stream/query_manager.h"

namespace weir::stream {

// The folder of the sockets of this user; made where absent, and refused where others may write to
// it.
Result<std::string> control_folder();

base::JsonObject status_json(const QueryStatus& status);

class ControlServer {
 public:
  // manager outlives the server.
  static Result<std::unique_ptr<ControlServer>> start(QueryManager& manager);
  ~ControlServer();
  const std::string& path() const { return path_; }

 private:
  ControlServer(QueryManager& manager, std::string path, int listener, int wake);
  void run(std::stop_token stop);
  void serve(int connection);
  base::JsonObject answer(const std::string& line);

  QueryManager& manager_;
  std::string path_;
  int listener_;
  int wake_;
  std::jthread thread_;
};

// One running process's answer.
struct ControlAnswer {
  int pid = 0;
  base::JsonObject json;
};
// Asks every process of this user; sockets that nobody listens on any more are removed.
Result<std::vector<ControlAnswer>> ask_all(const base::JsonObject& question);

}  // namespace weir::stream
