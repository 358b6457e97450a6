/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gate in front of one sink pad of the inner muxer: a short queue and a
 * thread of its own that gives the muxer exactly what belongs to the filling,
 * then EOS, and waits while the muxer drains and is reset. Because the thread
 * is its own, announcements behind a waiting buffer still get through.
 *
 * Threads: upstream's calls chain, events and queries; the pad task is the
 * only one that pushes data into the muxer. The queue is under the timeline's
 * lock. Every wait ends with new data, a flush, or a stop.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstdreamversegate.h"
#include "gstdreamverseencoder.h"
#include "gstdreamverserelay.h"
#include "gstdreamversereset.h"

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

/* Enough for what comes while the muxer is reset, and for AUDIO_HOLD. */
#define MAX_BUFFERS 16
/* After the last segment EOS is due at once; this is for the case that it is
 * not: the segment ends without it. */
#define EOS_PATIENCE (2 * G_USEC_PER_SEC)

struct _GstDreamverseGate {
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  GstDreamverseTimeline *timeline;
  GstDreamverseTrack track;
  GstDreamverseTrackState *state; /* the timeline's */

  /* under the timeline's lock */
  GQueue queue; /* GstBuffer and serialized GstEvent */
  guint buffers;
  gboolean inactive;
  gboolean flushing;
  GstFlowReturn flow;
  gint64 wanted_delay;
  GstEvent *stream_start, *caps, *segment;
  gboolean told; /* the muxer, in this filling */

  /* of the task alone, between flushes */
  GstSegment in;
  GstDreamverseTime first;   /* what the encoder began with */
  GstClockTimeDiff reorder;  /* of video: PTS - DTS of its first frame */
  GstDreamverseTime dts_end; /* of the last sample given */
};

#define CAPS_VIDEO                                                             \
  "video/x-h264, stream-format = (string) { avc, avc3 }, "                     \
  "alignment = (string) au, width = [ 16, max ], height = [ 16, max ]; "       \
  "video/x-h265, stream-format = (string) { hvc1, hev1 }, "                    \
  "alignment = (string) au, width = [ 16, max ], height = [ 16, max ]"
#define CAPS_AUDIO                                                             \
  "audio/mpeg, mpegversion = (int) 4, stream-format = (string) raw, "          \
  "channels = [ 1, 8 ], rate = [ 1, max ]"

G_DEFINE_TYPE (GstDreamverseGate, gst_dreamverse_gate, GST_TYPE_ELEMENT);

static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE (
    "video", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS_VIDEO));
static GstStaticPadTemplate audio_template = GST_STATIC_PAD_TEMPLATE (
    "audio", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (CAPS_AUDIO));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

/* ---- queue; with the lock held ---- */

static void
gate_clear_queue (GstDreamverseGate *self)
{
  g_queue_clear_full (&self->queue, (GDestroyNotify)gst_mini_object_unref);
  self->buffers = 0;
}

static gpointer
gate_pop (GstDreamverseGate *self)
{
  gpointer item = g_queue_pop_head (&self->queue);

  if (GST_IS_BUFFER (item))
    self->buffers--;
  g_cond_broadcast (&self->timeline->cond);
  return item;
}

static gboolean
gate_leaves (const GstDreamverseGate *self)
{
  return self->inactive || self->flushing || self->timeline->stopping;
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

  /* After a flush there may be data before the segment. */
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

static void
gate_wait (GstDreamverseGate *self)
{
  g_cond_wait (&self->timeline->cond, &self->timeline->lock);
}

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

  self->flow = flow;
  self->state->failed = TRUE;
  gate_clear_queue (self);
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
  gate_clear_queue (self);
  g_cond_broadcast (&timeline->cond);
}

