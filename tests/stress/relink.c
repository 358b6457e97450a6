/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Cuts every link of a pipeline that plays and makes it again, when nothing is
 * on its way through the pad, as an application does it: segments go on to be
 * made, and nobody complains.
 */
#include <gst/gst.h>

#include <stdio.h>

#include "gstdreamverse.h"

#define PATIENCE (30 * GST_SECOND)

static const gchar *const line =
    "dreamversesrc name=src width=128 height=128 frames-per-segment=8 "
    "overlap-frames=2 audio-overlap-frames=2 max-lead=200000000 "
    "src.video ! queue name=vq max-size-bytes=0 max-size-time=0 "
    "max-size-buffers=3 ! x264enc name=venc tune=zerolatency "
    "speed-preset=ultrafast bframes=0 key-int-max=24 ! queue name=vout "
    "! mux.video src.audio ! queue name=aq ! audioconvert name=convert "
    "! audioresample ! audio/x-raw,rate=48000 ! voaacenc name=aenc "
    "! queue name=aout ! mux.audio dreamversemux name=mux "
    "! soupwebsocketsink port=0";

static GstPadProbeReturn
relink (GstPad *pad, GstPadProbeInfo *info, gpointer done)
{
  GstPad *peer = gst_pad_get_peer (pad);
  GstPadLinkReturn ret;

  gst_pad_unlink (pad, peer);
  ret = gst_pad_link (pad, peer);
  if (ret != GST_PAD_LINK_OK)
    g_error ("%s cannot be linked again: %d", GST_PAD_NAME (pad), ret);
  gst_object_unref (peer);
  g_atomic_int_inc ((gint *)done);
  return GST_PAD_PROBE_REMOVE;
}

/* The next segment that is whole; FALSE if something failed. */
static gboolean
wait_segment (GstBus *bus)
{
  GstMessage *message;
  gboolean whole = FALSE, failed = FALSE;

  while (!whole && !failed) {
    message = gst_bus_timed_pop_filtered (
        bus, PATIENCE, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);
    if (!message)
      return FALSE;
    whole = gst_dreamverse_message_has_name (
        message, GST_DREAMVERSE_MESSAGE_MEDIA_COMPLETE);
    failed = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR ||
             gst_dreamverse_message_has_name (
                 message, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR);
    if (failed)
      g_printerr ("%" GST_PTR_FORMAT "\n", message);
    gst_message_unref (message);
  }
  return whole;
}

/* Three times, in the middle of three segments; then all is well. */
static gboolean
try_link (
    GstElement *pipeline, GstBus *bus, const gchar *name, const gchar *pad_name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  GstPad *pad = gst_element_get_static_pad (element, pad_name);
  gint done = 0, i;
  gboolean ok = TRUE;

  for (i = 0; ok && i < 3; i++) {
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, relink, &done, NULL);
    ok = wait_segment (bus);
  }
  /* The one that is whole now may have been through before. */
  ok = ok && wait_segment (bus) && wait_segment (bus);
  ok = ok && g_atomic_int_get (&done) == 3;
  printf ("%s.%s: %s\n", name, pad_name, ok ? "ok" : "FAILED");
  fflush (stdout);
  gst_object_unref (pad);
  gst_object_unref (element);
  return ok;
}

int
main (int argc, char **argv)
{
  static const gchar *const pads[][2] = {{"src", "video"}, {"src", "audio"},
      {"vq", "src"}, {"venc", "src"}, {"vout", "src"}, {"aq", "src"},
      {"convert", "src"}, {"aenc", "src"}, {"aout", "src"}, {"mux", "src"}};
  GstElement *pipeline;
  GstBus *bus;
  gboolean ok = TRUE;
  guint i;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (line, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (i = 0; ok && i < G_N_ELEMENTS (pads); i++)
    ok = try_link (pipeline, bus, pads[i][0], pads[i][1]);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  gst_deinit ();
  return ok ? 0 : 1;
}
