/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Token positions and rotary tables: what the golden case does not show.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "ltx2/rope.h"

static DvDevice *
device_open (void)
{
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);

  ck_assert_ptr_nonnull (device);
  return device;
}

START_TEST (the_first_frame_spans_one_and_the_others_eight)
{
  DvPositions p;

  ck_assert_int_eq (dv_positions_video (&p, 3, 2, 4, 24, 1.5, NULL), DV_OK);
  ck_assert (p.n_axes == 3 && p.tokens == 24);
  ck_assert (p.count[0] == 3 && p.count[1] == 2 && p.count[2] == 4);
  ck_assert (p.start[0][0] == 1.5f && p.end[0][0] == 1.0f / 24 + 1.5f);
  ck_assert (p.start[0][1] == p.end[0][0] && p.end[0][1] == 9.0f / 24 + 1.5f);
  ck_assert (p.start[1][1] == 32 && p.end[1][1] == 64);
  ck_assert (p.start[2][3] == 96 && p.end[2][3] == 128);
  /* Frames, then rows, then columns. */
  for (int i = 0; i < 24; i++) {
    ck_assert_int_eq (p.index[3 * i], i / 8);
    ck_assert_int_eq (p.index[3 * i + 1], i / 4 % 2);
    ck_assert_int_eq (p.index[3 * i + 2], i % 4);
  }
  dv_positions_clear (&p);
  ck_assert_int_eq (dv_positions_audio (&p, 3, NULL), DV_OK);
  ck_assert (p.start[0][0] == 0 && p.end[0][0] == 160.0f / 16000);
  ck_assert (p.start[0][2] == 5 * 160.0f / 16000);
  dv_positions_clear (&p);
}
END_TEST

START_TEST (explicit_bounds_give_the_same_tables)
{
  DvDevice *device = device_open ();
  DvRopeSpec spec = {.dim = 32,
      .heads = 2,
      .n_axes = 3,
      .max = {20, 2048, 2048},
      .theta = 10000,
      .double_precision = true};
  DvPositions grid, listed;
  DvRopeTables a, b;
  float bounds[3 * 12 * 2];

  ck_assert_int_eq (dv_positions_video (&grid, 2, 2, 3, 25, 0, NULL), DV_OK);
  for (int axis = 0; axis < 3; axis++)
    for (int t = 0; t < 12; t++) {
      bounds[2 * (axis * 12 + t)] = grid.start[axis][grid.index[3 * t + axis]];
      bounds[2 * (axis * 12 + t) + 1] =
          grid.end[axis][grid.index[3 * t + axis]];
    }
  ck_assert_int_eq (
      dv_positions_from_bounds (&listed, 3, 12, bounds, NULL), DV_OK);
  ck_assert (memcmp (grid.count, listed.count, sizeof grid.count) == 0);
  ck_assert_int_eq (dv_rope_tables_new (&a, device, &spec, &grid, NULL), DV_OK);
  ck_assert_int_eq (
      dv_rope_tables_new (&b, device, &spec, &listed, NULL), DV_OK);
  ck_assert_mem_eq (a.memory, b.memory, dv_rope_bytes (&spec, &grid));
  ck_assert_int_eq (a.rope.pad, 16 - 3 * 5);
  dv_rope_tables_clear (device, &a);
  dv_rope_tables_clear (device, &b);
  dv_positions_clear (&grid);
  dv_positions_clear (&listed);
  dv_device_unref (device);
}
END_TEST

