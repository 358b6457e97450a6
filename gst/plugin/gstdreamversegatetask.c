/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a gate gives to the inner muxer: exactly what belongs to the filling,
 * then EOS; and what it leaves out: priming, surplus, closing silence beyond
 * the end.
 *
 * Threads: the gate's task, with the timeline's lock, which is let go of for
 * every call into the muxer. Every wait ends with new data, a flush, or a stop.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstdreamverseencoder.h"
#include "gstdreamversegateprivate.h"
#include "gstdreamversereset.h"

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

/* After the last segment EOS is due at once; this is for the case that it is
 * not: the segment ends without it. */
#define EOS_PATIENCE (2 * G_USEC_PER_SEC)

/* ---- queue ---- */

static gpointer
gate_pop (GstDreamverseGate *self)
{
  gpointer item = g_queue_pop_head (&self->queue);

  if (GST_IS_BUFFER (item))
    self->buffers--;
  g_cond_broadcast (&self->timeline->cond);
  return item;
}

static void
gate_drop (GstDreamverseGate *self)
{
  g_queue_push_tail (&self->dropped, gate_pop (self));
}

/* Whether nothing follows the buffers that wait. */
static gboolean
gate_has_last (GstDreamverseGate *self)
{
  gpointer tail = g_queue_peek_tail (&self->queue);

  return GST_IS_EVENT (tail) && GST_EVENT_TYPE (tail) == GST_EVENT_EOS;
}

/* ---- times ---- */

static GstDreamverseTime
gate_running_time (const GstDreamverseGate *self, GstClockTime time)
{
  guint64 running;
  gint sign;

  /* A gap may come before the segment. */
  if (!GST_CLOCK_TIME_IS_VALID (time) || self->in.format != GST_FORMAT_TIME)
    return GST_CLOCK_STIME_NONE;
  sign = gst_segment_to_running_time_full (
      &self->in, GST_FORMAT_TIME, time, &running);
  if (!sign)
    return GST_CLOCK_STIME_NONE;
  return sign > 0 ? (GstDreamverseTime)running : -(GstDreamverseTime)running;
}

static GstClockTime
gate_duration (const GstDreamverseGate *self, GstBuffer *buffer)
{
  if (GST_BUFFER_DURATION_IS_VALID (buffer))
    return GST_BUFFER_DURATION (buffer);
  return self->state->duration;
}

/* PTS and DTS as running times; what lacks one gets the other's. */
static gboolean
gate_times (GstDreamverseGate *self, GstBuffer *buffer, GstDreamverseTime *pts,
    GstDreamverseTime *dts)
{
  *pts = gate_running_time (self, GST_BUFFER_PTS (buffer));
  *dts = gate_running_time (self, GST_BUFFER_DTS (buffer));
  if (!GST_CLOCK_STIME_IS_VALID (*pts))
    *pts = *dts;
  if (!GST_CLOCK_STIME_IS_VALID (*dts))
    *dts = *pts;
  return GST_CLOCK_STIME_IS_VALID (*pts);
}

/* ---- the task's steps; each is called with the lock held and may let go of
 * it meanwhile ---- */

static gboolean
gate_push_event (GstDreamverseGate *self, GstEvent *event)
{
  gboolean ok;

  self->state->pushing = TRUE;
  g_mutex_unlock (&self->timeline->lock);
  ok = gst_pad_push_event (self->srcpad, event);
  g_mutex_lock (&self->timeline->lock);
  self->state->pushing = FALSE;
  g_cond_broadcast (&self->timeline->cond);
  return ok;
}

/* What stream this is, once a filling and as late as possible: a format that
 * changes at the boundary must not meet the old one in the same muxer. */
static void
gate_tell (GstDreamverseGate *self)
{
  GstEvent *events[] = {self->stream_start, self->caps, self->segment};
  guint i;

  if (self->told)
    return;
  self->told = TRUE;
  for (i = 0; i < G_N_ELEMENTS (events); i++)
    if (events[i])
      events[i] = gst_event_copy (events[i]);
  for (i = 0; i < G_N_ELEMENTS (events); i++)
    if (events[i] && self->timeline->resetting)
      gst_event_unref (events[i]); /* a flush came between */
    else if (events[i])
      gate_push_event (self, events[i]);
}

