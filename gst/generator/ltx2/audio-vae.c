/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The audio VAE: latents <-> log-mel spectrograms (sections 8 and 10 of
 * docs/ltx2-model.md).  Its pictures are [1, time, mel, C]: time is an axis of
 * the picture here, causal by padding in front only.
 */
#include "audio-vae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPS 1e-6f
#define MAX_LEVELS 8

typedef struct {
  DvWeight w;
  DvTensor bias;
} Conv;

typedef struct {
  Conv conv1, conv2, shortcut;
  bool has_shortcut;
  int64_t out;
} Block;

typedef struct {
  Block *block; /* [n] */
  int n;
  Conv resample; /* up or down; the innermost level has none */
  bool has_resample;
} Level;

/* The encoder or the decoder. */
typedef struct {
  Conv in, out;
  Block mid[2];
  Level level[MAX_LEVELS];
} Half;

struct DvAudioVae {
  DvDevice *device;
  DvAudioVaeConfig config;
  DvDtype compute;
  Half encoder, decoder;
  int64_t bins;      /* of a latent: mel / 4 */
  float *mean, *std; /* [bins, C] on the host: of channels-last features */
};

/* ---- loading ---- */

static Conv
load_conv (
    DvLoader *loader, int64_t out, int64_t in, int kernel, const char *name)
{
  Conv conv;

  conv.w = dv_load (loader, DV_USE_CONV, DV_SHAPE (out, in, 1, kernel, kernel),
      "%s.weight", name);
  conv.bias = dv_load_plain (loader, DV_SHAPE (out), "%s.bias", name);
  return conv;
}

static void
load_block (
    DvLoader *loader, Block *block, int64_t in, int64_t out, const char *name)
{
  char part[160];

  block->out = out;
  snprintf (part, sizeof part, "%s.conv1.conv", name);
  block->conv1 = load_conv (loader, out, in, 3, part);
  snprintf (part, sizeof part, "%s.conv2.conv", name);
  block->conv2 = load_conv (loader, out, out, 3, part);
  block->has_shortcut = in != out;
  if (block->has_shortcut) {
    snprintf (part, sizeof part, "%s.nin_shortcut.conv", name);
    block->shortcut = load_conv (loader, out, in, 1, part);
  }
}

/* @n blocks of level @i; false when there is no memory. */
static bool
load_level (DvLoader *loader, Level *level, int n, int64_t in, int64_t out,
    const char *name)
{
  char part[96];

  level->block = calloc ((size_t)n, sizeof *level->block);
  if (!level->block)
    return false;
  for (level->n = 0; level->n < n; level->n++) {
    snprintf (part, sizeof part, "%s.block.%d", name, level->n);
    load_block (
        loader, &level->block[level->n], level->n == 0 ? in : out, out, part);
  }
  return true;
}

static bool
load_decoder (DvLoader *loader, DvAudioVae *vae)
{
  const DvAudioVaeConfig *config = &vae->config;
  Half *half = &vae->decoder;
  int64_t c = config->base * config->mult[config->n_mult - 1];
  char name[64];

  half->in = load_conv (loader, c, config->latent, 3, "decoder.conv_in.conv");
  load_block (loader, &half->mid[0], c, c, "decoder.mid.block_1");
  load_block (loader, &half->mid[1], c, c, "decoder.mid.block_2");
  for (int i = config->n_mult - 1; i >= 0; i--) {
    int64_t out = config->base * config->mult[i];
    Level *level = &half->level[i];

    snprintf (name, sizeof name, "decoder.up.%d", i);
    if (!load_level (loader, level, config->res_blocks + 1, c, out, name))
      return false;
    c = out;
    level->has_resample = i > 0;
    if (level->has_resample) {
      snprintf (name, sizeof name, "decoder.up.%d.upsample.conv.conv", i);
      level->resample = load_conv (loader, c, c, 3, name);
    }
  }
  half->out = load_conv (loader, 2, c, 3, "decoder.conv_out.conv");
  return true;
}

