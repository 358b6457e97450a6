/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The generation thread: opens the model, makes one segment after another and
 * puts it into the queue. Everything it waits for is waited for before a step
 * begins; a running step waits for nobody.
 *
 * Threads: one a run. It holds references of the element and the run; once
 * run->cancelled is set it touches nothing of the element but its lock, so
 * that a step which ends late harms nobody.
 */
#include "gstdreamverse.h"
#include "gstdreamverseimage.h"
#include "gstdreamversesrcprivate.h"

#include <string.h>
#include <unistd.h>

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

#define AUDIO_BUFFERS_PER_SECOND 50
/* Samples after the end: AAC encoders keep up to 1600 and a frame of 1024 to
 * themselves, and without these their last sound never comes out. */
#define CLOSING_SILENCE 3072
#define PROGRESS_STEP 0.05

/* Why the wait before a step ended. */
typedef enum { GO, RESET, END, CANCELLED } Boundary;

typedef struct {
  GstDreamverseSrc *src;
  GstDreamverseRun *run;
  DvSession *session;
  GstDreamverseImage *image;

  guint epoch, index; /* of the segment being made */
  guint completed;    /* in this epoch */
  guint64 sequence;
  guint64 frames;       /* of the whole stream */
  guint64 epoch_sample; /* first sample of the epoch */
  gboolean was_paused;

  /* the running step */
  GstDreamverseAttempt attempt;
  DvSegmentPlan plan;
  GstBufferPool *pool;
  GstVideoFrame mapped;
  gboolean is_mapped;
  guint committed; /* frames */
  gboolean announced;
  gfloat *samples;  /* plan.samples of them */
  guint64 staged;   /* samples the generator gave */
  guint64 released; /* samples put into the queue */
  gdouble fraction;
} Worker;

/* ---- progress ---- */

static void
start_progress (Worker *w, const gchar *code, const gchar *text)
{
  g_mutex_lock (&w->src->lock);
  if (!g_atomic_int_get (&w->run->cancelled)) {
    g_free (w->run->progress);
    w->run->progress = g_strdup (code);
  }
  g_mutex_unlock (&w->src->lock);
  if (!g_atomic_int_get (&w->run->cancelled))
    gst_element_post_message (
        GST_ELEMENT (w->src), gst_message_new_progress (GST_OBJECT (w->src),
                                  GST_PROGRESS_TYPE_START, code, text));
}

void
gst_dreamverse_src_end_progress (GstDreamverseSrc *src, GstDreamverseRun *run,
    GstProgressType type, const gchar *text)
{
  gchar *code;

  g_mutex_lock (&src->lock);
  code = g_steal_pointer (&run->progress);
  g_mutex_unlock (&src->lock);
  if (!code)
    return;
  if (!text)
    text = type == GST_PROGRESS_TYPE_CANCELED ? "Cancelled" : "Done";
  gst_element_post_message (GST_ELEMENT (src),
      gst_message_new_progress (GST_OBJECT (src), type, code, text));
  g_free (code);
}

static void
report_load (void *user, uint64_t done, uint64_t total)
{
  Worker *w = user;
  gchar *text;

  if (total == 0 || g_atomic_int_get (&w->run->cancelled))
    return;
  text = g_strdup_printf ("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                          " bytes loaded",
      (guint64)done, (guint64)total);
  gst_element_post_message (
      GST_ELEMENT (w->src), gst_message_new_progress (GST_OBJECT (w->src),
                                GST_PROGRESS_TYPE_CONTINUE, "open", text));
  g_free (text);
}

/* ---- opening ---- */

/* The bytes of one whole segment. */
static guint64
segment_bytes (GstDreamverseRun *run, guint frames, guint64 samples)
{
  return (guint64)frames * run->video_info.size +
         samples * GST_AUDIO_INFO_BPF (&run->audio_info);
}