static void
gate_take_caps (GstDreamverseGate *self, GstEvent *event)
{
  const GstDreamverseEncoder *encoder;

  gst_event_replace (&self->caps, event);
  if (self->track != GST_DREAMVERSE_AUDIO)
    return;
  g_mutex_unlock (&self->timeline->lock);
  encoder = gst_dreamverse_encoder_find (self->sinkpad);
  g_mutex_lock (&self->timeline->lock);
  self->state->held = encoder->held;
  if (self->wanted_delay >= 0) {
    self->state->delay = self->wanted_delay;
  } else {
    GstStructure *s;
    GstCaps *caps;
    gint rate = 0;

    gst_event_parse_caps (event, &caps);
    s = gst_caps_get_structure (caps, 0);
    gst_structure_get_int (s, "rate", &rate);
    self->state->delay =
        rate > 0 ? (GstDreamverseTime)gst_util_uint64_scale_int_round (
                       encoder->delay, GST_SECOND, rate)
                 : 0;
  }
  GST_INFO_OBJECT (self, "encoder %s: delay %" GST_STIME_FORMAT ", holds %u",
      encoder->factory ? encoder->factory : "not known",
      GST_STIME_ARGS (self->state->delay), encoder->held);
}

static void
gate_take_gap (GstDreamverseGate *self, GstEvent *event)
{
  GstClockTime start, duration;
  GstDreamverseTime running;

  gst_event_parse_gap (event, &start, &duration);
  running = gate_running_time (self, start);
  if (!GST_CLOCK_STIME_IS_VALID (running) ||
      !GST_CLOCK_TIME_IS_VALID (duration))
    return;
  running += duration;
  if (!GST_CLOCK_STIME_IS_VALID (self->state->position) ||
      running > self->state->position)
    self->state->position = running;
}

static void
gate_take_event (GstDreamverseGate *self, GstEvent *event)
{
  gboolean forward = !self->state->cut && self->told;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      gst_event_replace (&self->stream_start, event);
      self->state->eos = FALSE;
      self->timeline->eos_sent = FALSE;
      break;
    case GST_EVENT_CAPS:
      gate_take_caps (self, event);
      break;
    case GST_EVENT_SEGMENT:
      gst_event_replace (&self->segment, event);
      gst_event_copy_segment (event, &self->in);
      break;
    case GST_EVENT_GAP:
      gate_take_gap (self, event);
      /* To the muxer a gap is data: without a format it can't begin. */
      forward = !self->state->cut && self->caps && self->timeline->open;
      self->timeline->fed |= forward;
      break;
    case GST_EVENT_EOS:
      GST_DEBUG_OBJECT (self, "end of stream");
      self->state->eos = self->state->cut = TRUE;
      forward = FALSE;
      break;
    default:
      forward = FALSE;
      break;
  }
  if (forward) {
    gate_tell (self);
    gate_push_event (self, event);
  } else {
    gst_event_unref (event);
  }
}

/* An encoder's first output is its own silence: frames whose sound would come
 * before the first sample it was given are dropped. */
static gboolean
gate_is_priming (GstDreamverseGate *self, GstDreamverseTime pts)
{
  if (self->track != GST_DREAMVERSE_AUDIO)
    return FALSE;
  if (!GST_CLOCK_STIME_IS_VALID (self->first))
    self->first = pts;
  /* rounding of the delay, ns */
  return pts - self->state->delay + 1000 < self->first;
}

/* Closing silence beyond the end of its video. */
static gboolean
gate_is_tail (GstDreamverseGate *self, GstDreamverseTime pts,
    GstClockTime duration, GstDreamverseTime end)
{
  return GST_CLOCK_STIME_IS_VALID (end) &&
         pts - self->state->delay + (GstDreamverseTime)duration / 2 >= end;
}

/* Time that runs back, or closing silence that is too much. */
static gboolean
gate_is_surplus (GstDreamverseGate *self, GstDreamverseTime pts,
    GstDreamverseTime dts, GstClockTime duration)
{
  if (GST_CLOCK_STIME_IS_VALID (self->dts_end) &&
      dts + (GstDreamverseTime)duration / 2 < self->dts_end)
    return TRUE;
  return gate_is_tail (self, pts, duration, self->timeline->tail_end);
}

