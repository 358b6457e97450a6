/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks what comes out of dreamversemux, buffer by buffer.
 */
#include "fragment-collector.h"

#include <stdarg.h>
#include <string.h>

#include "gstdreamverse.h"

static void G_GNUC_PRINTF (2, 3)
    complain (FragmentCollector *self, const char *format, ...)
{
  va_list args;

  if (self->errors++)
    return;
  va_start (args, format);
  g_vsnprintf (self->first_error, sizeof self->first_error, format, args);
  va_end (args);
}

static void
take_init (FragmentCollector *self, GstBuffer *buffer, const GstMapInfo *map)
{
  Fmp4Error error;

  self->inits++;
  if (self->in_segment && self->announced == 0)
    complain (self, "init segment before its announcement");
  if (!fmp4_parse_init (map->data, map->size, &self->parsed, &error))
    complain (self, "init: %s", error.detail);
  if (self->init &&
      (gst_buffer_get_size (self->init) != map->size ||
          gst_buffer_memcmp (self->init, 0, map->data, map->size)))
    self->different_inits++;
  gst_buffer_replace (&self->init, buffer);
}

static void
take_run (FragmentCollector *self, GstBuffer *buffer, const Fmp4Run *run)
{
  CollectedTrack *track;
  const Fmp4Track *info = NULL;
  guint i, kind;
  gboolean key;

  for (i = 0; i < self->parsed.n_tracks; i++)
    if (self->parsed.track[i].id == run->track_id)
      info = &self->parsed.track[i];
  if (!info) {
    complain (self, "fragment of an unknown track");
    return;
  }
  kind = strcmp (info->handler, "vide") ? 1 : 0;
  track = &self->track[kind];
  track->timescale = info->timescale;
  if (!track->seen)
    track->first = run->decode_time;
  else if (run->decode_time > track->next) {
    track->gaps++;
    track->longest_gap =
        MAX (track->longest_gap, (gint64)(run->decode_time - track->next));
  } else if (run->decode_time < track->next)
    track->overlaps++;
  track->seen = TRUE;
  track->next = run->decode_time + run->duration;
  track->samples += run->samples;
  track->fragments++;
  track->longest = MAX (track->longest, run->duration);
  key = kind == 0 && run->key;
  if (key)
    self->keys++;
  if (self->track[0].seen &&
      key == GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    complain (self, "DELTA_UNIT is wrong");
  if (!GST_BUFFER_PTS_IS_VALID (buffer) ||
      !GST_BUFFER_DURATION_IS_VALID (buffer))
    complain (self, "a fragment without time or duration");
  self->last_pts[kind] = GST_BUFFER_PTS (buffer);
  self->last_end[kind] = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
}

static GstFlowReturn
collector_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  FragmentCollector *self = gst_pad_get_element_private (pad);
  GstMapInfo map;
  Fmp4Fragment fragment;
  Fmp4Error error;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  g_mutex_lock (&self->lock);
  if (self->file)
    fwrite (map.data, 1, map.size, self->file);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_HEADER)) {
    take_init (self, buffer, &map);
  } else if (!fmp4_parse_fragment (
                 map.data, map.size, FALSE, &self->parsed, &fragment, &error)) {
    complain (self, "fragment: %s", error.detail);
  } else {
    if (fragment.mdat_offset + fragment.mdat_size != map.size)
      complain (self, "not one fragment a buffer");
    /* A flush throws away what was under way. */
    if (self->flushed ? fragment.sequence <= self->sequence
                      : fragment.sequence != self->sequence + 1)
      complain (self, "sequence number %u after %u", fragment.sequence,
          self->sequence);
    if (self->announced && !self->in_segment &&
        self->completed < self->announced)
      self->bad_order++;
    if (self->announced && !self->in_segment)
      self->outside++;
    self->sequence = fragment.sequence;
    self->flushed = FALSE;
    self->fragments++;
    self->fragment_us = g_get_monotonic_time ();
    if (fragment.n_runs != 1)
      complain (self, "%u runs", fragment.n_runs);
    else
      take_run (self, buffer, &fragment.run[0]);
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static void
take_completion (FragmentCollector *self, const GstStructure *s)
{
  const GValue *value = gst_structure_get_value (s, "timings");
  gboolean aborted = FALSE;
  gdouble reset = 0;

  if (!self->in_segment)
    self->bad_order++;
  self->in_segment = FALSE;
  self->completed++;
  gst_structure_get_boolean (s, GST_DREAMVERSE_FIELD_ABORTED, &aborted);
  self->aborted += aborted;
  gst_structure_get_double (gst_value_get_structure (value), "reset", &reset);
  g_array_append_val (self->reset_ms, reset);
  g_array_append_val (self->last_fragment_us, self->fragment_us);
  gst_clear_structure (&self->last_completion);
  self->last_completion = gst_structure_copy (s);
}

static gboolean
collector_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  FragmentCollector *self = gst_pad_get_element_private (pad);

  g_mutex_lock (&self->lock);
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    self->eos = TRUE;
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP) {
    self->flushed = TRUE;
  } else if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT)) {
    if (self->in_segment)
      self->bad_order++;
    self->in_segment = TRUE;
    self->announced++;
  } else if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_MEDIA_COMPLETE)) {
    take_completion (self, gst_event_get_structure (event));
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  return gst_pad_event_default (pad, parent, event);
}

void
fragment_collector_init (FragmentCollector *self)
{
  memset (self, 0, sizeof *self);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->last_fragment_us = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->reset_ms = g_array_new (FALSE, FALSE, sizeof (gdouble));
}

void
fragment_collector_link (FragmentCollector *self, GstElement *mux)
{
  static GstStaticPadTemplate any = GST_STATIC_PAD_TEMPLATE (
      "collector", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  GstPad *src = gst_element_get_static_pad (mux, "src");

  self->pad = gst_pad_new_from_static_template (&any, "collector");
  gst_pad_set_element_private (self->pad, self);
  gst_pad_set_chain_function (self->pad, collector_chain);
  gst_pad_set_event_function (self->pad, collector_event);
  g_assert (GST_PAD_LINK_SUCCESSFUL (gst_pad_link (src, self->pad)));
  gst_pad_set_active (self->pad, TRUE);
  gst_object_unref (src);
}

void
fragment_collector_clear (FragmentCollector *self)
{
  if (self->pad)
    gst_pad_set_active (self->pad, FALSE);
  gst_clear_object (&self->pad);
  gst_clear_buffer (&self->init);
  gst_clear_structure (&self->last_completion);
  g_array_unref (self->last_fragment_us);
  g_array_unref (self->reset_ms);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

static gboolean
wait_for (FragmentCollector *self, guint completed, gboolean eos, guint seconds)
{
  gint64 until = g_get_monotonic_time () + seconds * G_USEC_PER_SEC;
  gboolean ok = TRUE;

  g_mutex_lock (&self->lock);
  while (ok && (eos ? !self->eos : self->completed < completed))
    ok = g_cond_wait_until (&self->cond, &self->lock, until);
  g_mutex_unlock (&self->lock);
  return ok;
}

gboolean
fragment_collector_wait_eos (FragmentCollector *self, guint seconds)
{
  return wait_for (self, 0, TRUE, seconds);
}

gboolean
fragment_collector_wait_completed (
    FragmentCollector *self, guint completed, guint seconds)
{
  return wait_for (self, completed, FALSE, seconds);
}

gdouble
fragment_collector_end (FragmentCollector *self, guint track)
{
  return self->track[track].timescale
             ? (gdouble)self->track[track].next / self->track[track].timescale
             : 0.0;
}
