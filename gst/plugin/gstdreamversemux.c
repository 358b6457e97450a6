/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threads: properties, pads and states from the application's threads; data
 * runs through the gates' and the muxer's own (see gstdreamversegate.c,
 * gstdreamverserelay.c, gstdreamversereset.c).
 */
/**
 * SECTION:element-dreamversemux
 * @title: dreamversemux
 *
 * Writes encoded video and audio as fragmented MP4 that browsers, files and
 * relays take as one endless stream. It is a bin around mp4mux, whose
 * properties stay reachable (`mp4mux::interleave-time=0`).
 *
 * Where upstream announces segments (dreamversesrc does, by the
 * `dreamverse-segment` event), each comes out as: that event, the first init
 * segment byte for byte, whole fragments as one buffer each, and the event and
 * message `dreamverse-media-complete`, as soon as its last frame is encoded,
 * even if nothing follows. The time of all segments is one timeline: the
 * running time. The delay of the AAC encoder is taken out.
 *
 * Fragments have a PTS (running time of their first picture or sample), a
 * duration, and DELTA_UNIT unless a decoder can start at them; the init
 * segment has HEADER and is also in the caps as streamheader. The segment
 * event downstream is in time. Encoders that reorder frames (B-frames) start
 * decoding before time 0; all tracks are then written later by that much, so
 * that picture and sound stay together, while buffers keep running time.
 *
 * At a boundary with nothing following, audio ends up to one encoder delay and
 * one frame before its video (two frames with avenc_aac, which holds one) and
 * goes on seamlessly with the next segment.
 *
 * A segment of which a track is really shorter than announced ends with the
 * next segment's data, or with EOS: no time is set, since a track that is short
 * cannot be told from one that is slow. dreamversesrc fills up with silence, so
 * that its segments are never short.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -e dreamversemux name=mux ! filesink location=dream.mp4 \
 *   videotestsrc num-buffers=120 ! video/x-raw,format=I420,framerate=24/1 ! \
 *   x264enc tune=zerolatency ! queue ! mux.video \
 *   audiotestsrc num-buffers=240 ! audio/x-raw,rate=48000 ! voaacenc ! \
 *   queue ! mux.audio
 * ]|
 * Writes five seconds of test picture and tone that any player plays.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstdreamversemux.h"
#include "gstdreamversebus.h"
#include "gstdreamversegate.h"
#include "gstdreamverserelay.h"
#include "gstdreamversereset.h"

GST_DEBUG_CATEGORY (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

#define DEFAULT_FRAGMENT_DURATION 125
#define DEFAULT_AUDIO_DELAY -1

enum {
  PROP_0,
  PROP_FRAGMENT_DURATION,
  PROP_AUDIO_DELAY,
};

struct _GstDreamverseMux {
  GstBin parent;

  GstDreamverseTimeline *timeline;
  GstElement *mux; /* the bin's; NULL where mp4mux is missing */
  guint fragment_duration;
  gint64 audio_delay;
  /* of the whole pipeline, while READY or above */
  GstBus *bus;
  gulong bus_handler;
  gint error_named; /* atomic: one failure posts two errors */
};

G_DEFINE_TYPE (GstDreamverseMux, gst_dreamverse_mux, GST_TYPE_BIN);
GST_ELEMENT_REGISTER_DEFINE (
    dreamversemux, "dreamversemux", GST_RANK_NONE, GST_TYPE_DREAMVERSE_MUX);

static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE ("video",
    GST_PAD_SINK, GST_PAD_REQUEST,
    GST_STATIC_CAPS ("video/x-h264, stream-format = (string) { avc, avc3 }, "
                     "alignment = (string) au, width = [ 16, max ], "
                     "height = [ 16, max ]; "
                     "video/x-h265, stream-format = (string) { hvc1, hev1 }, "
                     "alignment = (string) au, width = [ 16, max ], "
                     "height = [ 16, max ]"));
