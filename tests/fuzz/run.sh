#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: run.sh FUZZER CORPUS [KEEP]
# Runs a fuzzer for FUZZ_SECONDS (30). What it finds goes into a directory of
# its own; with KEEP what it learned is kept there.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
keep=${3:-$work/new}
mkdir -p "$keep"
status=0
"$1" -max_total_time="${FUZZ_SECONDS:-30}" -timeout=10 -rss_limit_mb=2048 \
  -max_len=65536 -print_final_stats=1 -artifact_prefix="$work/" \
  "$keep" "$2" >"$work/log" 2>&1 || status=$?
grep -e "^Done" -e "^stat::" "$work/log" || true
if [ $status != 0 ]; then
  grep -m 5 -A 12 -e ERROR: -e 'runtime error' "$work/log" || true
  for found in "$work"/crash-* "$work"/timeout-* "$work"/oom-* "$work"/leak-*; do
    [ -f "$found" ] || continue
    echo "the input, $(basename "$found"), in base64:"
    base64 "$found" | head -c 8000
  done
fi
# libFuzzer ends with 77 when it found something, which meson takes for a skip.
[ $status = 0 ] || exit 1
