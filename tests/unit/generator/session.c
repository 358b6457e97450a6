/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions of the procedural generator: what is committed, when, and what
 * stays after a step that failed.
 */
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

static const DvSegmentSpec usual = {24, 1, CAPTURE_RATE, DV_DEFAULT_FRAMES,
    DV_DEFAULT_OVERLAP, DV_DEFAULT_AUDIO_OVERLAP};
static const DvSegmentSpec brief = {24, 1, CAPTURE_RATE, 12, 4, 4};

static Capture capture;
static DvSession *session;

static void
setup (void)
{
  capture_init (&capture, 32, 16);
  session = capture_session ();
}

static void
teardown (void)
{
  dv_session_free (session);
  capture_clear (&capture);
}

static void
step (const DvRequest *request)
{
  DvError error = {0};

  capture_restart (&capture);
  ck_assert_msg (
      dv_session_step (session, request, &capture.sink, NULL, &error) == DV_OK,
      "%s", error.detail);
}

START_TEST (a_segment_has_its_frames_and_samples)
{
  DvRequest request;
  DvReport report;
  uint64_t before = 0, samples = 0;

  for (uint32_t index = 1; index <= 3; index++) {
    uint32_t frames = index == 1 ? 121 : 112;

    capture_request (&request, &capture, &usual, index, before, "a lake");
    capture_restart (&capture);
    ck_assert_int_eq (
        dv_session_step (session, &request, &capture.sink, &report, NULL),
        DV_OK);
    ck_assert_uint_eq (capture.n_frames, frames);
    ck_assert_uint_eq (capture.first, index == 1 ? 0 : 9);
    ck_assert_uint_eq (capture.n_samples, frames * 1000u);
    ck_assert (capture.progress == 1);
    ck_assert_uint_eq (report.index, index);
    ck_assert_uint_eq (report.frames, frames);
    ck_assert_uint_eq (report.samples, frames * 1000u);
    ck_assert (report.total_ms > 0);
    ck_assert_uint_ge (report.n_stages, 3);
    /* The sound keeps step with the picture. */
    for (uint32_t i = 0; i < frames; i++)
      ck_assert_uint_eq (
          capture.due[i] + samples, dv_segment_samples (&usual, before + i));
    before += frames;
    samples += capture.n_samples;
  }
}
END_TEST

START_TEST (overlap_repeats_the_last_frames)
{
  static const char *prompts[] = {"a red desert", "a stormy sea at night",
      "a stormy sea at night", "a forest in snow", "city", "", "aurora"};
  DvRequest request;
  uint32_t last[4];
  uint64_t before = 0;

  for (uint32_t index = 1; index <= 7; index++) {
    capture_request (
        &request, &capture, &brief, index, before, prompts[index - 1]);
    request.first_frame = 0;
    request.first_sample -= 1000 * request.overlap;
    request.samples += 1000 * request.overlap;
    step (&request);
    ck_assert_uint_eq (capture.n_frames, 12);
    if (index > 1)
      ck_assert_mem_eq (capture.crc, last, sizeof last);
    memcpy (last, capture.crc + 8, sizeof last);
    before += index == 1 ? 12 : 8;
  }
}
END_TEST

static const char *const changing[] = {
    "a red desert", "a stormy sea at night, bells", "a forest in snow"};

/* Segment @index of a stream of brief segments with changing prompts. */
static void
changing_request (DvRequest *request, uint32_t index)
{
  capture_request (request, &capture, &brief, index,
      index == 1 ? 0 : 12 + 8 * (index - 2), changing[index / 2 % 3]);
}

/* Checksum of all that was committed. */
static uint32_t
outcome (void)
{
  return capture_crc (capture_samples_crc (&capture), capture.crc,
      capture.n_frames * sizeof capture.crc[0]);
}

START_TEST (a_restored_session_goes_on_as_if_never_interrupted)
{
  uint32_t expected[8];
  DvRequest request;

  for (uint32_t index = 1; index <= 7; index++) {
    changing_request (&request, index);
    step (&request);
    expected[index] = outcome ();
  }
  for (uint32_t stop = 1; stop <= 6; stop++) {
    uint8_t *data;
    size_t size;

    dv_session_reset (session);
    for (uint32_t index = 1; index <= 7; index++) {
      changing_request (&request, index);
      step (&request);
      ck_assert_uint_eq (outcome (), expected[index]);
      if (index != stop)
        continue;
      ck_assert_int_eq (dv_session_save (session, &data, &size, NULL), DV_OK);
      dv_session_free (session);
      session = capture_session ();
      ck_assert_int_eq (dv_session_load (session, data, size, NULL), DV_OK);
      free (data);
    }
  }
}
END_TEST

