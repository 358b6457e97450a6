/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One segment of dreamversesrc: the generator's sink, which puts frames and
 * samples into the queue, and what is told about the segment.
 *
 * Threads: the generation thread.
 */
#include "gstdreamverse.h"
#include "gstdreamversesrcworker.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

#define AUDIO_BUFFERS_PER_SECOND 50
#define PROGRESS_STEP 0.05

/* ---- what goes into the queue ---- */

/* A structure that names the segment, in running time. */
static GstStructure *
describe (GstDreamverseWorker *w, const gchar *name)
{
  GstStructure *s = gst_dreamverse_attempt_structure (&w->attempt, name);
  GstClockTime origin;

  g_mutex_lock (&w->src->lock);
  origin = w->src->origin;
  g_mutex_unlock (&w->src->lock);
  gst_dreamverse_structure_to_running (s, origin);
  return s;
}

void
gst_dreamverse_worker_enqueue (
    GstDreamverseWorker *w, GstDreamverseLane lane, gpointer object)
{
  if (!g_atomic_int_get (&w->run->cancelled))
    gst_dreamverse_queue_push (&w->run->queue, lane, object);
  else
    gst_dreamverse_queue_refuse (&w->run->queue, object);
}

static GstEvent *
title_event (GstDreamverseWorker *w)
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
announce (GstDreamverseWorker *w)
{
  /* In stream time: the pads know the running time when they push it. */
  GstStructure *s = gst_dreamverse_attempt_structure (
      &w->attempt, GST_DREAMVERSE_EVENT_SEGMENT);
  GstEvent *event, *title = title_event (w);

  gst_dreamverse_structure_set_model (s, w->run->info);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT,
      w->plan.frames, GST_DREAMVERSE_FIELD_SAMPLES, G_TYPE_UINT64,
      (guint64)w->plan.samples, GST_DREAMVERSE_FIELD_LAST, G_TYPE_BOOLEAN,
      w->src->segments && w->attempt.index >= w->src->segments, NULL);
  gst_clear_structure (&w->latest);
  w->latest = gst_structure_copy (s);
  event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM, s);
  gst_dreamverse_queue_begin_segment (&w->run->queue);
  gst_dreamverse_worker_enqueue (
      w, GST_DREAMVERSE_LANE_VIDEO, gst_event_ref (event));
  gst_dreamverse_worker_enqueue (w, GST_DREAMVERSE_LANE_AUDIO, event);
  gst_dreamverse_worker_enqueue (
      w, GST_DREAMVERSE_LANE_VIDEO, gst_event_ref (title));
  gst_dreamverse_worker_enqueue (w, GST_DREAMVERSE_LANE_AUDIO, title);
  w->announced = TRUE;
}

/* @count samples from @samples, or silence, as the buffer that begins at
 * sample @first of the stream. */
GstBuffer *
gst_dreamverse_worker_audio_buffer (
    GstDreamverseWorker *w, const gfloat *samples, guint64 first, gsize count)
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
release_audio (GstDreamverseWorker *w, gboolean all)
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
    GstBuffer *buffer = gst_dreamverse_worker_audio_buffer (w,
        w->samples + w->released * channels, w->plan.first_sample + w->released,
        count);

    g_mutex_lock (&w->src->lock);
    gst_dreamverse_worker_enqueue (w, GST_DREAMVERSE_LANE_AUDIO, buffer);
    if (!g_atomic_int_get (&w->run->cancelled))
      w->src->stats.samples += count;
    g_cond_broadcast (&w->src->cond);
    gst_dreamverse_src_unlock (w->src, w->run);
    w->released += count;
  }
}

/* The sound ends where the pictures end: silence for what is missing. */
static void
close_audio (GstDreamverseWorker *w)
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
  GstDreamverseWorker *w = user;
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
take_mapped (GstDreamverseWorker *w)
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
  GstDreamverseWorker *w = user;
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
  gst_dreamverse_worker_enqueue (w, GST_DREAMVERSE_LANE_VIDEO, buffer);
  w->src->stats.frames++;
  g_cond_broadcast (&w->src->cond);
  gst_dreamverse_src_unlock (w->src, w->run);
  w->committed++;
  release_audio (w, FALSE);
  return true;
}

static bool
sink_commit_audio (void *user, const float *samples, size_t count)
{
  GstDreamverseWorker *w = user;
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
  GstDreamverseWorker *w = user;
  GstStructure *s;

  if (fraction < w->fraction + PROGRESS_STEP && fraction < 1.0)
    return;
  if (fraction <= w->fraction || g_atomic_int_get (&w->run->cancelled))
    return;
  w->fraction = fraction;
  s = describe (w, GST_DREAMVERSE_MESSAGE_PROGRESS);
  gst_structure_set (s, GST_DREAMVERSE_FIELD_STAGE, G_TYPE_STRING, stage,
      GST_DREAMVERSE_FIELD_FRACTION, G_TYPE_DOUBLE, fraction, NULL);
  gst_dreamverse_src_post (w->src, s);
}

static bool
sink_cancelled (void *user)
{
  GstDreamverseWorker *w = user;

  return g_atomic_int_get (&w->run->cancelled) ||
         g_atomic_int_get (&w->run->abort_step);
}

/* ---- a step ---- */

static void
name_attempt (GstDreamverseWorker *w)
{
  const DvSegmentSpec *spec = &w->run->spec;
  GstDreamverseAttempt *a = &w->attempt;

  a->epoch = w->epoch;
  a->index = w->index;
  a->sequence = w->sequence;
  g_snprintf (a->stream_id, sizeof a->stream_id, "seg%03u-%08x", w->index,
      g_random_int ());
  a->start = dv_segment_frame_time (spec, w->plan.first_frame);
  a->end = dv_segment_frame_time (spec, w->plan.first_frame + w->plan.frames);
  a->frames = w->plan.frames;
  a->samples = w->plan.samples;
}