/* The filling is at its end and waits for EOS. */
static void
gate_wait_final (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;

  if (g_cond_wait_until (&timeline->cond, &timeline->lock,
          timeline->last_in_us + EOS_PATIENCE) ||
      !gst_dreamverse_timeline_is_final (timeline) ||
      g_get_monotonic_time () < timeline->last_in_us + EOS_PATIENCE)
    return;
  GST_INFO_OBJECT (timeline->bin, "%s was said to be the last, but no EOS came",
      timeline->piece->stream_id);
  timeline->piece->last = FALSE;
  g_cond_broadcast (&timeline->cond);
}

static void
gate_account (GstDreamverseGate *self, GstDreamverseTime pts,
    GstDreamverseTime dts, GstDreamverseTime at, GstClockTime duration)
{
  GstDreamverseTrackState *state = self->state;
  GstDreamverseTimeline *timeline = self->timeline;
  gint64 now = g_get_monotonic_time ();

  state->position = at + (GstDreamverseTime)duration;
  state->duration = duration;
  self->dts_end = dts + (GstDreamverseTime)duration;
  if (!state->fed) {
    state->fed = TRUE;
    state->anchor_pts = pts - state->delay;
    state->anchor_dts = dts - state->delay;
  }
  if (!timeline->fed) {
    timeline->fed = TRUE;
    timeline->first_in_us = now;
    g_cond_broadcast (&timeline->cond);
  }
  timeline->last_in_us = now;
}

static void
gate_refused (GstDreamverseGate *self, GstFlowReturn flow)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstStructure *segment = NULL;

  GST_DEBUG_OBJECT (self, "nothing is taken any more: %s, downstream %s",
      gst_flow_get_name (flow), gst_flow_get_name (timeline->flow));
  self->flow = flow;
  self->state->failed = TRUE;
  gst_dreamverse_gate_clear_queue (self);
  g_cond_broadcast (&timeline->cond);
  if (timeline->piece && flow < GST_FLOW_EOS && timeline->flow == GST_FLOW_OK)
    segment = gst_structure_copy (timeline->piece->structure);
  if (!segment)
    return;
  g_mutex_unlock (&timeline->lock);
  gst_dreamverse_timeline_post_error (timeline, segment, "mux",
      flow == GST_FLOW_NOT_NEGOTIATED ? "not-negotiated" : "mux-failed",
      flow == GST_FLOW_NOT_NEGOTIATED
          ? "The muxer refused the format of the encoded stream; it needs "
            "H.264 or H.265 with codec data, and raw AAC."
          : "The muxer failed while it wrote the segment.");
  gst_structure_free (segment);
  g_mutex_lock (&timeline->lock);
}

/* The other track has data, but this one ended without even a format: mp4mux
 * would write a track that no player takes. */
static void
gate_ended_empty (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  const gchar *name = self->track == GST_DREAMVERSE_VIDEO ? "video" : "audio";
  GstStructure *segment = NULL;
  gchar *text = g_strdup_printf (
      "Nothing came out of the %s encoder before the stream ended.", name);

  self->flow = timeline->flow = GST_FLOW_ERROR;
  if (timeline->piece)
    segment = gst_structure_copy (timeline->piece->structure);
  g_mutex_unlock (&timeline->lock);
  if (segment) {
    gst_dreamverse_timeline_post_error (
        timeline, segment, "encode", "no-media", text);
    gst_structure_free (segment);
  }
  GST_ELEMENT_ERROR (timeline->bin, STREAM, MUX, ("%s", text), (NULL));
  g_free (text);
  g_mutex_lock (&timeline->lock);
  gst_dreamverse_gate_clear_queue (self);
  g_cond_broadcast (&timeline->cond);
}

static void
gate_push_buffer (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstBuffer *buffer;
  GstFlowReturn flow;

  gate_tell (self);
  if (!self->told || timeline->resetting || gst_dreamverse_gate_leaves (self))
    return;
  buffer = gate_pop (self);
  self->state->pushing = TRUE;
  g_mutex_unlock (&timeline->lock);
  flow = gst_pad_push (self->srcpad, buffer);
  g_mutex_lock (&timeline->lock);
  self->state->pushing = FALSE;
  g_cond_broadcast (&timeline->cond);
  if (flow == GST_FLOW_OK || gst_dreamverse_gate_leaves (self))
    return;
  /* A reset after another track's flush threw this out. */
  if (flow == GST_FLOW_FLUSHING && timeline->flow == GST_FLOW_OK)
    return;
  gate_refused (self, timeline->flow != GST_FLOW_OK ? timeline->flow : flow);
}

