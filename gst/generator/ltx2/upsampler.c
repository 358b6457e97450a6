/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The spatial latent upsampler (section 12 of docs/ltx2-model.md).  Its group
 * norms look at all frames together, so it cannot walk time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "upsampler.h"

#define GROUPS 32
#define EPS 1e-5f
#define MAX_CHANNELS 65536
#define MAX_BLOCKS 64

typedef struct {
  DvWeight w;
  DvTensor bias;
  int64_t out;
} Conv;

typedef struct {
  DvTensor weight, bias;
} Norm;

typedef struct {
  Conv conv1, conv2;
  Norm norm1, norm2;
} Block;

struct DvUpsampler {
  DvDevice *device;
  DvUpsamplerConfig config;
  DvDtype compute;
  Conv initial, wide, final;
  Norm norm;
  Block *block; /* [2][config.blocks]: before and behind the shuffle */
};

static Conv
load_conv (DvLoader *loader, int64_t out, int64_t in, const char *name)
{
  Conv conv = {.out = out};

  conv.w = dv_load (
      loader, DV_USE_CONV, DV_SHAPE (out, in, 3, 3, 3), "%s.weight", name);
  conv.bias = dv_load_plain (loader, DV_SHAPE (out), "%s.bias", name);
  return conv;
}

static Norm
load_norm (DvLoader *loader, int64_t c, const char *name)
{
  return (Norm){
      .weight = dv_load_plain (loader, DV_SHAPE (c), "%s.weight", name),
      .bias = dv_load_plain (loader, DV_SHAPE (c), "%s.bias", name)};
}

static void
load_block (DvLoader *loader, Block *block, int64_t c, const char *name)
{
  char part[64];

  snprintf (part, sizeof part, "%s.conv1", name);
  block->conv1 = load_conv (loader, c, c, part);
  snprintf (part, sizeof part, "%s.norm1", name);
  block->norm1 = load_norm (loader, c, part);
  snprintf (part, sizeof part, "%s.conv2", name);
  block->conv2 = load_conv (loader, c, c, part);
  snprintf (part, sizeof part, "%s.norm2", name);
  block->norm2 = load_norm (loader, c, part);
}

DvUpsampler *
dv_upsampler_load (DvLoader *loader, const DvUpsamplerConfig *config)
{
  const int64_t mid = config->mid;
  DvUpsampler *up;
  const char *name;
  char part[48];

  if (config->in < 1 || config->in > MAX_CHANNELS || mid < GROUPS ||
      mid > MAX_CHANNELS || mid % GROUPS != 0 || config->blocks < 0 ||
      config->blocks > MAX_BLOCKS) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
          "a latent upsampler of %lld channels in %d blocks cannot be: its "
          "config.json is not one of LTX-2 or LTX-2.3",
          (long long)mid, config->blocks);
    return NULL;
  }
  up = calloc (1, sizeof *up);
  if (up)
    up->block = calloc ((size_t)config->blocks * 2 + 1, sizeof *up->block);
  if (!up || !up->block) {
    free (up);
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
          "no memory is left for the latent upsampler");
    return NULL;
  }
  up->device = loader->device;
  up->config = *config;
  up->compute = loader->compute;
  up->initial = load_conv (loader, mid, config->in, "initial_conv");
  up->norm = load_norm (loader, mid, "initial_norm");
  for (int i = 0; i < 2 * config->blocks; i++) {
    snprintf (part, sizeof part, "%s.%d",
        i < config->blocks ? "res_blocks" : "post_upsample_res_blocks",
        i % config->blocks);
    load_block (loader, &up->block[i], mid, part);
  }
  name = config->rational ? "upsampler.conv" : "upsampler.0";
  up->wide.out = 4 * mid;
  up->wide.w = dv_load (
      loader, DV_USE_CONV, DV_SHAPE (4 * mid, mid, 1, 3, 3), "%s.weight", name);
  up->wide.bias = dv_load_plain (loader, DV_SHAPE (4 * mid), "%s.bias", name);
  up->final = load_conv (loader, config->in, mid, "final_conv");
  if (config->rational)
    dv_loader_ignore (loader, "upsampler.blur_down.kernel");
  return up;
}

static void
clear_conv (DvDevice *device, Conv *conv)
{
  dv_weight_clear (device, &conv->w);
  dv_plain_clear (device, &conv->bias);
}

static void
clear_norm (DvDevice *device, Norm *norm)
{
  dv_plain_clear (device, &norm->weight);
  dv_plain_clear (device, &norm->bias);
}

void
dv_upsampler_free (DvUpsampler *up)
{
  if (!up)
    return;
  clear_conv (up->device, &up->initial);
  clear_conv (up->device, &up->wide);
  clear_conv (up->device, &up->final);
  clear_norm (up->device, &up->norm);
  for (int i = 0; i < 2 * up->config.blocks; i++) {
    clear_conv (up->device, &up->block[i].conv1);
    clear_conv (up->device, &up->block[i].conv2);
    clear_norm (up->device, &up->block[i].norm1);
    clear_norm (up->device, &up->block[i].norm2);
  }
  free (up->block);
  free (up);
}

/* ---- running ---- */

static void
convolve (
    DvStream *stream, const Conv *conv, const DvTensor *out, const DvTensor *x)
{
  dv_conv (stream, &(DvConv){.out = out,
                       .x = x,
                       .w = &conv->w,
                       .bias = &conv->bias,
                       .pad_lo = {1, 1, 1},
                       .pad_hi = {1, 1, 1}});
}

