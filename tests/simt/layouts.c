/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The matrix instruction, the loads of its fragments and asynchronous copies
 * (kernels/cuda/mma.cuh) against a plain product.
 *
 * Threads: one.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "fragments.h"
#include "tensor.h"

/* Small whole numbers, whose sums are exact: no two entries may be taken for
 * one another. */
static float
entry (int i, int j, int salt)
{
  return (float)((i * 31 + j * 17 + salt * 7 + i * j * 3) % 61 - 30);
}

START_TEST (tiles_are_multiplied)
{
  static const struct {
    Fragments kind;
    int columns, valid;
  } cases[] = {{FRAGMENTS_BY_HAND, 8, 16}, {FRAGMENTS_LOADED, 16, 16},
      {FRAGMENTS_LOADED, 16, 11}, {FRAGMENTS_LOADED, 16, 8},
      {FRAGMENTS_LOADED, 16, 3}, {FRAGMENTS_TRANSPOSED, 16, 16}};
  const int columns = cases[_i].columns, valid = cases[_i].valid;
  uint16_t a[16 * 16], b[16 * 16];
  float d[16 * 16];
  uint16_t *on_device[2] = {simt_alloc (sizeof a), simt_alloc (sizeof b)};
  float *result = simt_alloc (sizeof d);

  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) {
      a[i * 16 + j] = dv_bf16_from_f32 (entry (i, j, 1));
      if (cases[_i].kind == FRAGMENTS_LOADED)
        b[j * 16 + i] = dv_bf16_from_f32 (entry (i, j, 2));
      else if (j < columns)
        b[i * columns + j] = dv_bf16_from_f32 (entry (i, j, 2));
    }
  ck_assert (simt_copy (on_device[0], a, sizeof a));
  ck_assert (simt_copy (on_device[1], b, (size_t)(16 * columns * 2)));
  fragments (cases[_i].kind, on_device[0], on_device[1], result, valid);
  ck_assert (simt_copy (d, result, (size_t)(16 * columns * 4)));
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < columns; j++) {
      float sum = 1;

      for (int k = 0; k < valid; k++)
        sum += entry (i, k, 1) * entry (k, j, 2);
      ck_assert_msg (d[i * columns + j] == sum, "entry %d, %d is %g, not %g", i,
          j, (double)d[i * columns + j], (double)sum);
    }
  simt_free (on_device[0]);
  simt_free (on_device[1]);
  simt_free (result);
}
END_TEST

START_TEST (pairs_and_powers)
{
  static const float values[] = {0, -0.0f, 1, -1.5f, 3.00390625f, 0.1f, -126,
      -140, 127.9f, 1e30f, INFINITY, -INFINITY, NAN};
  uint32_t *pair = simt_alloc (4);
  float *power = simt_alloc (4);

  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    float low = values[i], high = -3.7f, is;
    double must = exp2 ((double)low);
    uint32_t word;

    fragments_numbers (low, high, pair, power);
    ck_assert (simt_copy (&word, pair, 4) && simt_copy (&is, power, 4));
    ck_assert_uint_eq (word >> 16, dv_bf16_from_f32 (high));
    if (isnan (low))
      ck_assert (isnan (dv_f32_from_bf16 ((uint16_t)word)) && isnan (is));
    else
      ck_assert_uint_eq (word & 0xffff, dv_bf16_from_f32 (low));
    if (must > 3.41e38)
      ck_assert (isinf (is));
    else if (!isnan (low))
      ck_assert (fabs ((double)is - must) <= 1e-6 * must + 1.2e-38);
  }
  simt_free (pair);
  simt_free (power);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("layouts");
  TCase *tests = tcase_create ("layouts");
  SRunner *runner;
  int failed;

  tcase_add_loop_test (tests, tiles_are_multiplied, 0, 6);
  tcase_add_test (tests, pairs_and_powers);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
