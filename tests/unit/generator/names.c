/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tensor names both ways: the table of section 2.4 of the specification, and
 * the names.json of every golden case that is at hand (DREAMVERSE_GOLDENS, or
 * the first argument).
 */
#include <check.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ltx2/names.h"
#include "ltx2/text-file.h"

static const char *goldens;

static void
both_ways (DvPart part, const char *diffusers, const char *whole)
{
  char name[DV_MAX_NAME], back[2 * DV_MAX_NAME];
  DvPart of;
  const char *rest;

  ck_assert_msg (dv_name_split (whole, &of, &rest), "%s is of no part", whole);
  ck_assert_msg (of == part, "%s is of the %s", whole, dv_part_name (of));
  ck_assert (dv_name_to_diffusers (part, rest, name, sizeof name));
  ck_assert_str_eq (name, diffusers);
  ck_assert (dv_name_to_original (part, diffusers, name, sizeof name));
  snprintf (back, sizeof back, "%s%s", dv_name_prefix (part, diffusers), name);
  ck_assert_str_eq (back, whole);
}

START_TEST (names_of_the_table)
{
  static const struct {
    DvPart part;
    const char *diffusers, *original;
  } pairs[] = {
      {DV_PART_DIT, "proj_in.weight",
          "model.diffusion_model.patchify_proj.weight"},
      {DV_PART_DIT, "audio_proj_in.bias",
          "model.diffusion_model.audio_patchify_proj.bias"},
      {DV_PART_DIT, "time_embed.linear.weight",
          "model.diffusion_model.adaln_single.linear.weight"},
      {DV_PART_DIT, "audio_time_embed.emb.timestep_embedder.linear_1.bias",
          "model.diffusion_model.audio_adaln_single.emb.timestep_embedder."
          "linear_1.bias"},
      {DV_PART_DIT, "audio_prompt_adaln.linear.bias",
          "model.diffusion_model.audio_prompt_adaln_single.linear.bias"},
      {DV_PART_DIT, "av_cross_attn_video_scale_shift.linear.weight",
          "model.diffusion_model.av_ca_video_scale_shift_adaln_single.linear."
          "weight"},
      {DV_PART_DIT, "av_cross_attn_audio_v2a_gate.linear.bias",
          "model.diffusion_model.av_ca_v2a_gate_adaln_single.linear.bias"},
      {DV_PART_DIT,
          "transformer_blocks.47.video_a2v_cross_attn_scale_shift_table",
          "model.diffusion_model.transformer_blocks.47.scale_shift_table_a2v_"
          "ca_video"},
      {DV_PART_DIT, "transformer_blocks.3.audio_to_video_attn.norm_k.weight",
          "model.diffusion_model.transformer_blocks.3.audio_to_video_attn.k_"
          "norm.weight"},
      {DV_PART_DIT, "scale_shift_table",
          "model.diffusion_model.scale_shift_table"},
      {DV_PART_CONNECTORS,
          "video_connector.transformer_blocks.1.attn1.norm_q.weight",
          "model.diffusion_model.video_embeddings_connector.transformer_1d_"
          "blocks.1.attn1.q_norm.weight"},
      {DV_PART_CONNECTORS, "audio_connector.learnable_registers",
          "model.diffusion_model.audio_embeddings_connector.learnable_"
          "registers"},
      {DV_PART_CONNECTORS, "text_proj_in.weight",
          "text_embedding_projection.aggregate_embed.weight"},
      {DV_PART_CONNECTORS, "audio_text_proj_in.bias",
          "text_embedding_projection.audio_aggregate_embed.bias"},
      {DV_PART_VIDEO_VAE, "latents_mean",
          "vae.per_channel_statistics.mean-of-means"},
      {DV_PART_VIDEO_VAE, "encoder.mid_block.resnets.1.conv2.conv.bias",
          "vae.encoder.down_blocks.8.res_blocks.1.conv2.conv.bias"},
      {DV_PART_VIDEO_VAE, "encoder.down_blocks.3.downsamplers.0.conv.conv.bias",
          "vae.encoder.down_blocks.7.conv.conv.bias"},
      {DV_PART_VIDEO_VAE, "decoder.mid_block.resnets.0.conv1.conv.weight",
          "vae.decoder.up_blocks.0.res_blocks.0.conv1.conv.weight"},
      {DV_PART_VIDEO_VAE, "decoder.up_blocks.3.upsamplers.0.conv.conv.weight",
          "vae.decoder.up_blocks.7.conv.conv.weight"},
      {DV_PART_VIDEO_VAE, "decoder.up_blocks.2.resnets.4.conv1.conv.weight",
          "vae.decoder.up_blocks.6.res_blocks.4.conv1.conv.weight"},
      {DV_PART_AUDIO_VAE, "latents_std",
          "audio_vae.per_channel_statistics.std-of-means"},
      {DV_PART_AUDIO_VAE, "decoder.up.1.upsample.conv.conv.weight",
          "audio_vae.decoder.up.1.upsample.conv.conv.weight"},
      {DV_PART_VOCODER, "conv_in.weight", "vocoder.conv_pre.weight"},
      {DV_PART_VOCODER, "upsamplers.0.weight", "vocoder.ups.0.weight"},
      {DV_PART_VOCODER, "vocoder.resnets.2.acts1.0.upsample.filter",
          "vocoder.vocoder.resblocks.2.acts1.0.upsample.filter"},
      {DV_PART_VOCODER, "bwe_generator.act_out.downsample.filter",
          "vocoder.bwe_generator.act_post.downsample.lowpass.filter"},
  };

  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    both_ways (pairs[i].part, pairs[i].diffusers, pairs[i].original);
}
END_TEST

