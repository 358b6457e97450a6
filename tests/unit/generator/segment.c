/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Segment arithmetic against plain 128-bit arithmetic, over many rates and
 * parameters.
 */
#include <stdlib.h>

#include <check.h>

#include "segment.h"

typedef unsigned __int128 Wide;

static const uint32_t fractions[][2] = {{24, 1}, {30000, 1001}, {25, 1},
    {24000, 1001}, {1, 1}, {120, 1}, {15, 2}, {1000, 1}};
static const uint32_t rates[] = {
    8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000};
static const uint32_t shapes[][3] = {{121, 9, 49}, {1, 0, 0}, {2, 1, 1},
    {9, 8, 8}, {25, 9, 9}, {241, 17, 33}, {1000, 0, 40}};
static const uint64_t starts[] = {
    0, 1, 121, 999, 86400ull * 24, 1000000000, 1000000000000ull};

#define LENGTH(a) (sizeof (a) / sizeof (a)[0])

static DvSegmentSpec
spec_of (unsigned fraction, unsigned rate, unsigned shape)
{
  return (DvSegmentSpec){fractions[fraction][0], fractions[fraction][1],
      rates[rate], shapes[shape][0], shapes[shape][1], shapes[shape][2]};
}

START_TEST (defaults_are_the_protocols_numbers)
{
  DvSegmentSpec spec = {24, 1, 24000, DV_DEFAULT_FRAMES, DV_DEFAULT_OVERLAP,
      DV_DEFAULT_AUDIO_OVERLAP};
  DvSegmentPlan plan;
  uint64_t frames = 0;

  dv_segment_plan (&spec, 0, false, &plan);
  ck_assert_uint_eq (plan.frames, 121);
  ck_assert_uint_eq (plan.trim_frames, 0);
  ck_assert_uint_eq (plan.samples, 121000);
  ck_assert_uint_eq (plan.trim_samples, 0);
  dv_segment_plan (&spec, 121, true, &plan);
  ck_assert_uint_eq (plan.frames, 112);
  ck_assert_uint_eq (plan.trim_frames, 9);
  ck_assert_uint_eq (plan.trim_samples, 49000);
  ck_assert_uint_eq (plan.samples, 112000);
  ck_assert_uint_eq (plan.first_frame, 121);
  ck_assert_uint_eq (plan.first_sample, 121000);
  /* Six segments, as upstream's cap. */
  for (int i = 0; i < 6; i++) {
    dv_segment_plan (&spec, frames, i > 0, &plan);
    frames += plan.frames;
  }
  ck_assert_uint_eq (frames, 681);
  ck_assert_uint_eq (dv_segment_frame_time (&spec, 121), 5041666666u);
  ck_assert_uint_eq (dv_segment_sample_time (&spec, 121000), 5041666666u);
}
END_TEST

/* |samples - frames * rate * d / n| is at most a half, in integers. */
static void
check_boundary (const DvSegmentSpec *spec, uint64_t frames, uint64_t samples)
{
  Wide exact = (Wide)frames * spec->rate * spec->fps_d;
  Wide ours = (Wide)samples * spec->fps_n;
  Wide off = exact > ours ? exact - ours : ours - exact;

  ck_assert (2 * off <= spec->fps_n);
}

START_TEST (boundaries_are_within_half_a_sample)
{
  for (unsigned f = 0; f < LENGTH (fractions); f++)
    for (unsigned r = 0; r < LENGTH (rates); r++) {
      DvSegmentSpec spec = spec_of (f, r, 0);
      uint64_t last = 0;

      for (unsigned s = 0; s < LENGTH (starts); s++)
        for (uint64_t frames = starts[s]; frames < starts[s] + 50; frames++)
          check_boundary (&spec, frames, dv_segment_samples (&spec, frames));
      for (uint64_t frames = 0; frames < 3000; frames++) {
        uint64_t samples = dv_segment_samples (&spec, frames);

        ck_assert (samples >= last);
        last = samples;
        check_boundary (&spec, frames, samples);
      }
    }
}
END_TEST

START_TEST (segments_join_without_gap_or_drift)
{
  for (unsigned f = 0; f < LENGTH (fractions); f++)
    for (unsigned r = 0; r < LENGTH (rates); r++)
      for (unsigned a = 0; a < LENGTH (shapes); a++)
        for (unsigned s = 0; s < LENGTH (starts); s++) {
          DvSegmentSpec spec = spec_of (f, r, a);
          uint64_t frames = starts[s];
          uint64_t samples = dv_segment_samples (&spec, frames);

          ck_assert_int_eq (dv_segment_check (&spec, NULL), DV_OK);
          for (int i = 0; i < 12; i++) {
            bool continued = i % 5 != 0;
            DvSegmentPlan plan;

            dv_segment_plan (&spec, frames, continued, &plan);
            ck_assert_uint_eq (plan.first_frame, frames);
            ck_assert_uint_eq (plan.first_sample, samples);
            ck_assert_uint_eq (plan.trim_frames, continued ? spec.overlap : 0);
            ck_assert_uint_eq (plan.frames + plan.trim_frames, spec.frames);
            ck_assert_uint_eq (plan.trim_samples,
                continued ? dv_segment_samples (&spec, spec.audio_overlap) : 0);
            frames += plan.frames;
            samples += plan.samples;
            check_boundary (&spec, frames, samples);
          }
        }
}
END_TEST

START_TEST (times_are_exact_after_a_billion_frames)
{
  for (unsigned f = 0; f < LENGTH (fractions); f++) {
    DvSegmentSpec spec = spec_of (f, 0, 0);

    for (unsigned s = 0; s < LENGTH (starts) - 1; s++) {
      uint64_t time = dv_segment_frame_time (&spec, starts[s]);
      Wide exact = (Wide)starts[s] * 1000000000u * spec.fps_d;

      ck_assert ((Wide)time * spec.fps_n <= exact);
      ck_assert ((Wide)(time + 1) * spec.fps_n > exact);
      ck_assert_uint_eq (dv_segment_sample_time (&spec, starts[s] * spec.rate),
          starts[s] * 1000000000u);
    }
  }
}
END_TEST

START_TEST (impossible_segments_are_refused)
{
  static const DvSegmentSpec bad[] = {{0, 1, 24000, 121, 9, 49},
      {24, 0, 24000, 121, 9, 49}, {24, 1, 0, 121, 9, 49},
      {24, 1, 24000, 0, 0, 0}, {24, 1, 24000, 9, 9, 49},
      {24, 1, 24000, 9, 10, 49}, {24, 1, 24000, 121, 9, 8}};

  for (unsigned i = 0; i < LENGTH (bad); i++) {
    DvError error = {0};

    ck_assert_int_eq (dv_segment_check (&bad[i], &error), DV_ERROR_ARGUMENT);
    ck_assert_int_eq (error.code, DV_ERROR_ARGUMENT);
    ck_assert_str_eq (error.stage, "segment");
    ck_assert (error.detail[0]);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("segment");
  TCase *tc = tcase_create ("segment");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, defaults_are_the_protocols_numbers);
  tcase_add_test (tc, boundaries_are_within_half_a_sample);
  tcase_add_test (tc, segments_join_without_gap_or_drift);
  tcase_add_test (tc, times_are_exact_after_a_billion_frames);
  tcase_add_test (tc, impossible_segments_are_refused);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
