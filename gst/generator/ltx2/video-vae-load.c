/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The video VAE's weights (sections 2.4, 2.5, 8 and 9 of docs/ltx2-model.md):
 * the configuration's lists of blocks, checked before anything is multiplied,
 * and the tensors they name.
 */
#include <stdio.h>
#include <stdlib.h>

#include "video-vae-private.h"

/* Bounds far beyond any real model, so that no product overflows. */
#define MAX_CHANNELS 65536
#define MAX_LAYERS 256

static void
refuse (DvLoader *loader, const char *half, int i, const char *why)
{
  if (loader->status != DV_OK)
    return;
  loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
      "block %d of the video VAE's %s %s: config.json is not one of LTX-2 or "
      "LTX-2.3",
      i, half, why);
}

static DvVaeConv
load_conv (DvLoader *loader, const char *name, int64_t out, int64_t in)
{
  DvVaeConv conv = {.in = in, .out = out};

  conv.w = dv_load (
      loader, DV_USE_CONV, DV_SHAPE (out, in, 3, 3, 3), "%s.conv.weight", name);
  conv.bias = dv_load_plain (loader, DV_SHAPE (out), "%s.conv.bias", name);
  return conv;
}

/* What is wrong with @block behind @in channels, or NULL. */
static const char *
wrong (const DvVaeBlock *block, int64_t in, bool encoder)
{
  const int64_t c = block->channels;
  int64_t cells = 1;

  if (c < 1 || c > MAX_CHANNELS)
    return "has an impossible number of channels";
  if (block->kind == DV_VAE_RES) {
    if (block->layers < 1 || block->layers > MAX_LAYERS)
      return "has an impossible number of layers";
    return c == in ? NULL : "changes the channels between its layers";
  }
  if ((block->kind == DV_VAE_DOWN) != encoder)
    return "resizes the wrong way";
  for (int a = 0; a < 3; a++) {
    if (block->factor[a] != 1 && block->factor[a] != 2)
      return "resizes by something else than 1 or 2";
    cells *= block->factor[a];
  }
  if (cells == 1)
    return "does not resize";
  if (encoder) {
    if (c % cells != 0 || in * cells % c != 0)
      return "cannot average its channels";
  } else if (block->residual && (in % cells != 0 || c * cells % in != 0)) {
    return "cannot repeat its channels";
  }
  return NULL;
}

/* A block's own weights. */
static void
load_stage (DvLoader *loader, DvVaeStage *stage)
{
  const DvVaeBlock *block = &stage->block;
  const int64_t c = block->channels;
  int64_t cells = block->factor[0] * block->factor[1] * block->factor[2];
  char name[128];

  switch (block->kind) {
    case DV_VAE_RES:
      stage->res = calloc ((size_t)block->layers, sizeof *stage->res);
      if (!stage->res) {
        loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
            "no memory is left for the video VAE's %d residual blocks",
            block->layers);
        return;
      }
      for (int i = 0; i < block->layers; i++) {
        snprintf (name, sizeof name, "%s.resnets.%d.conv1", block->name, i);
        stage->res[i].conv1 = load_conv (loader, name, c, c);
        snprintf (name, sizeof name, "%s.resnets.%d.conv2", block->name, i);
        stage->res[i].conv2 = load_conv (loader, name, c, c);
      }
      break;
    case DV_VAE_DOWN:
    case DV_VAE_UP:
      snprintf (name, sizeof name, "%s.conv", block->name);
      stage->conv = load_conv (loader, name,
          block->kind == DV_VAE_UP ? c * cells : c / cells, stage->in);
      break;
  }
}

/* The encoder or the decoder, from @first channels behind its first
 * convolution. */
static void
load_half (DvLoader *loader, DvVaeHalf *half, const DvVaeBlock *blocks, int n,
    int64_t in, int64_t first, int64_t out)
{
  const bool encoder = half->what[0] == 'e';
  int64_t c = first;
  char name[32];

  if (n < 1)
    return;
  if (n > DV_MAX_BLOCKS || first < 1 || first > MAX_CHANNELS) {
    refuse (loader, half->what, 0, "is one of too many, or begins too wide");
    return;
  }
  for (int a = 0; a < 3; a++)
    half->scale[a] = 1;
  snprintf (name, sizeof name, "%s.conv_in", half->what);
  half->in = load_conv (loader, name, first, in);
  for (int i = 0; i < n && loader->status == DV_OK; i++) {
    DvVaeStage *stage = &half->stage[i];
    const char *why = wrong (&blocks[i], c, encoder);

    if (why) {
      refuse (loader, half->what, i, why);
      return;
    }
    stage->block = blocks[i];
    stage->in = c;
    half->n_stages = i + 1;
    if (blocks[i].kind != DV_VAE_RES)
      for (int a = 0; a < 3; a++)
        half->scale[a] *= blocks[i].factor[a];
    load_stage (loader, stage);
    c = blocks[i].channels;
  }
  snprintf (name, sizeof name, "%s.conv_out", half->what);
  half->out = load_conv (loader, name, out, c);
}

