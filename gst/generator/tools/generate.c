/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Makes segments and writes them while they are made: one frame is in memory
 * at a time.
 */
#include "generate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pictures.h"
#include "report.h"
#include "segment.h"
#include "state-file.h"
#include "stop.h"
#include "wav.h"

typedef struct {
  const Options *options;
  Progress *progress;

  DvImage image; /* pixels NULL: none */
  uint8_t *restored;
  size_t restored_size;
  StreamState before; /* this run */

  Pictures pictures;
  Wav wav;
  Loading loading;
  DvModel *model;
  uint8_t *memory, *frame;

  /* One run of the segments */
  DvSession *session;
  DvSegmentSpec spec;
  StreamState state;

  /* One segment */
  DvSegmentPlan plan;
  uint32_t committed;
  uint64_t heard; /* samples */
  double begun, first_ms;
  DvError failure; /* of writing; code DV_OK: none */
} Job;

/* ---- the generator's sink ---- */

static bool
acquire_frame (void *user, uint32_t n, DvFrame *frame)
{
  Job *job = user;
  uint32_t width = job->options->width, height = job->options->height;
  uint32_t columns = (width + 1) / 2;

  frame->plane[0] = job->frame;
  frame->plane[1] = job->frame + (size_t)width * height;
  frame->plane[2] = frame->plane[1] + (size_t)columns * ((height + 1) / 2);
  frame->stride[0] = width;
  frame->stride[1] = frame->stride[2] = columns;
  return true;
}

static bool
commit_frame (void *user, uint32_t n)
{
  Job *job = user;

  if (job->committed == 0)
    job->first_ms = (progress_now () - job->begun) * 1000;
  if (pictures_write (&job->pictures, job->plan.first_frame + job->committed,
          job->frame, &job->failure) != DV_OK)
    return false;
  job->committed++;
  return true;
}

static bool
commit_audio (void *user, const float *samples, size_t count)
{
  Job *job = user;
  uint64_t left = job->plan.samples - job->heard;

  if (count > left)
    count = (size_t)left;
  job->heard += count;
  return !job->options->wav ||
         wav_write (&job->wav, samples, count, &job->failure) == DV_OK;
}

static void
on_progress (void *user, const char *stage, double fraction)
{
  progress_stage (((Job *)user)->progress, stage, fraction);
}

static bool
is_cancelled (void *user)
{
  return stop_asked ();
}

/* ---- one segment ---- */

static DvRequest
request_of (const Job *job, uint32_t segment)
{
  const Options *options = job->options;
  DvRequest request = {
      .prompt = prompts_get (&options->prompts, segment),
      .index = job->state.segments + 1,
      .reset = job->state.segments == 0,
      .seed = options->seed,
      .width = options->width,
      .height = options->height,
      .fps_n = options->fps_n,
      .fps_d = options->fps_d,
      .frames = options->frames,
      .overlap = job->plan.trim_frames,
      .first_frame = job->plan.trim_frames,
      .first_sample = job->plan.first_sample,
      .samples = job->plan.samples,
      .audio_overlap = options->audio_overlap,
      .one_stage = options->one_stage,
      .image_strength = options->image_strength,
  };

  if (job->image.pixels)
    request.start_image = &job->image;
  for (int stage = 0; stage < 2; stage++)
    if (options->steps.n[stage]) {
      request.sigmas[stage] = options->steps.sigmas[stage];
      request.n_sigmas[stage] = options->steps.n[stage];
    }
  return request;
}

/* The sound ends where the pictures end. */
static DvStatus
end_sound (Job *job, uint64_t frames, DvError *error)
{
  if (!job->options->wav)
    return DV_OK;
  return wav_end_at (&job->wav,
      dv_segment_samples (&job->spec, frames) -
          dv_segment_samples (&job->spec, job->before.frames),
      error);
}

static DvStatus
save_state (Job *job, DvError *error)
{
  uint8_t *data;
  size_t size;
  DvStatus status = dv_session_save (job->session, &data, &size, error);

  if (status != DV_OK)
    return status;
  status = state_file_write (
      job->options->state_out, &job->state, data, size, error);
  free (data);
  return status;
}

/* After a segment that was not finished: what is written is made whole. */
static DvStatus
give_up (Job *job, DvStatus status, DvError *error)
{
  if (job->failure.code != DV_OK) {
    *error = job->failure;
    status = job->failure.code;
  }
  if (job->failure.code == DV_OK || job->wav.file.whole > 0)
    end_sound (job, job->state.frames + job->committed, NULL);
  if (status == DV_CANCELLED)
    progress_say (job->progress, NORMAL,
        "stopped in segment %u, after %u of its %u frames",
        job->state.segments + 1, job->committed, job->plan.frames);
  return status;
}

