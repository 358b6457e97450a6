/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The video VAE's configuration: two lists of blocks in running order, from
 * either of the two ways to say them (sections 2.5 and 9 of
 * docs/ltx2-model.md).
 */
#include "checkpoint-private.h"

#include <stdio.h>
#include <string.h>

#define MAX_CHANNELS (1 << 16)
#define MAX_LEVELS ((DV_MAX_BLOCKS - 1) / 2)

/* A list while it is built. */
typedef struct {
  DvConfigReader *reader;
  DvVaeBlock *block;
  int n;
  int64_t channels; /* after the last block */
  bool up;          /* the decoder's */
} List;

/* The prefix of the block that comes next: residual blocks and samplers take
 * turns, and the mid block is the encoder's last and the decoder's first. */
static void
name_block (const List *list, DvVaeBlock *block, bool last)
{
  int level = list->n / 2;

  if (list->up && list->n == 0)
    strcpy (block->name, "decoder.mid_block");
  else if (!list->up && last)
    strcpy (block->name, "encoder.mid_block");
  else if (list->up)
    snprintf (block->name, sizeof block->name, "decoder.up_blocks.%d%s",
        (list->n - 1) / 2, block->kind == DV_VAE_RES ? "" : ".upsamplers.0");
  else
    snprintf (block->name, sizeof block->name, "encoder.down_blocks.%d%s",
        level, block->kind == DV_VAE_RES ? "" : ".downsamplers.0");
}

/* Adds one, after comparing it with its tensors. */
static void
add_block (List *list, DvVaeBlock block, bool last)
{
  DvConfigReader *r = list->reader;
  bool sampler = list->n % 2 == 1;
  int64_t p = (int64_t)block.factor[0] * block.factor[1] * block.factor[2];
  int64_t c = list->channels, counted;

  if (r->status != DV_OK)
    return;
  if (list->n == DV_MAX_BLOCKS || sampler != (block.kind != DV_VAE_RES)) {
    dv_config_fail (r,
        "residual blocks and samplers of a VAE should take turns, at most %d.",
        DV_MAX_BLOCKS);
    return;
  }
  name_block (list, &block, last);
  if (block.kind == DV_VAE_RES) {
    block.channels = c;
    counted = dv_config_counted (r, "%s.resnets.", block.name);
    if (r->tensors && counted != block.layers)
      dv_config_fail (r,
          "%s should have %d residual blocks, but there are weights of %lld.",
          block.name, block.layers, (long long)counted);
    for (int i = 0; i < block.layers; i++)
      dv_config_expect (r, DV_CONFIG_SHAPE (c, c, 3, 3, 3),
          "%s.resnets.%d.conv1.conv.weight", block.name, i);
  } else if (block.channels < 1 || block.channels > MAX_CHANNELS ||
             (!list->up && (block.channels % p || c * p % block.channels)) ||
             (list->up && block.residual && block.channels * p % c)) {
    dv_config_fail (r, "%s cannot go from %lld to %lld channels.", block.name,
        (long long)c, (long long)block.channels);
  } else {
    dv_config_expect (r,
        DV_CONFIG_SHAPE (
            list->up ? block.channels * p : block.channels / p, c, 3, 3, 3),
        "%s.conv.conv.weight", block.name);
  }
  list->channels = block.channels;
  list->block[list->n++] = block;
}

static bool
factors (const char *type, int factor[3])
{
  static const struct {
    const char *name;
    int factor[3];
  } types[] = {
      {"spatiotemporal", {2, 2, 2}},
      {"all", {2, 2, 2}},
      {"temporal", {2, 1, 1}},
      {"time", {2, 1, 1}},
      {"spatial", {1, 2, 2}},
      {"space", {1, 2, 2}},
  };

  for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
    if (strcmp (type, types[i].name) == 0) {
      memcpy (factor, types[i].factor, sizeof types[i].factor);
      return true;
    }
  return false;
}

/* ---- diffusers: parallel lists ---- */