static gboolean
fail_open (Worker *w, const DvError *error)
{
  GstDreamverseSrc *src = w->src;

  gst_dreamverse_src_end_progress (
      src, w->run, GST_PROGRESS_TYPE_ERROR, error->detail);
  if (gst_dreamverse_src_fail (src, w->run)) {
    if (error->code == DV_ERROR_NOT_FOUND)
      GST_ELEMENT_ERROR (src, RESOURCE, NOT_FOUND, ("%s", error->detail),
          ("stage %s", error->stage));
    else
      GST_ELEMENT_ERROR (src, LIBRARY, INIT, ("%s", error->detail),
          ("stage %s", error->stage));
  }
  return FALSE;
}

static gboolean
open_model (Worker *w)
{
  GstDreamverseRun *run = w->run;
  DvModelSpec spec = {0};
  DvError error = {0};
  DvModel *model;

  spec.model = run->settings.model;
  spec.device = run->settings.device;
  spec.progress = report_load;
  spec.user = w;
  start_progress (w, "open", "Opening the model");
  model = dv_model_open (&spec, &error);
  if (!model)
    return fail_open (w, &error);
  run->info = dv_model_info (model);
  run->spec.rate = run->info->sample_rate;
  run->spec.frames = run->settings.frames;
  run->spec.overlap = run->settings.overlap;
  run->spec.audio_overlap = run->settings.audio_overlap;
  /* The frame rate comes with the caps: one stands in for this check. */
  run->spec.fps_n = run->spec.fps_d = 1;
  w->session = dv_session_new (model, &error);
  if (!w->session || dv_segment_check (&run->spec, &error) != DV_OK) {
    g_mutex_lock (&w->src->lock);
    run->model = model;
    g_mutex_unlock (&w->src->lock);
    return fail_open (w, &error);
  }
  GST_INFO_OBJECT (
      w->src, "model \"%s\" on %s is open", run->info->name, run->info->device);
  gst_dreamverse_src_end_progress (
      w->src, run, GST_PROGRESS_TYPE_COMPLETE, "The model is open");
  g_mutex_lock (&w->src->lock);
  run->model = model;
  run->opened = TRUE;
  gst_dreamverse_src_wake (w->src);
  g_mutex_unlock (&w->src->lock);
  return TRUE;
}

static gboolean
load_image (Worker *w)
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
wait_negotiated (Worker *w)
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
check_memory (Worker *w)
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

/* ---- what goes into the queue ---- */

/* Stream time to running time. */
static GstClockTime
to_running (Worker *w, GstClockTime time)
{
  GstClockTime origin;

  g_mutex_lock (&w->src->lock);
  origin = w->src->origin;
  g_mutex_unlock (&w->src->lock);
  return time > origin ? time - origin : 0;
}

static void
enqueue (Worker *w, GstDreamverseLane lane, gpointer object)
{
  if (!g_atomic_int_get (&w->run->cancelled))
    gst_dreamverse_queue_push (&w->run->queue, lane, object);
  else
    gst_mini_object_unref (object);
}

static GstEvent *
title_event (Worker *w)
{
  const gchar *prompt = w->attempt.prompt;
  GstTagList *tags =
      gst_tag_list_new (GST_TAG_APPLICATION_NAME, w->run->info->name, NULL);

  gst_tag_list_set_scope (tags, GST_TAG_SCOPE_STREAM);
  if (*prompt)
    gst_tag_list_add (tags, GST_TAG_MERGE_REPLACE, GST_TAG_TITLE, prompt, NULL);
  return gst_event_new_tag (tags);
}

/* Before the first buffer of a segment. Lock held. */
static void
announce (Worker *w)
{
  GstStructure *s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_EVENT_SEGMENT);
  GstEvent *event, *title = title_event (w);
  GstClockTime time =
      dv_segment_frame_time (&w->run->spec, w->plan.first_frame);

  gst_dreamverse_structure_set_model (s, w->run->info);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT,
      w->plan.frames, GST_DREAMVERSE_FIELD_SAMPLES, G_TYPE_UINT64,
      (guint64)w->plan.samples, NULL);
  event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, s);
  gst_dreamverse_queue_begin_segment (&w->run->queue);
  enqueue (w, GST_DREAMVERSE_LANE_VIDEO, gst_event_ref (event));
  enqueue (w, GST_DREAMVERSE_LANE_AUDIO, event);
  enqueue (w, GST_DREAMVERSE_LANE_VIDEO, gst_event_ref (title));
  enqueue (w, GST_DREAMVERSE_LANE_AUDIO, title);
  /* The first frame is a keyframe anyway. To ask for it would do harm:
   * x264enc notes the request at a time 1000 hours later, the offset of its
   * timestamps, and then takes all others for too early. */
  if (w->plan.first_frame > 0)
    enqueue (w, GST_DREAMVERSE_LANE_VIDEO,
        gst_video_event_new_downstream_force_key_unit (
            time, time, w->attempt.start, TRUE, w->attempt.sequence));
  w->announced = TRUE;
}

