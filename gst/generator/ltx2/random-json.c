/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Configurations as a layout has them (random-json.h).  A missing allocation
 * shows as a missing key, so each object is counted when it is done.
 */
#include "random-json.h"

#include <stdio.h>
#include <string.h>

/* An object while it is built. */
typedef struct {
  cJSON *json;
  bool original, failed;
} Object;

static Object
object (bool original)
{
  cJSON *json = cJSON_CreateObject ();

  return (Object){json, original, json == NULL};
}

/* The object, or NULL if anything of it is missing. */
static cJSON *
done (Object *o)
{
  if (!o->failed)
    return o->json;
  cJSON_Delete (o->json);
  return NULL;
}

/* Adds @item under the key that this form has for it; NULL: it has none. */
static void
add (Object *o, const char *diffusers, const char *original, cJSON *item)
{
  const char *key = o->original ? original : diffusers;

  if (!key) {
    cJSON_Delete (item);
    return;
  }
  if (!item || !o->json || !cJSON_AddItemToObject (o->json, key, item)) {
    cJSON_Delete (item);
    o->failed = true;
  }
}

static void
number (Object *o, const char *diffusers, const char *original, double value)
{
  add (o, diffusers, original, cJSON_CreateNumber (value));
}

/* A number whose key is the same in both. */
static void
same (Object *o, const char *key, int64_t value)
{
  number (o, key, key, (double)value);
}

static void
boolean (Object *o, const char *diffusers, const char *original, bool value)
{
  add (o, diffusers, original, cJSON_CreateBool (value));
}

static void
string (
    Object *o, const char *diffusers, const char *original, const char *value)
{
  add (o, diffusers, original, cJSON_CreateString (value));
}

static void
list (Object *o, const char *diffusers, const char *original,
    const int64_t *values, int n)
{
  cJSON *array = cJSON_CreateArray ();

  for (int i = 0; i < n; i++)
    if (!cJSON_AddItemToArray (array, cJSON_CreateNumber ((double)values[i])))
      o->failed = true;
  add (o, diffusers, original, array);
}

static void
int_list (Object *o, const char *diffusers, const char *original,
    const int *values, int n)
{
  int64_t wide[16];

  for (int i = 0; i < n; i++)
    wide[i] = values[i];
  list (o, diffusers, original, wide, n);
}

/* ---- text ---- */

static cJSON *
gemma (const DvGemmaConfig *c)
{
  Object o = object (false), text = object (false), scaling = object (false);

  same (&scaling, "factor", (int64_t)c->rope_factor);
  string (&scaling, "rope_type", NULL, "linear");
  same (&text, "hidden_size", c->hidden);
  same (&text, "intermediate_size", c->mlp);
  same (&text, "num_hidden_layers", c->layers);
  same (&text, "num_attention_heads", c->heads);
  same (&text, "num_key_value_heads", c->kv_heads);
  same (&text, "head_dim", c->head_dim);
  number (&text, "query_pre_attn_scalar", NULL, c->query_pre_attn_scalar);
  same (&text, "sliding_window", c->sliding_window);
  same (&text, "sliding_window_pattern", c->sliding_pattern);
  same (&text, "vocab_size", c->vocab);
  number (&text, "rms_norm_eps", NULL, 1e-6);
  number (&text, "rope_theta", NULL, c->rope_theta);
  number (&text, "rope_local_base_freq", NULL, c->rope_local_base);
  add (&text, "rope_scaling", NULL, done (&scaling));
  string (&text, "hidden_activation", NULL, "gelu_pytorch_tanh");
  string (&text, "model_type", NULL, "gemma3_text");
  string (&o, "model_type", NULL, "gemma3");
  add (&o, "text_config", NULL, done (&text));
  return done (&o);
}

