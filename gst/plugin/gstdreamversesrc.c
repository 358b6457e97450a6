/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: the element, its runs, states and the application's events.
 * gstdreamversesrcprivate.h says which file has the rest.
 *
 * Threads: states as GStreamer says, events from any thread.
 */

/**
 * SECTION:element-dreamversesrc
 * @title: dreamversesrc
 * @short_description: a generator of moving pictures and sound as a source
 *
 * Turns prompts into an endless stream of segments, each about five seconds
 * long, that join without a seam: raw video on the pad "video", raw audio on
 * the pad "audio". Either pad may stay unlinked.
 *
 * Without a model it draws: the procedural generator needs no weights.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 dreamversesrc prompt="a beach at sunset" ! autovideosink
 * ]|
 * Shows a beach for as long as you like.
 * |[
 * gst-launch-1.0 dreamversesrc name=s prompts="<forest,night>" \
 *     s.video ! queue ! videoconvert ! autovideosink \
 *     s.audio ! queue ! audioconvert ! audioresample ! autoaudiosink
 * ]|
 * Plays two segments, the first melting into the second, and ends. Prompts with
 * spaces need their quotes past the shell and past gst-launch:
 * `'prompts="<\"a forest in the rain\",\"the same at night\">"'`.
 */
#include "gstdreamversesrc.h"

#include <string.h>

#include "gstdreamverse.h"
#include "gstdreamversesrcprivate.h"

GST_DEBUG_CATEGORY (gst_dreamverse_src_debug);
#define GST_CAT_DEFAULT gst_dreamverse_src_debug

/* A step that does not end within this is left to end by itself. */
#define STOP_TIMEOUT (80 * G_TIME_SPAN_MILLISECOND)

G_DEFINE_TYPE (GstDreamverseSrc, gst_dreamverse_src, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (
    dreamversesrc, "dreamversesrc", GST_RANK_NONE, GST_TYPE_DREAMVERSE_SRC)

/* ---- settings and runs ---- */

void
gst_dreamverse_settings_copy (
    GstDreamverseSettings *to, const GstDreamverseSettings *from)
{
  *to = *from;
  to->model = g_strdup (from->model);
  to->device = g_strdup (from->device);
  to->dtype = g_strdup (from->dtype);
  to->steps = g_strdup (from->steps);
  to->loras = g_strdupv (from->loras);
  to->start_image = g_strdup (from->start_image);
}

void
gst_dreamverse_settings_clear (GstDreamverseSettings *settings)
{
  g_clear_pointer (&settings->model, g_free);
  g_clear_pointer (&settings->device, g_free);
  g_clear_pointer (&settings->dtype, g_free);
  g_clear_pointer (&settings->steps, g_free);
  g_clear_pointer (&settings->loras, g_strfreev);
  g_clear_pointer (&settings->start_image, g_free);
}

static GstDreamverseRun *
run_new (const GstDreamverseSettings *settings)
{
  GstDreamverseRun *run = g_new0 (GstDreamverseRun, 1);

  run->refcount = 1;
  gst_dreamverse_settings_copy (&run->settings, settings);
  run->group_id = gst_util_group_id_next ();
  gst_dreamverse_queue_init (&run->queue);
  return run;
}

GstDreamverseRun *
gst_dreamverse_run_ref (GstDreamverseRun *run)
{
  g_atomic_int_inc (&run->refcount);
  return run;
}

void
gst_dreamverse_run_unref (GstDreamverseRun *run)
{
  if (!g_atomic_int_dec_and_test (&run->refcount))
    return;
  gst_dreamverse_queue_clear (&run->queue);
  if (run->pool)
    gst_buffer_pool_set_active (run->pool, FALSE);
  gst_clear_object (&run->pool);
  g_clear_pointer (&run->model, dv_model_unref);
  gst_dreamverse_settings_clear (&run->settings);
  g_free (run);
}

void
gst_dreamverse_src_unlock (GstDreamverseSrc *src, GstDreamverseRun *run)
{
  GSList *dropped = gst_dreamverse_queue_take_dropped (&run->queue);

  g_mutex_unlock (&src->lock);
  gst_dreamverse_queue_free_dropped (dropped);
}

void
gst_dreamverse_src_wake (GstDreamverseSrc *src)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_WAITS; i++)
    if (src->wait[i])
      gst_clock_id_unschedule (src->wait[i]);
  g_cond_broadcast (&src->cond);
}

void
gst_dreamverse_src_post (GstDreamverseSrc *src, GstStructure *structure)
{
  gst_element_post_message (
      GST_ELEMENT (src), gst_message_new_element (GST_OBJECT (src), structure));
}