static bool
load_encoder (DvLoader *loader, DvAudioVae *vae)
{
  const DvAudioVaeConfig *config = &vae->config;
  Half *half = &vae->encoder;
  int64_t c = config->base;
  char name[64];

  half->in = load_conv (loader, c, 2, 3, "encoder.conv_in.conv");
  for (int i = 0; i < config->n_mult; i++) {
    int64_t out = config->base * config->mult[i];
    Level *level = &half->level[i];

    snprintf (name, sizeof name, "encoder.down.%d", i);
    if (!load_level (loader, level, config->res_blocks, c, out, name))
      return false;
    c = out;
    level->has_resample = i + 1 < config->n_mult;
    if (level->has_resample) {
      snprintf (name, sizeof name, "encoder.down.%d.downsample.conv", i);
      level->resample = load_conv (loader, c, c, 3, name);
    }
  }
  load_block (loader, &half->mid[0], c, c, "encoder.mid.block_1");
  load_block (loader, &half->mid[1], c, c, "encoder.mid.block_2");
  half->out =
      load_conv (loader, 2 * config->latent, c, 3, "encoder.conv_out.conv");
  return true;
}

/* The statistics are of feature c * bins + m; here features are m * C + c. */
static bool
load_statistics (DvLoader *loader, DvAudioVae *vae)
{
  const int64_t c = vae->config.latent, bins = vae->bins, n = c * bins;
  float *const to[2] = {vae->mean, vae->std};
  DvTensor read[2];
  float *host = calloc ((size_t)n, sizeof *host);
  DvStream *stream = loader->counting ? dv_stream_new_dry (loader->device, NULL)
                                      : dv_stream_new (loader->device, 0, NULL);
  bool good = host && stream;

  read[0] = dv_load_plain (loader, DV_SHAPE (n), "latents_mean");
  read[1] = dv_load_plain (loader, DV_SHAPE (n), "latents_std");
  for (int i = 0; good && i < 2; i++) {
    DvTensor row = DV_TENSOR (host, DV_F32, n);
    if (loader->counting || loader->status != DV_OK)
      break;
    dv_copy (stream, &row, &read[i]);
    good = dv_stream_status (stream, NULL) == DV_OK;
    for (int64_t k = 0; good && k < n; k++)
      to[i][k % bins * c + k / bins] = host[k];
  }
  for (int i = 0; i < 2; i++)
    dv_plain_clear (loader->device, &read[i]);
  dv_stream_free (stream);
  free (host);
  if (!good || loader->counting || loader->status != DV_OK)
    return good;
  for (int64_t k = 0; k < n; k++)
    if (!(vae->std[k] > 0)) {
      loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
          "latents_std of the audio VAE has %g, which nothing can be divided "
          "by",
          (double)vae->std[k]);
      break;
    }
  return true;
}

static bool
possible (const DvAudioVaeConfig *config)
{
  if (config->base < 1 || config->base > 65536 || config->latent < 1 ||
      config->latent > 65536 || config->mel_bins < 4 ||
      config->mel_bins > 4096 || config->n_mult < 1 ||
      config->n_mult > MAX_LEVELS || config->res_blocks < 1 ||
      config->res_blocks > 64)
    return false;
  for (int i = 0; i < config->n_mult; i++)
    if (config->mult[i] < 1 || config->mult[i] > 64)
      return false;
  return config->mel_bins % (1 << (config->n_mult - 1)) == 0;
}

DvAudioVae *
dv_audio_vae_load (DvLoader *loader, const DvAudioVaeConfig *config)
{
  DvAudioVae *vae;
  size_t features;

  if (!possible (config)) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
          "an audio VAE of %lld channels, %d levels and %lld mel bins cannot "
          "be: its config.json is not one of LTX-2",
          (long long)config->base, config->n_mult, (long long)config->mel_bins);
    return NULL;
  }
  vae = calloc (1, sizeof *vae);
  if (!vae)
    goto no_memory;
  vae->device = loader->device;
  vae->config = *config;
  vae->compute = loader->compute;
  vae->bins = config->mel_bins >> (config->n_mult - 1);
  features = (size_t)(config->latent * vae->bins);
  vae->mean = calloc (features, sizeof *vae->mean);
  vae->std = calloc (features, sizeof *vae->std);
  if (!vae->mean || !vae->std || !load_statistics (loader, vae) ||
      (config->has_decoder && !load_decoder (loader, vae)) ||
      (config->has_encoder && !load_encoder (loader, vae)))
    goto no_memory;
  if (loader->status != DV_OK) {
    dv_audio_vae_free (vae);
    return NULL;
  }
  return vae;