/* @count samples from @samples, or silence, as the buffer that begins at
 * sample @first of the stream. */
static GstBuffer *
audio_buffer (Worker *w, const gfloat *samples, guint64 first, gsize count)
{
  const GstAudioInfo *info = &w->run->audio_info;
  gsize values = count * GST_AUDIO_INFO_CHANNELS (info), i;
  GstBuffer *buffer =
      gst_buffer_new_allocate (NULL, count * GST_AUDIO_INFO_BPF (info), NULL);
  GstClockTime start = dv_segment_sample_time (&w->run->spec, first);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  if (!samples)
    memset (map.data, 0, map.size);
  else if (GST_AUDIO_INFO_FORMAT (info) == GST_AUDIO_FORMAT_F32)
    memcpy (map.data, samples, map.size);
  else {
    gint16 *out = (gint16 *)map.data;

    for (i = 0; i < values; i++)
      out[i] = (gint16)(CLAMP (samples[i], -1.0f, 1.0f) * 32767.0f);
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = start;
  GST_BUFFER_DURATION (buffer) =
      dv_segment_sample_time (&w->run->spec, first + count) - start;
  GST_BUFFER_OFFSET (buffer) = first;
  GST_BUFFER_OFFSET_END (buffer) = first + count;
  return buffer;
}

/* Sound never runs ahead of the frames that are there: what is beyond them is
 * cut if the step is given up. @all: also what fills no whole buffer. */
static void
release_audio (Worker *w, gboolean all)
{
  const DvSegmentSpec *spec = &w->run->spec;
  guint64 limit =
      dv_segment_samples (spec, w->plan.first_frame + w->committed) -
      w->plan.first_sample;
  guint64 chunk = MAX (1, spec->rate / AUDIO_BUFFERS_PER_SECOND);
  guint channels = GST_AUDIO_INFO_CHANNELS (&w->run->audio_info);

  limit = MIN (limit, w->staged);
  while (w->released < limit && (all || limit - w->released >= chunk)) {
    gsize count = MIN (chunk, limit - w->released);
    GstBuffer *buffer = audio_buffer (w, w->samples + w->released * channels,
        w->plan.first_sample + w->released, count);

    g_mutex_lock (&w->src->lock);
    enqueue (w, GST_DREAMVERSE_LANE_AUDIO, buffer);
    if (!g_atomic_int_get (&w->run->cancelled))
      w->src->stats.samples += count;
    g_cond_broadcast (&w->src->cond);
    g_mutex_unlock (&w->src->lock);
    w->released += count;
  }
}

/* The sound ends where the pictures end: silence for what is missing. */
static void
close_audio (Worker *w)
{
  guint64 end =
      dv_segment_samples (&w->run->spec, w->plan.first_frame + w->committed) -
      w->plan.first_sample;
  guint channels = GST_AUDIO_INFO_CHANNELS (&w->run->audio_info);

  if (w->staged < end) {
    GST_INFO_OBJECT (w->src,
        "%s: %" G_GUINT64_FORMAT " samples of silence fill up the sound",
        w->attempt.stream_id, end - w->staged);
    memset (w->samples + w->staged * channels, 0,
        (end - w->staged) * channels * sizeof (gfloat));
    w->staged = end;
  }
  release_audio (w, TRUE);
}

/* ---- the generator's sink ---- */

static bool
sink_acquire_frame (void *user, uint32_t n, DvFrame *frame)
{
  Worker *w = user;
  GstBufferPoolAcquireParams params = {0};
  GstBuffer *buffer = NULL;
  guint i;

  /* Never wait for downstream inside a step. */
  params.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT;
  if (gst_buffer_pool_acquire_buffer (w->pool, &buffer, &params) != GST_FLOW_OK)
    buffer = gst_buffer_new_allocate (NULL, w->run->video_info.size, NULL);
  if (!buffer || !gst_video_frame_map (
                     &w->mapped, &w->run->video_info, buffer, GST_MAP_WRITE)) {
    gst_clear_buffer (&buffer);
    return false;
  }
  /* The mapping holds a reference of its own. */
  gst_buffer_unref (buffer);
  w->is_mapped = TRUE;
  for (i = 0; i < 3; i++) {
    frame->plane[i] = GST_VIDEO_FRAME_PLANE_DATA (&w->mapped, i);
    frame->stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE (&w->mapped, i);
  }
  return true;
}

/* Unmaps the frame; its buffer, or NULL. */
static GstBuffer *
take_mapped (Worker *w)
{
  GstBuffer *buffer;

  if (!w->is_mapped)
    return NULL;
  buffer = gst_buffer_ref (w->mapped.buffer);
  gst_video_frame_unmap (&w->mapped);
  w->is_mapped = FALSE;
  return buffer;
}

static bool
sink_commit_frame (void *user, uint32_t n)
{
  Worker *w = user;
  const DvSegmentSpec *spec = &w->run->spec;
  guint64 number = w->plan.first_frame + w->committed;
  GstBuffer *buffer = take_mapped (w);

  if (!buffer || w->committed >= w->plan.frames) {
    gst_clear_buffer (&buffer);
    return false;
  }
  GST_BUFFER_PTS (buffer) = dv_segment_frame_time (spec, number);
  GST_BUFFER_DTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION (buffer) =
      dv_segment_frame_time (spec, number + 1) - GST_BUFFER_PTS (buffer);
  GST_BUFFER_OFFSET (buffer) = number;
  GST_BUFFER_OFFSET_END (buffer) = number + 1;
  if (w->committed == 0)
    GST_INFO_OBJECT (w->src, "%s: first frame", w->attempt.stream_id);

  g_mutex_lock (&w->src->lock);
  if (g_atomic_int_get (&w->run->cancelled)) {
    g_mutex_unlock (&w->src->lock);
    gst_buffer_unref (buffer);
    return false;
  }
  if (!w->announced)
    announce (w);
  enqueue (w, GST_DREAMVERSE_LANE_VIDEO, buffer);
  w->src->stats.frames++;
  g_cond_broadcast (&w->src->cond);
  g_mutex_unlock (&w->src->lock);
  w->committed++;
  release_audio (w, FALSE);
  return true;
}

static bool
sink_commit_audio (void *user, const float *samples, size_t count)
{
  Worker *w = user;
  guint channels = GST_AUDIO_INFO_CHANNELS (&w->run->audio_info);

  count = MIN (count, w->plan.samples - w->staged);
  memcpy (w->samples + w->staged * channels, samples,
      count * channels * sizeof (gfloat));
  w->staged += count;
  release_audio (w, FALSE);
  return true;
}

static void
sink_progress (void *user, const char *stage, double fraction)
{
  Worker *w = user;
  GstStructure *s;

  if (fraction < w->fraction + PROGRESS_STEP && fraction < 1.0)
    return;
  if (fraction <= w->fraction || g_atomic_int_get (&w->run->cancelled))
    return;
  w->fraction = fraction;
  s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_MESSAGE_PROGRESS);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, stage,
      GST_DREAMVERSE_FIELD_FRACTION, G_TYPE_DOUBLE, fraction, NULL);
  gst_dreamverse_src_post (w->src, s);
}

