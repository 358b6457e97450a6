#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Usage: install.sh BUILD
#
# Installs into a directory of its own, loads the plugin from there, and builds
# and runs a program against the installed header and pkg-config file.
set -euo pipefail
unset LD_LIBRARY_PATH
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
pc=$(find "$work/root" -name gst-dreamverse-1.0.pc)
plugin=$(find "$work/root" -name 'libgstdreamverse.so')
[ -n "$pc" ] || { echo "no pkg-config file was installed"; exit 1; }
[ -n "$plugin" ] || { echo "no plugin was installed"; exit 1; }

# What is installed is what is meant to be, nothing of the tests.
(cd "$work/root" && find . -type f | sort) >"$work/files"
if grep -vE '/(bin/dreamverse-(generate|server)|dreamverse/server\.conf|system/dreamverse-server\.service|libgstdreamverse\.so|dreamverse/libdreamverse-cuda\.so|gst-dreamverse-1\.0\.pc|gstdreamverse\.h)$' \
  "$work/files"; then
  echo "the files above should not be installed"
  exit 1
fi

"$(find "$work/root" -name dreamverse-generate)" --version >"$work/version" \
  || { echo "dreamverse-generate does not run"; exit 1; }
"$(find "$work/root" -name dreamverse-server)" --version >"$work/version" \
  || { echo "dreamverse-server does not run"; exit 1; }

# No library is needed that another machine may lack: one missing library and
# GStreamer blacklists the plugin.
if ldd "$plugin" | grep -E 'cuda|not found'; then
  echo "the plugin needs the libraries above"
  exit 1
fi

# And the module of the GPU is not where GStreamer looks for plugins.
module=$(find "$work/root" -name 'libdreamverse-cuda.so')
if [ -n "$module" ] && [ "$(dirname "$module")" = "$(dirname "$plugin")" ]; then
  echo "the CUDA module stands among the plugins"
  exit 1
fi

export GST_REGISTRY_1_0=$work/registry GST_PLUGIN_SYSTEM_PATH_1_0
GST_PLUGIN_SYSTEM_PATH_1_0=$(pkg-config --variable=pluginsdir gstreamer-1.0)
GST_PLUGIN_PATH_1_0=$(dirname "$plugin")
export GST_PLUGIN_PATH_1_0
said=$(gst-inspect-1.0 dreamverse)
grep -q "Version *$(meson introspect "$build" --projectinfo \
  | sed 's/.*"version": "\([^"]*\)".*/\1/')" <<<"$said" \
  || { echo "$said"; exit 1; }

cat >"$work/program.c" <<'PROGRAM'
#include <gst/dreamverse/gstdreamverse.h>

int
main (void)
{
  GstDreamverseSegment segment;
  GstStructure *s;
  GstEvent *event;
  int ok;

  gst_init (NULL, NULL);
  s = gst_structure_new (GST_DREAMVERSE_EVENT_SEGMENT,
      GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, 1,
      GST_DREAMVERSE_FIELD_INDEX, G_TYPE_UINT, 2,
      GST_DREAMVERSE_FIELD_SEQUENCE, G_TYPE_UINT64, (guint64) 3,
      GST_DREAMVERSE_FIELD_STREAM_ID, G_TYPE_STRING, "seg002-0", NULL);
  ok = gst_dreamverse_parse_segment (s, &segment) && segment.index == 2
       && segment.sequence == 3 && segment.end == GST_CLOCK_TIME_NONE;
  gst_structure_remove_field (s, GST_DREAMVERSE_FIELD_STREAM_ID);
  ok = ok && !gst_dreamverse_parse_segment (s, &segment);
  gst_structure_free (s);
  event = gst_dreamverse_control_event_new (
      GST_DREAMVERSE_COMMAND_PROMPT, "1", "a lake", NULL);
  ok = ok && gst_event_has_name (event, GST_DREAMVERSE_EVENT_CONTROL);
  gst_event_unref (event);
  return ok ? 0 : 1;
}
PROGRAM
# As if the directory were the file system's root.
mkdir "$work/pc"
sed "s|^prefix=|prefix=$work/root|" "$pc" >"$work/pc/gst-dreamverse-1.0.pc"
export PKG_CONFIG_PATH=$work/pc
flags=$(pkg-config --cflags gst-dreamverse-1.0)
libs=$(pkg-config --libs gst-dreamverse-1.0)
# shellcheck disable=SC2086
cc -Wall -Wextra -Werror -std=c11 $flags "$work/program.c" -o "$work/program" $libs
"$work/program" || { echo "the program says the header is wrong"; exit 1; }
if command -v g++ >/dev/null; then
  # shellcheck disable=SC2086
  g++ -x c++ -fsyntax-only -Wall -Werror $flags "$work/program.c"
fi