no_memory:
  if (loader->status == DV_OK)
    loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
        "no memory is left for the audio VAE");
  dv_audio_vae_free (vae);
  return NULL;
}

static void
clear_conv (DvDevice *device, Conv *conv)
{
  dv_weight_clear (device, &conv->w);
  dv_plain_clear (device, &conv->bias);
}

static void
clear_block (DvDevice *device, Block *block)
{
  clear_conv (device, &block->conv1);
  clear_conv (device, &block->conv2);
  clear_conv (device, &block->shortcut);
}

static void
clear_half (DvDevice *device, Half *half)
{
  clear_conv (device, &half->in);
  clear_conv (device, &half->out);
  clear_block (device, &half->mid[0]);
  clear_block (device, &half->mid[1]);
  for (int i = 0; i < MAX_LEVELS; i++) {
    for (int k = 0; k < half->level[i].n; k++)
      clear_block (device, &half->level[i].block[k]);
    free (half->level[i].block);
    clear_conv (device, &half->level[i].resample);
  }
}

void
dv_audio_vae_free (DvAudioVae *vae)
{
  if (!vae)
    return;
  clear_half (vae->device, &vae->encoder);
  clear_half (vae->device, &vae->decoder);
  free (vae->mean);
  free (vae->std);
  free (vae);
}

/* ---- running ---- */

typedef struct {
  const DvAudioVae *vae;
  DvStream *stream;
} Run;

/* [1, rows, columns, C] */
static DvTensor
picture (Run *run, DvDtype dtype, int64_t rows, int64_t columns, int64_t c)
{
  return DV_NEW (run->stream, dtype, 1, rows, columns, c);
}

/* Causal in time: 2 rows of zeros in front, none behind. */
static void
conv (Run *run, const DvTensor *out, const DvTensor *x, const Conv *layer,
    const DvTensor *residual)
{
  int kernel = (int)layer->w.shape[3];

  dv_conv (run->stream, &(DvConv){.out = out,
                            .x = x,
                            .w = &layer->w,
                            .bias = &layer->bias,
                            .pad_lo = {0, kernel - 1, kernel / 2},
                            .pad_hi = {0, 0, kernel / 2},
                            .residual = residual});
}

/* silu (PN (x)) */
static DvTensor
normed (Run *run, const DvTensor *x)
{
  int64_t rows = x->shape[1], columns = x->shape[2], c = x->shape[3];
  DvTensor out = picture (run, run->vae->compute, rows, columns, c);
  DvTensor from = DV_RESHAPE (x, rows * columns, c);
  DvTensor to = DV_RESHAPE (&out, rows * columns, c);

  dv_norm (run->stream, &(DvNorm){.out = &to,
                            .x = &from,
                            .kind = DV_NORM_RMS,
                            .eps = EPS,
                            .act = DV_ACT_SILU});
  return out;
}

/* @out = shortcut (x) + conv2 (silu (PN (conv1 (silu (PN (x)))))) */
static void
residual_block (
    Run *run, const DvTensor *out, const DvTensor *x, const Block *block)
{
  size_t mark = dv_mark (run->stream);
  int64_t rows = x->shape[1], columns = x->shape[2];
  DvTensor h = normed (run, x);
  DvTensor middle = picture (run, DV_F32, rows, columns, block->out);
  DvTensor shortcut = *x;

  conv (run, &middle, &h, &block->conv1, NULL);
  h = normed (run, &middle);
  if (block->has_shortcut) {
    shortcut = picture (run, DV_F32, rows, columns, block->out);
    conv (run, &shortcut, x, &block->shortcut, NULL);
  }
  conv (run, out, &h, &block->conv2, &shortcut);
  dv_release (run->stream, mark);
}

/* A residual block, in the place of @x where the channels stay. */
static DvTensor
block (Run *run, const DvTensor *x, const Block *layer)
{
  DvTensor out = *x;

  if (layer->has_shortcut)
    out = picture (run, DV_F32, x->shape[1], x->shape[2], layer->out);
  residual_block (run, &out, x, layer);
  return out;
}

