/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the ops' front refuses, what a dry stream leaves alone, and what
 * happens where there is no memory.
 *
 * Threads: one, beside the device's own.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fail-alloc.h"
#include "ops.h"

static DvDevice *device;
static DvStream *stream;

static void
set_up (void)
{
  device =
      dv_device_open (&(DvDeviceSpec){.backend = "cpu", .threads = 2}, NULL);
  stream = dv_stream_new (device, 8 << 20, NULL);
}

static void
tear_down (void)
{
  dv_stream_free (stream);
  dv_device_unref (device);
}

/* The op just called was refused, with all of @words in its sentence. */
static void
refused (const char *words[3])
{
  DvError error = {0};

  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_ARGUMENT);
  for (int i = 0; i < 3 && words[i]; i++)
    ck_assert_msg (strstr (error.detail, words[i]) != NULL, "no \"%s\" in: %s",
        words[i], error.detail);
  dv_stream_reset (stream);
}

START_TEST (arguments_that_do_not_fit_are_named)
{
  float memory[64] = {0};
  DvTensor x = DV_TENSOR (memory, DV_F32, 4, 4);
  DvTensor out = DV_TENSOR (memory + 16, DV_F32, 4, 4);
  DvTensor narrow = DV_TENSOR (memory + 32, DV_F32, 4, 3);
  DvTensor over = DV_TENSOR (memory + 4, DV_F32, 4, 4);
  DvTensor bytes = DV_TENSOR (memory, DV_U8, 4, 4);
  DvTensor three = DV_TENSOR (memory, DV_F32, 3), turned, huge, repeated;
  DvTensor heads = DV_TENSOR (memory, DV_F32, 1, 2, 3);
  static const int order[] = {1, 0};

  dv_norm (stream, &(DvNorm){.out = &narrow, .x = &x});
  refused ((const char *[3]){"norm", "out is f32 [4, 3]", "[4, 4]"});
  dv_norm (stream, &(DvNorm){.out = &out});
  refused ((const char *[3]){"norm", "x is missing"});
  dv_norm (stream, &(DvNorm){.out = &out, .x = &bytes});
  refused ((const char *[3]){"x is u8 [4, 4]", "f32 or bf16"});
  dv_norm (stream, &(DvNorm){.out = &out, .x = &x, .weight = &three});
  refused ((const char *[3]){"weight is f32 [3]", "[4]"});
  dv_norm (stream, &(DvNorm){.out = &over, .x = &x});
  refused ((const char *[3]){"overlaps x"});
  turned = dv_permute (&x, order);
  dv_norm (stream, &(DvNorm){.out = &out, .x = &turned});
  refused ((const char *[3]){"x", "gaps"});
  repeated = out;
  repeated.stride[0] = 0;
  dv_norm (stream, &(DvNorm){.out = &repeated, .x = &x});
  refused ((const char *[3]){"same element"});
  huge = x;
  huge.shape[0] = INT64_MAX / 2;
  dv_norm (stream, &(DvNorm){.out = &out, .x = &huge});
  refused ((const char *[3]){"x has a size"});
  dv_qk_norm (stream, &(DvQkNorm){.out = &heads, .x = &heads});
  refused ((const char *[3]){"3 entries", "even"});
  dv_map (stream, &(DvMap){.out = &out, .x = &x, .kind = DV_MAP_ADD});
  refused ((const char *[3]){"y is missing"});
}
END_TEST

