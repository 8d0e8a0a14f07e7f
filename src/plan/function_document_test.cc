// docs/functions.md is what the catalog says.
#include "plan/function_document.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace weir::plan {
namespace {

constexpr const char* kPath = "docs/functions.md";  // tests run in the source folder

TEST(FunctionDocument, IsCurrent) {
  const auto wanted = function_document();
  if (std::getenv("WEIR_RECORD")) {
    std::ofstream(kPath, std::ios::binary) << wanted;
    return;
  }
  std::ifstream file(kPath, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == wanted)
      << kPath << " is not what the catalog of functions says; write it again with\n"
      << "WEIR_RECORD=1 plan_test --gtest_filter='FunctionDocument.*'";
}

}  // namespace
}  // namespace weir::plan