static DvStatus
make_segment (Job *job, uint32_t segment, RunReport *run, DvError *error)
{
  const Options *options = job->options;
  DvSink sink = {job, acquire_frame, commit_frame, commit_audio, on_progress,
      is_cancelled};
  double fps = (double)options->fps_n / options->fps_d, wall_ms;
  DvRequest request;
  DvReport report;
  DvStatus status;

  dv_segment_plan (
      &job->spec, job->state.frames, job->state.segments > 0, &job->plan);
  request = request_of (job, segment);
  job->committed = 0;
  job->heard = 0;
  job->failure.code = DV_OK;
  progress_say (job->progress, VERBOSE,
      "segment %u of the stream: frames %" PRIu64 " to %" PRIu64
      ", samples %" PRIu64 " to %" PRIu64 ", seed %" PRIu64 ", \"%.200s\"",
      request.index, job->plan.first_frame + 1,
      job->plan.first_frame + job->plan.frames, request.first_sample + 1,
      request.first_sample + request.samples, request.seed, request.prompt);
  progress_segment (job->progress, segment + 1, options->segments);
  job->begun = progress_now ();
  status = dv_session_step (job->session, &request, &sink, &report, error);
  if (status != DV_OK)
    return give_up (job, status, error);

  wall_ms = (progress_now () - job->begun) * 1000;
  job->state.segments++;
  job->state.frames += job->plan.frames;
  status = end_sound (job, job->state.frames, error);
  if (status == DV_OK && options->state_out)
    status = save_state (job, error);
  if (status != DV_OK)
    return status;
  report_add (run, &report, wall_ms, job->first_ms);
  report_say_segment (
      job->progress, &report, options->segments, fps, wall_ms, job->first_ms);
  return DV_OK;
}

/* All segments, in a session of their own. */
static DvStatus
run_segments (Job *job, RunReport *run, DvError *error)
{
  DvStatus status = DV_OK;

  job->session = dv_session_new (job->model, error);
  if (!job->session)
    return error->code;
  job->state = job->before;
  if (job->restored)
    status = dv_session_load (
        job->session, job->restored, job->restored_size, error);
  for (uint32_t i = 0; i < job->options->segments && status == DV_OK; i++)
    status = make_segment (job, i, run, error);
  dv_session_free (job->session);
  return status;
}

/* ---- before and after ---- */

static DvStatus
open_inputs (Job *job, DvError *error)
{
  const Options *options = job->options;
  DvStatus status = DV_OK;

  if (options->image)
    status = picture_read (options->image, &job->image, error);
  if (status == DV_OK && options->state_in)
    status = state_file_read (options->state_in, &job->before, &job->restored,
        &job->restored_size, error);
  if (status == DV_OK && options->state_in &&
      (uint64_t)job->before.fps_n * options->fps_d !=
          (uint64_t)options->fps_n * job->before.fps_d)
    status = dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "\"%.200s\" is of a stream of %u/%u frames a second: say --fps %u/%u",
        options->state_in, job->before.fps_n, job->before.fps_d,
        job->before.fps_n, job->before.fps_d);
  return status;
}

/* Before the model, which may take minutes. */
static DvStatus
open_outputs (Job *job, DvError *error)
{
  const Options *options = job->options;
  DvStatus status = pictures_open (&job->pictures, options->output, error);

  if (status == DV_OK && options->wav)
    status = wav_open (&job->wav, options->wav, error);
  if (status == DV_OK && options->state_out)
    status = state_file_check (options->state_out, error);
  return status;
}

static DvStatus
close_outputs (Job *job, DvError *error)
{
  DvStatus pictures = pictures_close (&job->pictures, error);
  DvStatus wav = wav_close (&job->wav, pictures == DV_OK ? error : NULL);

  return pictures == DV_OK ? wav : pictures;
}

static void
abandon_outputs (void *user)
{
  close_outputs (user, NULL);
}

static DvStatus
check_side (
    const DvModelInfo *info, const char *side, uint32_t pixels, DvError *error)
{
  if (pixels < info->min_size || pixels > info->max_size ||
      pixels % info->size_step)
    return dv_fail (error, DV_ERROR_ARGUMENT, "options",
        "--size: a %s of %u pixels cannot be made by \"%.80s\": it takes %u "
        "to %u, in steps of %u",
        side, pixels, info->name, info->min_size, info->max_size,
        info->size_step);
  return DV_OK;
}