START_TEST (changes_that_do_not_fit_are_named)
{
  float memory[64] = {0};
  DvTensor x = DV_TENSOR (memory, DV_F32, 4, 3);
  DvTensor out = DV_TENSOR (memory + 16, DV_F32, 4, 3);
  DvTensor b = DV_TENSOR (memory + 32, DV_F32, 4, 2);
  DvTensor a = DV_TENSOR (memory + 40, DV_F32, 2, 3);
  DvTensor none = DV_TENSOR (memory + 40, DV_F32, 4, 0);
  DvTensor half = DV_TENSOR (memory + 16, DV_F16, 4, 3);
  DvTensor inside = DV_TENSOR (memory + 18, DV_F32, 2, 3);
  DvChange changes[] = {{&b, &a, 1}, {&a, &b, 1}, {&none, &a, 1},
      {&b, &inside, 1}, {&b, NULL, 1}};
  DvMerge args = {.out = &out, .x = &x, .changes = changes};

  dv_merge (stream, &args);
  refused ((const char *[3]){"merging", "there are no changes"});
  args.n_changes = 2;
  dv_merge (stream, &args);
  refused ((const char *[3]){"b of change 1 is f32 [2, 3]", "[4, any]"});
  args.n_changes = 1;
  args.changes = changes + 2;
  dv_merge (stream, &args);
  refused ((const char *[3]){"b of change 0 is empty"});
  args.changes = changes + 3;
  dv_merge (stream, &args);
  refused ((const char *[3]){"out overlaps a of change 0"});
  args.changes = changes + 4;
  dv_merge (stream, &args);
  refused ((const char *[3]){"a of change 0 is missing"});
  args.changes = changes;
  args.out = &half;
  dv_merge (stream, &args);
  refused ((const char *[3]){"out is f16 [4, 3]", "f32 or bf16"});
  args.out = &out;
  dv_merge (stream, &args);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
}
END_TEST

START_TEST (weights_and_windows_that_do_not_fit_are_named)
{
  float memory[64] = {0};
  DvTensor x = DV_TENSOR (memory, DV_F32, 1, 1, 2, 1);
  DvTensor host = DV_TENSOR (memory, DV_F32, 1, 1, 1, 1, 3);
  DvTensor out = DV_TENSOR (memory + 8, DV_F32, 1, 1, 2, 1);
  DvTensor quantised = DV_TENSOR (memory, DV_F8_E4M3, 4, 4);
  DvConv args = {.out = &out, .x = &x};
  DvWeight w, f8;
  DvError error = {0};

  ck_assert_int_eq (dv_weight_prepare (
                        device, &f8, DV_USE_MATMUL, DV_F32, &quantised, &error),
      DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "f8_e4m3"));
  ck_assert_int_eq (
      dv_weight_prepare (device, &w, DV_USE_CONV, DV_F32, &host, NULL), DV_OK);
  args.w = &w;
  dv_conv (stream, &args);
  refused ((const char *[3]){"columns", "2 cells", "3 that a window"});
  args.pad_lo[2] = args.pad_hi[2] = 2;
  args.pad_mode[2] = DV_PAD_REFLECT;
  dv_conv (stream, &args);
  refused ((const char *[3]){"too few to reflect"});
  dv_weight_clear (device, &w);
}
END_TEST

START_TEST (an_empty_output_is_nothing_to_do)
{
  float memory[4] = {0};
  DvTensor none = DV_TENSOR (memory, DV_F32, 0, 4);

  dv_norm (stream, &(DvNorm){.out = &none, .x = &none});
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
}
END_TEST

/* Checks and workspace, and nothing else. */
START_TEST (a_dry_stream_touches_nothing)
{
  DvStream *dry = dv_stream_new_dry (device, NULL);
  float weights[64] = {0};
  DvTensor host = DV_TENSOR (weights, DV_F32, 8, 8), a, out, wrong;
  DvWeight w;
  DvError error = {0};

  ck_assert_int_eq (
      dv_weight_prepare (device, &w, DV_USE_MATMUL, DV_F32, &host, NULL),
      DV_OK);
  a = DV_NEW (dry, DV_F32, 5, 8);
  out = DV_NEW (dry, DV_F32, 5, 8);
  ck_assert_ptr_null (a.data);
  dv_matmul (dry, &(DvMatmul){.out = &out, .a = &a, .w = &w});
  ck_assert_int_eq (dv_stream_status (dry, &error), DV_OK);
  ck_assert_uint_gt (dry->arena.peak, dry->arena.used);
  wrong = DV_NEW (dry, DV_F32, 5, 7);
  dv_matmul (dry, &(DvMatmul){.out = &wrong, .a = &a, .w = &w});
  ck_assert_int_eq (dv_stream_status (dry, &error), DV_ERROR_ARGUMENT);
  dv_weight_clear (device, &w);
  dv_stream_free (dry);
}
END_TEST