static void
check_state (const uint8_t *data, size_t size)
{
  uint8_t *now;
  size_t now_size;

  ck_assert_int_eq (dv_session_save (session, &now, &now_size, NULL), DV_OK);
  ck_assert_uint_eq (now_size, size);
  ck_assert_mem_eq (now, data, size);
  free (now);
}

/* What is committed is the same whether the overlap is shown or not. */
START_TEST (trimming_takes_nothing_else_away)
{
  uint32_t frames[8][8], sounds[8];
  DvRequest request;

  for (uint32_t index = 2; index < 8; index++) {
    if (index == 2) {
      changing_request (&request, 1);
      step (&request);
    }
    changing_request (&request, index);
    step (&request);
    ck_assert_uint_eq (capture.n_frames, 8);
    memcpy (frames[index], capture.crc, sizeof frames[index]);
    sounds[index] = capture_samples_crc (&capture);
  }
  dv_session_reset (session);
  changing_request (&request, 1);
  step (&request);
  for (uint32_t index = 2; index < 8; index++) {
    changing_request (&request, index);
    request.first_frame = 0;
    request.first_sample -= 4000;
    request.samples += 4000;
    step (&request);
    ck_assert_uint_eq (capture.n_frames, 12);
    ck_assert_mem_eq (capture.crc + 4, frames[index], sizeof frames[index]);
    ck_assert_uint_eq (
        capture_crc (0, capture.samples + 2 * 4000, 8 * 8000), sounds[index]);
  }
}
END_TEST

START_TEST (a_step_that_ends_early_leaves_no_trace)
{
  DvRequest request;
  DvReport report = {.index = 77};
  DvError error;
  uint32_t expected;
  uint8_t *data;
  size_t size;

  for (uint32_t index = 1; index <= 3; index++) {
    changing_request (&request, index);
    step (&request);
    ck_assert_int_eq (dv_session_save (session, &data, &size, NULL), DV_OK);
    if (index < 3)
      free (data);
  }
  changing_request (&request, 4);
  step (&request);
  expected = outcome ();
  ck_assert_int_eq (dv_session_load (session, data, size, NULL), DV_OK);

  for (int n = 4; n < 12; n++)
    for (int kind = 0; kind < 4; kind++) {
      bool cancels = kind == 0;

      capture_restart (&capture);
      if (kind == 0)
        capture.cancel_frame = n;
      else if (kind == 1)
        capture.refuse_acquire = n;
      else if (kind == 2)
        capture.refuse_commit = n;
      else
        capture.refuse_audio = true;
      ck_assert_int_eq (
          dv_session_step (session, &request, &capture.sink, &report, &error),
          cancels ? DV_CANCELLED : DV_ERROR_SINK);
      ck_assert_int_eq (error.code, cancels ? DV_CANCELLED : DV_ERROR_SINK);
      ck_assert (strstr (error.detail, "segment 4"));
      ck_assert_uint_eq (report.index, 77);
      check_state (data, size);
    }
  /* And the step can be done again. */
  step (&request);
  ck_assert_uint_eq (outcome (), expected);
  free (data);
}
END_TEST

START_TEST (cancelled_before_it_began)
{
  DvRequest request;

  changing_request (&request, 1);
  capture_restart (&capture);
  capture.cancelled = true;
  ck_assert_int_eq (
      dv_session_step (session, &request, &capture.sink, NULL, NULL),
      DV_CANCELLED);
  ck_assert_uint_eq (capture.n_frames, 0);
}
END_TEST

typedef struct {
  Capture capture;
  unsigned calls, last;
} Impatient;

static bool
impatient (void *user)
{
  Impatient *impatient = user;

  return ++impatient->calls >= impatient->last;
}

/* A new scene is made ready before the first frame: that stops as soon as
 * cancelled() says so, without a frame. */
