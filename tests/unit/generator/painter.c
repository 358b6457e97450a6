/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * That a drawn frame depends on its moment and size alone, stays within its
 * planes and its memory, and that the gallery's pictures are unlike.
 */
#include <check.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "procedural/gallery.h"
#include "procedural/painter.h"

#define GUARD 64

typedef struct {
  uint32_t width, height, stride[3], rows[3];
  uint8_t *memory[3];
  DvFrame frame;
} Picture;

static void
picture_open (Picture *picture, uint32_t width, uint32_t height, uint32_t extra)
{
  picture->width = width;
  picture->height = height;
  for (int c = 0; c < 3; c++) {
    size_t size;

    picture->stride[c] = (c ? (width + 1) / 2 : width) + extra;
    picture->rows[c] = c ? (height + 1) / 2 : height;
    size = (size_t)picture->stride[c] * picture->rows[c] + 2 * GUARD;
    picture->memory[c] = malloc (size);
    memset (picture->memory[c], 0xa5, size);
    picture->frame.plane[c] = picture->memory[c] + GUARD;
    picture->frame.stride[c] = picture->stride[c];
  }
}

static void
picture_close (Picture *picture)
{
  for (int c = 0; c < 3; c++)
    free (picture->memory[c]);
}

static uint32_t
crc32_of (uint32_t crc, const uint8_t *data, size_t size)
{
  crc = ~crc;
  for (size_t i = 0; i < size; i++) {
    crc ^= data[i];
    for (int k = 0; k < 8; k++)
      crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

static uint32_t
picture_crc (const Picture *picture)
{
  uint32_t crc = 0;

  for (int c = 0; c < 3; c++)
    for (uint32_t y = 0; y < picture->rows[c]; y++)
      crc = crc32_of (crc,
          picture->frame.plane[c] + (size_t)y * picture->stride[c],
          c ? (picture->width + 1) / 2 : picture->width);
  return crc;
}

static DvMoment
moment_at (const char *from, const char *to, double seconds, float mix)
{
  DvMoment moment;

  memset (&moment, 0, sizeof moment);
  dv_scene_read (&moment.from, from, 0);
  dv_scene_read (&moment.to, to, 0);
  moment.mix = mix;
  dv_scene_mix (&moment.scene, &moment.from, &moment.to, mix);
  moment.frame = (uint64_t)(seconds * 24);
  moment.time = seconds;
  moment.camera_x = seconds * 0.08 * (double)moment.scene.camera_x;
  moment.camera_zoom = seconds * 0.08 * (double)moment.scene.camera_zoom;
  moment.wind = seconds * (0.15 + 1.5 * (double)moment.scene.wind);
  return moment;
}

static uint32_t
draw_crc (DvPainter *painter, const DvMoment *moment, Picture *picture)
{
  dv_painter_draw (painter, moment, &picture->frame);
  return picture_crc (picture);
}

START_TEST (a_moment_always_looks_the_same)
{
  DvMoment moment =
      moment_at (dv_gallery[0].prompt, dv_gallery[4].prompt, 3.25, 0.4f);
  DvPainter *fresh = dv_painter_new (160, 96);
  DvPainter *old = dv_painter_new (160, 96);
  Picture picture;
  uint32_t crc;

  picture_open (&picture, 160, 96, 0);
  crc = draw_crc (fresh, &moment, &picture);
  for (int i = 0; i < 200; i++) {
    DvMoment other = moment_at (dv_gallery[i % 12].prompt,
        dv_gallery[(i * 5 + 1) % 12].prompt, i * 1.7, (float)(i % 4) / 3);

    dv_painter_draw (old, &other, &picture.frame);
  }
  ck_assert_uint_eq (draw_crc (old, &moment, &picture), crc);
  ck_assert_uint_eq (draw_crc (old, &moment, &picture), crc);
  picture_close (&picture);
  dv_painter_free (fresh);
  dv_painter_free (old);
}
END_TEST

START_TEST (the_ends_of_a_morph_are_its_scenes)
{
  DvPainter *painter = dv_painter_new (160, 96);
  Picture picture;

  picture_open (&picture, 160, 96, 0);
  for (int i = 0; i < 12; i += 3) {
    const char *a = dv_gallery[i].prompt, *b = dv_gallery[i + 1].prompt;
    DvMoment start = moment_at (a, b, 2, 0), only_a = moment_at (a, a, 2, 1);
    DvMoment end = moment_at (a, b, 2, 1), only_b = moment_at (b, b, 2, 0);
    uint32_t crc = draw_crc (painter, &only_a, &picture);

    ck_assert_uint_eq (draw_crc (painter, &start, &picture), crc);
    crc = draw_crc (painter, &only_b, &picture);
    ck_assert_uint_eq (draw_crc (painter, &end, &picture), crc);
  }
  picture_close (&picture);
  dv_painter_free (painter);
}
END_TEST

typedef struct {
  unsigned calls, last;
} Patience;

static bool
out_of_patience (void *user)
{
  Patience *patience = user;

  return ++patience->calls >= patience->last;
}

/* While a scene is made ready one is asked often whether to go on, and what
 * was begun when the answer was no does not show. */
START_TEST (preparing_stops_when_told)
{
  DvMoment moment =
      moment_at (dv_gallery[4].prompt, dv_gallery[8].prompt, 3.25, 0.4f);
  DvPainter *painter = dv_painter_new (640, 352);
  DvPainter *fresh = dv_painter_new (640, 352);
  Patience endless = {0, UINT_MAX};
  Picture picture;
  uint32_t crc;

  picture_open (&picture, 640, 352, 0);
  for (unsigned n = 1; n < 25; n += 7) {
    Patience short_one = {0, n};

    ck_assert (
        !dv_painter_prepare (painter, &moment, out_of_patience, &short_one));
    ck_assert_uint_eq (short_one.calls, n);
    /* Some of it is done: go on with another scene, and come back. */
    if (n == 15) {
      DvMoment other =
          moment_at (dv_gallery[1].prompt, dv_gallery[2].prompt, 1, 0.5f);

      dv_painter_draw (painter, &other, &picture.frame);
    }
  }
  ck_assert (dv_painter_prepare (painter, &moment, out_of_patience, &endless));
  endless.calls = 0;
  ck_assert (dv_painter_prepare (painter, &moment, out_of_patience, &endless));
  ck_assert_uint_eq (endless.calls, 0);
  crc = draw_crc (painter, &moment, &picture);
  /* All at once: each block of each layer in turn. */
  ck_assert (dv_painter_prepare (fresh, &moment, out_of_patience, &endless));
  ck_assert_uint_gt (endless.calls, 60);
  ck_assert_uint_eq (draw_crc (fresh, &moment, &picture), crc);
  ck_assert (dv_painter_prepare (fresh, &moment, NULL, NULL));
  picture_close (&picture);
  dv_painter_free (painter);
  dv_painter_free (fresh);
}
END_TEST

static double
difference (const Picture *a, const Picture *b)
{
  double sum = 0;

  for (uint32_t y = 0; y < a->height; y++)
    for (uint32_t x = 0; x < a->width; x++)
      sum += abs (a->frame.plane[0][(size_t)y * a->stride[0] + x] -
                  b->frame.plane[0][(size_t)y * b->stride[0] + x]);
  return sum / a->width / a->height;
}

/* The same for means of 16x16, where a small move shows little. */
static double
coarse_difference (const Picture *a, const Picture *b)
{
  double sum = 0;
  unsigned n = 0;

  for (uint32_t y = 0; y + 16 <= a->height; y += 16)
    for (uint32_t x = 0; x + 16 <= a->width; x += 16, n++) {
      int block = 0;

      for (uint32_t i = 0; i < 256; i++)
        block +=
            a->frame
                .plane[0][(size_t)(y + i / 16) * a->stride[0] + x + i % 16] -
            b->frame.plane[0][(size_t)(y + i / 16) * b->stride[0] + x + i % 16];
      sum += abs (block) / 256.0;
    }
  return sum / n;
}

/* In sixty steps from one scene to another no step is a cut, and no frame
 * is left as it was. */
START_TEST (a_morph_goes_in_small_steps)
{
  DvPainter *painter = dv_painter_new (640, 352);
  Picture picture[2];
  double total, largest = 0;
  DvMoment moment =
      moment_at (dv_gallery[3].prompt, dv_gallery[8].prompt, 2, 0);

  picture_open (&picture[0], 640, 352, 0);
  picture_open (&picture[1], 640, 352, 0);
  dv_painter_draw (painter, &moment, &picture[0].frame);
  for (int i = 1; i <= 60; i++) {
    double step;

    moment.mix = (float)i / 60;
    dv_scene_mix (&moment.scene, &moment.from, &moment.to, moment.mix);
    dv_painter_draw (painter, &moment, &picture[i & 1].frame);
    step = coarse_difference (&picture[0], &picture[1]);
    if (getenv ("DV_SHOW"))
      printf ("# step %d: %.2f\n", i, step);
    largest = step > largest ? step : largest;
  }
  moment.mix = 0;
  dv_scene_mix (&moment.scene, &moment.from, &moment.to, 0);
  dv_painter_draw (painter, &moment, &picture[1].frame);
  total = coarse_difference (&picture[0], &picture[1]);
  ck_assert_msg (largest < 0.15 * total, "a step of %g in %g", largest, total);
  picture_close (&picture[0]);
  picture_close (&picture[1]);
  dv_painter_free (painter);
}
END_TEST

static const uint32_t sizes[][2] = {{16, 16}, {18, 34}, {130, 66}, {66, 258},
    {1026, 34}, {64, 64}, {2, 2}, {642, 362}};

/* Nothing outside the planes' own pixels is touched, and every one inside
 * is. */
START_TEST (strides_are_kept)
{
  uint32_t width = sizes[_i][0], height = sizes[_i][1];
  DvPainter *painter = dv_painter_new (width, height);
  Picture a, b;

  ck_assert_ptr_nonnull (painter);
  picture_open (&a, width, height, 0);
  picture_open (&b, width, height, 23);
  for (int k = 0; k < 12; k++) {
    DvMoment moment = moment_at (dv_gallery[k].prompt,
        dv_gallery[(k + 5) % 12].prompt, 100 + k, k & 1 ? 0.5f : 0);

    for (int c = 0; c < 3; c++)
      memset (b.memory[c], k & 1 ? 0x5a : 0xa5,
          (size_t)b.stride[c] * b.rows[c] + 2 * GUARD);
    ck_assert_uint_eq (
        draw_crc (painter, &moment, &a), draw_crc (painter, &moment, &b));
    for (int c = 0; c < 3; c++) {
      const uint8_t *p = b.memory[c];
      uint8_t fill = k & 1 ? 0x5a : 0xa5;
      uint32_t wide = c ? (width + 1) / 2 : width;
      size_t size = (size_t)b.stride[c] * b.rows[c];

      for (size_t i = 0; i < GUARD; i++) {
        ck_assert_uint_eq (p[i], fill);
        ck_assert_uint_eq (p[GUARD + size + i], fill);
      }
      for (uint32_t y = 0; y < b.rows[c]; y++)
        for (uint32_t x = wide; x < b.stride[c]; x++)
          ck_assert_uint_eq (p[GUARD + (size_t)y * b.stride[c] + x], fill);
    }
  }
  picture_close (&a);
  picture_close (&b);
  dv_painter_free (painter);
}
END_TEST

START_TEST (sizes_out_of_range_are_refused)
{
  ck_assert_ptr_null (dv_painter_new (0, 0));
  ck_assert_ptr_null (dv_painter_new (8194, 64));
  ck_assert_ptr_null (dv_painter_new (64, 0));
}
END_TEST

/* Hours of drift: still a picture, and no more memory than at first. */
START_TEST (memory_does_not_grow_with_frames)
{
  DvPainter *painter = dv_painter_new (160, 96);
  Picture picture;
  size_t before = 0, after;

  picture_open (&picture, 160, 96, 0);
  for (int i = 0; i < 240; i++) {
    DvMoment moment = moment_at (dv_gallery[i / 3 % 12].prompt,
        dv_gallery[(i / 3 + 1) % 12].prompt, i * 97.0, (float)(i % 3) / 3);

    dv_painter_draw (painter, &moment, &picture.frame);
    if (i == 119)
      before = mallinfo2 ().uordblks + mallinfo2 ().hblkhd;
  }
  after = mallinfo2 ().uordblks + mallinfo2 ().hblkhd;
  ck_assert_msg (
      after <= before + before / 4, "%zu bytes, then %zu", before, after);
  picture_close (&picture);
  dv_painter_free (painter);
}
END_TEST

/* A camera that has gone far goes on as smoothly as at first. */
START_TEST (far_away_nothing_jumps)
{
  DvPainter *painter = dv_painter_new (160, 96);
  Picture picture[2];

  picture_open (&picture[0], 160, 96, 0);
  picture_open (&picture[1], 160, 96, 0);
  for (int k = 0; k < 12; k++) {
    double near = 0, far = 0;

    for (int i = 0; i < 40; i++) {
      DvMoment moment = moment_at (
          dv_gallery[k].prompt, dv_gallery[k].prompt, 5 + i / 24.0, 0);

      dv_painter_draw (painter, &moment, &picture[i & 1].frame);
      if (i)
        near += difference (&picture[0], &picture[1]);
    }
    for (int i = 0; i < 40; i++) {
      DvMoment moment = moment_at (
          dv_gallery[k].prompt, dv_gallery[k].prompt, 200000 + i / 24.0, 0);

      dv_painter_draw (painter, &moment, &picture[i & 1].frame);
      if (i)
        far += difference (&picture[0], &picture[1]);
    }
    ck_assert_msg (near > 0.5, "%s stands still", dv_gallery[k].name);
    ck_assert_msg (far < 2.5 * near + 8 && far > 0.25 * near,
        "%s: %g at first, %g far away", dv_gallery[k].name, near, far);
  }
  picture_close (&picture[0]);
  picture_close (&picture[1]);
  dv_painter_free (painter);
}
END_TEST

/* Structural similarity of luma: windows of 8x8, every fourth pixel. */
static double
ssim (const Picture *a, const Picture *b)
{
  const double c1 = 6.5025, c2 = 58.5225;
  double total = 0;
  unsigned n = 0;

  for (uint32_t y = 0; y + 8 <= a->height; y += 4)
    for (uint32_t x = 0; x + 8 <= a->width; x += 4) {
      double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, va, vb, cov;

      for (uint32_t j = 0; j < 8; j++)
        for (uint32_t i = 0; i < 8; i++) {
          double p = a->frame.plane[0][(size_t)(y + j) * a->stride[0] + x + i];
          double q = b->frame.plane[0][(size_t)(y + j) * b->stride[0] + x + i];

          sa += p;
          sb += q;
          saa += p * p;
          sbb += q * q;
          sab += p * q;
        }
      sa /= 64;
      sb /= 64;
      va = saa / 64 - sa * sa;
      vb = sbb / 64 - sb * sb;
      cov = sab / 64 - sa * sb;
      total += (2 * sa * sb + c1) * (2 * cov + c2) /
               ((sa * sa + sb * sb + c1) * (va + vb + c2));
      n++;
    }
  return total / n;
}

START_TEST (the_gallery_is_pairwise_unlike)
{
  DvPainter *painter = dv_painter_new (640, 352);
  Picture picture[DV_GALLERY_SIZE];
  double worst = 0;

  for (int i = 0; i < DV_GALLERY_SIZE; i++) {
    DvMoment moment =
        moment_at (dv_gallery[i].prompt, dv_gallery[i].prompt, 2.5, 0);

    picture_open (&picture[i], 640, 352, 0);
    dv_painter_draw (painter, &moment, &picture[i].frame);
  }
  for (int i = 0; i < DV_GALLERY_SIZE; i++) {
    ck_assert_double_gt (ssim (&picture[i], &picture[i]), 0.999);
    for (int j = 0; j < i; j++) {
      double like = ssim (&picture[i], &picture[j]);

      if (getenv ("DV_SHOW"))
        printf (
            "# %.3f %s, %s\n", like, dv_gallery[j].name, dv_gallery[i].name);
      worst = like > worst ? like : worst;
    }
  }
  ck_assert_msg (worst < 0.6, "%.3f is too like", worst);
  for (int i = 0; i < DV_GALLERY_SIZE; i++)
    picture_close (&picture[i]);
  dv_painter_free (painter);
}
END_TEST

/* The bytes themselves, the same with every compiler and on every machine. A
 * change of the look changes them: DV_SHOW=1 prints the new ones. */
static const struct {
  int from, to;
  double seconds;
  float mix;
  uint32_t crc;
} golden[] = {
    {0, 0, 2.5, 0, 0xa0e93e7c},
    {1, 1, 61.25, 0, 0x87aae142},
    {2, 3, 5, 0.3f, 0xa9ed27a9},
    {4, 5, 3600.5, 0.5f, 0xf30242b9},
    {6, 7, 12, 0.8f, 0x673e1e25},
    {8, 9, 1, 0.1f, 0xe5b8def5},
    {10, 10, 86400, 0, 0xed5cb34b},
    {11, 1, 7, 0.65f, 0x846b766f},
};

START_TEST (the_bytes_are_the_same_everywhere)
{
  DvMoment moment = moment_at (dv_gallery[golden[_i].from].prompt,
      dv_gallery[golden[_i].to].prompt, golden[_i].seconds, golden[_i].mix);
  DvPainter *painter = dv_painter_new (160, 96);
  Picture picture;
  uint32_t crc;

  picture_open (&picture, 160, 96, 0);
  crc = draw_crc (painter, &moment, &picture);
  if (getenv ("DV_SHOW"))
    printf ("# golden %d: 0x%08x\n", _i, crc);
  ck_assert_uint_eq (crc, golden[_i].crc);
  picture_close (&picture);
  dv_painter_free (painter);
}
END_TEST

/* A start image's colours are seen in the picture. */
START_TEST (a_start_image_colours_the_picture)
{
  uint8_t pixels[3 * 64];
  DvImage image = {pixels, 8, 8, 24};
  DvPainter *painter = dv_painter_new (160, 96);
  Picture picture;
  double mean[2] = {0, 0};

  picture_open (&picture, 160, 96, 0);
  for (int k = 0; k < 2; k++) {
    DvMoment moment =
        moment_at ("a lake in the hills", "a lake in the hills", 1, 0);

    for (int i = 0; i < 64; i++) {
      pixels[3 * i] = k ? 220 : 30;
      pixels[3 * i + 1] = 60;
      pixels[3 * i + 2] = k ? 30 : 220;
    }
    dv_scene_colour (&moment.from, &image);
    moment.to = moment.scene = moment.from;
    dv_painter_draw (painter, &moment, &picture.frame);
    for (int i = 0; i < 80 * 48; i++)
      mean[k] += picture.frame.plane[2][i] / (80.0 * 48.0);
  }
  ck_assert_double_gt (mean[1], mean[0] + 12);
  picture_close (&picture);
  dv_painter_free (painter);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("painter");
  TCase *test = tcase_create ("all"), *golden_test = tcase_create ("golden");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  suite_add_tcase (suite, golden_test);
  tcase_add_test (test, a_moment_always_looks_the_same);
  tcase_add_test (test, the_ends_of_a_morph_are_its_scenes);
  tcase_add_test (test, preparing_stops_when_told);
  tcase_add_test (test, a_morph_goes_in_small_steps);
  tcase_add_loop_test (test, strides_are_kept, 0, sizeof sizes / sizeof *sizes);
  tcase_add_test (test, sizes_out_of_range_are_refused);
  tcase_add_test (test, memory_does_not_grow_with_frames);
  tcase_add_test (test, far_away_nothing_jumps);
  tcase_add_test (test, the_gallery_is_pairwise_unlike);
  tcase_add_loop_test (golden_test, the_bytes_are_the_same_everywhere, 0,
      sizeof golden / sizeof *golden);
  tcase_add_test (test, a_start_image_colours_the_picture);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
