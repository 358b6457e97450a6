/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pictures for the encoder: resize and crop against the formula of section 7.2
 * of docs/ltx2-model.md in double precision.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "ltx2/resize.h"

static double
tap (int64_t i, int64_t from, int64_t to, int64_t *lo, int64_t *hi)
{
  double at = ((double)i + 0.5) * (double)from / (double)to - 0.5;

  at = at < 0 ? 0 : at;
  *lo = (int64_t)floor (at);
  *hi = *lo + 1 < from ? *lo + 1 : from - 1;
  return at - (double)*lo;
}

START_TEST (sizes_of_any_shape_follow_the_formula)
{
  static const int64_t sizes[][4] = {{70, 50, 64, 64}, {40, 90, 64, 32},
      {96, 64, 96, 64}, {1, 1, 32, 64}, {333, 7, 64, 96}, {31, 33, 32, 32},
      {640, 480, 32, 32}, {3, 1000, 64, 32}};
  const int64_t columns = sizes[_i][0], rows = sizes[_i][1];
  const int64_t width = sizes[_i][2], height = sizes[_i][3];
  const size_t stride = (size_t)columns * 3 + 5;
  uint8_t *rgb = malloc (stride * (size_t)rows);
  float *out = malloc ((size_t)(width * height) * 3 * sizeof *out);
  double scale =
      fmax ((double)height / (double)rows, (double)width / (double)columns);
  int64_t to_columns = (int64_t)ceil ((double)columns * scale);
  int64_t to_rows = (int64_t)ceil ((double)rows * scale);

  for (size_t i = 0; i < stride * (size_t)rows; i++)
    rgb[i] = (uint8_t)(i * 2654435761u >> 13);
  ck_assert_int_eq (
      dv_resize_crop (rgb, stride, columns, rows, out, width, height, NULL),
      DV_OK);
  for (int64_t i = 0; i < height; i++)
    for (int64_t j = 0; j < width; j++)
      for (int c = 0; c < 3; c++) {
        int64_t x[2], y[2];
        double v =
            tap (i + (to_rows - height) / 2, rows, to_rows, &y[0], &y[1]);
        double u = tap (
            j + (to_columns - width) / 2, columns, to_columns, &x[0], &x[1]);
        double want = 0;

        for (int a = 0; a < 2; a++)
          for (int b = 0; b < 2; b++)
            want += (a ? v : 1 - v) * (b ? u : 1 - u) *
                    rgb[(size_t)y[a] * stride + (size_t)(x[b] * 3 + c)];
        ck_assert_double_eq_tol (
            (double)out[(i * width + j) * 3 + c], want / 127.5 - 1, 1e-4);
      }
  free (rgb);
  free (out);
}
END_TEST

START_TEST (the_same_size_changes_nothing)
{
  uint8_t rgb[6 * 4 * 3];
  float out[6 * 4 * 3];

  for (size_t i = 0; i < sizeof rgb; i++)
    rgb[i] = (uint8_t)(i * 37);
  ck_assert_int_eq (dv_resize_crop (rgb, 18, 6, 4, out, 6, 4, NULL), DV_OK);
  for (size_t i = 0; i < sizeof rgb; i++)
    ck_assert_float_eq (out[i], (float)rgb[i] / 127.5f - 1);
}
END_TEST

START_TEST (impossible_sizes_are_refused)
{
  static const int64_t sizes[][4] = {{0, 4, 4, 4}, {4, 0, 4, 4}, {4, 4, 0, 4},
      {4, 4, 4, -1}, {70000, 1, 4, 4}, {4, 4, 4, 1 << 30}, {5, 4, 4, 4}};
  uint8_t rgb[4 * 4 * 3] = {0};
  float out[4 * 4 * 3];
  const int64_t *s = sizes[_i];
  DvError error;

  ck_assert_int_eq (
      dv_resize_crop (rgb, 12, s[0], s[1], out, s[2], s[3], &error),
      DV_ERROR_ARGUMENT);
  ck_assert_ptr_nonnull (strstr (error.detail, "resized"));
}
END_TEST

START_TEST (no_memory_is_an_error)
{
  uint8_t rgb[4 * 4 * 3] = {0};
  float out[4 * 4 * 3];
  const long before = fail_alloc_live ();

  fail_alloc_at (0);
  ck_assert_int_eq (
      dv_resize_crop (rgb, 12, 4, 4, out, 4, 4, NULL), DV_ERROR_MEMORY);
  ck_assert (fail_alloc_hit ());
  ck_assert_int_eq (fail_alloc_live (), before);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("resize");
  TCase *tc = tcase_create ("resize");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (tc, sizes_of_any_shape_follow_the_formula, 0, 8);
  tcase_add_test (tc, the_same_size_changes_nothing);
  tcase_add_loop_test (tc, impossible_sizes_are_refused, 0, 7);
  tcase_add_test (tc, no_memory_is_an_error);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
