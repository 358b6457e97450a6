#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs every golden case, or those named, of the folder that DREAMVERSE_GOLDENS
# names, or of shared/goldens beside the checkout where that is, or of the choice
# that is kept here.  On cuda the longest needs DREAMVERSE_LONG_GOLDENS=1.
# Usage: run.sh GOLDEN-PROGRAM BACKEND DTYPE [CASE...]
set -u
tests=$(cd "$(dirname "$0")/.." && pwd)
for folder in "${DREAMVERSE_GOLDENS:-}" \
  "$tests/../../shared/goldens/ltx2" "$tests/goldens/ltx2"; do
  [ ! -d "$folder" ] || break
done
echo "cases of $folder"
cases=("${@:4}")
if [ "$2" = cuda ] && [ ${#cases[@]} = 0 ] \
  && [ -z "${DREAMVERSE_LONG_GOLDENS:-}" ]; then
  # The one left out takes minutes where kernels run on the host.
  mapfile -t cases < <(find "$folder/" -mindepth 1 -maxdepth 1 -type d \
    ! -name pipeline-tiny -printf '%f\n' | sort)
fi
exec "$1" "$folder" "${cases[@]}" --backend "$2" --dtype "$3"
