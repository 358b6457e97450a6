#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs those of the named golden cases that are there; 77 when none is.
# Usage: run.sh GOLDEN-PROGRAM BACKEND DTYPE CASE...
set -uo pipefail
program=$1 backend=$2 dtype=$3
shift 3
folder=${DREAMVERSE_GOLDENS:-$(dirname "$0")/../goldens/ltx2}
cases=()
for name in "$@"; do
  [ -d "$folder/$name" ] && cases+=("$name")
done
if [ ${#cases[@]} = 0 ]; then
  echo "no case is in $folder: say where by DREAMVERSE_GOLDENS"
  exit 77
fi
exec "$program" "$folder" "${cases[@]}" --backend "$backend" --dtype "$dtype"
