/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A soupwebsocketsink fed by hand: see sink-rig.h.
 */
#include "sink-rig.h"

#include "gstdreamverse.h"

#define PATIENCE (20 * G_USEC_PER_SEC)

SinkRig *
sink_rig_new (const gchar *property, ...)
{
  SinkRig *rig = g_new0 (SinkRig, 1);
  GstPad *sink_pad;
  GstSegment segment;
  GstCaps *caps;
  va_list arguments;

  rig->sink = gst_element_factory_make ("soupwebsocketsink", NULL);
  g_assert (rig->sink);
  gst_object_ref_sink (rig->sink);
  g_object_set (rig->sink, "port", 0, NULL);
  va_start (arguments, property);
  for (; property; property = va_arg (arguments, const gchar *))
    gst_util_set_object_arg (
        G_OBJECT (rig->sink), property, va_arg (arguments, const gchar *));
  va_end (arguments);
  rig->pad = gst_pad_new ("src", GST_PAD_SRC);
  sink_pad = gst_element_get_static_pad (rig->sink, "sink");
  gst_pad_link (rig->pad, sink_pad);
  gst_object_unref (sink_pad);
  gst_pad_set_active (rig->pad, TRUE);
  if (gst_element_set_state (rig->sink, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE)
    g_error ("the sink does not start");
  g_object_get (rig->sink, "port", &rig->port, NULL);
  sink_rig_event (rig, gst_event_new_stream_start ("test"));
  caps = gst_caps_from_string ("video/quicktime, variant=(string)iso");
  sink_rig_event (rig, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  gst_segment_init (&segment, GST_FORMAT_BYTES);
  sink_rig_event (rig, gst_event_new_segment (&segment));
  return rig;
}

void
sink_rig_free (SinkRig *rig)
{
  gst_element_set_state (rig->sink, GST_STATE_NULL);
  gst_pad_set_active (rig->pad, FALSE);
  gst_object_unref (rig->pad);
  gst_object_unref (rig->sink);
  g_free (rig);
}

GstFlowReturn
sink_rig_push (SinkRig *rig, GBytes *bytes)
{
  return gst_pad_push (rig->pad, test_stream_buffer (bytes));
}

void
sink_rig_push_stream (
    SinkRig *rig, const TestStream *stream, guint from, guint to)
{
  for (; from < to; from++)
    g_assert_cmpint (sink_rig_push (rig, test_stream_fragment (stream, from)),
        ==, GST_FLOW_OK);
}

void
sink_rig_event (SinkRig *rig, GstEvent *event)
{
  gst_pad_push_event (rig->pad, event);
}

void
sink_rig_mark (
    SinkRig *rig, const gchar *name, guint epoch, guint index, gboolean aborted)
{
  gchar *id = g_strdup_printf ("seg%03u-0000000%u", index, epoch);

  sink_rig_event (rig,
      gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
          gst_structure_new (name, GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT,
              epoch, GST_DREAMVERSE_FIELD_INDEX, G_TYPE_UINT, index,
              GST_DREAMVERSE_FIELD_SEQUENCE, G_TYPE_UINT64, (guint64)index,
              GST_DREAMVERSE_FIELD_STREAM_ID, G_TYPE_STRING, id,
              GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, "a prompt",
              GST_DREAMVERSE_FIELD_MODEL, G_TYPE_STRING, "procedural",
              GST_DREAMVERSE_FIELD_PROCEDURAL, G_TYPE_BOOLEAN, TRUE,
              GST_DREAMVERSE_FIELD_ABORTED, G_TYPE_BOOLEAN, aborted, NULL)));
  g_free (id);
}

guint64
sink_rig_stat (SinkRig *rig, const gchar *name)
{
  GstStructure *stats;
  guint64 value = 0;

  g_object_get (rig->sink, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, name, &value);
  gst_structure_free (stats);
  return value;
}

GstStructure *
sink_rig_client (SinkRig *rig, guint n)
{
  GstStructure *stats, *found = NULL;
  const GValue *list;

  g_object_get (rig->sink, "stats", &stats, NULL);
  list = gst_structure_get_value (stats, "clients");
  if (list && n < gst_value_array_get_size (list))
    found = g_value_dup_boxed (gst_value_array_get_value (list, n));
  gst_structure_free (stats);
  return found;
}

guint
sink_rig_clients (SinkRig *rig)
{
  GstStructure *stats;
  const GValue *list;
  guint n;

  g_object_get (rig->sink, "stats", &stats, NULL);
  list = gst_structure_get_value (stats, "clients");
  n = list ? gst_value_array_get_size (list) : 0;
  gst_structure_free (stats);
  return n;
}

gboolean
sink_rig_wait_clients (SinkRig *rig, guint n)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE;

  while (sink_rig_clients (rig) != n) {
    if (g_get_monotonic_time () > deadline)
      return FALSE;
    g_usleep (2000);
  }
  return TRUE;
}

void
sink_rig_sync (SinkRig *rig)
{
  /* Statistics are collected in the relay thread, in turn. */
  sink_rig_stat (rig, "bytes-in");
}

guint
test_count_in (const gchar *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  g_dir_close (dir);
  return n;
}
