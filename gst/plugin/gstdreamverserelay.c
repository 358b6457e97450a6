/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What stands behind the inner muxer: of every filling it sends the segment's
 * event, the init segment, fragments as whole buffers, and the completion. The
 * muxer's own stream start, caps, segment and EOS stay inside: downstream sees
 * one stream.
 *
 * Threads: the muxer's thread runs chain and events. While it does not run
 * (before, between resets, after), the one who saw to that may call the
 * functions of the header. Upstream events and queries come from any thread
 * and go around the muxer, straight to the gates.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstdreamverserelay.h"
#include "gstdreamversefragment.h"
#include "gstdreamversegate.h"
#include "gstdreamversereset.h"

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

struct _GstDreamverseRelay {
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  GstDreamverseTimeline *timeline;
  GstDreamverseAssembly *assembly;

  gboolean started; /* stream-start went out */
  gboolean placed;  /* segment went out, and since then no flush */
  gboolean discont;
  guint group_id;
  GstStructure *piece; /* the segment whose bytes go out */
  guint64 bytes;
  guint fragments;
  gint64 first_out_us;
};

G_DEFINE_TYPE (GstDreamverseRelay, gst_dreamverse_relay, GST_TYPE_ELEMENT);

#define CAPS "video/quicktime, variant = (string) iso-fragmented"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/quicktime"));

/* ---- the stream's sticky events ---- */

static void
relay_push_stream_start (GstDreamverseRelay *self)
{
  gchar *id;
  GstEvent *event;

  if (self->started)
    return;
  self->started = TRUE;
  /* As aggregators do: there is no one upstream to name it after. */
  id = g_strdup_printf ("%08x%08x", g_random_int (), g_random_int ());
  event = gst_event_new_stream_start (id);
  if (self->group_id != GST_GROUP_ID_INVALID)
    gst_event_set_group_id (event, self->group_id);
  gst_pad_push_event (self->srcpad, event);
  g_free (id);
}

static void
relay_push_caps (GstDreamverseRelay *self, GstBuffer *init)
{
  GstCaps *caps = gst_caps_from_string (CAPS);
  GValue header = G_VALUE_INIT, list = G_VALUE_INIT;

  g_value_init (&list, GST_TYPE_ARRAY);
  g_value_init (&header, GST_TYPE_BUFFER);
  gst_value_set_buffer (&header, init);
  gst_value_array_append_and_take_value (&list, &header);
  gst_structure_take_value (
      gst_caps_get_structure (caps, 0), "streamheader", &list);
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
  gst_caps_unref (caps);
}

static void
relay_push_segment (GstDreamverseRelay *self)
{
  GstSegment segment;

  if (self->placed)
    return;
  self->placed = TRUE;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (self->srcpad, gst_event_new_segment (&segment));
}

/* ---- a filling's life ---- */

static GstFlowReturn
relay_begin (GstDreamverseRelay *self, GstBuffer *init, gboolean changed)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstStructure *piece = NULL;
  gboolean plain, again;

  g_mutex_lock (&timeline->lock);
  timeline->begun = TRUE;
  plain = timeline->piece == NULL;
  if (!plain)
    piece = gst_structure_copy (timeline->piece->structure);
  g_mutex_unlock (&timeline->lock);

  again = self->placed && !changed;
  relay_push_stream_start (self);
  if (changed)
    relay_push_caps (self, init);
  relay_push_segment (self);

  g_clear_pointer (&self->piece, gst_structure_free);
  self->bytes = 0;
  self->fragments = 0;
  self->first_out_us = 0;
  if (plain && again) {
    /* What follows the last segment goes on with its init segment. */
    gst_buffer_unref (init);
    return GST_FLOW_OK;
  }
  if (piece) {
    self->piece = piece;
    gst_pad_push_event (
        self->srcpad, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                          gst_structure_copy (piece)));
    GST_INFO_OBJECT (timeline->bin, "%s begins",
        gst_structure_get_string (piece, GST_DREAMVERSE_FIELD_STREAM_ID));
  }
  self->bytes = gst_buffer_get_size (init);
  return gst_pad_push (self->srcpad, init);
}

static GstFlowReturn
relay_push_fragment (GstDreamverseRelay *self, GstBuffer *fragment)
{
  if (self->discont) {
    GST_BUFFER_FLAG_SET (fragment, GST_BUFFER_FLAG_DISCONT);
    self->discont = FALSE;
  }
  self->bytes += gst_buffer_get_size (fragment);
  self->fragments++;
  if (!self->first_out_us)
    self->first_out_us = g_get_monotonic_time ();
  return gst_pad_push (self->srcpad, fragment);
}