/* The connectors' keys, into an object that may have others. */
static void
connectors_into (Object *o, const DvTextConfig *c)
{
  const DvConnectorConfig *v = &c->video, *a = &c->audio;

  number (o, "text_proj_in_factor", NULL, (double)c->hidden_states);
  number (o, "video_connector_num_attention_heads",
      "connector_num_attention_heads", (double)v->heads);
  number (o, "video_connector_attention_head_dim",
      "connector_attention_head_dim", (double)v->head_dim);
  number (o, "video_connector_num_layers", "connector_num_layers",
      (double)v->layers);
  number (o, "video_connector_num_learnable_registers",
      "connector_num_learnable_registers", (double)v->registers);
  boolean (o, "video_gated_attn", "connector_apply_gated_attention", v->gated);
  same (o, "audio_connector_num_attention_heads", a->heads);
  same (o, "audio_connector_attention_head_dim", a->head_dim);
  same (o, "audio_connector_num_layers", a->layers);
  same (o, "audio_connector_num_learnable_registers", a->registers);
  boolean (o, "audio_gated_attn", NULL, a->gated);
  number (o, "connector_rope_base_seq_len", NULL, (double)c->rope_base_len);
  list (
      o, NULL, "connector_positional_embedding_max_pos", &c->rope_base_len, 1);
  boolean (o, "per_modality_projections", NULL, c->per_modality);
  boolean (o, "proj_bias", NULL, c->proj_bias);
}

static void
rope_into (Object *o, double theta, bool precise)
{
  number (o, "rope_theta", "positional_embedding_theta", theta);
  boolean (o, "rope_double_precision", NULL, precise);
  string (o, NULL, "frequencies_precision", precise ? "float64" : "float32");
}

static cJSON *
connectors (const DvTextConfig *c, bool original)
{
  Object o = object (original);

  string (&o, "_class_name", NULL, "LTX2TextConnectors");
  same (&o, "caption_channels", c->caption);
  connectors_into (&o, c);
  rope_into (&o, c->rope_theta, c->rope_double);
  string (&o, "rope_type", "rope_type", "split");
  return done (&o);
}

cJSON *
dv_random_json_text_encoder (const DvLtx2Config *config)
{
  const DvTextConfig *c = &config->text;
  Object o = object (true);

  same (&o, "hidden_size", c->caption);
  same (&o, "num_hidden_layers", config->gemma.layers);
  same (&o, "text_len", c->text_len);
  string (&o, NULL, "padding_side", "left");
  string (&o, NULL, "gemma_model_path", "gemma");
  connectors_into (&o, c);
  number (&o, NULL, "connector_positional_embedding_theta", c->rope_theta);
  string (&o, NULL, "connector_rope_type", "split");
  boolean (&o, NULL, "connector_double_precision_rope", c->rope_double);
  return done (&o);
}

/* ---- transformer ---- */

static void
dit_into (Object *o, const DvDitConfig *c)
{
  int64_t max[3] = {(int64_t)c->max_t, (int64_t)c->max_y, (int64_t)c->max_x};
  int64_t audio_max = (int64_t)c->audio_max;

  string (o, "_class_name", "_class_name",
      o->original ? "AVTransformer3DModel" : "LTX2VideoTransformer3DModel");
  same (o, "in_channels", c->video.in);
  same (o, "out_channels", c->video.out);
  same (o, "num_attention_heads", c->video.heads);
  same (o, "attention_head_dim", c->video.head_dim);
  same (o, "cross_attention_dim", c->video.cross_dim);
  same (o, "num_layers", c->layers);
  same (o, "caption_channels", c->caption);
  same (o, "audio_in_channels", c->audio.in);
  same (o, "audio_out_channels", c->audio.out);
  same (o, "audio_num_attention_heads", c->audio.heads);
  same (o, "audio_attention_head_dim", c->audio.head_dim);
  same (o, "audio_cross_attention_dim", c->audio.cross_dim);
  number (o, "norm_eps", "norm_eps", 1e-6);
  rope_into (o, c->rope_theta, c->rope_double);
  string (o, "rope_type", "rope_type",
      c->rope_interleaved ? "interleaved" : "split");
  number (o, "pos_embed_max_pos", NULL, c->max_t);
  number (o, "base_height", NULL, c->max_y);
  number (o, "base_width", NULL, c->max_x);
  number (o, "audio_pos_embed_max_pos", NULL, c->audio_max);
  list (o, NULL, "positional_embedding_max_pos", max, 3);
  list (o, NULL, "audio_positional_embedding_max_pos", &audio_max, 1);
  number (o, "timestep_scale_multiplier", "timestep_scale_multiplier",
      c->timestep_scale);
  number (o, "cross_attn_timestep_scale_multiplier",
      "av_ca_timestep_scale_multiplier", c->cross_timestep_scale);
  boolean (o, "gated_attn", "apply_gated_attention", c->gated);
  boolean (o, "audio_gated_attn", NULL, c->gated);
  boolean (o, "cross_attn_mod", "cross_attention_adaln", c->cross_mod);
  boolean (o, "audio_cross_attn_mod", NULL, c->cross_mod);
  boolean (o, "use_prompt_embeddings", NULL, c->caption_projection);
  boolean (o, NULL, "caption_proj_before_connector", !c->caption_projection);
}

