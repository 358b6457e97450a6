/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each kind of fault that the executor looks for is planted and found; sound
 * kernels pass and compute what they should.
 *
 * Threads: one.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "planted.h"
#include "tensor.h"

#define N 513

static const struct {
  const char *kernel, *text; /* NULL: no fault */
} cases[] = {
    {"past_the_end", "writes 4 bytes at byte 2052 of a device allocation"},
    {"before_the_start", "which is no device memory"},
    {"across_the_end", "writes 16 bytes at byte 2048 of a device allocation"},
    {"freed", "device memory that was freed"},
    {"host_memory", "which is no device memory"},
    {"host_variable", "writes 4 bytes at"},
    {"misaligned", "is not aligned"},
    {"unwritten_shared", "reads byte 0 of \"tile\", which nobody has written"},
    {"unwritten_by_this_block", "block (1, 0, 0), thread (0, 0, 0): reads"},
    {"shared_past_the_end", "shared memory beyond its arrays"},
    {"dynamic_past_the_end", "shared memory beyond its arrays"},
    {"missing_barrier", "reads byte 252 of \"tile\", which nobody has written"},
    {"missing_second_barrier", "of the block writes without a barrier"},
    {"half_of_a_word", "byte 2 of \"tile\", which thread 0 of"},
    {"half_unwritten", "reads byte 2 of \"tile\", which nobody has written"},
    {"word_of_halves", NULL},
    {"word_over_a_half", "writes byte 0 of \"tile\", which thread 0 of"},
    {"write_after_read", "writes byte 128 of \"tile\", which thread 31 of"},
    {"missing_warp_barrier", "which thread 0 of the block writes without"},
    {"warp_barrier", NULL},
    {"divergent_barrier", "others of the block ended without this barrier"},
    {"two_barriers", "others of the block wait at another barrier"},
    {"early_end", "not all lanes of its mask come"},
    {"missing_lane", "not all lanes of its mask come"},
    {"unnamed_caller", "that its mask 000000ff does not name"},
    {"unnamed_source", "reads a lane that its mask does not name"},
    {"race", "depends on the order of threads"},
    {"race_of_blocks", "depends on the order of threads"},
    {"order_of_sums", "depends on the order of threads"},
    {"copy_without_wait", "to which a copy is still under way"},
    {"copy_with_wait", NULL},
    {"half_a_warp", "a block of 48 threads"},
    {"too_many_threads", "a block of 2048 threads"},
    {"no_blocks", "a grid of 0 x 1 x 1 blocks"},
    {"too_much_shared", "bytes of shared memory"},
};

START_TEST (faults_are_found)
{
  const char *kernel = cases[_i].kernel, *fault;
  float *x = simt_alloc (N * 4), *y = simt_alloc (N * 4), *other;

  ck_assert (simt_fill (x, 0, N * 4) && simt_fill (y, 0, N * 4));
  if (strcmp (kernel, "host_memory") == 0) {
    other = calloc (N, 4);
  } else {
    other = simt_alloc (N * 4);
    ck_assert (simt_free (other));
  }
  simt_expect_fault ();
  ck_assert (planted (kernel, x, y, N, other));
  fault = simt_take_fault ();
  if (cases[_i].text) {
    ck_assert_ptr_nonnull (fault);
    ck_assert_msg (strstr (fault, kernel) || strstr (fault, "nothing"),
        "\"%s\" names no kernel", fault);
    ck_assert_msg (strstr (fault, cases[_i].text),
        "%s: \"%s\" should be \"%s\"", kernel, fault, cases[_i].text);
  } else {
    ck_assert_msg (!fault, "%s: \"%s\"", kernel, fault);
  }
  /* The executor goes on as if nothing had been. */
  simt_expect_fault ();
  ck_assert (planted ("warp_barrier", x, y, N, NULL));
  ck_assert_ptr_null (simt_take_fault ());
  if (strcmp (kernel, "host_memory") == 0)
    free (other);
  ck_assert (simt_free (x) && simt_free (y) && !simt_free (x));
}
END_TEST

/* A launch that a fault ended leaves device memory as it was. */
START_TEST (faults_leave_no_results)
{
  float *x = simt_alloc (N * 4), *y = simt_alloc (N * 4), host[N];

  ck_assert (simt_fill (y, 0, N * 4));
  simt_expect_fault ();
  ck_assert (planted ("missing_second_barrier", x, y, N, NULL));
  ck_assert_ptr_nonnull (simt_take_fault ());
  ck_assert (simt_copy (host, y, sizeof host));
  for (int i = 0; i < N; i++)
    ck_assert (host[i] == 0);
  simt_free (x);
  simt_free (y);
}
END_TEST

