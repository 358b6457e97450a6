/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checkpoints: whole ones of every layout, and what is said of those that are
 * not whole or contradict themselves. Goldens at hand (DREAMVERSE_GOLDENS, or
 * the first argument) are opened too.
 */
#include <check.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail-alloc.h"
#include "ltx2/checkpoint.h"
#include "ltx2/make-random.h"
#include "ltx2/text-file.h"
#include "test-folder.h"

static const char *goldens;

static void
make (const char *name, DvLayout layout)
{
  DvRandomSpec spec = {.config = "tiny",
      .layout = layout,
      .seed = 1,
      .tokenizer = true,
      .shard_bytes = 100000};
  DvError error;

  ck_assert_msg (dv_make_random (&spec, folder_path (name), &error) == DV_OK,
      "%s", error.detail);
}

/* Opening @path must fail and say @why. */
static void
refused (const char *path, DvStatus code, const char *why)
{
  DvError error = {DV_OK};
  DvCheckpoint *checkpoint = dv_checkpoint_open (path, &error);

  ck_assert_msg (!checkpoint, "accepted: %s (%s)", path, why);
  ck_assert_msg (
      strstr (error.detail, why) != NULL, "not \"%s\": %s", why, error.detail);
  ck_assert_int_eq (error.code, code);
  /* It may not be told, either. */
  ck_assert_ptr_null (dv_checkpoint_open (path, NULL));
}

static void
accepted (const char *path)
{
  DvError error = {DV_OK};
  DvCheckpoint *checkpoint = dv_checkpoint_open (path, &error);

  ck_assert_msg (checkpoint != NULL, "%s", error.detail);
  dv_checkpoint_free (checkpoint);
}

/* Sets KEY of model a's PART/config.json to @value (JSON; NULL: not there),
 * asks for @why, and puts it back. */
static void
contradiction (
    const char *part, const char *key, const char *value, const char *why)
{
  char name[64], *text, *changed;
  size_t size;
  DvError error;
  cJSON *json;

  snprintf (name, sizeof name, "a/%s/config.json", part);
  ck_assert_int_eq (
      dv_text_file_read (folder_path (name), 1 << 20, &text, &size, &error),
      DV_OK);
  json = cJSON_Parse (text);
  cJSON_DeleteItemFromObject (json, key);
  if (value)
    cJSON_AddItemToObject (json, key, cJSON_Parse (value));
  changed = cJSON_Print (json);
  folder_write_text (name, changed);
  refused (folder_path ("a"), DV_ERROR_FORMAT, why);
  folder_write_text (name, text);
  cJSON_free (changed);
  cJSON_Delete (json);
  free (text);
}

