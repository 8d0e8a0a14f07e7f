// XXH3 as inline code: no symbol of it leaves the file that includes this.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>