static void
gate_push_buffer (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstBuffer *buffer;
  GstFlowReturn flow;

  gate_tell (self);
  if (!self->told || timeline->resetting || gate_leaves (self))
    return;
  buffer = gate_pop (self);
  self->state->pushing = TRUE;
  g_mutex_unlock (&timeline->lock);
  flow = gst_pad_push (self->srcpad, buffer);
  g_mutex_lock (&timeline->lock);
  self->state->pushing = FALSE;
  g_cond_broadcast (&timeline->cond);
  if (flow == GST_FLOW_OK || gate_leaves (self))
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
    gst_buffer_unref (gate_pop (self));
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
    gst_buffer_unref (gate_pop (self));
    return;
  }
  if (state->cut) {
    if (timeline->drained)
      gst_dreamverse_reset (timeline);
    else
      gate_wait (self);
    return;
  }
  if (!gst_dreamverse_timeline_open (
          timeline, self->track, at, self->buffers, gate_has_last (self))) {
    gate_wait (self);
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
    gst_buffer_unref (gate_pop (self));
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

/* One step of whatever can be done now, or a wait. */
static void
gate_step (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstDreamverseTrackState *state = self->state;
  gpointer item = g_queue_peek_head (&self->queue);

  if (timeline->resetting) {
    gate_wait (self);
  } else if (self->flow != GST_FLOW_OK || timeline->flow != GST_FLOW_OK) {
    if (self->flow == GST_FLOW_OK)
      gate_refused (self, timeline->flow);
    gate_wait (self);
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
    gate_wait (self);
  } else if (GST_IS_BUFFER (item)) {
    gate_take_buffer (self, item);
  } else {
    gate_take_event (self, gate_pop (self));
    gst_dreamverse_reset_finish (timeline);
  }
}

static void
gate_loop (gpointer data)
{
  GstDreamverseGate *self = data;
  GstDreamverseTimeline *timeline = self->timeline;

  g_mutex_lock (&timeline->lock);
  if (gate_leaves (self))
    gst_pad_pause_task (self->srcpad);
  else
    gate_step (self);
  g_mutex_unlock (&timeline->lock);
}

/* ---- upstream's side ---- */

static GstFlowReturn
gate_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstDreamverseGate *self = GST_DREAMVERSE_GATE (parent);
  GstDreamverseTimeline *timeline = self->timeline;
  GstFlowReturn flow;

  g_mutex_lock (&timeline->lock);
  while (!gate_leaves (self) && self->flow == GST_FLOW_OK &&
         self->buffers >= MAX_BUFFERS)
    gate_wait (self);
  flow = gate_leaves (self) ? GST_FLOW_FLUSHING : self->flow;
  if (flow == GST_FLOW_OK) {
    g_queue_push_tail (&self->queue, buffer);
    self->buffers++;
    g_cond_broadcast (&timeline->cond);
  }
  g_mutex_unlock (&timeline->lock);
  if (flow != GST_FLOW_OK)
    gst_buffer_unref (buffer);
  return flow;
}

static gboolean
gate_flush_start (GstDreamverseGate *self, GstEvent *event)
{
  GstDreamverseTimeline *timeline = self->timeline;
  gboolean first = FALSE;

  g_mutex_lock (&timeline->lock);
  if (!self->flushing) {
    self->flushing = TRUE;
    first = timeline->flushing++ == 0;
  }
  gate_clear_queue (self);
  g_cond_broadcast (&timeline->cond);
  g_mutex_unlock (&timeline->lock);

  if (first)
    gst_dreamverse_relay_push_event (timeline->relay, gst_event_ref (event));
  gst_pad_push_event (self->srcpad, event);
  gst_pad_pause_task (self->srcpad);
  return TRUE;
}

static gboolean
gate_flush_stop (GstDreamverseGate *self, GstEvent *event)
{
  GstDreamverseTimeline *timeline = self->timeline;
  gboolean last = FALSE, was_flushing;

  /* the task is out of its function, and stays out */
  GST_PAD_STREAM_LOCK (self->srcpad);
  gst_pad_push_event (self->srcpad, gst_event_ref (event));
  g_mutex_lock (&timeline->lock);
  was_flushing = self->flushing;
  gate_clear_queue (self);
  self->flushing = FALSE;
  self->flow = GST_FLOW_OK;
  self->first = self->dts_end = GST_CLOCK_STIME_NONE;
  gst_segment_init (&self->in, GST_FORMAT_UNDEFINED);
  gst_clear_event (&self->segment);
  self->state->position = GST_CLOCK_STIME_NONE;
  self->state->eos = self->state->failed = FALSE;
  if (was_flushing)
    last = --timeline->flushing == 0;
  if (last)
    gst_dreamverse_reset_after_flush (timeline, event);
  g_mutex_unlock (&timeline->lock);
  GST_PAD_STREAM_UNLOCK (self->srcpad);

  g_mutex_lock (&timeline->lock);
  if (was_flushing && !gate_leaves (self))
    gst_pad_start_task (self->srcpad, gate_loop, self, NULL);
  g_mutex_unlock (&timeline->lock);
  gst_event_unref (event);
  return TRUE;
}

static gboolean
gate_enqueue_event (GstDreamverseGate *self, GstEvent *event)
{
  GstDreamverseTimeline *timeline = self->timeline;
  gboolean ok;

  g_mutex_lock (&timeline->lock);
  ok = !gate_leaves (self);
  if (ok) {
    g_queue_push_tail (&self->queue, event);
    g_cond_broadcast (&timeline->cond);
  }
  g_mutex_unlock (&timeline->lock);
  if (!ok)
    gst_event_unref (event);
  return ok;
}

