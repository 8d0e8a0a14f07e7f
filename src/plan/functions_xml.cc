// XML in columns.
#include "plan/functions_xml.h"

#include <fmt/format.h>

#include "plan/json_options.h"
#include "plan/operator_rewrites.h"
#include "plan/schema_argument.h"

namespace weir::plan {

using namespace entry;

namespace {

// xpath…(xml, path)
SignatureRule path_search(DataType result) {
  return [result](const Function&, const SignatureCall& call) -> Result<Signature> {
    for (size_t i = 0; i < 2; ++i) {
      if (!can_cast_implicitly(call.arguments[i]->type, DataType::of(S), call.options->ansi))
        return unexpected_input(call, i, "\"STRING\"");
    }
    if (!is_foldable(*call.arguments[1])) {
      return analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                            fmt::format("Cannot resolve \"{}\" due to data type mismatch: the "
                                        "input `path` should be a foldable \"STRING\" expression.",
                                        call.name),
                            call.origin)
          .with_parameter("inputName", "`path`")
          .with_parameter("inputType", "\"STRING\"");
    }
    return Signature{{DataType::of(S), DataType::of(S)}, result, true};
  };
}

// from_xml(xml, schema[, options])
Result<Signature> from_xml_rule(const Function&, const SignatureCall& call) {
  WEIR_ASSIGN(const auto type, schema_argument(call, 1));
  if (!type.is(TypeKind::kStruct))
    return wrong_schema_type(call, "INVALID_XML_SCHEMA", type, "a struct or a variant");
  if (!is_text(call.arguments[0]->type) && !call.arguments[0]->type.is(TypeKind::kNull))
    return unexpected_input(call, 0, "\"STRING\"");
  const auto string = DataType::of(S);
  Signature signature{{string, string}, type.as_nullable(), true};
  if (call.arguments.size() > 2) signature.argument_types.push_back(call.arguments[2]->type);
  return signature;
}

// to_xml(struct[, options])
Result<Signature> to_xml_rule(const Function&, const SignatureCall& call) {
  const auto& type = call.arguments[0]->type;
  if (!type.is(TypeKind::kStruct)) return unexpected_input(call, 0, "\"STRUCT\"");
  Signature signature{{type}, DataType::of(S), true};
  if (call.arguments.size() > 1) signature.argument_types.push_back(call.arguments[1]->type);
  return signature;
}

// schema_of_xml(xml[, options])
Result<Signature> schema_of_xml_rule(const Function&, const SignatureCall& call) {
  const auto* text = literal_text(*call.arguments[0]);
  if (!text) {
    return analysis_error("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "42K09",
                          "Cannot resolve \"schema_of_xml\" due to data type mismatch: the input "
                          "`xml` should be a foldable \"STRING\" expression.",
                          call.origin)
        .with_parameter("inputName", "`xml`")
        .with_parameter("inputType", "\"STRING\"");
  }
  Signature signature{{DataType::of(S)}, DataType::of(S), false};
  if (call.arguments.size() > 1) signature.argument_types.push_back(call.arguments[1]->type);
  return signature;
}

}  // namespace

void add_xml(Functions& list) {
  const auto of = [](TypeKind kind) { return DataType::of(kind); };
  list.push_back(risky("xpath", 2, 2, path_search(DataType::array(of(S), true)),
                       "The texts of the nodes that an XPath finds in XML."));
  list.push_back(risky("xpath_boolean", 2, 2, path_search(of(B)),
                       "Whether an XPath finds something, or is true."));
  list.push_back(
      risky("xpath_string", 2, 2, path_search(of(S)), "The text of what an XPath finds first."));
  list.push_back(risky("xpath_short", 2, 2, path_search(of(TypeKind::kShort)),
                       "The number that an XPath finds, as smallint; 0 where it is none."));
  list.push_back(risky("xpath_int", 2, 2, path_search(of(I)),
                       "The number that an XPath finds, as int; 0 where it is none."));
  list.push_back(risky("xpath_long", 2, 2, path_search(of(L)),
                       "The number that an XPath finds, as bigint; 0 where it is none."));
  list.push_back(risky("xpath_float", 2, 2, path_search(of(F)),
                       "The number that an XPath finds, as float; NaN where it is none."));
  list.push_back(risky("xpath_double", 2, 2, path_search(of(D)),
                       "The number that an XPath finds; NaN where it is none.", {"xpath_number"}));
  list.push_back(risky("from_xml", 2, 3, from_xml_rule,
                       "A struct read from XML text by a schema, with options."));
  list.push_back(risky("to_xml", 1, 2, to_xml_rule, "XML text of a struct, with options."));
  list.push_back(risky("schema_of_xml", 1, 2, schema_of_xml_rule, "Type of an XML text, as DDL."));
}

}  // namespace weir::plan
