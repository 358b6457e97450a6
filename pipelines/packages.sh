#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Debian 12 packages that this project needs, in one place, and how they
# are installed. Sourced by pipelines/common.sh and tests/run.sh; run directly
# it prints the lists: packages.sh [build|run|test].

packages_build=(gcc libc6-dev meson ninja-build pkg-config libglib2.0-dev
  libglib2.0-dev-bin libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  libsoup-3.0-dev libjson-glib-dev libcjson-dev libpng-dev)

# x264enc and nvh264enc, openh264enc, voaacenc: -ugly, -bad; avenc_aac: -libav;
# mp4mux: -good; TLS: glib-networking, and openssl to make a certificate.
packages_run=(gstreamer1.0-tools gstreamer1.0-plugins-base
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav glib-networking openssl)

packages_test=(check ffmpeg g++ python3 python3-websockets chromium chromium-driver
  clang clang-format llvm libclang-rt-14-dev shellcheck procps haproxy)

# packages_missing NAME...: those that are not installed.
packages_missing ()
{
  local have name
  # It fails where one is unknown, which on a new machine some are.
  have=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null \
    || true)"
  for name; do
    case $have in
      *" $name=installed "*) ;;
      *) echo "$name" ;;
    esac
  done
}

# packages_install LOG NAME...: installs what is missing, says so, and is
# silent when nothing is. Status 10: something was installed.
packages_install ()
{
  local log=$1 missing as_root=()
  shift
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not a Debian system: install the equivalents of" >&2
    echo "  $*" >&2
    echo "yourself and run this again with --no-install." >&2
    return 1
  fi
  mapfile -t missing < <(packages_missing "$@")
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Missing packages, and neither root nor sudo to install them:" >&2
      echo "  apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "Installing what is missing: ${missing[*]}"
  mkdir -p "$(dirname "$log")"
  if ! { "${as_root[@]}" apt-get -q update \
    && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qy install --no-install-recommends "${missing[@]}"; } \
    </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get failed; the whole log is $log" >&2
    return 1
  fi
  return 10
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  case ${1:-} in
    build) echo "${packages_build[@]}" ;;
    run) echo "${packages_run[@]}" ;;
    test) echo "${packages_test[@]}" ;;
    '') echo "${packages_build[@]}" "${packages_run[@]}" "${packages_test[@]}" ;;
    *) echo "Usage: packages.sh [build|run|test]" >&2; exit 2 ;;
  esac
fi
