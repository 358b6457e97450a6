/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Results worked out by hand, on both CPU backends: what every other test of
 * the ops rests on.
 *
 * Threads: one, beside the device's own.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "ops.h"
#include "philox.h"

static const char *const backends[] = {"ref", "cpu"};
static DvDevice *device;
static DvStream *stream;

static void
open_device (int i)
{
  DvError error = {0};

  device = dv_device_open (
      &(DvDeviceSpec){.backend = backends[i], .threads = 2}, &error);
  ck_assert_msg (device != NULL, "%s", error.detail);
  stream = dv_stream_new (device, 8 << 20, &error);
  ck_assert_msg (stream != NULL, "%s", error.detail);
}

static void
close_device (void)
{
  DvError error = {0};

  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  dv_stream_free (stream);
  dv_device_unref (device);
}

static void
expect (const float *is, const float *must, int n)
{
  DvError error = {0};

  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  for (int i = 0; i < n; i++)
    ck_assert_msg (fabsf (is[i] - must[i]) <= 2e-6f * (1 + fabsf (must[i])),
        "%d: %g is not %g", i, (double)is[i], (double)must[i]);
}

START_TEST (a_product_with_its_epilogue)
{
  float a[] = {1, 2, 3, 4}, w[] = {5, 6, 7, 8, 9, 10}, bias[] = {1, 1, 1};
  float gate[] = {2, 2, 2}, out[6] = {1, 1, 1, 1, 1, 1};
  DvTensor ta = DV_TENSOR (a, DV_F32, 2, 2), tw = DV_TENSOR (w, DV_F32, 3, 2);
  DvTensor tb = DV_TENSOR (bias, DV_F32, 3),
           tg = DV_TENSOR (gate, DV_F32, 1, 3);
  DvTensor to = DV_TENSOR (out, DV_F32, 2, 3);
  DvWeight weight;

  open_device (_i);
  ck_assert_int_eq (
      dv_weight_prepare (device, &weight, DV_USE_MATMUL, DV_F32, &tw, NULL),
      DV_OK);
  dv_matmul (stream, &(DvMatmul){.out = &to,
                         .a = &ta,
                         .w = &weight,
                         .bias = &tb,
                         .gate = {.table = &tg},
                         .residual = &to});
  expect (out, (float[]){37, 49, 61, 81, 109, 137}, 6);
  dv_weight_clear (device, &weight);
  close_device ();
}
END_TEST

START_TEST (attention_weighs_by_its_scores)
{
  float q[] = {1, 1}, k[] = {0, 1.0986123f}, v[] = {4, 8}, out[2];
  DvTensor tq = DV_TENSOR (q, DV_F32, 2, 1, 1),
           tk = DV_TENSOR (k, DV_F32, 2, 1, 1);
  DvTensor tv = DV_TENSOR (v, DV_F32, 2, 1, 1);
  DvTensor to = DV_TENSOR (out, DV_F32, 2, 1, 1);
  DvAttention args = {.out = &to, .q = &tq, .k = &tk, .v = &tv, .scale = 1};

  open_device (_i);
  dv_attention (stream, &args);
  expect (out, (float[]){7, 7}, 2);
  args.causal = true;
  dv_attention (stream, &args);
  expect (out, (float[]){4, 7}, 2);
  args.window = 1;
  dv_attention (stream, &args);
  expect (out, (float[]){4, 8}, 2);
  close_device ();
}
END_TEST