static gdouble
ms_between (gint64 from, gint64 to)
{
  return from && to > from ? (to - from) / 1000.0 : 0.0;
}

/* With the lock held. */
static GstStructure *
relay_completion (GstDreamverseRelay *self, gboolean aborted)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstStructure *s = gst_structure_copy (self->piece);
  GstStructure *timings = gst_structure_new ("timings", "first-fragment",
      G_TYPE_DOUBLE, ms_between (timeline->first_in_us, self->first_out_us),
      "encode", G_TYPE_DOUBLE,
      ms_between (timeline->first_in_us, timeline->last_in_us), "drain",
      G_TYPE_DOUBLE, ms_between (timeline->last_in_us, g_get_monotonic_time ()),
      "reset", G_TYPE_DOUBLE, timeline->reset_us / 1000.0, NULL);

  gst_structure_set_name (s, GST_DREAMVERSE_EVENT_MEDIA_COMPLETE);
  if (timeline->piece && GST_CLOCK_STIME_IS_VALID (timeline->piece->end))
    gst_structure_set (s, GST_DREAMVERSE_FIELD_END, G_TYPE_UINT64,
        (guint64)timeline->piece->end, NULL);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_ABORTED, G_TYPE_BOOLEAN, aborted,
      GST_DREAMVERSE_FIELD_BYTES, G_TYPE_UINT64, self->bytes,
      GST_DREAMVERSE_FIELD_FRAGMENTS, G_TYPE_UINT, self->fragments,
      GST_DREAMVERSE_FIELD_TIMINGS, GST_TYPE_STRUCTURE, timings, NULL);
  gst_structure_free (timings);
  return s;
}

static void
relay_push_completion (GstDreamverseRelay *self, GstStructure *completion)
{
  GstElement *bin = self->timeline->bin;

  GST_INFO_OBJECT (bin, "%" GST_PTR_FORMAT, completion);
  gst_pad_push_event (
      self->srcpad, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                        gst_structure_copy (completion)));
  gst_element_post_message (
      bin, gst_message_new_element (GST_OBJECT (bin), completion));
}

/* With the lock held: what a track lacks at the end of its segment, or NULL. */
static gchar *
describe_missing (GstDreamverseTimeline *timeline, GstDreamverseTrack track)
{
  const GstDreamverseTrackState *state = &timeline->track[track];
  const GstDreamversePiece *piece = timeline->piece;
  const gchar *name = track == GST_DREAMVERSE_VIDEO ? "video" : "audio";
  GstDreamverseTime position = state->position;

  if (!piece || !state->present || !GST_CLOCK_STIME_IS_VALID (piece->end) ||
      gst_dreamverse_timeline_has_reached (timeline, track))
    return NULL;
  if (!GST_CLOCK_STIME_IS_VALID (position) || position < piece->start)
    position = piece->start;
  return g_strdup_printf (
      "The %s of segment %s ended %.0f ms before its announced end.", name,
      piece->stream_id, (gdouble)(piece->end - position) / GST_MSECOND);
}

/* Everything of this filling has left the muxer. */
static void
relay_drained (GstDreamverseRelay *self)
{
  static const gchar *codes[] = {"video-short", "audio-short"};
  GstDreamverseTimeline *timeline = self->timeline;
  GstStructure *completion = NULL, *piece = NULL;
  gchar *missing[GST_DREAMVERSE_N_TRACKS] = {NULL, NULL};
  gboolean aborted = FALSE;
  guint i;

  g_mutex_lock (&timeline->lock);
  if (self->piece) {
    piece = gst_structure_copy (self->piece);
    aborted = timeline->piece && timeline->piece->aborted;
    for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++) {
      missing[i] = describe_missing (timeline, i);
      aborted = aborted || missing[i];
    }
    completion = relay_completion (self, aborted);
  }
  g_mutex_unlock (&timeline->lock);

  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++) {
    if (missing[i])
      gst_dreamverse_timeline_post_error (
          timeline, piece, "encode", codes[i], missing[i]);
    g_free (missing[i]);
  }
  if (completion)
    relay_push_completion (self, completion);
  g_clear_pointer (&piece, gst_structure_free);
  g_clear_pointer (&self->piece, gst_structure_free);

  g_mutex_lock (&timeline->lock);
  if (timeline->piece)
    timeline->last_end = timeline->piece->end;
  timeline->drained = TRUE;
  g_cond_broadcast (&timeline->cond);
  gst_dreamverse_reset_finish (timeline);
  g_mutex_unlock (&timeline->lock);
}