static cJSON *
dit (const DvDitConfig *c, bool original)
{
  Object o = object (original);

  dit_into (&o, c);
  return done (&o);
}

/* ---- VAEs ---- */

static const char *
type_name (const DvVaeBlock *block, bool original)
{
  if (block->factor[0] == 1)
    return original ? "space" : "spatial";
  if (block->factor[1] == 1)
    return original ? "time" : "temporal";
  return original ? "all" : "spatiotemporal";
}

/* diffusers: lists over the levels; the decoder's but for the types from the
 * end. */
static void
vae_lists (Object *o, const DvVaeBlock *block, int n, int64_t in, bool up)
{
  int64_t channels[DV_MAX_BLOCKS], layers[DV_MAX_BLOCKS],
      factors[DV_MAX_BLOCKS];
  int levels = n / 2;
  cJSON *types = cJSON_CreateArray (), *residual = cJSON_CreateArray ();

  for (int i = 0; i <= levels; i++)
    layers[up ? levels - i : i] = block[2 * i].layers;
  for (int i = 0; i < levels; i++) {
    const DvVaeBlock *sampler = &block[2 * i + 1];
    int at = up ? levels - 1 - i : i;

    channels[at] = up ? in : sampler->channels;
    factors[at] = up ? in / sampler->channels : 0;
    in = sampler->channels;
    if (!cJSON_AddItemToArray (
            types, cJSON_CreateString (type_name (sampler, false))) ||
        !cJSON_AddItemToArray (
            residual, cJSON_CreateBool (block[up ? 2 * at + 1 : 1].residual)))
      o->failed = true;
  }
  list (o, up ? "decoder_block_out_channels" : "block_out_channels", NULL,
      channels, levels);
  list (o, up ? "decoder_layers_per_block" : "layers_per_block", NULL, layers,
      levels + 1);
  add (o, up ? "upsample_type" : "downsample_type", NULL, types);
  if (up) {
    list (o, "upsample_factor", NULL, factors, levels);
    add (o, "upsample_residual", NULL, residual);
  } else {
    cJSON_Delete (residual);
  }
}

/* Original: one list of [name, parameters], the decoder's from its end. */
static cJSON *
vae_blocks (const DvVaeBlock *block, int n, int64_t channels, bool up)
{
  cJSON *blocks = cJSON_CreateArray (), *item;
  char name[32];
  bool failed = blocks == NULL;

  for (int i = 0; i < n && !failed; i++) {
    const DvVaeBlock *b = &block[i];
    Object o = object (true);

    if (b->kind == DV_VAE_RES) {
      strcpy (name, "res_x");
      same (&o, "num_layers", b->layers);
    } else {
      snprintf (name, sizeof name, "compress_%s%s", type_name (b, true),
          up ? "" : "_res");
      same (&o, "multiplier",
          up ? channels / b->channels : b->channels / channels);
      if (b->residual)
        boolean (&o, NULL, "residual", true);
      channels = b->channels;
    }
    item = cJSON_CreateArray ();
    failed = !cJSON_AddItemToArray (item, cJSON_CreateString (name)) ||
             !cJSON_AddItemToArray (item, done (&o)) ||
             !(up ? cJSON_InsertItemInArray (blocks, 0, item)
                  : cJSON_AddItemToArray (blocks, item));
    if (failed)
      cJSON_Delete (item);
  }
  if (!failed)
    return blocks;
  cJSON_Delete (blocks);
  return NULL;
}