static GstStaticPadTemplate audio_template =
    GST_STATIC_PAD_TEMPLATE ("audio", GST_PAD_SINK, GST_PAD_REQUEST,
        GST_STATIC_CAPS ("audio/mpeg, mpegversion = (int) 4, "
                         "stream-format = (string) raw, channels = [ 1, 8 ], "
                         "rate = [ 1, max ]"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/quicktime"));

/* ---- pads ---- */

static GstPad *
gst_dreamverse_mux_request_new_pad (GstElement *element,
    GstPadTemplate *template, const gchar *name, const GstCaps *caps)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (element);
  GstDreamverseTimeline *timeline = self->timeline;
  GstDreamverseTrack track =
      g_str_equal (GST_PAD_TEMPLATE_NAME_TEMPLATE (template), "video")
          ? GST_DREAMVERSE_VIDEO
          : GST_DREAMVERSE_AUDIO;
  GstDreamverseGate *gate = NULL;
  GstPad *muxpad = NULL, *pad;
  gboolean taken;

  if (!self->mux)
    return NULL;
  g_mutex_lock (&timeline->lock);
  taken = timeline->track[track].present;
  if (!taken && !timeline->fed)
    timeline->track[track].present = TRUE;
  else
    taken = TRUE;
  g_mutex_unlock (&timeline->lock);
  if (taken)
    goto taken;

  muxpad = gst_element_request_pad_simple (
      self->mux, track == GST_DREAMVERSE_VIDEO ? "video_%u" : "audio_%u");
  if (!muxpad)
    goto refused;
  gate = gst_dreamverse_gate_new (timeline, track);
  gst_dreamverse_gate_set_delay (gate, self->audio_delay);
  gst_bin_add (GST_BIN (self), GST_ELEMENT (gate));
  gst_pad_link (gst_dreamverse_gate_get_src (gate), muxpad);
  gst_object_unref (muxpad);
  g_mutex_lock (&timeline->lock);
  timeline->gate[track] = gate;
  g_mutex_unlock (&timeline->lock);
  gst_element_sync_state_with_parent (GST_ELEMENT (gate));

  pad = gst_ghost_pad_new_from_template (
      GST_PAD_TEMPLATE_NAME_TEMPLATE (template),
      gst_dreamverse_gate_get_sink (gate), template);
  gst_pad_set_active (pad, GST_STATE (element) > GST_STATE_READY);
  gst_element_add_pad (element, pad);
  return pad;

taken:
  GST_WARNING_OBJECT (self,
      "there is one %s pad, and it can't be added once data runs",
      GST_PAD_TEMPLATE_NAME_TEMPLATE (template));
  return NULL;
refused:
  g_mutex_lock (&timeline->lock);
  timeline->track[track].present = FALSE;
  g_mutex_unlock (&timeline->lock);
  GST_WARNING_OBJECT (self, "mp4mux gave no pad");
  return NULL;
}

static void
gst_dreamverse_mux_release_pad (GstElement *element, GstPad *pad)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (element);
  GstDreamverseTimeline *timeline = self->timeline;
  GstDreamverseTrack track = g_str_equal (GST_PAD_NAME (pad), "video")
                                 ? GST_DREAMVERSE_VIDEO
                                 : GST_DREAMVERSE_AUDIO;
  GstDreamverseGate *gate;
  GstPad *muxpad;

  g_mutex_lock (&timeline->lock);
  gate = timeline->gate[track];
  timeline->gate[track] = NULL;
  timeline->track[track].present = FALSE;
  g_cond_broadcast (&timeline->cond);
  g_mutex_unlock (&timeline->lock);

  gst_pad_set_active (pad, FALSE);
  gst_element_remove_pad (element, pad);
  if (!gate)
    return;
  muxpad = gst_pad_get_peer (gst_dreamverse_gate_get_src (gate));
  gst_element_set_locked_state (GST_ELEMENT (gate), TRUE);
  /* First the muxer's pad: the gate's thread may be inside it. */
  if (muxpad) {
    gst_pad_set_active (muxpad, FALSE);
    gst_element_release_request_pad (self->mux, muxpad);
    gst_object_unref (muxpad);
  }
  gst_element_set_state (GST_ELEMENT (gate), GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self), GST_ELEMENT (gate));
}

