/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random models: every layout of one seed is one model, it is what its
 * configuration says, and its tokenizer works.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ltx2/checkpoint.h"
#include "ltx2/make-random.h"
#include "ltx2/tokenizer.h"
#include "test-folder.h"

static DvCheckpoint *
make (const char *config, DvLayout layout, uint64_t seed, const char *name)
{
  DvRandomSpec spec = {.config = config,
      .layout = layout,
      .seed = seed,
      .tokenizer = true,
      .shard_bytes = 60000};
  DvError error = {DV_OK};
  DvCheckpoint *checkpoint;

  ck_assert_msg (dv_make_random (&spec, folder_path (name), &error) == DV_OK,
      "%s", error.detail);
  checkpoint = dv_checkpoint_open (folder_path (name), &error);
  ck_assert_msg (checkpoint != NULL, "%s", error.detail);
  return checkpoint;
}

/* The same configuration, and every tensor byte for byte. */
static void
same_model (const DvCheckpoint *a, const DvCheckpoint *b)
{
  ck_assert_mem_eq (dv_checkpoint_config (a), dv_checkpoint_config (b),
      sizeof (DvLtx2Config));
  for (int part = 0; part < DV_N_PARTS; part++) {
    const DvTensor *t;
    const char *name;
    size_t i;

    for (i = 0; (t = dv_checkpoint_nth (a, (DvPart)part, i, &name)); i++) {
      const DvTensor *u = dv_checkpoint_find (b, (DvPart)part, name);

      ck_assert_msg (
          u != NULL, "%s of the %s", name, dv_part_name ((DvPart)part));
      ck_assert (dv_tensor_same_shape (t, u) && t->dtype == u->dtype);
      ck_assert_msg (memcmp (t->data, u->data, dv_tensor_bytes (t)) == 0,
          "%s differs", name);
    }
    ck_assert_uint_gt (i, 0);
    ck_assert_ptr_null (dv_checkpoint_nth (b, (DvPart)part, i, NULL));
    ck_assert_uint_eq (dv_checkpoint_bytes (a, (DvPart)part),
        dv_checkpoint_bytes (b, (DvPart)part));
  }
}

static void
layouts_of (const char *config)
{
  DvCheckpoint *a = make (config, DV_LAYOUT_DIFFUSERS, 7, "a");
  DvCheckpoint *b = make (config, DV_LAYOUT_FASTVIDEO, 7, "b");
  DvCheckpoint *c = make (config, DV_LAYOUT_SINGLE, 7, "c");
  DvLtx2Config wanted;
  const DvLtx2Config *got = dv_checkpoint_config (a);
  DvError error;

  same_model (a, b);
  same_model (a, c);
  ck_assert_int_eq (access (folder_path ("a/transformer/"
                                         "diffusion_pytorch_model.safetensors."
                                         "index.json"),
                        R_OK),
      0);
  ck_assert_int_eq (dv_make_random_config (config, &wanted, &error), DV_OK);
  ck_assert_mem_eq (&got->gemma, &wanted.gemma, sizeof wanted.gemma);
  ck_assert_mem_eq (&got->text, &wanted.text, sizeof wanted.text);
  ck_assert_mem_eq (&got->dit, &wanted.dit, sizeof wanted.dit);
  ck_assert_mem_eq (
      &got->video_vae, &wanted.video_vae, sizeof wanted.video_vae);
  ck_assert_mem_eq (
      &got->audio_vae, &wanted.audio_vae, sizeof wanted.audio_vae);
  ck_assert_mem_eq (&got->vocoder, &wanted.vocoder, sizeof wanted.vocoder);
  ck_assert_mem_eq (
      &got->upsampler, &wanted.upsampler, sizeof wanted.upsampler);
  ck_assert (got->has_tokenizer && got->has_gemma && got->has_upsampler);
  dv_checkpoint_free (a);
  dv_checkpoint_free (b);
  dv_checkpoint_free (c);
}

START_TEST (three_layouts_hold_one_model)
{
  layouts_of ("tiny");
}
END_TEST

START_TEST (three_layouts_hold_one_model_of_2_3)
{
  layouts_of ("tiny2.3");
}
END_TEST

START_TEST (a_seed_is_a_model)
{
  DvCheckpoint *a = make ("tiny", DV_LAYOUT_SINGLE, 1, "a");
  DvCheckpoint *b = make ("tiny", DV_LAYOUT_SINGLE, 1, "b");
  DvCheckpoint *c = make ("tiny", DV_LAYOUT_SINGLE, 2, "c");
  const DvTensor *t = dv_checkpoint_find (a, DV_PART_DIT, "proj_in.weight");
  const DvTensor *u = dv_checkpoint_find (c, DV_PART_DIT, "proj_in.weight");

  same_model (a, b);
  ck_assert_int_ne (memcmp (t->data, u->data, dv_tensor_bytes (t)), 0);
  dv_checkpoint_free (a);
  dv_checkpoint_free (b);
  dv_checkpoint_free (c);
}
END_TEST