static cJSON *
video_vae (const DvVideoVaeConfig *c, bool original)
{
  Object o = object (original);

  string (&o, "_class_name", "_class_name",
      original ? "CausalVideoAutoencoder" : "AutoencoderKLLTX2Video");
  same (&o, "latent_channels", c->latent);
  same (&o, "patch_size", c->patch);
  string (&o, "decoder_spatial_padding_mode", "decoder_spatial_padding_mode",
      c->decoder_reflect ? "reflect" : "zeros");
  string (&o, "encoder_spatial_padding_mode", "encoder_spatial_padding_mode",
      "zeros");
  boolean (&o, "decoder_causal", "causal_decoder", c->decoder_causal);
  boolean (&o, "encoder_causal", NULL, c->encoder_causal);
  boolean (&o, "timestep_conditioning", "timestep_conditioning", false);
  if (original) {
    add (&o, NULL, "encoder_blocks",
        vae_blocks (c->encoder, c->n_encoder, c->encoder_in, false));
    add (&o, NULL, "decoder_blocks",
        vae_blocks (c->decoder, c->n_decoder, c->decoder_in, true));
  } else {
    vae_lists (&o, c->encoder, c->n_encoder, c->encoder_in, false);
    vae_lists (&o, c->decoder, c->n_decoder, c->decoder_in, true);
  }
  return done (&o);
}

static void
audio_vae_into (Object *o, const DvAudioVaeConfig *c)
{
  number (o, "base_channels", "ch", (double)c->base);
  list (o, "ch_mult", "ch_mult", c->mult, c->n_mult);
  same (o, "num_res_blocks", c->res_blocks);
  number (o, "latent_channels", "z_channels", (double)c->latent);
  same (o, "mel_bins", c->mel_bins);
  string (o, "norm_type", "norm_type", "pixel");
  string (o, "causality_axis", "causality_axis", "height");
  boolean (o, "double_z", "double_z", true);
}

static cJSON *
audio_vae (const DvAudioVaeConfig *c, bool original)
{
  Object o = object (original), config, params, model, stft, preprocessing;

  if (!original) {
    string (&o, "_class_name", NULL, "AutoencoderKLLTX2Audio");
    audio_vae_into (&o, c);
    same (&o, "sample_rate", c->sample_rate);
    same (&o, "mel_hop_length", c->hop);
    return done (&o);
  }
  config = params = model = stft = preprocessing = (Object){NULL, true, true};
  config = object (true);
  params = object (true);
  model = object (true);
  stft = object (true);
  preprocessing = object (true);
  audio_vae_into (&config, c);
  add (&params, NULL, "ddconfig", done (&config));
  same (&params, "sampling_rate", c->sample_rate);
  add (&model, NULL, "params", done (&params));
  same (&stft, "hop_length", c->hop);
  add (&preprocessing, NULL, "stft", done (&stft));
  add (&o, NULL, "model", done (&model));
  add (&o, NULL, "preprocessing", done (&preprocessing));
  return done (&o);
}

/* ---- vocoder ---- */

/* diffusers' keys of the extension begin with bwe_. */
static void
gan_into (Object *o, const DvGanConfig *c, bool bwe)
{
  cJSON *dilations = cJSON_CreateArray ();
  int p = bwe ? 0 : 4; /* of "bwe_…" */

  for (int i = 0; i < c->n_res; i++)
    if (!cJSON_AddItemToArray (
            dilations, cJSON_CreateIntArray (c->dilations, 3)))
      o->failed = true;
  add (o, &"bwe_resnet_dilations"[p], "resblock_dilation_sizes", dilations);
  number (o, &"bwe_in_channels"[p], NULL, (double)c -> in);
  number (o, &"bwe_hidden_channels"[p], "upsample_initial_channel",
      (double)c->hidden);
  number (o, &"bwe_out_channels"[p], NULL, (double)c -> out);
  int_list (
      o, &"bwe_upsample_factors"[p], "upsample_rates", c->rates, c->n_rates);
  int_list (o, &"bwe_upsample_kernel_sizes"[p], "upsample_kernel_sizes",
      c->kernels, c->n_rates);
  int_list (o, &"bwe_resnet_kernel_sizes"[p], "resblock_kernel_sizes",
      c->res_kernels, c->n_res);
  string (
      o, &"bwe_act_fn"[p], "activation", c->snake ? "snakebeta" : "leaky_relu");
  boolean (o, &"bwe_final_bias"[p], "use_bias_at_final", c->final_bias);
  boolean (o, NULL, "use_tanh_at_final", c->final_tanh);
  add (o, &"bwe_final_act_fn"[p], NULL,
      c -> final_tanh ? cJSON_CreateString ("tanh") : cJSON_CreateNull ());
}

