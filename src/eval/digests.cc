// Digests and encryption of bytes, by OpenSSL.
#include <algorithm>
#include <memory>
#include <zlib.h>

#include <boost/algorithm/string/case_conv.hpp>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "eval/map_rows.h"

namespace weir::eval {

namespace {

using Arguments = Operands;

std::string digest(const EVP_MD* kind, std::string_view bytes) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  WEIR_CHECK(EVP_Digest(bytes.data(), bytes.size(), out, &size, kind, nullptr) == 1,
             "a digest failed");
  std::string hex;
  for (unsigned int i = 0; i < size; ++i)
    fmt::format_to(std::back_inserter(hex), "{:02x}", out[i]);
  return hex;
}

template <const EVP_MD* (*kind)()>
Result<ArrayPtr> digest_rows(KernelCall& call, Arguments arguments) {
  return map_text(
      call, [](std::string_view bytes, std::string& out) { out += digest(kind(), bytes); },
      TextReader(arguments[0]));
}

const EVP_MD* sha2_of(int32_t bits) {
  switch (bits) {
    case 224:
      return EVP_sha224();
    case 0:
    case 256:
      return EVP_sha256();
    case 384:
      return EVP_sha384();
    case 512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

Result<ArrayPtr> sha2(KernelCall& call, Arguments arguments) {
  const TextReader bytes(arguments[0]);
  const FixedReader<int32_t> bits(arguments[1]);
  TextWriter writer(call.rows);
  for (int64_t row = 0; row < call.rows; ++row) {
    const auto* kind = bits.valid[row] ? sha2_of(bits[row]) : nullptr;
    if (!bytes.valid[row] || !kind) {
      writer.add_null();
    } else {
      writer.add(digest(kind, bytes[row]));
    }
  }
  return writer.finish(call.arrow_type);
}

Result<ArrayPtr> crc32_rows(KernelCall& call, Arguments arguments) {
  return map_fixed<int64_t>(
      call,
      [](std::string_view bytes) {
        return static_cast<int64_t>(
            ::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
      },
      TextReader(arguments[0]));
}

enum class Mode { kGcm, kCbc, kEcb };
constexpr size_t kGcmIv = 12, kGcmTag = 16, kCbcIv = 16;

struct Cipher {
  Mode mode = Mode::kGcm;
  const EVP_CIPHER* kind = nullptr;
  size_t iv_bytes() const { return mode == Mode::kGcm ? kGcmIv : mode == Mode::kCbc ? kCbcIv : 0; }
};

base::Error bad_parameter(const KernelCall& call, std::string_view sub_class,
                          std::string_view what) {
  return call.fail(fmt::format("INVALID_PARAMETER_VALUE.{}", sub_class), "22023",
                   fmt::format("The value of parameter(s) in `{}` is invalid: {}",
                               call.call.function->name, what));
}

const EVP_CIPHER* cipher_of(Mode mode, size_t key_bytes) {
  const int size = key_bytes == 16 ? 0 : key_bytes == 24 ? 1 : key_bytes == 32 ? 2 : -1;
  if (size < 0) return nullptr;
  const EVP_CIPHER* kinds[3][3] = {{EVP_aes_128_gcm(), EVP_aes_192_gcm(), EVP_aes_256_gcm()},
                                   {EVP_aes_128_cbc(), EVP_aes_192_cbc(), EVP_aes_256_cbc()},
                                   {EVP_aes_128_ecb(), EVP_aes_192_ecb(), EVP_aes_256_ecb()}};
  return kinds[static_cast<int>(mode)][size];
}

Result<Cipher> choose_cipher(const KernelCall& call, std::string_view key, std::string mode,
                             std::string padding) {
  boost::to_upper(mode);
  boost::to_upper(padding);
  Cipher cipher;
  const bool gcm = mode == "GCM" && (padding == "DEFAULT" || padding == "NONE");
  const bool cbc = mode == "CBC" && (padding == "DEFAULT" || padding == "PKCS");
  const bool ecb = mode == "ECB" && (padding == "DEFAULT" || padding == "PKCS");
  if (!gcm && !cbc && !ecb) {
    return call.fail("UNSUPPORTED_FEATURE.AES_MODE", "0A000",
                     fmt::format("The feature is not supported: AES-{} with the padding {} by the "
                                 "`aes_encrypt`/`aes_decrypt` function.",
                                 mode, padding));
  }
  cipher.mode = gcm ? Mode::kGcm : cbc ? Mode::kCbc : Mode::kEcb;
  cipher.kind = cipher_of(cipher.mode, key.size());
  if (!cipher.kind) {
    return bad_parameter(call, "AES_KEY_LENGTH",
                         fmt::format("expects a binary value with 16, 24 or 32 bytes, but got {} "
                                     "bytes.",
                                     key.size()));
  }
  return cipher;
}

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// nullopt where OpenSSL refuses (a wrong key, bytes that were changed).
std::optional<std::string> run_cipher(const Cipher& cipher, bool encrypt, std::string_view key,
                                      std::string_view iv, std::string_view input,
                                      std::string_view aad) {
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  auto* raw = context.get();
  std::string_view tag;
  if (!encrypt && cipher.mode == Mode::kGcm) {
    if (input.size() < kGcmTag) return std::nullopt;
    tag = input.substr(input.size() - kGcmTag);
    input.remove_suffix(kGcmTag);
  }
  int size = 0;
  std::string out(input.size() + EVP_MAX_BLOCK_LENGTH, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (EVP_CipherInit_ex(raw, cipher.kind, nullptr, bytes_of(key),
                        iv.empty() ? nullptr : bytes_of(iv), encrypt ? 1 : 0) != 1)
    return std::nullopt;
  if (!aad.empty() &&
      EVP_CipherUpdate(raw, nullptr, &size, bytes_of(aad), static_cast<int>(aad.size())) != 1)
    return std::nullopt;
  if (EVP_CipherUpdate(raw, to, &size, bytes_of(input), static_cast<int>(input.size())) != 1)
    return std::nullopt;
  int total = size;
  if (!tag.empty() && EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_GCM_SET_TAG, kGcmTag,
                                          const_cast<unsigned char*>(bytes_of(tag))) != 1)
    return std::nullopt;
  if (EVP_CipherFinal_ex(raw, to + total, &size) != 1) return std::nullopt;
  total += size;
  out.resize(static_cast<size_t>(total));
  if (encrypt && cipher.mode == Mode::kGcm) {
    unsigned char made[kGcmTag];
    if (EVP_CIPHER_CTX_ctrl(raw, EVP_CTRL_GCM_GET_TAG, kGcmTag, made) != 1) return std::nullopt;
    out.append(reinterpret_cast<const char*>(made), kGcmTag);
  }
  return out;
}

// aes_encrypt(text, key[, mode, padding, iv, aad])
Result<ArrayPtr> aes_encrypt(KernelCall& call, Arguments arguments) {
  std::vector<TextReader> readers(arguments.begin(), arguments.end());
  TextWriter writer(call.rows);
  const auto at = [&](size_t i, int64_t row, std::string_view otherwise) {
    return i < readers.size() ? readers[i][row] : otherwise;
  };
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!std::all_of(readers.begin(), readers.end(), [&](const auto& r) { return r.valid[row]; })) {
      writer.add_null();
      continue;
    }
    WEIR_ASSIGN(const auto cipher,
                choose_cipher(call, readers[1][row], std::string(at(2, row, "GCM")),
                              std::string(at(3, row, "DEFAULT"))));
    std::string iv(at(4, row, ""));
    const auto aad = at(5, row, "");
    if (!iv.empty() && cipher.mode == Mode::kEcb) {
      return call.fail("UNSUPPORTED_FEATURE.AES_MODE_IV", "0A000",
                       "The feature is not supported: Provided IV with the `aes_encrypt` function "
                       "in the mode ECB.");
    }
    if (!aad.empty() && cipher.mode != Mode::kGcm) {
      return call.fail(
          "UNSUPPORTED_FEATURE.AES_MODE_AAD", "0A000",
          "The feature is not supported: additional authenticated data outside of GCM.");
    }
    if (!iv.empty() && iv.size() != cipher.iv_bytes()) {
      return bad_parameter(call, "AES_IV_LENGTH",
                           fmt::format("supports {}-byte CBC IVs and {}-byte GCM IVs, but got {} "
                                       "bytes.",
                                       kCbcIv, kGcmIv, iv.size()));
    }
    if (iv.empty() && cipher.iv_bytes() > 0) {
      iv.resize(cipher.iv_bytes());
      WEIR_CHECK(
          RAND_bytes(reinterpret_cast<unsigned char*>(iv.data()), static_cast<int>(iv.size())) == 1,
          "no random bytes");
    }
    const auto out = run_cipher(cipher, true, readers[1][row], iv, readers[0][row], aad);
    WEIR_CHECK(out, "encryption failed");
    writer.bytes() += iv;
    writer.add(*out);
  }
  return writer.finish(call.arrow_type);
}

template <bool tolerant>
Result<ArrayPtr> aes_decrypt(KernelCall& call, Arguments arguments) {
  std::vector<TextReader> readers(arguments.begin(), arguments.end());
  TextWriter writer(call.rows);
  const auto at = [&](size_t i, int64_t row, std::string_view otherwise) {
    return i < readers.size() ? readers[i][row] : otherwise;
  };
  for (int64_t row = 0; row < call.rows; ++row) {
    if (!std::all_of(readers.begin(), readers.end(), [&](const auto& r) { return r.valid[row]; })) {
      writer.add_null();
      continue;
    }
    auto cipher = choose_cipher(call, readers[1][row], std::string(at(2, row, "GCM")),
                                std::string(at(3, row, "DEFAULT")));
    std::optional<std::string> out;
    if (cipher.ok() && readers[0][row].size() >= cipher->iv_bytes()) {
      const auto input = readers[0][row];
      out = run_cipher(*cipher, false, readers[1][row], input.substr(0, cipher->iv_bytes()),
                       input.substr(cipher->iv_bytes()), at(4, row, ""));
    }
    if (out) {
      writer.add(*out);
    } else if (tolerant) {
      writer.add_null();
    } else if (!cipher.ok()) {
      return std::move(cipher).error();
    } else {
      return bad_parameter(call, "AES_CRYPTO_ERROR",
                           "detail message: the key does not fit, or the bytes were changed.");
    }
  }
  return writer.finish(call.arrow_type);
}

constexpr KernelEntry kKernels[] = {
    {"md5", digest_rows<EVP_md5>},
    {"sha1", digest_rows<EVP_sha1>},
    {"sha2", sha2},
    {"crc32", crc32_rows},
    {"aes_encrypt", aes_encrypt},
    {"aes_decrypt", aes_decrypt<false>},
    {"try_aes_decrypt", aes_decrypt<true>},
};

}  // namespace

std::span<const KernelEntry> digest_kernels() { return kKernels; }

}  // namespace weir::eval
