# ./dev test: everything, in one run of ctest. Sourced by ./dev.

# The targets that the run also builds and runs with the address and undefined-behaviour sanitizers.
asan_targets() { grep -hv '^ *\(#\|$\)' tests/check/asan_targets.txt 2>/dev/null || true; }

dev_test() {
  local select=() lanes=() asan begin
  while [ $# -gt 0 ]; do
    case $1 in
      -R) select+=(-R "${2:?-R takes a regular expression}"); shift 2 ;;
      check | unit | golden | asan | crash | interop | package) lanes+=("$1"); shift ;;
      *) die "./dev test takes lanes (check unit golden asan crash interop package) and -R REGEX, not '$1'" ;;
    esac
  done
  [ ${#lanes[@]} = 0 ] || select+=(-L "^($(IFS='|'; echo "${lanes[*]}"))\$")

  dev_setup all
  export WEIR_DATA=${WEIR_DATA:-$ROOT/../shared/data}
  if [ "${CI:-}" = true ] && [ ! -d "$WEIR_DATA" ]; then
    die "the recorded test data is not at $WEIR_DATA (WEIR_DATA): in CI it has to be there"
  fi

  begin=$(date +%s)
  dev_build
  asan=$(asan_targets)
  if [ -n "$asan" ] && { [ ${#lanes[@]} = 0 ] || [[ " ${lanes[*]} " == *" asan "* ]]; }; then
    say "building with the address sanitizer: ${asan//$'\n'/ }"
    # shellcheck disable=SC2086
    compile asan $asan
  fi
  BUILD_SECONDS=$(($(date +%s) - begin))

  test_environment
  say "running the tests"
  exec "$DEPS/venv/bin/python" tools/run_tests.py --build "$BUILD" --jobs "$(nproc)" \
    --measured "install=$SETUP_SECONDS" --measured "build=$BUILD_SECONDS" "${select[@]}"
}