static void
extension_into (Object *o, const DvVocoderConfig *c)
{
  number (o, "filter_length", "n_fft", c->stft);
  same (o, "hop_length", c->hop);
  number (o, "num_mel_channels", "num_mels", c->mel_bins);
  same (o, "input_sampling_rate", c->input_rate);
}

static cJSON *
vocoder (const DvVocoderConfig *c, bool original)
{
  Object o = object (original), main, bwe;

  if (original && c->extended) {
    main = object (true);
    bwe = object (true);
    gan_into (&main, &c->main, false);
    gan_into (&bwe, &c->bwe, true);
    extension_into (&bwe, c);
    same (&bwe, "output_sampling_rate", c->output_rate);
    add (&o, NULL, "vocoder", done (&main));
    add (&o, NULL, "bwe", done (&bwe));
    return done (&o);
  }
  string (&o, "_class_name", NULL,
      c->extended ? "LTX2VocoderWithBWE" : "LTX2Vocoder");
  gan_into (&o, &c->main, false);
  if (c->extended) {
    gan_into (&o, &c->bwe, true);
    extension_into (&o, c);
  }
  same (&o, "output_sampling_rate", c->output_rate);
  return done (&o);
}

/* ---- upsampler ---- */

static cJSON *
upsampler (const DvUpsamplerConfig *c, bool original)
{
  Object o = object (original);

  string (&o, "_class_name", "_class_name",
      original ? "LatentUpsampler" : "LTX2LatentUpsamplerModel");
  same (&o, "in_channels", c->in);
  same (&o, "mid_channels", c->mid);
  same (&o, "num_blocks_per_stage", c->blocks);
  same (&o, "dims", 3);
  boolean (&o, "spatial_upsample", "spatial_upsample", true);
  boolean (&o, "temporal_upsample", "temporal_upsample", false);
  number (&o, "rational_spatial_scale", "spatial_scale", 2.0);
  boolean (&o, "use_rational_resampler", "rational_resampler", c->rational);
  return done (&o);
}

/* ---- what others call ---- */

cJSON *
dv_random_json (const DvLtx2Config *config, DvPart part, bool original)
{
  switch (part) {
    case DV_PART_GEMMA:
      return gemma (&config->gemma);
    case DV_PART_CONNECTORS:
      return connectors (&config->text, original);
    case DV_PART_DIT:
      return dit (&config->dit, original);
    case DV_PART_VIDEO_VAE:
      return video_vae (&config->video_vae, original);
    case DV_PART_AUDIO_VAE:
      return audio_vae (&config->audio_vae, original);
    case DV_PART_VOCODER:
      return vocoder (&config->vocoder, original);
    default:
      return upsampler (&config->upsampler, original);
  }
}

cJSON *
dv_random_json_whole (const DvLtx2Config *config)
{
  Object o = object (true), transformer = object (true);

  dit_into (&transformer, &config->dit);
  connectors_into (&transformer, &config->text);
  add (&o, NULL, "transformer", done (&transformer));
  add (&o, NULL, "vae", video_vae (&config->video_vae, true));
  add (&o, NULL, "audio_vae", audio_vae (&config->audio_vae, true));
  add (&o, NULL, "vocoder", vocoder (&config->vocoder, true));
  return done (&o);
}
