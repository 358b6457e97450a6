#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Everything that needs a GPU, in one command, on a machine that has neither
# GStreamer nor GLib nor a network.
# Functions are called by name through step.
# shellcheck disable=SC2317
set -uo pipefail
usage="Usage: tests/gpu.sh [OPTION]...

Builds kernels/ and gst/generator/ and runs on the first NVIDIA GPU: the tests
of ops, golden cases in F32 and BF16, two runs that must be equal,
compute-sanitizer's memcheck, racecheck and synccheck, and benchmarks. Prints a
table, writes JSON, and ends with 'N passed, N failed'. Where there is no GPU
it says so, and its status is 77 after having built.

  --deps DIR     where cJSON is that the system lacks: cJSON.c and cJSON.h, or
                 include/ and lib/ (these may hold Check, too)
  --work DIR     where to build (build-gpu beside the sources)
  --json FILE    the results (WORK/gpu.json)
  --build HOW    meson, or plain: with a C compiler and nvcc alone (meson where
                 it and what it looks for are there)
  --arch LIST    GPUs to compile for in a plain build: '90a' (the one that is
                 there, else 80); none: no CUDA
  --jobs N       at a time while building (every processor)
  --model PATH   measure this model too, and not only one of random weights
  --size WxH --frames N   of what is measured (640x384, 25)
  --skip LIST    of: ops golden repeat sanitizer bench
  --help

GOLDENS names the folder of golden cases; shared/goldens/ltx2 beside the
sources, else the ones that are kept here."

root=$(cd "$(dirname "$0")/.." && pwd)
deps='' work=$root/build-gpu json='' build='' arch='' jobs=$(nproc) model=''
size=640x384 frames=25 skip=''
while [ $# -gt 0 ]; do
  case $1 in
    --help) echo "$usage"; exit 0 ;;
    --deps | --work | --json | --build | --arch | --jobs | --model | --size \
      | --frames | --skip)
      [ $# -ge 2 ] || { echo "gpu.sh: $1 wants a value" >&2; exit 2; }
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    *) echo "gpu.sh: $1 is no option" >&2; exit 2 ;;
  esac
done
[ -z "$deps" ] || deps=$(cd "$deps" && pwd) || exit 2
mkdir -p "$work/logs" || exit 2
work=$(cd "$work" && pwd)
json=${json:-$work/gpu.json}
PATH=$PATH:/usr/local/cuda/bin
export PATH

# ---- results ----

passed=0 failed=0
names=() results=() seconds=() notes=()

# step NAME COMMAND...: runs it, keeps its output in logs/NAME.
step ()
{
  local name=$1 begun=$EPOCHREALTIME status note
  shift
  "$@" >"$work/logs/$name" 2>&1
  status=$?
  note=$(grep -E '[0-9]+ passed, [0-9]+ failed|ERROR SUMMARY|^ok: ' \
    "$work/logs/$name" | tail -n 1)
  if [ $status = 0 ]; then
    passed=$((passed + 1))
    result=ok
  else
    failed=$((failed + 1))
    result=FAIL
    tail -n 30 "$work/logs/$name"
  fi
  names+=("$name") results+=("$result") notes+=("${note//[\"\\]/}")
  seconds+=("$(awk -v a="$begun" -v b="$EPOCHREALTIME" \
    'BEGIN { printf "%.1f", b - a }')")
  printf '%-34s %-4s %8s s  %s\n' "$name" "$result" "${seconds[-1]}" "$note"
  return "$status"
}

wanted ()
{
  [[ " $skip " != *" $1 "* ]]
}

text ()
{
  tr -d '\000-\010\013-\037' <"$1" | sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/ /g' \
    | awk '{ printf "%s\\n", $0 }'
}

write_json ()
{
  local i file comma=''
  {
    printf '{\n  "date": "%s",\n  "gpu": "%s",\n  "build": "%s",\n' \
      "$(date -u +%FT%TZ)" "${gpu//[\"\\]/}" "$build"
    printf '  "passed": %d,\n  "failed": %d,\n  "steps": [' "$passed" "$failed"
    for i in "${!names[@]}"; do
      printf '%s\n    {"name": "%s", "result": "%s", "seconds": %s, ' \
        "$comma" "${names[i]}" "${results[i]}" "${seconds[i]}"
      printf '"note": "%s"}' "${notes[i]}"
      comma=,
    done
    printf '\n  ],\n  "measured": {'
    comma=''
    for file in "$work"/logs/bench-*; do
      [ -f "$file" ] || continue
      printf '%s\n    "%s": "' "$comma" "$(basename "$file")"
      text "$file"
      printf '"'
      comma=,
    done
    printf '\n  }\n}\n'
  } >"$json"
}

finish ()
{
  write_json
  echo "results: $json"
  echo "$passed passed, $failed failed"
  exit "$1"
}

# ---- what is here ----

gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total \
  --format=csv,noheader 2>/dev/null | head -n 1)
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader \
  2>/dev/null | head -n 1 | tr -d .)
[[ $capability =~ ^[0-9]+$ ]] || { gpu='' capability=''; }
if [ -z "$arch" ]; then
  arch=${capability:-80}
  [ "$arch" != 90 ] || arch=90a
