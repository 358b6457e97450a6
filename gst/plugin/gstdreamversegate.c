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

#include "gstdreamversegateprivate.h"
#include "gstdreamverserelay.h"
#include "gstdreamversereset.h"

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

/* Enough for what comes while the muxer is reset, and for AUDIO_HOLD. */
#define MAX_BUFFERS 16

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

/* ---- the task ---- */

void
gst_dreamverse_gate_clear_queue (GstDreamverseGate *self)
{
  gpointer item;

  while ((item = g_queue_pop_head (&self->queue)))
    g_queue_push_tail (&self->dropped, item);
  self->buffers = 0;
}

void
gst_dreamverse_gate_unlock (GstDreamverseGate *self)
{
  GQueue dropped = self->dropped;

  g_queue_init (&self->dropped);
  g_mutex_unlock (&self->timeline->lock);
  g_queue_clear_full (&dropped, (GDestroyNotify)gst_mini_object_unref);
}

static void
gate_loop (gpointer data)
{
  GstDreamverseGate *self = data;
  GstDreamverseTimeline *timeline = self->timeline;

  g_mutex_lock (&timeline->lock);
  if (gst_dreamverse_gate_leaves (self))
    gst_pad_pause_task (self->srcpad);
  else
    gst_dreamverse_gate_step (self);
  gst_dreamverse_gate_unlock (self);
}

/* ---- upstream's side ---- */

/* Without a segment nobody knows when this is: it happens where an application
 * flushes in the middle of a pipeline, and then for good. With the lock held,
 * which it lets go of. */
static GstFlowReturn
gate_untimed (GstDreamverseGate *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  const GstStructure *segment =
      gst_dreamverse_timeline_concerned (timeline, self->track);
  GstStructure *copy = segment ? gst_structure_copy (segment) : NULL;
  gchar *text = g_strdup_printf (
      "The %s came without a segment event in time format before it, so that "
      "nobody knows when it is. Flush at the source, which sends the segment "
      "again, not in the middle of the pipeline.",
      self->track == GST_DREAMVERSE_VIDEO ? "video" : "audio");

  self->flow = timeline->flow = GST_FLOW_ERROR;
  self->state->failed = TRUE;
  g_cond_broadcast (&timeline->cond);
  gst_dreamverse_gate_unlock (self);
  if (copy)
    gst_dreamverse_timeline_post_error (
        timeline, copy, "mux", "no-segment", text);
  g_clear_pointer (&copy, gst_structure_free);
  GST_ELEMENT_ERROR (timeline->bin, STREAM, FORMAT, ("%s", text), (NULL));
  g_free (text);
  return GST_FLOW_ERROR;
}

/* What ended the other track ends this one: its task may be inside the muxer,
 * which waits for data of the other. With the lock held. */
static GstFlowReturn
gate_flow (const GstDreamverseGate *self)
{
  if (self->flow != GST_FLOW_OK || self->timeline->flushing)
    return self->flow;
  return self->timeline->flow;
}

static GstFlowReturn
gate_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstDreamverseGate *self = GST_DREAMVERSE_GATE (parent);
  GstDreamverseTimeline *timeline = self->timeline;
  GstFlowReturn flow;

  g_mutex_lock (&timeline->lock);
  while (!gst_dreamverse_gate_leaves (self) &&
         gate_flow (self) == GST_FLOW_OK && self->buffers >= MAX_BUFFERS)
    gst_dreamverse_gate_wait (self);
  flow =
      gst_dreamverse_gate_leaves (self) ? GST_FLOW_FLUSHING : gate_flow (self);
  if (flow == GST_FLOW_OK && self->timed) {
    g_queue_push_tail (&self->queue, buffer);
    self->buffers++;
    g_cond_broadcast (&timeline->cond);
    g_mutex_unlock (&timeline->lock);
    return flow;
  }
  if (flow == GST_FLOW_OK)
    flow = gate_untimed (self);
  else
    g_mutex_unlock (&timeline->lock);
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
  gst_dreamverse_gate_clear_queue (self);
  g_cond_broadcast (&timeline->cond);
  gst_dreamverse_gate_unlock (self);

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

  g_mutex_lock (&timeline->lock);
  was_flushing = self->flushing;
  g_mutex_unlock (&timeline->lock);
  /* Its begin went by while a link was cut: without it the task never ends. */
  if (!was_flushing)
    gate_flush_start (self, gst_event_new_flush_start ());
  /* the task is out of its function, and stays out */
  GST_PAD_STREAM_LOCK (self->srcpad);
  gst_pad_push_event (self->srcpad, gst_event_ref (event));
  g_mutex_lock (&timeline->lock);
  was_flushing = self->flushing; /* nobody else's stop was faster */
  gst_dreamverse_gate_clear_queue (self);
  self->flushing = self->timed = FALSE;
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
  gst_dreamverse_gate_unlock (self);
  GST_PAD_STREAM_UNLOCK (self->srcpad);

  g_mutex_lock (&timeline->lock);
  if (was_flushing && !gst_dreamverse_gate_leaves (self))
    gst_pad_start_task (self->srcpad, gate_loop, self, NULL);
  g_mutex_unlock (&timeline->lock);
  gst_event_unref (event);
  return TRUE;
}

static gboolean
gate_enqueue_event (GstDreamverseGate *self, GstEvent *event)
{
  GstDreamverseTimeline *timeline = self->timeline;
  const GstSegment *segment;
  gboolean ok;

  g_mutex_lock (&timeline->lock);
  ok = !gst_dreamverse_gate_leaves (self);
  if (ok) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
      gst_event_parse_segment (event, &segment);
      self->timed = segment->format == GST_FORMAT_TIME;
    }
    g_queue_push_tail (&self->queue, event);
    g_cond_broadcast (&timeline->cond);
  }
  g_mutex_unlock (&timeline->lock);
  if (!ok)
    gst_event_unref (event);
  /* That would be an error upstream, where all is only being stopped: the next
   * buffer is told so. */
  return TRUE;
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
    self->flushing = self->told = self->timed = FALSE;
    self->first = self->dts_end = GST_CLOCK_STIME_NONE;
    gst_segment_init (&self->in, GST_FORMAT_UNDEFINED);
  } else {
    gst_dreamverse_gate_clear_queue (self);
    gst_clear_event (&self->stream_start);
    gst_clear_event (&self->caps);
    gst_clear_event (&self->segment);
  }
  g_cond_broadcast (&timeline->cond);
  gst_dreamverse_gate_unlock (self);
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

  g_queue_clear_full (&self->queue, (GDestroyNotify)gst_mini_object_unref);
  g_queue_clear_full (&self->dropped, (GDestroyNotify)gst_mini_object_unref);
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
  g_queue_init (&self->dropped);
  self->inactive = TRUE;
  self->flow = GST_FLOW_OK;
  self->wanted_delay = -1;
  self->first = self->dts_end = GST_CLOCK_STIME_NONE;
  gst_segment_init (&self->in, GST_FORMAT_UNDEFINED);
}
