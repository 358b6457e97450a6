/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A source of announced segments for tests.
 */
#include "segment-source.h"

#include <string.h>

#include <gst/video/video.h>

#include "gstdreamverse.h"

#define AUDIO_CHUNK 960
#define CLOSING_SAMPLES 4096

void
segment_source_init (SegmentSource *self)
{
  memset (self, 0, sizeof *self);
  self->width = 160;
  self->height = 96;
  self->fps = 24;
  self->rate = 48000;
  self->segments = 3;
  self->frames = 24;
  self->announce = self->closing = self->known = self->eos = TRUE;
}

static gboolean
on_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  SegmentSource *self = gst_pad_get_element_private (pad);

  if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_CONTROL))
    g_atomic_int_inc (&self->controls[pad == self->audio]);
  gst_event_unref (event);
  return TRUE;
}

static gboolean
on_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  SegmentSource *self = gst_pad_get_element_private (pad);

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return gst_pad_query_default (pad, parent, query);
  gst_query_set_latency (query, self->paced, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

static GstPad *
make_pad (SegmentSource *self, const gchar *name, GstElement *peer)
{
  GstPad *pad = gst_pad_new (name, GST_PAD_SRC);
  GstPad *sink = gst_element_get_static_pad (peer, "sink");

  g_assert (GST_PAD_LINK_SUCCESSFUL (gst_pad_link (pad, sink)));
  gst_object_unref (sink);
  gst_pad_set_element_private (pad, self);
  gst_pad_set_event_function (pad, on_event);
  gst_pad_set_query_function (pad, on_query);
  gst_pad_set_active (pad, TRUE);
  return pad;
}

void
segment_source_link (SegmentSource *self, GstElement *video, GstElement *audio)
{
  if (video)
    self->video = make_pad (self, "video", video);
  if (audio)
    self->audio = make_pad (self, "audio", audio);
}

guint64
segment_source_samples (const SegmentSource *self, guint64 frames)
{
  return gst_util_uint64_scale_round (frames, self->rate, self->fps);
}

GstClockTime
segment_source_end (const SegmentSource *self, guint segment)
{
  return gst_util_uint64_scale (
      self->offset_frames + (guint64)segment * self->frames, GST_SECOND,
      self->fps);
}

GstStructure *
segment_source_structure (
    const SegmentSource *self, const gchar *name, guint segment)
{
  gchar *id = g_strdup_printf ("seg%03u-%08x", segment, self->round);
  GstClockTime end =
      segment_source_end (self, segment) +
      (self->announced_frames
              ? gst_util_uint64_scale (self->announced_frames - self->frames,
                    GST_SECOND, self->fps)
              : 0);
  GstStructure *s = gst_structure_new (name, GST_DREAMVERSE_FIELD_EPOCH,
      G_TYPE_UINT, 1, GST_DREAMVERSE_FIELD_INDEX, G_TYPE_UINT, segment,
      GST_DREAMVERSE_FIELD_SEQUENCE, G_TYPE_UINT64, (guint64)segment,
      GST_DREAMVERSE_FIELD_STREAM_ID, G_TYPE_STRING, id,
      GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, "a test",
      GST_DREAMVERSE_FIELD_START, G_TYPE_UINT64,
      segment_source_end (self, segment - 1), GST_DREAMVERSE_FIELD_END,
      G_TYPE_UINT64, end, GST_DREAMVERSE_FIELD_LAST, G_TYPE_BOOLEAN,
      self->known && segment == self->segments, NULL);

  g_free (id);
  return s;
}

static void
push_start (SegmentSource *self, GstPad *pad, GstCaps *caps)
{
  GstSegment segment;
  GstEvent *there = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);

  if (there) {
    GstCaps *old = gst_pad_get_current_caps (pad);

    /* It goes on. */
    if (!old || !gst_caps_is_equal (old, caps))
      gst_pad_push_event (pad, gst_event_new_caps (caps));
    gst_clear_caps (&old);
    gst_event_unref (there);
    gst_caps_unref (caps);
    return;
  }
  gst_pad_push_event (pad, gst_event_new_stream_start (GST_PAD_NAME (pad)));
  gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
}

