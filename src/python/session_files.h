// Files and Python modules that a client has sent for its functions (addArtifacts, addPyFile):
// where workers find them.
//
// A folder of the session's own below the system's for temporary files, readable by its workers
// alone; gone with the session. "pyfiles/x.py" and "files/x" lie in it as x; archives of modules
// (zip, egg, jar) are on the workers' path. May be used from several threads.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::python {

using base::Result;

// SessionFunctions that have workers' files.
class FileTaker {
 public:
  virtual ~FileTaker() = default;
  // `name` as Spark Connect has it, a safe path. What is not for workers is passed over; archives
  // are UNSUPPORTED_FEATURE.
  virtual Result<void> add_file(const std::string& name, std::string_view bytes) = 0;
  virtual Result<void> copy_files(FileTaker& to) = 0;
};

class SessionFiles {
 public:
  SessionFiles() = default;
  ~SessionFiles();
  SessionFiles(const SessionFiles&) = delete;
  SessionFiles& operator=(const SessionFiles&) = delete;

  Result<void> copy_to(FileTaker& to);
  // Whether workers have to know of it.
  Result<bool> add(const std::string& name, std::string_view bytes);
  struct Place {
    std::string folder;                 // empty: there are no files
    std::vector<std::string> includes;  // names in it that are on the path
  };
  // Theirs to read: the user `uid` (-1: the server's own).
  Result<Place> place(int uid);

 private:
  std::string path_of(const std::string& name) const;

  std::mutex mutex_;
  Place place_;
  std::vector<std::string> names_;  // as given
  int owner_ = -1;
};

}  // namespace weir::python
