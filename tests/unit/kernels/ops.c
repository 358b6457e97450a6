/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every op on every backend of this build: against ref, and on one thread
 * against three, which must agree in every bit.
 *
 * ops [FAMILY|all [BACKEND|all [once|threads]]]: of a backend that is named,
 * everything must run, with `once` only against ref, where something else sees
 * to it that results are always the same (tests/simt runs every launch twice),
 * with `threads` only on one thread against three, with all instructions that
 * there are; or ops --bench [NAME] for the speed of each instead.
 *
 * Threads: one, beside the devices' own.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "rig.h"

/* A backend and the instructions it may use. */
static const struct {
  const char *backend, *limit;
} variants[] = {{"ref", NULL}, {"cpu", NULL}, {"cpu", "avx512"},
    {"cpu", "avx2"}, {"cpu", "x86-64"}, {"cuda", NULL}};
#define N_VARIANTS ((int)(sizeof variants / sizeof *variants))

static const struct {
  const char *name;
  void (*cases) (Rig *rig);
} families[] = {{"matmul", rig_matmul}, {"attention", rig_attention},
    {"norm", rig_norm}, {"conv", rig_conv}, {"pointwise", rig_pointwise},
    {"audio", rig_audio}, {"merge", rig_merge}};
#define N_FAMILIES ((int)(sizeof families / sizeof *families))

/* The backend that the command line names; NULL: all that can be opened. */
static const char *only;

static void
run (int variant, int family, bool threads)
{
  DvDeviceSpec one = {.backend = variants[variant].backend,
      .limit = variants[variant].limit,
      .threads = threads ? 1 : 2};
  DvDeviceSpec three = one, ref = {.backend = "ref"};
  Rig rig;

  three.threads = 3;
  if (!rig_open (&rig, threads ? &one : &ref, threads ? &three : &one)) {
    printf ("# no %s %s here\n", one.backend, one.limit ? one.limit : "");
    rig_close (&rig);
    ck_assert_ptr_null (only);
    return;
  }
  rig.exact = threads;
  families[family].cases (&rig);
  printf ("# %s, %s: %d checks, worst %.2f of the tolerance\n",
      families[family].name, rig.device[1]->about, rig.checks, rig.worst);
  ck_assert_int_gt (rig.checks, 0);
  ck_assert_int_eq (rig.failures, 0);
  rig_close (&rig);
}

START_TEST (equals_ref)
{
  run (_i / N_FAMILIES, _i % N_FAMILIES, false);
}
END_TEST

START_TEST (threads_change_nothing)
{
  run (_i / N_FAMILIES, _i % N_FAMILIES, true);
}
END_TEST

/* The @i-th argument; NULL: all, or none was given. */
static const char *
choice (int argc, char **argv, int i)
{
  return argc > i && strcmp (argv[i], "all") != 0 ? argv[i] : NULL;
}

int
main (int argc, char **argv)
{
  const char *family = choice (argc, argv, 1);
  const bool once = argc > 3 && strcmp (argv[3], "once") == 0;
  const bool threads = argc > 3 && strcmp (argv[3], "threads") == 0;
  Suite *suite = suite_create ("ops");
  TCase *tests = tcase_create ("ops");
  SRunner *runner;
  int failed;

  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    return bench (argc > 2 ? argv[2] : NULL);
  only = choice (argc, argv, 2);
  for (int i = 0; i < N_VARIANTS * N_FAMILIES; i++) {
    if (family && strcmp (family, families[i % N_FAMILIES].name) != 0)
      continue;
    if (only && strcmp (only, variants[i / N_FAMILIES].backend) != 0)
      continue;
    if (threads && variants[i / N_FAMILIES].limit)
      continue;
    if (!threads)
      tcase_add_loop_test (tests, equals_ref, i, i + 1);
    if (i >= N_FAMILIES && !once) /* ref has one thread */
      tcase_add_loop_test (tests, threads_change_nothing, i, i + 1);
  }
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
