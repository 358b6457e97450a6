# shellcheck shell=bash
# shellcheck disable=SC2034,SC2054 # arrays of launch lines, used by others
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the pipeline scripts share: options, installing, building, choice of
# encoders, the launch lines. Sourced, never run.
#
# A script sets `usage` (its help text), calls `start "$@"`, which leaves the
# options in the variables below, and then `launch WORD...`.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=pipelines/packages.sh
. "$top/pipelines/packages.sh"

# DREAMVERSE_BUILD names a build directory that is ready: nothing is built.
build=${DREAMVERSE_BUILD:-$top/build-run}
log=$build/log

prompt=''
address=127.0.0.1
port=8080
width=1280
height=704
segments=0
framerate=24
install=yes
extra=() # properties of dreamversesrc given after --

die ()
{
  echo "$(basename "$0"): $*" >&2
  exit 1
}

common_usage='  --prompt TEXT      what to show (default: the source'"'"'s own prompt)
  --size WxH         picture size in pixels (default 1280x704)
  --segments N       stop after N segments (default 0: never)
  --address ADDRESS  where to listen (default 127.0.0.1; 0.0.0.0 for everyone)
  --port N           where to listen (default 8080; 0: any that is free)
  --no-install       do not install missing packages
  --help             this text
  -- PROPERTY=VALUE  further properties of dreamversesrc, as in gst-launch-1.0'

print_usage ()
{
  printf '%s\n\nOptions:\n' "${usage:?}"
  [ -z "${own_usage:-}" ] || printf '%s\n' "$own_usage"
  printf '%s\n' "$common_usage"
}

# A script with options of its own defines own_option NAME VALUE, which sets
# what it knows and returns 1 for what it doesn't.
own_option ()
{
  return 1
}

bad_usage ()
{
  echo "$(basename "$0"): $*" >&2
  echo "Try $(basename "$0") --help" >&2
  exit 2
}

is_number ()
{
  [[ $1 =~ ^[0-9]{1,9}$ ]]
}

parse_options ()
{
  local name
  while [ $# -gt 0 ]; do
    name=$1
    shift
    case $name in
      --help | -h)
        print_usage
        exit 0
        ;;
      --no-install)
        install=no
        continue
        ;;
      --)
        extra=("$@")
        break
        ;;
    esac
    [ $# -gt 0 ] || bad_usage "unknown option $name, or its value is missing"
    case $name in
      --prompt) prompt=$1 ;;
      --address) address=$1 ;;
      --port)
        if ! is_number "$1" || [ "$1" -gt 65535 ]; then
          bad_usage "--port wants a number from 0 to 65535, not '$1'"
        fi
        port=$1
        ;;
      --segments)
        is_number "$1" || bad_usage "--segments wants a number, not '$1'"
        segments=$1
        ;;
      --size)
        [[ $1 =~ ^([0-9]{1,5})x([0-9]{1,5})$ ]] \
          || bad_usage "--size wants WIDTHxHEIGHT such as 1280x704, not '$1'"
        width=${BASH_REMATCH[1]}
        height=${BASH_REMATCH[2]}
        ;;
      *)
        own_option "$name" "$1" || bad_usage "unknown option $name"
        ;;
    esac
    shift
  done
}

# quietly WHAT COMMAND...: runs it with its output in a log, whose tail is
# shown when it fails.
quietly ()
{
  local what=$1 file
  shift
  file=$log/$what.log
  mkdir -p "$log"
  if ! "$@" >"$file" 2>&1 </dev/null; then
    tail -n 25 "$file" >&2
    die "$what failed; the whole log is $file"
  fi
}

# Through sudo only the installing is done as root: what is built then belongs
# to the one who called, and the stream does not run as root.
drop_root ()
{
  local status=$1
  shift
  if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ "$SUDO_UID" != 0 ] \
    && [ "$(stat -c %u "$top")" = "$SUDO_UID" ]; then
    exec setpriv --reuid="$SUDO_UID" --regid="${SUDO_GID:-$SUDO_UID}" --init-groups \
      env HOME="$(getent passwd "$SUDO_UID" | cut -d: -f6)" \
      SUDO_UID='' DREAMVERSE_INSTALLED="$status" "$0" --no-install "$@"
  fi
}

build_all ()
{
  local status=${DREAMVERSE_INSTALLED:-0} # 10: something was, configure again
  [ -z "${DREAMVERSE_BUILD:-}" ] || return 0
  if [ "$install" = yes ]; then
    packages_install "${TMPDIR:-/tmp}/dreamverse-apt.$(id -u).log" \
      "${packages_build[@]}" "${packages_run[@]}" || status=$?
    [ "$status" = 0 ] || [ "$status" = 10 ] || exit 1
    drop_root "$status" "$@"
  fi
  command -v meson >/dev/null || die "meson is missing: run this without --no-install"
  [ -f "$build/build.ninja" ] || echo "Building in $build"
  if [ ! -f "$build/build.ninja" ]; then
    quietly configure meson setup "$build" "$top" -Dtests=disabled \
      -Dgstreamer=enabled -Dserver=enabled -Dviewer=enabled
  elif [ "$status" = 10 ]; then
    quietly configure meson setup --reconfigure "$build" "$top"
  fi
  quietly build ninja -C "$build"
}