/* Element @i of a list of strings, else of @fallback's. */
static const char *
type_at (DvConfigReader *r, const char *key, int i, const char *fallback)
{
  const cJSON *list = dv_config_find (r->json, key);

  return list ? cJSON_GetStringValue (cJSON_GetArrayItem (list, i)) : fallback;
}

static int
read_list (DvConfigReader *r, const char *key, int64_t *out, int max,
    int64_t low, const int64_t *fallback, int n_fallback)
{
  int n = dv_config_list (r, key, out, max, low, MAX_CHANNELS);

  if (n == 0) {
    memcpy (out, fallback, (size_t)n_fallback * sizeof *out);
    n = n_fallback;
  }
  return n;
}

static void
encoder_lists (List *list)
{
  static const int64_t channels_default[] = {256, 512, 1024, 2048};
  static const int64_t layers_default[] = {4, 6, 6, 2, 2};
  static const char *const types[] = {
      "spatial", "temporal", "spatiotemporal", "spatiotemporal"};
  DvConfigReader *r = list->reader;
  int64_t channels[MAX_LEVELS], layers[MAX_LEVELS + 1];
  int n = read_list (
      r, "block_out_channels", channels, MAX_LEVELS, 1, channels_default, 4);
  int n_layers = read_list (
      r, "layers_per_block", layers, MAX_LEVELS + 1, 0, layers_default, 5);

  if (n_layers != n + 1) {
    dv_config_fail (r,
        "layers_per_block should have one more value than block_out_channels.");
    return;
  }
  for (int i = 0; i < n; i++) {
    DvVaeBlock down = {.kind = DV_VAE_DOWN, .channels = channels[i]};

    add_block (list, (DvVaeBlock){.kind = DV_VAE_RES, .layers = (int)layers[i]},
        false);
    if (!factors (type_at (r, "downsample_type", i, i < 4 ? types[i] : NULL),
            down.factor)) {
      dv_config_fail (r, "downsample_type %d is none that LTX-2 has.", i);
      return;
    }
    add_block (list, down, false);
  }
  add_block (
      list, (DvVaeBlock){.kind = DV_VAE_RES, .layers = (int)layers[n]}, true);
}

/* Whether upsample_residual (a list, or one for all) is true at @i. */
static bool
residual_at (DvConfigReader *r, int i)
{
  const cJSON *item = dv_config_find (r->json, "upsample_residual");

  if (!item || cJSON_IsBool (item))
    return !item || cJSON_IsTrue (item);
  return cJSON_IsTrue (cJSON_GetArrayItem (item, i));
}

static void
decoder_lists (List *list)
{
  static const int64_t channels_default[] = {256, 512, 1024};
  static const int64_t layers_default[] = {5, 5, 5, 5};
  static const int64_t factor_default[MAX_LEVELS] = {2, 2, 2, 2, 2, 2, 2};
  DvConfigReader *r = list->reader;
  int64_t channels[MAX_LEVELS], layers[MAX_LEVELS + 1], factor[MAX_LEVELS];
  int n = read_list (r, "decoder_block_out_channels", channels, MAX_LEVELS, 1,
      channels_default, 3);
  int n_layers = read_list (r, "decoder_layers_per_block", layers,
      MAX_LEVELS + 1, 0, layers_default, 4);
  int n_factor = read_list (
      r, "upsample_factor", factor, MAX_LEVELS, 1, factor_default, n);

  if (n_layers != n + 1 || n_factor != n) {
    dv_config_fail (r,
        "decoder_layers_per_block should have one more value than "
        "decoder_block_out_channels, and upsample_factor as many.");
    return;
  }
  if (channels[n - 1] != list->channels)
    dv_config_fail (r,
        "decoder_block_out_channels ends in %lld, but decoder.conv_in gives "
        "%lld channels.",
        (long long)channels[n - 1], (long long)list->channels);
  add_block (
      list, (DvVaeBlock){.kind = DV_VAE_RES, .layers = (int)layers[n]}, false);
  /* All but the types are listed from the end. */
  for (int i = 0; i < n; i++) {
    DvVaeBlock up = {.kind = DV_VAE_UP,
        .channels = channels[n - 1 - i] / factor[n - 1 - i],
        .residual = residual_at (r, n - 1 - i)};

    if (!factors (
            type_at (r, "upsample_type", i, "spatiotemporal"), up.factor)) {
      dv_config_fail (r, "upsample_type %d is none that LTX-2 has.", i);
      return;
    }
    add_block (list, up, false);
    add_block (list,
        (DvVaeBlock){.kind = DV_VAE_RES, .layers = (int)layers[n - 1 - i]},
        false);
  }
}