START_TEST (a_configuration_that_contradicts_the_tensors)
{
  make ("a", DV_LAYOUT_DIFFUSERS);
  contradiction ("transformer", "num_layers", "3",
      "num_layers is 3, but there are weights of 2 blocks");
  contradiction ("transformer", "num_attention_heads", "4",
      "contradicts the tensor proj_in.weight, which is bf16 [32, 8] and should "
      "be bf16 [64, 8]");
  contradiction ("transformer", "audio_in_channels", "31", "audio_proj_in");
  contradiction ("transformer", "cross_attention_dim", "33", "attn2.to_k");
  contradiction ("transformer", "gated_attn", "true", "gated_attn");
  contradiction ("transformer", "cross_attn_mod", "true", "cross_attn_mod");
  contradiction ("transformer", "use_prompt_embeddings", "false",
      "caption_projection.linear_1.weight is there");
  contradiction ("transformer", "caption_proj_before_connector", "true",
      "caption_proj_before_connector");
  contradiction ("transformer", "caption_channels", "31", "caption_projection");
  contradiction ("transformer", "rope_type", "\"spiral\"", "rope_type");
  contradiction ("transformer", "patch_size", "2", "patch_size");
  contradiction (
      "transformer", "vae_scale_factors", "[8,16,16]", "[8, 32, 32]");
  contradiction ("transformer", "activation_fn", "\"relu\"", "activation_fn");
  contradiction ("transformer", "qk_norm", "\"layer_norm\"", "qk_norm");
  contradiction ("transformer", "num_layers", "2.5",
      "num_layers should be a whole number");
  contradiction ("transformer", "num_layers", "\"2\"", "a whole number");
  contradiction ("transformer", "num_layers", "1e300", "a whole number");
  contradiction (
      "transformer", "norm_eps", "-1", "norm_eps should be a number");
  contradiction ("transformer", "gated_attn", "1", "true or false");
  contradiction (
      "transformer", "rope_type", "1", "rope_type should be a string");
  contradiction ("transformer", "attention_head_dim", "17", "proj_in");

  contradiction ("text_encoder", "text_config",
      "{\"num_hidden_layers\":5,\"head_dim\":8,\"num_attention_heads\":4,"
      "\"num_key_value_heads\":2}",
      "num_hidden_layers is 5");
  contradiction ("text_encoder", "text_config",
      "{\"num_hidden_layers\":6,\"head_dim\":8,\"num_attention_heads\":4,"
      "\"num_key_value_heads\":3}",
      "cannot share 3 key heads");
  contradiction ("text_encoder", "text_config",
      "{\"head_dim\":8,\"num_attention_heads\":4,\"num_key_value_heads\":1}",
      "k_proj");
  contradiction ("text_encoder", "text_config",
      "{\"rope_scaling\":{\"rope_type\":\"yarn\"}}", "rope_scaling");
  contradiction ("text_encoder", "text_config",
      "{\"attn_logit_softcapping\":50.0}", "attn_logit_softcapping");
  contradiction (
      "text_encoder", "text_config", "{\"vocab_size\":500}", "embed_tokens");

  contradiction ("connectors", "video_connector_num_layers", "1",
      "the video connector should have 1 layers");
  contradiction ("connectors", "text_proj_in_factor", "6", "text_proj_in");
  contradiction ("connectors", "proj_bias", "true", "text_proj_in.bias");
  contradiction (
      "connectors", "per_modality_projections", "true", "per_modality");
  contradiction ("connectors", "video_gated_attn", "true", "to_gate_logits");
  contradiction ("connectors", "video_connector_num_learnable_registers", "9",
      "video_connector.learnable_registers");
  contradiction ("connectors", "audio_connector_num_attention_heads", "1",
      "audio_connector.learnable_registers");

  contradiction ("vae", "layers_per_block", "[1,2,1,1,1]",
      "should have 2 residual blocks, but there are weights of 1");
  contradiction ("vae", "layers_per_block", "[1,1]", "one more value");
  contradiction ("vae", "block_out_channels", "[16,32,32,60]", "from 32 to 60");
  contradiction ("vae", "downsample_type",
      "[\"spatial\",\"temporal\",\"sideways\",\"spatial\"]",
      "downsample_type 2");
  contradiction ("vae", "downsample_type",
      "[\"spatial\",\"spatial\",\"spatiotemporal\",\"spatiotemporal\"]",
      "encoder.down_blocks.1.downsamplers.0.conv.conv.weight");
  contradiction ("vae", "upsample_factor", "[2,2,4]", "up_blocks.0");
  contradiction (
      "vae", "decoder_block_out_channels", "[16,32,63]", "decoder.conv_in");
  contradiction (
      "vae", "timestep_conditioning", "true", "timestep_conditioning");
  contradiction ("vae", "decoder_inject_noise", "[false,true]", "inject_noise");
  contradiction (
      "vae", "decoder_spatial_padding_mode", "\"edge\"", "reflect or zeros");
  contradiction ("vae", "latent_channels", "9", "latents_mean");
  contradiction ("vae", "block_out_channels", "[]", "a list");
  contradiction ("vae", "block_out_channels", "[0,1,2]", "a list");
  contradiction ("vae", "encoder_blocks", "[[\"attn\",{}]]", "attn");
  contradiction ("vae", "encoder_blocks", "[]", "encoder_blocks");
  contradiction ("vae", "encoder_blocks",
      "[[\"res_x\",1],[\"compress_space_res\",{\"multiplier\":65}]]",
      "multiplier should be");
  contradiction ("vae", "decoder_blocks",
      "[[\"res_x\",{\"num_layers\":1}],[\"res_x\",1]]", "take turns");
  contradiction ("vae", "decoder_blocks",
      "[[\"res_x\",{\"num_layers\":1,\"inject_noise\":true}]]", "inject_noise");
  contradiction ("vae", "encoder_blocks",
      "[[\"res_x\",1],[\"compress_all\",{}]]", "compress_all");

  contradiction ("audio_vae", "num_res_blocks", "2", "num_res_blocks");
  contradiction ("audio_vae", "ch_mult", "[1,1]", "latents_mean");
  contradiction ("audio_vae", "latent_channels", "4", "latents_mean");
  contradiction ("audio_vae", "causality_axis", "\"width\"", "causality_axis");
  contradiction ("audio_vae", "attn_resolutions", "[32]", "attn_resolutions");
  contradiction ("vocoder", "upsample_factors", "[6,5,2,2]", "as long as");
  contradiction ("vocoder", "upsample_kernel_sizes", "[16,15,8,4,5]",
      "upsamplers.4.weight");
  contradiction ("vocoder", "resnet_kernel_sizes", "[3,7]", "resnets");
  contradiction (
      "vocoder", "resnet_dilations", "[[1,3,5],[1,3,7]]", "dilations");
  contradiction ("vocoder", "final_bias", "false", "conv_out.bias");
  contradiction ("vocoder", "hidden_channels", "63", "conv_in");
  contradiction ("latent_upsampler", "use_rational_resampler", "false",
      "upsampler.conv.weight");
  contradiction ("latent_upsampler", "num_blocks_per_stage", "2",
      "num_blocks_per_stage is 2");
  contradiction ("latent_upsampler", "dims", "2", "dims");
  contradiction (
      "latent_upsampler", "rational_spatial_scale", "1.5", "spatial_scale");
  accepted (folder_path ("a"));
}
END_TEST

