#include "connect/artifacts.h"

#include <zlib.h>

#include <openssl/evp.h>

namespace weir::connect {

namespace {

using base::ErrorKind;

constexpr std::string_view kCache = "cache/";

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i)
    hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

// A path below the session's folder: no way out of it.
bool is_safe(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != std::string_view::npos)
    return false;
  for (size_t at = 0; at <= name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string_view part = name.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

uint32_t crc32_of(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

Result<void> ArtifactStore::add(const std::string& name, std::string bytes) {
  if (!is_safe(name))
    return base::error(ErrorKind::kInvalidArgument, "'{}' is no name for an artifact", name);
  if (name.starts_with(kCache) && sha256_hex(bytes) != name.substr(kCache.size()))
    return base::error(ErrorKind::kCorruption,
                       "the artifact {} has another content than its name says", name);
  const std::scoped_lock lock(mutex_);
  auto& entry = entries_[name];
  const int64_t before = entry ? static_cast<int64_t>(entry->size()) : 0;
  const int64_t after = bytes_ - before + static_cast<int64_t>(bytes.size());
  if (after > bytes_max_) {
    if (!entry) entries_.erase(name);
    return base::error(ErrorKind::kResourceExhausted,
                       "the session's artifacts are larger than {} MiB: write the rows to a table "
                       "instead of sending them along",
                       bytes_max_ >> 20);
  }
  entry = std::make_shared<const std::string>(std::move(bytes));
  bytes_ = after;
  return {};
}

bool ArtifactStore::contains(const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  return entries_.contains(name);
}

Result<std::shared_ptr<const std::string>> ArtifactStore::cached(const std::string& hash) const {
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(std::string(kCache) + hash);
  if (found != entries_.end()) return found->second;
  return base::error(ErrorKind::kNotFound, "the rows cache/{} have not been sent", hash);
}

void ArtifactStore::copy_to(ArtifactStore& other) const {
  const std::scoped_lock lock(mutex_, other.mutex_);
  other.entries_ = entries_;
  other.bytes_ = bytes_;
}

}  // namespace weir::connect
