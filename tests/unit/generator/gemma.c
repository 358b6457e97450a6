/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gemma 3: what a token may see, the memory plan, and what is refused. Its
 * values are those of the golden gemma3-tiny.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "text-rig.h"

static const int32_t ids[] = {
    2, 17, 99, 0, 45, 45, 3, 81, 64, 12, 7, 30, 58, 58, 91, 22, 5, 70};
#define N ((int64_t)(sizeof ids / sizeof *ids))

static TextRig rig;

static void
teardown (void)
{
  text_rig_close (&rig);
}

/* Whether token @t of layer @l is the same in both, bit for bit. */
static bool
same_token (const DvTensor *a, const DvTensor *b, int64_t l, int64_t t)
{
  int64_t at[] = {l, t};

  return memcmp (dv_tensor_at (a, 2, at), dv_tensor_at (b, 2, at),
             (size_t)a->shape[2] * sizeof (float)) == 0;
}

START_TEST (a_token_sees_no_later_one)
{
  DvTensor whole, part;

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  whole = text_rig_hidden (&rig, ids, N);
  part = text_rig_hidden (&rig, ids, 11);
  for (int64_t l = 0; l < whole.shape[0]; l++)
    for (int64_t t = 0; t < 11; t++)
      ck_assert (same_token (&whole, &part, l, t));
  dv_tensor_clear (&whole);
  dv_tensor_clear (&part);
}
END_TEST

/* Layers 0 and 1 are local: what they see of token 0 reaches 4 tokens on
 * each; layer 2 is global. */
START_TEST (a_local_layer_sees_its_window_and_a_global_one_everything)
{
  int32_t other[N];
  DvTensor a, b;

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  memcpy (other, ids, sizeof other);
  other[0] = 50;
  a = text_rig_hidden (&rig, ids, N);
  b = text_rig_hidden (&rig, other, N);
  for (int64_t l = 0; l <= 3; l++) {
    int64_t reach = l < 3 ? 4 * l : N - 1;

    for (int64_t t = 0; t < N; t++)
      ck_assert_msg (same_token (&a, &b, l, t) == (t > reach),
          "hidden state %d of token %d", (int)l, (int)t);
  }
  dv_tensor_clear (&a);
  dv_tensor_clear (&b);
}
END_TEST

START_TEST (the_first_state_is_the_scaled_embedding)
{
  DvTensor hidden;
  const float *first;

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  ck_assert_str_eq (rig.made[0]->name[0], "model.embed_tokens.weight");
  hidden = text_rig_hidden (&rig, ids, N);
  first = hidden.data;
  for (int64_t t = 0; t < N; t++)
    for (int64_t c = 0; c < 24; c++) {
      const uint16_t *table = rig.made[0]->kept[0];
      double expected =
          (double)dv_f32_from_bf16 (table[ids[t] * 24 + c]) * 4.898979485566356;

      ck_assert_double_eq_tol ((double)first[t * 24 + c], expected, 1e-5);
    }
  dv_tensor_clear (&hidden);
}
END_TEST

/* Two gigabytes of Gemma's: rows of it are read where the file is mapped. */
START_TEST (the_embedding_takes_no_memory)
{
  static const char *const backends[] = {"ref", NULL};

  text_rig_open (&rig, backends[_i], 1, false);
  ck_assert_uint_eq (dv_weight_bytes (rig.device, DV_USE_TABLE, DV_BF16,
                         DV_BF16, 2, (int64_t[]){262208, 3840}),
      0);
}
END_TEST

START_TEST (one_token_is_enough)
{
  DvTensor hidden;

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_BF16);
  hidden = text_rig_hidden (&rig, ids, 1);
  for (int64_t i = 0; i < dv_tensor_count (&hidden); i++)
    ck_assert (((float *)hidden.data)[i] == ((float *)hidden.data)[i]);
  dv_tensor_clear (&hidden);
}
END_TEST

START_TEST (bf16_stays_close_to_f32)
{
  TextRig wide;
  DvTensor a, b;

  text_rig_open (&wide, "ref", 1, false);
  text_rig_load (&wide, DV_F32);
  text_rig_open (&rig, NULL, 2, false);
  text_rig_load (&rig, DV_BF16);
  a = text_rig_hidden (&wide, ids, N);
  b = text_rig_hidden (&rig, ids, N);
  /* Made weights are rougher than the golden's, where 1e-2 holds. */
  ck_assert_double_lt (text_rig_difference (&b, &a), 2e-2);
  ck_assert_double_gt (text_rig_difference (&b, &a), 0);
  dv_tensor_clear (&a);
  dv_tensor_clear (&b);
  text_rig_close (&wide);
}
END_TEST

START_TEST (threads_change_nothing)
{
  DvTensor one, many;

  text_rig_open (&rig, NULL, 1, false);
  text_rig_load (&rig, _i ? DV_BF16 : DV_F32);
  one = text_rig_hidden (&rig, ids, N);
  for (int threads = 2; threads < 5; threads++) {
    TextRig other;

    text_rig_open (&other, NULL, threads, false);
    text_rig_load (&other, _i ? DV_BF16 : DV_F32);
    many = text_rig_hidden (&other, ids, N);
    ck_assert_mem_eq (one.data, many.data, dv_tensor_bytes (&one));
    dv_tensor_clear (&many);
    text_rig_close (&other);
  }
  dv_tensor_clear (&one);
}
END_TEST

