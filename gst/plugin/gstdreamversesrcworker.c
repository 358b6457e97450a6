/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The generation thread: makes one segment after another and puts it into the
 * queue. Everything it waits for is waited for before a step begins; a running
 * step waits for nobody.
 *
 * Threads: one a run. It holds references of the element and the run; once
 * run->cancelled is set it touches nothing of the element but its lock, so
 * that a step which ends late harms nobody.
 */
#include "gstdreamverse.h"
#include "gstdreamverseimage.h"
#include "gstdreamversesrcworker.h"

#include <unistd.h>

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

/* Samples after the end: AAC encoders keep up to 1600 and a frame of 1024 to
 * themselves, and without these their last sound never comes out. */
#define CLOSING_SILENCE 3072

/* Why the wait before a step ended. */
typedef enum { GO, RESET, END, CANCELLED } Boundary;

/* ---- before the first step ---- */

/* The bytes of one whole segment. */
static guint64
segment_bytes (GstDreamverseRun *run, guint frames, guint64 samples)
{
  return (guint64)frames * run->video_info.size +
         samples * GST_AUDIO_INFO_BPF (&run->audio_info);
}

static gboolean
load_image (GstDreamverseWorker *w)
{
  GError *error = NULL;

  if (!w->run->settings.start_image || !*w->run->settings.start_image)
    return TRUE;
  w->image = gst_dreamverse_image_load (
      w->run->settings.start_image, &w->run->cancelled, &error);
  if (w->image)
    return TRUE;
  if (error && gst_dreamverse_src_fail (w->src, w->run))
    GST_ELEMENT_ERROR (w->src, RESOURCE, OPEN_READ,
        ("The start image cannot be used: %s", error->message), (NULL));
  g_clear_error (&error);
  return FALSE;
}

/* Waits until both pads know what they send. */
static gboolean
wait_negotiated (GstDreamverseWorker *w)
{
  GstDreamverseRun *run = w->run;
  gboolean go;

  g_mutex_lock (&w->src->lock);
  while (!g_atomic_int_get (&run->cancelled) && !run->failed &&
         !(run->ready[GST_DREAMVERSE_LANE_VIDEO] &&
             run->ready[GST_DREAMVERSE_LANE_AUDIO]))
    gst_dreamverse_src_wait (w->src);
  go = !g_atomic_int_get (&run->cancelled) && !run->failed;
  g_mutex_unlock (&w->src->lock);
  return go;
}

/* Settles how much may wait, or refuses with numbers. */
static gboolean
check_memory (GstDreamverseWorker *w)
{
  GstDreamverseRun *run = w->run;
  guint64 segment = segment_bytes (
      run, run->spec.frames, dv_segment_samples (&run->spec, run->spec.frames));
  guint64 machine =
      (guint64)sysconf (_SC_PHYS_PAGES) * (guint64)sysconf (_SC_PAGESIZE);
  guint64 limit = run->settings.max_queued_bytes;

  if (limit == 0)
    limit = run->settings.max_queued_bytes = MIN (2 * segment, machine / 2);
  if (segment <= limit)
    return TRUE;
  if (gst_dreamverse_src_fail (w->src, run))
    GST_ELEMENT_ERROR (w->src, RESOURCE, NO_SPACE_LEFT,
        ("A segment of %u frames of %dx%d needs %" G_GUINT64_FORMAT
         " bytes, but only %" G_GUINT64_FORMAT
         " may wait (max-queued-bytes, or half of the machine's "
         "%" G_GUINT64_FORMAT "). Raise the limit, or lower the size or "
         "frames-per-segment.",
            run->spec.frames, run->width, run->height, segment, limit, machine),
        (NULL));
  return FALSE;
}

/* ---- between two steps ---- */

/* How far generation may be ahead: at least one segment. */
static GstClockTime
step_lead (GstDreamverseWorker *w)
{
  GstClockTime lead = w->run->settings.is_live ? 0 : w->src->max_lead;

  if (!GST_CLOCK_TIME_IS_VALID (lead))
    return lead;
  return MAX (lead, dv_segment_frame_time (&w->run->spec, w->run->spec.frames));
}

static gboolean
queue_has_room (GstDreamverseWorker *w)
{
  GstDreamverseRun *run = w->run;
  guint64 next = segment_bytes (
      run, run->spec.frames, dv_segment_samples (&run->spec, run->spec.frames));

  return gst_dreamverse_queue_segments (&run->queue) <= 1 &&
         (gst_dreamverse_queue_bytes (&run->queue) == 0 ||
             gst_dreamverse_queue_bytes (&run->queue) + next <=
                 run->settings.max_queued_bytes);
}