START_TEST (cancelled_while_a_scene_is_made_ready)
{
  for (unsigned last = 2; last < 30; last += 9) {
    Impatient user = {.last = last};
    const DvSegmentSpec spec = {24, 1, CAPTURE_RATE, 25, 9, 49};
    DvSession *fresh = capture_session ();
    DvRequest request;
    DvError error;

    capture_init (&user.capture, 640, 352);
    user.capture.sink.user = &user;
    user.capture.sink.cancelled = impatient;
    capture_request (&request, &user.capture, &spec, 1, 0,
        "a snowy mountain village with fir trees");
    ck_assert_int_eq (
        dv_session_step (fresh, &request, &user.capture.sink, NULL, &error),
        DV_CANCELLED);
    ck_assert_int_eq (error.code, DV_CANCELLED);
    ck_assert_uint_eq (user.calls, last);
    ck_assert_uint_eq (user.capture.n_frames, 0);
    capture_clear (&user.capture);
    dv_session_free (fresh);
  }
}
END_TEST

START_TEST (a_reset_starts_clean)
{
  DvRequest request;
  uint32_t expected;

  changing_request (&request, 1);
  step (&request);
  expected = outcome ();
  changing_request (&request, 2);
  step (&request);
  changing_request (&request, 1);
  request.reset = true;
  step (&request);
  ck_assert_uint_eq (outcome (), expected);
  dv_session_reset (session);
  request.reset = false;
  step (&request);
  ck_assert_uint_eq (outcome (), expected);
}
END_TEST

START_TEST (seed_and_prompt_change_the_picture)
{
  DvRequest request;
  uint32_t first, frame;

  changing_request (&request, 1);
  step (&request);
  first = capture.crc[0];
  request.reset = true;
  request.prompt = "a green forest by a lake";
  step (&request);
  frame = capture.crc[0];
  ck_assert_uint_ne (frame, first);
  request.seed = 11;
  step (&request);
  ck_assert_uint_ne (capture.crc[0], frame);
}
END_TEST

/* The overlap may change from one segment to the next. */
START_TEST (overlaps_of_any_length_repeat_exactly)
{
  uint32_t stream[2000];
  uint64_t n = 0;

  for (uint32_t index = 1; index <= 40; index++) {
    uint32_t overlap = index == 1 ? 0 : (index * 7919u) % 60;
    DvSegmentSpec spec = {
        24, 1, CAPTURE_RATE, overlap + 1 + index % 11, overlap, overlap};
    DvRequest request;

    if (overlap > n)
      continue;
    capture_request (&request, &capture, &spec, index, n, changing[index % 3]);
    request.first_frame = 0;
    request.first_sample -= 1000 * request.overlap;
    request.samples += 1000 * request.overlap;
    step (&request);
    n -= request.overlap;
    for (uint32_t i = 0; i < capture.n_frames; i++, n++) {
      if (i < request.overlap)
        ck_assert_uint_eq (stream[n], capture.crc[i]);
      stream[n] = capture.crc[i];
    }
  }
}
END_TEST

/* Cut into segments or not, the sound of a prompt is the same sound. */
START_TEST (sound_does_not_know_of_segments)
{
  static const uint32_t lengths[] = {96, 48, 24, 13};
  float *whole = NULL;

  for (unsigned i = 0; i < 4; i++) {
    DvSegmentSpec spec = {25, 1, CAPTURE_RATE, lengths[i], 0, 0};
    uint64_t before = 0, samples = 0;

    dv_session_reset (session);
    for (uint32_t index = 1; before + lengths[i] <= 96; index++) {
      DvRequest request;

      capture_request (
          &request, &capture, &spec, index, before, "birds over a sea");
      step (&request);
      if (whole)
        ck_assert_mem_eq (
            whole + 2 * samples, capture.samples, 8 * capture.n_samples);
      before += capture.n_frames;
      samples += capture.n_samples;
    }
    if (!whole) {
      whole = malloc (8 * samples);
      memcpy (whole, capture.samples, 8 * samples);
    }
  }
  free (whole);
}
END_TEST

/* Odd wishes for samples are granted to the sample. */
START_TEST (sample_counts_are_honoured)
{
  static const uint64_t wishes[][2] = {
      {0, 0}, {0, 1}, {0, 12001}, {500, 12000}, {100000, 3}, {5, 100000}};

  for (unsigned i = 0; i < 6; i++) {
    DvRequest request;

    changing_request (&request, 1);
    request.reset = true;
    request.first_sample = wishes[i][0];
    request.samples = wishes[i][1];
    step (&request);
    ck_assert_uint_eq (capture.n_samples, wishes[i][1]);
    ck_assert_uint_eq (capture.n_frames, 12);
  }
}
END_TEST