/* What is known only of an open model. */
static DvStatus
prepare (Job *job, DvError *error)
{
  const Options *options = job->options;
  const DvModelInfo *info = dv_model_info (job->model);
  size_t chroma =
      (size_t)((options->width + 1) / 2) * ((options->height + 1) / 2);
  size_t size = (size_t)options->width * options->height + 2 * chroma;
  DvStatus status = check_side (info, "width", options->width, error);

  if (status == DV_OK)
    status = check_side (info, "height", options->height, error);
  if (status != DV_OK)
    return status;
  if (options->state_in && job->before.rate != info->sample_rate)
    return dv_fail (error, DV_ERROR_FORMAT, "options",
        "\"%.200s\" is of another model: its sound has %u samples a second, "
        "that of \"%.80s\" %u",
        options->state_in, job->before.rate, info->name, info->sample_rate);
  job->before.rate = info->sample_rate;
  job->before.fps_n = options->fps_n;
  job->before.fps_d = options->fps_d;
  job->spec = (DvSegmentSpec){options->fps_n, options->fps_d, info->sample_rate,
      options->frames, options->overlap, options->audio_overlap};
  pictures_set_format (&job->pictures, options->width, options->height,
      options->fps_n, options->fps_d);
  wav_set_format (&job->wav, info->sample_rate, info->channels);
  job->memory = dv_model_host_alloc (job->model, PICTURES_HEAD + size);
  if (!job->memory)
    return dv_fail (error, DV_ERROR_MEMORY, "output",
        "no memory for a picture of %ux%u pixels", options->width,
        options->height);
  job->frame = job->memory + PICTURES_HEAD;
  return dv_segment_check (&job->spec, error);
}

static DvStatus
run_once (Job *job, DvError *error)
{
  const Options *options = job->options;
  double fps = (double)options->fps_n / options->fps_d;
  RunReport run = {0};
  DvStatus status = run_segments (job, &run, error);

  if (run.segments > 0)
    report_say_run (job->progress, &run, fps);
  if (status != DV_OK && run.segments > 0 && options->state_out)
    progress_say (job->progress, NORMAL,
        "\"%s\" holds the state after segment %u, frame %" PRIu64,
        options->state_out, job->state.segments, job->state.frames);
  return status;
}

static DvStatus
run_bench (Job *job, DvError *error)
{
  const Options *options = job->options;
  const DvModelInfo *info = dv_model_info (job->model);
  RunReport *runs = calloc (options->runs, sizeof *runs);
  DvStatus status = DV_OK;

  if (!runs)
    return dv_fail (error, DV_ERROR_MEMORY, "bench", "no memory for %u runs",
        options->runs);
  for (unsigned i = 0; i < options->runs && status == DV_OK; i++)
    status = run_segments (job, &runs[i], error);
  if (status == DV_OK) {
    printf ("%s on %s, %ux%u, %u/%u frames a second, %u segment%s of %u "
            "frames\n",
        info->name, info->device, options->width, options->height,
        options->fps_n, options->fps_d, options->segments,
        options->segments == 1 ? "" : "s", options->frames);
    report_print_bench (
        stdout, runs, options->runs, (double)options->fps_n / options->fps_d);
    if (fflush (stdout) != 0)
      status = dv_fail (
          error, DV_ERROR_SINK, "output", "cannot write to standard output");
  }
  free (runs);
  return status;
}

DvStatus
generate (const Options *options, Progress *progress, DvError *error)
{
  Job *job = calloc (1, sizeof *job);
  DvStatus status, closed;

  if (!job)
    return dv_fail (error, DV_ERROR_MEMORY, "options", "no memory to begin");
  job->options = options;
  job->progress = progress;
  status = open_inputs (job, error);
  if (status == DV_OK)
    status = open_outputs (job, error);
  if (status == DV_OK) {
    job->loading = (Loading){progress, abandon_outputs, job};
    job->model = load_model (options, &job->loading, error);
    status = job->model ? prepare (job, error) : error->code;
  }
  if (status == DV_OK)
    status = options->action == ACTION_BENCH ? run_bench (job, error)
                                             : run_once (job, error);
  closed = close_outputs (job, status == DV_OK ? error : NULL);
  if (status == DV_OK)
    status = closed;
  if (job->memory)
    dv_model_host_free (job->model, job->memory);
  dv_model_unref (job->model);
  free (job->restored);
  free ((void *)job->image.pixels);
  free (job);
  return status;
}
