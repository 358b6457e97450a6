/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A sink for tests.
 */
#include "capture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double
capture_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint32_t
capture_crc (uint32_t crc, const void *data, size_t size)
{
  static uint32_t table[256];
  const uint8_t *bytes = data;

  if (!table[1])
    for (uint32_t i = 0; i < 256; i++) {
      uint32_t c = i;
      for (int k = 0; k < 8; k++)
        c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
      table[i] = c;
    }
  crc = ~crc;
  for (size_t i = 0; i < size; i++)
    crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8;
  return ~crc;
}

static size_t
frame_size (const Capture *capture)
{
  return (size_t)capture->width * capture->height * 3 / 2;
}

static bool
acquire_frame (void *user, uint32_t n, DvFrame *frame)
{
  Capture *capture = user;
  size_t luma = (size_t)capture->width * capture->height;

  if (capture->refuse_acquire == (int)n)
    return false;
  if (capture->n_frames == 0)
    capture->first = n;
  ck_assert_uint_eq (n, capture->first + capture->n_frames);
  memset (capture->planes, 0xa5, frame_size (capture));
  frame->plane[0] = capture->planes;
  frame->plane[1] = capture->planes + luma;
  frame->plane[2] = capture->planes + luma + luma / 4;
  frame->stride[0] = capture->width;
  frame->stride[1] = frame->stride[2] = capture->width / 2;
  return true;
}

static bool
commit_frame (void *user, uint32_t n)
{
  Capture *capture = user;

  if (capture->refuse_commit == (int)n)
    return false;
  if (capture->n_frames == 0)
    capture->first_commit = capture_now ();
  ck_assert_uint_lt (capture->n_frames, CAPTURE_FRAMES);
  capture->due[capture->n_frames] = capture->n_samples;
  capture->crc[capture->n_frames++] =
      capture_crc (0, capture->planes, frame_size (capture));
  if (capture->cancel_frame == (int)n)
    capture->cancelled = true;
  return true;
}

static bool
commit_audio (void *user, const float *samples, size_t count)
{
  Capture *capture = user;

  if (capture->refuse_audio)
    return false;
  ck_assert_uint_gt (count, 0);
  if (capture->n_samples + count > capture->room) {
    capture->room = 2 * (capture->n_samples + count);
    capture->samples = realloc (
        capture->samples, capture->room * 2 * sizeof *capture->samples);
  }
  memcpy (capture->samples + 2 * capture->n_samples, samples,
      count * 2 * sizeof *samples);
  capture->n_samples += count;
  return true;
}

static void
progress (void *user, const char *stage, double fraction)
{
  Capture *capture = user;

  ck_assert_ptr_nonnull (stage);
  ck_assert (fraction >= 0 && fraction <= 1);
  capture->progress = fraction;
}

static bool
cancelled (void *user)
{
  Capture *capture = user;

  if (capture->cancel_time > 0 && capture_now () >= capture->cancel_time)
    capture->cancelled = true;
  return capture->cancelled;
}

void
capture_init (Capture *capture, uint32_t width, uint32_t height)
{
  memset (capture, 0, sizeof *capture);
  capture->width = width;
  capture->height = height;
  capture->planes = malloc (frame_size (capture));
  capture->sink = (DvSink){.user = capture,
      .acquire_frame = acquire_frame,
      .commit_frame = commit_frame,
      .commit_audio = commit_audio,
      .progress = progress,
      .cancelled = cancelled};
  capture_restart (capture);
}

void
capture_clear (Capture *capture)
{
  free (capture->planes);
  free (capture->samples);
}

void
capture_restart (Capture *capture)
{
  capture->n_frames = 0;
  capture->n_samples = 0;
  capture->progress = -1;
  capture->refuse_acquire = capture->refuse_commit = capture->cancel_frame = -1;
  capture->refuse_audio = capture->cancelled = false;
  capture->cancel_time = 0;
}

uint32_t
capture_samples_crc (const Capture *capture)
{
  return capture_crc (
      0, capture->samples, capture->n_samples * 2 * sizeof *capture->samples);
}

void
capture_request (DvRequest *request, const Capture *capture,
    const DvSegmentSpec *spec, uint32_t index, uint64_t frames_before,
    const char *prompt)
{
  DvSegmentPlan plan;

  dv_segment_plan (spec, frames_before, index > 1, &plan);
  memset (request, 0, sizeof *request);
  request->prompt = prompt;
  request->index = index;
  request->seed = 10;
  request->width = capture->width;
  request->height = capture->height;
  request->fps_n = spec->fps_n;
  request->fps_d = spec->fps_d;
  request->frames = spec->frames;
  request->overlap = plan.trim_frames;
  request->first_frame = plan.trim_frames;
  request->first_sample = plan.first_sample;
  request->samples = plan.samples;
}

DvSession *
capture_session (void)
{
  DvModel *model = dv_model_open (NULL, NULL);
  DvSession *session = dv_session_new (model, NULL);

  ck_assert_ptr_nonnull (session);
  dv_model_unref (model);
  return session;
}
