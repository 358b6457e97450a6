/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The configurations of the audio VAE, the vocoder and the latent upsampler
 * (sections 2.5 and 10 to 12 of docs/ltx2-model.md).
 */
#include "checkpoint-private.h"

#include <string.h>

#define MAX_CHANNELS (1 << 16)

/* ---- audio VAE ---- */

static void
check_audio_vae (DvConfigReader *r, const DvAudioVaeConfig *c)
{
  int64_t top = c->base * c->mult[c->n_mult - 1];
  int64_t bins = c->mel_bins >> (c->n_mult - 1);

  dv_config_expect (r, DV_CONFIG_SHAPE (c->latent * bins), "latents_mean");
  dv_config_expect (r, DV_CONFIG_SHAPE (c->latent * bins), "latents_std");
  if (c->has_decoder) {
    dv_config_expect (r, DV_CONFIG_SHAPE (top, c->latent, 3, 3),
        "decoder.conv_in.conv.weight");
    dv_config_expect (r, DV_CONFIG_SHAPE (2, c->base * c->mult[0], 3, 3),
        "decoder.conv_out.conv.weight");
    if (dv_config_counted (r, "decoder.up.") != c->n_mult ||
        dv_config_counted (r, "decoder.up.0.block.") != c->res_blocks + 1)
      dv_config_fail (r,
          "ch_mult and num_res_blocks contradict the tensors of decoder.up.");
  }
  if (c->has_encoder) {
    dv_config_expect (
        r, DV_CONFIG_SHAPE (c->base, 2, 3, 3), "encoder.conv_in.conv.weight");
    dv_config_expect (r, DV_CONFIG_SHAPE (2 * c->latent, top, 3, 3),
        "encoder.conv_out.conv.weight");
    if (dv_config_counted (r, "encoder.down.") != c->n_mult ||
        dv_config_counted (r, "encoder.down.0.block.") != c->res_blocks)
      dv_config_fail (r, "ch_mult and num_res_blocks contradict the tensors of "
                         "encoder.down.");
  }
}

void
dv_config_audio_vae (DvConfigReader *reader, DvAudioVaeConfig *c)
{
  DvConfigReader r = *reader, stft = *reader;
  const cJSON *model = dv_config_find (r.json, "model");
  const cJSON *params = dv_config_find (model, "params");
  const cJSON *attention;
  const char *text;

  /* The original keeps its keys in boxes. */
  if (params) {
    r.json = params;
    stft.json =
        dv_config_find (dv_config_find (reader->json, "preprocessing"), "stft");
  }
  c->sample_rate =
      (int)dv_config_int (&r, "sample_rate, sampling_rate", 16000, 1, 1 << 20);
  if (params)
    r.json = dv_config_find (params, "ddconfig");
  c->hop =
      (int)dv_config_int (&stft, "mel_hop_length, hop_length", 160, 1, 1 << 20);
  if (r.status == DV_OK)
    r.status = stft.status;
  c->base = dv_config_int (&r, "base_channels, ch", 128, 1, MAX_CHANNELS);
  c->latent =
      dv_config_int (&r, "latent_channels, z_channels", 8, 1, MAX_CHANNELS);
  c->mel_bins = dv_config_int (&r, "mel_bins", 64, 1, MAX_CHANNELS);
  c->res_blocks = (int)dv_config_int (&r, "num_res_blocks", 2, 1, 1000);
  c->n_mult = dv_config_list (&r, "ch_mult", c->mult, 8, 1, 1024);
  if (c->n_mult == 0) {
    memcpy (c->mult, (int64_t[]){1, 2, 4}, 3 * sizeof *c->mult);
    c->n_mult = 3;
  }
  c->has_encoder =
      !r.tensors || dv_config_has (&r, "encoder.conv_in.conv.weight");
  c->has_decoder =
      !r.tensors || dv_config_has (&r, "decoder.conv_in.conv.weight");

  text = dv_config_string (&r, "norm_type");
  dv_config_demand (
      &r, !text || strcmp (text, "pixel") == 0, "norm_type", "pixel");
  text = dv_config_string (&r, "causality_axis");
  dv_config_demand (
      &r, !text || strcmp (text, "height") == 0, "causality_axis", "height");
  attention = dv_config_find (r.json, "attn_resolutions");
  dv_config_demand (&r, !attention || cJSON_GetArraySize (attention) == 0,
      "attn_resolutions", "none");
  dv_config_demand (&r, !dv_config_bool (&r, "mid_block_add_attention", false),
      "mid_block_add_attention", "false");
  dv_config_demand (
      &r, dv_config_bool (&r, "double_z", true), "double_z", "true");
  if (!c->has_encoder && !c->has_decoder)
    dv_config_fail (&r, "there is neither an encoder nor a decoder.");
  if (r.status == DV_OK && r.tensors)
    check_audio_vae (&r, c);
  reader->status = r.status;
}

