/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The weights of the diffusion transformer, by their diffusers names
 * (sections 2.4 and 5 of docs/ltx2-model.md).
 */
#include <stdio.h>
#include <stdlib.h>

#include "dit-private.h"

#define MAX_LAYERS 4096
#define MAX_WIDTH (1 << 20)

static const char *const side_prefix[DV_N_SIDES] = {"", "audio_"};
static const char *const side_name[DV_N_SIDES] = {"video", "audio"};

static bool
size_in (int64_t size, int64_t most)
{
  return size >= 1 && size <= most;
}

static bool
modality_sound (const DvDitModality *m)
{
  return size_in (m->in, MAX_WIDTH) && size_in (m->out, MAX_WIDTH) &&
         size_in (m->heads, MAX_WIDTH) && size_in (m->head_dim, MAX_WIDTH) &&
         m->heads * m->head_dim <= MAX_WIDTH && m->head_dim % 2 == 0 &&
         m->cross_dim == m->heads * m->head_dim;
}

static DvStatus
config_check (const DvDitConfig *config, DvError *error)
{
  if (!size_in (config->layers, MAX_LAYERS) ||
      !size_in (config->caption, MAX_WIDTH) ||
      !modality_sound (&config->video) || !modality_sound (&config->audio))
    return dv_fail (error, DV_ERROR_FORMAT, "open",
        "transformer: %lld layers of %lld x %lld and %lld x %lld heads "
        "attending to %lld and %lld channels are no LTX-2 configuration",
        (long long)config->layers, (long long)config->video.heads,
        (long long)config->video.head_dim, (long long)config->audio.heads,
        (long long)config->audio.head_dim, (long long)config->video.cross_dim,
        (long long)config->audio.cross_dim);
  if (config->rope_interleaved)
    return dv_fail (error, DV_ERROR_FORMAT, "open",
        "transformer: rope_type \"interleaved\" is not supported; the released "
        "LTX-2 models use \"split\"");
  return DV_OK;
}

static DvDitAttention
load_attention (DvLoader *loader, const DvDitModality *inner, int64_t query,
    int64_t source, bool gated, const char *name)
{
  int64_t width = inner->heads * inner->head_dim;
  DvDitAttention a = {
      .heads = inner->heads,
      .head_dim = inner->head_dim,
      .gated = gated,
      .q = dv_load_linear (loader, width, query, true, "%s.to_q", name),
      .k = dv_load_linear (loader, width, source, true, "%s.to_k", name),
      .v = dv_load_linear (loader, width, source, true, "%s.to_v", name),
      .out = dv_load_linear (loader, query, width, true, "%s.to_out.0", name),
      .norm_q =
          dv_load_plain (loader, DV_SHAPE (width), "%s.norm_q.weight", name),
      .norm_k =
          dv_load_plain (loader, DV_SHAPE (width), "%s.norm_k.weight", name),
  };

  if (gated)
    a.gate = dv_load_linear (
        loader, inner->heads, query, true, "%s.to_gate_logits", name);
  return a;
}

static DvDitAdaln
load_adaln (DvLoader *loader, int64_t width, int rows, const char *name)
{
  return (DvDitAdaln){
      .first = dv_load_linear (loader, width, DV_DIT_SINUSOID, true,
          "%s.emb.timestep_embedder.linear_1", name),
      .second = dv_load_linear (loader, width, width, true,
          "%s.emb.timestep_embedder.linear_2", name),
      .rows =
          dv_load_linear (loader, rows * width, width, true, "%s.linear", name),
  };
}

static void
load_modality (DvLoader *loader, DvDit *dit, int side)
{
  const DvDitConfig *config = &dit->config;
  const DvDitModality *m = side == DV_VIDEO ? &config->video : &config->audio;
  const char *prefix = side_prefix[side];
  DvDitModal *w = &dit->side[side];
  char name[64];

  w->width = m->heads * m->head_dim;
  w->in = m->in;
  w->out = m->out;
  w->heads = m->heads;
  w->head_dim = m->head_dim;
  w->proj_in =
      dv_load_linear (loader, w->width, m->in, true, "%sproj_in", prefix);
  w->proj_out =
      dv_load_linear (loader, m->out, w->width, true, "%sproj_out", prefix);
  w->table = dv_load_plain (
      loader, DV_SHAPE (2, w->width), "%sscale_shift_table", prefix);
  if (config->caption_projection) {
    w->caption1 = dv_load_linear (loader, w->width, config->caption, true,
        "%scaption_projection.linear_1", prefix);
    w->caption2 = dv_load_linear (loader, w->width, w->width, true,
        "%scaption_projection.linear_2", prefix);
  }
  snprintf (name, sizeof name, "%stime_embed", prefix);
  w->time = load_adaln (loader, w->width, dit->rows, name);
  snprintf (name, sizeof name, "av_cross_attn_%s_scale_shift", side_name[side]);
  w->cross_scale_shift = load_adaln (loader, w->width, 4, name);
  snprintf (name, sizeof name, "av_cross_attn_%s_gate",
      side == DV_VIDEO ? "video_a2v" : "audio_v2a");
  w->cross_gate = load_adaln (loader, w->width, 1, name);
  if (config->cross_mod) {
    snprintf (name, sizeof name, "%sprompt_adaln", prefix);
    w->prompt = load_adaln (loader, w->width, 2, name);
  }
}

