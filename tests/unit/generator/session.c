/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions of the procedural generator: what is committed, when, and what
 * stays after a step that failed.
 */
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

int
main (void)
{
  Suite *suite = suite_create ("session");
  TCase *tc = tcase_create ("session");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_add_test (tc, a_segment_has_its_frames_and_samples);
  tcase_add_test (tc, overlap_repeats_the_last_frames);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