/* ---- original: one list of [name, parameters] ---- */

static void
original_block (List *list, const cJSON *item, bool last)
{
  DvConfigReader r = *list->reader;
  const char *name = cJSON_GetStringValue (cJSON_GetArrayItem (item, 0));
  const char *type = NULL;
  char text[32];
  DvVaeBlock block = {.kind = list->up ? DV_VAE_UP : DV_VAE_DOWN};
  int64_t multiplier;
  size_t n;

  r.json = cJSON_GetArrayItem (item, 1);
  if (cJSON_IsNumber (r.json)) /* ["res_x", 5] */
    block.layers = r.json->valuedouble >= 0.0 && r.json->valuedouble <= 1000.0
                       ? (int)r.json->valuedouble
                       : -1;
  else
    block.layers = (int)dv_config_int (&r, "num_layers", 1, 0, 1000);
  multiplier = dv_config_int (&r, "multiplier", list->up ? 1 : 2, 1, 64);
  block.residual = dv_config_bool (&r, "residual", false);
  dv_config_demand (
      &r, !dv_config_bool (&r, "inject_noise", false), "inject_noise", "false");
  list->reader->status = r.status;
  if (name && strcmp (name, "res_x") == 0) {
    block.kind = DV_VAE_RES;
    add_block (list, block, last);
    return;
  }
  if (name && strncmp (name, "compress_", 9) == 0) {
    type = name + 9;
    n = strlen (type);
    /* The encoder's samplers all have a skip and say so. */
    if (!list->up) {
      if (n < 4 || n >= sizeof text || strcmp (type + n - 4, "_res") != 0)
        type = NULL;
      else
        snprintf (text, sizeof text, "%.*s", (int)(n - 4), type);
      type = type ? text : NULL;
    }
  }
  if (!factors (type, block.factor)) {
    dv_config_fail (list->reader,
        "a VAE's block is a %.40s, which no LTX-2 has.",
        name ? name : "list without a name");
    return;
  }
  block.layers = 0;
  block.channels =
      list->up ? list->channels / multiplier : list->channels * multiplier;
  add_block (list, block, last);
}

static void
original_list (List *list, const cJSON *blocks)
{
  int n = cJSON_GetArraySize (blocks);

  if (!cJSON_IsArray (blocks) || n < 1 || n > DV_MAX_BLOCKS) {
    dv_config_fail (list->reader, "%s should be a list of at most %d blocks.",
        blocks->string, DV_MAX_BLOCKS);
    return;
  }
  /* The decoder's list is applied from its end. */
  for (int i = 0; i < n && list->reader->status == DV_OK; i++)
    original_block (list, cJSON_GetArrayItem (blocks, list->up ? n - 1 - i : i),
        i == n - 1);
}

/* ---- both ---- */

static int
read_blocks (DvConfigReader *r, DvVaeBlock *block, int64_t first, bool up)
{
  List list = {.reader = r, .block = block, .channels = first, .up = up};
  const cJSON *blocks =
      dv_config_find (r->json, up ? "decoder_blocks" : "encoder_blocks");

  if (blocks)
    original_list (&list, blocks);
  else if (up)
    decoder_lists (&list);
  else
    encoder_lists (&list);
  return list.n;
}