START_TEST (nothing_is_looked_after_when_unwatched)
{
  float *x = simt_alloc (N * 4), *y = simt_alloc (N * 4), host[2];

  ck_assert_int_eq (setenv (SIMT_UNWATCHED, "1", 1), 0);
  simt_expect_fault ();
  ck_assert (planted ("write_after_read", x, y, N, NULL));
  ck_assert_ptr_null (simt_take_fault ());
  ck_assert (simt_copy (host, y, sizeof host));
  ck_assert (host[0] == 1 && host[1] == 1);
  unsetenv (SIMT_UNWATCHED);
  simt_expect_fault ();
  ck_assert (planted ("write_after_read", x, y, N, NULL));
  ck_assert_ptr_nonnull (simt_take_fault ());
  simt_free (x);
  simt_free (y);
}
END_TEST

START_TEST (sound_kernels_pass)
{
  float *x = simt_alloc (N * 4), *y = simt_alloc (N * 4), in[N], out[N];
  int *count = simt_alloc (4), counted;
  float part[64], warp[2] = {0};

  for (int i = 0; i < N; i++)
    in[i] = (float)(i % 17);
  ck_assert (simt_copy (x, in, sizeof in) && simt_fill (count, 0, 4));
  simt_expect_fault ();
  ck_assert (planted ("sound", x, y, 501, (float *)count));
  ck_assert_msg (!simt_take_fault (), "%s", simt_take_fault ());
  ck_assert (simt_copy (out, y, sizeof out) && simt_copy (&counted, count, 4));
  ck_assert_int_eq (counted, 6 * 32);
  for (int t = 0; t < 64; t++) {
    part[t] = 0;
    for (int i = 8 * t; i < 8 * t + 8 && i < 501; i++)
      part[t] += in[i];
    warp[t / 32] += part[t];
  }
  for (int i = 0; i < 501; i++) {
    int t = i / 8, lane = t % 32;
    float down = part[lane == 31 ? t : t + 1];
    float up = part[lane % 8 < 2 ? t : t - 2];

    ck_assert (out[i] == in[i] + warp[1 - t / 32] + down + up);
  }
  ck_assert (simt_free (x) && simt_free (y) && simt_free (count));
}
END_TEST

/* Host code that follows a device's pointer. */
START_TEST (hosts_cannot_read_device_memory)
{
  volatile float *x = simt_alloc (N * 4);

  x[0] = 1;
}
END_TEST

START_TEST (memory_has_a_limit)
{
  size_t before = simt_used ();
  uint8_t *x, host[16] = {0};

  simt_set_limit (before + 1000);
  ck_assert_ptr_null (simt_alloc (1001));
  x = simt_alloc (1000);
  ck_assert_ptr_nonnull (x);
  ck_assert_uint_eq (simt_room (x), 1000);
  ck_assert_uint_eq (simt_room (x + 999), 1);
  ck_assert_uint_eq (simt_room (x + 1000), 0);
  ck_assert_uint_eq (simt_room (host), 0);
  ck_assert (simt_copy (x + 984, host, 16));
  ck_assert (!simt_copy (x + 985, host, 16) && !simt_copy (host, x + 985, 16));
  ck_assert (!simt_fill (x + 985, 0, 16) && !simt_fill (host, 0, 16));
  ck_assert_ptr_null (simt_alloc (1));
  ck_assert (simt_free (x) && !simt_free (host));
  ck_assert_uint_eq (simt_used (), before);
}
END_TEST

START_TEST (halves_have_the_host_s_bits)
{
  for (uint64_t i = 0; i < (uint64_t)1 << 32; i += 1 + 2999 * (i > 4096)) {
    uint32_t u = (uint32_t)i;
    uint16_t bf16, f16;
    float f;

    memcpy (&f, &u, sizeof f);
    planted_convert (f, &bf16, &f16);
    ck_assert (bf16 == dv_bf16_from_f32 (f) && f16 == dv_f16_from_f32 (f));
  }
  for (uint32_t i = 0; i < 65536; i++) {
    float a = planted_half ((uint16_t)i), b = dv_f32_from_f16 ((uint16_t)i);

    ck_assert (memcmp (&a, &b, sizeof a) == 0);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("simt");
  TCase *tests = tcase_create ("faults");
  SRunner *runner;
  int failed;

  tcase_add_loop_test (
      tests, faults_are_found, 0, (int)(sizeof cases / sizeof *cases));
  tcase_add_test (tests, faults_leave_no_results);
  tcase_add_test (tests, nothing_is_looked_after_when_unwatched);
  tcase_add_test (tests, sound_kernels_pass);
  tcase_add_test_raise_signal (tests, hosts_cannot_read_device_memory, 11);
  tcase_add_test (tests, memory_has_a_limit);
  tcase_add_test (tests, halves_have_the_host_s_bits);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
