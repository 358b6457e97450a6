/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The diffusion transformer beyond its golden cases: threads, the plan, the
 * cache, cancelling, and what it refuses.
 */
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "dit-rig.h"
#include "fail-alloc.h"

/* Kept velocities of both sides. */
typedef struct {
  float *values[2];
  size_t bytes[2];
} Kept;

static Kept
keep (const DitRig *rig)
{
  Kept kept;

  for (int i = 0; i < 2; i++) {
    kept.bytes[i] = dv_tensor_bytes (&rig->velocity[i]);
    kept.values[i] = malloc (kept.bytes[i]);
    ck_assert_ptr_nonnull (kept.values[i]);
    memcpy (kept.values[i], rig->velocity[i].data, kept.bytes[i]);
  }
  return kept;
}

static void
kept_free (Kept *kept)
{
  free (kept->values[0]);
  free (kept->values[1]);
}

static void
assert_same (const DitRig *rig, const Kept *kept)
{
  for (int i = 0; i < 2; i++)
    ck_assert_mem_eq (rig->velocity[i].data, kept->values[i], kept->bytes[i]);
}

static bool
differs (const DitRig *rig, const Kept *kept)
{
  return memcmp (rig->velocity[0].data, kept->values[0], kept->bytes[0]) != 0;
}

static void
forget (DitRig *rig)
{
  for (int i = 0; i < 2; i++)
    memset (rig->velocity[i].data, 0xff, dv_tensor_bytes (&rig->velocity[i]));
}

/* _i: bit 0 the model, bit 1 the dtype. */
#define V23 ((_i & 1) != 0)
#define COMPUTE (_i & 2 ? DV_BF16 : DV_F32)

START_TEST (threads_change_nothing)
{
  DitRig *one = dit_rig_new (NULL, 1, COMPUTE, V23, 5, 9, 40);
  DvDitForward forward = dit_rig_forward (one, true);
  Kept kept;

  ck_assert_int_eq (dit_rig_run (one, &forward, NULL), DV_OK);
  kept = keep (one);
  for (int threads = 2; threads <= 5; threads++) {
    DitRig *many = dit_rig_new (NULL, threads, COMPUTE, V23, 5, 9, 40);

    forward = dit_rig_forward (many, true);
    ck_assert_int_eq (dit_rig_run (many, &forward, NULL), DV_OK);
    assert_same (many, &kept);
    dit_rig_free (many);
  }
  kept_free (&kept);
  dit_rig_free (one);
}
END_TEST

START_TEST (a_cache_changes_no_bit)
{
  DitRig *rig = dit_rig_new (NULL, 2, COMPUTE, V23, 2, 3, 9);
  DvDitForward forward = dit_rig_forward (rig, true);
  const uint64_t all = dv_dit_cache_bytes (rig->dit, RIG_ROWS);
  const uint64_t budgets[] = {0, all / 2, all, UINT64_MAX};
  Kept kept;

  ck_assert (V23 ? all == 0 : all > 0);
  ck_assert_int_eq (dit_rig_run (rig, &forward, NULL), DV_OK);
  kept = keep (rig);
  for (size_t b = 0; b < 4; b++) {
    DvDitCache *cache = dv_dit_cache_new (rig->dit, budgets[b], NULL);

    ck_assert_ptr_nonnull (cache);
    /* Without a key, then filling, then filled, then filled anew. */
    for (int i = 0; i < 5; i++) {
      forward.context_key = (uint64_t[]){0, 7, 7, 8, 8}[i];
      forget (rig);
      ck_assert_int_eq (dit_rig_run (rig, &forward, cache), DV_OK);
      assert_same (rig, &kept);
    }
    dv_dit_cache_free (cache);
  }
  kept_free (&kept);
  dit_rig_free (rig);
}
END_TEST

START_TEST (another_prompt_is_not_served_from_the_cache)
{
  DitRig *rig = dit_rig_new (NULL, 1, DV_F32, V23, 2, 3, 9);
  DvDitForward forward = dit_rig_forward (rig, false);
  DvDitCache *cache = dv_dit_cache_new (rig->dit, UINT64_MAX, NULL);
  Kept first, second;

  forward.context_key = 1;
  ck_assert_int_eq (dit_rig_run (rig, &forward, cache), DV_OK);
  first = keep (rig);
  for (int i = 0; i < 2; i++)
    made_numbers (rig->context[i].data,
        (size_t)dv_tensor_count (&rig->context[i]), 77, 1);
  ck_assert_int_eq (dit_rig_run (rig, &forward, NULL), DV_OK);
  second = keep (rig);
  ck_assert (differs (rig, &first));
  forward.context_key = 2;
  ck_assert_int_eq (dit_rig_run (rig, &forward, cache), DV_OK);
  assert_same (rig, &second);
  kept_free (&first);
  kept_free (&second);
  dv_dit_cache_free (cache);
  dit_rig_free (rig);
}
END_TEST