static void
load_block_side (DvLoader *loader, DvDit *dit, int64_t number, int side)
{
  const DvDitConfig *config = &dit->config;
  const DvDitModality *m = side == DV_VIDEO ? &config->video : &config->audio;
  DvDitBlockSide *b = &dit->block[number].side[side];
  int64_t width = dit->side[side].width;
  char prefix[64], name[96];

  snprintf (
      prefix, sizeof prefix, "transformer_blocks.%lld.", (long long)number);
  snprintf (name, sizeof name, "%s%sattn1", prefix, side_prefix[side]);
  b->attn1 = load_attention (loader, m, width, width, config->gated, name);
  snprintf (name, sizeof name, "%s%sattn2", prefix, side_prefix[side]);
  b->attn2 =
      load_attention (loader, m, width, m->cross_dim, config->gated, name);
  b->ff1 = dv_load_linear (loader, 4 * width, width, true, "%s%sff.net.0.proj",
      prefix, side_prefix[side]);
  b->ff2 = dv_load_linear (loader, width, 4 * width, true, "%s%sff.net.2",
      prefix, side_prefix[side]);
  b->table = dv_load_plain (loader, DV_SHAPE (dit->rows, width),
      "%s%sscale_shift_table", prefix, side_prefix[side]);
  b->cross_table = dv_load_plain (loader, DV_SHAPE (5, width),
      "%s%s_a2v_cross_attn_scale_shift_table", prefix, side_name[side]);
  if (config->cross_mod)
    b->prompt_table = dv_load_plain (loader, DV_SHAPE (2, width),
        "%s%sprompt_scale_shift_table", prefix, side_prefix[side]);
}

static void
load_block (DvLoader *loader, DvDit *dit, int64_t number)
{
  const DvDitModality *inner = &dit->config.audio;
  int64_t video = dit->side[DV_VIDEO].width, audio = dit->side[DV_AUDIO].width;
  DvDitBlock *b = &dit->block[number];
  char name[96];

  load_block_side (loader, dit, number, DV_VIDEO);
  load_block_side (loader, dit, number, DV_AUDIO);
  snprintf (name, sizeof name, "transformer_blocks.%lld.audio_to_video_attn",
      (long long)number);
  b->cross[DV_VIDEO] =
      load_attention (loader, inner, video, audio, dit->config.gated, name);
  snprintf (name, sizeof name, "transformer_blocks.%lld.video_to_audio_attn",
      (long long)number);
  b->cross[DV_AUDIO] =
      load_attention (loader, inner, audio, video, dit->config.gated, name);
}

/* ---- a block's matrices ---- */

static size_t
attention_matrices (DvDitAttention *a, DvWeight **to)
{
  DvLinear *all[] = {&a->q, &a->k, &a->v, &a->out, &a->gate};
  size_t n = 0;

  for (int i = 0; i < (a->gated ? 5 : 4); i++)
    to[n++] = &all[i]->w;
  return n;
}

size_t
dv_dit_matrices (DvDitBlock *block, DvWeight **matrices)
{
  size_t n = 0;

  for (int side = 0; side < DV_N_SIDES; side++) {
    n += attention_matrices (&block->side[side].attn1, matrices + n);
    n += attention_matrices (&block->side[side].attn2, matrices + n);
    n += attention_matrices (&block->cross[side], matrices + n);
    matrices[n++] = &block->side[side].ff1.w;
    matrices[n++] = &block->side[side].ff2.w;
  }
  return n;
}

int64_t
dv_dit_layers (const DvDit *dit)
{
  return dit->config.layers;
}

uint64_t
dv_dit_layer_bytes (const DvDit *dit)
{
  DvWeight *matrices[DV_DIT_MATRICES];
  uint64_t most = 0;

  for (int64_t i = 0; i < dit->config.layers; i++) {
    size_t n = dv_dit_matrices (&dit->block[i], matrices);
    uint64_t bytes = dv_parcel_bytes (matrices, n);

    most = bytes > most ? bytes : most;
  }
  return most;
}

