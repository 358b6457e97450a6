/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Noise levels, sizes of latents and what a segment continues from.
 */
#include <stdlib.h>

#include <check.h>

#include "ltx2/schedule.h"

static const int levels[] = {320, 318, 316, 314, 312, 291, 232, 135, 0};

/* The subset that the rule of section 6.1 picks, by another way round: all
 * lists of indices in lexicographic order, and a later one only wins when it
 * is better. */
static void
by_walking (int steps, int *best)
{
  int index[9], score[3] = {1000, 1000, 1000000};

  for (int i = 0; i < steps; i++)
    index[i] = i;
  index[steps] = 8;
  for (;;) {
    int largest = 0, squares = 0, i;
    int last = levels[index[steps - 1]] - levels[8];

    for (i = 0; i < steps; i++) {
      int gap = levels[index[i]] - levels[index[i + 1]];

      largest = gap > largest ? gap : largest;
      squares += gap * gap;
    }
    if (largest < score[0] ||
        (largest == score[0] &&
            (last < score[1] || (last == score[1] && squares < score[2])))) {
      score[0] = largest;
      score[1] = last;
      score[2] = squares;
      for (i = 0; i <= steps; i++)
        best[i] = index[i];
    }
    /* The next list that begins with 0 and ends with 8. */
    for (i = steps - 1; i > 0 && index[i] == 8 - steps + i; i--)
      ;
    if (i <= 0)
      return;
    index[i]++;
    for (i++; i < steps; i++)
      index[i] = index[i - 1] + 1;
  }
}

START_TEST (every_number_of_distilled_steps_follows_the_rule)
{
  static const int known[9][9] = {{0}, {0, 8}, {0, 7, 8}, {0, 6, 7, 8},
      {0, 5, 6, 7, 8}, {0, 4, 5, 6, 7, 8}, {0, 2, 4, 5, 6, 7, 8},
      {0, 1, 2, 4, 5, 6, 7, 8}, {0, 1, 2, 3, 4, 5, 6, 7, 8}};
  float sigmas[9];
  int walked[9];

  ck_assert_int_eq (dv_sigmas_distilled (_i, sigmas, NULL), DV_OK);
  by_walking (_i, walked);
  for (int i = 0; i <= _i; i++) {
    ck_assert_int_eq (walked[i], known[_i][i]);
    ck_assert (sigmas[i] == (float)(levels[known[_i][i]] / 320.0));
  }
  ck_assert_int_eq (dv_sigmas_check (sigmas, _i, NULL), DV_OK);
}
END_TEST

START_TEST (the_second_stage_takes_the_published_lists)
{
  float sigmas[4];

  ck_assert_int_eq (dv_sigmas_stage2 (3, sigmas, NULL), DV_OK);
  ck_assert (sigmas[0] == 0.909375f && sigmas[1] == 0.725f &&
             sigmas[2] == 0.421875f && sigmas[3] == 0);
  ck_assert_int_eq (dv_sigmas_stage2 (2, sigmas, NULL), DV_OK);
  ck_assert (
      sigmas[0] == 0.909375f && sigmas[1] == 0.421875f && sigmas[2] == 0);
  ck_assert_int_eq (dv_sigmas_stage2 (1, sigmas, NULL), DV_OK);
  ck_assert (sigmas[0] == 0.909375f && sigmas[1] == 0);
}
END_TEST

START_TEST (a_shifted_schedule_falls_to_a_tenth_and_then_to_nothing)
{
  float sigmas[DV_MAX_STEPS + 1];

  for (int steps = 2; steps <= DV_MAX_STEPS; steps = steps * 3 / 2 + 1) {
    DvError error = {0};

    ck_assert_int_eq (dv_sigmas_shifted (steps, 4096, sigmas, NULL), DV_OK);
    ck_assert_msg (
        dv_sigmas_check (sigmas, steps, &error) == DV_OK, "%s", error.detail);
    ck_assert (sigmas[0] > 0.9999f);
    ck_assert_float_eq_tol (sigmas[steps - 1], 0.1f, 1e-6f);
  }
}
END_TEST