/* Each cell 2 x 2, a causal convolution, without the first row. */
static DvTensor
upsample (Run *run, const DvTensor *x, const Conv *layer)
{
  int64_t rows = x->shape[1], columns = x->shape[2], c = x->shape[3];
  DvTensor out = picture (run, DV_F32, 2 * rows - 1, 2 * columns, c);
  size_t mark = dv_mark (run->stream);
  DvTensor wide = picture (run, run->vae->compute, 2 * rows, 2 * columns, c);
  DvTensor to = DV_RESHAPE (&wide, rows, 2, columns, 2, c);
  DvTensor from = to;

  /* Strides of 0 repeat. */
  from.data = x->data;
  from.dtype = x->dtype;
  from.stride[0] = columns * c;
  from.stride[1] = 0;
  from.stride[2] = c;
  from.stride[3] = 0;
  from.stride[4] = 1;
  dv_map (run->stream, &(DvMap){.out = &to, .x = &from, .kind = DV_MAP_COPY});
  /* Row 0 of the result is not wanted: the rest sees one row of zeros less. */
  dv_conv (run->stream, &(DvConv){.out = &out,
                            .x = &wide,
                            .w = &layer->w,
                            .bias = &layer->bias,
                            .pad_lo = {0, 1, 1},
                            .pad_hi = {0, 0, 1}});
  dv_release (run->stream, mark);
  return out;
}

/* [T, bins, C] of the caller: out = x * s + b by feature. */
static void
affine (Run *run, const DvTensor *out, const DvTensor *x, bool normalise)
{
  const DvAudioVae *vae = run->vae;
  const int64_t n = vae->config.latent * vae->bins, t = x->shape[0];
  size_t mark = dv_mark (run->stream);
  DvTensor s = DV_NEW (run->stream, DV_F32, n);
  DvTensor b = DV_NEW (run->stream, DV_F32, n);
  DvTensor to = DV_RESHAPE (out, t, n), from = *x, row;
  float *host = NULL;

  from.n_dims = 2;
  from.shape[1] = n;
  from.stride[1] = 1;
  if (dv_stream_live (run->stream)) {
    host = malloc (2 * (size_t)n * sizeof *host);
    if (!host) {
      dv_stream_fail (run->stream, DV_ERROR_MEMORY, "sound",
          "no memory for the statistics of the audio VAE");
      return;
    }
    for (int64_t i = 0; i < n; i++) {
      host[i] = normalise ? 1 / vae->std[i] : vae->std[i];
      host[n + i] = normalise ? -vae->mean[i] / vae->std[i] : vae->mean[i];
    }
  }
  row = DV_TENSOR (host, DV_F32, n);
  dv_copy (run->stream, &s, &row);
  row = DV_TENSOR (host ? host + n : NULL, DV_F32, n);
  dv_copy (run->stream, &b, &row);
  dv_map (run->stream,
      &(DvMap){
          .out = &to, .x = &from, .s = &s, .b = &b, .kind = DV_MAP_AFFINE});
  /* The copies may be on their way. */
  if (host)
    dv_stream_status (run->stream, NULL);
  free (host);
  dv_release (run->stream, mark);
}

/* Puts @from, cut or followed by zeros, into @to: both [rows, columns, C]. */
static void
place (Run *run, const DvTensor *to, const DvTensor *from)
{
  int64_t rows = to->shape[0] < from->shape[0] ? to->shape[0] : from->shape[0];
  DvTensor head = dv_slice (to, 0, 0, rows),
           source = dv_slice (from, 0, 0, rows);

  dv_map (
      run->stream, &(DvMap){.out = &head, .x = &source, .kind = DV_MAP_COPY});
  if (rows < to->shape[0]) {
    DvTensor rest = dv_slice (to, 0, rows, to->shape[0] - rows);
    dv_map (
        run->stream, &(DvMap){.out = &rest, .x = &rest, .kind = DV_MAP_FILL});
  }
}