/* Products keep a variance of about 1, filters a sum of 1. */
START_TEST (values_are_of_a_model)
{
  DvCheckpoint *a = make ("tiny2.3", DV_LAYOUT_DIFFUSERS, 3, "a");
  const DvTensor *t;
  double sum = 0.0;

  t = dv_checkpoint_find (
      a, DV_PART_DIT, "transformer_blocks.0.ff.net.0.proj.weight");
  for (int64_t i = 0; i < dv_tensor_count (t); i++) {
    float v = dv_f32_from_bf16 (((const uint16_t *)t->data)[i]);

    sum += (double)v * v;
  }
  ck_assert_double_eq_tol (
      sum / (double)dv_tensor_count (t) * (double)t->shape[1], 1.0, 0.1);
  t = dv_checkpoint_find (
      a, DV_PART_VOCODER, "vocoder.act_out.upsample.filter");
  sum = 0.0;
  for (int i = 0; i < 12; i++)
    sum += (double)dv_f32_from_bf16 (((const uint16_t *)t->data)[i]);
  ck_assert_double_eq_tol (sum, 1.0, 0.02);
  t = dv_checkpoint_find (a, DV_PART_CONNECTORS, "video_text_proj_in.bias");
  ck_assert_ptr_nonnull (t);
  dv_checkpoint_free (a);
}
END_TEST

START_TEST (the_tokenizer_reads_words)
{
  DvCheckpoint *a = make ("tiny", DV_LAYOUT_FASTVIDEO, 1, "a");
  DvError error = {DV_OK};
  DvTokenizer *tokenizer =
      dv_tokenizer_open (dv_checkpoint_tokenizer (a), &error);
  static const char text[] = "a red fox over the sea \xf0\x9f\x8c\x8a";
  int32_t *ids;
  size_t n;

  ck_assert_msg (tokenizer != NULL, "%s", error.detail);
  ck_assert_int_eq (
      dv_tokenizer_encode (tokenizer, text, strlen (text), &ids, &n, &error),
      DV_OK);
  ck_assert_int_eq (ids[0], DV_TOKEN_BOS);
  ck_assert_uint_lt (n, strlen (text));
  for (size_t i = 0; i < n; i++)
    ck_assert (ids[i] >= 0 && ids[i] < dv_checkpoint_config (a)->gemma.vocab);
  free (ids);
  dv_tokenizer_free (tokenizer);
  dv_checkpoint_free (a);
}
END_TEST

/* The published sizes, by their configuration alone. */
START_TEST (presets_are_the_published_models)
{
  DvLtx2Config c;
  DvError error;

  ck_assert_int_eq (dv_make_random_config ("ltx2", &c, &error), DV_OK);
  ck_assert_int_eq (c.dit.layers, 48);
  ck_assert (!c.v23 && !c.dit.gated && c.dit.caption_projection);
  ck_assert_int_eq (c.gemma.hidden, 3840);
  ck_assert_int_eq (c.gemma.vocab, 262208);
  ck_assert_int_eq (c.video_vae.encoder_in, 128);
  ck_assert_int_eq (c.video_vae.decoder[6].channels, 128);
  ck_assert_int_eq (c.video_vae.decoder[6].layers, 5);
  ck_assert_str_eq (c.video_vae.encoder[8].name, "encoder.mid_block");
  ck_assert_int_eq (c.vocoder.output_rate, 24000);
  ck_assert (c.vocoder.main.final_tanh && c.upsampler.rational);
  ck_assert_int_eq (dv_make_random_config ("ltx2.3", &c, &error), DV_OK);
  ck_assert (c.v23 && c.dit.gated && c.dit.cross_mod && c.text.per_modality);
  ck_assert_int_eq (c.text.audio.head_dim, 64);
  ck_assert_int_eq (c.video_vae.n_decoder, 9);
  ck_assert_int_eq (c.video_vae.decoder[7].factor[0], 1);
  ck_assert_int_eq (c.video_vae.decoder[8].channels, 128);
  ck_assert_int_eq (c.vocoder.main.hidden, 1536);
  ck_assert_int_eq (c.vocoder.bwe.kernels[1], 11);
  ck_assert (!c.vocoder.main.final_tanh && !c.vocoder.main.final_bias);
  ck_assert_int_eq (dv_make_random_config ("small", &c, &error), DV_OK);
}
END_TEST

/* What the specification's section 14 says of a part, in 10^9 bytes. */
static void
weighs (const DvCheckpoint *checkpoint, DvPart part, double giga, double tol)
{
  ck_assert_double_eq_tol (
      (double)dv_checkpoint_bytes (checkpoint, part) * 1e-9, giga, tol);
}