static gboolean
gate_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstDreamverseGate *self = GST_DREAMVERSE_GATE (parent);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      return gate_flush_start (self, event);
    case GST_EVENT_FLUSH_STOP:
      return gate_flush_stop (self, event);
    case GST_EVENT_STREAM_START:
    case GST_EVENT_CAPS:
    case GST_EVENT_SEGMENT:
    case GST_EVENT_GAP:
    case GST_EVENT_EOS:
      return gate_enqueue_event (self, event);
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT))
        gst_dreamverse_timeline_announce (
            self->timeline, self->track, gst_event_get_structure (event));
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
      if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT_ABORTED))
        gst_dreamverse_timeline_abort (
            self->timeline, gst_event_get_structure (event));
      else if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT_LAST))
        gst_dreamverse_timeline_mark_last (
            self->timeline, gst_event_get_structure (event));
      else
        return gst_dreamverse_relay_push_event (self->timeline->relay, event);
      break;
    default:
      /* Tags would make the init segments of two segments differ; what else is
       * serialized the muxer would send early, and once a track. */
      break;
  }
  gst_event_unref (event);
  return TRUE;
}

static gboolean
gate_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
    case GST_QUERY_ACCEPT_CAPS:
      return gst_pad_query_default (pad, parent, query);
    default:
      /* The muxer may be in the middle of a reset. */
      return FALSE;
  }
}

static gboolean
gate_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  /* Every reset would renegotiate the encoder. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE) {
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
gate_src_activate (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstDreamverseGate *self = GST_DREAMVERSE_GATE (parent);
  GstDreamverseTimeline *timeline = self->timeline;

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  g_mutex_lock (&timeline->lock);
  self->inactive = !active;
  if (active) {
    self->flow = GST_FLOW_OK;
    self->flushing = self->told = FALSE;
    self->first = self->dts_end = GST_CLOCK_STIME_NONE;
    gst_segment_init (&self->in, GST_FORMAT_UNDEFINED);
  } else {
    gate_clear_queue (self);
    gst_clear_event (&self->stream_start);
    gst_clear_event (&self->caps);
    gst_clear_event (&self->segment);
  }
  g_cond_broadcast (&timeline->cond);
  g_mutex_unlock (&timeline->lock);
  if (active)
    return gst_pad_start_task (pad, gate_loop, self, NULL);
  return gst_pad_stop_task (pad);
}

/* ---- for the rest of the bin ---- */

void
gst_dreamverse_gate_forget (GstDreamverseGate *self)
{
  self->told = FALSE;
}

void
gst_dreamverse_gate_set_delay (GstDreamverseGate *self, gint64 delay)
{
  g_mutex_lock (&self->timeline->lock);
  self->wanted_delay = delay;
  g_mutex_unlock (&self->timeline->lock);
}

GstPad *
gst_dreamverse_gate_get_sink (GstDreamverseGate *self)
{
  return self->sinkpad;
}

GstPad *
gst_dreamverse_gate_get_src (GstDreamverseGate *self)
{
  return self->srcpad;
}

GstDreamverseGate *
gst_dreamverse_gate_new (
    GstDreamverseTimeline *timeline, GstDreamverseTrack track)
{
  GstDreamverseGate *self = g_object_new (GST_TYPE_DREAMVERSE_GATE, "name",
      track == GST_DREAMVERSE_VIDEO ? "video-gate" : "audio-gate", NULL);

  self->timeline = gst_dreamverse_timeline_ref (timeline);
  self->track = track;
  self->state = &timeline->track[track];

  self->sinkpad = gst_pad_new_from_static_template (
      track == GST_DREAMVERSE_VIDEO ? &video_template : &audio_template,
      "sink");
  gst_pad_set_chain_function (self->sinkpad, gate_chain);
  gst_pad_set_event_function (self->sinkpad, gate_sink_event);
  gst_pad_set_query_function (self->sinkpad, gate_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, gate_src_event);
  gst_pad_set_activatemode_function (self->srcpad, gate_src_activate);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
  return self;
}

static void
gst_dreamverse_gate_finalize (GObject *object)
{
  GstDreamverseGate *self = GST_DREAMVERSE_GATE (object);

  gate_clear_queue (self);
  gst_clear_event (&self->stream_start);
  gst_clear_event (&self->caps);
  gst_clear_event (&self->segment);
  g_clear_pointer (&self->timeline, gst_dreamverse_timeline_unref);
  G_OBJECT_CLASS (gst_dreamverse_gate_parent_class)->finalize (object);
}

static void
gst_dreamverse_gate_class_init (GstDreamverseGateClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = gst_dreamverse_gate_finalize;
  gst_element_class_set_static_metadata (element_class, "Muxer gate", "Generic",
      "Gives the inner muxer one segment at a time", "gst-dreamverse");
}

static void
gst_dreamverse_gate_init (GstDreamverseGate *self)
{
  g_queue_init (&self->queue);
  self->inactive = TRUE;
  self->flow = GST_FLOW_OK;
  self->wanted_delay = -1;
  self->first = self->dts_end = GST_CLOCK_STIME_NONE;
  gst_segment_init (&self->in, GST_FORMAT_UNDEFINED);
}
