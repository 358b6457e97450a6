#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: layers.sh [--self-test] [ROOT]
#
# Fails when a file looks where its layer must not (docs/design.md, "Layers"),
# when its name promises something else than its includes, or when it lacks a
# licence line or outgrows 900 lines. --self-test plants one violation of each
# kind in a copy and demands that it is found.
set -uo pipefail

self_test=no
if [ "${1:-}" = --self-test ]; then
  self_test=yes
  shift
fi
root=$(cd "${1:-$(dirname "$0")/..}" && pwd)

wrong=0
complain ()
{
  echo "$1: $2"
  wrong=1
}

# What each source file includes, read once, and in kernels what of it is in
# quotes: names by file, with spaces between.
declare -A includes quoted
read_includes ()
{
  local directories=() directory file mark name
  for directory in kernels gst; do
    [ ! -d "$directory" ] || directories+=("$directory")
  done
  while read -r file mark name; do
    includes[$file]+=" $name"
    if [ "$mark" = '"' ] && [[ $file == kernels/* ]]; then
      quoted[$file]+=" $name"
    fi
  done < <(grep -rE --include='*.[ch]' --include='*.cu' --include='*.cuh' \
    '^[[:space:]]*#[[:space:]]*include' \
    "${directories[@]}" | sed -nE \
    's/^([^:]*):[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^>"]*)[>"].*/\1 \2 \3/p')
}

# includes_of FILE: what it includes, into $list.
includes_of ()
{
  read -ra list <<<"${includes[$1]:-}"
}

# forbid FILE REGEX WHY: no include may match. After includes_of FILE.
forbid ()
{
  local name
  for name in "${list[@]}"; do
    if [[ $name =~ $2 ]]; then
      complain "$1" "includes $name: $3"
    fi
  done
}

sources ()
{
  [ -d "$1" ] || return 0
  find "$1" -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' | LC_ALL=C sort
}

cuda='(^|/)(cu(da|blas|dnn)[a-zA-Z0-9_]*\.h|cooperative_groups|cutlass|dvcuda\.h)|\.cuh$'
glib='^(glib|gio|gobject|gmodule|glib-object|gst/|gst\.h|libsoup|json-glib)'

check ()
{
  local file name list=() kernels_names plugin_names
  cd "$root" || exit 1
  read_includes
  kernels_names=$(sources kernels | sed 's|.*/||' | tr '\n' ' ')

  for file in $(sources kernels); do
    includes_of "$file"
    forbid "$file" "$glib" "kernels know no GLib"
    forbid "$file" '(generator|plugin|server|ltx2|procedural)/' \
      "kernels know tensors only"
    forbid "$file" '^c[jJ][sS][oO][nN]' "kernels read no files"
    case $file in
      kernels/cuda/*) ;;
      *) forbid "$file" "$cuda" "CUDA is kernels/cuda/'s alone" ;;
    esac
    case $file in
      kernels/ref/*)
        forbid "$file" '(intrin\.h$|^arm_|dnnl|(^|/)cpu[./]|^cu(da|blas))' \
          "the reference is plain C without dependencies"
        ;;
    esac
    # What is quoted is a file of theirs, by whatever name a model has its own.
    for name in ${quoted[$file]:-}; do
      # What the tests run kernels on, where nvcc does not compile them.
      [ "$file $name" != 'kernels/cuda/simt.cuh simt.h' ] || continue
      [[ " $kernels_names " == *" ${name##*/} "* ]] \
        || complain "$file" "includes $name: kernels know tensors only"
    done
  done

  for file in $(sources gst/generator); do
    includes_of "$file"
    forbid "$file" "$glib" "the generator knows neither GLib nor GStreamer"
    forbid "$file" '(plugin|server|viewer)/|^gst' \
      "the generator knows nothing of what uses it"
    forbid "$file" '(^|/)(ref|cpu|cuda)/|dnnl|intrin\.h$' \
      "a model knows the ops, not who computes them"
    forbid "$file" "$cuda" "CUDA is kernels/cuda/'s alone"
    case $file in
      gst/generator/procedural/*)
        forbid "$file" 'ltx2' "a drawing knows no real model"
        ;;
      gst/generator/ltx2/*)
        forbid "$file" 'procedural' "a real model knows no drawing"
        ;;
    esac
  done

  # They return errors; only a tool may talk.
  while IFS=: read -r file name; do
    [[ $file == gst/generator/tools/* ]] \
      || complain "$file" "prints or exits: $name"
  done < <(grep -rE --include='*.[ch]' --include='*.cu' --include='*.cuh' \
    '\b(printf|puts|putchar|perror|exit|_exit|abort) \(|\bstd(out|err)\b' \
    kernels gst/generator 2>/dev/null | grep -vE '__attribute__|: \*| \* ')

  for file in $(sources gst/plugin); do
    includes_of "$file"
    name=${file##*/}
    forbid "$file" '(procedural|ltx2|kernels)/|^(ops|tensor|arena|pool|device)\.h' \
      "the plugin knows the generator through generator.h, error.h, segment.h"
    forbid "$file" '(server|viewer)/' "the plugin knows no server"
    forbid "$file" "$cuda" "CUDA is kernels/cuda/'s alone"
    case $name in
      gst*)
        if ! [[ "${list[*]:-} " =~ (^| )gst ]]; then
          complain "$file" "is named gst… and includes no GStreamer"
        fi
        ;;
      plugin.c) ;; # the entry point: GStreamer's, under its usual name
      *)
        forbid "$file" '^gst' "without gst in its name a file knows no GStreamer"
        ;;
    esac
    case $name in
      fmp4*) forbid "$file" "$glib" "the MP4 code is plain C11" ;;
    esac
  done

  for file in $(sources gst/websocket); do
    includes_of "$file"
    forbid "$file" '^gst|json-glib|(plugin|server|viewer)/' \
      "sockets know neither GStreamer nor what is sent"
  done

  # But for the header that is installed.
  plugin_names=$(sources gst/plugin | sed 's|.*/||' \
    | grep -vx gstdreamverse.h | tr '\n' ' ')
  for file in $(sources gst/server); do
    includes_of "$file"
    for name in "${list[@]}"; do
      [[ " $plugin_names " != *" ${name##*/} "* ]] \
        || complain "$file" "includes $name: a file of the plugin's"
    done
    forbid "$file" '(generator|procedural|ltx2|kernels)/|^generator\.h' \
      "the server knows elements, not generators"
    forbid "$file" "$cuda" "CUDA is kernels/cuda/'s alone"
  done

  # The page works without a network: it names no other host.
  if [ -d gst/viewer ]; then
    while IFS=: read -r file name; do
      complain "$file" "names another host: $name"
    done < <(grep -rEo --include='*.html' --include='*.js' --include='*.css' \
      '(https?:)?//[a-z0-9-]+\.[a-z]{2,}[^"'"'"' ]*' gst/viewer \
      | grep -v 'www.w3.org')
  fi

  while read -r file name; do
    [ -z "$file" ] || complain "$file" "$name"
  done < <(find gst kernels tests pipelines \( -name '*.[ch]' -o -name '*.cu' \
    -o -name '*.cuh' -o -name '*.js' -o -name '*.css' -o -name '*.sh' \
    -o -name '*.py' \) \
    -not -path '*/node_modules/*' -print0 2>/dev/null | LC_ALL=C sort -z \
    | xargs -0 -r awk '
      function finish () {
        if (file && !licence) print file, "has no licence line at its top"
        if (lines > 900)
          print file, "has more than 900 lines: it has two subjects"
      }
      FNR == 1 { finish(); file = FILENAME; licence = 0 }
      { lines = FNR }
      FNR <= 3 && /SPDX-License-Identifier: LGPL-2.1-or-later/ { licence = 1 }
      END { finish() }')
}

