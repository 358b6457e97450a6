/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What stays on a device with memory of its own: plans for GPUs that nobody
 * here has, and a small model whose layers are brought when they run, which
 * gives the same as one that stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "apart.h"
#include "capture.h"
#include "ltx2/ltx2-private.h"
#include "ltx2/make-random.h"
#include "test-folder.h"

#define FRAMES 17
#define GIB ((uint64_t)1 << 30)

/* Six layers of both, since two are always in slots. */
#define LAYERS 6
static const char config[] =
    "{\"text_encoder\":{\"hidden_size\":32,\"intermediate_size\":80,"
    "\"num_hidden_layers\":6,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":8,\"query_pre_attn_scalar\":8,"
    "\"vocab_size\":512},"
    "\"connectors\":{\"caption_channels\":32,\"text_proj_in_factor\":7,"
    "\"video_connector_num_attention_heads\":2,"
    "\"video_connector_attention_head_dim\":16,"
    "\"video_connector_num_learnable_registers\":8},"
    "\"transformer\":{\"num_attention_heads\":2,\"attention_head_dim\":16,"
    "\"num_layers\":6,\"cross_attention_dim\":32,\"caption_channels\":32,"
    "\"in_channels\":8,\"out_channels\":8,\"audio_num_attention_heads\":2,"
    "\"audio_attention_head_dim\":8,\"audio_in_channels\":32,"
    "\"audio_out_channels\":32,\"audio_cross_attention_dim\":16},"
    "\"vae\":{\"latent_channels\":8,\"block_out_channels\":[16,32,32,64],"
    "\"layers_per_block\":[1,1,1,1,1],"
    "\"decoder_block_out_channels\":[16,32,64],"
    "\"decoder_layers_per_block\":[1,1,1,1]},"
    "\"audio_vae\":{\"base_channels\":32,\"ch_mult\":[1,1,1],"
    "\"num_res_blocks\":1,\"latent_channels\":2},"
    "\"vocoder\":{\"hidden_channels\":64},"
    "\"latent_upsampler\":{\"in_channels\":8,\"mid_channels\":32,"
    "\"num_blocks_per_stage\":1}}";

static const DvSegmentSpec segments = {.fps_n = 24,
    .fps_d = 1,
    .rate = 24000,
    .frames = FRAMES,
    .overlap = 9,
    .audio_overlap = 13};

static void
set_up (void)
{
  folder_make ();
  apart_limit (UINT64_MAX);
  apart_unlock ();
}

static void
make_model (const char *what, bool sparse)
{
  DvRandomSpec spec = {
      .config = what, .seed = 5, .tokenizer = true, .sparse = sparse};
  DvError error = {0};

  ck_assert_msg (dv_make_random (&spec, folder_path ("model"), &error) == DV_OK,
      "%s", error.detail);
}

static void
make_small (void)
{
  folder_write_text ("config.json", config);
  make_model (folder_path ("config.json"), false);
}

/* ---- plans for GPUs ---- */

static DvStatus
plan_for (uint64_t budget, uint32_t frames, DvPlan *plan, DvError *error)
{
  DvModelSpec spec = {.model = folder_path ("model"),
      .device = "cuda:0",
      .plan_only = true,
      .memory_budget = budget,
      .width = 1920,
      .height = 1088,
      .frames = frames};
  DvModel *model = dv_model_open (&spec, error);

  if (!model)
    return error->code;
  *plan = ((const DvLtx2 *)model)->plan;
  ck_assert_uint_le (plan->needed, plan->budget);
  ck_assert_uint_eq (plan->budget, budget);
  dv_model_unref (model);
  return DV_OK;
}

/* What the plan says is there, part by part. */
static uint64_t
on_the_device (const DvPlan *plan)
{
  uint64_t bytes = plan->slots + plan->ahead + plan->ahead_slots +
                   plan->activations + plan->cache;

  for (int i = 0; i < DV_N_PARTS; i++)
    bytes += plan->part[i].resident -
             (uint64_t)plan->part[i].parked * plan->part[i].layer;
  return bytes;
}