/* ---- vocoder ---- */

static void
to_ints (const int64_t *from, int *to, int n)
{
  for (int i = 0; i < n; i++)
    to[i] = (int)from[i];
}

/* A list of numbers, or of each stage's default. */
static int
int_list (DvConfigReader *r, const char *keys, int *out, int max,
    const int *fallback, int n_fallback)
{
  int64_t values[DV_MAX_RATES];
  int n = dv_config_list (r, keys, values, max, 1, 4096);

  if (n > 0) {
    to_ints (values, out, n);
    return n;
  }
  memcpy (out, fallback, (size_t)n_fallback * sizeof *out);
  return n_fallback;
}

/* One list of dilations for each kernel, all the same. */
static void
read_dilations (DvConfigReader *r, const char *keys, int dilations[3])
{
  const cJSON *lists = dv_config_find (r->json, keys), *list;
  static const int usual[3] = {1, 3, 5};

  memcpy (dilations, usual, sizeof usual);
  cJSON_ArrayForEach (list, lists) for (int i = 0; i < 3; i++)
  {
    const cJSON *item = cJSON_GetArrayItem (list, i);
    double value = cJSON_IsNumber (item) ? item->valuedouble : 0.0;

    if (cJSON_GetArraySize (list) != 3 || value < 1.0 || value > 64.0 ||
        (list != lists->child && (int)value != dilations[i]))
      dv_config_fail (r,
          "the vocoder's dilations should be the same three for each kernel.");
    else
      dilations[i] = (int)value;
  }
}

/* "tanh" unless the keys say otherwise; null means none. */
static bool
ends_in_tanh (DvConfigReader *r, const char *key, bool snake)
{
  const cJSON *item =
      r->json ? cJSON_GetObjectItemCaseSensitive (r->json, key) : NULL;

  if (item)
    return cJSON_IsString (item) && strcmp (item->valuestring, "tanh") == 0;
  return dv_config_bool (r, "use_tanh_at_final", !snake) &&
         dv_config_bool (r, "apply_final_activation", true);
}

static void
check_gan (DvConfigReader *r, const DvGanConfig *c, const char *prefix)
{
  int64_t channels = c->hidden;

  dv_config_expect (
      r, DV_CONFIG_SHAPE (c->hidden, c->in, 7), "%sconv_in.weight", prefix);
  for (int i = 0; i < c->n_rates; i++) {
    if (channels % 2)
      dv_config_fail (r, "a vocoder's %lld channels cannot be halved %d times.",
          (long long)c->hidden, c->n_rates);
    dv_config_expect (r,
        DV_CONFIG_SHAPE (channels, channels / 2, c->kernels[i]),
        "%supsamplers.%d.weight", prefix, i);
    channels /= 2;
  }
  dv_config_expect (
      r, DV_CONFIG_SHAPE (c->out, channels, 7), "%sconv_out.weight", prefix);
  if (!r->tensors)
    return;
  if (dv_config_counted (r, "%supsamplers.", prefix) != c->n_rates ||
      dv_config_counted (r, "%sresnets.", prefix) !=
          (int64_t)c->n_rates * c->n_res)
    dv_config_fail (r,
        "the rates and kernels of the vocoder contradict the tensors of "
        "%supsamplers and %sresnets.",
        prefix, prefix);
}