START_TEST (schedules_that_cannot_be_are_refused)
{
  static const float rising[] = {0.5f, 0.7f, 0}, flat[] = {1, 1, 0},
                     endless[] = {1, 0.5f}, loud[] = {1.5f, 0};
  const float nan_in[] = {(float)atof ("nan"), 0};
  float sigmas[DV_MAX_STEPS + 1];

  ck_assert_int_eq (dv_sigmas_distilled (0, sigmas, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_distilled (9, sigmas, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_stage2 (0, sigmas, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_stage2 (4, sigmas, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_sigmas_shifted (0, 4096, sigmas, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_shifted (DV_MAX_STEPS + 1, 4096, sigmas, NULL),
      DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_sigmas_shifted (8, INT64_MAX, sigmas, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_check (rising, 2, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_check (flat, 2, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_check (endless, 1, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_check (loud, 1, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_check (nan_in, 1, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_sigmas_check (rising, 0, NULL), DV_ERROR_ARGUMENT);
}
END_TEST

START_TEST (durations_are_rounded_half_to_even)
{
  ck_assert_int_eq (dv_audio_latents (9, 30), 8);   /* 7.5 */
  ck_assert_int_eq (dv_audio_latents (17, 50), 8);  /* 8.5 */
  ck_assert_int_eq (dv_audio_latents (75, 50), 38); /* 37.5 */
  ck_assert_int_eq (dv_audio_latents (121, 24), 126);
  ck_assert_int_eq (dv_audio_latents (161, 24), 168);
  ck_assert_int_eq (dv_audio_latents (241, 50), 120); /* 120.5 */
}
END_TEST

START_TEST (shapes_are_the_specifications)
{
  DvShapes s;

  ck_assert_int_eq (dv_shapes (&s, 1920, 1088, 121, 24, 2, NULL), DV_OK);
  ck_assert (s.f == 16 && s.h == 34 && s.w == 60 && s.tokens == 32640);
  ck_assert (s.audio_latents == 126 && s.mel_frames == 501);
  ck_assert_int_eq (dv_shapes (&s, 32, 32, 1, 1000, 1, NULL), DV_OK);
  ck_assert (s.tokens == 1 && s.audio_latents == 1 && s.mel_frames == 1);
}
END_TEST

START_TEST (sizes_that_do_not_fit_are_refused)
{
  static const struct {
    int64_t width, height, frames;
    double fps;
    int stages;
  } bad[] = {{96, 64, 9, 24, 2}, {100, 64, 9, 24, 1}, {64, 65, 9, 24, 1},
      {0, 64, 9, 24, 1}, {-64, 64, 9, 24, 1}, {64, 64, 8, 24, 1},
      {64, 64, 0, 24, 1}, {64, 64, -7, 24, 1}, {64, 64, 10, 24, 1},
      {64, 64, INT64_MAX - 6, 24, 1}, {64, 64, 9, 0, 1}, {64, 64, 9, -24, 1},
      {64, 64, 9, 1e9, 1}, {INT64_C (1) << 40, 64, 9, 24, 1}};
  DvError error = {0};
  DvShapes s;

  ck_assert_int_eq (dv_shapes (&s, bad[_i].width, bad[_i].height,
                        bad[_i].frames, bad[_i].fps, bad[_i].stages, &error),
      DV_ERROR_ARGUMENT);
  ck_assert (error.detail[0]);
  ck_assert_int_eq (s.tokens, 0);
}
END_TEST

START_TEST (a_segment_continues_as_dreamverse_does_it)
{
  DvContinuation c;
  DvTrim trim;

  ck_assert_int_eq (dv_continuation (&c, 121, 24, 9, 49, 126, NULL), DV_OK);
  ck_assert (c.video_latents == 2 && c.audio_latents == 51 && c.extra == 40);
  ck_assert (c.audio_frames == 161 && c.audio_total == 168);
  ck_assert_double_eq_tol (c.position_offset, 40.0 / 24.0, 1e-15);
  trim = dv_continuation_trim (&c, 121, 24, 24000);
  ck_assert (trim.drop_frames == 9 && trim.keep_frames == 112);
  ck_assert (trim.drop_samples == 49000 && trim.keep_samples == 112000);
  /* No more sound than was kept, and always something new to make. */
  ck_assert_int_eq (dv_continuation (&c, 9, 24, 1, 49, 30, NULL), DV_OK);
  ck_assert (c.audio_latents == 30);
  ck_assert_int_eq (dv_continuation (&c, 17, 1000, 9, 9, 1, NULL), DV_OK);
  ck_assert (c.audio_latents == 1 && c.audio_total == 2 && c.extra == 0);
  ck_assert (c.position_offset == 0);
}
END_TEST

START_TEST (continuations_that_cannot_be_are_refused)
{
  static const int64_t bad[][4] = {{121, 8, 49, 126}, {121, 121, 49, 126},
      {121, 0, 49, 126}, {121, -7, 49, 126}, {121, 9, 0, 126}, {121, 9, 49, 0},
      {120, 9, 49, 126}, {121, 9, INT64_MAX, 126}};
  DvContinuation c;

  ck_assert_int_eq (dv_continuation (&c, bad[_i][0], 24, bad[_i][1], bad[_i][2],
                        bad[_i][3], NULL),
      DV_ERROR_ARGUMENT);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("schedule");
  TCase *tc = tcase_create ("schedule");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (
      tc, every_number_of_distilled_steps_follows_the_rule, 1, 9);
  tcase_add_test (tc, the_second_stage_takes_the_published_lists);
  tcase_add_test (tc, a_shifted_schedule_falls_to_a_tenth_and_then_to_nothing);
  tcase_add_test (tc, schedules_that_cannot_be_are_refused);
  tcase_add_test (tc, durations_are_rounded_half_to_even);
  tcase_add_test (tc, shapes_are_the_specifications);
  tcase_add_loop_test (tc, sizes_that_do_not_fit_are_refused, 0, 14);
  tcase_add_test (tc, a_segment_continues_as_dreamverse_does_it);
  tcase_add_loop_test (tc, continuations_that_cannot_be_are_refused, 0, 8);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
