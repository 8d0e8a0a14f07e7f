# ./dev package. Sourced by ./dev.

dev_package() {
  takes_nothing package "$@"
  dev_setup build
  dev_build weir
  [ -x "$BUILD/weir" ] || die "build/$PRESET/weir is not built: nothing to package"
  "$DEPS/venv/bin/python" tools/package.py --build "$BUILD" --deps "$DEPS" --out "$ROOT/dist" --test
  say "package: done"
}
