/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session of the procedural generator: makes one segment after another.
 *
 * Threads: a session belongs to one thread at a time.
 */
#include "procedural.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../model.h"
#include "painter.h"
#include "stamp.h"
#include "synth.h"
#include "timeline.h"

#define WAIT_SLICE_NS 10000000 /* how often a wait looks at cancelled() */
#define PACE_QUIET 0.9         /* the part of the pace without any frame */

typedef struct {
  DvSession parent;
  DvTimeline timeline; /* the continuation state */
  DvTimeline next;     /* what it will be when the running step succeeds */
  DvPainter *painter;
  uint32_t width, height; /* the painter's */
  DvSynth synth;
} Session;

/* One running step. Times are in nanoseconds. */
typedef struct {
  Session *session;
  const DvRequest *request;
  const DvSink *sink;
  DvError *error;
  DvTimelinePoint point;
  uint64_t sample, last_sample;
  uint32_t committed;
  uint64_t begun, drawing, playing, pacing, handing;
} Step;

static uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Adds what has passed since @since to @sum. */
static void
count_time (uint64_t *sum, uint64_t since)
{
  *sum += now_ns () - since;
}

DvSession *
dv_procedural_session_new (DvModel *model, DvError *error)
{
  Session *session = calloc (1, sizeof *session);

  if (!session) {
    dv_fail (error, DV_ERROR_MEMORY, "session",
        "no memory for a session of %zu bytes", sizeof *session);
    return NULL;
  }
  return &session->parent;
}

void
dv_procedural_session_free (DvSession *session)
{
  dv_painter_free (((Session *)session)->painter);
  free (session);
}

void
dv_procedural_session_reset (DvSession *session)
{
  dv_timeline_clear (&((Session *)session)->timeline);
}

DvStatus
dv_procedural_session_save (
    DvSession *session, uint8_t **data, size_t *size, DvError *error)
{
  *data = dv_timeline_save (&((Session *)session)->timeline, size);
  if (!*data)
    return dv_fail (
        error, DV_ERROR_MEMORY, "save", "no memory for the saved state");
  return DV_OK;
}

DvStatus
dv_procedural_session_load (
    DvSession *session, const uint8_t *data, size_t size, DvError *error)
{
  return dv_timeline_load (&((Session *)session)->timeline, data, size, error);
}

static bool
is_cancelled (const Step *step)
{
  return step->sink->cancelled && step->sink->cancelled (step->sink->user);
}

static DvStatus
cancel (const Step *step)
{
  return dv_fail (step->error, DV_CANCELLED, "step",
      "segment %u was cancelled after %u frames", step->request->index,
      step->committed);
}

/* The sink said no: because it was told to stop, or because it failed. */
static DvStatus
refused (const Step *step, const char *what)
{
  if (is_cancelled (step))
    return cancel (step);
  return dv_fail (step->error, DV_ERROR_SINK, "step",
      "the receiver of segment %u refused %s after %u frames",
      step->request->index, what, step->committed);
}

static void
tell_progress (const Step *step, const char *stage, double fraction)
{
  if (step->sink->progress)
    step->sink->progress (step->sink->user, stage, fraction);
}

static DvStatus
prepare_painter (Step *step)
{
  Session *session = step->session;
  const DvRequest *request = step->request;

  if (session->painter && session->width == request->width &&
      session->height == request->height)
    return DV_OK;
  dv_painter_free (session->painter);
  session->painter = dv_painter_new (request->width, request->height);
  if (!session->painter)
    return dv_fail (step->error, DV_ERROR_MEMORY, "step",
        "no memory to draw pictures of %ux%u pixels", request->width,
        request->height);
  session->width = request->width;
  session->height = request->height;
  return DV_OK;
}

/* A clean start: the prompt's scene, coloured by the start image. */
static DvStatus
start_timeline (Step *step)
{
  const DvRequest *request = step->request;
  DvScene scene;

  if (request->overlap > 0)
    return dv_fail (step->error, DV_ERROR_ARGUMENT, "step",
        "segment %u is to repeat %u frames, but starts clean: there is "
        "nothing to repeat",
        request->index, request->overlap);
  memset (&scene, 0, sizeof scene);
  dv_scene_read (&scene, request->prompt, request->seed);
  if (request->start_image)
    dv_scene_colour (&scene, request->start_image);
  dv_timeline_start (
      &step->session->next, request->fps_n, request->fps_d, &scene);
  return DV_OK;
}

