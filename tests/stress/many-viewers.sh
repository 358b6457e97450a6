#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Records a few 1920x1088 segments and relays them to many viewers.
#   many-viewers.sh PROGRAM
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
gst-launch-1.0 -q dreamversesrc name=s segments=4 width=1920 height=1088 \
  max-lead=18446744073709551615 \
  s.video ! queue max-size-bytes=0 max-size-time=0 max-size-buffers=3 \
  ! x264enc tune=zerolatency speed-preset=ultrafast pass=qual quantizer=23 \
    vbv-buf-capacity=0 bframes=0 key-int-max=48 ! queue ! mux.video \
  s.audio ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000 \
  ! voaacenc ! queue ! mux.audio \
  dreamversemux name=mux ! filesink location="$folder/recording.mp4"
"$1" "$folder/recording.mp4"
