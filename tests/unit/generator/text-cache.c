/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contexts kept by prompt: which are kept, that they are the right ones, and
 * what is left after a failure.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fail-alloc.h"
#include "ltx2/text-cache.h"
#include "text-rig.h"

#define BYTES (1 << 20)

static const int32_t prompt[4][3] = {
    {2, 5, 6}, {2, 6, 5}, {2, 7, 7}, {2, 8, 90}};

static TextRig rig;
static DvTextCache *cache;
static DvStream *stream;

static void
setup (void)
{
  text_rig_open (&rig, "ref", 1, true);
  text_rig_load (&rig, DV_F32);
  cache = dv_text_cache_new (rig.device, &rig.text_config, 2, NULL);
  stream = dv_stream_new (rig.device, BYTES, NULL);
  ck_assert (cache && stream);
}

static void
teardown (void)
{
  dv_stream_free (stream);
  dv_text_cache_free (cache);
  text_rig_close (&rig);
}

static const DvTextContext *
make (int i)
{
  const DvTextContext *context = dv_text_cache_take (
      cache, rig.gemma, rig.connectors, stream, prompt[i], 3);

  if (context)
    dv_text_cache_give_back (cache, context);
  return context;
}

static const DvTextContext *
find (int i)
{
  return dv_text_cache_knows (cache, prompt[i], 3) ? make (i) : NULL;
}

START_TEST (a_context_is_kept_and_is_the_prompts)
{
  DvTensor video = dv_tensor_new (DV_F32, 2, (int64_t[]){32, 32});
  DvTensor audio = dv_tensor_new (DV_F32, 2, (int64_t[]){32, 16});
  const DvTextContext *context;

  ck_assert_ptr_null (find (0));
  ck_assert_ptr_nonnull (make (0));
  context = find (0);
  ck_assert_ptr_nonnull (context);
  dv_text_encode (
      rig.gemma, rig.connectors, stream, prompt[0], 3, &video, &audio);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  ck_assert (dv_tensor_same_shape (&video, &context->video));
  ck_assert (dv_tensor_same_shape (&audio, &context->audio));
  ck_assert_mem_eq (video.data, context->video.data, dv_tensor_bytes (&video));
  ck_assert_mem_eq (audio.data, context->audio.data, dv_tensor_bytes (&audio));
  ck_assert_uint_eq (dv_text_cache_bytes (cache), 2 * (32 * 32 + 32 * 16) * 4);
  dv_tensor_clear (&video);
  dv_tensor_clear (&audio);
}
END_TEST

START_TEST (a_prompt_is_known_by_all_its_ids)
{
  ck_assert_ptr_nonnull (make (0));
  ck_assert_ptr_null (find (1));
  ck_assert (!dv_text_cache_knows (cache, prompt[0], 2));
  ck_assert (!dv_text_cache_knows (cache, prompt[0], 1));
}
END_TEST

START_TEST (the_prompt_not_used_for_longest_goes)
{
  uint64_t keys[3];

  keys[0] = make (0)->key;
  keys[1] = make (1)->key;
  ck_assert_ptr_nonnull (find (0));
  keys[2] = make (2)->key;
  ck_assert_ptr_null (find (1));
  ck_assert_uint_eq (find (0)->key, keys[0]);
  ck_assert_uint_eq (find (2)->key, keys[2]);
  ck_assert (keys[0] != 0 && keys[1] != 0 && keys[2] != 0);
  ck_assert (keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
  ck_assert_uint_ne (make (1)->key, keys[1]);
  dv_text_cache_clear (cache);
  for (int i = 0; i < 4; i++)
    ck_assert_ptr_null (find (i));
}
END_TEST

START_TEST (what_is_held_stays)
{
  const DvTextContext *held = dv_text_cache_take (
      cache, rig.gemma, rig.connectors, stream, prompt[0], 3);
  uint64_t key = held->key;

  ck_assert_ptr_nonnull (make (1));
  ck_assert_ptr_nonnull (make (2));
  ck_assert_ptr_nonnull (make (3));
  ck_assert_uint_eq (held->key, key);
  ck_assert_ptr_eq (find (0), held);
  ck_assert_ptr_nonnull (dv_text_cache_take (
      cache, rig.gemma, rig.connectors, stream, prompt[1], 3));
  ck_assert_ptr_null (make (2));
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_MEMORY);
  dv_stream_reset (stream);
  dv_text_cache_give_back (cache, held);
  ck_assert_ptr_nonnull (make (2));
  ck_assert_ptr_null (find (0));
}
END_TEST