if [ $self_test = no ]; then
  check
  [ $wrong = 0 ] && echo "the layers hold"
  exit $wrong
fi

# ---- self-test ----

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
missed=0

mkdir "$copy/gst"
cp -r "$root/kernels" "$copy/"
for directory in generator plugin server websocket viewer; do
  [ ! -d "$root/gst/$directory" ] || cp -r "$root/gst/$directory" "$copy/gst/"
done
if ! said=$("$self" "$copy"); then
  echo "the clean copy is not clean: $said"
  exit 1
fi

# plant FILE TEXT: with this line added the check must fail and name the file.
plant ()
{
  local said file=$copy/$1 new=no
  if [ -f "$file" ]; then
    cp "$file" "$copy/kept"
  else
    new=yes
    mkdir -p "$(dirname "$file")"
    echo '/* SPDX-License-Identifier: LGPL-2.1-or-later */' >"$file"
  fi
  printf '%b\n' "$2" >>"$file"
  if said=$("$self" "$copy"); then
    echo "not found: '$2' in $1"
    missed=1
  elif ! grep -q "^$1: " <<<"$said"; then
    echo "found, but not named: '$2' in $1: $said"
    missed=1
  fi
  if [ $new = yes ]; then
    rm "$file"
  else
    mv "$copy/kept" "$file"
  fi
}

