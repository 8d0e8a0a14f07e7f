# ./dev COMMAND --help, where the command has none of its own. Sourced by ./dev.

# wants_help ARGUMENTS...: whether -h or --help is among them.
wants_help() {
  local argument
  for argument in "$@"; do
    case $argument in -h | --help) return 0 ;; esac
  done
  return 1
}

dev_help() { # dev_help COMMAND; false where the command helps by itself
  case $1 in
    build) cat <<'TEXT' ;;
usage: ./dev build [TARGET ...]

Installs what is missing, configures and compiles (WEIR_PRESET, default release) into build/PRESET, and links ./weir.
Without TARGET: everything but the benchmarks. Targets are names as ninja has them: weir, ROOM_test, ROOM_bench.
Says what took longest and how much came out of ccache.
TEXT
    test) cat <<'TEXT' ;;
usage: ./dev test [LANE ...] [-R REGEX]

Installs what is missing, builds, and runs the tests of the lanes; without LANE: all.

  check    layers, tree, docs links, the binary's imports and exports
  unit     each room's own
  golden   against answers recorded from real Spark and tables of other Delta writers
  asan     unit tests with the address and undefined-behaviour sanitizers
  crash    kill -9 cycles and power-loss runs
  interop  Kafka clients, real Kafka, Spark, delta-rs, DuckDB
  package  the package, after being moved
  -R REGEX only tests whose name matches

Data that tests want is at ../shared/data (WEIR_DATA); tests without it are skipped, by name.
TEXT
    check) cat <<'TEXT' ;;
usage: ./dev check

Layers (src/layers.txt), the tree's rules, links of the docs, and what the built binary imports and exports. Lines that
begin with "hint:" are no findings.
TEXT
    lint) cat <<'TEXT' ;;
usage: ./dev lint [--all] [FILE ...]

clang-format (nothing is changed) and clang-tidy over the files that differ from the last commit, over FILEs, or over all.
Without a finding it ends with "lint: clean".
TEXT
    format) cat <<'TEXT' ;;
usage: ./dev format [--all]

clang-format in place over the files that differ from the last commit, or over all.
TEXT
    package) cat <<'TEXT' ;;
usage: ./dev package

Builds dist/weir-VERSION-linux-x86_64/ and its .tar.gz: the program with the libraries it loads. Runs the result after it
was moved to another folder.
TEXT
    setup) cat <<'TEXT' ;;
usage: ./dev setup [build|all|bench]

Only installs what is missing: for building, for tests as well (default), or for benchmarks too (their other peers). Quick where
nothing is.
TEXT
    demo) cat <<'TEXT' ;;
usage: ./dev demo [OPTIONS]

Installs what is missing, builds, and runs `weir demo OPTIONS`: [--rate 1000|5000|10000] [--duration 60s] [--dir DIR]
[--keep] …; `./weir demo --help` has all, once it is built.
TEXT
    *) return 1 ;;
  esac
}

# takes_nothing COMMAND ARGUMENTS...: an error where there are any.
takes_nothing() {
  local command=$1
  shift
  [ $# = 0 ] || die "./dev $command takes no arguments, not '$1'"
}