/* Takes a block's matrices off the device, if it is one of those. */
static void
park (DvLoader *loader, DvDit *dit, int64_t number, DvStream *stream)
{
  DvDitBlock *block = &dit->block[number];
  DvWeight *matrices[DV_DIT_MATRICES];
  size_t n = dv_dit_matrices (block, matrices);

  if (stream && loader->status == DV_OK &&
      dv_is_parked (number, dit->config.layers, loader->parked))
    loader->status =
        dv_parcel_pack (&block->parcel, stream, matrices, n, &loader->error);
}

DvDit *
dv_dit_load (DvLoader *loader, const DvDitConfig *config)
{
  DvStream *stream = NULL;
  DvDit *dit = NULL;

  if (loader->status != DV_OK)
    return NULL;
  loader->status = config_check (config, &loader->error);
  if (loader->status != DV_OK)
    return NULL;
  dit = calloc (1, sizeof *dit);
  if (dit)
    dit->block = calloc ((size_t)config->layers, sizeof *dit->block);
  if (!dit || !dit->block) {
    free (dit);
    loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
        "no memory for a transformer of %lld layers",
        (long long)config->layers);
    return NULL;
  }
  dit->device = dv_device_ref (loader->device);
  dit->config = *config;
  dit->compute = loader->compute;
  dit->rows = config->cross_mod ? 9 : 6;
  load_modality (loader, dit, DV_VIDEO);
  load_modality (loader, dit, DV_AUDIO);
  if (loader->parked > 0 && !loader->counting && loader->status == DV_OK) {
    stream = dv_stream_new (loader->device, 0, &loader->error);
    loader->status = stream ? DV_OK : loader->error.code;
  }
  for (int64_t i = 0; i < config->layers && loader->status == DV_OK; i++) {
    load_block (loader, dit, i);
    park (loader, dit, i, stream);
  }
  dv_stream_free (stream);
  if (loader->status != DV_OK) {
    dv_dit_free (dit);
    return NULL;
  }
  return dit;
}

/* ---- freeing ---- */

static void
clear_attention (DvDevice *device, DvDitAttention *a)
{
  dv_linear_clear (device, &a->q);
  dv_linear_clear (device, &a->k);
  dv_linear_clear (device, &a->v);
  dv_linear_clear (device, &a->out);
  dv_linear_clear (device, &a->gate);
  dv_plain_clear (device, &a->norm_q);
  dv_plain_clear (device, &a->norm_k);
}

static void
clear_adaln (DvDevice *device, DvDitAdaln *a)
{
  dv_linear_clear (device, &a->first);
  dv_linear_clear (device, &a->second);
  dv_linear_clear (device, &a->rows);
}

static void
clear_block (DvDevice *device, DvDitBlock *b)
{
  for (int side = 0; side < DV_N_SIDES; side++) {
    DvDitBlockSide *s = &b->side[side];

    clear_attention (device, &s->attn1);
    clear_attention (device, &s->attn2);
    clear_attention (device, &b->cross[side]);
    dv_linear_clear (device, &s->ff1);
    dv_linear_clear (device, &s->ff2);
    dv_plain_clear (device, &s->table);
    dv_plain_clear (device, &s->cross_table);
    dv_plain_clear (device, &s->prompt_table);
  }
  dv_parcel_clear (&b->parcel, device);
}

void
dv_dit_free (DvDit *dit)
{
  if (!dit)
    return;
  for (int side = 0; side < DV_N_SIDES; side++) {
    DvDitModal *w = &dit->side[side];

    dv_linear_clear (dit->device, &w->proj_in);
    dv_linear_clear (dit->device, &w->proj_out);
    dv_linear_clear (dit->device, &w->caption1);
    dv_linear_clear (dit->device, &w->caption2);
    clear_adaln (dit->device, &w->time);
    clear_adaln (dit->device, &w->cross_scale_shift);
    clear_adaln (dit->device, &w->cross_gate);
    clear_adaln (dit->device, &w->prompt);
    dv_plain_clear (dit->device, &w->table);
  }
  for (int64_t i = 0; i < dit->config.layers; i++)
    clear_block (dit->device, &dit->block[i]);
  free (dit->block);
  dv_device_unref (dit->device);
  free (dit);
}

/* ---- rotary tables ---- */

void
dv_dit_rope_spec (const DvDit *dit, int side, bool cross, DvRopeSpec *spec)
{
  const DvDitConfig *config = &dit->config;
  const DvDitModal *w = &dit->side[cross ? DV_AUDIO : side];

  *spec = (DvRopeSpec){
      .dim = w->width,
      .heads = w->heads,
      .n_axes = 1,
      .theta = config->rope_theta,
      .double_precision = config->rope_double,
  };
  if (cross) {
    spec->max[0] =
        config->max_t > config->audio_max ? config->max_t : config->audio_max;
  } else if (side == DV_AUDIO) {
    spec->max[0] = config->audio_max;
  } else {
    spec->n_axes = 3;
    spec->max[0] = config->max_t;
    spec->max[1] = config->max_y;
    spec->max[2] = config->max_x;
  }
}