/* ---- errors upstream ---- */

/* The one track that @source feeds; N_TRACKS if it is not one. */
static GstDreamverseTrack
gst_dreamverse_mux_track_of (GstDreamverseMux *self, GstObject *source)
{
  static const gchar *names[] = {"video", "audio"};
  GstDreamverseTrack track = GST_DREAMVERSE_N_TRACKS;
  guint i, fed = 0;

  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++) {
    GstPad *pad = gst_element_get_static_pad (GST_ELEMENT (self), names[i]);

    if (pad && gst_dreamverse_feeds_pad (pad, source)) {
      track = i;
      fed++;
    }
    gst_clear_object (&pad);
  }
  return fed == 1 ? track : GST_DREAMVERSE_N_TRACKS;
}

/* The segment that a failure concerns; to be freed, NULL if none was
 * announced. */
static GstStructure *
gst_dreamverse_mux_concerned (GstDreamverseMux *self, GstDreamverseTrack track)
{
  const GstStructure *segment;
  GstStructure *copy;

  g_mutex_lock (&self->timeline->lock);
  segment = gst_dreamverse_timeline_concerned (self->timeline, track);
  copy = segment ? gst_structure_copy (segment) : NULL;
  g_mutex_unlock (&self->timeline->lock);
  return copy;
}

/* An encoder failed, or what feeds it: names the segment before the error is
 * in the bus. The source names its own failures. */
static void
gst_dreamverse_mux_hear_error (
    GstBus *bus, GstMessage *message, GstDreamverseMux *self)
{
  GstObject *source = GST_MESSAGE_SRC (message);
  GstStructure *segment;
  GError *error = NULL;

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR || !source)
    return;
  if (GST_IS_ELEMENT (source) &&
      GST_OBJECT_FLAG_IS_SET (source, GST_ELEMENT_FLAG_SOURCE)) {
    /* Its "streaming stopped" follows the first error; it is none of ours. */
    return;
  }
  if (!gst_dreamverse_is_upstream (GST_ELEMENT (self), source) ||
      !g_atomic_int_compare_and_exchange (&self->error_named, FALSE, TRUE))
    return;
  segment = gst_dreamverse_mux_concerned (
      self, gst_dreamverse_mux_track_of (self, source));
  if (!segment)
    return;
  gst_message_parse_error (message, &error, NULL);
  gst_dreamverse_timeline_post_error (
      self->timeline, segment, "encode", "encoder-failed", error->message);
  g_clear_error (&error);
  gst_structure_free (segment);
}

static void
gst_dreamverse_mux_watch_bus (GstDreamverseMux *self)
{
  self->bus = gst_dreamverse_top_bus (GST_ELEMENT (self));
  if (!self->bus)
    return;
  gst_bus_enable_sync_message_emission (self->bus);
  self->bus_handler = g_signal_connect_object (self->bus, "sync-message",
      G_CALLBACK (gst_dreamverse_mux_hear_error), self, 0);
}

static void
gst_dreamverse_mux_unwatch_bus (GstDreamverseMux *self)
{
  if (!self->bus)
    return;
  g_signal_handler_disconnect (self->bus, self->bus_handler);
  gst_bus_disable_sync_message_emission (self->bus);
  gst_clear_object (&self->bus);
}

/* ---- states and messages ---- */

