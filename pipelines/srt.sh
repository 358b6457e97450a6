#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A transport stream over SRT, for ffplay, VLC, OBS and other servers.
usage='Usage: srt.sh [--uri URI] [option...]

Sends an MPEG transport stream over SRT. Without --uri it listens on --address
and --port; play it with: ffplay srt://127.0.0.1:8080
With --uri it calls a server: srt.sh --uri srt://example.org:9000?mode=caller'
own_usage='  --uri URI          where to send to (default: listen)'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

uri=''
own_option ()
{
  [ "$1" = --uri ] || return 1
  uri=$2
}

start "$@"
[ -n "$uri" ] || uri="srt://$address:$port?mode=listener"
echo "Streaming at $uri"
# is-live paces the source, and sync=false sends what has its time already.
launch "${source[@]}" is-live=true mpegtsmux name=ts alignment=7 \
  ! srtsink uri="$(quote "$uri")" wait-for-connection=false sync=false \
  src.video ! "${video_branch[@]}" ! h264parse config-interval=-1 ! ts. \
  src.audio ! "${audio_branch[@]}" ! aacparse ! ts.