START_TEST (what_has_no_place_is_refused)
{
  static const float nans[] = {0, NAN};
  DvPositions p;

  ck_assert_int_eq (
      dv_positions_video (&p, 0, 2, 2, 24, 0, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_positions_video (&p, 2, 2, -1, 24, 0, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_positions_video (&p, INT64_C (1) << 20,
                        INT64_C (1) << 22, INT64_C (1) << 22, 24, 0, NULL),
      DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_positions_video (&p, 2, 2, 2, 0, 0, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_positions_video (&p, 2, 2, 2, 24, -1, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_positions_video (&p, 2, 2, 2, 24, (double)NAN, NULL),
      DV_ERROR_ARGUMENT);
  ck_assert_int_eq (dv_positions_audio (&p, 0, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_positions_audio (&p, INT64_MAX, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_positions_from_bounds (&p, 4, 1, nans, NULL), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      dv_positions_from_bounds (&p, 1, 1, nans, NULL), DV_ERROR_ARGUMENT);
}
END_TEST

START_TEST (tables_that_cannot_be_are_refused)
{
  static const struct {
    int64_t dim, heads;
    int n_axes;
    double max, theta;
  } bad[] = {{32, 0, 1, 20, 1e4}, {30, 4, 1, 20, 1e4}, {0, 2, 1, 20, 1e4},
      {32, 2, 0, 20, 1e4}, {32, 2, 3, 20, 1e4}, {32, 2, 1, 0, 1e4},
      {32, 2, 1, 20, 0}, {INT64_C (1) << 40, 2, 1, 20, 1e4}};
  DvDevice *device = device_open ();
  DvStream *stream = dv_stream_new_dry (device, NULL);
  DvRopeSpec spec = {.dim = bad[_i].dim,
      .heads = bad[_i].heads,
      .n_axes = bad[_i].n_axes,
      .max = {bad[_i].max, bad[_i].max, bad[_i].max},
      .theta = bad[_i].theta};
  DvPositions p;
  DvRopeTables tables;

  ck_assert_int_eq (dv_positions_audio (&p, 5, NULL), DV_OK);
  ck_assert_uint_eq (dv_rope_bytes (&spec, &p), 0);
  ck_assert_int_eq (
      dv_rope_tables_new (&tables, device, &spec, &p, NULL), DV_ERROR_ARGUMENT);
  dv_rope_tables_take (&tables, stream, &spec, &p);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_free (stream);
  dv_positions_clear (&p);
  dv_device_unref (device);
}
END_TEST

/* Every allocation in turn: an error, nothing left behind. */
START_TEST (no_memory_is_an_error)
{
  DvDevice *device = device_open ();
  DvRopeSpec spec = {.dim = 32,
      .heads = 2,
      .n_axes = 3,
      .max = {20, 2048, 2048},
      .theta = 10000};
  const float bounds[] = {0, 1, 1, 2, 2, 3};
  size_t failures = 0;

  for (size_t n = 0;; n++) {
    const long before = fail_alloc_live ();
    DvPositions p = {0}, q = {0};
    DvRopeTables tables = {0};
    DvError error = {0};
    DvStatus status;

    fail_alloc_at (n);
    status = dv_positions_video (&p, 2, 2, 2, 24, 0, &error);
    if (status == DV_OK)
      status = dv_positions_from_bounds (&q, 1, 3, bounds, &error);
    if (status == DV_OK)
      status = dv_rope_tables_new (&tables, device, &spec, &p, &error);
    if (!fail_alloc_hit ()) {
      ck_assert_int_eq (status, DV_OK);
      n = SIZE_MAX - 1;
    } else {
      ck_assert_int_eq (status, DV_ERROR_MEMORY);
      failures++;
    }
    dv_rope_tables_clear (device, &tables);
    dv_positions_clear (&p);
    dv_positions_clear (&q);
    ck_assert_int_eq (fail_alloc_live (), before);
    if (n == SIZE_MAX - 1)
      break;
  }
  ck_assert_uint_ge (failures, 12);
  dv_device_unref (device);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("rope");
  TCase *tc = tcase_create ("rope");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, the_first_frame_spans_one_and_the_others_eight);
  tcase_add_test (tc, explicit_bounds_give_the_same_tables);
  tcase_add_test (tc, what_has_no_place_is_refused);
  tcase_add_loop_test (tc, tables_that_cannot_be_are_refused, 0, 8);
  tcase_add_test (tc, no_memory_is_an_error);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