static bool
sink_cancelled (void *user)
{
  Worker *w = user;

  return g_atomic_int_get (&w->run->cancelled) ||
         g_atomic_int_get (&w->run->abort_step);
}

/* ---- between two steps ---- */

/* How far generation may be ahead: at least one segment. */
static GstClockTime
step_lead (Worker *w)
{
  GstClockTime lead = w->run->settings.is_live ? 0 : w->src->max_lead;

  if (!GST_CLOCK_TIME_IS_VALID (lead))
    return lead;
  return MAX (lead, dv_segment_frame_time (&w->run->spec, w->run->spec.frames));
}

static gboolean
queue_has_room (Worker *w)
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
account_for_pause (Worker *w)
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
wait_boundary (Worker *w)
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
    if (run->eos || run->failed) {
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
  g_mutex_unlock (&src->lock);
  return boundary;
}

static void
post_stream_complete (Worker *w, gboolean last)
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
begin_epoch (Worker *w)
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
    gst_dreamverse_src_post (
        src, gst_structure_new (GST_DREAMVERSE_MESSAGE_RESET,
                 GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
                 GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, w->epoch, NULL));
    g_free (id);
  }
}

/* The prompt of the segment to be made, into the attempt. FALSE: none left. */
static gboolean
choose_prompt (Worker *w)
{
  GstDreamverseSrc *src = w->src;
  gchar *offered = NULL;
  gboolean ask, found;

  g_mutex_lock (&src->lock);
  ask = gst_dreamverse_steering_depth (&src->steering) == 0;
  g_mutex_unlock (&src->lock);
  if (ask)
    g_signal_emit_by_name (
        src, "need-prompt", w->epoch, w->index + 1, &offered);
  if (offered) {
    gchar *problem = gst_dreamverse_steering_check_prompt (offered);

    if (problem) {
      GST_ELEMENT_WARNING (src, STREAM, WRONG_TYPE,
          ("The prompt that need-prompt returned is not used: %s", problem),
          (NULL));
      g_clear_pointer (&offered, g_free);
    }
    g_free (problem);
  }
  g_mutex_lock (&src->lock);
  found = gst_dreamverse_steering_next (&src->steering, offered, src->loop,
      &w->attempt.prompt, &w->attempt.prompt_id);
  g_mutex_unlock (&src->lock);
  g_free (offered);
  return found;
}

