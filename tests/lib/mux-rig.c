/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Segment source, encoders, dreamversemux, collector.
 */
#include "mux-rig.h"

#include <string.h>

#include <gst/check/gstcheck.h>

#include "gstdreamverse.h"

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  MuxRig *rig = data;
  const GstStructure *s = gst_message_get_structure (message);

  g_mutex_lock (&rig->out.lock);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    rig->errors++;
  if (gst_dreamverse_message_has_name (
          message, GST_DREAMVERSE_MESSAGE_MEDIA_COMPLETE))
    rig->media_complete++;
  if (gst_dreamverse_message_has_name (
          message, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR)) {
    if (rig->media_error++ == 0) {
      g_strlcpy (rig->code,
          gst_structure_get_string (s, GST_DREAMVERSE_FIELD_CODE),
          sizeof rig->code);
      g_strlcpy (rig->stage,
          gst_structure_get_string (s, GST_DREAMVERSE_FIELD_STAGE),
          sizeof rig->stage);
      g_strlcpy (rig->id,
          gst_structure_get_string (s, GST_DREAMVERSE_FIELD_STREAM_ID),
          sizeof rig->id);
      g_strlcpy (rig->text,
          gst_structure_get_string (s, GST_DREAMVERSE_FIELD_MESSAGE),
          sizeof rig->text);
    }
  }
  g_cond_broadcast (&rig->out.cond);
  g_mutex_unlock (&rig->out.lock);
  /* What comes with each segment would pile up. */
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR ||
      gst_dreamverse_message_has_name (
          message, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR))
    return GST_BUS_PASS;
  gst_message_unref (message);
  return GST_BUS_DROP;
}

static GstElement *
add_encoder (MuxRig *rig, const gchar *description, const gchar *pad)
{
  GError *error = NULL;
  GstElement *encoder;

  if (!description)
    return NULL;
  encoder = gst_parse_bin_from_description (description, TRUE, &error);
  fail_unless (encoder != NULL, "%s", error ? error->message : "");
  gst_bin_add (GST_BIN (rig->pipeline), encoder);
  fail_unless (gst_element_link_pads (encoder, "src", rig->mux, pad));
  return encoder;
}

void
mux_rig_init (MuxRig *rig, const gchar *venc, const gchar *aenc)
{
  GstBus *bus;

  memset (rig, 0, sizeof *rig);
  fragment_collector_init (&rig->out);
  segment_source_init (&rig->source);
  rig->source.float_audio = aenc && strstr (aenc, "avenc_aac") != NULL;
  rig->pipeline = gst_pipeline_new (NULL);
  rig->mux = gst_element_factory_make ("dreamversemux", "mux");
  fail_unless (rig->mux != NULL);
  gst_bin_add (GST_BIN (rig->pipeline), rig->mux);
  rig->venc = add_encoder (rig, venc, "video");
  rig->aenc = add_encoder (rig, aenc, "audio");
  fragment_collector_link (&rig->out, rig->mux);
  bus = gst_element_get_bus (rig->pipeline);
  gst_bus_set_sync_handler (bus, on_message, rig, NULL);
  gst_object_unref (bus);
}

void
mux_rig_start (MuxRig *rig)
{
  segment_source_link (&rig->source, rig->venc, rig->aenc);
  fail_if (gst_element_set_state (rig->pipeline, GST_STATE_PLAYING) ==
           GST_STATE_CHANGE_FAILURE);
  segment_source_start (&rig->source);
}

void
mux_rig_run (MuxRig *rig, guint seconds)
{
  mux_rig_start (rig);
  fail_unless (fragment_collector_wait_eos (&rig->out, seconds),
      "no EOS; %u segments completed", rig->out.completed);
}

void
mux_rig_clear (MuxRig *rig)
{
  GstBus *bus = gst_element_get_bus (rig->pipeline);

  fail_unless_equals_int (gst_element_set_state (rig->pipeline, GST_STATE_NULL),
      GST_STATE_CHANGE_SUCCESS);
  segment_source_finish (&rig->source, TRUE);
  gst_bus_set_sync_handler (bus, NULL, NULL, NULL);
  gst_object_unref (bus);
  ASSERT_OBJECT_REFCOUNT (rig->pipeline, "pipeline", 1);
  gst_clear_object (&rig->pipeline);
  fragment_collector_clear (&rig->out);
}

void
mux_rig_check_clean (MuxRig *rig)
{
  guint i;

  fail_unless_equals_int (rig->errors, 0);
  fail_unless (rig->out.errors == 0, "%s", rig->out.first_error);
  fail_unless_equals_int (rig->out.bad_order, 0);
  fail_unless_equals_int (rig->out.different_inits, 0);
  for (i = 0; i < 2; i++) {
    fail_unless_equals_int (rig->out.track[i].gaps, 0);
    fail_unless_equals_int (rig->out.track[i].overlaps, 0);
  }
}

void
mux_rig_check_named_first (MuxRig *rig)
{
  GstBus *bus = gst_element_get_bus (rig->pipeline);
  GstMessage *message = gst_bus_timed_pop (bus, 10 * GST_SECOND);

  fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT,
      "the error comes before the segment is named");
  gst_message_unref (message);
  gst_object_unref (bus);
}