START_TEST (a_start_image_colours_the_first_segment_only)
{
  uint8_t pixels[3 * 4 * 4];
  DvImage image = {pixels, 4, 4, 12};
  DvRequest request;
  uint32_t plain, plain_late, coloured;

  for (int i = 0; i < 16; i++) {
    pixels[3 * i] = 220;
    pixels[3 * i + 1] = 20;
    pixels[3 * i + 2] = 160;
  }
  capture_request (&request, &capture, &usual, 1, 0, "a lake");
  step (&request);
  plain = capture.crc[0];
  capture_request (&request, &capture, &usual, 2, 121, "a lake");
  step (&request);
  plain_late = capture.crc[111];

  dv_session_reset (session);
  capture_request (&request, &capture, &usual, 1, 0, "a lake");
  request.start_image = &image;
  step (&request);
  coloured = capture.crc[0];
  ck_assert_uint_ne (coloured, plain);
  /* Then the prompt's own colours come back. */
  capture_request (&request, &capture, &usual, 2, 121, "a lake");
  request.start_image = &image;
  step (&request);
  ck_assert_uint_eq (capture.crc[111], plain_late);
}
END_TEST

typedef void (*Spoil) (DvRequest *request);

static void
odd_width (DvRequest *request)
{
  request->width = 33;
}

static void
small_height (DvRequest *request)
{
  request->height = 14;
}

static void
huge_width (DvRequest *request)
{
  request->width = 8194;
}

static void
no_frames (DvRequest *request)
{
  request->frames = 0;
}

static void
all_overlap (DvRequest *request)
{
  request->overlap = 12;
}

static void
all_trimmed (DvRequest *request)
{
  request->first_frame = 12;
}

static void
no_rate (DvRequest *request)
{
  request->fps_n = 0;
}

static void
no_time (DvRequest *request)
{
  request->fps_d = 0;
}

static void
fast_rate (DvRequest *request)
{
  request->fps_n = 100000;
}

static void
index_zero (DvRequest *request)
{
  request->index = 0;
}

static void
negative_pace (DvRequest *request)
{
  request->pace = -1;
}

static void
no_number (DvRequest *request)
{
  request->pace = NAN;
}

static void
too_many_samples (DvRequest *request)
{
  request->samples = UINT64_MAX;
}

static void
no_pixels (DvRequest *request)
{
  static const DvImage image = {NULL, 4, 4, 12};
  request->start_image = &image;
}

static void
short_rows (DvRequest *request)
{
  static const DvImage image = {(const uint8_t *)"", 4, 4, 11};
  request->start_image = &image;
}

static void
nothing_to_repeat (DvRequest *request)
{
  request->overlap = 4;
}

static const struct {
  Spoil spoil;
  const char *says;
} bad_requests[] = {{odd_width, "33"}, {small_height, "height of 14"},
    {huge_width, "8194"}, {no_frames, "one frame"},
    {all_overlap, "overlap of 12"}, {all_trimmed, "trimming 12"},
    {no_rate, "0/1"}, {no_time, "24/0"}, {fast_rate, "100000/1"},
    {index_zero, "segment 0"}, {negative_pace, "-1"}, {no_number, "nan"},
    {too_many_samples, "18446744073709551615"}, {no_pixels, "start image"},
    {short_rows, "rows of 11"}, {nothing_to_repeat, "repeat 4"}};

#define N_BAD (int)(sizeof bad_requests / sizeof bad_requests[0])

START_TEST (a_bad_request_is_refused_with_its_number)
{
  DvRequest request;
  DvError error = {0};

  changing_request (&request, 1);
  bad_requests[_i].spoil (&request);
  ck_assert_int_eq (
      dv_session_step (session, &request, &capture.sink, NULL, &error),
      DV_ERROR_ARGUMENT);
  ck_assert_str_eq (error.stage, "step");
  ck_assert_msg (strstr (error.detail, bad_requests[_i].says),
      "\"%s\" does not say \"%s\"", error.detail, bad_requests[_i].says);
  ck_assert_uint_eq (capture.n_frames, 0);
  ck_assert_uint_eq (capture.n_samples, 0);
}
END_TEST

START_TEST (the_frame_rate_changes_at_a_reset_only)
{
  DvRequest request;
  DvError error;

  changing_request (&request, 1);
  step (&request);
  changing_request (&request, 2);
  request.fps_n = 30;
  ck_assert_int_eq (
      dv_session_step (session, &request, &capture.sink, NULL, &error),
      DV_ERROR_ARGUMENT);
  ck_assert (strstr (error.detail, "30/1"));
  request.overlap = request.first_frame = 0;
  request.reset = true;
  step (&request);
}
END_TEST

