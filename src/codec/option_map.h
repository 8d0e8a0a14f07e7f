// Spark's option maps: names in any case, every option accounted for.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/record_options.h"

namespace weir::codec {

using base::Result;

class OptionMap {
 public:
  explicit OptionMap(const std::map<std::string, std::string>& options);

  // Each call marks the option as known. Values that are not of the type are kInvalidArgument,
  // naming the option.
  std::optional<std::string> text(std::string_view name);
  Result<bool> boolean(std::string_view name, bool otherwise);
  Result<int64_t> integer(std::string_view name, int64_t otherwise);
  Result<ParseMode> mode();
  // Marks options that mean something to another part, or nothing where a schema is given.
  void ignore(std::initializer_list<std::string_view> names);
  // Options that Spark has and weir does not: kUnsupported where one is given with another value
  // than `harmless`.
  Result<void> refuse(std::string_view name, std::initializer_list<std::string_view> harmless = {});
  // Only UTF-8 is read.
  Result<void> check_encoding();
  // What nobody has asked for.
  std::vector<std::string> unknown() const;

 private:
  struct Entry {
    std::string name;  // as given
    std::string value;
    bool known = false;
  };
  Entry* find(std::string_view name);
  std::map<std::string, Entry> entries_;  // by lower-case name
};

// Marks the options that the file source itself takes (path, maxFilesPerTrigger …).
void ignore_file_source_options(OptionMap& options);

}  // namespace weir::codec