plant gst/generator/segment.c '#include <glib.h>'
plant gst/generator/segment.c '#include <gst/gst.h>'
plant gst/generator/procedural/scene.h '# include "../../plugin/wire.h"'
plant gst/generator/generator.c '#include "gstdreamverse.h"'
plant gst/plugin/fmp4.h '#include <gst/gst.h>'
plant gst/plugin/fmp4.h '#include <glib.h>'
plant gst/plugin/wire.h '#include "gstdreamverse.h"'
plant gst/plugin/gstdreamverse.h '#include "../generator/procedural/scene.h"'
plant gst/plugin/gstnothing.c '#include <string.h>'
plant gst/plugin/plugin.c '#include "../server/server.h"'
plant gst/server/server.c '#include "../generator/generator.h"'
plant gst/server/server.c '#include "wsendpoint.h"'
plant gst/server/server.c '#include "../plugin/wire.h"'
plant gst/websocket/wsframe.c '#include <gst/gst.h>'
plant gst/websocket/wsframe.c '#include "server/client.h"'
plant kernels/ref/add.c '#include <glib.h>'
plant kernels/ref/add.c '#include "../../gst/generator/generator.h"'
plant kernels/tensor.c '#include <cjson/cJSON.h>'
plant kernels/cpu/add.c '#include "checkpoint.h"'
plant kernels/ref/add.c '#include <immintrin.h>'
plant kernels/ref/add.c '#include "../cpu/vec.h"'
plant kernels/device.c '#include <cuda_runtime_api.h>'
plant kernels/ref/add.c '#include "../cuda/dvcuda.h"'
plant kernels/cuda/add.cu '#include <glib.h>'
plant gst/generator/ltx2/dit.c '#include <cublasLt.h>'
plant gst/plugin/gstdreamversesrc.c '#include <cuda.h>'
plant kernels/pool.c 'static void say (void) { printf ("x"); }'
plant gst/generator/ltx2/dit.c '#include <gio/gio.h>'
plant gst/generator/ltx2/dit.c '#include "../../../kernels/ref/ref.h"'
plant gst/generator/ltx2/dit.c '#include "../procedural/scene.h"'
plant gst/generator/procedural/scene.c '#include "../ltx2/dit.h"'
plant gst/generator/ltx2/loader.c 'static void stop (void) { exit (1); }'
plant gst/plugin/gstdreamversesrc.c '#include "tensor.h"'
plant gst/plugin/gstdreamversesrc.c '#include "ltx2/dit.h"'
plant gst/viewer/viewer.js "// SPDX-License-Identifier: LGPL-2.1-or-later\nimport('https://cdn.example.com/x.js');"
plant gst/plugin/fmp4.h "$(yes '/* long */' | head -n 900)"
rm -rf "${copy:?}"/*
mkdir -p "$copy/gst/plugin"
echo '#include <gst/gst.h>' >"$copy/gst/plugin/gstnew.c"
if "$self" "$copy" >/dev/null; then
  echo "not found: a file without a licence line"
  missed=1
fi
[ $missed = 0 ] && echo "every planted violation was found"
exit $missed