static GstStateChangeReturn
gst_dreamverse_mux_change_state (GstElement *element, GstStateChange transition)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (element);
  GstDreamverseTimeline *timeline = self->timeline;
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !self->mux)
    goto no_mux;

  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    gst_dreamverse_mux_watch_bus (self);
  } else if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    gst_dreamverse_mux_unwatch_bus (self);
  } else if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    g_atomic_int_set (&self->error_named, FALSE);
    g_mutex_lock (&timeline->lock);
    gst_dreamverse_timeline_clear (timeline);
    timeline->stopping = FALSE;
    g_mutex_unlock (&timeline->lock);
    gst_dreamverse_relay_clear (timeline->relay);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    g_mutex_lock (&timeline->lock);
    timeline->stopping = TRUE;
    g_cond_broadcast (&timeline->cond);
    g_mutex_unlock (&timeline->lock);
  }
  gst_dreamverse_reset_block (timeline);
  ret = GST_ELEMENT_CLASS (gst_dreamverse_mux_parent_class)
            ->change_state (element, transition);
  gst_dreamverse_reset_unblock (timeline);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY &&
      ret == GST_STATE_CHANGE_FAILURE)
    gst_dreamverse_mux_unwatch_bus (self);
  return ret;

no_mux:
  GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
      ("mp4mux is missing; install gstreamer1.0-plugins-good."), (NULL));
  return GST_STATE_CHANGE_FAILURE;
}

/* The inner muxer failed: name the segment before the error goes up. */
static void
gst_dreamverse_mux_name_segment (GstDreamverseMux *self, GstMessage *message)
{
  GstStructure *segment =
      gst_dreamverse_mux_concerned (self, GST_DREAMVERSE_N_TRACKS);
  GError *error = NULL;

  if (!segment)
    return;
  gst_message_parse_error (message, &error, NULL);
  gst_dreamverse_timeline_post_error (
      self->timeline, segment, "mux", "mux-failed", error->message);
  g_clear_error (&error);
  gst_structure_free (segment);
}

static void
gst_dreamverse_mux_handle_message (GstBin *bin, GstMessage *message)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (bin);
  gboolean resetting;

  if (self->mux && GST_MESSAGE_SRC (message) == GST_OBJECT (self->mux)) {
    g_mutex_lock (&self->timeline->lock);
    resetting = self->timeline->resetting;
    g_mutex_unlock (&self->timeline->lock);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_dreamverse_mux_name_segment (self, message);
    } else if (resetting) {
      /* Its ups and downs between segments are nobody's business. */
      gst_message_unref (message);
      return;
    }
  }
  GST_BIN_CLASS (gst_dreamverse_mux_parent_class)
      ->handle_message (bin, message);
}

/* ---- properties ---- */

static void
gst_dreamverse_mux_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (object);
  GstDreamverseGate *gate;

  switch (id) {
    case PROP_FRAGMENT_DURATION:
      self->fragment_duration = g_value_get_uint (value);
      if (self->mux)
        g_object_set (
            self->mux, "fragment-duration", self->fragment_duration, NULL);
      break;
    case PROP_AUDIO_DELAY:
      self->audio_delay = g_value_get_int64 (value);
      g_mutex_lock (&self->timeline->lock);
      gate = self->timeline->gate[GST_DREAMVERSE_AUDIO];
      if (gate)
        gst_object_ref (gate);
      g_mutex_unlock (&self->timeline->lock);
      if (gate)
        gst_dreamverse_gate_set_delay (gate, self->audio_delay);
      gst_clear_object (&gate);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
}

static void
gst_dreamverse_mux_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (object);

  switch (id) {
    case PROP_FRAGMENT_DURATION:
      g_value_set_uint (value, self->fragment_duration);
      break;
    case PROP_AUDIO_DELAY:
      g_value_set_int64 (value, self->audio_delay);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
}

/* ---- life ---- */

