// A worker that runs a foreachBatch function: PySpark's foreach_batch_worker.
//
// It connects to our own server, into the session that started the query, and asks there for the
// rows of the relation that it is told of. Over its socket, big-endian: Python version text,
// session id text, pickled function (each an int length and the bytes); it answers 0 when the
// function is loaded. Then, for each batch, → relation id text, batch id long; ← 0 when the
// function has returned. Instead of 0 it may say -2 and a traceback, and ends.
//
// It sees the files and modules that the session had when it was started. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "python/session_files.h"
#include "python/worker_pool.h"

namespace weir::python {

struct BatchFunctionWords {
  std::string command;  // the pickled function
  std::string python_version;
  std::string session_id;
  std::string url;  // "sc://localhost:1234/;user_id=…", of the server
};

class BatchWorker {
 public:
  BatchWorker(std::shared_ptr<WorkerPool> pool, std::shared_ptr<SessionFiles> files,
              BatchFunctionWords words)
      : pool_(std::move(pool)), files_(std::move(files)), words_(std::move(words)) {}

  // Loads the function: PYTHON_EXCEPTION where that fails.
  Result<void> start(const std::stop_token& stop);
  // Until the function has returned; PYTHON_EXCEPTION with the user's traceback. A stop ends the
  // worker. The next call starts another one where it has ended.
  Result<void> run(const std::string& relation_id, int64_t batch_id, const std::stop_token& stop);

 private:
  Result<void> converse(const std::string& bytes, const std::stop_token& stop);
  Result<void> send(const std::string& bytes);
  Result<std::string> receive(size_t bytes);
  base::Error gone() const;

  const std::shared_ptr<WorkerPool> pool_;
  const std::shared_ptr<SessionFiles> files_;
  const BatchFunctionWords words_;
  WorkerPtr worker_;
};

}  // namespace weir::python
