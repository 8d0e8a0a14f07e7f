// Hash codes of values as the JVM's classes have them, where an answer depends on them.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::eval {

// Of a text or binary value: Murmur3, 32 bits, seed 42.
int32_t text_hash_code(std::string_view bytes);

}  // namespace weir::eval
