# ./dev build, demo, bench, soak, fuzz. Sourced by ./dev.

# configure PRESET [ARGUMENTS]: runs cmake only where there is no build folder yet or its settings differ;
# changes in CMake's own files are ninja's business.
configure() {
  local preset=$1 folder=$ROOT/build/$1 wanted
  wanted="$DEPS ${CC:-} ${CXX:-} $(digest CMakePresets.json)"
  if [ -f "$folder/build.ninja" ] && [ "$(cat "$folder/.dev-settings" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  say "cmake: configuring $preset"
  mkdir -p "$folder"
  cmake --preset "$preset" -DWEIR_DEPS_DIR="$DEPS" >"$folder/configure.log" 2>&1 ||
    { tail -30 "$folder/configure.log" >&2; die "cmake failed, see build/$preset/configure.log"; }
  echo "$wanted" >"$folder/.dev-settings"
}

slowest() { # slowest FOLDER SINCE_NANOSECONDS: the five translation units that took longest since then
  awk -F '\t' -v since="$2" '$3 >= since && $4 ~ /\.o$/ { printf "%7.1f s  %s\n", ($2 - $1) / 1000, $4 }' \
    "$1/.ninja_log" 2>/dev/null | sed -E 's|(src/[^ ]*/)?CMakeFiles/[^/]*\.dir/|\1|; s|\.o$||' | sort -u -k3 | sort -rn | head -5
}

ccache_hits() { have ccache && ccache --print-stats 2>/dev/null | awk '$1 ~ /^(direct|preprocessed)_cache_hit$/ { n += $2 } END { print n + 0 }' || echo 0; }

# compile PRESET [TARGET ...]
compile() {
  local folder=$ROOT/build/$1 begin since hits units
  begin=$(date +%s)
  since=$(date +%s%N)
  configure "$1"
  shift
  exec 8>"$folder/.dev-lock"
  flock -n 8 || { say "another ./dev builds in ${folder#"$ROOT/"}: waiting"; flock 8; }
  hits=$(ccache_hits)
  # Without 8>&- a compiler cache server or the like would keep the lock.
  NINJA_STATUS="[%f/%t %es] " ninja -C "$folder" -j "$(jobs_count)" "$@" 8>&- || die "the build failed"
  units=$(awk -F '\t' -v since="$since" '$3 >= since && $4 ~ /\.o$/ { seen[$4] } END { n = 0; for (u in seen) n++; print n }' "$folder/.ninja_log" 2>/dev/null)
  exec 8>&-
  if [ "${units:-0}" -gt 0 ]; then
    say "compiled $units translation units in $(($(date +%s) - begin)) s ($(($(ccache_hits) - hits)) out of ccache); the slowest:"
    slowest "$folder" "$since"
  fi
}

# targets: the names of all programs and libraries, after cmake's files and globs have been looked at again.
targets() {
  ninja -C "$BUILD" build.ninja >"$BUILD/configure.log" 2>&1 || { tail -30 "$BUILD/configure.log" >&2; die "cmake failed"; }
  ninja -C "$BUILD" -t targets all | grep -v '^cmake_object_order' | sed -n 's/^\([A-Za-z0-9_]*\): .*/\1/p'
}

dev_build() {
  dev_setup build
  local begin
  begin=$(date +%s)
  compile "$PRESET" "$@"
  BUILD_SECONDS=$(($(date +%s) - begin))
  if [ -x "$BUILD/weir" ]; then
    [ "$(readlink weir 2>/dev/null)" = "build/$PRESET/weir" ] || ln -sfn "build/$PRESET/weir" weir
    say "built: build/$PRESET/weir"
  else
    say "built build/$PRESET"
  fi
}

dev_demo() {
  dev_setup build
  configure "$PRESET"
  [[ $'\n'"$(targets)"$'\n' == *$'\nweir\n'* ]] || die "this tree has no target 'weir' yet: nothing to demonstrate"
  dev_build weir
  exec "$BUILD/weir" demo "$@"
}

# What crash and interop tests, benchmarks and soak runs find in their environment.
test_environment() {
  export WEIR_DEPS=$DEPS WEIR_DEPS_DIR=$DEPS WEIR_BUILD=$BUILD WEIR_BINARY=$BUILD/weir WEIR_SOURCE_DIR=$ROOT
  export PYTEST_ADDOPTS="-rs ${PYTEST_ADDOPTS:-}" PYTHONDONTWRITEBYTECODE=1
}

dev_bench() {
  [ -f bench/run.py ] || die "bench/run.py is not in this tree: no benchmarks to run"
  dev_setup all
  configure "$PRESET"
  # The benchmark programs are left out of an ordinary build.
  local programs
  programs=$(targets | grep '_bench$' | sort -u || true)
  # shellcheck disable=SC2086
  dev_build all $programs
  test_environment
  exec "$DEPS/venv/bin/python" bench/run.py "$@"
}

dev_soak() {
  [ -f tests/crash/kill_loop.py ] || die "tests/crash/kill_loop.py is not in this tree: no soak to run"
  dev_setup all
  dev_build weir
  test_environment
  exec "$DEPS/venv/bin/python" tests/crash/kill_loop.py "$@"
}

dev_fuzz() {
  local seconds=60 names=() all name corpus
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=${2:?--seconds takes a number}; shift 2 ;;
      --seconds=*) seconds=${1#*=}; shift ;;
      -*) die "./dev fuzz takes --seconds N and targets, not $1" ;;
      *) names+=("$1"); shift ;;
    esac
  done
  dev_setup all
  have clang++ || die "clang++ is not installed: fuzzers are built with it"
  BUILD=$ROOT/build/fuzz
  configure fuzz
  all=$(targets | grep '_fuzz$' | sort -u || true)
  [ -n "$all" ] || die "this tree has no fuzzers (src/*/*_fuzz.cc)"
  # shellcheck disable=SC2086
  [ ${#names[@]} -gt 0 ] || names=($all)
  for name in "${names[@]}"; do
    grep -qx -- "$name" <<<"$all" || die "no fuzzer '$name'; there are: ${all//$'\n'/ }"
  done
  compile fuzz "${names[@]}"
  for name in "${names[@]}"; do
    corpus=$BUILD/corpus/$name
    mkdir -p "$corpus"
    say "fuzz: $name for $seconds s (corpus build/fuzz/corpus/$name)"
    local seeds=()
    [ -d "tests/corpus/$name" ] && seeds=("tests/corpus/$name")
    "$(find "$BUILD" -name "$name" -type f -perm -u+x | head -1)" -max_total_time="$seconds" -timeout=20 \
      -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$BUILD/$name-" "$corpus" "${seeds[@]}" \
      >"$BUILD/$name.log" 2>&1 ||
      { tail -40 "$BUILD/$name.log" >&2; die "fuzz: $name failed, see build/fuzz/$name.log"; }
    grep -E '^(stat::|Done)' "$BUILD/$name.log" || true
  done
  say "fuzz: ${#names[@]} targets clean"
}
