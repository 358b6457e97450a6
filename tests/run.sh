#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs what is missing, builds in ./build, runs the tests. Ends with the
# line `N passed, N failed`, and with a non-zero status if anything failed.
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=pipelines/packages.sh
. "$top/pipelines/packages.sh"

everyday=(kernels generator golden plugin server project pipelines e2e
  server-e2e browser)
in_ci=("${everyday[@]}" e2e-large stress asan tsan fuzz soak)

usage='Usage: tests/run.sh [--no-install] [--help] [SUITE...]

Builds and runs the tests. Without a SUITE: '"${everyday[*]}"'.

Suites:
  kernels     every op of every backend, tensors, arenas, the pool
  generator   segment arithmetic, procedural picture and sound, the parts of
              LTX-2
  golden      LTX-2 against kept results, on every backend, in f32 and bf16
  plugin      the elements, one by one
  server      the parts of dreamverse-server
  project     layers, format, documentation, installation, scripts
  pipelines   every script in pipelines/ and the C program, run
  e2e         whole pipelines at a real socket, every frame accounted for
  server-e2e  dreamverse-server at real sockets, with procedural slots
  e2e-large   the same at 1920x1088
  browser     headless Chromium plays the stream
  stress      random state changes, slow and many viewers
  asan        all but whole pipelines, and a few sessions of dreamverse-server,
              under AddressSanitizer and UBSan
  tsan        the parts under ThreadSanitizer
  fuzz        each fuzzer for FUZZ_SECONDS (600), and what its corpus reaches
  soak        DREAMVERSE_SOAK_SEGMENTS (10000) segments in a row
  bench       prints ratios; never fails on a figure
  ci          what CI runs: all but bench, fuzz 15 s each, soak 500'

say ()
{
  printf '== %s\n' "$*"
}

# ---- options ----

install=yes
suites=()
for argument; do
  case $argument in
    --no-install) install=no ;;
    --help | -h)
      echo "$usage"
      exit 0
      ;;
    ci)
      suites+=("${in_ci[@]}")
      export FUZZ_SECONDS=${FUZZ_SECONDS:-15}
      export DREAMVERSE_SOAK_SEGMENTS=${DREAMVERSE_SOAK_SEGMENTS:-500}
      ;;
    kernels | generator | golden | plugin | server | project | pipelines | e2e \
      | server-e2e | e2e-large | browser | stress | asan | tsan | fuzz | soak | bench)
      suites+=("$argument")
      ;;
    *)
      echo "tests/run.sh: no suite and no option is called '$argument'" >&2
      echo "Try tests/run.sh --help" >&2
      exit 2
      ;;
  esac
