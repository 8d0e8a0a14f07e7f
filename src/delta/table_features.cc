#include "delta/table_features.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace weir::delta {
namespace {

using base::ErrorKind;
using columnar::DataType;
using columnar::Field;
using columnar::TypeKind;

constexpr int kReaderVersionMax = 3;
constexpr int kWriterVersionMax = 7;

// Features of readers that the scan understands.
constexpr std::array<std::string_view, 7> kReaderFeatures = {
    "columnMapping", "deletionVectors",      "timestampNtz",       "v2Checkpoint",
    "typeWidening",  "typeWidening-preview", "vacuumProtocolCheck"};

// Writer-only features that ask nothing of a writer, or only what is checked in refuse_feature().
constexpr std::array<std::string_view, 18> kWriterFeatures = {
    "appendOnly",        "invariants",          "checkConstraints", "changeDataFeed",
    "generatedColumns",  "columnMapping",       "identityColumns",  "deletionVectors",
    "timestampNtz",      "domainMetadata",      "v2Checkpoint",     "allowColumnDefaults",
    "inCommitTimestamp", "vacuumProtocolCheck", "typeWidening",     "typeWidening-preview",
    "icebergCompatV1",   "icebergCompatV2"};

bool has_property_prefix(const Metadata& metadata, std::string_view prefix) {
  return std::any_of(metadata.configuration.begin(), metadata.configuration.end(),
                     [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

// Some field, at any depth, has this key in its metadata.
bool has_field_metadata(const DataType& type, std::string_view key) {
  switch (type.kind()) {
    case TypeKind::kStruct:
      return std::any_of(type.fields().begin(), type.fields().end(), [&](const Field& field) {
        return field.metadata.contains(key) || has_field_metadata(field.type(), key);
      });
    case TypeKind::kArray:
      return has_field_metadata(type.element(), key);
    case TypeKind::kMap:
      return has_field_metadata(type.key(), key) || has_field_metadata(type.value(), key);
    default:
      return false;
  }
}

bool contains(const std::optional<std::vector<std::string>>& features, std::string_view name) {
  return features && std::find(features->begin(), features->end(), name) != features->end();
}

// The name of an active feature that a writer of ours cannot respect; empty: none.
// Supported-but-unused ones are fine.
std::string_view unwritable_feature(const Protocol& protocol, const Metadata& metadata,
                                    const Schema& schema) {
  if (has_field_metadata(schema, "delta.invariants")) return "invariants";
  if (has_property_prefix(metadata, "delta.constraints.")) return "checkConstraints";
  if (has_field_metadata(schema, "delta.generationExpression")) return "generatedColumns";
  if (has_field_metadata(schema, "delta.identity.start")) return "identityColumns";
  if (column_mapping_mode(protocol, metadata) != ColumnMappingMode::kNone) return "columnMapping";
  if (has_field_metadata(schema, "CURRENT_DEFAULT")) return "allowColumnDefaults";
  if (property_is_true(metadata, "delta.enableInCommitTimestamps")) return "inCommitTimestamp";
  if (property_is_true(metadata, "delta.enableRowTracking")) return "rowTracking";
  if (property_is_true(metadata, "delta.enableIcebergCompatV1")) return "icebergCompatV1";
  if (property_is_true(metadata, "delta.enableIcebergCompatV2")) return "icebergCompatV2";
  return {};
}

Result<void> refuse(const std::string& table_path, std::string_view what,
                    std::string_view feature) {
  return base::error(ErrorKind::kUnsupported,
                     "table {} cannot be {}: it uses the Delta feature {}, which is not supported",
                     table_path, what, feature)
      .with_class("DELTA_UNSUPPORTED_FEATURES_FOR_" +
                  std::string(what == "read" ? "READ" : "WRITE"));
}

}  // namespace

bool property_is_true(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.configuration.find(key);
  return found != metadata.configuration.end() && base::lower_case(found->second) == "true";
}

bool is_append_only(const Metadata& metadata) {
  return property_is_true(metadata, "delta.appendOnly");
}

ColumnMappingMode column_mapping_mode(const Protocol& protocol, const Metadata& metadata) {
  const bool allowed =
      protocol.min_reader_version == 2 ||
      (protocol.min_reader_version == 3 && contains(protocol.reader_features, "columnMapping"));
  const auto found = metadata.configuration.find("delta.columnMapping.mode");
  if (!allowed || found == metadata.configuration.end()) return ColumnMappingMode::kNone;
  const std::string mode = base::lower_case(found->second);
  if (mode == "name") return ColumnMappingMode::kName;
  return mode == "id" ? ColumnMappingMode::kId : ColumnMappingMode::kNone;
}

Result<void> check_readable(const std::string& table_path, const Protocol& protocol,
                            const Metadata& metadata) {
  if (protocol.min_reader_version < 1 || protocol.min_reader_version > kReaderVersionMax) {
    return base::error(ErrorKind::kUnsupported,
                       "table {} cannot be read: it asks for Delta reader version {}, we have {}",
                       table_path, protocol.min_reader_version, kReaderVersionMax)
        .with_class("DELTA_INVALID_PROTOCOL_VERSION");
  }
  if (protocol.min_reader_version == 3) {
    if (!protocol.reader_features) {
      return base::error(ErrorKind::kCorruption,
                         "table {}: the protocol has reader version 3 but no readerFeatures",
                         table_path);
    }
    for (const std::string& feature : *protocol.reader_features) {
      if (std::find(kReaderFeatures.begin(), kReaderFeatures.end(), feature) ==
          kReaderFeatures.end()) {
        return refuse(table_path, "read", feature);
      }
    }
  }
  if (base::lower_case(metadata.format_provider) != "parquet") {
    return base::error(ErrorKind::kUnsupported,
                       "table {}: data files of format {} are not supported", table_path,
                       metadata.format_provider);
  }
  return {};
}

Result<void> check_writable(const std::string& table_path, const Protocol& protocol,
                            const Metadata& metadata, const Schema& schema) {
  WEIR_TRY(check_readable(table_path, protocol, metadata));
  if (protocol.min_writer_version < 1 || protocol.min_writer_version > kWriterVersionMax) {
    return base::error(
               ErrorKind::kUnsupported,
               "table {} cannot be written: it asks for Delta writer version {}, we have {}",
               table_path, protocol.min_writer_version, kWriterVersionMax)
        .with_class("DELTA_INVALID_PROTOCOL_VERSION");
  }
  if (protocol.min_writer_version == kWriterVersionMax) {
    for (const std::string& feature :
         protocol.writer_features.value_or(std::vector<std::string>{})) {
      if (std::find(kWriterFeatures.begin(), kWriterFeatures.end(), feature) ==
          kWriterFeatures.end()) {
        return refuse(table_path, "written", feature);
      }
    }
  }
  if (const std::string_view feature = unwritable_feature(protocol, metadata, schema);
      !feature.empty()) {
    return refuse(table_path, "written", feature);
  }
  return {};
}

}  // namespace weir::delta