/* All of LTX-2 and of LTX-2.3, without the room for them: opened by their
 * headers, of the published weight, and not read. */
START_TEST (the_published_sizes_open_without_being_read)
{
  DvRandomSpec spec = {.config = "ltx2", .sparse = true};
  DvError error = {DV_OK};
  struct rusage before, after;
  DvCheckpoint *c;

  for (int i = 0; i < 3; i++) {
    spec.layout = (DvLayout)i;
    ck_assert_msg (dv_make_random (&spec, folder_path ("big"), &error) == DV_OK,
        "%s", error.detail);
    getrusage (RUSAGE_SELF, &before);
    c = dv_checkpoint_open (folder_path ("big"), &error);
    getrusage (RUSAGE_SELF, &after);
    ck_assert_msg (c != NULL, "%s", error.detail);
    ck_assert_int_le (after.ru_majflt - before.ru_majflt, 16);
    weighs (c, DV_PART_GEMMA, 23.5, 0.1);
    weighs (c, DV_PART_CONNECTORS, 2.86, 0.05); /* with the projection */
    weighs (c, DV_PART_DIT, 37.8, 0.1);
    weighs (c, DV_PART_VIDEO_VAE, 1.06 + 1.39, 0.02);
    weighs (c, DV_PART_VOCODER, 0.11, 0.005);
    weighs (c, DV_PART_UPSAMPLER, 1.0, 0.02);
    dv_checkpoint_free (c);
    folder_remove ();
    folder_make ();
  }
  spec.config = "ltx2.3";
  ck_assert_int_eq (dv_make_random (&spec, folder_path ("big"), &error), DV_OK);
  c = dv_checkpoint_open (folder_path ("big"), &error);
  ck_assert_msg (c != NULL, "%s", error.detail);
  weighs (c, DV_PART_CONNECTORS, 2 * (1.16 + 2.01), 0.05);
  weighs (c, DV_PART_DIT, 2 * 18.99, 0.05);
  weighs (c, DV_PART_VIDEO_VAE, 2 * (0.41 + 0.32), 0.03);
  weighs (c, DV_PART_VOCODER, 2 * 0.128, 0.01);
  dv_checkpoint_free (c);
}
END_TEST

static bool
stop_early (void *user, uint64_t done, uint64_t total)
{
  uint64_t *seen = user;

  ck_assert_uint_gt (done, *seen);
  ck_assert_uint_le (done, total);
  *seen = done;
  return done < total / 2;
}

START_TEST (it_can_be_stopped_and_says_what_is_wrong)
{
  uint64_t seen = 0;
  DvRandomSpec spec = {.config = "tiny",
      .layout = DV_LAYOUT_SINGLE,
      .progress = stop_early,
      .user = &seen};
  DvError error;

  ck_assert_int_eq (
      dv_make_random (&spec, folder_path ("a"), &error), DV_CANCELLED);
  ck_assert_int_ne (
      access (folder_path ("a/ltx-2-random.safetensors"), F_OK), 0);
  spec.progress = NULL;
  ck_assert_int_ne (
      dv_make_random (&spec, folder_path ("no/a"), &error), DV_OK);
  ck_assert_ptr_nonnull (strstr (error.detail, "cannot be made"));
  spec.config = "enormous";
  ck_assert_int_eq (
      dv_make_random (&spec, folder_path ("a"), &error), DV_ERROR_NOT_FOUND);
  ck_assert_ptr_nonnull (strstr (error.detail, "enormous"));
  folder_write_text ("config.json", "{\"transformer\":{\"num_layers\":-1}}");
  spec.config = folder_path ("config.json");
  ck_assert_int_eq (
      dv_make_random (&spec, folder_path ("a"), &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "num_layers"));
  folder_write_text ("config.json", "{\"transformer\":{\"in_channels\":64}}");
  ck_assert_int_eq (
      dv_make_random (&spec, folder_path ("a"), &error), DV_ERROR_FORMAT);
  ck_assert_ptr_nonnull (strstr (error.detail, "latent channels"));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("make-random");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tcase, folder_make, folder_remove);
  tcase_add_test (tcase, three_layouts_hold_one_model);
  tcase_add_test (tcase, three_layouts_hold_one_model_of_2_3);
  tcase_add_test (tcase, a_seed_is_a_model);
  tcase_add_test (tcase, values_are_of_a_model);
  tcase_add_test (tcase, the_tokenizer_reads_words);
  tcase_add_test (tcase, presets_are_the_published_models);
  tcase_add_test (tcase, the_published_sizes_open_without_being_read);
  tcase_add_test (tcase, it_can_be_stopped_and_says_what_is_wrong);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? 0 : 1;
}