static void
check_fixed (DvConfigReader *r)
{
  const cJSON *noise = dv_config_find (r->json, "decoder_inject_noise"), *item;
  const char *text;

  dv_config_demand (r, !dv_config_bool (r, "timestep_conditioning", false),
      "timestep_conditioning", "false");
  cJSON_ArrayForEach (item, noise) dv_config_demand (
      r, !cJSON_IsTrue (item), "decoder_inject_noise", "false");
  dv_config_demand (
      r, dv_config_int (r, "patch_size_t", 1, 1, 64) == 1, "patch_size_t", "1");
  dv_config_demand (
      r, dv_config_int (r, "in_channels", 3, 1, 64) == 3, "in_channels", "3");
  dv_config_demand (
      r, dv_config_int (r, "out_channels", 3, 1, 64) == 3, "out_channels", "3");
  dv_config_demand (r, !dv_config_bool (r, "use_quant_conv", false),
      "use_quant_conv", "false");
  text = dv_config_string (r, "norm_layer");
  dv_config_demand (
      r, !text || strcmp (text, "pixel_norm") == 0, "norm_layer", "pixel_norm");
  text = dv_config_string (r, "encoder_spatial_padding_mode");
  dv_config_demand (r, !text || strcmp (text, "zeros") == 0,
      "encoder_spatial_padding_mode", "zeros");
}

/* Channels after a first convolution: as its weight has it; without one, as
 * the lists of channels mean it. */
static int64_t
conv_in (DvConfigReader *r, const char *weight, const char *key, int64_t usual,
    bool encoder)
{
  int64_t channels[MAX_LEVELS];
  int n;

  if (r->tensors)
    return dv_config_dim (r, 0, "%s", weight);
  n = read_list (r, key, channels, MAX_LEVELS, 1, &usual, 1);
  return encoder ? channels[0] / 2 : channels[n - 1];
}

void
dv_config_video_vae (DvConfigReader *r, DvVideoVaeConfig *c)
{
  const char *padding = dv_config_string (
      r, "decoder_spatial_padding_mode, spatial_padding_mode");
  int64_t pixels;

  c->latent = dv_config_int (r, "latent_channels",
      r->tensors ? dv_config_dim (r, 0, "latents_mean") : 128, 1, MAX_CHANNELS);
  c->patch = (int)dv_config_int (r, "patch_size", 4, 1, 16);
  c->decoder_reflect = !padding || strcmp (padding, "reflect") == 0;
  dv_config_demand (r, c->decoder_reflect || strcmp (padding, "zeros") == 0,
      "decoder_spatial_padding_mode", "reflect or zeros");
  c->decoder_causal =
      dv_config_bool (r, "decoder_causal, causal_decoder", false);
  c->encoder_causal = dv_config_bool (r, "encoder_causal", true);
  check_fixed (r);
  pixels = 3 * (int64_t)c->patch * c->patch;
  dv_config_expect (r, DV_CONFIG_SHAPE (c->latent), "latents_mean");
  dv_config_expect (r, DV_CONFIG_SHAPE (c->latent), "latents_std");

  c->encoder_in = conv_in (
      r, "encoder.conv_in.conv.weight", "block_out_channels", 256, true);
  if (c->encoder_in && r->status == DV_OK) {
    dv_config_expect (r, DV_CONFIG_SHAPE (c->encoder_in, pixels, 3, 3, 3),
        "encoder.conv_in.conv.weight");
    c->n_encoder = read_blocks (r, c->encoder, c->encoder_in, false);
    if (c->n_encoder > 0)
      dv_config_expect (r,
          DV_CONFIG_SHAPE (
              c->latent + 1, c->encoder[c->n_encoder - 1].channels, 3, 3, 3),
          "encoder.conv_out.conv.weight");
  }
  c->decoder_in = conv_in (r, "decoder.conv_in.conv.weight",
      "decoder_block_out_channels", 1024, false);
  if (c->decoder_in && r->status == DV_OK) {
    dv_config_expect (r, DV_CONFIG_SHAPE (c->decoder_in, c->latent, 3, 3, 3),
        "decoder.conv_in.conv.weight");
    c->n_decoder = read_blocks (r, c->decoder, c->decoder_in, true);
    if (c->n_decoder > 0)
      dv_config_expect (r,
          DV_CONFIG_SHAPE (
              pixels, c->decoder[c->n_decoder - 1].channels, 3, 3, 3),
          "decoder.conv_out.conv.weight");
  }
  if (!c->encoder_in && !c->decoder_in)
    dv_config_fail (r, "there is neither an encoder nor a decoder.");
}