static DvStatus
continue_timeline (Step *step)
{
  const DvRequest *request = step->request;
  DvTimeline *timeline = &step->session->next;
  uint64_t head = timeline->head.frame;
  DvScene scene;

  if ((uint64_t)request->fps_n * timeline->fps_d !=
      (uint64_t)timeline->fps_n * request->fps_d)
    return dv_fail (step->error, DV_ERROR_ARGUMENT, "step",
        "a frame rate of %u/%u cannot continue one of %u/%u: reset first",
        request->fps_n, request->fps_d, timeline->fps_n, timeline->fps_d);
  if (request->overlap > head)
    return dv_fail (step->error, DV_ERROR_ARGUMENT, "step",
        "segment %u is to repeat %u frames; there were only %llu so far",
        request->index, request->overlap, (unsigned long long)head);
  if (head - request->overlap + request->first_frame <
      dv_timeline_oldest (timeline))
    return dv_fail (step->error, DV_ERROR_ARGUMENT, "step",
        "segment %u is to show %u frames again; at most the last %u are known",
        request->index, request->overlap - request->first_frame,
        DV_TIMELINE_HISTORY - 1);
  memset (&scene, 0, sizeof scene);
  dv_scene_read (&scene, request->prompt, request->seed);
  dv_timeline_turn (timeline, &scene, request->frames - request->overlap);
  return DV_OK;
}

/* Reads the prompt into the timeline that this step would leave behind, and
 * stands at the first frame to be drawn. */
static DvStatus
prepare_timeline (Step *step)
{
  Session *session = step->session;
  const DvRequest *request = step->request;
  DvStatus status;

  session->next = session->timeline;
  if (request->reset || !session->next.started)
    status = start_timeline (step);
  else
    status = continue_timeline (step);
  if (status != DV_OK)
    return status;
  dv_timeline_seek (&session->next,
      session->next.head.frame - request->overlap + request->first_frame,
      &step->point);
  dv_synth_start (&session->synth, &session->next.sound, request->stamp);
  return DV_OK;
}

/* Sleeps until @due, or until the caller wants to stop. */
static DvStatus
wait_until (Step *step, uint64_t due)
{
  uint64_t since = now_ns (), now = since, told = since;

  while (now < due) {
    uint64_t until = due - now > WAIT_SLICE_NS ? now + WAIT_SLICE_NS : due;
    struct timespec at = {.tv_sec = (time_t)(until / 1000000000u),
        .tv_nsec = (long)(until % 1000000000u)};

    if (is_cancelled (step))
      return cancel (step);
    clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    now = now_ns ();
    if (now - told > 100000000u) {
      told = now;
      tell_progress (step, "pace",
          (double)(now - step->begun) / (step->request->pace * 1e9));
    }
  }
  count_time (&step->pacing, since);
  return DV_OK;
}

/* When frame @n may be committed at the earliest: none in the first nine
 * tenths, then one after the other, the last at the end of the pace. */
static uint64_t
frame_due (const Step *step, uint32_t n)
{
  const DvRequest *request = step->request;
  double shown = (double)(n - request->first_frame + 1) /
                 (request->frames - request->first_frame);

  return step->begun + (uint64_t)(request->pace * 1e9 *
                                  (PACE_QUIET + (1 - PACE_QUIET) * shown));
}

static DvStatus
make_frame (Step *step, uint32_t n)
{
  const DvRequest *request = step->request;
  const DvSink *sink = step->sink;
  DvMoment moment;
  DvFrame frame;
  uint64_t since = now_ns ();

  dv_timeline_moment (&step->point, &moment);
  /* A new scene takes long enough that one may want to stop meanwhile. */
  if (!dv_painter_prepare (
          step->session->painter, &moment, sink->cancelled, sink->user))
    return cancel (step);
  count_time (&step->drawing, since);
  since = now_ns ();
  if (!sink->acquire_frame (sink->user, n, &frame))
    return refused (step, "a frame");
  count_time (&step->handing, since);
  since = now_ns ();
  dv_painter_draw (step->session->painter, &moment, &frame);
  if (request->stamp)
    dv_stamp_draw (&frame, request->width, request->height, request->index, n);
  count_time (&step->drawing, since);
  since = now_ns ();
  if (!sink->commit_frame (sink->user, n))
    return refused (step, "a frame");
  count_time (&step->handing, since);
  step->committed++;
  return DV_OK;
}

