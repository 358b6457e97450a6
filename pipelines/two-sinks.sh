#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Two dreams on one port, under two paths.
usage='Usage: two-sinks.sh [--second TEXT] [option...]

Streams two dreamscapes from one process on one port: the first at /ws, the
second at /second. The page shows either: http://ADDRESS:PORT/?path=/second'
own_usage='  --second TEXT      what the second one shows'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

second='a quiet harbour at night, lanterns, light rain'
own_option ()
{
  [ "$1" = --second ] || return 1
  second=$2
}

start "$@"
check_port
say_address http
launch "${stream[@]}" \
  ! soupwebsocketsink address="$address" port="$port" path=/ws \
  "${source[@]/name=src/name=src2}" prompt="$(quote "$second")" \
  src2.video ! "${video_branch[@]}" ! mux2.video \
  src2.audio ! "${audio_branch[@]}" ! mux2.audio dreamversemux name=mux2 \
  ! soupwebsocketsink address="$address" port="$port" path=/second