/* @out = silu (GN (@x) [+ @residual]). */
static void
normalise (DvStream *stream, const Norm *norm, const DvTensor *out,
    const DvTensor *x, const DvTensor *residual)
{
  dv_group_norm (stream, &(DvGroupNorm){.out = out,
                             .x = x,
                             .weight = &norm->weight,
                             .bias = &norm->bias,
                             .groups = GROUPS,
                             .eps = EPS,
                             .act = DV_ACT_SILU,
                             .residual = residual});
}

/* @x as convolutions read it: itself, or a copy in @t. */
static const DvTensor *
readable (DvStream *stream, const DvTensor *x, const DvTensor *t)
{
  if (x->dtype == t->dtype)
    return x;
  dv_map (stream, &(DvMap){.out = t, .x = x, .kind = DV_MAP_COPY});
  return t;
}

/* The residual blocks of one size, in place. @t holds what convolutions read,
 * @u what they wrote. */
static void
run_blocks (DvStream *stream, const Block *block, int n, const DvTensor *x,
    const DvTensor *t, const DvTensor *u)
{
  for (int i = 0; i < n; i++) {
    convolve (stream, &block[i].conv1, u, readable (stream, x, t));
    normalise (stream, &block[i].norm1, t, u, NULL);
    convolve (stream, &block[i].conv2, u, t);
    normalise (stream, &block[i].norm2, x, u, x);
  }
}

/* Each frame alone: four times the channels, shuffled into 2 x 2 cells. */
static void
double_size (const DvUpsampler *up, DvStream *stream, const DvTensor *out,
    const DvTensor *x)
{
  const size_t mark = dv_mark (stream);
  DvTensor wide =
      DV_NEW (stream, DV_F32, 1, x->shape[1], x->shape[2], 4 * up->config.mid);

  for (int64_t i = 0; i < x->shape[0]; i++) {
    DvTensor frame = dv_slice (x, 0, i, 1), to = dv_slice (out, 0, i, 1);

    dv_conv (stream, &(DvConv){.out = &wide,
                         .x = &frame,
                         .w = &up->wide.w,
                         .bias = &up->wide.bias,
                         .pad_lo = {0, 1, 1},
                         .pad_hi = {0, 1, 1}});
    dv_shuffle (stream, &(DvShuffle){.out = &to,
                            .x = &wide,
                            .kind = DV_DEPTH_TO_SPACE,
                            .factor = {1, 2, 2}});
  }
  dv_release (stream, mark);
}

/* Whether @latent fits @out; says why not in the stream. */
static bool
acceptable (const DvUpsampler *up, DvStream *stream, const DvTensor *out,
    const DvTensor *latent)
{
  char from[96], to[96];
  bool fits;

  if (stream->status != DV_OK)
    return false;
  fits = out->n_dims == 4 && latent->n_dims == 4 && out->dtype == DV_F32 &&
         latent->dtype == DV_F32 && latent->shape[3] == up->config.in &&
         out->shape[3] == up->config.in && out->shape[0] == latent->shape[0] &&
         latent->shape[1] <= INT16_MAX && latent->shape[2] <= INT16_MAX &&
         out->shape[1] == 2 * latent->shape[1] &&
         out->shape[2] == 2 * latent->shape[2];
  for (int a = 0; fits && a < 3; a++)
    fits = latent->shape[a] >= 1;
  if (!fits)
    dv_stream_fail (stream, DV_ERROR_ARGUMENT, "upsample",
        "a latent %s cannot be upsampled into %s by a model of %lld channels",
        dv_tensor_describe (latent, from, sizeof from),
        dv_tensor_describe (out, to, sizeof to), (long long)up->config.in);
  return fits;
}

void
dv_upsampler_run (const DvUpsampler *up, DvStream *stream, const DvTensor *out,
    const DvTensor *latent)
{
  const size_t mark = dv_mark (stream);
  const int64_t f = latent->shape[0], h = latent->shape[1];
  const int64_t w = latent->shape[2], mid = up->config.mid;
  const int n = up->config.blocks;
  DvTensor in, big, x, t, u;
  size_t small;

  if (!acceptable (up, stream, out, latent))
    return;
  /* What is added up stays F32. */
  big = DV_NEW (stream, DV_F32, f, 2 * h, 2 * w, mid);
  small = dv_mark (stream);
  x = DV_NEW (stream, DV_F32, f, h, w, mid);
  t = DV_NEW (stream, up->compute, f, h, w, mid);
  u = DV_NEW (stream, DV_F32, f, h, w, mid);
  in = DV_NEW (stream, up->compute, f, h, w, up->config.in);
  convolve (stream, &up->initial, &u, readable (stream, latent, &in));
  normalise (stream, &up->norm, &x, &u, NULL);
  run_blocks (stream, up->block, n, &x, &t, &u);
  double_size (up, stream, &big, readable (stream, &x, &t));
  dv_release (stream, small);
  t = DV_NEW (stream, up->compute, f, 2 * h, 2 * w, mid);
  u = DV_NEW (stream, DV_F32, f, 2 * h, 2 * w, mid);
  run_blocks (stream, up->block + n, n, &big, &t, &u);
  convolve (stream, &up->final, out, readable (stream, &big, &t));
  dv_release (stream, mark);
}
