#include "delta/deletion_vector.h"

#include <array>
#include <cstring>

#include "delta/partition_values.h"

namespace weir::delta {
namespace {

using base::ErrorKind;

constexpr uint32_t kMagic = 1681511377;
constexpr uint32_t kRoaringNoRuns = 12346;
constexpr uint32_t kRoaringWithRuns = 12347;
constexpr uint32_t kOffsetsFromContainers =
    4;  // with runs, the offsets are there from so many containers on
constexpr uint32_t kArrayContainerMax = 4096;
constexpr size_t kBitmapBytes = 8192;
constexpr size_t kUuidCharacters = 20;

uint32_t crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (0xEDB88320U & (0U - (crc & 1)));
  }
  return ~crc;
}

uint32_t big_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  return value;
}

// Little-endian numbers off the front; after the first one that is missing, everything reads as
// zero and bad() is true.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  T take() {
    T value{};
    if (bytes_.size() < sizeof(T)) {
      bad_ = true;
      return value;
    }
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view take_bytes(size_t count) {
    if (bytes_.size() < count) {
      bad_ = true;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  bool bad() const { return bad_; }

 private:
  std::string_view bytes_;
  bool bad_ = false;
};

class BitmapParser {
 public:
  BitmapParser(ByteReader& reader, int64_t cardinality)
      : reader_(reader), cardinality_(cardinality) {}

  // One 32-bit bitmap whose values all lie above `high`. False where the bytes are wrong.
  bool parse_bucket(int64_t high) {
    const auto cookie = reader_.take<uint32_t>();
    const bool with_runs = (cookie & 0xFFFF) == kRoaringWithRuns;
    if (!with_runs && cookie != kRoaringNoRuns) return false;
    const uint32_t containers = with_runs ? (cookie >> 16) + 1 : reader_.take<uint32_t>();
    if (reader_.bad() || containers > 65536) return false;
    const std::string_view run_flags =
        with_runs ? reader_.take_bytes((containers + 7) / 8) : std::string_view();
    const std::string_view header = reader_.take_bytes(size_t{containers} * 4);
    if (!with_runs || containers >= kOffsetsFromContainers)
      reader_.take_bytes(size_t{containers} * 4);
    if (reader_.bad()) return false;
    for (uint32_t i = 0; i < containers; ++i) {
      uint16_t key = 0;
      uint16_t count_less_one = 0;
      std::memcpy(&key, header.data() + size_t{i} * 4, 2);
      std::memcpy(&count_less_one, header.data() + size_t{i} * 4 + 2, 2);
      const int64_t base = high | int64_t{key} << 16;
      const bool is_run =
          with_runs && (static_cast<unsigned char>(run_flags[i / 8]) >> (i % 8) & 1) != 0;
      if (!(is_run ? parse_runs(base) : parse_values(base, uint32_t{count_less_one} + 1)))
        return false;
    }
    return true;
  }
  std::vector<int64_t> rows;

 private:
  bool append(int64_t row) {
    if (static_cast<int64_t>(rows.size()) >= cardinality_ || (!rows.empty() && row <= rows.back()))
      return false;
    rows.push_back(row);
    return true;
  }
  bool parse_runs(int64_t base) {
    const auto runs = reader_.take<uint16_t>();
    for (uint32_t run = 0; run < runs; ++run) {
      const auto start = reader_.take<uint16_t>();
      const auto length_less_one = reader_.take<uint16_t>();
      if (reader_.bad() || uint32_t{start} + length_less_one > 65535) return false;
      for (uint32_t i = 0; i <= length_less_one; ++i) {
        if (!append(base + start + i)) return false;
      }
    }
    return !reader_.bad();
  }
  bool parse_values(int64_t base, uint32_t count) {
    if (count <= kArrayContainerMax) {
      for (uint32_t i = 0; i < count; ++i) {
        const auto low = reader_.take<uint16_t>();
        if (reader_.bad() || !append(base + low)) return false;
      }
      return true;
    }
    const std::string_view bits = reader_.take_bytes(kBitmapBytes);
    if (reader_.bad()) return false;
    for (size_t bit = 0; bit < kBitmapBytes * 8; ++bit) {
      if ((static_cast<unsigned char>(bits[bit / 8]) >> (bit % 8) & 1) == 0) continue;
      if (!append(base + static_cast<int64_t>(bit))) return false;
    }
    return true;
  }

  ByteReader& reader_;
  int64_t cardinality_;
};

std::string uuid_text(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[i]));
  }
  return text;
}

