#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: variants.sh ROOT WORK generator|server|cuda
#
# The other ways to build: the generator alone where neither GStreamer nor GLib
# is installed, and the plugin without its network parts.
set -euo pipefail
root=$1
work=$2/$3
rm -rf "$work"
mkdir -p "$work"

quietly ()
{
  "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log"; exit 1; }
}

case $3 in
  generator)
    # pkg-config sees nothing but cJSON and libcheck here.
    mkdir "$work/pc"
    for name in libcjson check; do
      if file=$(pkg-config --variable=pcfiledir $name 2>/dev/null); then
        cp "$file/$name.pc" "$work/pc/"
      fi
    done
    export PKG_CONFIG_LIBDIR=$work/pc PKG_CONFIG_PATH=
    # Nor is there a C++ compiler, which only CUDA kernels need.
    CXX=false quietly meson setup "$work/build" "$root" -Dgstreamer=disabled \
      -Dcuda=disabled -Doptimization=1
    quietly ninja -C "$work/build"
    if [ -e "$work/build/gst/plugin/libgstdreamverse.so" ]; then
      echo "a plugin was built without GStreamer"
      exit 1
    fi
    program=$work/build/gst/generator/tools/dreamverse-generate
    if ldd "$program" | grep -E 'glib|gst|png'; then
      echo "dreamverse-generate needs the libraries above"
      exit 1
    fi
    "$program" --quiet --prompt 'a lake' --size 64x32 --frames 2 \
      --output "$work/%d.ppm"
    quietly "$program" --prompt 'a lake' --size 64x32 --frames 2 \
      --image "$work/2.ppm" --output "$work/lake.y4m"
    if [ -f "$work/pc/check.pc" ]; then
      quietly meson test -C "$work/build" --no-rebuild kernels-answers \
        kernels-refusals segment golden-cpu-f32
      quietly meson test -C "$work/build" --no-rebuild kernels-ops \
        --test-args='all all once'
      for program in "$work"/build/tests/unit/*/test-* \
        "$work"/build/tests/golden/golden; do
        if [ -f "$program" ] && ldd "$program" | grep -E 'glib|gst'; then
          echo "$program needs the libraries above"
          exit 1
        fi
      done
    fi
    ;;
  server)
    quietly meson setup "$work/build" "$root" -Dserver=disabled \
      -Dcuda=disabled -Dtests=disabled -Doptimization=0
    quietly ninja -C "$work/build"
    export GST_REGISTRY_1_0=$work/registry
    export GST_PLUGIN_PATH_1_0=$work/build/gst/plugin
    gst-inspect-1.0 --atleast-version=0.0 --exists dreamversesrc
    gst-inspect-1.0 --atleast-version=0.0 --exists dreamversemux
    if gst-inspect-1.0 --atleast-version=0.0 --exists soupwebsocketsink; then
      echo "soupwebsocketsink is there without its server"
      exit 1
    fi
    if ldd "$GST_PLUGIN_PATH_1_0/libgstdreamverse.so" | grep soup; then
      echo "the plugin needs libsoup without using it"
      exit 1
    fi
    ;;
  cuda)
    # Without the toolkit: a build like any other, unless the backend is asked
    # for; and when it is not wanted, none is made.
    printf "[binaries]\nnvcc = '%s/no/nvcc'\n" "$work" >"$work/none.ini"
    quietly meson setup "$work/auto" "$root" --native-file "$work/none.ini" \
      -Dgstreamer=disabled -Dtests=disabled
    grep -q 'CUDA *: NO' "$work/log"
    if meson setup "$work/enabled" "$root" --native-file "$work/none.ini" \
      -Dgstreamer=disabled -Dcuda=enabled >"$work/log" 2>&1; then
      echo "-Dcuda=enabled was accepted without nvcc"
      exit 1
    fi
    grep -qE 'nvcc|cudart' "$work/log"
    quietly meson setup "$work/disabled" "$root" -Dcuda=disabled \
      -Dgstreamer=disabled -Dtests=disabled
    grep -q 'CUDA *: NO' "$work/log"
    if meson introspect "$work/disabled" --targets | grep dreamverse-cuda; then
      echo "a module is built with -Dcuda=disabled"
      exit 1
    fi
    ;;
esac
rm -rf "$work"