fi
[ "$arch" != none ] && command -v nvcc >/dev/null || arch=''
[ -n "$arch" ] || echo "without CUDA: no nvcc, or none was wanted"
if [ -z "$build" ]; then
  build=plain
  if command -v meson ninja pkg-config >/dev/null \
    && pkg-config --exists libcjson check; then
    build=meson
  fi
fi

# ---- building ----

build_meson ()
{
  local targets=(gst/generator/tools/dreamverse-generate tests/golden/golden
    tests/unit/kernels/test-kernels-ops)
  [ -f "$work/meson/build.ninja" ] || meson setup "$work/meson" "$root" \
    --buildtype=release -Db_ndebug=false -Dgstreamer=disabled -Dpng=disabled \
    || return
  [ -z "$arch" ] || targets+=(kernels/cuda/libdreamverse-cuda.so)
  ninja -C "$work/meson" -j "$jobs" "${targets[@]}" || return
  mkdir -p "$work/bin"
  for target in "${targets[@]}"; do
    ln -sf "$work/meson/$target" "$work/bin/" || return
  done
}

rm -f "$work"/logs/*
if [ "$build" = meson ]; then
  step build-meson build_meson || finish 1
else
  step build-plain bash "$root/tests/gpu/build.sh" "$root" "$work" "$deps" \
    "$jobs" "$arch" || finish 1
fi
bin=$work/bin
export DREAMVERSE_CUDA_MODULE=$bin/libdreamverse-cuda.so

if [ -z "$gpu" ] || [ -z "$arch" ]; then
  echo "there is no NVIDIA GPU here (or nothing to build for it): built, and ran nothing"
  finish 77
fi
echo "on $gpu"

# ---- tests ----

families='matmul attention norm conv pointwise audio merge'
goldens=${GOLDENS:-}
[ -n "$goldens" ] || for goldens in "$root/../shared/goldens/ltx2" \
  "$root/shared/goldens/ltx2" "$root/tests/goldens/ltx2"; do
  [ ! -d "$goldens" ] || break
done

ops ()
{
  "$bin/test-kernels-ops" "$1" cuda >"$work/ops.out" 2>&1
  local status=$?
  cat "$work/ops.out"
  # Where no device opens, nothing is tested: that is no success.
  grep -q 'no cuda' "$work/ops.out" && return 1
  return "$status"
}
if wanted ops; then
  for family in $families; do
    step "ops-$family" ops "$family"
  done
fi
if wanted golden; then
  for dtype in f32 bf16; do
    step "golden-$dtype" "$bin/golden" "$goldens" --backend cuda \
      --dtype "$dtype"
  done
fi

random=$work/random-small
make_random ()
{
  [ -d "$random" ] || "$bin/dreamverse-generate" --make-random small \
    "$random" --tokenizer
}
generate ()
{
  "$bin/dreamverse-generate" --model "$1" --device cuda:0 --size "$size" \
    --frames "$frames" --prompt 'a lighthouse' --prompt 'waves' "${@:2}"
}
repeat ()
{
  make_random || return
  generate "$random" --output "$work/a.y4m" --wav "$work/a.wav" || return
  generate "$random" --output "$work/b.y4m" --wav "$work/b.wav" || return
  cmp "$work/a.y4m" "$work/b.y4m" && cmp "$work/a.wav" "$work/b.wav"
}
# Layers are brought where memory is short, and the pictures are the same.
short_of_memory ()
{
  local need
  need=$("$bin/dreamverse-generate" --plan --model "$random" --size "$size" \
    --frames "$frames" --device cuda:0 --memory 8G \
    | awk '/needed/ { print $2 } /reserve/ { r = $2 } END { print -r }' \
    | awk '{ s += $1 } END { printf "%d", s }')
  generate "$random" --memory "$((need - 120))M" --output "$work/c.y4m" \
    || return
  cmp "$work/a.y4m" "$work/c.y4m"
}
if wanted repeat; then
  step repeat repeat && step short-of-memory short_of_memory
fi

if wanted sanitizer; then
  if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck synccheck; do
      for family in $families; do
        step "$tool-$family" env CK_FORK=no compute-sanitizer --tool "$tool" \
          --error-exitcode 99 "$bin/test-kernels-ops" "$family" cuda
      done
    done
    step memcheck-pipeline compute-sanitizer --tool memcheck \
      --error-exitcode 99 "$bin/golden" "$goldens" pipeline-tiny \
      --backend cuda --dtype bf16
  else
    echo "there is no compute-sanitizer"
  fi
fi

# ---- figures ----

if wanted bench; then
  step bench-ops "$bin/test-kernels-ops" --bench
  make_random >/dev/null
  step bench-random "$bin/dreamverse-generate" --bench --model "$random" \
    --device cuda:0 --size "$size" --frames "$frames" --prompt 'a lighthouse'
  if [ -n "$model" ]; then
    step bench-model "$bin/dreamverse-generate" --bench --model "$model" \
      --device cuda:0 --size "$size" --frames "$frames" --prompt 'a lighthouse'
  fi
  for file in "$work"/logs/bench-*; do
    echo "--- $(basename "$file")"
    cat "$file"
  done
fi
finish $((failed > 0))