Result<std::string> vector_file(const std::string& table_path,
                                const DeletionVectorDescriptor& descriptor) {
  if (descriptor.storage_type == "p") return data_file_path(table_path, descriptor.path_or_inline);
  const std::string& text = descriptor.path_or_inline;
  const auto uuid = text.size() < kUuidCharacters
                        ? std::nullopt
                        : decode_z85(std::string_view(text).substr(text.size() - kUuidCharacters));
  if (!uuid)
    return base::error(ErrorKind::kCorruption, "table {}: \"{}\" does not name a deletion vector",
                       table_path, text);
  const std::string prefix = text.substr(0, text.size() - kUuidCharacters);
  const std::string folder = prefix.empty() ? table_path : io::join_path(table_path, prefix);
  return io::join_path(folder, "deletion_vector_" + uuid_text(*uuid) + ".bin");
}

Result<std::string> read_from_file(io::FileSystem& fs, const std::string& path,
                                   const DeletionVectorDescriptor& descriptor) {
  WEIR_ASSIGN(const auto file, fs.open_read(path));
  WEIR_ASSIGN(const int64_t file_size, file->size());
  const int64_t size = descriptor.size_in_bytes;
  const int64_t start = descriptor.offset.value_or(1);
  if (size < 0 || start < 0 || start + 8 + size > file_size) {
    return base::error(ErrorKind::kCorruption,
                       "deletion vector {}: {} bytes at {} lie outside the file of {} bytes", path,
                       size, start, file_size);
  }
  std::string bytes(static_cast<size_t>(size) + 8, '\0');
  WEIR_ASSIGN(const int64_t count, file->read_at(start, size + 8, bytes.data()));
  const std::string_view all(bytes);
  const std::string_view data = all.substr(4, static_cast<size_t>(size));
  if (count != size + 8 || big_endian(all) != static_cast<uint32_t>(size) ||
      big_endian(all.substr(4 + data.size())) != crc32(data)) {
    return base::error(ErrorKind::kCorruption,
                       "deletion vector {} at {}: size or checksum does not fit", path, start);
  }
  return std::string(data);
}

}  // namespace

std::optional<std::string> decode_z85(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  if (text.size() % 5 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 5) {
    uint64_t value = 0;
    for (const char c : text.substr(i, 5)) {
      const size_t digit = kAlphabet.find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      value = value * 85 + digit;
    }
    if (value > 0xFFFFFFFF) return std::nullopt;
    for (int shift = 24; shift >= 0; shift -= 8)
      out += static_cast<char>(value >> shift & 0xFF);
  }
  return out;
}

Result<std::vector<int64_t>> parse_deletion_vector(std::string_view data, int64_t cardinality) {
  ByteReader reader(data);
  const auto magic = reader.take<uint32_t>();
  const auto buckets = reader.take<uint64_t>();
  BitmapParser parser(reader, cardinality);
  bool good = !reader.bad() && magic == kMagic;
  for (uint64_t bucket = 0; good && bucket < buckets; ++bucket) {
    const auto key = reader.take<uint32_t>();
    good = !reader.bad() && key <= 0x7FFFFFFF && parser.parse_bucket(int64_t{key} << 32);
  }
  if (!good || static_cast<int64_t>(parser.rows.size()) != cardinality) {
    return base::error(ErrorKind::kCorruption,
                       "deletion vector: its bytes are not a bitmap of {} rows", cardinality);
  }
  return std::move(parser.rows);
}

Result<std::vector<int64_t>> read_deletion_vector(io::FileSystem& fs, const std::string& table_path,
                                                  const DeletionVectorDescriptor& descriptor) {
  std::string data;
  if (descriptor.storage_type == "i") {
    auto decoded = decode_z85(descriptor.path_or_inline);
    if (!decoded || descriptor.size_in_bytes < 0 ||
        decoded->size() < static_cast<size_t>(descriptor.size_in_bytes)) {
      return base::error(ErrorKind::kCorruption,
                         "table {}: an inline deletion vector is not Z85 of {} bytes", table_path,
                         descriptor.size_in_bytes);
    }
    decoded->resize(static_cast<size_t>(descriptor.size_in_bytes));  // Z85 pads to four bytes
    data = std::move(*decoded);
  } else if (descriptor.storage_type == "u" || descriptor.storage_type == "p") {
    WEIR_ASSIGN(const std::string path, vector_file(table_path, descriptor));
    WEIR_ASSIGN(data, read_from_file(fs, path, descriptor));
  } else {
    return base::error(ErrorKind::kUnsupported,
                       "table {}: deletion vectors of storage type {} are not supported",
                       table_path, descriptor.storage_type);
  }
  return parse_deletion_vector(data, descriptor.cardinality);
}

}  // namespace weir::delta
