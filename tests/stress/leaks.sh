#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: leaks.sh PROGRAM ARGUMENT...
# Runs a program under GStreamer's leaks tracer: every object, buffer, event
# and message that it made must be gone when it has called gst_deinit().
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT
GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 \
  GST_DEBUG_FILE="$log" "$@"
if ! [ -s "$log" ]; then
  echo "the tracer said nothing: is it installed?"
  exit 77
fi
if grep -E ' object-(alive|refings), type-name=' "$log" | grep -v 'format string' | cut -c1-400 | head -n 40 | grep .; then
  echo "these are still alive"
  exit 1
fi
