#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dreamverse-server with drawn streams: installs what is missing, builds, runs.
usage='Usage: serve.sh [--slots N] [--size WxH] [--port N] [--no-install] [--help]
                [-- FLAG...]

Serves sessions: every visitor of its page gets a stream of their own, drawn
from the words of a prompt, or waits in the queue until a slot is free. It
speaks the protocol of Dreamverse at /ws. Ctrl-C ends it.'
own_usage='  --slots N          sessions at a time (default 2)'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

common_usage='  --size WxH         picture size in pixels (default 832x480)
  --address ADDRESS  where to listen (default 127.0.0.1; 0.0.0.0 for everyone)
  --port N           where to listen (default 8009; 0: any that is free)
  --no-install       do not install missing packages
  --help             this text
  -- FLAG...         further flags of dreamverse-server: -- --segment-cap=0'
port=8009
width=832
height=480
slots=2
own_option ()
{
  [ "$1" = --slots ] || return 1
  is_number "$2" || bad_usage "--slots wants a number, not '$2'"
  slots=$2
}

parse_options "$@"
build_all "$@"
export GST_PLUGIN_PATH_1_0="$build/gst/plugin${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}"
exec "$build/gst/server/dreamverse-server" --demo "--address=$address" \
  "--port=$port" "--slots=$slots" "--width=$width" "--height=$height" \
  "${extra[@]}"
