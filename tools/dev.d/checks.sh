# ./dev check, lint, format. Sourced by ./dev.

dev_check() {
  takes_nothing check "$@"
  dev_setup build
  local python=$DEPS/venv/bin/python failed=0
  "$python" tools/check_layers.py || failed=1
  "$python" tools/check_tree.py || failed=1
  if [ -x "$BUILD/weir" ]; then
    "$python" tools/check_binary.py "build/$PRESET/weir" || failed=1
  else
    say "build/$PRESET/weir is not built: its imports and exports were not looked at"
  fi
  [ $failed = 0 ] || die "the checks found problems"
}

# cxx_files [--all]: C++ files that differ from the last commit or are new, or all of them.
cxx_files() {
  {
    if [ "${1:-}" = --all ]; then
      git ls-files --cached --others --exclude-standard
    else
      git diff --name-only --diff-filter=d HEAD
      git ls-files --others --exclude-standard
    fi
  } | grep -E '^(src|tests|bench|examples)/.*\.(h|cc)$' | sort -u | while read -r file; do [ -f "$file" ] && echo "$file"; done
}

clang_tool() { have "$1-14" && echo "$1-14" || echo "$1"; }

dev_format() {
  local files
  [ $# = 0 ] || { [ $# = 1 ] && [ "$1" = --all ]; } || die "./dev format takes --all or nothing, not '$*'"
  dev_setup all
  mapfile -t files < <(cxx_files "$@")
  [ ${#files[@]} = 0 ] && { say "format: nothing changed"; return; }
  "$(clang_tool clang-format)" -i "${files[@]}"
  say "format: ${#files[@]} files looked at"
}

dev_lint() {
  local all='' files=() sources=() file failed=0
  for file in "$@"; do
    case $file in
      --all) all=--all ;;
      -*) die "./dev lint takes --all and files, not '$file'" ;;
      *) [ -f "$file" ] || die "there is no file '$file'"; files+=("$file") ;;
    esac
  done
  dev_setup all
  [ ${#files[@]} -gt 0 ] || mapfile -t files < <(cxx_files $all)
  [ ${#files[@]} = 0 ] && { say "lint: nothing changed (--all looks at everything)"; return; }
  say "clang-format: ${#files[@]} files"
  "$(clang_tool clang-format)" --dry-run -Werror "${files[@]}" || failed=1

  configure "$PRESET"
  for file in "${files[@]}"; do
    [[ $file == *.cc ]] && grep -qF "\"$ROOT/$file\"" "$BUILD/compile_commands.json" && sources+=("$file")
  done
  if [ ${#sources[@]} -gt 0 ]; then
    say "clang-tidy: ${#sources[@]} sources"
    # The compile commands are g++'s: flags that clang does not know are not findings.
    printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(jobs_count)" nice "$(clang_tool clang-tidy)" --quiet -p "$BUILD" \
      --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-error \
      2> >(grep -vE '^[0-9]+ warnings? (generated|treated)' >&2) || failed=1
  fi
  [ $failed = 0 ] || die "lint found problems"
  say "lint: clean"
}