static void
fill_request (GstDreamverseWorker *w, DvRequest *request)
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
  request->next_overlap = run->spec.overlap;
  /* The segment before has no more sound than it has frames. */
  if (w->plan.trim_frames)
    request->audio_overlap = MIN (run->spec.audio_overlap, run->spec.frames);
  /* A strength of 0 means 1 to the generator, and no picture to people. */
  if (w->image && run->settings.image_strength > 0)
    request->start_image = &w->image->image;
  request->image_strength = run->settings.image_strength;
  request->one_stage = run->settings.one_stage;
  for (guint i = 0; i < 2; i++)
    if (w->steps.n[i] > 0) {
      request->sigmas[i] = w->steps.sigmas[i];
      request->n_sigmas[i] = w->steps.n[i];
    }
  g_mutex_lock (&src->lock);
  request->seed = src->seed;
  request->pace = src->pace;
  request->stamp = src->stamp;
  w->pool = gst_object_ref (run->pool);
  g_mutex_unlock (&src->lock);
}

static void
post_segment_start (GstDreamverseWorker *w)
{
  GstStructure *s = describe (w, GST_DREAMVERSE_MESSAGE_SEGMENT_START);

  gst_dreamverse_structure_set_model (s, w->run->info);
  gst_structure_set (
      s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT, w->attempt.frames, NULL);
  if (w->attempt.prompt_id)
    gst_structure_set (s, GST_DREAMVERSE_FIELD_PROMPT_ID, G_TYPE_STRING,
        w->attempt.prompt_id, NULL);
  gst_dreamverse_src_post (w->src, s);
}

static void
post_step_complete (GstDreamverseWorker *w, const DvReport *report)
{
  GstStructure *s = describe (w, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE);
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
abort_attempt (GstDreamverseWorker *w)
{
  GstDreamverseSrc *src = w->src;
  GstStructure *s;
  GstEvent *event;
  guint i;

  w->attempt.frames = w->committed;
  w->attempt.samples = w->released;
  w->attempt.end =
      dv_segment_frame_time (&w->run->spec, w->plan.first_frame + w->committed);
  if (w->committed > 0) {
    event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM_OOB,
        describe (w, GST_DREAMVERSE_EVENT_SEGMENT_ABORTED));
    for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
      gst_pad_push_event (src->lane[i].pad, gst_event_ref (event));
    gst_event_unref (event);
  }
  g_mutex_lock (&src->lock);
  src->stats.aborted++;
  g_mutex_unlock (&src->lock);
  s = describe (w, GST_DREAMVERSE_MESSAGE_STEP_ABORTED);
  gst_structure_set (
      s, GST_DREAMVERSE_FIELD_FRAMES, G_TYPE_UINT, w->committed, NULL);
  GST_INFO_OBJECT (
      src, "%s: given up after %u frames", w->attempt.stream_id, w->committed);
  gst_dreamverse_src_post (src, s);
}

static void
fail_step (GstDreamverseWorker *w, const DvError *error)
{
  GstDreamverseSrc *src = w->src;
  GstStructure *s;

  abort_attempt (w);
  s = describe (w, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR);
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
complete_step (GstDreamverseWorker *w, const DvReport *report)
{
  GstDreamverseSrc *src = w->src;

  w->completed++;
  g_mutex_lock (&src->lock);
  gst_dreamverse_stats_add (&src->stats, &w->attempt, report);
  g_mutex_unlock (&src->lock);
  GST_INFO_OBJECT (src, "%s: generated %u frames in %.1f ms",
      w->attempt.stream_id, w->committed, report->total_ms);
  post_step_complete (w, report);
}

/* Makes one segment, with its prompt chosen. FALSE: it failed for good. */
gboolean
gst_dreamverse_worker_step (GstDreamverseWorker *w)
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

  w->index++;
  w->sequence++;
  dv_segment_plan (&run->spec, w->frames, w->index > 1, &w->plan);
  name_attempt (w);
  w->committed = 0;
  w->staged = w->released = 0;
  w->announced = FALSE;
  w->fraction = 0;
  w->samples = g_try_new (
      gfloat, w->plan.samples * GST_AUDIO_INFO_CHANNELS (&run->audio_info));
  fill_request (w, &request);
  GST_INFO_OBJECT (w->src, "%s: generating segment %u of epoch %u, %u frames",
      w->attempt.stream_id, w->index, w->epoch, w->plan.frames);
  post_segment_start (w);

  if (w->samples)
    status = dv_session_step (w->session, &request, &sink, &report, &error);
  else
    status = dv_fail (&error, DV_ERROR_MEMORY, "step",
        "there is no memory for %" G_GUINT64_FORMAT " samples of sound",
        (guint64)w->plan.samples);

  half = take_mapped (w);
  gst_clear_buffer (&half);
  close_audio (w);
  w->frames += w->committed;
  if (status == DV_OK && w->committed < w->plan.frames)
    status = dv_fail (&error, DV_ERROR_FORMAT, "step",
        "the generator made %u of %u frames", w->committed, w->plan.frames);
  /* The element may run again by now: what this step made is nobody's. */
  if (g_atomic_int_get (&run->cancelled))
    status = DV_CANCELLED;
  if (status == DV_OK)
    complete_step (w, &report);
  else if (status == DV_CANCELLED) {
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