/* The same number of tokens elsewhere: the rotary tables are others. */
START_TEST (another_grid_is_not_served_from_the_cache)
{
  DitRig *rig = dit_rig_new (NULL, 1, DV_F32, V23, 2, 3, 9);
  DvDitForward forward = dit_rig_forward (rig, false);
  DvDitCache *cache = dv_dit_cache_new (rig->dit, 0, NULL);
  DvPositions moved;
  Kept first, second;

  ck_assert_int_eq (
      dv_positions_video (&moved, 2, 3, 3, 24, 1.25, NULL), DV_OK);
  ck_assert_int_eq (dit_rig_run (rig, &forward, cache), DV_OK);
  first = keep (rig);
  forward.video.positions = &moved;
  ck_assert_int_eq (dit_rig_run (rig, &forward, NULL), DV_OK);
  second = keep (rig);
  ck_assert (differs (rig, &first));
  ck_assert_int_eq (dit_rig_run (rig, &forward, cache), DV_OK);
  assert_same (rig, &second);
  forward.video.positions = &rig->positions[0];
  ck_assert_int_eq (dit_rig_run (rig, &forward, cache), DV_OK);
  assert_same (rig, &first);
  kept_free (&first);
  kept_free (&second);
  dv_positions_clear (&moved);
  dv_dit_cache_free (cache);
  dit_rig_free (rig);
}
END_TEST

/* ---- the plan ---- */

START_TEST (memory_grows_with_the_tokens_and_not_with_their_square)
{
  /* Beyond the sizes below which a feed-forward is not cut. */
  size_t bytes[3];

  for (int i = 0; i < 3; i++) {
    DitRig *rig = dit_rig_new (
        NULL, 2, COMPUTE, V23, 40, INT64_C (16) << i, INT64_C (600) << i);
    DvDitForward forward = dit_rig_forward (rig, true);

    bytes[i] = dit_rig_plan (rig, &forward);
    dit_rig_free (rig);
  }
  ck_assert_uint_lt (bytes[1], 2 * bytes[0]);
  ck_assert_uint_lt (bytes[2], 2 * bytes[1]);
  /* And it does grow: about the same step twice as far, where a square would
   * grow four times as much. What threads keep for themselves does not. */
  ck_assert_uint_ge (bytes[2] - bytes[1], (bytes[1] - bytes[0]) * 3 / 2);
  ck_assert_uint_le (bytes[2] - bytes[1], (bytes[1] - bytes[0]) * 3);
}
END_TEST

START_TEST (an_unknown_mask_can_be_planned_for)
{
  DitRig *rig = dit_rig_new (NULL, 1, DV_F32, V23, 2, 3, 9);
  DvDitForward forward = dit_rig_forward (rig, true);
  size_t known = dit_rig_plan (rig, &forward), unknown;
  DvTensor masks[2] = {rig->mask[0], rig->mask[1]};

  masks[0].data = masks[1].data = NULL;
  forward.video.mask = &masks[0];
  forward.audio.mask = &masks[1];
  unknown = dit_rig_plan (rig, &forward);
  ck_assert_uint_ge (unknown, known);
  dit_rig_free (rig);
}
END_TEST

/* ---- conditioning ---- */

/* A mask of ones is no mask. */
START_TEST (masks_of_one_change_nothing)
{
  DitRig *rig = dit_rig_new (NULL, 1, COMPUTE, V23, 2, 3, 9);
  DvDitForward forward = dit_rig_forward (rig, false);
  Kept kept;

  ck_assert_int_eq (dit_rig_run (rig, &forward, NULL), DV_OK);
  kept = keep (rig);
  for (int i = 0; i < 2; i++)
    for (int64_t n = 0; n < rig->mask[i].shape[0]; n++)
      ((float *)rig->mask[i].data)[n] = 1;
  forward = dit_rig_forward (rig, true);
  ck_assert_int_eq (dit_rig_run (rig, &forward, NULL), DV_OK);
  assert_same (rig, &kept);
  /* Nothing is conditioned, so that both rules are one. */
  forward.rule = DV_CROSS_OTHER;
  ck_assert_int_eq (dit_rig_run (rig, &forward, NULL), DV_OK);
  assert_same (rig, &kept);
  kept_free (&kept);
  dit_rig_free (rig);
}
END_TEST

/* ---- cancelling ---- */

typedef struct {
  int64_t asked, after;
} Cancel;

static bool
cancelled (void *user)
{
  Cancel *self = user;

  return self->asked++ >= self->after;
}