START_TEST (the_published_size_is_planned_for_gpus)
{
  static const struct {
    unsigned gib;
    int64_t text_least, text_most, dit_least, dit_most; /* layers parked */
  } cards[] = {
      {141, 0, 0, 0, 0},
      {80, 0, 0, 0, 0},
      {64, 12, 47, 0, 0},
      {48, 48, 48, 1, 12},
      {24, 48, 48, 30, 47},
  };
  uint64_t host = 0;
  DvPlan plan;
  DvError error = {0};

  make_model ("ltx2", true);
  for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
    const DvPartBytes *text = &plan.part[DV_PART_GEMMA];
    const DvPartBytes *dit = &plan.part[DV_PART_DIT];

    ck_assert_msg (plan_for (cards[i].gib * GIB, 121, &plan, &error) == DV_OK,
        "%u GiB: %s", cards[i].gib, error.detail);
    ck_assert (plan.discrete);
    ck_assert_int_ge (text->parked, cards[i].text_least);
    ck_assert_int_le (text->parked, cards[i].text_most);
    ck_assert_int_ge (dit->parked, cards[i].dit_least);
    ck_assert_int_le (dit->parked, cards[i].dit_most);
    /* The transformer's stay as long as the text encoder has some to give. */
    ck_assert (dit->parked == 0 || text->parked == text->layers);
    ck_assert_uint_ge (plan.host, host);
    host = plan.host;
    ck_assert_uint_eq (plan.slots > 0, plan.host > 0);
    /* The next prompt is encoded beside a step on all of them. */
    ck_assert_uint_gt (plan.ahead, 0);
    ck_assert_uint_eq (
        plan.ahead_slots, text->parked > 0 ? 2 * text->layer : 0);
    ck_assert_uint_le (on_the_device (&plan), cards[i].gib * GIB);
    ck_assert_uint_ge (plan.reserve, cards[i].gib * GIB / 40);
    /* Matrices of a layer are two bytes a weight: 48 of 368 million. */
    ck_assert_uint_gt (dit->layer, 600u << 20);
    ck_assert_uint_lt (dit->layer, 900u << 20);
    /* The table of rows stays in its file. */
    ck_assert_uint_lt (text->resident + (1800u << 20), text->mapped);
  }
}
END_TEST

START_TEST (what_no_gpu_holds_is_refused_with_numbers)
{
  DvPlan plan;
  DvError error = {0};

  make_model ("ltx2", true);
  ck_assert_int_eq (plan_for (8 * GIB, 121, &plan, &error), DV_ERROR_MEMORY);
  ck_assert_ptr_nonnull (strstr (error.detail, "1920x1088"));
  ck_assert_ptr_nonnull (strstr (error.detail, "there are 8192"));
}
END_TEST

START_TEST (the_smallest_gpu_encodes_no_prompt_ahead)
{
  uint64_t least = 24 * GIB, most_refused = 8 * GIB;
  DvPlan plan, smallest = {.ahead = 1};
  DvError error = {0};

  make_model ("ltx2", true);
  while (least - most_refused > GIB / 16) {
    uint64_t budget = most_refused + (least - most_refused) / 2;

    if (plan_for (budget, 121, &plan, &error) == DV_OK) {
      least = budget;
      smallest = plan;
    } else {
      most_refused = budget;
    }
  }
  ck_assert_uint_eq (smallest.ahead, 0);
  ck_assert_uint_eq (smallest.ahead_slots, 0);
  ck_assert_uint_gt (smallest.slots, 0);
}
END_TEST

/* ---- a small model that does not stay ---- */