static void
gate_take_buffer (GstDreamverseGate *self, GstBuffer *buffer)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstDreamverseTrackState *state = self->state;
  GstClockTime duration = gate_duration (self, buffer);
  GstDreamverseTime pts, dts, at;

  if (!gate_times (self, buffer, &pts, &dts)) {
    GST_WARNING_OBJECT (self, "dropping a buffer without a time");
    gate_drop (self);
    return;
  }
  if (self->track == GST_DREAMVERSE_VIDEO &&
      !GST_CLOCK_STIME_IS_VALID (self->first)) {
    self->first = pts;
    self->reorder = pts - dts;
  }
  /* Reordered frames are in order of their decode time. */
  at = self->track == GST_DREAMVERSE_VIDEO ? dts + self->reorder : pts;
  if (gate_is_priming (self, pts)) {
    GST_DEBUG_OBJECT (self, "dropping a priming frame");
    state->duration = duration;
    gate_drop (self);
    return;
  }
  if (state->cut) {
    if (timeline->drained)
      gst_dreamverse_reset (timeline);
    else
      gst_dreamverse_gate_wait (self);
    return;
  }
  if (!gst_dreamverse_timeline_open (
          timeline, self->track, at, self->buffers, gate_has_last (self))) {
    gst_dreamverse_gate_wait (self);
    return;
  }
  if (self->track == GST_DREAMVERSE_AUDIO &&
      gst_dreamverse_timeline_is_final (timeline) &&
      gate_is_tail (self, pts, duration, timeline->piece->end)) {
    if (!gst_dreamverse_timeline_tail_is_known (
            timeline, self->buffers, gate_has_last (self))) {
      gate_wait_final (self);
      return;
    }
    timeline->tail_end = timeline->piece->end;
  }
  if (gate_is_surplus (self, pts, dts, duration)) {
    GST_DEBUG_OBJECT (
        self, "dropping surplus at %" GST_STIME_FORMAT, GST_STIME_ARGS (pts));
    gate_drop (self);
    return;
  }
  if (gst_dreamverse_timeline_is_later (timeline, self->track, at, duration)) {
    state->cut = TRUE;
    g_cond_broadcast (&timeline->cond);
    return;
  }
  gate_account (self, pts, dts, at, duration);
  gate_push_buffer (self);
}

void
gst_dreamverse_gate_step (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstDreamverseTrackState *state = self->state;
  gpointer item = g_queue_peek_head (&self->queue);

  if (timeline->resetting) {
    gst_dreamverse_gate_wait (self);
  } else if (self->flow != GST_FLOW_OK || timeline->flow != GST_FLOW_OK) {
    if (self->flow == GST_FLOW_OK)
      gate_refused (self, timeline->flow);
    gst_dreamverse_gate_wait (self);
  } else if (state->cut && timeline->fed && !state->eos_pushed &&
             !timeline->drained) {
    state->eos_pushed = TRUE;
    if (self->caps) {
      gate_tell (self);
      gate_push_event (self, gst_event_new_eos ());
    } else {
      gate_ended_empty (self);
    }
  } else if (!state->cut && timeline->open &&
             !gst_dreamverse_timeline_is_final (timeline) &&
             gst_dreamverse_timeline_has_reached (timeline, self->track)) {
    state->cut = TRUE;
    g_cond_broadcast (&timeline->cond);
  } else if (gst_dreamverse_reset_skip_empty (timeline)) {
    return;
  } else if (!item && !state->cut &&
             gst_dreamverse_timeline_is_final (timeline) &&
             gst_dreamverse_timeline_has_reached (timeline, self->track)) {
    gate_wait_final (self);
  } else if (!item) {
    gst_dreamverse_gate_wait (self);
  } else if (GST_IS_BUFFER (item)) {
    gate_take_buffer (self, item);
  } else {
    gate_take_event (self, gate_pop (self));
    gst_dreamverse_reset_finish (timeline);
  }
}
