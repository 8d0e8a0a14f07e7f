#!/bin/sh
# run_asan.sh TARGET: runs the test program TARGET out of build/asan (./dev test builds it).
# Arrow and DuckDB are not instrumented, so containers that cross into them would be misjudged.
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=$(find "$root/build/asan" -name "$1" -type f -perm -u+x -print -quit 2>/dev/null)
if [ -z "$program" ]; then
  echo "$1 is not built in build/asan; run ./dev test asan" >&2
  exit 1
fi
export ASAN_OPTIONS="detect_container_overflow=0:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
cd "$root" && exec "$program"
