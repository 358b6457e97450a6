/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One generator of a vocoder: HiFi-GAN's form for LTX-2, BigVGAN's for LTX-2.3
 * (sections 11.1 and 11.2 of docs/ltx2-model.md).
 */
#include <stdio.h>
#include <stdlib.h>

#include "vocoder-private.h"

#define EDGE_KERNEL 7     /* of conv_in and conv_out */
#define FINAL_SLOPE 0.01f /* before conv_out: not the blocks' slope */
#define TAPS 12

/* ---- loading ---- */

static DvGanConv
load_conv (DvLoader *loader, DvUse use, int64_t a, int64_t b, int64_t kernel,
    bool bias, const char *name)
{
  DvGanConv conv = {0};

  if (use == DV_USE_CONV_UP1)
    conv.w = dv_load (loader, use, DV_SHAPE (a, b, kernel), "%s.weight", name);
  else
    conv.w =
        dv_load (loader, use, DV_SHAPE (a, b, 1, 1, kernel), "%s.weight", name);
  if (bias)
    conv.bias = dv_load_plain (
        loader, DV_SHAPE (use == DV_USE_CONV_UP1 ? b : a), "%s.bias", name);
  return conv;
}

static DvGanSnake
load_snake (DvLoader *loader, int64_t channels, const char *name)
{
  DvGanSnake snake;

  snake.alpha =
      dv_load_plain (loader, DV_SHAPE (channels), "%s.act.alpha", name);
  snake.beta = dv_load_plain (loader, DV_SHAPE (channels), "%s.act.beta", name);
  snake.up =
      dv_load_plain (loader, DV_SHAPE (TAPS), "%s.upsample.filter", name);
  snake.down =
      dv_load_plain (loader, DV_SHAPE (TAPS), "%s.downsample.filter", name);
  return snake;
}

static void
load_block (DvLoader *loader, DvGanBlock *block, const DvGanConfig *config,
    int64_t channels, int kernel, const char *name)
{
  char part[128];

  for (int i = 0; i < 2; i++)
    for (int k = 0; k < DV_GAN_DILATIONS; k++) {
      snprintf (part, sizeof part, "%s.convs%d.%d", name, i + 1, k);
      block->conv[i][k] = load_conv (
          loader, DV_USE_CONV, channels, channels, kernel, true, part);
      if (!config->snake)
        continue;
      snprintf (part, sizeof part, "%s.acts%d.%d", name, i + 1, k);
      block->act[i][k] = load_snake (loader, channels, part);
    }
}

static bool
possible (const DvGanConfig *config)
{
  if (config->in < 1 || config->in > 65536 || config->out < 1 ||
      config->out > 64 || config->n_rates < 1 ||
      config->n_rates > DV_MAX_RATES || config->n_res < 1 ||
      config->n_res > DV_MAX_RATES || config->hidden < 1 ||
      config->hidden > 65536 || config->hidden >> config->n_rates < 1)
    return false;
  for (int i = 0; i < config->n_rates; i++)
    if (config->rates[i] < 1 || config->rates[i] > 64 ||
        config->kernels[i] < config->rates[i] || config->kernels[i] > 256)
      return false;
  for (int i = 0; i < config->n_res; i++)
    if (config->res_kernels[i] < 1 || config->res_kernels[i] > 256 ||
        config->res_kernels[i] % 2 == 0)
      return false;
  for (int i = 0; i < DV_GAN_DILATIONS; i++)
    if (config->dilations[i] < 1 || config->dilations[i] > 256)
      return false;
  return true;
}