/* ---- a step ---- */

static void
name_attempt (Worker *w)
{
  const DvSegmentSpec *spec = &w->run->spec;
  GstDreamverseAttempt *a = &w->attempt;

  a->epoch = w->epoch;
  a->index = w->index;
  a->sequence = w->sequence;
  g_snprintf (a->stream_id, sizeof a->stream_id, "seg%03u-%08x", w->index,
      g_random_int ());
  a->start = to_running (w, dv_segment_frame_time (spec, w->plan.first_frame));
  a->end = to_running (
      w, dv_segment_frame_time (spec, w->plan.first_frame + w->plan.frames));
  a->frames = w->plan.frames;
  a->samples = w->plan.samples;
}

static void
fill_request (Worker *w, DvRequest *request)
{
  GstDreamverseSrc *src = w->src;
  GstDreamverseRun *run = w->run;

  memset (request, 0, sizeof *request);
  request->prompt = w->attempt.prompt;
  request->index = w->index;
  request->reset = w->index == 1;
  request->width = run->width;
  request->height = run->height;
  request->fps_n = run->spec.fps_n;
  request->fps_d = run->spec.fps_d;
  request->frames = run->spec.frames;
  request->overlap = w->plan.trim_frames;
  request->first_frame = w->plan.trim_frames;
  request->first_sample = w->plan.first_sample - w->epoch_sample;
  request->samples = w->plan.samples;
  request->start_image = w->image ? &w->image->image : NULL;
  g_mutex_lock (&src->lock);
  request->seed = src->seed;
  request->pace = src->pace;
  request->stamp = src->stamp;
  w->pool = gst_object_ref (run->pool);
  g_mutex_unlock (&src->lock);
}

static void
post_segment_start (Worker *w)
{
  GstStructure *s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_MESSAGE_SEGMENT_START);

  gst_dreamverse_structure_set_model (s, w->run->info);
  gst_structure_set (
      s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT, w->attempt.frames, NULL);
  if (w->attempt.prompt_id)
    gst_structure_set (s, GST_DREAMVERSE_FIELD_PROMPT_ID, G_TYPE_STRING,
        w->attempt.prompt_id, NULL);
  gst_dreamverse_src_post (w->src, s);
}