/* The caller posts its error after this, and the pads end after that: they
 * find the end of the stream in their lanes. */
gboolean
gst_dreamverse_src_fail (GstDreamverseSrc *src, GstDreamverseRun *run)
{
  gboolean first;

  g_mutex_lock (&src->lock);
  first = !run->failed && !g_atomic_int_get (&run->cancelled);
  if (first) {
    run->failed = run->draining = run->ended = run->eos_queued = TRUE;
    g_atomic_int_set (&run->abort_step, 1);
    gst_dreamverse_queue_drop (&run->queue);
    gst_dreamverse_queue_push (
        &run->queue, GST_DREAMVERSE_LANE_VIDEO, gst_event_new_eos ());
    gst_dreamverse_queue_push (
        &run->queue, GST_DREAMVERSE_LANE_AUDIO, gst_event_new_eos ());
    gst_dreamverse_src_wake (src);
  }
  gst_dreamverse_src_unlock (src, run);
  return first;
}

/* ---- events of the application ---- */

static gboolean
request_eos (GstDreamverseSrc *src)
{
  gboolean running;

  g_mutex_lock (&src->lock);
  running = src->run != NULL;
  if (running) {
    GST_INFO_OBJECT (src, "end of stream asked for");
    src->run->eos = src->run->draining = TRUE;
    g_atomic_int_set (&src->run->abort_step, 1);
    gst_dreamverse_src_wake (src);
  }
  g_mutex_unlock (&src->lock);
  return running;
}

static gboolean
gst_dreamverse_src_send_event (GstElement *element, GstEvent *event)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (element);
  gboolean taken = FALSE, reset_time, running;
  guint i;

  /* The caller holds the state lock: what runs now runs until the end. */
  g_mutex_lock (&src->lock);
  running = src->run != NULL;
  g_mutex_unlock (&src->lock);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_EOS:
      taken = request_eos (src);
      break;
    case GST_EVENT_FLUSH_START:
      taken = running && gst_dreamverse_src_flush_start (src);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_event_parse_flush_stop (event, &reset_time);
      taken = running && gst_dreamverse_src_flush_stop (src, reset_time);
      break;
    case GST_EVENT_CUSTOM_UPSTREAM:
      taken = gst_dreamverse_src_control (src, gst_event_get_structure (event));
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
    case GST_EVENT_TAG:
      /* In its place among the data, on both pads. */
      if (!running)
        break;
      g_mutex_lock (&src->lock);
      for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
        gst_dreamverse_queue_push (&src->run->queue, i, gst_event_ref (event));
      gst_dreamverse_src_wake (src);
      gst_dreamverse_src_unlock (src, src->run);
      taken = TRUE;
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
      for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
        taken |= gst_pad_push_event (src->lane[i].pad, gst_event_ref (event));
      break;
    case GST_EVENT_LATENCY:
    case GST_EVENT_RECONFIGURE:
    case GST_EVENT_QOS:
      taken = TRUE;
      break;
    default: /* seeks above all */
      break;
  }
  gst_event_unref (event);
  return taken;
}

/* ---- states ---- */

/* FALSE: an error was posted. */
static gboolean
start (GstDreamverseSrc *src)
{
  GstDreamverseWorkerArgs *args = g_new0 (GstDreamverseWorkerArgs, 1);
  GstDreamverseRun *run;
  GError *error = NULL;

  g_mutex_lock (&src->lock);
  run = src->run = run_new (&src->settings);
  gst_dreamverse_steering_rewind (&src->steering);
  gst_dreamverse_stats_reset (&src->stats);
  gst_flow_combiner_reset (src->flow);
  src->slip = 0;
  src->origin = 0;
  src->paused_time = 0;
  g_mutex_unlock (&src->lock);
  args->src = gst_object_ref (src);
  args->run = gst_dreamverse_run_ref (run);
  src->thread = g_thread_try_new (
      "dreamverse-gen", gst_dreamverse_src_worker, args, &error);
  if (src->thread)
    return TRUE;
  GST_ELEMENT_ERROR (src, RESOURCE, FAILED,
      ("There is no thread to generate on: %s", error->message), (NULL));
  g_clear_error (&error);
  g_free (args);
  gst_object_unref (src);
  gst_dreamverse_run_unref (run);
  g_mutex_lock (&src->lock);
  src->run = NULL;
  g_mutex_unlock (&src->lock);
  gst_dreamverse_run_unref (run);
  return FALSE;
}

/* Asks everything to stop; waits for nothing. */
static void
cancel (GstDreamverseSrc *src)
{
  guint i;

  g_mutex_lock (&src->lock);
  if (src->run)
    g_atomic_int_set (&src->run->cancelled, 1);
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    src->lane[i].flushing = TRUE;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
}