/* The first sample that does not belong to the frames up to @frame. */
static uint64_t
boundary (const Step *step, uint64_t frame)
{
  const DvRequest *request = step->request;
  unsigned __int128 scaled =
      (unsigned __int128)(frame + 1) * DV_PROCEDURAL_RATE * request->fps_d;

  return (uint64_t)((scaled + request->fps_n / 2) / request->fps_n);
}

/* Commits the samples below @end. */
static DvStatus
make_sound (Step *step, uint64_t end)
{
  const DvSink *sink = step->sink;
  float samples[DV_PROCEDURAL_CHANNELS * DV_SYNTH_BLOCK];
  DvMoment moment;

  if (end <= step->sample)
    return DV_OK;
  /* The track gets this frame's scene where it is not known yet. */
  dv_timeline_moment (&step->point, &moment);
  while (step->sample < end) {
    uint64_t since = now_ns (), left = end - step->sample;
    size_t count = left > DV_SYNTH_BLOCK ? DV_SYNTH_BLOCK : (size_t)left;

    if (is_cancelled (step))
      return cancel (step);
    dv_track_extend (&step->session->next.sound,
        (step->sample + count - 1) / DV_TRACK_STEP + 1, &moment.scene);
    dv_synth_render (&step->session->synth, step->sample, count, samples);
    count_time (&step->playing, since);
    since = now_ns ();
    if (!sink->commit_audio (sink->user, samples, count))
      return refused (step, "samples");
    count_time (&step->handing, since);
    step->sample += count;
  }
  return DV_OK;
}

/* All frames, and with each the sound that belongs to it, so that both come
 * out together. The point ends on the last frame. */
static DvStatus
make_segment (Step *step)
{
  const DvRequest *request = step->request;
  DvStatus status = DV_OK;

  for (uint32_t n = request->first_frame; n < request->frames; n++) {
    uint64_t end;

    if (is_cancelled (step))
      return cancel (step);
    if (request->pace > 0)
      status = wait_until (step, frame_due (step, n));
    if (status == DV_OK)
      status = make_frame (step, n);
    if (status != DV_OK)
      return status;
    end = boundary (step, step->point.frame);
    if (end > step->last_sample || n + 1 == request->frames)
      end = step->last_sample;
    status = make_sound (step, end);
    if (status != DV_OK)
      return status;
    tell_progress (step, "draw", (double)(n + 1) / (double)request->frames);
    if (n + 1 < request->frames)
      dv_timeline_next (&step->session->next, &step->point);
  }
  return DV_OK;
}

static void
add_stage (DvReport *report, const char *name, uint64_t ns)
{
  DvStageTime *stage = &report->stage[report->n_stages++];

  strncpy (stage->name, name, sizeof stage->name - 1);
  stage->ms = (double)ns / 1e6;
}

/* Time in which the sink was busy, or made us wait, is the media side's. */
static void
fill_report (
    const Step *step, uint64_t prepared, uint64_t end, DvReport *report)
{
  memset (report, 0, sizeof *report);
  report->index = step->request->index;
  report->frames = step->committed;
  report->samples = step->sample - step->request->first_sample;
  report->total_ms = (double)(end - step->begun - step->handing) / 1e6;
  add_stage (report, "prepare", prepared - step->begun);
  add_stage (report, "draw", step->drawing);
  add_stage (report, "synthesise", step->playing);
  if (step->request->pace > 0)
    add_stage (report, "pace", step->pacing);
}

DvStatus
dv_procedural_session_step (DvSession *parent, const DvRequest *request,
    const DvSink *sink, DvReport *report, DvError *error)
{
  Session *session = (Session *)parent;
  Step step = {.session = session,
      .request = request,
      .sink = sink,
      .error = error,
      .begun = now_ns ()};
  DvStatus status;
  uint64_t prepared;

  if ((status = dv_procedural_check (request, error)) != DV_OK ||
      (status = prepare_timeline (&step)) != DV_OK ||
      (status = prepare_painter (&step)) != DV_OK)
    return status;
  step.sample = request->first_sample;
  step.last_sample = request->first_sample + request->samples;
  prepared = now_ns ();

  if ((status = make_segment (&step)) != DV_OK)
    return status;
  /* The newest frame is done: the head stands one after it. */
  dv_timeline_next (&session->next, &step.point);
  dv_timeline_advance (&session->next, &step.point);
  session->timeline = session->next;
  if (report)
    fill_report (&step, prepared, now_ns (), report);
  return DV_OK;
}