/* 1 / std and -mean / std beside the statistics, on the device. */
static void
load_statistics (DvLoader *loader, DvVideoVae *vae)
{
  const int64_t c = vae->config.latent;
  DvTensor *made[2] = {&vae->inverse, &vae->off};
  const DvTensor *read[2] = {&vae->mean, &vae->std};
  DvTensor rows[4];
  float *host;
  DvStream *stream;

  vae->mean = dv_load_plain (loader, DV_SHAPE (c), "latents_mean");
  vae->std = dv_load_plain (loader, DV_SHAPE (c), "latents_std");
  loader->bytes_resident += 2 * (uint64_t)c * sizeof (float);
  for (int i = 0; i < 2; i++)
    *made[i] = DV_TENSOR (NULL, DV_F32, c);
  if (loader->counting || loader->status != DV_OK)
    return;
  stream = dv_stream_new (loader->device, DV_ARENA_ALIGN, &loader->error);
  host = calloc ((size_t)c, 4 * sizeof *host);
  if (!stream || !host)
    goto no_memory;
  for (int i = 0; i < 2; i++) {
    *made[i] = DV_TENSOR (
        dv_device_alloc (loader->device, (size_t)c * sizeof *host), DV_F32, c);
    if (!made[i]->data)
      goto no_memory;
    made[i]->device = loader->device;
    made[i]->owner = DV_OWNED;
  }
  for (int i = 0; i < 4; i++)
    rows[i] = DV_TENSOR (host + i * c, DV_F32, c);
  for (int i = 0; i < 2; i++)
    dv_copy (stream, &rows[i], read[i]);
  loader->status = dv_stream_status (stream, &loader->error);
  for (int64_t i = 0; i < c && loader->status == DV_OK; i++) {
    float std = host[c + i];

    if (!(std > 0)) {
      loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
          "latents_std of the video VAE has %g for channel %lld, which no "
          "latent can be divided by",
          (double)std, (long long)i);
      break;
    }
    host[2 * c + i] = 1 / std;
    host[3 * c + i] = -host[i] / std;
  }
  if (loader->status == DV_OK) {
    for (int i = 0; i < 2; i++)
      dv_copy (stream, made[i], &rows[2 + i]);
    loader->status = dv_stream_status (stream, &loader->error);
  }
  goto done;
no_memory:
  loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
      "no memory is left for the video VAE's statistics");
done:
  free (host);
  dv_stream_free (stream);
}

DvVideoVae *
dv_video_vae_load (DvLoader *loader, const DvVideoVaeConfig *config)
{
  DvVideoVae *vae;
  int64_t pixels;

  if (config->latent < 1 || config->latent >= MAX_CHANNELS ||
      config->patch < 1 || config->patch > 16) {
    refuse (loader, "latent", 0, "has impossible sizes");
    return NULL;
  }
  vae = calloc (1, sizeof *vae);
  if (!vae) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
          "no memory is left for the video VAE");
    return NULL;
  }
  vae->device = loader->device;
  vae->config = *config;
  vae->compute = loader->compute;
  vae->encoder.what = "encoder";
  vae->encoder.causal = config->encoder_causal;
  vae->encoder.pad = DV_PAD_ZERO;
  vae->decoder.what = "decoder";
  vae->decoder.causal = config->decoder_causal;
  vae->decoder.pad = config->decoder_reflect ? DV_PAD_REFLECT : DV_PAD_ZERO;
  pixels = 3 * (int64_t)config->patch * config->patch;
  if (config->n_encoder > 0 && !config->encoder_causal)
    refuse (loader, "encoder", 0, "looks at later frames");
  load_half (loader, &vae->encoder, config->encoder, config->n_encoder, pixels,
      config->encoder_in, config->latent + 1);
  load_half (loader, &vae->decoder, config->decoder, config->n_decoder,
      config->latent, config->decoder_in, pixels);
  load_statistics (loader, vae);
  return vae;
}

static void
clear_conv (DvDevice *device, DvVaeConv *conv)
{
  dv_weight_clear (device, &conv->w);
  dv_plain_clear (device, &conv->bias);
}

static void
clear_half (DvDevice *device, DvVaeHalf *half)
{
  clear_conv (device, &half->in);
  clear_conv (device, &half->out);
  for (int i = 0; i < half->n_stages; i++) {
    DvVaeStage *stage = &half->stage[i];

    clear_conv (device, &stage->conv);
    for (int j = 0; stage->res && j < stage->block.layers; j++) {
      clear_conv (device, &stage->res[j].conv1);
      clear_conv (device, &stage->res[j].conv2);
    }
    free (stage->res);
  }
}

void
dv_video_vae_free (DvVideoVae *vae)
{
  if (!vae)
    return;
  clear_half (vae->device, &vae->encoder);
  clear_half (vae->device, &vae->decoder);
  dv_plain_clear (vae->device, &vae->mean);
  dv_plain_clear (vae->device, &vae->std);
  dv_device_free (vae->device, vae->inverse.data);
  dv_device_free (vae->device, vae->off.data);
  free (vae);
}

const DvTensor *
dv_video_vae_mean (const DvVideoVae *vae)
{
  return &vae->mean;
}

const DvTensor *
dv_video_vae_std (const DvVideoVae *vae)
{
  return &vae->std;
}

void
dv_video_vae_normalise (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *out, const DvTensor *raw)
{
  dv_map (stream, &(DvMap){.out = out,
                      .x = raw,
                      .s = &vae->inverse,
                      .b = &vae->off,
                      .kind = DV_MAP_AFFINE});
}

void
dv_video_vae_restore (const DvVideoVae *vae, DvStream *stream,
    const DvTensor *out, const DvTensor *latent)
{
  dv_map (stream, &(DvMap){.out = out,
                      .x = latent,
                      .s = &vae->std,
                      .b = &vae->mean,
                      .kind = DV_MAP_AFFINE});
}