START_TEST (names_of_layout_b)
{
  char name[DV_MAX_NAME];

  ck_assert (dv_name_to_diffusers (DV_PART_CONNECTORS,
      "embeddings_connector.transformer_1d_blocks.0.attn1.to_q.bias", name,
      sizeof name));
  ck_assert_str_eq (
      name, "video_connector.transformer_blocks.0.attn1.to_q.bias");
  ck_assert (dv_name_to_diffusers (
      DV_PART_CONNECTORS, "aggregate_embed.weight", name, sizeof name));
  ck_assert_str_eq (name, "text_proj_in.weight");
  ck_assert (dv_name_is_connector ("audio_embeddings_connector.x"));
  ck_assert (!dv_name_is_connector ("audio_proj_in.weight"));
}
END_TEST

START_TEST (originals_are_recognised)
{
  ck_assert (dv_name_is_original (DV_PART_DIT, "patchify_proj.weight"));
  ck_assert (!dv_name_is_original (DV_PART_DIT, "proj_in.weight"));
  ck_assert (!dv_name_is_original (DV_PART_DIT, "prompt_adaln.linear.weight"));
  ck_assert (dv_name_is_original (
      DV_PART_VIDEO_VAE, "per_channel_statistics.std-of-means"));
  ck_assert (!dv_name_is_original (
      DV_PART_VIDEO_VAE, "encoder.down_blocks.0.resnets.0.conv1.conv.bias"));
  ck_assert (dv_name_is_original (DV_PART_VOCODER, "vocoder.conv_pre.bias"));
  ck_assert (!dv_name_is_original (DV_PART_GEMMA, "model.norm.weight"));
}
END_TEST

START_TEST (gemma_has_three_spellings)
{
  static const char *const spellings[] = {
      "language_model.model.layers.0.mlp.up_proj.weight",
      "model.language_model.layers.0.mlp.up_proj.weight",
      "model.layers.0.mlp.up_proj.weight"};
  static const char *const others[] = {"vision_tower.x", "lm_head.weight",
      "model.vision_tower.embed", "multi_modal_projector.x",
      "language_model.lm_head.weight"};
  char name[DV_MAX_NAME];

  for (int i = 0; i < 3; i++) {
    ck_assert (dv_name_gemma (spellings[i], name, sizeof name));
    ck_assert_str_eq (name, "model.layers.0.mlp.up_proj.weight");
  }
  for (int i = 0; i < 5; i++)
    ck_assert (!dv_name_gemma (others[i], name, sizeof name));
}
END_TEST