have ()
{
  gst-inspect-1.0 --atleast-version=0.0 --exists "$1" 2>/dev/null
}

# Constant quality 23 (as ffmpeg's CRF 23) where the encoder has it; no
# B-frames; a keyframe at least every two seconds, for those who join late, and
# one at each segment, which the source asks for.
choose_encoders ()
{
  local gop=$((2 * framerate))
  if have nvh264enc; then
    video_encoder=(nvh264enc preset=low-latency-hq rc-mode=constqp qp-const=23
      bframes=0 "gop-size=$gop" ! h264parse)
  elif have x264enc; then
    video_encoder=(x264enc tune=zerolatency speed-preset=ultrafast pass=qual
      quantizer=23 vbv-buf-capacity=0 bframes=0 "key-int-max=$gop"
      byte-stream=false)
  elif have openh264enc; then
    video_encoder=(openh264enc complexity=low rate-control=bitrate
      bitrate=8000000 "gop-size=$gop" ! h264parse)
  else
    die "no H.264 encoder: install gstreamer1.0-plugins-ugly (x264enc) or gstreamer1.0-plugins-bad (openh264enc)"
  fi
  if have voaacenc; then
    audio_encoder=(voaacenc bitrate=128000)
  elif have avenc_aac; then
    audio_encoder=(avenc_aac bitrate=128000)
  else
    die "no AAC encoder: install gstreamer1.0-plugins-bad (voaacenc) or gstreamer1.0-libav (avenc_aac)"
  fi
}

# quote TEXT: as one value in a launch line.
quote ()
{
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# A launch line is an array of words, as gst-launch-1.0 takes them. After
# start() there are $source, $video_branch, $audio_branch, and $stream: all of
# it up to one fragmented MP4 stream, to which a script adds ! and a sink.
start ()
{
  local queue_encoded=(queue max-size-bytes=0 max-size-buffers=0
    max-size-time=2000000000)

  parse_options "$@"
  build_all "$@"
  export GST_PLUGIN_PATH_1_0="$build/gst/plugin${GST_PLUGIN_PATH_1_0:+:$GST_PLUGIN_PATH_1_0}"
  command -v gst-launch-1.0 >/dev/null \
    || die "gst-launch-1.0 is missing: run this without --no-install, or install gstreamer1.0-tools"
  have dreamversesrc \
    || die "the plugin in $build does not load: gst-inspect-1.0 dreamverse says why"
  choose_encoders

  source=(dreamversesrc name=src "width=$width" "height=$height"
    "framerate=$framerate/1" "segments=$segments")
  [ -z "$prompt" ] || source+=("prompt=$(quote "$prompt")")
  source+=("${extra[@]}")
  # Raw frames are large: this queue counts them, not bytes.
  video_branch=(queue max-size-bytes=0 max-size-time=0 max-size-buffers=3
    ! videoconvert ! video/x-raw,format=I420 ! "${video_encoder[@]}"
    ! "${queue_encoded[@]}")
  audio_branch=(queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000
    ! "${audio_encoder[@]}" ! "${queue_encoded[@]}")
  stream=("${source[@]}" src.video ! "${video_branch[@]}" ! mux.video
    src.audio ! "${audio_branch[@]}" ! mux.audio dreamversemux name=mux)
}

listening ()
{
  local where=$address
  [ "$where" != 0.0.0.0 ] || where=127.0.0.1
  (exec 3<>"/dev/tcp/$where/$1") 2>/dev/null
}

# check_port: says at once, in one line, that somebody is there already; finds a
# free port for 0, so that the address can be printed.
check_port ()
{
  if [ "$port" = 0 ]; then
    port=$((20000 + RANDOM))
    while listening "$port"; do
      port=$((20000 + RANDOM))
    done
  elif listening "$port"; then
    die "port $port on $address is in use: stop what listens there, or choose another with --port"
  fi
}

# say_address SCHEME [QUERY]
say_address ()
{
  local where=$address
  case $address in
    0.0.0.0) where=$(hostname -I 2>/dev/null | cut -d' ' -f1) ;;
    *:*) where="[$address]" ;;
  esac
  echo "Open $1://${where:-localhost}:$port/${2:-} in a browser; Ctrl-C ends it."
}

# launch WORD...: runs the pipeline until it ends or Ctrl-C, which ends it
# cleanly.
launch ()
{
  exec gst-launch-1.0 -q -e "$@"
}