static void
post_step_complete (Worker *w, const DvReport *report)
{
  GstStructure *s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE);
  GstStructure *timings = gst_dreamverse_timings_structure (report);

  gst_structure_set (s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT,
      w->attempt.frames, GST_DREAMVERSE_FIELD_SAMPLES, G_TYPE_UINT64,
      w->attempt.samples, GST_DREAMVERSE_FIELD_GENERATION_MS, G_TYPE_DOUBLE,
      report->total_ms, GST_DREAMVERSE_FIELD_TIMINGS, GST_TYPE_STRUCTURE,
      timings, NULL);
  gst_structure_free (timings);
  gst_dreamverse_src_post (w->src, s);
}

/* The segment has ended early: everybody learns its new end. */
static void
abort_attempt (Worker *w)
{
  GstDreamverseSrc *src = w->src;
  GstStructure *s;
  GstEvent *event;
  guint i;

  w->attempt.frames = w->committed;
  w->attempt.samples = w->released;
  w->attempt.end = to_running (w, dv_segment_frame_time (&w->run->spec,
                                      w->plan.first_frame + w->committed));
  if (w->committed > 0) {
    event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
        gst_dreamverse_attempt_structure (
            &w->attempt, GST_DREAMVERSE_EVENT_SEGMENT_ABORTED));
    for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
      gst_pad_push_event (src->lane[i].pad, gst_event_ref (event));
    gst_event_unref (event);
  }
  g_mutex_lock (&src->lock);
  src->stats.aborted++;
  g_mutex_unlock (&src->lock);
  s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_MESSAGE_STEP_ABORTED);
  gst_structure_set (
      s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT, w->committed, NULL);
  GST_INFO_OBJECT (
      src, "%s: given up after %u frames", w->attempt.stream_id, w->committed);
  gst_dreamverse_src_post (src, s);
}

static void
fail_step (Worker *w, const DvError *error)
{
  GstDreamverseSrc *src = w->src;
  GstStructure *s;

  gst_dreamverse_src_end_progress (
      src, w->run, GST_PROGRESS_TYPE_ERROR, error->detail);
  abort_attempt (w);
  s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, "generate",
      GST_DREAMVERSE_FIELD_CODE, G_TYPE_STRING, "generation-failed",
      GST_DREAMVERSE_FIELD_MESSAGE, G_TYPE_STRING, error->detail, NULL);
  gst_dreamverse_src_post (src, s);
  if (gst_dreamverse_src_fail (src, w->run))
    GST_ELEMENT_ERROR (src, LIBRARY, FAILED,
        ("Segment %u could not be generated: %s", w->attempt.index,
            error->detail),
        ("stage %s, stream %s", error->stage, w->attempt.stream_id));
}

static void
complete_step (Worker *w, const DvReport *report)
{
  GstDreamverseSrc *src = w->src;

  w->completed++;
  g_mutex_lock (&src->lock);
  gst_dreamverse_stats_add (&src->stats, &w->attempt, report);
  g_mutex_unlock (&src->lock);
  GST_INFO_OBJECT (src, "%s: generated %u frames in %.1f ms",
      w->attempt.stream_id, w->committed, report->total_ms);
  gst_dreamverse_src_end_progress (
      src, w->run, GST_PROGRESS_TYPE_COMPLETE, "The segment is generated");
  post_step_complete (w, report);
}