START_TEST (norms_and_rotation)
{
  float x[] = {3, 4}, out[2], cosine[] = {0}, sine[] = {1};
  DvTensor tx = DV_TENSOR (x, DV_F32, 1, 2), to = DV_TENSOR (out, DV_F32, 1, 2);
  DvTensor hx = DV_TENSOR (x, DV_F32, 1, 1, 2);
  DvTensor ho = DV_TENSOR (out, DV_F32, 1, 1, 2);
  DvTensor tc = DV_TENSOR (cosine, DV_F32, 1, 1);
  DvTensor ts = DV_TENSOR (sine, DV_F32, 1, 1);
  DvTensor gx = DV_TENSOR (x, DV_F32, 1, 1, 2, 1);
  DvTensor go = DV_TENSOR (out, DV_F32, 1, 1, 2, 1);

  open_device (_i);
  dv_norm (stream, &(DvNorm){.out = &to, .x = &tx});
  expect (out, (float[]){0.8485281f, 1.1313708f}, 2);
  dv_norm (stream, &(DvNorm){.out = &to, .x = &tx, .kind = DV_NORM_LAYER});
  expect (out, (float[]){-1, 1}, 2);
  dv_qk_norm (stream, &(DvQkNorm){.out = &ho,
                          .x = &hx,
                          .rope = {.n_axes = 1, .cos = {&tc}, .sin = {&ts}}});
  expect (out, (float[]){-4, 3}, 2);
  dv_group_norm (stream, &(DvGroupNorm){.out = &go, .x = &gx, .groups = 1});
  expect (out, (float[]){-1, 1}, 2);
  close_device ();
}
END_TEST

START_TEST (convolutions)
{
  float x[] = {1, 2, 3}, w[] = {1, 10, 100}, out[5];
  DvTensor tx = DV_TENSOR (x, DV_F32, 1, 1, 3, 1);
  DvTensor tw = DV_TENSOR (w, DV_F32, 1, 1, 1, 1, 3);
  DvTensor up = DV_TENSOR (w, DV_F32, 1, 1, 3),
           ux = DV_TENSOR (x, DV_F32, 2, 1);
  DvTensor to = DV_TENSOR (out, DV_F32, 1, 1, 3, 1);
  DvTensor uo = DV_TENSOR (out, DV_F32, 5, 1);
  DvConv args = {
      .out = &to, .x = &tx, .pad_lo = {0, 0, 1}, .pad_hi = {0, 0, 1}};
  DvWeight weight;

  open_device (_i);
  ck_assert_int_eq (
      dv_weight_prepare (device, &weight, DV_USE_CONV, DV_F32, &tw, NULL),
      DV_OK);
  args.w = &weight;
  dv_conv (stream, &args);
  expect (out, (float[]){210, 321, 32}, 3);
  args.pad_mode[2] = DV_PAD_REFLECT;
  dv_conv (stream, &args);
  expect (out, (float[]){212, 321, 232}, 3);
  args.pad_mode[2] = DV_PAD_EDGE;
  dv_conv (stream, &args);
  expect (out, (float[]){211, 321, 332}, 3);
  dv_weight_clear (device, &weight);
  ck_assert_int_eq (
      dv_weight_prepare (device, &weight, DV_USE_CONV_UP1, DV_F32, &up, NULL),
      DV_OK);
  dv_conv_up1 (
      stream, &(DvConvUp1){.out = &uo, .x = &ux, .w = &weight, .stride = 2});
  expect (out, (float[]){1, 10, 102, 20, 200}, 5);
  dv_weight_clear (device, &weight);
  close_device ();
}
END_TEST

START_TEST (channels_become_cells)
{
  float x[] = {0, 1, 2, 3}, out[4];
  DvTensor tx = DV_TENSOR (x, DV_F32, 1, 1, 1, 4);
  DvTensor to = DV_TENSOR (out, DV_F32, 1, 2, 2, 1);
  DvShuffle args = {
      .out = &to, .x = &tx, .kind = DV_DEPTH_TO_SPACE, .factor = {1, 2, 2}};

  open_device (_i);
  dv_shuffle (stream, &args);
  expect (out, (float[]){0, 1, 2, 3}, 4);
  args.columns_first = true;
  dv_shuffle (stream, &args);
  expect (out, (float[]){0, 2, 1, 3}, 4);
  close_device ();
}
END_TEST