bool
dv_gan_load (
    DvGan *gan, DvLoader *loader, const DvGanConfig *config, const char *prefix)
{
  char name[64];

  gan->device = loader->device;
  gan->config = *config;
  gan->compute = loader->compute;
  if (!possible (config)) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
          "a vocoder of %lld channels and %d stages cannot be: its "
          "config.json is not one of LTX-2 or LTX-2.3",
          (long long)config->hidden, config->n_rates);
    return false;
  }
  gan->block =
      calloc ((size_t)(config->n_rates * config->n_res), sizeof *gan->block);
  if (!gan->block) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
          "no memory is left for the vocoder");
    return false;
  }
  snprintf (name, sizeof name, "%sconv_in", prefix);
  gan->in = load_conv (
      loader, DV_USE_CONV, config->hidden, config->in, EDGE_KERNEL, true, name);
  for (int i = 0; i < config->n_rates; i++) {
    int64_t c = config->hidden >> (i + 1);

    snprintf (name, sizeof name, "%supsamplers.%d", prefix, i);
    gan->up[i] = load_conv (loader, DV_USE_CONV_UP1, config->hidden >> i, c,
        config->kernels[i], true, name);
    for (int k = 0; k < config->n_res; k++) {
      int at = i * config->n_res + k;

      snprintf (name, sizeof name, "%sresnets.%d", prefix, at);
      load_block (
          loader, &gan->block[at], config, c, config->res_kernels[k], name);
    }
  }
  if (config->snake) {
    snprintf (name, sizeof name, "%sact_out", prefix);
    gan->act_out = load_snake (loader, config->hidden >> config->n_rates, name);
  }
  snprintf (name, sizeof name, "%sconv_out", prefix);
  gan->out = load_conv (loader, DV_USE_CONV, config->out,
      config->hidden >> config->n_rates, EDGE_KERNEL, config->final_bias, name);
  return loader->status == DV_OK;
}

static void
clear_conv (DvDevice *device, DvGanConv *conv)
{
  dv_weight_clear (device, &conv->w);
  dv_plain_clear (device, &conv->bias);
}

static void
clear_snake (DvDevice *device, DvGanSnake *snake)
{
  dv_plain_clear (device, &snake->alpha);
  dv_plain_clear (device, &snake->beta);
  dv_plain_clear (device, &snake->up);
  dv_plain_clear (device, &snake->down);
}

void
dv_gan_clear (DvGan *gan)
{
  int n = gan->block ? gan->config.n_rates * gan->config.n_res : 0;

  clear_conv (gan->device, &gan->in);
  clear_conv (gan->device, &gan->out);
  clear_snake (gan->device, &gan->act_out);
  for (int i = 0; i < DV_MAX_RATES; i++)
    clear_conv (gan->device, &gan->up[i]);
  for (int b = 0; b < n; b++)
    for (int i = 0; i < 2; i++)
      for (int k = 0; k < DV_GAN_DILATIONS; k++) {
        clear_conv (gan->device, &gan->block[b].conv[i][k]);
        clear_snake (gan->device, &gan->block[b].act[i][k]);
      }
  free (gan->block);
  gan->block = NULL;
}

/* ---- running ---- */

typedef struct {
  const DvGan *gan;
  DvStream *stream;
  const DvProbe *probe;
} Run;

/* Steps after stage @i of @steps before it. */
static int64_t
stage_steps (const DvGanConfig *config, int i, int64_t steps)
{
  int pad = (config->kernels[i] - config->rates[i]) / 2;

  return (steps - 1) * config->rates[i] - 2 * pad + config->kernels[i];
}

int64_t
dv_gan_samples (const DvGanConfig *config, int64_t frames)
{
  for (int i = 0; i < config->n_rates; i++)
    frames = stage_steps (config, i, frames);
  return frames;
}

static DvTensor
sound (Run *run, DvDtype dtype, int64_t steps, int64_t channels)
{
  return DV_NEW (run->stream, dtype, steps, channels);
}

/* "same" convolution along time. */
static void
conv (Run *run, const DvTensor *out, const DvTensor *x, const DvGanConv *layer,
    int dilation, const DvTensor *residual)
{
  int reach = (int)(layer->w.shape[4] - 1) * dilation / 2;
  DvTensor to = DV_RESHAPE (out, 1, 1, out->shape[0], out->shape[1]);
  DvTensor from = DV_RESHAPE (x, 1, 1, x->shape[0], x->shape[1]);
  DvTensor sum;

  if (residual)
    sum = DV_RESHAPE (residual, 1, 1, residual->shape[0], residual->shape[1]);
  dv_conv (run->stream, &(DvConv){.out = &to,
                            .x = &from,
                            .w = &layer->w,
                            .bias = layer->bias.n_dims ? &layer->bias : NULL,
                            .dilation = {1, 1, dilation},
                            .pad_lo = {0, 0, reach},
                            .pad_hi = {0, 0, reach},
                            .residual = residual ? &sum : NULL});
}