/* ---- the muxer's side ---- */

static GstFlowReturn
relay_note (GstDreamverseRelay *self, GstFlowReturn flow)
{
  GstDreamverseTimeline *timeline = self->timeline;

  if (flow == GST_FLOW_OK || flow == GST_FLOW_FLUSHING)
    return flow;
  g_mutex_lock (&timeline->lock);
  timeline->flow = flow;
  g_cond_broadcast (&timeline->cond);
  g_mutex_unlock (&timeline->lock);
  return flow;
}

static GstFlowReturn
relay_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstDreamverseRelay *self = GST_DREAMVERSE_RELAY (parent);
  GstBuffer *out = NULL;
  gboolean changed;
  Fmp4Error error = {""};

  switch (gst_dreamverse_assembly_push (
      self->assembly, self->timeline, buffer, &out, &changed, &error)) {
    case GST_DREAMVERSE_ASSEMBLY_INIT:
      return relay_note (self, relay_begin (self, out, changed));
    case GST_DREAMVERSE_ASSEMBLY_FRAGMENT:
      return relay_note (self, relay_push_fragment (self, out));
    case GST_DREAMVERSE_ASSEMBLY_MORE:
      return GST_FLOW_OK;
    default:
      break;
  }
  if (self->piece)
    gst_dreamverse_timeline_post_error (
        self->timeline, self->piece, "mux", "bad-output", error.detail);
  GST_ELEMENT_ERROR (self->timeline->bin, STREAM, MUX,
      ("The inner muxer wrote something unexpected."), ("%s", error.detail));
  return relay_note (self, GST_FLOW_ERROR);
}

static gboolean
relay_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstDreamverseRelay *self = GST_DREAMVERSE_RELAY (parent);

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    relay_drained (self);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START &&
           !gst_event_parse_group_id (event, &self->group_id))
    self->group_id = GST_GROUP_ID_INVALID;
  gst_event_unref (event);
  return TRUE;
}

static gboolean
relay_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_CAPS ||
      GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS)
    return gst_pad_query_default (pad, parent, query);
  /* Above all SEEKING: the muxer must not try to patch what it wrote. */
  return FALSE;
}

/* ---- downstream's side ---- */

/* The sink pads of the gates there are, each with a reference. */
static guint
relay_get_sinks (GstDreamverseRelay *self, GstPad **sinks)
{
  GstDreamverseTimeline *timeline = self->timeline;
  guint i, n = 0;

  g_mutex_lock (&timeline->lock);
  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    if (timeline->gate[i])
      sinks[n++] =
          gst_object_ref (gst_dreamverse_gate_get_sink (timeline->gate[i]));
  g_mutex_unlock (&timeline->lock);
  return n;
}

static gboolean
relay_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstDreamverseRelay *self = GST_DREAMVERSE_RELAY (parent);
  GstPad *sinks[GST_DREAMVERSE_N_TRACKS];
  guint i, n = relay_get_sinks (self, sinks);
  gboolean handled = FALSE;

  for (i = 0; i < n; i++) {
    handled |= gst_pad_push_event (sinks[i], gst_event_ref (event));
    gst_object_unref (sinks[i]);
  }
  gst_event_unref (event);
  return handled;
}

/* A fragment leaves when it is full and two more frames have come. */
static GstClockTime
relay_own_latency (GstDreamverseRelay *self)
{
  GstDreamverseTimeline *timeline = self->timeline;
  GstClockTime latency = 0;
  guint i, fragment_ms;

  g_object_get (timeline->mux, "fragment-duration", &fragment_ms, NULL);
  g_mutex_lock (&timeline->lock);
  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    latency = MAX (latency, 2 * timeline->track[i].duration);
  g_mutex_unlock (&timeline->lock);
  return latency + fragment_ms * GST_MSECOND;
}

static gboolean
relay_query_latency (GstDreamverseRelay *self, GstQuery *query)
{
  GstPad *sinks[GST_DREAMVERSE_N_TRACKS];
  guint i, n = relay_get_sinks (self, sinks);
  gboolean live = FALSE;
  GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
  GstClockTime own = relay_own_latency (self);

  for (i = 0; i < n; i++) {
    GstQuery *peer = gst_query_new_latency ();
    gboolean peer_live;
    GstClockTime peer_min, peer_max;

    if (gst_pad_peer_query (sinks[i], peer)) {
      gst_query_parse_latency (peer, &peer_live, &peer_min, &peer_max);
      if (peer_live) {
        live = TRUE;
        min = MAX (min, peer_min);
        max = MIN (max, peer_max);
      }
    }
    gst_query_unref (peer);
    gst_object_unref (sinks[i]);
  }
  /* What it holds back it can also hold: gates and muxer are buffers. */
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += own;
  gst_query_set_latency (query, live, min + own, max);
  return TRUE;
}