START_TEST (pace_holds_the_frames_back)
{
  double begun = capture_now (), ended;
  DvRequest request;

  changing_request (&request, 1);
  request.pace = 0.5;
  step (&request);
  ended = capture_now ();
  ck_assert (capture.first_commit - begun >= 0.45);
  ck_assert (ended - begun >= 0.5);
  ck_assert_uint_eq (capture.n_frames, 12);
  ck_assert_uint_eq (capture.n_samples, 12000);
}
END_TEST

/* The best of three: a busy machine may wake anybody late. */
START_TEST (a_waiting_step_is_cancelled_at_once)
{
  DvRequest request;
  double late = 1;

  changing_request (&request, 1);
  request.pace = 60;
  for (int n = 0; n < 3 && late >= 0.05; n++) {
    capture_restart (&capture);
    capture.cancel_time = capture_now () + 0.1;
    ck_assert_int_eq (
        dv_session_step (session, &request, &capture.sink, NULL, NULL),
        DV_CANCELLED);
    late = capture_now () - capture.cancel_time;
    ck_assert_uint_eq (capture.n_frames, 0);
  }
  ck_assert_msg (late < 0.05, "%g s late", late);
}
END_TEST

static size_t most_memory;

static void
look_at_memory (void *user, const char *stage, double fraction)
{
  size_t now = mallinfo2 ().uordblks;

  most_memory = now > most_memory ? now : most_memory;
}

static bool
drop_audio (void *user, const float *samples, size_t count)
{
  return true;
}

START_TEST (memory_does_not_grow_with_the_segment)
{
  DvSegmentSpec spec = {24, 1, CAPTURE_RATE, 12, 0, 0};
  size_t brief_most;
  DvRequest request;

  capture.sink.progress = look_at_memory;
  capture.sink.commit_audio = drop_audio;
  capture_request (&request, &capture, &spec, 1, 0, "rain over a lake");
  step (&request);
  brief_most = most_memory;
  spec.frames = 1000;
  capture_request (&request, &capture, &spec, 1, 0, "rain over a lake");
  request.reset = true;
  step (&request);
  ck_assert_uint_le (most_memory, brief_most + 16384);
}
END_TEST

START_TEST (the_size_may_change_between_segments)
{
  DvRequest request;

  changing_request (&request, 1);
  step (&request);
  capture_clear (&capture);
  capture_init (&capture, 64, 48);
  changing_request (&request, 2);
  step (&request);
  ck_assert_uint_eq (capture.n_frames, 8);
}
END_TEST

static void
add_tests (TCase *tc)
{
  tcase_add_test (tc, a_segment_has_its_frames_and_samples);
  tcase_add_test (tc, overlap_repeats_the_last_frames);
  tcase_add_test (tc, a_restored_session_goes_on_as_if_never_interrupted);
  tcase_add_test (tc, trimming_takes_nothing_else_away);
  tcase_add_test (tc, a_step_that_ends_early_leaves_no_trace);
  tcase_add_test (tc, cancelled_before_it_began);
  tcase_add_test (tc, cancelled_while_a_scene_is_made_ready);
  tcase_add_test (tc, a_reset_starts_clean);
  tcase_add_test (tc, seed_and_prompt_change_the_picture);
  tcase_add_test (tc, overlaps_of_any_length_repeat_exactly);
  tcase_add_test (tc, sound_does_not_know_of_segments);
  tcase_add_test (tc, sample_counts_are_honoured);
  tcase_add_test (tc, a_start_image_colours_the_first_segment_only);
  tcase_add_loop_test (tc, a_bad_request_is_refused_with_its_number, 0, N_BAD);
  tcase_add_test (tc, the_frame_rate_changes_at_a_reset_only);
  tcase_add_test (tc, pace_holds_the_frames_back);
  tcase_add_test (tc, a_waiting_step_is_cancelled_at_once);
  tcase_add_test (tc, memory_does_not_grow_with_the_segment);
  tcase_add_test (tc, the_size_may_change_between_segments);
}

int
main (void)
{
  Suite *suite = suite_create ("session");
  TCase *tc = tcase_create ("session");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_checked_fixture (tc, setup, teardown);
  add_tests (tc);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
