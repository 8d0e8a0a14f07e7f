// What `weir --version` tells: this build's commit and the libraries that are linked.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weir::app {

// The commit that was built ("1a2b3c4d5e6f", with "+changes" where the tree was not clean);
// generated at build time.
extern const char kBuildCommit[];

// {"weir", "0.1.0"}, {"commit", …}, {"arrow", "26.0.1"}, …; only libraries that are linked.
std::vector<std::pair<std::string, std::string>> versions();

}  // namespace weir::app