/* While generation was paused and nothing was left to send, the viewers stood
 * still: without this a long pause would be followed by as much media at once.
 * A live source keeps to the clock. Lock held. */
static void
account_for_pause (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;
  GstClockTime now = gst_dreamverse_src_running_time (src);
  GstClockTime end = dv_segment_frame_time (&w->run->spec, w->frames);

  w->was_paused = FALSE;
  if (w->run->settings.is_live || !GST_CLOCK_TIME_IS_VALID (now))
    return;
  src->slip = MAX (
      src->slip, GST_CLOCK_DIFF (end, now) + (GstClockTimeDiff)src->origin);
}

static Boundary
wait_boundary (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;
  GstDreamverseRun *run = w->run;
  GstClockTime end = dv_segment_frame_time (&run->spec, w->frames);
  Boundary boundary = GO;

  g_mutex_lock (&src->lock);
  for (;;) {
    if (g_atomic_int_get (&run->cancelled)) {
      boundary = CANCELLED;
      break;
    }
    if (run->failed) { /* the pads have been told to end */
      boundary = CANCELLED;
      break;
    }
    if (run->eos) {
      boundary = END;
      break;
    }
    if (!g_queue_is_empty (&src->steering.resets)) {
      boundary = RESET;
      break;
    }
    if (src->segments && w->index >= src->segments) {
      boundary = END;
      break;
    }
    if (src->steering.paused) {
      w->was_paused = TRUE;
      gst_dreamverse_src_wait (src);
      continue;
    }
    if (!queue_has_room (w)) {
      gst_dreamverse_src_wait (src);
      continue;
    }
    if (w->was_paused)
      account_for_pause (w);
    if (gst_dreamverse_src_within_lead (
            src, GST_DREAMVERSE_WAIT_STEP, end, step_lead (w)))
      break;
  }
  /* What asked the last step to stop is being dealt with now. */
  if (boundary != CANCELLED)
    g_atomic_int_set (&run->abort_step, boundary == END);
  run->ended |= boundary == END;
  g_mutex_unlock (&src->lock);
  return boundary;
}

static void
post_stream_complete (GstDreamverseWorker *w, gboolean last)
{
  GST_INFO_OBJECT (w->src, "epoch %u is complete: %u segments%s", w->epoch,
      w->completed, last ? ", the last" : "");
  gst_dreamverse_src_post (
      w->src, gst_structure_new (GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE,
                  GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, w->epoch,
                  GST_DREAMVERSE_FIELD_SEGMENTS, G_TYPE_UINT, w->completed,
                  GST_DREAMVERSE_FIELD_LAST, G_TYPE_BOOLEAN, last, NULL));
}

static void
begin_epoch (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;
  gchar *id;

  post_stream_complete (w, FALSE);
  dv_session_reset (w->session);
  w->epoch++;
  w->index = w->completed = 0;
  w->epoch_sample = dv_segment_samples (&w->run->spec, w->frames);
  for (;;) {
    g_mutex_lock (&src->lock);
    id = gst_dreamverse_steering_take_reset (&src->steering);
    g_mutex_unlock (&src->lock);
    if (!id)
      break;
    gst_dreamverse_src_post_reset (src, id, w->epoch);
    g_free (id);
  }
}

/* What a handler of need-prompt offers for the next segment, or NULL. */
static gchar *
ask_prompt (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;
  gchar *offered = NULL, *problem;
  gboolean ask;

  g_mutex_lock (&src->lock);
  ask = gst_dreamverse_steering_depth (&src->steering) == 0;
  g_mutex_unlock (&src->lock);
  if (ask)
    g_signal_emit_by_name (
        src, "need-prompt", w->epoch, w->index + 1, &offered);
  if (!offered || g_atomic_int_get (&w->run->cancelled))
    return offered;
  problem = gst_dreamverse_steering_check_prompt (offered);
  if (problem) {
    GST_ELEMENT_WARNING (src, STREAM, WRONG_TYPE,
        ("The prompt that need-prompt returned is not used: %s", problem),
        (NULL));
    g_clear_pointer (&offered, g_free);
  }
  g_free (problem);
  return offered;
}

/* The prompt of the segment to be made, into the attempt, if it is still to be
 * made. */