static void
announce (SegmentSource *self, GstPad *pad, guint segment)
{
  if (self->announce)
    gst_pad_push_event (pad, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                                 segment_source_structure (self,
                                     GST_DREAMVERSE_EVENT_SEGMENT, segment)));
  if (pad == self->video)
    gst_pad_push_event (
        pad, gst_video_event_new_downstream_force_key_unit (GST_CLOCK_TIME_NONE,
                 GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, TRUE, 0));
}

/* Paced as frame @frame's time says: this is the source's clock. */
static gboolean
pace (SegmentSource *self, guint64 frame)
{
  gint64 until;

  until = self->began_us + (gint64)(frame * G_USEC_PER_SEC / self->fps) +
          (gint64)(frame / self->frames) * self->pause_ms * 1000;
  while (self->paced && !g_atomic_int_get (&self->stopped)) {
    gint64 left = until - g_get_monotonic_time ();

    if (left <= 0)
      break;
    g_usleep (MIN (left, 20000));
  }
  return !g_atomic_int_get (&self->stopped);
}

static void
note_time (SegmentSource *self, guint segment)
{
  static GMutex lock;

  g_mutex_lock (&lock);
  self->last_us[segment] = g_get_monotonic_time ();
  g_mutex_unlock (&lock);
}

static GstBuffer *
make_frame (SegmentSource *self, guint64 frame)
{
  gsize luma = (gsize)self->width * self->height;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, luma * 3 / 2, NULL);
  GstMapInfo map;
  guint y;
  gboolean white = self->clicks && frame % self->fps == 0;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  for (y = 0; y < self->height; y++)
    memset (map.data + (gsize)y * self->width,
        white          ? 235
        : self->clicks ? 16
                       : (int)(40 + (y * 2 + frame * 3) % 160),
        self->width);
  memset (map.data + luma, 128, luma / 2);
  gst_buffer_unmap (buffer, &map);
  frame += self->offset_frames;
  GST_BUFFER_PTS (buffer) =
      gst_util_uint64_scale (frame, GST_SECOND, self->fps);
  GST_BUFFER_DURATION (buffer) =
      gst_util_uint64_scale (frame + 1, GST_SECOND, self->fps) -
      GST_BUFFER_PTS (buffer);
  return buffer;
}

static gpointer
run_video (gpointer data)
{
  SegmentSource *self = data;
  guint64 frame = 0;
  guint segment;

  push_start (self, self->video,
      gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420",
          "width", G_TYPE_INT, self->width, "height", G_TYPE_INT, self->height,
          "framerate", GST_TYPE_FRACTION, self->fps, 1, NULL));
  for (segment = 1; segment <= self->segments; segment++) {
    guint i;

    announce (self, self->video, segment);
    for (i = 0; i < self->frames; i++, frame++) {
      if (!pace (self, frame) ||
          (self->stop_video_after && frame >= self->stop_video_after))
        goto done;
      if (self->found && segment == self->segments && i == self->frames / 2)
        gst_pad_push_event (
            self->video, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
                             segment_source_structure (self,
                                 GST_DREAMVERSE_EVENT_SEGMENT_LAST, segment)));
      note_time (self, segment);
      self->flow[0] = gst_pad_push (self->video, make_frame (self, frame));
      if (self->flow[0] != GST_FLOW_OK)
        goto done;
    }
  }
done:
  if (self->eos)
    gst_pad_push_event (self->video, gst_event_new_eos ());
  return NULL;
}

