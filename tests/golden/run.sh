#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs every golden case: those of the folder that DREAMVERSE_GOLDENS names, or
# of shared/goldens beside the checkout where that is, or the choice that is
# kept here.
# Usage: run.sh GOLDEN-PROGRAM BACKEND DTYPE
set -u
tests=$(cd "$(dirname "$0")/.." && pwd)
for folder in "${DREAMVERSE_GOLDENS:-}" \
  "$tests/../../shared/goldens/ltx2" "$tests/goldens/ltx2"; do
  [ ! -d "$folder" ] || break
done
echo "cases of $folder"
exec "$1" "$folder" --backend "$2" --dtype "$3"