static void
gst_dreamverse_mux_dispose (GObject *object)
{
  GstElement *element = GST_ELEMENT (object);

  /* While their gates are still there. */
  while (element->sinkpads)
    gst_element_release_request_pad (element, element->sinkpads->data);
  G_OBJECT_CLASS (gst_dreamverse_mux_parent_class)->dispose (object);
}

static void
gst_dreamverse_mux_finalize (GObject *object)
{
  GstDreamverseMux *self = GST_DREAMVERSE_MUX (object);

  g_clear_pointer (&self->timeline, gst_dreamverse_timeline_unref);
  G_OBJECT_CLASS (gst_dreamverse_mux_parent_class)->finalize (object);
}

static void
gst_dreamverse_mux_class_init (GstDreamverseMuxClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dreamverse_mux_debug, "dreamversemux", 0,
      "fragmented MP4 of a segmented timeline");

  object_class->set_property = gst_dreamverse_mux_set_property;
  object_class->get_property = gst_dreamverse_mux_get_property;
  object_class->dispose = gst_dreamverse_mux_dispose;
  object_class->finalize = gst_dreamverse_mux_finalize;

  g_object_class_install_property (object_class, PROP_FRAGMENT_DURATION,
      g_param_spec_uint ("fragment-duration", "Fragment duration",
          "How long a fragment gets, in milliseconds; a keyframe starts a new "
          "one at any rate.",
          1, 60000, DEFAULT_FRAGMENT_DURATION,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (object_class, PROP_AUDIO_DELAY,
      g_param_spec_int64 ("audio-delay", "Audio delay",
          "How much later than its timestamps the decoded audio sounds, in "
          "nanoseconds; it is taken out. -1: known by encoder (voaacenc 1600 "
          "samples, avenc_aac 1024, others 0).",
          -1, 10 * GST_SECOND, DEFAULT_AUDIO_DELAY,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_READY));

  gst_element_class_add_static_pad_template (element_class, &video_template);
  gst_element_class_add_static_pad_template (element_class, &audio_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class,
      "Fragmented MP4 of a segmented live timeline", "Codec/Muxer",
      "Writes fragments that leave at once and join without a seam",
      "gst-dreamverse");
  element_class->request_new_pad = gst_dreamverse_mux_request_new_pad;
  element_class->release_pad = gst_dreamverse_mux_release_pad;
  element_class->change_state = gst_dreamverse_mux_change_state;
  GST_BIN_CLASS (klass)->handle_message = gst_dreamverse_mux_handle_message;
}

static void
gst_dreamverse_mux_init (GstDreamverseMux *self)
{
  GstDreamverseRelay *relay;
  GstPadTemplate *template;
  GstPad *muxsrc, *pad;

  self->fragment_duration = DEFAULT_FRAGMENT_DURATION;
  self->audio_delay = DEFAULT_AUDIO_DELAY;
  self->mux = gst_element_factory_make ("mp4mux", "mp4mux");
  self->timeline = gst_dreamverse_timeline_new (GST_ELEMENT (self), self->mux);
  relay = gst_dreamverse_relay_new (self->timeline);
  self->timeline->relay = relay;
  gst_bin_add (GST_BIN (self), GST_ELEMENT (relay));

  if (self->mux) {
    gst_util_set_object_arg (
        G_OBJECT (self->mux), "fragment-mode", "dash-or-mss");
    g_object_set (self->mux, "streamable", TRUE, "fragment-duration",
        self->fragment_duration, NULL);
    gst_bin_add (GST_BIN (self), self->mux);
    muxsrc = gst_element_get_static_pad (self->mux, "src");
    gst_pad_link (muxsrc, gst_dreamverse_relay_get_sink (relay));
    gst_object_unref (muxsrc);
  }
  template = gst_static_pad_template_get (&src_template);
  pad = gst_ghost_pad_new_from_template (
      "src", gst_dreamverse_relay_get_src (relay), template);
  gst_object_unref (template);
  gst_element_add_pad (GST_ELEMENT (self), pad);
}