/* @bwe: diffusers' keys begin with bwe_ there; the original's do not. */
static void
read_gan (DvConfigReader *r, DvGanConfig *c, const char *prefix, bool bwe)
{
  static const int rates[3][DV_MAX_RATES] = {
      {6, 5, 2, 2, 2}, {5, 2, 2, 2, 2, 2}, {6, 5, 2, 2, 2}};
  static const int kernels[3][DV_MAX_RATES] = {
      {16, 15, 8, 4, 4}, {11, 4, 4, 4, 4, 4}, {12, 11, 4, 4, 4}};
  static const int n_rates[3] = {5, 6, 5};
  static const int res_kernels[3] = {3, 7, 11};
  static const int hidden[3] = {1024, 1536, 512};
  const char *act;
  int kind, n;

  act = dv_config_string (
      r, bwe ? "bwe_act_fn, activation" : "act_fn, activation");
  c->snake = r->tensors ? dv_config_has (r, "%sact_out.act.alpha", prefix)
                        : act && strcmp (act, "snakebeta") == 0;
  kind = bwe ? 2 : c->snake ? 1 : 0;
  c->in = dv_config_int (
      r, bwe ? "bwe_in_channels" : "in_channels", 128, 1, MAX_CHANNELS);
  c->hidden = dv_config_int (r,
      bwe ? "bwe_hidden_channels, upsample_initial_channel"
          : "hidden_channels, upsample_initial_channel",
      r->tensors ? dv_config_dim (r, 0, "%sconv_in.weight", prefix)
                 : hidden[kind],
      1, MAX_CHANNELS);
  c->out =
      dv_config_int (r, bwe ? "bwe_out_channels" : "out_channels", 2, 1, 64);
  c->n_rates = int_list (r,
      bwe ? "bwe_upsample_factors, upsample_rates"
          : "upsample_factors, upsample_rates",
      c->rates, DV_MAX_RATES, rates[kind], n_rates[kind]);
  n = int_list (r,
      bwe ? "bwe_upsample_kernel_sizes, upsample_kernel_sizes"
          : "upsample_kernel_sizes",
      c->kernels, DV_MAX_RATES, kernels[kind], n_rates[kind]);
  if (n != c->n_rates)
    dv_config_fail (
        r, "upsample_kernel_sizes should be as long as the list of rates.");
  c->n_res = int_list (r,
      bwe ? "bwe_resnet_kernel_sizes, resblock_kernel_sizes"
          : "resnet_kernel_sizes, resblock_kernel_sizes",
      c->res_kernels, DV_MAX_RATES, res_kernels, 3);
  read_dilations (r,
      bwe ? "bwe_resnet_dilations, resblock_dilation_sizes"
          : "resnet_dilations, resblock_dilation_sizes",
      c->dilations);
  c->slope = (float)dv_config_number (r,
      bwe ? "bwe_leaky_relu_negative_slope" : "leaky_relu_negative_slope", 0.1,
      0.0, 1.0);
  c->final_bias = dv_config_switch (r,
      bwe ? "bwe_final_bias, use_bias_at_final"
          : "final_bias, use_bias_at_final",
      !c->snake, "%sconv_out.bias", prefix);
  c->final_tanh =
      ends_in_tanh (r, bwe ? "bwe_final_act_fn" : "final_act_fn", c->snake);
  if (r->status == DV_OK)
    check_gan (r, c, prefix);
}