static Boundary
take_prompt (GstDreamverseWorker *w, const gchar *offered)
{
  GstDreamverseSrc *src = w->src;
  Boundary boundary = GO;

  g_mutex_lock (&src->lock);
  if (g_atomic_int_get (&w->run->cancelled))
    boundary = CANCELLED;
  else if (!g_queue_is_empty (&src->steering.resets))
    boundary = RESET;
  else if (!gst_dreamverse_steering_next (&src->steering, offered, src->loop,
               &w->attempt.prompt, &w->attempt.prompt_id)) {
    boundary = END;
    w->run->ended = TRUE;
  }
  g_mutex_unlock (&src->lock);
  return boundary;
}

/* ---- the end ---- */

/* The segment that came latest was the last: overtakes what waits of it, since
 * at its end one has to know. */
static void
announce_last (GstDreamverseWorker *w)
{
  GstClockTime origin;
  GstEvent *event;
  guint i;

  if (!w->latest)
    return;
  g_mutex_lock (&w->src->lock);
  origin = w->src->origin;
  g_mutex_unlock (&w->src->lock);
  gst_dreamverse_structure_to_running (w->latest, origin);
  gst_structure_set_name (w->latest, GST_DREAMVERSE_EVENT_SEGMENT_LAST);
  gst_structure_set (
      w->latest, GST_DREAMVERSE_FIELD_LAST, G_TYPE_BOOLEAN, TRUE, NULL);
  event = gst_event_new_custom (
      GST_EVENT_CUSTOM_DOWNSTREAM_OOB, g_steal_pointer (&w->latest));
  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    gst_pad_push_event (w->src->lane[i].pad, gst_event_ref (event));
  gst_event_unref (event);
}

/* Nothing more comes: closing silence, and the end on both pads. */
static void
end_stream (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;
  GstDreamverseRun *run = w->run;
  GstBuffer *silence = NULL;

  announce_last (w);
  post_stream_complete (w, TRUE);
  /* Without the GAP flag: that would allow an encoder to leave it out. */
  if (w->frames > 0)
    silence = gst_dreamverse_worker_audio_buffer (
        w, NULL, dv_segment_samples (&run->spec, w->frames), CLOSING_SILENCE);
  g_mutex_lock (&src->lock);
  if (silence)
    gst_dreamverse_worker_enqueue (w, GST_DREAMVERSE_LANE_AUDIO, silence);
  gst_dreamverse_worker_enqueue (
      w, GST_DREAMVERSE_LANE_VIDEO, gst_event_new_eos ());
  gst_dreamverse_worker_enqueue (
      w, GST_DREAMVERSE_LANE_AUDIO, gst_event_new_eos ());
  run->draining = run->eos;
  run->eos_queued = TRUE;
  gst_dreamverse_src_wake (src);
  gst_dreamverse_src_unlock (src, run);
}

/* Waits for the next segment's turn and settles its prompt. */
static Boundary
next_segment (GstDreamverseWorker *w)
{
  Boundary boundary = wait_boundary (w);
  gchar *offered;

  if (boundary != GO)
    return boundary;
  offered = ask_prompt (w);
  /* The handler may have taken its time, or paused, reset or stopped us. */
  boundary = wait_boundary (w);
  if (boundary == GO)
    boundary = take_prompt (w, offered);
  g_free (offered);
  return boundary;
}

static void
generate (GstDreamverseWorker *w)
{
  for (;;) {
    switch (next_segment (w)) {
      case CANCELLED:
        return;
      case END:
        end_stream (w);
        return;
      case RESET:
        begin_epoch (w);
        break;
      case GO:
        if (!gst_dreamverse_worker_step (w))
          return;
        break;
    }
  }
}

gpointer
gst_dreamverse_src_worker (gpointer data)
{
  GstDreamverseWorkerArgs *args = data;
  GstDreamverseWorker w = {0};
  GstDreamverseSrc *src = args->src;
  GstDreamverseRun *run = args->run;

  g_free (args);
  w.src = src;
  w.run = run;
  w.epoch = 1;
  if (gst_dreamverse_worker_open (&w) && load_image (&w) &&
      wait_negotiated (&w) && check_memory (&w)) {
    gst_dreamverse_worker_look_ahead (&w);
    generate (&w);
    gst_dreamverse_worker_stop_ahead (&w);
  }
  g_clear_pointer (&w.session, dv_session_free);
  g_clear_pointer (&w.image, gst_dreamverse_image_free);
  gst_dreamverse_attempt_clear (&w.attempt);
  gst_clear_structure (&w.latest);

  g_mutex_lock (&src->lock);
  run->finished = TRUE;
  if (w.alone)
    src->generating = FALSE;
  g_cond_broadcast (&src->cond);
  g_mutex_unlock (&src->lock);
  gst_dreamverse_run_unref (run);
  gst_object_unref (src);
  return NULL;
}
