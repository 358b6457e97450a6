#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: coverage.sh FUZZER CORPUS FILE...
# Prints which share of the lines of each file the kept corpus reaches, and
# fails below FUZZ_COVERAGE (90) percent.
set -eu
find_tool ()
{
  for version in '' -14 -15 -16 -17 -18 -19; do
    if command -v "$1$version"; then return; fi
  done
  find /usr/lib -path "/usr/lib/llvm-*/bin/$1" 2>/dev/null | tail -n 1
}
profdata=$(find_tool llvm-profdata)
cov=$(find_tool llvm-cov)
if [ -z "$profdata" ] || [ -z "$cov" ]; then
  echo "llvm-profdata and llvm-cov are missing"
  exit 77
fi
fuzzer=$1 corpus=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
LLVM_PROFILE_FILE=$work/raw "$fuzzer" -runs=0 "$corpus" >"$work/log" 2>&1 || {
  tail -n 20 "$work/log"
  exit 1
}
"$profdata" merge -o "$work/data" "$work/raw"
"$cov" export -summary-only -instr-profile="$work/data" "$fuzzer" >"$work/json"
python3 - "$work/json" "${FUZZ_COVERAGE:-90}" "$@" <<'PYTHON'
import json, os, sys

summary, least, wanted = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
found = {
    os.path.realpath(f["filename"]): f["summary"]["lines"]
    for f in json.load(open(summary))["data"][0]["files"]
}
failed = False
for name in wanted:
    lines = [v for k, v in found.items() if k.endswith("/" + name)]
    percent = lines[0]["percent"] if lines else 0.0
    failed |= percent < least
    print("%6.2f %% of %4d lines  %s" % (percent, lines[0]["count"] if lines else 0, name))
sys.exit(failed)
PYTHON