START_TEST (long_names_and_strange_ones)
{
  char name[16], longer[400];
  DvPart part;
  const char *rest;

  ck_assert (dv_name_to_diffusers (DV_PART_DIT, "123456789012345", name, 16));
  ck_assert (!dv_name_to_diffusers (DV_PART_DIT, "1234567890123456", name, 16));
  ck_assert (!dv_name_to_diffusers (DV_PART_VOCODER, "xxxxxx.ups.", name, 16));
  memset (longer, 'x', sizeof longer);
  longer[sizeof longer - 1] = 0;
  memcpy (longer, "model.layers.", 13);
  ck_assert (!dv_name_gemma (longer, name, sizeof name));
  ck_assert (!dv_name_split ("initial_conv.weight", &part, &rest));
  ck_assert (
      dv_name_ignored (DV_PART_VIDEO_VAE, "per_channel_statistics.channel"));
  ck_assert (dv_name_ignored (
      DV_PART_GEMMA, "model.layers.0.self_attn.rotary_emb.inv_freq"));
  ck_assert (!dv_name_ignored (DV_PART_VIDEO_VAE, "latents_mean"));
}
END_TEST

/* The part that a case is about, by its directory's name. */
static bool
part_of_case (const char *directory, DvPart *part)
{
  static const struct {
    const char *begin;
    DvPart part;
  } cases[] = {{"gemma3", DV_PART_GEMMA}, {"connectors", DV_PART_CONNECTORS},
      {"dit-", DV_PART_DIT}, {"video-vae", DV_PART_VIDEO_VAE},
      {"audio-vae", DV_PART_AUDIO_VAE}, {"vocoder", DV_PART_VOCODER}};

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (strncmp (directory, cases[i].begin, strlen (cases[i].begin)) == 0) {
      *part = cases[i].part;
      return true;
    }
  return false;
}

static void
check_case (DvPart part, const char *path)
{
  char *text, a[DV_MAX_NAME], b[DV_MAX_NAME];
  size_t size;
  DvError error;
  cJSON *json, *item;

  if (dv_text_file_read (path, 1 << 24, &text, &size, &error) != DV_OK)
    return;
  json = cJSON_ParseWithLength (text, size);
  ck_assert_ptr_nonnull (json);
  cJSON_ArrayForEach (item, json)
  {
    if (part != DV_PART_GEMMA) {
      both_ways (part, item->string, item->valuestring);
      continue;
    }
    ck_assert (dv_name_gemma (item->string, a, sizeof a));
    ck_assert (dv_name_gemma (item->valuestring, b, sizeof b));
    ck_assert_str_eq (a, b);
  }
  cJSON_Delete (json);
  free (text);
}

START_TEST (names_of_every_golden)
{
  struct dirent **entries;
  char path[512];
  DvPart part;
  int n = goldens ? scandir (goldens, &entries, NULL, alphasort) : -1;

  for (int i = 0; i < n; i++) {
    snprintf (
        path, sizeof path, "%s/%.200s/names.json", goldens, entries[i]->d_name);
    if (part_of_case (entries[i]->d_name, &part))
      check_case (part, path);
    free (entries[i]);
  }
  if (n >= 0)
    free (entries);
}
END_TEST

int
main (int argc, char **argv)
{
  Suite *suite = suite_create ("names");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  goldens = getenv ("DREAMVERSE_GOLDENS") ? getenv ("DREAMVERSE_GOLDENS")
            : argc > 1                    ? argv[1]
                                          : NULL;
  tcase_add_test (tcase, names_of_the_table);
  tcase_add_test (tcase, names_of_layout_b);
  tcase_add_test (tcase, originals_are_recognised);
  tcase_add_test (tcase, gemma_has_three_spellings);
  tcase_add_test (tcase, long_names_and_strange_ones);
  tcase_add_test (tcase, names_of_every_golden);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? 0 : 1;
}