static bool
cancelled (void *user)
{
  return true;
}

START_TEST (what_failed_is_not_kept)
{
  static const int32_t unknown[] = {2, 1000};

  stream->cancelled = cancelled;
  ck_assert_ptr_null (make (0));
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_CANCELLED);
  stream->cancelled = NULL;
  ck_assert_ptr_null (make (0));
  dv_stream_reset (stream);
  ck_assert_ptr_null (find (0));
  ck_assert_ptr_null (dv_text_cache_take (
      cache, rig.gemma, rig.connectors, stream, unknown, 2));
  dv_stream_reset (stream);
  ck_assert (!dv_text_cache_knows (cache, unknown, 2));
  ck_assert_ptr_null (dv_text_cache_take (
      cache, rig.gemma, rig.connectors, stream, unknown, 0));
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_ARGUMENT);
  dv_stream_reset (stream);
  ck_assert_ptr_nonnull (make (0));
}
END_TEST

START_TEST (no_memory_leaves_nothing)
{
  for (size_t n = 0;; n++) {
    long before = fail_alloc_live ();
    const DvTextContext *context;

    fail_alloc_at (n);
    context = make (3);
    if (!fail_alloc_hit ()) {
      ck_assert_ptr_nonnull (context);
      ck_assert_uint_gt (n, 3);
      break;
    }
    ck_assert_ptr_null (context);
    ck_assert_int_eq (dv_stream_status (stream, NULL), DV_ERROR_MEMORY);
    ck_assert_int_eq (fail_alloc_live (), before);
    ck_assert_ptr_null (find (3));
    dv_stream_reset (stream);
  }
  fail_alloc_at (0);
  ck_assert_ptr_null (
      dv_text_cache_new (rig.device, &rig.text_config, 2, NULL));
  ck_assert (fail_alloc_hit ());
}
END_TEST

typedef struct {
  const int32_t *ids;
  int64_t n;
  DvTensor video, audio;
} Encode;

static void
run_encode (TextRig *r, DvStream *s, void *user)
{
  Encode *e = user;

  dv_text_encode (r->gemma, r->connectors, s, s->dry ? NULL : e->ids, e->n,
      &e->video, &e->audio);
}

/* So a plan for text_len ids serves every prompt. */
START_TEST (a_longer_prompt_needs_no_less_memory)
{
  int32_t ids[32] = {2};
  size_t last = 0;

  for (int64_t n = 1; n <= 32; n++) {
    Encode e = {ids, n, dv_tensor_new (DV_F32, 2, (int64_t[]){32, 32}),
        dv_tensor_new (DV_F32, 2, (int64_t[]){32, 16})};

    text_rig_run (&rig, run_encode, &e);
    ck_assert_uint_ge (rig.planned, last);
    last = rig.planned;
    dv_tensor_clear (&e.video);
    dv_tensor_clear (&e.audio);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("text-cache");
  TCase *test = tcase_create ("all");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, test);
  tcase_add_checked_fixture (test, setup, teardown);
  tcase_add_test (test, a_context_is_kept_and_is_the_prompts);
  tcase_add_test (test, a_prompt_is_known_by_all_its_ids);
  tcase_add_test (test, the_prompt_not_used_for_longest_goes);
  tcase_add_test (test, what_is_held_stays);
  tcase_add_test (test, what_failed_is_not_kept);
  tcase_add_test (test, no_memory_leaves_nothing);
  tcase_add_test (test, a_longer_prompt_needs_no_less_memory);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