static DvModel *
open_with (
    const DvLoraSpec *lora, uint64_t budget, bool plan_only, DvError *error)
{
  DvModelSpec spec = {.model = folder_path ("model"),
      .dtype = "f32",
      .device = "cpu",
      .threads = 1,
      .width = 64,
      .height = 64,
      .frames = FRAMES,
      .memory_budget = budget,
      .plan_only = plan_only,
      .loras = lora,
      .n_loras = lora ? 1 : 0,
      .prompts = true};

  return dv_model_open (&spec, error);
}

static DvModel *
open_model (uint64_t budget, bool plan_only, DvError *error)
{
  return open_with (NULL, budget, plan_only, error);
}

/* Three segments; the second and the third continue. The prompt of each is told
 * before, but that of the first. */
static void
run (DvModel *model, uint32_t *sums)
{
  static const char *const prompts[] = {"a lighthouse", "waves", "a fire"};
  DvSession *session = dv_session_new (model, NULL);
  DvError error = {0};

  ck_assert_ptr_nonnull (session);
  for (uint32_t i = 0; i < 3; i++) {
    uint64_t before = i == 0 ? 0 : FRAMES + (i - 1) * (FRAMES - 9);
    Capture capture;
    DvRequest request;

    capture_init (&capture, 64, 64);
    capture_request (&request, &capture, &segments, i + 1, before, prompts[i]);
    request.audio_overlap = i == 0 ? 0 : segments.audio_overlap;
    ck_assert_msg (dv_session_step (
                       session, &request, &capture.sink, NULL, &error) == DV_OK,
        "%s", error.detail);
    sums[i] = capture_crc (capture_samples_crc (&capture), capture.crc,
        capture.n_frames * sizeof *capture.crc);
    capture_clear (&capture);
    ck_assert_msg (dv_session_prepare (session, prompts[(i + 1) % 3], NULL,
                       NULL, &error) == DV_OK,
        "%s", error.detail);
  }
  dv_session_free (session);
}

