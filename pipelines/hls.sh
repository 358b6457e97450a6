#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Writes HTTP Live Streaming files: for players and servers that know HLS.
usage='Usage: hls.sh [--directory DIRECTORY] [option...]

Writes a playlist (playlist.m3u8) and transport stream files of about five
seconds into DIRECTORY, keeping the last ten, for any web server to serve. It
opens no port itself.'
own_usage='  --directory DIR    where to write (default hls)
  --keep N           how many files to keep (default 10; 0: all)'
# shellcheck source=pipelines/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

directory=hls
keep=10
own_option ()
{
  case $1 in
    --directory) directory=$2 ;;
    --keep)
      is_number "$2" || bad_usage "--keep wants a number, not '$2'"
      keep=$2
      ;;
    *) return 1 ;;
  esac
}

start "$@"
mkdir -p "$directory" || die "cannot make the directory $directory"
echo "Writing $directory/playlist.m3u8"
# A file starts at a keyframe: the sink asks for one every target-duration
# seconds. Without viewers nobody holds the source back: is-live paces it.
launch "${source[@]}" is-live=true \
  hlssink2 name=hls target-duration=5 playlist-length="$keep" max-files="$keep" \
  location="$(quote "$directory/segment%05d.ts")" \
  playlist-location="$(quote "$directory/playlist.m3u8")" \
  src.video ! "${video_branch[@]}" ! h264parse ! hls.video \
  src.audio ! "${audio_branch[@]}" ! aacparse ! hls.audio
