#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes docs/gallery.jpg, the contact sheet of the twelve prompts, with the
# painter itself; "gallery.sh --bitrate" prints instead how fast each prompt is
# drawn at 1920x1088 and what it costs with x264 ultrafast at CRF 23.
# Needs ffmpeg and ImageMagick; the build in build/ (or $BUILD).
set -euo pipefail
cd "$(dirname "$0")/../.."
gallery=${BUILD:-build}/tests/bench/gallery
[ -x "$gallery" ] || { echo "gallery.sh: build first: ninja -C build" >&2; exit 1; }

if [ "${1:-}" = --bitrate ]; then
  for i in $(seq 12); do
    bytes=$("$gallery" --size 1920x1088 --frames 112 "$i" |
      ffmpeg -v error -f rawvideo -pix_fmt yuv420p -s 1920x1088 -r 24 -i - \
        -c:v libx264 -preset ultrafast -tune zerolatency -crf 23 -f h264 - | wc -c)
    awk -v b="$bytes" 'BEGIN { printf "%5.2f Mbit/s  ", b * 8 * 24 / 112 / 1e6 }'
    "$gallery" --size 1920x1088 --frames 60 --bench "$i"
  done
  exit
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
i=0
tiles=()
while read -r name; do
  i=$((i + 1))
  "$gallery" --size 1056x594 --at 2.5 "$i" |
    ffmpeg -v error -f rawvideo -pix_fmt yuv420p -s 1056x594 -i - \
      -vf scale=528:-1:flags=area:in_color_matrix=bt709 -frames:v 1 "$out/$i.png"
  tiles+=(-label "$name" "$out/$i.png")
done < <("$gallery" --list)
montage "${tiles[@]}" -tile 3x4 -geometry +5+5 -background '#14161c' \
  -font "$(fc-match -f '%{file}' sans)" -fill '#d8dce6' -pointsize 17 "$out/sheet.png"
convert "$out/sheet.png" -strip -interlace Plane -quality 84 docs/gallery.jpg
ls -l docs/gallery.jpg
