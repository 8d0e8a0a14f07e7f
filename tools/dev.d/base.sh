# Settings and the small things that every command of ./dev uses. Sourced by ./dev.
DEPS=${WEIR_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/deps}
PRESET=${WEIR_PRESET:-release}
BUILD=$ROOT/build/$PRESET
START=${EPOCHREALTIME/,/.}

# Objects of one clone serve another: paths below the tree count as relative ones.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1 CCACHE_ABSSTDERR=1

# The tools that setup put beside the dependencies where the system's own are missing or too old.
[ -d "$DEPS/tools/bin" ] && PATH=$DEPS/tools/bin:$PATH

elapsed() { echo $(($(date +%s) - ${START%.*})); }
say() { printf '[dev %4ds] %s\n' "$(elapsed)" "$*"; }
die() {
  printf '[dev %4ds] error: %s\n' "$(elapsed)" "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: runs it as root, by sudo for an ordinary user.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    die "'$1' has to run as root: run ./dev as root or install sudo"
  fi
}

# digest FILE...: one hash over the contents.
digest() { cat "$@" | sha256sum | cut -c1-12; }

# jobs: as many as there are cores, but one for each 1.5 GiB of memory at most.
jobs_count() {
  local cores memory
  [ -n "${WEIR_JOBS:-}" ] && { echo "$WEIR_JOBS"; return; }
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ { print int($2 / 1572864) }' /proc/meminfo)
  [ "$memory" -lt 1 ] && memory=1
  echo $((cores < memory ? cores : memory))
}