static GstFlowReturn
push_samples (SegmentSource *self, guint64 at, guint64 n, gboolean silent)
{
  gsize size = self->float_audio ? 8 : 4;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, n * size, NULL);
  GstMapInfo map;
  guint64 i;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  memset (map.data, 0, map.size);
  for (i = 0; i < n && !silent; i++) {
    gdouble value = 0.0;

    if (!self->clicks)
      value = 0.2 * (((at + i) / 100 % 2) ? 1 : -1);
    else if ((at + i) % self->rate == 0)
      value = 0.9;
    if (self->float_audio)
      ((gfloat *)map.data)[2 * i] = ((gfloat *)map.data)[2 * i + 1] = value;
    else
      ((gint16 *)map.data)[2 * i] = ((gint16 *)map.data)[2 * i + 1] =
          value * 32767;
  }
  gst_buffer_unmap (buffer, &map);
  at += segment_source_samples (self, self->offset_frames);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (at, GST_SECOND, self->rate);
  GST_BUFFER_DURATION (buffer) =
      gst_util_uint64_scale (at + n, GST_SECOND, self->rate) -
      GST_BUFFER_PTS (buffer);
  return gst_pad_push (self->audio, buffer);
}

static gpointer
run_audio (gpointer data)
{
  SegmentSource *self = data;
  guint segment;
  guint64 at = 0;

  push_start (self, self->audio,
      gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING,
          self->float_audio ? "F32LE" : "S16LE", "rate", G_TYPE_INT, self->rate,
          "channels", G_TYPE_INT, 2, "channel-mask", GST_TYPE_BITMASK,
          G_GUINT64_CONSTANT (3), "layout", G_TYPE_STRING, "interleaved",
          NULL));
  for (segment = 1; segment <= self->segments; segment++) {
    guint64 end =
        segment_source_samples (self, (guint64)segment * self->frames);

    announce (self, self->audio, segment);
    at = segment_source_samples (self, (guint64)(segment - 1) * self->frames);
    if (self->n_audio_error)
      end += self->audio_error[(segment - 1) % self->n_audio_error];
    while (at < end) {
      guint64 n = MIN (AUDIO_CHUNK, end - at);

      if (!pace (self, at * self->fps / self->rate))
        goto done;
      note_time (self, segment);
      self->flow[1] = push_samples (self, at, n, FALSE);
      if (self->flow[1] != GST_FLOW_OK)
        goto done;
      at += n;
    }
  }
  if (self->closing)
    push_samples (self, at, CLOSING_SAMPLES, TRUE);
done:
  if (self->eos)
    gst_pad_push_event (self->audio, gst_event_new_eos ());
  return NULL;
}

void
segment_source_start (SegmentSource *self)
{
  g_free (self->last_us);
  self->last_us = g_new0 (gint64, self->segments + 1);
  self->began_us = g_get_monotonic_time ();
  g_atomic_int_set (&self->stopped, FALSE);
  if (self->video)
    self->threads[0] = g_thread_new ("video", run_video, self);
  if (self->audio)
    self->threads[1] = g_thread_new ("audio", run_audio, self);
}

void
segment_source_join (SegmentSource *self, gboolean stop)
{
  guint i;

  g_atomic_int_set (&self->stopped, stop);
  for (i = 0; i < 2; i++)
    if (self->threads[i])
      g_thread_join (g_steal_pointer (&self->threads[i]));
}

void
segment_source_push_event (SegmentSource *self, GstEvent *event)
{
  if (self->video)
    gst_pad_push_event (self->video, gst_event_ref (event));
  if (self->audio)
    gst_pad_push_event (self->audio, gst_event_ref (event));
  gst_event_unref (event);
}

void
segment_source_finish (SegmentSource *self, gboolean stop)
{
  segment_source_join (self, stop);
  if (self->video)
    gst_pad_set_active (self->video, FALSE);
  if (self->audio)
    gst_pad_set_active (self->audio, FALSE);
  gst_clear_object (&self->video);
  gst_clear_object (&self->audio);
  g_clear_pointer (&self->last_us, g_free);
}