/* ---- what is refused ---- */

static DvStatus
try_run (size_t bytes, const int32_t *tokens, int64_t n,
    bool (*cancelled) (void *), void *user, DvError *error)
{
  DvStream *stream = dv_stream_new (rig.device, bytes, error);
  DvTensor hidden;
  DvStatus status;

  if (!stream)
    return error->code;
  stream->cancelled = cancelled;
  stream->user = user;
  hidden = dv_gemma_hidden (rig.gemma, stream, n);
  dv_gemma_run (rig.gemma, stream, tokens, n, &hidden, NULL);
  status = dv_stream_status (stream, error);
  dv_stream_free (stream);
  return status;
}

START_TEST (tokens_of_another_vocabulary_are_refused)
{
  static const int32_t wrong[] = {2, 100}, negative[] = {-1};
  DvError error = {0};

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  ck_assert_int_eq (
      try_run (1 << 20, wrong, 2, NULL, NULL, &error), DV_ERROR_ARGUMENT);
  ck_assert_ptr_nonnull (strstr (error.detail, "token 100"));
  ck_assert_int_eq (
      try_run (1 << 20, negative, 1, NULL, NULL, &error), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      try_run (1 << 20, ids, 0, NULL, NULL, &error), DV_ERROR_ARGUMENT);
  ck_assert_int_eq (
      try_run (1 << 20, ids, (int64_t)1 << 40, NULL, NULL, &error),
      DV_ERROR_ARGUMENT);
}
END_TEST

START_TEST (too_little_memory_is_an_error_and_the_next_run_works)
{
  DvTensor hidden;
  DvError error = {0};
  size_t planned;

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  hidden = text_rig_hidden (&rig, ids, N);
  planned = rig.planned;
  dv_tensor_clear (&hidden);
  for (size_t bytes = 0; bytes + 10000 < planned; bytes += planned / 37) {
    ck_assert_int_eq (
        try_run (bytes, ids, N, NULL, NULL, &error), DV_ERROR_MEMORY);
    ck_assert_str_ne (error.detail, "");
  }
  ck_assert_int_eq (try_run (planned, ids, N, NULL, NULL, &error), DV_OK);
}
END_TEST

static bool
cancel_after (void *user)
{
  return --*(int *)user < 0;
}

START_TEST (a_run_can_be_cancelled_at_any_op)
{
  DvError error = {0};
  int ops = 0;

  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  for (;; ops++) {
    int left = ops;
    DvStatus status = try_run (1 << 20, ids, N, cancel_after, &left, &error);

    if (status == DV_OK)
      break;
    ck_assert_int_eq (status, DV_CANCELLED);
  }
  ck_assert_int_gt (ops, 4 * 14);
}
END_TEST

START_TEST (no_memory_leaves_nothing)
{
  text_rig_open (&rig, "ref", 1, false);
  text_rig_load (&rig, DV_F32);
  for (size_t n = 0;; n++) {
    long before = fail_alloc_live ();
    DvError error = {0};
    DvStatus status;

    fail_alloc_at (n);
    status = try_run (1 << 20, ids, N, NULL, NULL, &error);
    if (!fail_alloc_hit ()) {
      ck_assert_int_eq (status, DV_OK);
      ck_assert_uint_gt (n, 1);
      break;
    }
    ck_assert_int_eq (status, DV_ERROR_MEMORY);
    ck_assert_int_eq (fail_alloc_live (), before);
  }
}
END_TEST

START_TEST (loading_without_memory_leaves_nothing)
{
  text_rig_open (&rig, "ref", 1, false);
  for (size_t n = 0;; n++) {
    long before = fail_alloc_live ();
    MadeLoader *made = made_loader_new (rig.device, DV_F32);
    DvGemma *gemma;
    bool hit;

    fail_alloc_at (n);
    gemma = dv_gemma_load (&made->loader, &rig.gemma_config);
    hit = fail_alloc_hit ();
    ck_assert_int_eq (hit, gemma == NULL);
    ck_assert_int_eq (made->loader.status, hit ? DV_ERROR_MEMORY : DV_OK);
    dv_gemma_free (gemma);
    made_loader_free (made);
    ck_assert_int_eq (fail_alloc_live (), before);
    if (!hit)
      break;
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("gemma");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_checked_fixture (test, NULL, teardown);
  tcase_add_test (test, a_token_sees_no_later_one);
  tcase_add_test (
      test, a_local_layer_sees_its_window_and_a_global_one_everything);
  tcase_add_test (test, the_first_state_is_the_scaled_embedding);
  tcase_add_loop_test (test, the_embedding_takes_no_memory, 0, 2);
  tcase_add_test (test, one_token_is_enough);
  tcase_add_test (test, bf16_stays_close_to_f32);
  tcase_add_loop_test (test, threads_change_nothing, 0, 2);
  tcase_add_test (test, tokens_of_another_vocabulary_are_refused);
  tcase_add_test (test, too_little_memory_is_an_error_and_the_next_run_works);
  tcase_add_test (test, a_run_can_be_cancelled_at_any_op);
  tcase_add_test (test, no_memory_leaves_nothing);
  tcase_add_test (test, loading_without_memory_leaves_nothing);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