void
dv_config_vocoder (DvConfigReader *reader, DvVocoderConfig *c)
{
  DvConfigReader main = *reader, bwe = *reader;
  const cJSON *inner = dv_config_find (reader->json, "vocoder");

  /* The original has a box each in LTX-2.3, diffusers all in one. */
  if (cJSON_IsObject (inner)) {
    main.json = inner;
    bwe.json = dv_config_find (reader->json, "bwe");
  }
  c->extended =
      reader->tensors
          ? dv_config_has (reader, "bwe_generator.conv_in.weight")
          : dv_config_find (reader->json, "bwe_hidden_channels, bwe") != NULL;
  read_gan (&main, &c->main, c->extended ? "vocoder." : "", false);
  bwe.status = main.status;
  if (c->extended) {
    read_gan (&bwe, &c->bwe, "bwe_generator.", true);
    c->stft = (int)dv_config_int (&bwe, "filter_length, n_fft", 512, 2, 65536);
    c->hop = (int)dv_config_int (&bwe, "hop_length", 80, 1, 65536);
    c->mel_bins =
        (int)dv_config_int (&bwe, "num_mel_channels, num_mels", 64, 1, 4096);
    dv_config_expect (&bwe, DV_CONFIG_SHAPE (c->stft + 2, 1, c->stft),
        "mel_stft.stft_fn.forward_basis");
    dv_config_expect (&bwe, DV_CONFIG_SHAPE (c->mel_bins, c->stft / 2 + 1),
        "mel_stft.mel_basis");
    main.json = bwe.json;
    main.status = bwe.status;
  }
  c->input_rate =
      (int)dv_config_int (&main, "input_sampling_rate", 16000, 1, 1 << 20);
  c->output_rate = (int)dv_config_int (
      &main, "output_sampling_rate", c->extended ? 48000 : 24000, 1, 1 << 20);
  reader->status = main.status;
}

/* ---- latent upsampler ---- */

void
dv_config_upsampler (DvConfigReader *r, DvUpsamplerConfig *c)
{
  const char *conv;

  c->in = dv_config_int (r, "in_channels",
      r->tensors ? dv_config_dim (r, 1, "initial_conv.weight") : 128, 1,
      MAX_CHANNELS);
  c->mid = dv_config_int (r, "mid_channels",
      r->tensors ? dv_config_dim (r, 0, "initial_conv.weight") : 1024, 1,
      MAX_CHANNELS);
  c->blocks = (int)dv_config_int (r, "num_blocks_per_stage",
      r->tensors ? dv_config_counted (r, "res_blocks.") : 4, 0, 1000);
  c->rational =
      dv_config_switch (r, "use_rational_resampler, rational_resampler", true,
          "upsampler.conv.weight");
  conv = c->rational ? "upsampler.conv.weight" : "upsampler.0.weight";
  dv_config_demand (r, dv_config_int (r, "dims", 3, 1, 3) == 3, "dims", "3");
  dv_config_demand (r, dv_config_bool (r, "spatial_upsample", true),
      "spatial_upsample", "true");
  dv_config_demand (r, !dv_config_bool (r, "temporal_upsample", false),
      "temporal_upsample", "false");
  dv_config_demand (r,
      dv_config_number (
          r, "rational_spatial_scale, spatial_scale", 2.0, 0.0, 64.0) == 2.0,
      "spatial_scale", "2");
  dv_config_expect (
      r, DV_CONFIG_SHAPE (c->mid, c->in, 3, 3, 3), "initial_conv.weight");
  dv_config_expect (r, DV_CONFIG_SHAPE (4 * c->mid, c->mid, 3, 3), "%s", conv);
  dv_config_expect (
      r, DV_CONFIG_SHAPE (c->in, c->mid, 3, 3, 3), "final_conv.weight");
  if (r->tensors &&
      (dv_config_counted (r, "res_blocks.") != c->blocks ||
          dv_config_counted (r, "post_upsample_res_blocks.") != c->blocks))
    dv_config_fail (r,
        "num_blocks_per_stage is %d, which contradicts the tensors of "
        "res_blocks.",
        c->blocks);
  if (c->mid % 32)
    dv_config_fail (
        r, "mid_channels is %lld, no multiple of 32.", (long long)c->mid);
}
