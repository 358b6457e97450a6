/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stamp: written and read back, through noise and lost contrast.
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "procedural/maths.h"
#include "procedural/stamp.h"
#include "stamp-read.h"

static const uint32_t sizes[][2] = {{16, 16}, {18, 64}, {160, 96}, {320, 176},
    {640, 352}, {1280, 704}, {1920, 1088}, {1088, 1920}, {1920, 16},
    {16, 1088}};

typedef struct {
  uint32_t width, height;
  uint8_t *data;
  DvFrame frame;
} Picture;

static void
picture_init (Picture *picture, uint32_t width, uint32_t height)
{
  size_t luma = (size_t)width * height;

  picture->width = width;
  picture->height = height;
  picture->data = malloc (luma * 3 / 2);
  for (size_t i = 0; i < luma * 3 / 2; i++)
    picture->data[i] = (uint8_t)dv_hash ((uint32_t)i);
  picture->frame = (DvFrame){.plane = {picture->data, picture->data + luma,
                                 picture->data + luma + luma / 4},
      .stride = {width, width / 2, width / 2}};
}

static bool
reads (const Picture *picture, uint32_t segment, uint32_t n)
{
  uint32_t got_segment, got_n;

  return stamp_read_strip (picture->frame.plane[0], picture->width,
             picture->width, picture->height, &got_segment, &got_n) &&
         got_segment == segment && got_n == n;
}

START_TEST (every_size_reads_back)
{
  Picture picture;

  picture_init (&picture, sizes[_i][0], sizes[_i][1]);
  for (uint32_t n = 0; n < 300; n++) {
    uint32_t segment = dv_hash (n) & 0xffff;
    dv_stamp_draw (&picture.frame, picture.width, picture.height, segment, n);
    ck_assert (reads (&picture, segment, n));
  }
  free (picture.data);
}
END_TEST

/* Pulls the contrast to @scale around @middle and adds noise of +-@noise. */
static void
damage (Picture *picture, float scale, float middle, int noise, uint32_t seed)
{
  for (size_t i = 0; i < (size_t)picture->width * picture->height; i++) {
    float value = middle + ((float)picture->data[i] - 128) * scale;
    int shift = (int)(dv_hash2 (seed, (uint32_t)i) % (uint32_t)(2 * noise + 1));

    picture->data[i] =
        (uint8_t)dv_clamp (value + (float)(shift - noise), 0, 255);
  }
}

START_TEST (noise_and_lost_contrast_do_no_harm)
{
  Picture picture;

  picture_init (&picture, 160, 96);
  for (uint32_t n = 0; n < 100; n++) {
    dv_stamp_draw (&picture.frame, 160, 96, 77, n);
    damage (&picture, 0.3f + 0.007f * (float)n, 90 + (float)n / 2, 40, n);
    ck_assert (reads (&picture, 77, n));
  }
  free (picture.data);
}
END_TEST

START_TEST (what_is_no_stamp_is_refused)
{
  Picture picture;
  uint32_t segment, n, accepted = 0;

  picture_init (&picture, 320, 176);
  ck_assert (!stamp_read_strip (picture.data, 320, 320, 176, &segment, &n));
  memset (picture.data, 128, 320 * 176);
  ck_assert (!stamp_read_strip (picture.data, 320, 320, 176, &segment, &n));
  /* A turned bit is noticed, each of them. */
  for (uint32_t bit = 0; bit < DV_STAMP_BITS; bit++) {
    DvStampLayout layout;
    uint8_t *at;

    dv_stamp_layout (320, 176, &layout);
    dv_stamp_draw (&picture.frame, 320, 176, 5, 120);
    at = picture.data + bit / layout.columns * layout.block * 320 +
         bit % layout.columns * layout.block;
    for (uint32_t y = 0; y < layout.block; y++)
      for (uint32_t x = 0; x < layout.block; x++)
        at[y * 320 + x] = (uint8_t)(255 - at[y * 320 + x]);
    accepted += stamp_read_strip (picture.data, 320, 320, 176, &segment, &n);
  }
  ck_assert_uint_eq (accepted, 0);
  free (picture.data);
}
END_TEST

START_TEST (a_session_stamps_frames_and_seconds)
{
  static const DvSegmentSpec spec = {24, 1, CAPTURE_RATE, 60, 9, 9};
  DvSession *session = capture_session ();
  uint64_t clicks[8], before = 0;
  size_t n_samples = 0;
  float *all = malloc (2 * 24000 * 10 * sizeof *all);
  Capture capture;
  DvRequest request;

  capture_init (&capture, 160, 96);
  for (uint32_t index = 1; index <= 3; index++) {
    uint32_t segment, n;

    capture_restart (&capture);
    capture_request (&request, &capture, &spec, index, before,
        "thunder, heavy rain, storm, bells");
    request.stamp = true;
    ck_assert_int_eq (
        dv_session_step (session, &request, &capture.sink, NULL, NULL), DV_OK);
    ck_assert (stamp_read_strip (capture.planes, 160, 160, 96, &segment, &n));
    ck_assert_uint_eq (segment, index);
    ck_assert_uint_eq (n, 59);
    memcpy (all + 2 * n_samples, capture.samples, 8 * capture.n_samples);
    n_samples += capture.n_samples;
    before += capture.n_frames;
  }
  /* 60 + 51 + 51 frames: 6.75 s */
  ck_assert_uint_eq (
      stamp_find_clicks (all, n_samples, 2, 24000, clicks, 8), 7);
  for (size_t i = 0; i < 7; i++)
    ck_assert_uint_eq (clicks[i], 24000 * i);
  free (all);
  dv_session_free (session);
  capture_clear (&capture);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("stamp");
  TCase *tc = tcase_create ("stamp");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (
      tc, every_size_reads_back, 0, (int)(sizeof sizes / sizeof sizes[0]));
  tcase_add_test (tc, noise_and_lost_contrast_do_no_harm);
  tcase_add_test (tc, what_is_no_stamp_is_refused);
  tcase_add_test (tc, a_session_stamps_frames_and_seconds);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
