#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/gpu.sh as far as it goes without a GPU: it builds with a compiler alone,
# finds cJSON in a folder, says that there is no GPU, and its status is 77.
# Usage: gpu.sh ROOT WORK
set -uo pipefail
root=$1
work=$2
rm -rf "$work"
mkdir -p "$work/deps/include" "$work/deps/lib" "$work/path"
fail ()
{
  echo "$*"
  exit 1
}

# What the folder of dependencies would hold, and no nvidia-smi.
ln -s "$(pkg-config --variable=includedir libcjson)/cjson" "$work/deps/include/"
for library in "$(pkg-config --variable=libdir libcjson)"/libcjson.so*; do
  ln -s "$library" "$work/deps/lib/"
done
printf '#!/bin/sh\nexit 1\n' >"$work/path/nvidia-smi"
chmod +x "$work/path/nvidia-smi"

said=$(OPTIMIZE=-O0 PATH=$work/path:$PATH "$root/tests/gpu.sh" \
  --work "$work/build" --deps "$work/deps" --build plain --arch none)
status=$?
echo "$said"
[ $status = 77 ] || fail "its status is $status"
[ "$(tail -n 1 <<<"$said")" = '1 passed, 0 failed' ] || fail "it does not end so"
grep -q 'no NVIDIA GPU' <<<"$said" || fail "it does not say that there is none"
grep -q '"name": "build-plain", "result": "ok"' "$work/build/gpu.json" \
  || fail "no results were written"

# What was built is what the tests are.
"$work/build/bin/test-kernels-ops" pointwise ref || fail "the ops fail"
"$work/build/bin/golden" "$root/tests/goldens/ltx2" schedule --backend cpu \
  || fail "a golden case fails"
"$work/build/bin/dreamverse-generate" --version || fail "the tool does not run"
if "$root/tests/gpu.sh" --no-such-option 2>/dev/null; then
  fail "an option that there is not is taken"
fi
[[ $("$root/tests/gpu.sh" --help) == 'Usage: '* ]] || fail "--help shows no usage"
