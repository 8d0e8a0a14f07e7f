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
    "$1/.ninja_log" 2>/dev/null | sed -E 's|(src/[^ ]*/)?CMakeFiles/[^/]*\.dir/|\1|; s|\.o$||' | sort -u -k3 | sort -rn | sed -n 1,5p
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
  # A process of its own (no exec): the demo tells how long after its start the first row is there.
  "$BUILD/weir" demo "$@"
}

# What crash and interop tests, benchmarks and soak runs find in their environment.
test_environment() {
  export WEIR_DEPS=$DEPS WEIR_DEPS_DIR=$DEPS WEIR_BUILD=$BUILD WEIR_BINARY=$BUILD/weir WEIR_SOURCE_DIR=$ROOT
  export PYTEST_ADDOPTS="-rs ${PYTEST_ADDOPTS:-}" PYTHONDONTWRITEBYTECODE=1
}

dev_bench() {
  wants_help "$@" && { python3 bench/run.py --help; return; }
  [ -f bench/run.py ] || die "bench/run.py is not in this tree: no benchmarks to run"
  dev_setup bench
  configure "$PRESET"
  # The benchmark programs are left out of an ordinary build.
  local programs
  programs=$(targets | grep '_bench$' | sort -u || true)
  # shellcheck disable=SC2086
  dev_build all $programs
  test_environment
  exec "$DEPS/venv/bin/python" bench/run.py "$@"
}

# Sanitizer settings of every run: Arrow and DuckDB are not instrumented, so containers that cross into them
# would be misjudged; leaks and races inside them are not ours. What Arrow's own allocator hands from thread to thread
# would be races: it takes the system's, which the sanitizer sees.
sanitizer_environment() {
  export ASAN_OPTIONS="detect_container_overflow=0:strict_string_checks=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
  export LSAN_OPTIONS="suppressions=$ROOT/tests/check/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"
  export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
  export ARROW_DEFAULT_MEMORY_POOL=system
  export TSAN_OPTIONS="suppressions=$ROOT/tests/check/tsan.supp:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
}

# What the tests have no time for: the whole list of SQL cases, and plans that nobody would send.
soak_serve() {
  local status=0
  "$DEPS/venv-connect/bin/python" tests/golden/spark/run.py check --part all || status=$?
  [ $status = 0 ] || [ $status = 77 ] || die "the recorded SQL cases failed"
  "$DEPS/venv-connect/bin/python" tests/interop/connect/mutate.py --seconds 300
}

# soak_stateful CYCLES SEED: stateful queries whose server is killed, and whose machine loses power.
soak_stateful() {
  "$DEPS/venv-connect/bin/python" tests/crash/stateful_kill_loop.py --cycles "$1" --seed "$2"
  WEIR_POWER_LOSS_RUNS=5000 "$BUILD/tests/crash/stateful_power_loss_test" --gtest_brief=1
}

# soak_kafka_sink SEED: kills of a query that writes to Apache Kafka in transactions.
soak_kafka_sink() {
  local packages
  packages=$(echo "$DEPS"/venv-spark/lib/python3*/site-packages)
  WEIR_SINK_KILLS=200 WEIR_SINK_SEED=$1 PYTHONPATH="$ROOT/tests/interop/support:$packages" \
    "$DEPS/venv/bin/python" -m pytest -q -s -p no:cacheprovider tests/interop/kafka/test_kafka_sink.py
}

# Streams at random, and power going at every point of every streaming case.
soak_streams() {
  WEIR_SOAK=5000 "$BUILD/src/streaming/streaming_test" --gtest_brief=1 \
    --gtest_filter='RandomStreams.*:*WithPowerGoingAtEachPoint*'
}

# Threads: the test programs of the rooms where threads meet (the preset tsan instruments those alone, the others
# come out of the release build's cache), with the thread sanitizer.
soak_threads() {
  local list target tests
  list=$(grep -hv '^ *\(#\|$\)' tests/check/tsan_targets.txt)
  # shellcheck disable=SC2046
  compile tsan $(awk '{ print $1 }' <<<"$list")
  while read -r target tests; do
    say "thread sanitizer: $target"
    "$(find "$ROOT/build/tsan/src" -name "$target" -type f -perm -u+x -print -quit)" --gtest_brief=1 --gtest_filter="${tests:-*}" ||
      die "$target failed with the thread sanitizer"
  done <<<"$list"
}

dev_soak() {
  local arguments=() stateful=1000 seed=1
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help)
        cat <<'TEXT'
usage: ./dev soak [--cycles N] [--stateful-cycles N] [--seed S] [--rate R] [--dir DIR] [--keep]

Kills hub, simulator and query with SIGKILL at random moments, N times, then counts: the log holds every
acknowledged event, and the table every record of the log exactly once. The same with weir serve and six stateful
queries in it, whose tables have to be the answer over all events. Then 5,000 runs of stateful queries over a disk
that loses power, 200 kills of a query that writes to Apache Kafka in transactions, 5,000 random streaming runs, and
the streaming cases with power going at every point. Then weir serve: all recorded SQL cases (the tests run a part),
and five minutes of damaged plans. At last the tests of the rooms where threads meet, with the thread sanitizer.

  --cycles N   kills of one to three of the programs (default 100; about 1 s each)
  --stateful-cycles N
               kills of weir serve (default 1000; about 1 s each)
  --seed S     of the moments and of what is killed (default 1)
  --rate R     messages a second (default 2000)
  --dir DIR    a new or empty folder for all data; stays
  --keep       keep the temporary folder that is used without --dir