/* What stands before a convolution: leaky ReLU, or a snake. */
static void
activate (Run *run, const DvTensor *out, const DvTensor *x,
    const DvGanSnake *snake, float slope)
{
  if (run->gan->config.snake)
    dv_snake (run->stream, &(DvSnake){.out = out,
                               .x = x,
                               .alpha = &snake->alpha,
                               .beta = &snake->beta,
                               .up = &snake->up,
                               .down = &snake->down});
  else
    dv_map (run->stream,
        &(DvMap){.out = out, .x = x, .kind = DV_MAP_LEAKY, .p = slope});
}

/* @out = x after x += conv2 (act2 (conv1 (act1 (x)))) for each dilation */
static void
residual_block (Run *run, const DvTensor *out, const DvTensor *x,
    const DvGanBlock *block, bool first)
{
  const DvGanConfig *config = &run->gan->config;
  size_t mark = dv_mark (run->stream);
  int64_t steps = x->shape[0], c = x->shape[1];
  DvTensor a = sound (run, run->gan->compute, steps, c);
  DvTensor h = sound (run, DV_F32, steps, c);

  for (int k = 0; k < DV_GAN_DILATIONS; k++) {
    activate (run, &a, x, &block->act[0][k], config->slope);
    if (first && k == 0)
      dv_probe (run->probe, run->stream, "resnet0.act0", &a);
    conv (run, &h, &a, &block->conv[0][k], config->dilations[k], NULL);
    activate (run, &a, &h, &block->act[1][k], config->slope);
    conv (run, out, &a, &block->conv[1][k], 1, x);
    x = out;
  }
  if (first)
    dv_probe (run->probe, run->stream, "resnet0", out);
  dv_release (run->stream, mark);
}

/* @out = the mean of the stage's residual blocks of @x */
static void
mean_of_blocks (Run *run, const DvTensor *out, const DvTensor *x, int stage)
{
  const int n = run->gan->config.n_res;
  const DvGanBlock *block = run->gan->block + stage * n;
  size_t mark = dv_mark (run->stream);
  DvTensor y = sound (run, DV_F32, x->shape[0], x->shape[1]);

  residual_block (run, out, x, block, stage == 0);
  for (int k = 1; k < n; k++) {
    residual_block (run, &y, x, block + k, false);
    dv_map (run->stream,
        &(DvMap){.out = out, .x = out, .y = &y, .kind = DV_MAP_ADD});
  }
  dv_map (run->stream,
      &(DvMap){
          .out = out, .x = out, .kind = DV_MAP_SCALE, .p = 1.0f / (float)n});
  dv_release (run->stream, mark);
}

void
dv_gan_run (const DvGan *gan, DvStream *stream, const DvTensor *mel,
    const DvTensor *wave, const DvProbe *probe)
{
  Run run = {gan, stream, probe};
  const DvGanConfig *config = &gan->config;
  size_t mark = dv_mark (stream);
  DvTensor x = sound (&run, DV_F32, mel->shape[0], config->hidden), up, a;

  conv (&run, &x, mel, &gan->in, 1, NULL);
  dv_probe (probe, stream, "conv_in", &x);
  for (int i = 0; i < config->n_rates; i++) {
    int64_t steps = stage_steps (config, i, x.shape[0]);
    DvTensor next = sound (&run, DV_F32, steps, x.shape[1] / 2);
    size_t scratch = dv_mark (stream);

    up = sound (&run, DV_F32, steps, x.shape[1] / 2);
    if (!config->snake)
      dv_map (stream,
          &(DvMap){
              .out = &x, .x = &x, .kind = DV_MAP_LEAKY, .p = config->slope});
    dv_conv_up1 (
        stream, &(DvConvUp1){.out = &up,
                    .x = &x,
                    .w = &gan->up[i].w,
                    .bias = &gan->up[i].bias,
                    .stride = config->rates[i],
                    .pad = (config->kernels[i] - config->rates[i]) / 2});
    if (i == 0)
      dv_probe (probe, stream, "up0", &up);
    mean_of_blocks (&run, &next, &up, i);
    dv_release (stream, scratch);
    x = next;
  }
  a = sound (&run, gan->compute, x.shape[0], x.shape[1]);
  activate (&run, &a, &x, &gan->act_out, FINAL_SLOPE);
  dv_probe (probe, stream, "act_out", &a);
  conv (&run, wave, &a, &gan->out, 1, NULL);
  if (config->final_tanh)
    dv_map (stream, &(DvMap){.out = wave, .x = wave, .kind = DV_MAP_TANH});
  dv_release (stream, mark);
}