START_TEST (steps_of_a_flow)
{
  float x[] = {1, 1}, velocity[] = {2, 2}, mask[] = {1, 0}, clean[] = {9, 5};
  DvTensor tx = DV_TENSOR (x, DV_F32, 2, 1);
  DvTensor tv = DV_TENSOR (velocity, DV_F32, 2, 1);
  DvTensor tm = DV_TENSOR (mask, DV_F32, 2),
           tc = DV_TENSOR (clean, DV_F32, 2, 1);
  DvEuler args = {.x = &tx, .velocity = &tv, .sigma = 0.5f, .next = 0.25f};

  open_device (_i);
  dv_euler (stream, &args);
  expect (x, (float[]){0.5f, 0.5f}, 2);
  args.mask = &tm;
  args.clean = &tc;
  args.next = 0;
  dv_euler (stream, &args);
  expect (x, (float[]){-0.5f, 5}, 2);
  close_device ();
}
END_TEST

START_TEST (resampling)
{
  float x[] = {1, 2, 3}, one[] = {1, 1}, out[6], flat[12], zero[] = {0};
  float same[] = {0.5f, 0.5f, 0.5f};
  DvTensor tx = DV_TENSOR (x, DV_F32, 2, 1), tf = DV_TENSOR (one, DV_F32, 2);
  DvTensor to = DV_TENSOR (out, DV_F32, 4, 1);
  DvTensor sx = DV_TENSOR (same, DV_F32, 3, 1),
           so = DV_TENSOR (out, DV_F32, 3, 1);
  DvTensor t12 = DV_TENSOR (flat, DV_F32, 12), t0 = DV_TENSOR (zero, DV_F32, 1);
  float wave = 0.5f + sinf (0.5f) * sinf (0.5f);

  for (int i = 0; i < 12; i++)
    flat[i] = 1.0f / 12;
  open_device (_i);
  dv_fir_up (
      stream, &(DvFirUp){.out = &to, .x = &tx, .filter = &tf, .factor = 2});
  expect (out, (float[]){2, 2, 4, 4}, 4);
  dv_snake (stream, &(DvSnake){.out = &so,
                        .x = &sx,
                        .alpha = &t0,
                        .beta = &t0,
                        .up = &t12,
                        .down = &t12});
  expect (out, (float[]){wave, wave, wave}, 3);
  close_device ();
}
END_TEST

START_TEST (pixels)
{
  float x[] = {-1, -1, -1, 1, 1, 1, 0, NAN, 7};
  uint8_t rgb[9], y[3], u[2], v[2];
  static const uint8_t must[] = {0, 0, 0, 255, 255, 255, 127, 0, 255};
  DvTensor tx = DV_TENSOR (x, DV_F32, 1, 3, 3);

  open_device (_i);
  dv_pixels (stream, &(DvPixels){.x = &tx,
                         .rgb = rgb,
                         .rgb_stride = 9,
                         .plane = {y, u, v},
                         .stride = {3, 2, 2}});
  dv_stream_status (stream, NULL);
  ck_assert_mem_eq (rgb, must, 9);
  ck_assert_int_eq (y[0], 16);
  ck_assert_int_eq (y[1], 235);
  ck_assert_int_eq (u[0], 128); /* black and white: grey */
  ck_assert_int_eq (v[0], 128);
  close_device ();
}
END_TEST

START_TEST (changes_of_a_matrix)
{
  float x[] = {1, 2, 3, 4}, b[] = {1, 2}, a[] = {1, -1}, out[4];
  float b2[] = {1, 0, 0, 1}, a2[] = {10, 20, 30, 40};
  DvTensor tx = DV_TENSOR (x, DV_F32, 2, 2), to = DV_TENSOR (out, DV_F32, 2, 2);
  DvTensor tb = DV_TENSOR (b, DV_F32, 2, 1), ta = DV_TENSOR (a, DV_F32, 1, 2);
  DvTensor tb2 = DV_TENSOR (b2, DV_F32, 2, 2);
  DvTensor ta2 = DV_TENSOR (a2, DV_F32, 2, 2);
  DvChange changes[] = {{&tb, &ta, 2}, {&tb2, &ta2, 0.5f}};

  open_device (_i);
  dv_merge (stream,
      &(DvMerge){.out = &to, .x = &tx, .changes = changes, .n_changes = 1});
  expect (out, (float[]){3, 0, 7, 0}, 4);
  dv_merge (stream,
      &(DvMerge){.out = &tx, .x = &tx, .changes = changes, .n_changes = 2});
  expect (x, (float[]){8, 10, 22, 20}, 4);
  close_device ();
}
END_TEST