/* The pads are inactive. Gives the generation thread a moment to end; one that
 * is in the middle of something long keeps what it needs and ends later. */
static void
stop (GstDreamverseSrc *src)
{
  gint64 deadline = g_get_monotonic_time () + STOP_TIMEOUT;
  gboolean own = src->thread == g_thread_self ();
  GstDreamverseRun *run;
  gboolean finished;

  g_mutex_lock (&src->lock);
  run = src->run;
  while (!own && !run->finished &&
         g_cond_wait_until (&src->cond, &src->lock, deadline))
    ;
  finished = run->finished;
  src->run = NULL;
  gst_dreamverse_queue_drop (&run->queue);
  gst_dreamverse_src_unlock (src, run);
  gst_dreamverse_src_end_opening (
      src, run, GST_PROGRESS_TYPE_CANCELED, "Cancelled");
  if (finished)
    g_thread_join (src->thread);
  else {
    GST_INFO_OBJECT (src, "the running step ends by itself");
    g_thread_unref (src->thread);
  }
  src->thread = NULL;
  gst_dreamverse_run_unref (run);
}

static GstStateChangeReturn
gst_dreamverse_src_change_state (GstElement *element, GstStateChange transition)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (element);
  GstStateChangeReturn ret;
  gboolean live;

  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!start (src))
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
    case GST_STATE_CHANGE_PLAYING_TO_PLAYING: /* a new base time: a flush */
      gst_dreamverse_src_set_playing (src, TRUE);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      gst_dreamverse_src_set_playing (src, FALSE);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      cancel (src);
      break;
    default:
      break;
  }
  ret = GST_ELEMENT_CLASS (gst_dreamverse_src_parent_class)
            ->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
          ret == GST_STATE_CHANGE_FAILURE)) {
    cancel (src);
    if (src->run)
      stop (src);
  }
  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    gst_dreamverse_src_forget_model (src);
  g_mutex_lock (&src->lock);
  live = src->run ? src->run->settings.is_live : src->settings.is_live;
  g_mutex_unlock (&src->lock);
  if (live && ret != GST_STATE_CHANGE_FAILURE &&
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
          transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED))
    ret = GST_STATE_CHANGE_NO_PREROLL;
  return ret;
}

/* ---- object ---- */

static void
gst_dreamverse_src_init (GstDreamverseSrc *src)
{
  g_mutex_init (&src->lock);
  g_cond_init (&src->cond);
  gst_dreamverse_steering_init (&src->steering);
  gst_dreamverse_src_init_settings (src);
  src->flow = gst_flow_combiner_new ();
  gst_dreamverse_src_add_pad (
      src, GST_DREAMVERSE_LANE_VIDEO, &gst_dreamverse_src_video_template);
  gst_dreamverse_src_add_pad (
      src, GST_DREAMVERSE_LANE_AUDIO, &gst_dreamverse_src_audio_template);
  GST_OBJECT_FLAG_SET (src, GST_ELEMENT_FLAG_SOURCE);
}

static void
gst_dreamverse_src_finalize (GObject *object)
{
  GstDreamverseSrc *src = GST_DREAMVERSE_SRC (object);
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    gst_caps_replace (&src->lane[i].caps, NULL);
  gst_flow_combiner_free (src->flow);
  gst_clear_object (&src->clock);
  gst_dreamverse_src_forget_model (src);
  gst_dreamverse_steering_clear (&src->steering);
  gst_dreamverse_settings_clear (&src->settings);
  g_cond_clear (&src->cond);
  g_mutex_clear (&src->lock);
  G_OBJECT_CLASS (gst_dreamverse_src_parent_class)->finalize (object);
}

static void
gst_dreamverse_src_class_init (GstDreamverseSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      gst_dreamverse_src_debug, "dreamversesrc", 0, "dreamverse source");
  object_class->finalize = gst_dreamverse_src_finalize;
  element_class->change_state = gst_dreamverse_src_change_state;
  element_class->send_event = gst_dreamverse_src_send_event;

  gst_dreamverse_src_install_properties (object_class);
  gst_dreamverse_src_install_signals (klass);
  gst_element_class_add_static_pad_template (
      element_class, &gst_dreamverse_src_video_template);
  gst_element_class_add_static_pad_template (
      element_class, &gst_dreamverse_src_audio_template);
  gst_element_class_set_static_metadata (element_class, "Dreamverse source",
      "Source/Audio/Video",
      "Generates an endless, steerable stream of pictures and sound from "
      "prompts",
      "gst-dreamverse");
}