/* Makes one segment, with its prompt chosen. FALSE: it failed for good. */
static gboolean
step (Worker *w)
{
  GstDreamverseRun *run = w->run;
  const DvSink sink = {w, sink_acquire_frame, sink_commit_frame,
      sink_commit_audio, sink_progress, sink_cancelled};
  DvRequest request;
  DvReport report = {0};
  DvError error = {0};
  DvStatus status;
  GstBuffer *half;
  gboolean go = TRUE;
  gchar *code;

  w->index++;
  w->sequence++;
  dv_segment_plan (&run->spec, w->frames, w->index > 1, &w->plan);
  name_attempt (w);
  w->committed = 0;
  w->staged = w->released = 0;
  w->announced = FALSE;
  w->fraction = 0;
  w->samples = g_new (
      gfloat, w->plan.samples * GST_AUDIO_INFO_CHANNELS (&run->audio_info));
  fill_request (w, &request);
  GST_INFO_OBJECT (w->src, "%s: generating segment %u of epoch %u, %u frames",
      w->attempt.stream_id, w->index, w->epoch, w->plan.frames);
  code = g_strdup_printf ("step-%" G_GUINT64_FORMAT, w->sequence);
  start_progress (w, code, "Generating a segment");
  g_free (code);
  post_segment_start (w);

  status = dv_session_step (w->session, &request, &sink, &report, &error);

  half = take_mapped (w);
  gst_clear_buffer (&half);
  close_audio (w);
  w->frames += w->committed;
  if (status == DV_OK && w->committed < w->plan.frames)
    status = dv_fail (&error, DV_ERROR_FORMAT, "step",
        "the generator made %u of %u frames", w->committed, w->plan.frames);
  if (g_atomic_int_get (&run->cancelled) && status != DV_OK)
    status = DV_CANCELLED;
  if (status == DV_OK)
    complete_step (w, &report);
  else if (status == DV_CANCELLED) {
    gst_dreamverse_src_end_progress (
        w->src, run, GST_PROGRESS_TYPE_CANCELED, NULL);
    if (!g_atomic_int_get (&run->cancelled))
      abort_attempt (w);
  } else {
    fail_step (w, &error);
    go = FALSE;
  }
  g_clear_pointer (&w->samples, g_free);
  gst_clear_object (&w->pool);
  gst_dreamverse_attempt_clear (&w->attempt);
  return go;
}

/* ---- the end ---- */

/* Nothing more comes: closing silence, and the end on both pads. */
static void
end_stream (Worker *w)
{
  GstDreamverseSrc *src = w->src;
  GstDreamverseRun *run = w->run;
  GstBuffer *silence = NULL;

  post_stream_complete (w, TRUE);
  if (w->frames > 0) {
    silence = audio_buffer (
        w, NULL, dv_segment_samples (&run->spec, w->frames), CLOSING_SILENCE);
    GST_BUFFER_FLAG_SET (silence, GST_BUFFER_FLAG_GAP);
  }
  g_mutex_lock (&src->lock);
  if (silence)
    enqueue (w, GST_DREAMVERSE_LANE_AUDIO, silence);
  enqueue (w, GST_DREAMVERSE_LANE_VIDEO, gst_event_new_eos ());
  enqueue (w, GST_DREAMVERSE_LANE_AUDIO, gst_event_new_eos ());
  run->draining = run->eos;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
}

static void
generate (Worker *w)
{
  for (;;) {
    switch (wait_boundary (w)) {
      case CANCELLED:
        return;
      case END:
        if (!w->run->failed)
          end_stream (w);
        return;
      case RESET:
        begin_epoch (w);
        continue;
      case GO:
        break;
    }
    if (!choose_prompt (w)) {
      end_stream (w);
      return;
    }
    /* A handler may have paused, reset or stopped the source. */
    if (!step (w))
      return;
  }
}

gpointer
gst_dreamverse_src_worker (gpointer data)
{
  GstDreamverseWorkerArgs *args = data;
  Worker w = {0};
  GstDreamverseSrc *src = args->src;
  GstDreamverseRun *run = args->run;

  g_free (args);
  w.src = src;
  w.run = run;
  w.epoch = 1;
  if (open_model (&w) && load_image (&w) && wait_negotiated (&w) &&
      check_memory (&w))
    generate (&w);
  g_clear_pointer (&w.session, dv_session_free);
  g_clear_pointer (&w.image, gst_dreamverse_image_free);
  gst_dreamverse_attempt_clear (&w.attempt);

  g_mutex_lock (&src->lock);
  run->finished = TRUE;
  g_cond_broadcast (&src->cond);
  g_mutex_unlock (&src->lock);
  gst_dreamverse_run_unref (run);
  gst_object_unref (src);
  return NULL;
}