START_TEST (a_forward_ends_at_once_when_cancelled_and_can_be_repeated)
{
  DitRig *rig = dit_rig_new (NULL, 2, DV_F32, V23, 2, 2, 5);
  DvDitForward forward = dit_rig_forward (rig, true);
  DvDitCache *cache = dv_dit_cache_new (rig->dit, UINT64_MAX, NULL);
  Cancel cancel = {.after = INT64_MAX};
  DvStream *stream =
      dv_stream_new (rig->device, dit_rig_plan (rig, &forward), NULL);
  int64_t questions;
  Kept kept;

  stream->cancelled = cancelled;
  stream->user = &cancel;
  dv_dit_run (rig->dit, stream, &forward, NULL, NULL);
  ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
  kept = keep (rig);
  questions = cancel.asked;
  ck_assert_int_ge (questions, 60); /* more than once a sub-layer */
  forward.context_key = 5;
  for (int64_t after = 0; after < questions; after += 7) {
    cancel = (Cancel){.after = after};
    dv_dit_run (rig->dit, stream, &forward, cache, NULL);
    ck_assert_int_eq (dv_stream_status (stream, NULL), DV_CANCELLED);
    ck_assert_int_le (cancel.asked, after + 1);
    dv_stream_reset (stream);
  }
  cancel = (Cancel){.after = INT64_MAX};
  for (int i = 0; i < 2; i++) {
    forget (rig);
    dv_dit_run (rig->dit, stream, &forward, cache, NULL);
    ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
    assert_same (rig, &kept);
  }
  kept_free (&kept);
  dv_stream_free (stream);
  dv_dit_cache_free (cache);
  dit_rig_free (rig);
}
END_TEST

/* ---- refusals ---- */

START_TEST (sides_that_do_not_fit_are_refused)
{
  DitRig *rig = dit_rig_new ("ref", 1, DV_F32, false, 2, 3, 9);
  DvDitForward forward = dit_rig_forward (rig, true);
  DvStream *stream = dv_stream_new_dry (rig->device, NULL);
  DvTensor short_latent = dv_slice (&rig->latent[0], 0, 0, 5);
  DvTensor narrow = dv_slice (&rig->context[1], 1, 0, 11);
  DvTensor few = dv_slice (&rig->mask[0], 0, 0, 3);
  DvTensor bias = DV_TENSOR (NULL, DV_F32, RIG_ROWS + 1);
  DvError error = {0};

  switch (_i) {
    case 0:
      forward.video.latent = &short_latent;
      break;
    case 1:
      forward.audio.context = &narrow;
      break;
    case 2:
      forward.video.mask = &few;
      break;
    case 3:
      forward.audio.positions = &rig->positions[0];
      break;
    case 4:
      forward.audio.velocity = &rig->velocity[0];
      break;
    case 5:
      forward.context_bias = &bias;
      break;
    default:
      forward.video.latent = NULL;
  }
  dv_dit_run (rig->dit, stream, &forward, NULL, NULL);
  ck_assert_int_eq (dv_stream_status (stream, &error), DV_ERROR_ARGUMENT);
  ck_assert_ptr_nonnull (
      strstr (error.detail, _i == 1 || _i == 3 || _i == 4 ? "audio" : "video"));
  ck_assert_uint_eq (stream->arena.used, 0);
  dv_stream_free (stream);
  dit_rig_free (rig);
}
END_TEST

START_TEST (a_configuration_that_cannot_be_is_refused)
{
  DvDevice *device = dv_device_open (&(DvDeviceSpec){.backend = "ref"}, NULL);
  MadeLoader *made = made_loader_new (device, DV_F32);
  DvDitConfig config = dit_rig_config (false);
  DvError error = {0};

  switch (_i) {
    case 0:
      config.layers = 0;
      break;
    case 1:
      config.layers = INT64_MAX;
      break;
    case 2:
      config.video.heads = INT64_MAX;
      break;
    case 3:
      config.audio.head_dim = 3;
      break;
    case 4:
      config.video.cross_dim = 31;
      break;
    case 5:
      config.rope_interleaved = true;
      break;
    default:
      config.caption = -1;
  }
  ck_assert_ptr_null (dv_dit_load (&made->loader, &config));
  ck_assert_int_eq (dv_loader_finish (&made->loader, &error), DV_ERROR_FORMAT);
  ck_assert (error.detail[0]);
  made_loader_free (made);
  dv_device_unref (device);
}
END_TEST

