#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Streams to browsers and records the same encoded stream into a file.
usage='Usage: record.sh [--file FILE] [option...]

Streams like watch.sh and writes the same bytes into FILE, which plays from
the first segment on while it still grows. The sound and picture are encoded
once. When the disk is full the pipeline ends with one error that says so;
what was written until then plays.'
own_usage='  --file FILE        where to record (default dreamverse.mp4)'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

file=dreamverse.mp4
own_option ()
{
  [ "$1" = --file ] || return 1
  file=$2
}

start "$@"
check_port
echo "Recording into $file"
say_address http
launch "${stream[@]}" ! tee name=both \
  both. ! queue ! soupwebsocketsink address="$address" port="$port" \
  both. ! queue ! filesink location="$(quote "$file")"
