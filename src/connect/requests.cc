#include "connect/requests.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

namespace weir::connect {

using base::Error;
using base::ErrorKind;

Result<void> parse_message(std::string_view bytes, google::protobuf::Message& out) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kNestingMax);
  if (out.ParseFromCodedStream(&input) && input.ConsumedEntireMessage()) return {};
  return Error(
             ErrorKind::kInvalidArgument,
             fmt::format("The {} cannot be read: it is no such message, or is nested more than {} "
                         "levels.",
                         out.GetDescriptor()->name(), kNestingMax))
      .with_class("CONNECT_INVALID_PLAN.CANNOT_PARSE")
      .with_sql_state("56K00");
}

Error invalid_plan_error(std::string text) {
  return Error(ErrorKind::kInvalidArgument, std::move(text))
      .with_class("CONNECT_INVALID_PLAN.UNEXPECTED")
      .with_sql_state("56K00");
}

Error unsupported_error(std::string text) {
  std::string message = "The feature is not supported: " + text + " is not supported.";
  return Error(ErrorKind::kUnsupported, std::move(message))
      .with_class("UNSUPPORTED_FEATURE")
      .with_sql_state("0A000")
      .with_parameter("feature", std::move(text));
}

std::string case_name(const google::protobuf::Message& message, std::string_view oneof) {
  const auto* reflection = message.GetReflection();
  const auto* found = message.GetDescriptor()->FindOneofByName(std::string(oneof));
  if (found != nullptr) {
    if (const auto* field = reflection->GetOneofFieldDescriptor(message, found))
      return field->name();
  }
  const auto& unknown = reflection->GetUnknownFields(message);
  if (!unknown.empty())
    return fmt::format("{} number {}", message.GetDescriptor()->name(), unknown.field(0).number());
  return "nothing";
}

}  // namespace weir::connect