START_TEST (brought_layers_give_the_same)
{
  uint32_t here[3], stays[3], brought[3];
  DvError error = {0};
  DvModel *model;
  DvPlan plan;
  uint64_t budget;
  int64_t parked = 0;
  unsigned n = 0, ahead = 0;

  make_small ();
  apart_enable (false);
  model = open_model (0, false, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  run (model, here);
  dv_model_unref (model);
  apart_enable (true);
  model = open_model (0, false, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  plan = ((const DvLtx2 *)model)->plan;
  ck_assert_uint_eq (plan.slots, 0);
  ck_assert_uint_eq (plan.host, 0);
  run (model, stays);
  ck_assert_mem_eq (here, stays, sizeof here);
  ck_assert_uint_gt (apart_late (), 0);
  dv_model_unref (model);
  ck_assert_uint_eq (apart_used (), 0);

  /* Less and less memory: every other division that there is. */
  for (budget = (plan.needed - plan.reserve) / 31 * 32;;
       budget -= plan.part[DV_PART_DIT].layer / 8) {
    model = open_model (budget, true, &error);
    if (!model)
      break;
    plan = ((const DvLtx2 *)model)->plan;
    dv_model_unref (model);
    if (plan.part[DV_PART_DIT].parked + plan.part[DV_PART_GEMMA].parked <
        parked + 2)
      continue;
    parked = plan.part[DV_PART_DIT].parked + plan.part[DV_PART_GEMMA].parked;
    apart_limit (budget);
    model = open_model (budget, false, &error);
    ck_assert_msg (model != NULL, "%s", error.detail);
    run (model, brought);
    ck_assert_mem_eq (stays, brought, sizeof stays);
    ck_assert_uint_gt (apart_peak (), budget / 2);
    dv_model_unref (model);
    ck_assert_uint_eq (apart_used (), 0);
    apart_limit (UINT64_MAX);
    n++;
    ahead += plan.ahead_slots > 0;
  }
  ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
  ck_assert_uint_ge (n, 3);
  ck_assert_uint_gt (ahead, 0); /* and layers were brought for it too */
  ck_assert_int_gt (plan.part[DV_PART_DIT].parked, LAYERS / 2);
}
END_TEST

/* ---- LoRAs ---- */

/* A change of rank 2 of two matrices, of layers that are brought. */
static void
write_lora (const char *file, int64_t width)
{
  static const char *const names[] = {
      "transformer_blocks.1.attn1.to_q.lora_A.weight",
      "transformer_blocks.1.attn1.to_q.lora_B.weight",
      "transformer_blocks.4.ff.net.2.lora_A.weight",
      "transformer_blocks.4.ff.net.2.lora_B.weight",
  };
  const int64_t shapes[][2] = {
      {2, width}, {width, 2}, {2, 4 * width}, {width, 2}};
  char header[1024];
  size_t at = 0, offset = 0;
  FILE *out = fopen (file, "wb");
  uint64_t size;

  ck_assert_ptr_nonnull (out);
  for (int i = 0; i < 4; i++) {
    size_t bytes = (size_t)(shapes[i][0] * shapes[i][1]) * sizeof (float);

    at += (size_t)snprintf (header + at, sizeof header - at,
        "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],"
        "\"data_offsets\":[%zu,%zu]}",
        i ? ',' : '{', names[i], (int)shapes[i][0], (int)shapes[i][1], offset,
        offset + bytes);
    offset += bytes;
  }
  at += (size_t)snprintf (header + at, sizeof header - at, "}");
  while (at % 8)
    header[at++] = ' ';
  size = at;
  ck_assert_uint_eq (fwrite (&size, 8, 1, out), 1);
  ck_assert_uint_eq (fwrite (header, at, 1, out), 1);
  for (size_t i = 0; i < offset / sizeof (float); i++) {
    float value = (float)((int)(i * 37 % 19) - 9) / 8;

    ck_assert_uint_eq (fwrite (&value, sizeof value, 1, out), 1);
  }
  ck_assert_int_eq (fclose (out), 0);
}

/* Refused before anything of what there is goes. */
static void
refused_at_once (DvModel *model, const DvLoraSpec *lora, DvStatus status)
{
  uint64_t revision = ((const DvLtx2 *)model)->revision;
  unsigned merges = apart_merges ();
  DvError error = {0};

  ck_assert_int_eq (dv_model_set_loras (model, lora, 1, &error), status);
  ck_assert_msg (strstr (error.detail, status == DV_ERROR_MEMORY
                                           ? "open the model with them"
                                           : "made for another model") != NULL,
      "%s", error.detail);
  ck_assert_uint_eq (((const DvLtx2 *)model)->revision, revision);
  ck_assert_uint_eq (apart_merges (), merges);
}

/* Merged, removed and refused on a device that has no room for two: the same
 * as where the model was opened with them. */
START_TEST (loras_come_and_go_on_a_device)
{
  uint32_t plain[3], with[3], again[3];
  char file[256], other[256];
  DvLoraSpec lora = {file, 1}, wrong = {other, 1}, half = {file, 0.5f};
  DvError error = {0};
  uint64_t budget;
  unsigned merges;
  DvModel *model;
  DvPlan plan;

  make_small ();
  snprintf (file, sizeof file, "%s", folder_path ("lora.safetensors"));
  snprintf (other, sizeof other, "%s", folder_path ("other.safetensors"));
  write_lora (file, 32);
  write_lora (other, 48);

  apart_enable (false);
  model = open_model (0, false, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  run (model, plain);
  ck_assert_int_eq (dv_model_set_loras (model, &lora, 1, &error), DV_OK);
  run (model, with);
  ck_assert_int_ne (memcmp (plain, with, sizeof plain), 0);
  dv_model_unref (model);
  apart_enable (true);

  budget = 32 << 20;
  do {
    budget -= 16 << 10;
    model = open_model (budget, true, &error);
    ck_assert_msg (model != NULL, "%s", error.detail);
    plan = ((const DvLtx2 *)model)->plan;
    dv_model_unref (model);
  } while (plan.part[DV_PART_DIT].parked < 4);
  model = open_model (budget, false, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  apart_limit (budget);
  run (model, again);
  ck_assert_mem_eq (again, plain, sizeof plain);
  merges = apart_merges ();
  ck_assert_msg (dv_model_set_loras (model, &lora, 1, &error) == DV_OK, "%s",
      error.detail);
  ck_assert_uint_eq (apart_merges (), merges + 2);
  run (model, again);
  ck_assert_mem_eq (again, with, sizeof with);
  refused_at_once (model, &wrong, DV_ERROR_FORMAT);
  apart_limit (apart_used () + 4096);
  refused_at_once (model, &half, DV_ERROR_MEMORY);
  apart_limit (budget);
  run (model, again);
  ck_assert_mem_eq (again, with, sizeof with);
  /* The second fails, and both are merged again as they were. */
  merges = apart_merges ();
  apart_fail_merge (1);
  ck_assert_int_eq (
      dv_model_set_loras (model, &half, 1, &error), DV_ERROR_DEVICE);
  ck_assert_uint_eq (apart_merges (), merges + 4);
  run (model, again);
  ck_assert_mem_eq (again, with, sizeof with);
  ck_assert_int_eq (dv_model_set_loras (model, NULL, 0, &error), DV_OK);
  run (model, again);
  ck_assert_mem_eq (again, plain, sizeof plain);
  dv_model_unref (model);
  ck_assert_uint_eq (apart_used (), 0);
}
END_TEST

/* A model that is planned with a LoRA loads into what its plan says. */
START_TEST (a_plan_has_room_for_merging)
{
  uint32_t with[3], again[3];
  char file[256];
  DvLoraSpec lora = {file, 1};
  DvError error = {0};
  DvModel *model;
  DvPlan plan;

  make_small ();
  snprintf (file, sizeof file, "%s", folder_path ("lora.safetensors"));
  write_lora (file, 32);
  model = open_model (0, true, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  ck_assert_uint_eq (((const DvLtx2 *)model)->plan.scratch, 0);
  dv_model_unref (model);
  model = open_with (&lora, 0, false, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  plan = ((const DvLtx2 *)model)->plan;
  run (model, with);
  dv_model_unref (model);
  /* At least a weight of the file and its change. */
  ck_assert_uint_ge (plan.scratch, 32 * 128 * 2 + 2 * (32 + 128) * 4);
  ck_assert_uint_eq (
      plan.needed, on_the_device (&plan) + plan.scratch + plan.reserve);

  apart_limit ((plan.needed - plan.reserve) / 31 * 32 + 32);
  model = open_with (&lora, 0, false, &error);
  ck_assert_msg (model != NULL, "%s", error.detail);
  ck_assert_uint_eq (((const DvLtx2 *)model)->plan.host, 0);
  run (model, again);
  ck_assert_mem_eq (again, with, sizeof with);
  ck_assert_msg (dv_model_set_loras (model, &lora, 1, &error) == DV_OK, "%s",
      error.detail);
  run (model, again);
  ck_assert_mem_eq (again, with, sizeof with);
  dv_model_unref (model);
  ck_assert_uint_eq (apart_used (), 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ltx2-offload");
  TCase *tests = tcase_create ("offload");
  SRunner *runner;
  int failed;

  tcase_set_timeout (tests, 300);
  tcase_add_checked_fixture (tests, set_up, folder_remove);
  tcase_add_test (tests, the_published_size_is_planned_for_gpus);
  tcase_add_test (tests, what_no_gpu_holds_is_refused_with_numbers);
  tcase_add_test (tests, the_smallest_gpu_encodes_no_prompt_ahead);
  tcase_add_test (tests, brought_layers_give_the_same);
  tcase_add_test (tests, loras_come_and_go_on_a_device);
  tcase_add_test (tests, a_plan_has_room_for_merging);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
