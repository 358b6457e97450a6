/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening and sharing models, and what they refuse.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <check.h>

#include "generator.h"

static void
check_refused (DvModelSpec spec, DvStatus code, const char *says)
{
  DvError error = {0};

  ck_assert_ptr_null (dv_model_open (&spec, &error));
  ck_assert_int_eq (error.code, code);
  ck_assert_str_eq (error.stage, "open");
  ck_assert_msg (strstr (error.detail, says), "\"%s\" does not say \"%s\"",
      error.detail, says);
  /* Nobody has to pass an error. */
  ck_assert_ptr_null (dv_model_open (&spec, NULL));
}

START_TEST (every_name_of_the_procedural_model_opens)
{
  static const DvModelSpec specs[] = {{0}, {.model = ""},
      {.model = "procedural", .device = "auto", .dtype = "auto"},
      {.device = "cpu", .dtype = "bf16", .memory_budget = 1 << 30}};

  for (unsigned i = 0; i <= sizeof specs / sizeof specs[0]; i++) {
    DvModel *model = dv_model_open (i ? &specs[i - 1] : NULL, NULL);
    const DvModelInfo *info;

    ck_assert_ptr_nonnull (model);
    info = dv_model_info (model);
    ck_assert_str_eq (info->name, "procedural");
    ck_assert_str_eq (info->device, "cpu");
    ck_assert (info->procedural);
    ck_assert_uint_eq (info->size_step, 2);
    ck_assert_uint_eq (info->sample_rate, 24000);
    ck_assert_uint_eq (info->channels, 2);
    ck_assert_uint_le (info->min_size, 160);
    ck_assert_uint_ge (info->max_size, 1920);
    dv_model_unref (model);
  }
}
END_TEST

START_TEST (an_unknown_model_is_refused_by_name)
{
  char folder[] = "/tmp/dv-generator-XXXXXX";

  check_refused ((DvModelSpec){.model = "/no/such/model"}, DV_ERROR_NOT_FOUND,
      "/no/such/model");
  check_refused ((DvModelSpec){.model = "ltx2"}, DV_ERROR_NOT_FOUND, "ltx2");
  /* A path that exists is no model either, and the reason says so. */
  ck_assert_ptr_nonnull (mkdtemp (folder));
  check_refused (
      (DvModelSpec){.model = folder}, DV_ERROR_NOT_FOUND, "holds no model");
  ck_assert_int_eq (rmdir (folder), 0);
  check_refused (
      (DvModelSpec){.model = "/dev/null"}, DV_ERROR_NOT_FOUND, "/dev/null");
}
END_TEST

START_TEST (a_very_long_name_is_cut)
{
  char name[3000];
  DvError error;

  memset (name, 'x', sizeof name - 1);
  name[sizeof name - 1] = 0;
  ck_assert_ptr_null (dv_model_open (&(DvModelSpec){.model = name}, &error));
  ck_assert_int_eq (error.code, DV_ERROR_NOT_FOUND);
  ck_assert_ptr_null (dv_model_open (&(DvModelSpec){.device = name}, &error));
  ck_assert_int_eq (error.code, DV_ERROR_DEVICE);
}
END_TEST

START_TEST (an_unknown_device_is_refused_by_name)
{
  check_refused (
      (DvModelSpec){.device = "cuda:0"}, DV_ERROR_DEVICE, "processor");
  check_refused ((DvModelSpec){.device = "cuda"}, DV_ERROR_DEVICE, "processor");
  check_refused ((DvModelSpec){.device = "tpu"}, DV_ERROR_DEVICE, "tpu");
  check_refused ((DvModelSpec){.dtype = "int3"}, DV_ERROR_ARGUMENT, "int3");
}
END_TEST

START_TEST (host_memory_is_aligned)
{
  static const size_t sizes[] = {0, 1, 63, 64, 65, 3133440};
  DvModel *model = dv_model_open (NULL, NULL);

  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    void *memory = dv_model_host_alloc (model, sizes[i]);

    ck_assert_ptr_nonnull (memory);
    ck_assert_uint_eq ((uintptr_t)memory % 64, 0);
    memset (memory, 1, sizes[i]);
    dv_model_host_free (model, memory);
  }
  ck_assert_ptr_null (dv_model_host_alloc (model, SIZE_MAX));
  dv_model_host_free (model, NULL);
  dv_model_unref (model);
}
END_TEST

static void *
take_and_give (void *model)
{
  for (int i = 0; i < 20000; i++)
    dv_model_unref (dv_model_ref (model));
  return NULL;
}

START_TEST (threads_share_a_model)
{
  DvModel *model = dv_model_open (NULL, NULL);
  DvSession *session = dv_session_new (model, NULL);
  pthread_t threads[4];

  for (int i = 0; i < 4; i++)
    ck_assert_int_eq (
        pthread_create (&threads[i], NULL, take_and_give, model), 0);
  for (int i = 0; i < 4; i++)
    pthread_join (threads[i], NULL);
  /* The session keeps the model. */
  dv_model_unref (model);
  ck_assert_str_eq (dv_model_info (model)->name, "procedural");
  dv_session_free (session);
  dv_session_free (NULL);
  dv_model_unref (NULL);
}
END_TEST

static void
progress (void *user, uint64_t done, uint64_t total)
{
  ck_assert_uint_eq (done, total);
  ++*(int *)user;
}

START_TEST (loading_reports_its_end)
{
  int calls = 0;

  dv_model_unref (dv_model_open (
      &(DvModelSpec){.progress = progress, .user = &calls}, NULL));
  ck_assert_int_eq (calls, 1);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("generator");
  TCase *tc = tcase_create ("generator");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_test (tc, every_name_of_the_procedural_model_opens);
  tcase_add_test (tc, an_unknown_model_is_refused_by_name);
  tcase_add_test (tc, a_very_long_name_is_cut);
  tcase_add_test (tc, an_unknown_device_is_refused_by_name);
  tcase_add_test (tc, host_memory_is_aligned);
  tcase_add_test (tc, threads_share_a_model);
  tcase_add_test (tc, loading_reports_its_end);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