void
dv_audio_vae_decode (const DvAudioVae *vae, DvStream *stream,
    const DvTensor *latent, const DvTensor *mel, const DvProbe *probe)
{
  Run run = {vae, stream};
  size_t mark = dv_mark (stream);
  const Half *half = &vae->decoder;
  const int64_t t = latent->shape[0], c = vae->config.latent;
  DvTensor raw = picture (&run, DV_F32, t, vae->bins, c);
  DvTensor x, h, y, flat;
  char name[32];

  flat = DV_RESHAPE (&raw, t, vae->bins * c);
  affine (&run, &flat, latent, false);
  x = picture (&run, DV_F32, t, vae->bins, half->in.w.shape[0]);
  conv (&run, &x, &raw, &half->in, NULL);
  dv_probe (probe, stream, "conv_in", &x);
  x = block (&run, &x, &half->mid[0]);
  x = block (&run, &x, &half->mid[1]);
  dv_probe (probe, stream, "mid", &x);
  for (int i = vae->config.n_mult - 1; i >= 0; i--) {
    const Level *level = &half->level[i];

    for (int k = 0; k < level->n; k++)
      x = block (&run, &x, &level->block[k]);
    if (level->has_resample) {
      x = upsample (&run, &x, &level->resample);
      snprintf (name, sizeof name, "up%d.upsample", i);
      dv_probe (probe, stream, name, &x);
    }
  }
  h = normed (&run, &x);
  y = picture (&run, DV_F32, x.shape[1], x.shape[2], 2);
  conv (&run, &y, &h, &half->out, NULL);
  y = DV_RESHAPE (&y, y.shape[1], y.shape[2], 2);
  place (&run, mel, &y);
  dv_release (stream, mark);
}

int64_t
dv_audio_vae_latents (const DvAudioVae *vae, int64_t mel_frames)
{
  for (int i = 0; i + 1 < vae->config.n_mult; i++)
    mel_frames = (mel_frames - 1) / 2 + 1;
  return mel_frames;
}

/* 2 rows of zeros in front in time, 1 behind in mel, stride 2. */
static DvTensor
downsample (Run *run, const DvTensor *x, const Conv *layer)
{
  DvTensor out = picture (
      run, DV_F32, (x->shape[1] - 1) / 2 + 1, x->shape[2] / 2, x->shape[3]);

  dv_conv (run->stream, &(DvConv){.out = &out,
                            .x = x,
                            .w = &layer->w,
                            .bias = &layer->bias,
                            .stride = {1, 2, 2},
                            .pad_lo = {0, 2, 0},
                            .pad_hi = {0, 0, 1}});
  return out;
}

void
dv_audio_vae_encode (const DvAudioVae *vae, DvStream *stream,
    const DvTensor *mel, const DvTensor *latent, const DvProbe *probe)
{
  Run run = {vae, stream};
  size_t mark = dv_mark (stream);
  const Half *half = &vae->encoder;
  const int64_t c = vae->config.latent, t = latent->shape[0];
  DvTensor source = DV_RESHAPE (mel, 1, mel->shape[0], mel->shape[1], 2);
  DvTensor x, h, y, mean;

  x = picture (&run, DV_F32, mel->shape[0], mel->shape[1], half->in.w.shape[0]);
  conv (&run, &x, &source, &half->in, NULL);
  dv_probe (probe, stream, "conv_in", &x);
  for (int i = 0; i < vae->config.n_mult; i++) {
    const Level *level = &half->level[i];

    for (int k = 0; k < level->n; k++)
      x = block (&run, &x, &level->block[k]);
    if (level->has_resample)
      x = downsample (&run, &x, &level->resample);
  }
  x = block (&run, &x, &half->mid[0]);
  x = block (&run, &x, &half->mid[1]);
  h = normed (&run, &x);
  y = picture (&run, DV_F32, x.shape[1], x.shape[2], 2 * c);
  conv (&run, &y, &h, &half->out, NULL);
  /* The first half of the channels is the mean; the rest is not used. */
  mean = DV_NEW (stream, DV_F32, t, vae->bins, c);
  y = DV_RESHAPE (&y, y.shape[1], y.shape[2], 2 * c);
  y = dv_slice (&y, 2, 0, c);
  dv_map (stream, &(DvMap){.out = &mean, .x = &y, .kind = DV_MAP_COPY});
  h = DV_RESHAPE (latent, t, vae->bins * c);
  affine (&run, &h, &mean, true);
  dv_release (stream, mark);
}
