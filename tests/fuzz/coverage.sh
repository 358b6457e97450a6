#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: coverage.sh FUZZER CORPUS SOURCE-ROOT FILE...
# Prints which share of the lines of each file the kept corpus reaches, and
# fails below FUZZ_COVERAGE (90) percent.
set -eu
find_tool ()
{
  for version in '' -14 -15 -16 -17 -18 -19; do
    if command -v "$1$version"; then return; fi
  done
  ls /usr/lib/llvm-*/bin/"$1" 2>/dev/null | tail -n 1
}
profdata=$(find_tool llvm-profdata)
cov=$(find_tool llvm-cov)
if [ -z "$profdata" ] || [ -z "$cov" ]; then
  echo "llvm-profdata and llvm-cov are missing"
  exit 77
fi
fuzzer=$1 corpus=$2 root=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LLVM_PROFILE_FILE=$work/raw "$fuzzer" -runs=0 "$corpus" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log"
  exit 1
}
"$profdata" merge -o "$work/data" "$work/raw"
status=0
for file; do
  "$cov" export -summary-only -instr-profile="$work/data" "$fuzzer" \
    "$root/$file" >"$work/json"
  python3 - "$work/json" "$file" "${FUZZ_COVERAGE:-90}" <<'PYTHON' || status=1
import json, sys

lines = json.load(open(sys.argv[1]))["data"][0]["totals"]["lines"]
print("%6.2f %% of %4d lines  %s" % (lines["percent"], lines["count"], sys.argv[2]))
sys.exit(lines["count"] == 0 or lines["percent"] < float(sys.argv[3]))
PYTHON
  [ -z "${FUZZ_SHOW:-}" ] || "$cov" show -instr-profile="$work/data" "$fuzzer" \
    "$root/$file" | grep -E '\| +0\|' || true
done
exit $status