/* What is taken and what is kept do not meet, and a plan of both is enough. */
START_TEST (the_end_of_an_arena_is_kept)
{
  _Alignas(DV_ARENA_ALIGN) static uint8_t base[1024];
  DvArena plan, arena;
  void *a, *b, *kept, *again;

  dv_arena_init (&plan, NULL, 0);
  ck_assert (dv_arena_take (&plan, 100, &a));
  ck_assert (dv_arena_keep (&plan, 200, &kept));
  ck_assert (dv_arena_keep (&plan, 30, &kept));
  plan.used = 0;
  ck_assert (dv_arena_take (&plan, 300, &a));
  ck_assert_ptr_null (kept);
  ck_assert_uint_eq (plan.peak, 256 + 320);

  dv_arena_init (&arena, base, plan.peak);
  ck_assert (dv_arena_take (&arena, 320, &a));
  ck_assert (!dv_arena_keep (&arena, 257, &kept));
  ck_assert (dv_arena_keep (&arena, 200, &kept));
  ck_assert_ptr_eq (kept, base + 320);
  ck_assert (!dv_arena_take (&arena, 1, &b));
  ck_assert (dv_arena_keep (&arena, 30, &again));
  ck_assert_ptr_eq (again, kept);
  ck_assert_uint_eq (arena.peak, plan.peak);
  dv_arena_clear (&arena);
  ck_assert (dv_arena_take (&arena, plan.peak, &a));
  ck_assert (!dv_arena_keep (&arena, 1, &kept));
  ck_assert (!dv_arena_keep (&arena, SIZE_MAX, &kept));

  /* Of any size. */
  dv_arena_init (&arena, base, 1000);
  ck_assert (dv_arena_keep (&arena, 64, &kept));
  ck_assert_uint_eq ((uintptr_t)kept % DV_ARENA_ALIGN, 0);
  ck_assert ((uint8_t *)kept + 64 <= base + 1000);
}
END_TEST

/* Whatever allocation fails: an error, nothing left behind. */
START_TEST (no_memory)
{
  static const char *const backends[] = {"ref", "cpu"};
  uint16_t half[32] = {0};
  DvTensor host = DV_TENSOR (half, DV_BF16, 4, 8);

  for (size_t n = 0;; n++) {
    long before = fail_alloc_live (), after;
    DvDeviceSpec spec = {.backend = backends[_i], .threads = 1};
    DvError error = {0};
    DvDevice *d;
    DvStream *s = NULL;
    DvWeight w = {0}, table = {0};
    bool done = false, hit;

    fail_alloc_at (n);
    d = dv_device_open (&spec, &error);
    if (d)
      s = dv_stream_new (d, 4096, &error);
    if (s && dv_weight_prepare (d, &w, DV_USE_MATMUL, DV_F32, &host, &error) ==
                 DV_OK) {
      done = dv_weight_prepare (
                 d, &table, DV_USE_PLAIN, DV_F32, &host, &error) == DV_OK;
      dv_weight_clear (d, &table);
      dv_weight_clear (d, &w);
    }
    dv_stream_free (s);
    dv_device_unref (d);
    after = fail_alloc_live ();
    hit = fail_alloc_hit (); /* before libcheck allocates */
    ck_assert_int_eq (after, before);
    if (!hit) {
      ck_assert (done);
      ck_assert_uint_gt (n, 1);
      break;
    }
    ck_assert (!done);
    ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("refusals");
  TCase *tests = tcase_create ("refusals"), *memory = tcase_create ("memory");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tests);
  suite_add_tcase (suite, memory);
  tcase_add_checked_fixture (tests, set_up, tear_down);
  tcase_add_test (tests, arguments_that_do_not_fit_are_named);
  tcase_add_test (tests, changes_that_do_not_fit_are_named);
  tcase_add_test (tests, weights_and_windows_that_do_not_fit_are_named);
  tcase_add_test (tests, an_empty_output_is_nothing_to_do);
  tcase_add_test (tests, a_dry_stream_touches_nothing);
  tcase_add_test (tests, the_end_of_an_arena_is_kept);
  tcase_add_loop_test (memory, no_memory, 0, 2);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
