// XML in columns, searched by XPath 1.0 (pugixml).
#include "eval/xml_functions.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "eval/list_rows.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

constexpr unsigned kParsing =
    pugi::parse_default | pugi::parse_ws_pcdata | pugi::parse_comments | pugi::parse_pi;

// One text after the other, searched by one path.
class Search {
 public:
  explicit Search(const KernelCall& call) : call_(call) {}

  // The query of the row's path; kept while the path stays.
  Result<const pugi::xpath_query*> query(std::string_view path) {
    if (query_ && path == path_) return &*query_;
    path_ = path;
    try {
      query_.emplace(path_.c_str());
    } catch (const std::exception& failure) {
      return base::error(base::ErrorKind::kInvalidArgument, "Invalid XPath '{}': {}", path_,
                         failure.what());
    }
    return &*query_;
  }

  Result<pugi::xpath_node> document(std::string_view text) {
    const auto outcome =
        document_.load_buffer(text.data(), text.size(), kParsing, pugi::encoding_utf8);
    int elements = 0;
    for (const auto child : document_.children())
      elements += child.type() == pugi::node_element;
    if (!outcome || elements != 1) {
      return base::error(base::ErrorKind::kInvalidArgument,
                         "Error loading expression '{}': Invalid XML document: {}", path_,
                         outcome ? "it needs one root element" : outcome.description());
    }
    return pugi::xpath_node(document_);
  }

  // found(query, document, row) for the rows that have a text and a path, missing(row) for others.
  template <typename Found, typename Missing>
  Result<void> each(Arguments arguments, Found&& found, Missing&& missing) {
    const TextReader text(arguments[0]), path(arguments[1]);
    for (int64_t row = 0; row < call_.rows; ++row) {
      if (!text.valid[row] || !path.valid[row] || text[row].empty() || path[row].empty()) {
        missing(row);
        continue;
      }
      WEIR_ASSIGN(const auto* searched, query(path[row]));
      WEIR_ASSIGN(const auto root, document(text[row]));
      try {
        found(*searched, root, row);
      } catch (const std::exception& failure) {
        return base::error(base::ErrorKind::kInvalidArgument, "XPath '{}': {}", path_,
                           failure.what());
      }
    }
    return {};
  }

 private:
  const KernelCall& call_;
  std::string path_;
  std::optional<pugi::xpath_query> query_;
  pugi::xml_document document_;
};

// What Java's conversions make of a number: NaN is 0, the rest stays within the type.
template <typename T>
T whole_number(double number) {
  if (std::isnan(number)) return 0;
  using Limits = std::numeric_limits<T>;
  if (number >= static_cast<double>(Limits::max())) return Limits::max();
  if (number <= static_cast<double>(Limits::lowest())) return Limits::lowest();
  return static_cast<T>(number);
}

template <typename T>
T number_as(double number) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(number);
  } else if constexpr (sizeof(T) == 2) {
    return static_cast<T>(static_cast<uint32_t>(whole_number<int32_t>(number)));
  } else {
    return whole_number<T>(number);
  }
}

template <typename T>
Result<ArrayPtr> xpath_number(KernelCall& call, Arguments arguments) {
  FixedWriter<T> writer(call.rows);
  WEIR_TRY(Search(call).each(
      arguments,
      [&](const pugi::xpath_query& query, const pugi::xpath_node& root, int64_t row) {
        writer.set(row, number_as<T>(query.evaluate_number(root)));
      },
      [&](int64_t row) { writer.set_null(row); }));
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> xpath_boolean(KernelCall& call, Arguments arguments) {
  BoolWriter writer(call.rows);
  WEIR_TRY(Search(call).each(
      arguments,
      [&](const pugi::xpath_query& query, const pugi::xpath_node& root, int64_t row) {
        writer.set(row, query.evaluate_boolean(root));
      },
      [&](int64_t row) { writer.set_null(row); }));
  return writer.finish();
}

// As XPath writes numbers: no exponent, whole ones without a point.
std::string number_text(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  if (number == 0) return "0";
  auto text = fmt::format("{}", number);
  if (text.find('e') == std::string::npos)
    return text.ends_with(".0") ? text.substr(0, text.size() - 2) : text;
  text = fmt::format("{:.17f}", number);
  while (text.ends_with('0'))
    text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Result<ArrayPtr> xpath_string(KernelCall& call, Arguments arguments) {
  TextWriter writer(call.rows);
  WEIR_TRY(Search(call).each(
      arguments,
      [&](const pugi::xpath_query& query, const pugi::xpath_node& root, int64_t) {
        if (query.return_type() == pugi::xpath_type_number) {
          writer.add(number_text(query.evaluate_number(root)));
        } else {
          writer.add(query.evaluate_string(root));
        }
      },
      [&](int64_t) { writer.add_null(); }));
  return writer.finish(call.arrow_type);
}

// The texts of the nodes; an element has none of its own.
Result<ArrayPtr> xpath(KernelCall& call, Arguments arguments) {
  ListOffsets offsets(call.rows);
  std::vector<std::optional<std::string>> all;
  const auto end = [&] { return static_cast<int64_t>(all.size()); };
  WEIR_TRY(Search(call).each(
      arguments,
      [&](const pugi::xpath_query& query, const pugi::xpath_node& root, int64_t) {
        for (const auto& node : query.evaluate_node_set(root)) {
          if (node.attribute()) {
            all.emplace_back(node.attribute().value());
          } else if (node.node().type() == pugi::node_element ||
                     node.node().type() == pugi::node_document) {
            all.emplace_back();
          } else {
            all.emplace_back(node.node().value());
          }
        }
        offsets.end_row(end());
      },
      [&](int64_t) { offsets.add_null(end()); }));
  TextWriter writer(end());
  for (const auto& one : all) {
    if (one) {
      writer.add(*one);
    } else {
      writer.add_null();
    }
  }
  WEIR_ASSIGN(const auto values,
              writer.finish(static_cast<const arrow::ListType&>(*call.arrow_type).value_type()));
  return offsets.finish(call.arrow_type, values);
}

constexpr KernelEntry kKernels[] = {
    {"xpath", xpath},
    {"xpath_boolean", xpath_boolean},
    {"xpath_string", xpath_string},
    {"xpath_short", xpath_number<int16_t>},
    {"xpath_int", xpath_number<int32_t>},
    {"xpath_long", xpath_number<int64_t>},
    {"xpath_float", xpath_number<float>},
    {"xpath_double", xpath_number<double>},
};

}  // namespace

std::span<const KernelEntry> xml_kernels() { return kKernels; }

}  // namespace weir::eval