START_TEST (every_name_of_the_model_is_asked_for)
{
  static const char *const both[] = {"proj_in.weight",
      "audio_time_embed.emb.timestep_embedder.linear_1.bias",
      "av_cross_attn_video_a2v_gate.linear.weight",
      "av_cross_attn_audio_v2a_gate.linear.bias",
      "av_cross_attn_audio_scale_shift.linear.weight",
      "transformer_blocks.1.audio_ff.net.0.proj.weight",
      "transformer_blocks.1.audio_to_video_attn.norm_k.weight",
      "transformer_blocks.0.video_to_audio_attn.to_out.0.bias",
      "transformer_blocks.0.audio_a2v_cross_attn_scale_shift_table",
      "audio_scale_shift_table", "audio_proj_out.bias"};
  static const char *const only[2][3] = {
      {"caption_projection.linear_2.weight",
          "audio_caption_projection.linear_1.bias", "proj_out.weight"},
      {"audio_prompt_adaln.linear.weight",
          "transformer_blocks.1.audio_prompt_scale_shift_table",
          "transformer_blocks.0.audio_to_video_attn.to_gate_logits.weight"}};
  DitRig *rig = dit_rig_new ("ref", 1, DV_F32, V23, 1, 1, 1);

  for (size_t i = 0; i < sizeof both / sizeof *both; i++)
    ck_assert_msg (made_loader_asked (rig->made, both[i]), "%s", both[i]);
  for (size_t i = 0; i < 3; i++)
    ck_assert_msg (
        made_loader_asked (rig->made, only[_i & 1][i]), "%s", only[_i & 1][i]);
  ck_assert (!made_loader_asked (rig->made, only[!(_i & 1)][1]));
  dit_rig_free (rig);
}
END_TEST

/* Every allocation of a forward in turn. */
START_TEST (no_memory_is_an_error_and_the_next_forward_works)
{
  DitRig *rig = dit_rig_new ("ref", 1, DV_F32, V23, 1, 2, 3);
  DvDitForward forward = dit_rig_forward (rig, true);
  DvStream *stream =
      dv_stream_new (rig->device, dit_rig_plan (rig, &forward), NULL);
  size_t failures = 0;
  Kept kept;

  dv_dit_run (rig->dit, stream, &forward, NULL, NULL);
  kept = keep (rig);
  forward.context_key = 3;
  for (size_t n = 0;; n++) {
    const long before = fail_alloc_live ();
    DvDitCache *cache;
    bool hit;

    fail_alloc_at (n);
    cache = dv_dit_cache_new (rig->dit, UINT64_MAX, NULL);
    forget (rig);
    if (cache)
      dv_dit_run (rig->dit, stream, &forward, cache, NULL);
    hit = fail_alloc_hit ();
    failures += hit;
    /* Where only the cache grows less, the forward goes on without. */
    if (cache && dv_stream_status (stream, NULL) == DV_OK)
      assert_same (rig, &kept);
    else
      ck_assert (hit);
    if (cache && stream->status != DV_OK) {
      ck_assert_int_eq (stream->status, DV_ERROR_MEMORY);
      dv_stream_reset (stream);
      dv_dit_run (rig->dit, stream, &forward, cache, NULL);
      ck_assert_int_eq (dv_stream_status (stream, NULL), DV_OK);
      assert_same (rig, &kept);
    }
    dv_dit_cache_free (cache);
    ck_assert_int_eq (fail_alloc_live (), before);
    if (!hit)
      break;
  }
  ck_assert_uint_ge (failures, 10);
  kept_free (&kept);
  dv_stream_free (stream);
  dit_rig_free (rig);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("dit");
  TCase *tc = tcase_create ("dit");
  SRunner *runner = srunner_create (suite);
  int failed;

  suite_add_tcase (suite, tc);
  tcase_add_loop_test (tc, threads_change_nothing, 0, 4);
  tcase_add_loop_test (tc, a_cache_changes_no_bit, 0, 4);
  tcase_add_loop_test (tc, another_prompt_is_not_served_from_the_cache, 0, 2);
  tcase_add_loop_test (tc, another_grid_is_not_served_from_the_cache, 0, 2);
  tcase_add_loop_test (
      tc, memory_grows_with_the_tokens_and_not_with_their_square, 0, 4);
  tcase_add_loop_test (tc, an_unknown_mask_can_be_planned_for, 0, 2);
  tcase_add_loop_test (tc, masks_of_one_change_nothing, 0, 4);
  tcase_add_loop_test (
      tc, a_forward_ends_at_once_when_cancelled_and_can_be_repeated, 0, 2);
  tcase_add_loop_test (tc, sides_that_do_not_fit_are_refused, 0, 7);
  tcase_add_loop_test (tc, a_configuration_that_cannot_be_is_refused, 0, 7);
  tcase_add_loop_test (tc, every_name_of_the_model_is_asked_for, 0, 2);
  tcase_add_loop_test (
      tc, no_memory_is_an_error_and_the_next_forward_works, 0, 2);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
