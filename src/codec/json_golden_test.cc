// Compares the decoder with what real Spark answered (tests/golden/json/answers.json; record.py
// there records it anew).
#include <filesystem>
#include <unistd.h>

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "codec/golden_kit.h"
#include "codec/json_decoder.h"

namespace weir::codec {
namespace {

constexpr const char* kAnswers = "tests/golden/json/answers.json";
constexpr const char* kSuite = "../shared/data/malformed.tar.xz";

JsonOptions options_of(const JsonObject& group) {
  JsonOptions options;
  options.from_files = *base::json_string(group, "source") == "file";
  const JsonObject& given = *base::json_object(group, "options");
  const auto flag = [&](const char* name, bool* to) {
    if (auto value = base::json_string(given, name)) *to = *value == "true";
  };
  flag("allowComments", &options.allow_comments);
  flag("allowUnquotedFieldNames", &options.allow_unquoted_field_names);
  flag("allowSingleQuotes", &options.allow_single_quotes);
  flag("allowNumericLeadingZeros", &options.allow_numeric_leading_zeros);
  flag("allowNonNumericNumbers", &options.allow_non_numeric_numbers);
  flag("allowBackslashEscapingAnyCharacter", &options.allow_backslash_escaping_any_character);
  flag("allowUnquotedControlChars", &options.allow_unquoted_control_chars);
  options.timestamp_format = base::json_string(given, "timestampFormat").value_or("");
  options.timestamp_ntz_format = base::json_string(given, "timestampNTZFormat").value_or("");
  options.date_format = base::json_string(given, "dateFormat").value_or("");
  options.time_zone = base::json_string(given, "timeZone").value_or("UTC");
  return options;
}

// Our answer to one record, as record.py writes Spark's.
std::string answer(JsonDecoder& decoder, std::string_view record, bool from_files) {
  // Behind the record stands what must not be looked at.
  const std::string arena = std::string(record) + std::string(64, '}');
  auto added = from_files
                   ? decoder.append_lines(std::string_view(arena).substr(0, record.size()), 64)
                   : decoder.append(std::string_view(arena).substr(0, record.size()), 64);
  if (!added.ok()) return added.error().to_string();
  const bool null = !from_files && decoder.outcomes()[0] == RecordOutcome::kNull;
  auto batch = *decoder.finish();
  if (const auto valid = batch->ValidateFull(); !valid.ok()) return valid.ToString();
  if (null) return "null";
  JsonArray rows;
  for (int64_t i = 0; i < batch->num_rows(); ++i) {
    JsonArray row;
    for (const auto& column : batch->columns())
      row.push_back(plain(*column, i));
    rows.push_back(row);
  }
  return base::json_text(rows);
}

// Compares a group's cases; returns how many there were.
int compare(const JsonObject& group, const std::string& folder) {
  const std::string ddl = *base::json_string(group, "schema");
  auto schema = columnar::parse_ddl_schema(ddl + ", _corrupt_record string");
  EXPECT_TRUE(schema.ok()) << ddl;
  const JsonOptions options = options_of(group);
  auto decoder = JsonDecoder::create(*schema, options);
  EXPECT_TRUE(decoder.ok()) << decoder.error().to_string();
  if (!decoder.ok()) return 0;
  int count = 0;
  for (const JsonValue& entry : *base::json_array(group, "cases")) {
    const JsonObject& one = entry.get_object();
    std::string record;
    if (auto file = base::json_string(one, "file")) {
      record = file_text(folder + "/" + *file);
    } else {
      record = input_of(one);
    }
    ++count;
    const std::string expected = base::json_text(*one.if_contains("out"));
    const std::string got = answer(**decoder, record, options.from_files);
    EXPECT_EQ(got.substr(0, 400), expected.substr(0, 400))
        << ddl << " " << base::json_text(*group.if_contains("options")) << " "
        << *base::json_string(group, "source") << "\n  " << record.substr(0, 300) << " "
        << base::json_string(one, "file").value_or("");
  }
  return count;
}

TEST(JsonGolden, OddInputsAsSpark) {
  auto answers = base::parse_json_object(file_text(kAnswers), kAnswers);
  ASSERT_TRUE(answers.ok()) << answers.error().to_string();
  int count = 0;
  for (const JsonValue& group : *base::json_array(*answers, "groups"))
    count += compare(group.get_object(), "");
  EXPECT_GT(count, 400);
}

TEST(JsonGolden, JsonTestSuiteAsSpark) {
  if (!std::filesystem::exists(kSuite)) GTEST_SKIP() << "skipped: ../shared/data is absent";
  auto answers = base::parse_json_object(file_text(kAnswers), kAnswers);
  ASSERT_TRUE(answers.ok());
  const JsonArray* suites = base::json_array(*answers, "suites");
  ASSERT_NE(suites, nullptr) << "record.py has to be run where ../shared/data is";
  const std::string folder = testing::TempDir() + fmt::format("weir-json-suite-{}", ::getpid());
  std::filesystem::create_directories(folder);
  ASSERT_EQ(std::system(fmt::format("tar -xJf {} -C {}", kSuite, folder).c_str()), 0);
  int count = 0;
  for (const JsonValue& group : *suites)
    count += compare(group.get_object(), folder);
  EXPECT_GT(count, 300);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace weir::codec