static gboolean
relay_query_upstream (GstDreamverseRelay *self, GstQuery *query)
{
  GstPad *sinks[GST_DREAMVERSE_N_TRACKS];
  guint i, n = relay_get_sinks (self, sinks);
  gboolean answered = FALSE;

  for (i = 0; i < n; i++) {
    answered = answered || gst_pad_peer_query (sinks[i], query);
    gst_object_unref (sinks[i]);
  }
  return answered;
}

static gboolean
relay_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstDreamverseRelay *self = GST_DREAMVERSE_RELAY (parent);

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_LATENCY:
      return relay_query_latency (self, query);
    case GST_QUERY_CAPS:
    case GST_QUERY_ACCEPT_CAPS:
      return gst_pad_query_default (pad, parent, query);
    case GST_QUERY_POSITION:
    case GST_QUERY_DURATION:
      return relay_query_upstream (self, query);
    default:
      return FALSE;
  }
}

/* ---- for the rest of the bin ---- */

gboolean
gst_dreamverse_relay_push_event (GstDreamverseRelay *self, GstEvent *event)
{
  return gst_pad_push_event (self->srcpad, event);
}

void
gst_dreamverse_relay_push_eos (GstDreamverseRelay *self)
{
  relay_push_stream_start (self);
  gst_pad_push_event (self->srcpad, gst_event_new_eos ());
}

void
gst_dreamverse_relay_forget (GstDreamverseRelay *self)
{
  gst_dreamverse_assembly_forget (self->assembly);
}

void
gst_dreamverse_relay_clear (GstDreamverseRelay *self)
{
  gst_dreamverse_assembly_clear (self->assembly);
  g_clear_pointer (&self->piece, gst_structure_free);
  self->started = self->placed = FALSE;
  self->discont = TRUE;
  self->group_id = GST_GROUP_ID_INVALID;
}

void
gst_dreamverse_relay_flushed (GstDreamverseRelay *self, GstEvent *stop)
{
  GstStructure *completion = NULL;

  gst_pad_push_event (self->srcpad, gst_event_ref (stop));
  gst_dreamverse_assembly_rebase (self->assembly);
  self->placed = FALSE;
  self->discont = TRUE;
  if (!self->piece)
    return;
  g_mutex_lock (&self->timeline->lock);
  completion = relay_completion (self, TRUE);
  g_mutex_unlock (&self->timeline->lock);
  g_clear_pointer (&self->piece, gst_structure_free);
  relay_push_segment (self);
  relay_push_completion (self, completion);
}

GstPad *
gst_dreamverse_relay_get_sink (GstDreamverseRelay *self)
{
  return self->sinkpad;
}

GstPad *
gst_dreamverse_relay_get_src (GstDreamverseRelay *self)
{
  return self->srcpad;
}

GstDreamverseRelay *
gst_dreamverse_relay_new (GstDreamverseTimeline *timeline)
{
  GstDreamverseRelay *self =
      g_object_new (GST_TYPE_DREAMVERSE_RELAY, "name", "relay", NULL);

  self->timeline = gst_dreamverse_timeline_ref (timeline);
  return self;
}

static void
gst_dreamverse_relay_finalize (GObject *object)
{
  GstDreamverseRelay *self = GST_DREAMVERSE_RELAY (object);

  g_clear_pointer (&self->assembly, gst_dreamverse_assembly_free);
  g_clear_pointer (&self->piece, gst_structure_free);
  g_clear_pointer (&self->timeline, gst_dreamverse_timeline_unref);
  G_OBJECT_CLASS (gst_dreamverse_relay_parent_class)->finalize (object);
}

static void
gst_dreamverse_relay_class_init (GstDreamverseRelayClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = gst_dreamverse_relay_finalize;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Muxer relay",
      "Generic", "Puts the inner muxer's output in order", "gst-dreamverse");
}

static void
gst_dreamverse_relay_init (GstDreamverseRelay *self)
{
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, relay_chain);
  gst_pad_set_event_function (self->sinkpad, relay_sink_event);
  gst_pad_set_query_function (self->sinkpad, relay_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, relay_src_event);
  gst_pad_set_query_function (self->srcpad, relay_src_query);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  self->assembly = gst_dreamverse_assembly_new ();
  gst_dreamverse_relay_clear (self);
}