/* Near 256 a BF16 has room for every other whole number: 256 + 0.75 would be
 * 256 again, and 257.5 is 258. */
START_TEST (changes_are_rounded_once)
{
  float x = 256, one = 1, small = 0.75f;
  uint16_t out = 0;
  DvTensor tx = DV_TENSOR (&x, DV_F32, 1, 1),
           to = DV_TENSOR (&out, DV_BF16, 1, 1);
  DvTensor tb = DV_TENSOR (&one, DV_F32, 1, 1);
  DvTensor ta = DV_TENSOR (&small, DV_F32, 1, 1);
  DvChange changes[] = {{&tb, &ta, 1}, {&tb, &ta, 1}};

  open_device (_i);
  dv_merge (stream,
      &(DvMerge){.out = &to, .x = &tx, .changes = changes, .n_changes = 1});
  dv_stream_status (stream, NULL);
  ck_assert_float_eq (dv_f32_from_bf16 (out), 256);
  dv_merge (stream,
      &(DvMerge){.out = &to, .x = &tx, .changes = changes, .n_changes = 2});
  dv_stream_status (stream, NULL);
  ck_assert_float_eq (dv_f32_from_bf16 (out), 258);
  close_device ();
}
END_TEST

/* The generator's published answers (Random123's kat_vectors). */
START_TEST (philox)
{
  static const uint32_t zero[] = {
      0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  static const uint32_t ones[] = {
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  static const uint32_t pi[] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  uint32_t word[4];
  double sum = 0, squares = 0;

  dv_philox (0, 0, 0, word);
  ck_assert_mem_eq (word, zero, sizeof zero);
  dv_philox (UINT64_MAX, UINT64_MAX, UINT64_MAX, word);
  ck_assert_mem_eq (word, ones, sizeof ones);
  dv_philox (
      0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u, word);
  ck_assert_mem_eq (word, pi, sizeof pi);
  for (uint64_t i = 0; i < 50000; i++) {
    float normal[4];
    double r, angle;

    dv_philox_normal (1, 2, i, normal);
    dv_philox (1, 2, i, word);
    r = sqrt (-2 * log ((word[0] + 0.5) / 4294967296.0));
    angle = 2 * 3.14159265358979323846 * word[1] / 4294967296.0;
    ck_assert (fabs (normal[0] - r * cos (angle)) < 1e-6);
    ck_assert (fabs (normal[1] - r * sin (angle)) < 1e-6);
    for (int j = 0; j < 4; j++) {
      sum += (double)normal[j];
      squares += (double)normal[j] * (double)normal[j];
    }
  }
  ck_assert (fabs (sum / 200000) < 0.01);
  ck_assert (fabs (squares / 200000 - 1) < 0.015);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("answers");
  TCase *tests = tcase_create ("answers");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tests);
  tcase_add_loop_test (tests, a_product_with_its_epilogue, 0, 2);
  tcase_add_loop_test (tests, attention_weighs_by_its_scores, 0, 2);
  tcase_add_loop_test (tests, norms_and_rotation, 0, 2);
  tcase_add_loop_test (tests, convolutions, 0, 2);
  tcase_add_loop_test (tests, channels_become_cells, 0, 2);
  tcase_add_loop_test (tests, steps_of_a_flow, 0, 2);
  tcase_add_loop_test (tests, resampling, 0, 2);
  tcase_add_loop_test (tests, pixels, 0, 2);
  tcase_add_loop_test (tests, changes_of_a_matrix, 0, 2);
  tcase_add_loop_test (tests, changes_are_rounded_once, 0, 2);
  tcase_add_test (tests, philox);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