done
[ ${#suites[@]} -gt 0 ] || suites=("${everyday[@]}")

# ---- installing ----

installed=${DREAMVERSE_INSTALLED:-0} # 10: something was, so configure again
if [ $install = yes ]; then
  packages_install "${TMPDIR:-/tmp}/dreamverse-apt.$(id -u).log" \
    "${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}" \
    || installed=$?
  [ "$installed" = 0 ] || [ "$installed" = 10 ] || exit 1
  # Through sudo only the installing is done as root.
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ "$SUDO_UID" != 0 ] \
    && [ "$(stat -c %u "$top")" = "$SUDO_UID" ]; then
    exec setpriv --reuid="$SUDO_UID" --regid="${SUDO_GID:-$SUDO_UID}" \
      --init-groups env SUDO_UID='' DREAMVERSE_INSTALLED="$installed" \
      HOME="$(getent passwd "$SUDO_UID" | cut -d: -f6)" \
      "$0" --no-install "${suites[@]}"
  fi
fi
for tool in meson ninja python3; do
  command -v $tool >/dev/null || {
    echo "tests/run.sh: $tool is missing: run this without --no-install" >&2
    exit 1
  }
done

# ---- building and running ----

export GSETTINGS_BACKEND=memory
python=/usr/bin/python3
logs=() # what meson wrote, for the sum
took=() # seconds and what for
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# record NAME RESULT: a result that meson does not know of.
record ()
{
  printf '{"name": "%s", "result": "%s"}\n' "$1" "$2" >>"$results/own.json"
}

# registries DIRECTORY: the system's plugins, looked through once and by nobody
# else: some of them start threads and leak, which a sanitizer would lay at the
# door of the test that happens to load them.
registries ()
{
  local directory=$1 registry part
  registry=$directory/log/registry.bin
  [ -s "$registry" ] || env -u GST_PLUGIN_PATH -u GST_PLUGIN_PATH_1_0 \
    GST_REGISTRY_1_0="$registry" gst-inspect-1.0 fakesink >/dev/null 2>&1
  for part in unit/plugin stress e2e project server browser; do
    if [ -d "$directory/tests/$part" ] \
      && [ ! -s "$directory/tests/$part/registry.bin" ]; then
      cp "$registry" "$directory/tests/$part/registry.bin"
    fi
  done
}

# build DIRECTORY OPTION...: configures once, builds; quiet unless it fails.
build ()
{
  local directory=$1 log=$1/log started=$SECONDS
  shift
  mkdir -p "$log"
  if [ ! -f "$directory/build.ninja" ]; then
    set -- meson setup "$directory" "$top" "$@"
  elif [ "$installed" = 10 ]; then
    set -- meson setup --reconfigure "$directory" "$top"
  else
    set -- true
  fi
  say "building in ${directory#"$top"/}"
  if ! "$@" >"$log/configure.log" 2>&1 </dev/null; then
    tail -n 30 "$log/configure.log"
    echo "configuring failed; the whole log is $log/configure.log"
  elif ! ninja -C "$directory" >"$log/build.log" 2>&1 </dev/null; then
    tail -n 30 "$log/build.log"
    echo "building failed; the whole log is $log/build.log"
  else
    registries "$directory"
    took+=("$((SECONDS - started)) ${directory#"$top"/}")
    return 0
  fi
  record "build in ${directory#"$top"/}" FAIL
  return 1
}

# meson_test DIRECTORY NAME ARGUMENT...
meson_test ()
{
  local directory=$1 name=$2 started=$SECONDS
  shift 2
  say "$name"
  rm -f "$directory/meson-logs/$name.json"
  meson test -C "$directory" --no-rebuild --print-errorlogs \
    --logbase "$name" "$@" </dev/null 2>&1 | grep -v -e '^ninja:' \
    -e '^Full log' -e '^$' -e '^Ok:' -e '^Expected Fail:' -e '^Fail:' \
    -e '^Unexpected Pass:' -e '^Skipped:' -e '^Timeout:'
  if [ -s "$directory/meson-logs/$name.json" ]; then
    logs+=("$directory/meson-logs/$name.json")
  else
    echo "no test ran"
    record "suite $name" FAIL
  fi
  echo "   $((SECONDS - started)) s"
  took+=("$((SECONDS - started)) $name")
}

# tokenizer: Gemma 3's tokenizer.json, which npm has, into the build directory
# for the tests of the tokenizer; without it they are skipped.
tokenizer_asked=''
tokenizer ()
{
  local golden=$top/tests/goldens/tokenizer/gemma3.json name version file sum
  [ -z "$tokenizer_asked${DREAMVERSE_TOKENIZER:-}" ] || return 0
  tokenizer_asked=yes
  read -r name version file sum < <($python -c '
import json, sys
g = json.load(open(sys.argv[1]))
print(g["npm_package"], g["npm_version"], g["file"], g["sha256"])' "$golden")
  file=$top/build/npm/node_modules/$name/$file
  if [ ! -s "$file" ] && command -v npm >/dev/null; then
    mkdir -p "$top/build/npm/log"
    timeout 120 npm install --prefix "$top/build/npm" --no-save --no-audit \
      --no-fund --ignore-scripts --fetch-retries 1 "$name@$version" \
      >"$top/build/npm/log/install.log" 2>&1 </dev/null
  fi
  if [ ! -s "$file" ]; then
    say "no tokenizer.json: npm is missing or cannot reach $name"
  elif [ "$(sha256sum <"$file")" != "$sum  -" ]; then
    say "$file is not the one that the golden was made with"
    record "SHA-256 of $name" FAIL
  else
    export DREAMVERSE_TOKENIZER=$file
  fi
}

main_ready=''
main_build ()
{
  if [ -z "$main_ready" ]; then
    main_ready=no
    build "$top/build" && main_ready=yes
  fi
  [ $main_ready = yes ]
}

for suite in "${suites[@]}"; do
  case $suite in
    generator | asan | tsan) tokenizer ;;
  esac
  case $suite in
    asan)
      build "$top/build-asan" -Db_sanitize=address,undefined -Db_lundef=false \
        -Dcuda=disabled -Doptimization=1 \
        && meson_test "$top/build-asan" asan --timeout-multiplier 5 \
          --suite kernels --suite generator --suite golden --suite plugin \
          --suite server --suite server-sanitized --suite stress
      ;;
    tsan)
      build "$top/build-tsan" -Db_sanitize=thread -Db_lundef=false \
        -Dcuda=disabled -Doptimization=1 \
        && meson_test "$top/build-tsan" tsan --timeout-multiplier 10 \
          --suite kernels --suite generator --suite plugin --suite server \
          --suite stress --suite tsan --no-suite one-thread
      ;;
    fuzz)
      CC=clang build "$top/build-fuzz" -Dfuzzing=enabled -Dtests=disabled \
        -Dcuda=disabled -Dgstreamer=disabled -Db_lundef=false \
        && FUZZ_SECONDS=${FUZZ_SECONDS:-600} meson_test "$top/build-fuzz" fuzz \
          --suite fuzz
      ;;
    soak)
      main_build && meson_test "$top/build" soak --suite soak --verbose \
        --timeout-multiplier 60
      ;;
    bench)
      if main_build; then
        for bench in "$top"/tests/bench/*.py; do
          say "$(basename "$bench" .py)"
          $python "$bench" "$top/build" || echo "no figures from $bench"
        done
      fi
      ;;
    *) main_build && meson_test "$top/build" "$suite" --suite "$suite" ;;
  esac
done

say "seconds: $(printf '%s, ' "${took[@]}")all $SECONDS"
touch "$results/own.json"
$python "$top/tests/sum.py" "$results/own.json" "${logs[@]}"
