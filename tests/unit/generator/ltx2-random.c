/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A model of random weights behind generator.h, from its prompts to its
 * frames: continued segments, restored sessions, the time to the first frame,
 * segments larger than what was planned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "capture.h"
#include "ltx2/make-random.h"
#include "test-folder.h"

#define FRAMES 17
#define MIB ((uint64_t)1 << 20)

static const DvSegmentSpec segments = {.fps_n = 24,
    .fps_d = 1,
    .rate = 24000,
    .frames = FRAMES,
    .overlap = 9,
    .audio_overlap = 13};

static void
make_model (const char *config)
{
  DvRandomSpec spec = {.config = config, .seed = 5, .tokenizer = true};
  DvError error = {0};

  ck_assert_msg (dv_make_random (&spec, folder_path ("model"), &error) == DV_OK,
      "%s", error.detail);
}

static DvModel *
open_model (uint64_t budget)
{
  DvModelSpec spec = {.model = folder_path ("model"),
      .width = 64,
      .height = 64,
      .frames = FRAMES,
      .memory_budget = budget,
      .prompts = true};
  DvError error = {0};
  DvModel *model = dv_model_open (&spec, &error);

  ck_assert_msg (model != NULL, "%s", error.detail);
  return model;
}

static DvSession *
open_session (DvModel *model)
{
  DvSession *session = dv_session_new (model, NULL);

  ck_assert_ptr_nonnull (session);
  return session;
}

/* Segment @index by its prompt; a checksum of what it gave. */
static uint32_t
step (DvSession *session, uint32_t index)
{
  static const char *const prompts[] = {
      "a lighthouse", "waves", "a lighthouse"};
  uint64_t before = index == 1 ? 0 : FRAMES + (index - 2) * (FRAMES - 9);
  DvError error = {0};
  Capture capture;
  DvRequest request;
  uint32_t sum;

  capture_init (&capture, 64, 64);
  capture_request (
      &request, &capture, &segments, index, before, prompts[index - 1]);
  request.audio_overlap = index == 1 ? 0 : segments.audio_overlap;
  ck_assert_msg (
      dv_session_step (session, &request, &capture.sink, NULL, &error) == DV_OK,
      "%s", error.detail);
  ck_assert_uint_eq (capture.n_frames, index == 1 ? FRAMES : FRAMES - 9);
  ck_assert_uint_eq (capture.n_samples, request.samples);
  sum = capture_crc (capture_samples_crc (&capture), capture.crc,
      capture.n_frames * sizeof *capture.crc);
  capture_clear (&capture);
  return sum;
}

/* Three segments in one go are two, a state saved and restored into another
 * model and session, and one more. */
START_TEST (a_stream_survives_a_restart)
{
  uint32_t whole[3], parts[3];
  uint8_t *state = NULL;
  size_t size = 0;
  DvModel *model;
  DvSession *session;

  make_model ("tiny");
  model = open_model (0);
  session = open_session (model);
  for (uint32_t i = 0; i < 3; i++)
    whole[i] = step (session, i + 1);
  dv_session_free (session);
  session = open_session (model);
  for (uint32_t i = 0; i < 2; i++)
    parts[i] = step (session, i + 1);
  ck_assert_int_eq (dv_session_save (session, &state, &size, NULL), DV_OK);
  dv_session_free (session);
  dv_model_unref (model);

  model = open_model (0);
  session = open_session (model);
  ck_assert_int_eq (dv_session_load (session, state, size, NULL), DV_OK);
  parts[2] = step (session, 3);
  ck_assert_mem_eq (whole, parts, sizeof whole);
  ck_assert_uint_ne (whole[0], whole[1]);
  ck_assert_uint_ne (whole[1], whole[2]);
  dv_session_free (session);
  dv_model_unref (model);
  free (state);
}
END_TEST

/* From nothing to the first frame, of a small model: the best of three. */
START_TEST (the_first_frame_comes_soon)
{
  double best = 1e9;

  make_model ("tiny");
  for (int i = 0; i < 3; i++) {
    double begun = capture_now ();
    DvModel *model = open_model (0);
    DvSession *session = open_session (model);
    Capture capture;
    DvRequest request;

    capture_init (&capture, 64, 64);
    capture_request (&request, &capture, &segments, 1, 0, "a lighthouse");
    ck_assert_int_eq (
        dv_session_step (session, &request, &capture.sink, NULL, NULL), DV_OK);
    if (capture.first_commit - begun < best)
      best = capture.first_commit - begun;
    capture_clear (&capture);
    dv_session_free (session);
    dv_model_unref (model);
  }
  printf (
      "# %.0f ms from opening a small model to its first frame\n", best * 1e3);
  if (TIMES)
    ck_assert_double_lt (best, 1);
}
END_TEST

/* What was planned for one size allows no other that does not fit. */
START_TEST (a_larger_segment_than_planned_is_refused)
{
  DvRequest request;
  DvError error = {0};
  DvSession *session;
  DvModel *model;
  Capture capture;

  make_model ("tiny");
  model = open_model (64 * MIB);
  session = open_session (model);
  capture_init (&capture, 1920, 1088);
  capture_request (&request, &capture, &segments, 1, 0, "too much");
  ck_assert_int_eq (
      dv_session_step (session, &request, &capture.sink, NULL, &error),
      DV_ERROR_MEMORY);
  ck_assert_ptr_nonnull (strstr (error.detail, "1920x1088"));
  capture_clear (&capture);
  step (session, 1);
  dv_session_free (session);
  dv_model_unref (model);
}
END_TEST

/* Prompts are told apart, and read by the tokenizer that belongs to it. */
START_TEST (a_model_without_a_tokenizer)
{
  DvRandomSpec spec = {.config = "tiny", .seed = 5};
  DvModelSpec open = {
      .model = folder_path ("model"), .width = 64, .height = 64, .frames = 9};
  DvError error = {0};
  DvModel *model;

  ck_assert_int_eq (dv_make_random (&spec, folder_path ("model"), NULL), DV_OK);
  model = dv_model_open (&open, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  dv_model_unref (model);
  open.prompts = true;
  ck_assert_ptr_null (dv_model_open (&open, &error));
  ck_assert_int_eq (error.code, DV_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error.detail, "tokenizer.json"));
}
END_TEST

static bool
at_once (void *user)
{
  return true;
}

START_TEST (opening_stops_when_it_is_told_to)
{
  DvModelSpec open = {.model = folder_path ("model"),
      .width = 64,
      .height = 64,
      .frames = 9,
      .cancelled = at_once};
  DvError error = {0};

  make_model ("tiny");
  ck_assert_ptr_null (dv_model_open (&open, &error));
  ck_assert_int_eq (error.code, DV_CANCELLED);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ltx2-random");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  tcase_set_timeout (tcase, 300);
  tcase_add_checked_fixture (tcase, folder_make, folder_remove);
  tcase_add_test (tcase, a_stream_survives_a_restart);
  tcase_add_test (tcase, the_first_frame_comes_soon);
  tcase_add_test (tcase, a_larger_segment_than_planned_is_refused);
  tcase_add_test (tcase, a_model_without_a_tokenizer);
  tcase_add_test (tcase, opening_stops_when_it_is_told_to);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed > 0;
}
