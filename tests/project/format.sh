#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# C files are formatted as .clang-format says.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
command -v clang-format >/dev/null || exit 77
files=$(find gst tests pipelines kernels -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' 2>/dev/null)
# shellcheck disable=SC2086
if ! clang-format --dry-run -Werror $files; then
  echo "run: clang-format -i FILE"
  exit 1
fi
