// The Python program that the template process runs (python -c): it loads PySpark's worker once and
// forks workers from then on. No code of a user ever runs in the template itself.
#pragma once

namespace weir::python {

// Speaks over file 3, a sequenced-packet Unix socket, one JSON object a packet:
//   → {"ready": true, "pyspark": "4.2.0", "python": "3.11", "root": "/…/pyspark"} or {"error": "…"}
//   ← {"do": "fork", "uid": 61184 or -1, "memory": bytes or 0, "files": 256} with the worker's end
//   of
//     a stream socket as ancillary data; → {"pid": 123} or {"error": "…"}. A foreachBatch worker
//     has "batches": {"url": where it connects to, "folder": of the session's files or "",
//     "includes": ["archive of modules in it", …]} too
//   ← {"do": "kill", "pid": 123}; → {"ok": true}
//   ← {"do": "status", "pid": 123}; → {"ended": "signal 9"}, {"ended": "exit code 1"} or
//     {"ended": ""} for one that lives
//   ← {"do": "readable", "uid": 61184}; → {"error": ""} where that user can read PySpark
// It ends, and all workers with it, when the socket is closed.
extern const char kWorkerProgram[];

}  // namespace weir::python