WEIR_PRESET=asan ./dev soak kills programs that were built with the address sanitizer.
TEXT
        return
        ;;
      --stateful-cycles) stateful=${2:?--stateful-cycles takes a number}; shift 2 ;;
      --seed) seed=${2:?--seed takes a number}; arguments+=("$1" "$2"); shift 2 ;;
      *) arguments+=("$1"); shift ;;
    esac
  done
  [ -f tests/crash/kill_loop.py ] || die "tests/crash/kill_loop.py is not in this tree: no soak to run"
  dev_setup all
  dev_build weir streaming_test stateful_power_loss_test
  test_environment
  sanitizer_environment
  "$DEPS/venv/bin/python" tests/crash/kill_loop.py "${arguments[@]}"
  soak_stateful "$stateful" "$seed"
  soak_kafka_sink "$seed"
  soak_streams
  soak_serve
  soak_threads
}

# fuzz_one TARGET SECONDS: goes on with the corpus that earlier runs have left.
fuzz_one() {
  local name=$1 seconds=$2 corpus=$BUILD/corpus/$1 inputs=() program
  mkdir -p "$corpus"
  inputs=("$corpus")
  [ -d "tests/corpus/$name" ] && inputs+=("tests/corpus/$name")
  [ -f "tests/corpus/$name.dict" ] && inputs+=("-dict=tests/corpus/$name.dict")
  program=$(find "$BUILD/src" -name "$name" -type f -perm -u+x -print -quit)
  "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$BUILD/$name-" "${inputs[@]}" >"$BUILD/$name.log" 2>&1
}

dev_fuzz() {
  local seconds=60 names=() all name running failed=0 list=
  while [ $# -gt 0 ]; do
    case $1 in
      --seconds) seconds=${2:?--seconds takes a number}; shift 2 ;;
      --seconds=*) seconds=${1#*=}; shift ;;
      --list) list=yes; shift ;;
      -h | --help)
        cat <<'TEXT'
usage: ./dev fuzz [--seconds N] [--list] [TARGET ...]

Builds the fuzzers (src/ROOM/NAME_fuzz.cc is the target ROOM_NAME_fuzz) with clang, libFuzzer, the address and the
undefined-behaviour sanitizer, and runs each of them N seconds (default 60), as many at a time as there are jobs.

  --list       only print the targets

Seeds are in tests/corpus/TARGET/, words in tests/corpus/TARGET.dict. What a run has found to be worth keeping stays in
build/fuzz/corpus/TARGET and is where the next run starts. An input that fails is in build/fuzz/TARGET-crash-…; run it
again by build/fuzz/src/ROOM/TARGET FILE.
TEXT
        return
        ;;
      -*) die "./dev fuzz takes --seconds N, --list and targets, not $1" ;;
      *) names+=("$1"); shift ;;
    esac
  done
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "--seconds takes a whole number above 0, not '$seconds'"
  dev_setup all
  have clang++ || die "clang++ is not installed: fuzzers are built with it"
  BUILD=$ROOT/build/fuzz
  configure fuzz
  all=$(targets | grep '_fuzz$' | sort -u || true)
  [ -n "$all" ] || die "this tree has no fuzzers (src/*/*_fuzz.cc)"
  [ -z "$list" ] || { echo "$all"; return; }
  # shellcheck disable=SC2086
  [ ${#names[@]} -gt 0 ] || names=($all)
  for name in "${names[@]}"; do
    grep -qx -- "$name" <<<"$all" || die "no fuzzer '$name'; there are: ${all//$'\n'/ }"
  done
  compile fuzz "${names[@]}"
  sanitizer_environment
  local -A target_of=()
  for name in "${names[@]}" end; do
    # Before the next one starts, and at the end, somebody has to be done.
    while [ ${#target_of[@]} -ge "$(jobs_count)" ] || { [ "$name" = end ] && [ ${#target_of[@]} -gt 0 ]; }; do
      local status=0
      wait -n -p running "${!target_of[@]}" || status=$?
      fuzz_result "${target_of[$running]}" "$status" || failed=1
      unset "target_of[$running]"
    done
    [ "$name" = end ] && break
    say "fuzz: $name for $seconds s (corpus build/fuzz/corpus/$name)"
    fuzz_one "$name" "$seconds" &
    target_of[$!]=$name
  done
  [ $failed = 0 ] || die "fuzz: something was found"
  say "fuzz: ${#names[@]} targets clean"
}

fuzz_result() { # fuzz_result TARGET STATUS
  if [ "$2" != 0 ]; then
    tail -40 "$BUILD/$1.log" >&2
    say "fuzz: $1 failed, see build/fuzz/$1.log"
    return 1
  fi
  say "fuzz: $1: $(awk '/DONE/ { for (i = 1; i < NF; i++) if ($i == "cov:" || $i == "corp:") s = s " " $i " " $(i + 1) }
    /^stat::number_of_executed_units/ { runs = $2 } END { print runs " runs," s }' "$BUILD/$1.log")"
}