/* Without their keys, the tensors say the same. */
/* What comes after channels that came to 0 used to be divided by them. */
START_TEST (a_decoder_without_channels_is_refused)
{
  make ("a", DV_LAYOUT_DIFFUSERS);
  contradiction ("vae", "decoder_block_out_channels", "[16, 32, 1]",
      "decoder_block_out_channels ends in 1");
}
END_TEST

START_TEST (what_is_absent_is_taken_from_the_tensors)
{
  DvError error;
  DvCheckpoint *a, *b;

  make ("a", DV_LAYOUT_DIFFUSERS);
  a = dv_checkpoint_open (folder_path ("a"), &error);
  ck_assert_int_eq (unlink (folder_path ("a/latent_upsampler/config.json")), 0);
  b = dv_checkpoint_open (folder_path ("a"), &error);
  ck_assert_msg (b != NULL, "%s", error.detail);
  ck_assert_mem_eq (dv_checkpoint_config (a), dv_checkpoint_config (b),
      sizeof (DvLtx2Config));
  dv_checkpoint_free (a);
  dv_checkpoint_free (b);
}
END_TEST

START_TEST (parts_that_are_missing_or_of_another_model)
{
  make ("a", DV_LAYOUT_DIFFUSERS);
  folder_write_text ("a/vae/config.json", "{\"latent_channels\": }");
  refused (folder_path ("a"), DV_ERROR_FORMAT, "vae/config.json, byte");
  folder_write_text ("a/vae/config.json", "[1]");
  refused (folder_path ("a"), DV_ERROR_FORMAT, "no JSON object");
  make ("a", DV_LAYOUT_DIFFUSERS);
  ck_assert_int_eq (
      rename (folder_path ("a/vocoder"), folder_path ("a/voice")), 0);
  refused (folder_path ("a"), DV_ERROR_NOT_FOUND, "has no vocoder");
  ck_assert_int_eq (
      rename (folder_path ("a/vae"), folder_path ("a/vocoder")), 0);
  refused (folder_path ("a"), DV_ERROR_FORMAT, "conv_in.weight is missing");
  ck_assert_int_eq (
      rename (folder_path ("a/voice"), folder_path ("a/vocoder-2")), 0);
  refused (folder_path ("b"), DV_ERROR_NOT_FOUND, "There is no model at");
  refused (folder_itself (), DV_ERROR_NOT_FOUND, "holds no model");
  {
    char longest[5000];

    memset (longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    refused (longest, DV_ERROR_ARGUMENT, "path");
  }
}
END_TEST

START_TEST (an_index_without_its_shard)
{
  make ("a", DV_LAYOUT_DIFFUSERS);
  ck_assert_int_eq (
      unlink (folder_path ("a/transformer/diffusion_pytorch_model-"
                           "00002-of-00003.safetensors")),
      0);
  refused (folder_path ("a"), DV_ERROR_NOT_FOUND, "00002-of-00003.safetensors");
}
END_TEST

START_TEST (a_single_file_and_what_is_beside_it)
{
  DvError error;
  DvCheckpoint *a, *b;

  make ("c", DV_LAYOUT_SINGLE);
  /* A LoRA and a broken file beside it are none of its business. */
  folder_write_text ("c/broken.safetensors", "nothing");
  a = dv_checkpoint_open (folder_path ("c/ltx-2-random.safetensors"), &error);
  ck_assert_msg (a != NULL, "%s", error.detail);
  ck_assert (dv_checkpoint_config (a)->has_upsampler);
  ck_assert (dv_checkpoint_config (a)->has_gemma);
  ck_assert_ptr_nonnull (dv_checkpoint_tokenizer (a));
  ck_assert_ptr_nonnull (dv_checkpoint_find (
      a, DV_PART_GEMMA, "model.layers.5.mlp.up_proj.weight"));
  ck_assert_ptr_null (dv_checkpoint_find (a, DV_PART_DIT, "nothing"));
  refused (folder_path ("c"), DV_ERROR_FORMAT, "broken.safetensors");
  unlink (folder_path ("c/broken.safetensors"));
  b = dv_checkpoint_open (folder_path ("c"), &error);
  ck_assert_msg (b != NULL, "%s", error.detail);
  ck_assert_mem_eq (dv_checkpoint_config (a), dv_checkpoint_config (b),
      sizeof (DvLtx2Config));
  dv_checkpoint_free (a);
  dv_checkpoint_free (b);
  ck_assert_int_eq (link (folder_path ("c/ltx-2-random.safetensors"),
                        folder_path ("c/other.safetensors")),
      0);
  refused (folder_path ("c"), DV_ERROR_ARGUMENT, "several models");
  refused (folder_path ("c/ltx-2-random-spatial-upscaler-x2.safetensors"),
      DV_ERROR_FORMAT, "no LTX-2 checkpoint");
}
END_TEST

START_TEST (one_part_of_a_model)
{
  DvError error;
  DvCheckpoint *part;
  DvLtx2Config zero;

  make ("a", DV_LAYOUT_DIFFUSERS);
  make ("c", DV_LAYOUT_SINGLE);
  part = dv_checkpoint_open_part (
      DV_PART_VOCODER, folder_path ("a/vocoder"), &error);
  ck_assert_msg (part != NULL, "%s", error.detail);
  ck_assert_int_eq (dv_checkpoint_config (part)->vocoder.main.hidden, 64);
  memset (&zero, 0, sizeof zero);
  ck_assert_mem_eq (
      &dv_checkpoint_config (part)->dit, &zero.dit, sizeof zero.dit);
  dv_checkpoint_free (part);
  part = dv_checkpoint_open_part (
      DV_PART_VOCODER, folder_path ("c/ltx-2-random.safetensors"), &error);
  ck_assert_msg (part != NULL, "%s", error.detail);
  dv_checkpoint_free (part);
  ck_assert_ptr_null (dv_checkpoint_open_part (
      DV_PART_GEMMA, folder_path ("a/vocoder"), &error));
  ck_assert_ptr_nonnull (
      strstr (error.detail, "no tensors of the text_encoder"));
  ck_assert_ptr_null (
      dv_checkpoint_open_part (DV_PART_GEMMA, folder_path ("a"), &error));
  ck_assert_ptr_nonnull (strstr (error.detail, "no weights"));
}
END_TEST

START_TEST (no_memory_at_any_allocation)
{
  static const char *const names[] = {"a", "b", "c"};

  for (int i = 0; i < 3; i++) {
    size_t n = 0;

    make (names[i], (DvLayout)i);
    for (;; n += n < 100 ? 1 : 13) {
      long live = fail_alloc_live ();
      DvError error = {DV_OK};
      DvCheckpoint *checkpoint;

      fail_alloc_at (n);
      checkpoint = dv_checkpoint_open (folder_path (names[i]), &error);
      if (!fail_alloc_hit ()) {
        ck_assert_msg (checkpoint != NULL, "%s", error.detail);
        dv_checkpoint_free (checkpoint);
        break;
      }
      ck_assert_msg (!checkpoint, "opened without allocation %zu", n);
      ck_assert_msg (error.code == DV_ERROR_MEMORY, "%zu: %s", n, error.detail);
      ck_assert_int_eq (fail_alloc_live (), live);
    }
    ck_assert_uint_ge (n, 700); /* a name a tensor at least */
  }
}
END_TEST

/* ---- goldens ---- */

static DvCheckpoint *
golden (const char *name)
{
  char path[512];
  DvError error = {DV_OK};
  DvCheckpoint *checkpoint;

  snprintf (path, sizeof path, "%s/%s", goldens ? goldens : "", name);
  if (!goldens || access (path, R_OK) != 0)
    return NULL;
  checkpoint = dv_checkpoint_open (path, &error);
  ck_assert_msg (checkpoint != NULL, "%s", error.detail);
  return checkpoint;
}

static void
same_model (const DvCheckpoint *a, const DvCheckpoint *b)
{
  DvLtx2Config x = *dv_checkpoint_config (a), y = *dv_checkpoint_config (b);

  x.text.text_len = y.text.text_len = 0; /* only layout B tells it */
  ck_assert_mem_eq (&x, &y, sizeof x);
  for (int part = 0; part < DV_N_PARTS; part++) {
    const DvTensor *t, *u;
    const char *name, *other;
    size_t i;

    for (i = 0; (t = dv_checkpoint_nth (a, (DvPart)part, i, &name)); i++) {
      u = dv_checkpoint_nth (b, (DvPart)part, i, &other);
      ck_assert_msg (u != NULL, "%s is missing", name);
      ck_assert_str_eq (name, other);
      ck_assert (dv_tensor_same_shape (t, u) && t->dtype == u->dtype);
      ck_assert_msg (memcmp (t->data, u->data, dv_tensor_bytes (t)) == 0,
          "%s differs", name);
    }
    ck_assert_uint_gt (i, 0);
    ck_assert_ptr_null (dv_checkpoint_nth (b, (DvPart)part, i, NULL));
  }
}

START_TEST (the_goldens_layouts_are_one_model)
{
  DvCheckpoint *a = golden ("pipeline-tiny/model");
  DvCheckpoint *b = golden ("pipeline-tiny/model-fastvideo");
  DvCheckpoint *c = golden ("pipeline-tiny/model-single");
  DvCheckpoint *d = golden ("pipeline-tiny-ltx2_3/model");

  if (a && b && c) {
    same_model (a, b);
    same_model (a, c);
    ck_assert (!dv_checkpoint_config (a)->v23);
    ck_assert_int_eq (dv_checkpoint_config (b)->text.text_len, 32);
  }
  if (d) {
    ck_assert (dv_checkpoint_config (d)->v23);
    ck_assert (dv_checkpoint_config (d)->vocoder.extended);
  }
  dv_checkpoint_free (a);
  dv_checkpoint_free (b);
  dv_checkpoint_free (c);
  dv_checkpoint_free (d);
}
END_TEST

START_TEST (the_goldens_parts_open)
{
  static const struct {
    const char *name;
    DvPart part;
  } cases[] = {{"gemma3-tiny", DV_PART_GEMMA},
      {"connectors", DV_PART_CONNECTORS},
      {"connectors-ltx2_3", DV_PART_CONNECTORS}, {"dit-ltx2", DV_PART_DIT},
      {"dit-ltx2_3", DV_PART_DIT}, {"video-vae-decode", DV_PART_VIDEO_VAE},
      {"video-vae-decode-ltx2_3", DV_PART_VIDEO_VAE},
      {"video-vae-encode", DV_PART_VIDEO_VAE},
      {"video-vae-encode-ltx2_3", DV_PART_VIDEO_VAE},
      {"audio-vae-decode", DV_PART_AUDIO_VAE},
      {"audio-vae-encode", DV_PART_AUDIO_VAE},
      {"vocoder-ltx2", DV_PART_VOCODER}, {"vocoder-ltx2_3", DV_PART_VOCODER},
      {"spatial-upsampler", DV_PART_UPSAMPLER},
      {"spatial-upsampler-ltx2_3", DV_PART_UPSAMPLER}};
  char path[512];
  DvError error;

  for (size_t i = 0; goldens && i < sizeof cases / sizeof *cases; i++) {
    DvCheckpoint *part;

    snprintf (path, sizeof path, "%s/%s", goldens, cases[i].name);
    if (access (path, R_OK) != 0)
      continue;
    part = dv_checkpoint_open_part (cases[i].part, path, &error);
    ck_assert_msg (part != NULL, "%s", error.detail);
    dv_checkpoint_free (part);
  }
}
END_TEST

int
main (int argc, char **argv)
{
  Suite *suite = suite_create ("checkpoint");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  goldens = getenv ("DREAMVERSE_GOLDENS") ? getenv ("DREAMVERSE_GOLDENS")
            : argc > 1                    ? argv[1]
                                          : NULL;
  tcase_add_checked_fixture (tcase, folder_make, folder_remove);
  tcase_add_test (tcase, a_configuration_that_contradicts_the_tensors);
  tcase_add_test (tcase, a_decoder_without_channels_is_refused);
  tcase_add_test (tcase, what_is_absent_is_taken_from_the_tensors);
  tcase_add_test (tcase, parts_that_are_missing_or_of_another_model);
  tcase_add_test (tcase, an_index_without_its_shard);
  tcase_add_test (tcase, a_single_file_and_what_is_beside_it);
  tcase_add_test (tcase, one_part_of_a_model);
  tcase_add_test (tcase, no_memory_at_any_allocation);
  tcase_add_test (tcase, the_goldens_layouts_are_one_model);
  tcase_add_test (tcase, the_goldens_parts_open);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? 0 : 1;
}
