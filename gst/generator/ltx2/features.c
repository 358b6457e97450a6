/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The feature extractor: hidden states of all layers, normalised, laid side by
 * side and projected (section 3.3 of docs/ltx2-model.md).
 *
 * What is projected, [n, D L], is as large as all hidden states together, so
 * it is made for some rows at a time.
 *
 * Threads: after loading it is only read and may be shared.
 */
#include <math.h>
#include <stdlib.h>

#include "text-private.h"

#define EPS 1e-6f
#define ROWS 128 /* at a time: enough to keep a product busy */

struct DvFeatures {
  DvDevice *device;
  DvTextConfig config;
  DvDtype compute;
  DvLinear video, audio; /* LTX-2: the first serves both */
};

/* ---- loading ---- */

DvFeatures *
dv_features_load (DvLoader *loader, const DvTextConfig *config)
{
  DvFeatures *features = calloc (1, sizeof *features);
  int64_t flat = config->caption * config->hidden_states;

  if (!features) {
    dv_text_no_memory (loader, "feature extractor");
    return NULL;
  }
  features->device = dv_device_ref (loader->device);
  features->config = *config;
  features->compute = loader->compute;
  if (config->per_modality) {
    features->video =
        dv_load_linear (loader, config->video.heads * config->video.head_dim,
            flat, config->proj_bias, "video_text_proj_in");
    features->audio =
        dv_load_linear (loader, config->audio.heads * config->audio.head_dim,
            flat, config->proj_bias, "audio_text_proj_in");
  } else {
    features->video = dv_load_linear (
        loader, config->caption, flat, config->proj_bias, "text_proj_in");
  }
  if (loader->status == DV_OK)
    return features;
  dv_features_free (features);
  return NULL;
}

void
dv_features_free (DvFeatures *features)
{
  if (!features)
    return;
  dv_linear_clear (features->device, &features->video);
  dv_linear_clear (features->device, &features->audio);
  dv_device_unref (features->device);
  free (features);
}

/* ---- running ---- */

/* Rows [start, start + count) of @hidden [L, n, D] as [count, D, L]. */
static DvTensor
layers_last (const DvTensor *hidden, int64_t start, int64_t count)
{
  DvTensor rows = dv_slice (hidden, 1, start, count);

  return dv_permute (&rows, (const int[]){1, 2, 0});
}

static DvTensor
flattened (const DvTensor *f)
{
  return DV_RESHAPE (f, f->shape[0], f->shape[1] * f->shape[2]);
}

/* LTX-2: f = 8 (h - mean) / (largest - least), by layer, for both. */
static void
project_spread (const DvFeatures *features, DvStream *stream,
    const DvTensor *hidden, const DvTensor *video, const DvTensor *audio)
{
  int64_t L = hidden->shape[0], n = hidden->shape[1], D = hidden->shape[2];
  size_t mark = dv_mark (stream);
  DvTensor s = DV_NEW (stream, DV_F32, L), b = DV_NEW (stream, DV_F32, L);
  int64_t most = n < ROWS ? n : ROWS;
  DvTensor block = DV_NEW (stream, features->compute, most, D, L);

  dv_spread (stream,
      &(DvSpread){.s = &s, .b = &b, .x = hidden, .scale = 8, .eps = EPS});
  for (int64_t row = 0; row < n; row += most) {
    int64_t count = n - row < most ? n - row : most;
    DvTensor from = layers_last (hidden, row, count);
    DvTensor f = dv_slice (&block, 0, 0, count), flat = flattened (&f);
    DvTensor out = dv_slice (video, 0, row, count);

    dv_map (stream,
        &(DvMap){
            .out = &f, .x = &from, .s = &s, .b = &b, .kind = DV_MAP_AFFINE});
    dv_text_linear (stream, &out, &flat, &features->video, DV_ACT_NONE, NULL);
  }
  dv_map (stream, &(DvMap){.out = audio, .x = video, .kind = DV_MAP_COPY});
  dv_release (stream, mark);
}

/* LTX-2.3, one modality: e = w (f sqrt (width / D)) + bias, f = [D, L]. */
static void
project_scaled (const DvFeatures *features, DvStream *stream,
    const DvTensor *normed, const DvLinear *linear, const DvTensor *out)
{
  DvTensor from = layers_last (normed, 0, normed->shape[1]);
  size_t mark = dv_mark (stream);
  DvTensor f = DV_NEW (
      stream, features->compute, from.shape[0], from.shape[1], from.shape[2]);
  DvTensor flat = flattened (&f);

  dv_map (
      stream, &(DvMap){.out = &f,
                  .x = &from,
                  .kind = DV_MAP_SCALE,
                  .p = sqrtf ((float)out->shape[1] / (float)from.shape[1])});
  dv_text_linear (stream, out, &flat, linear, DV_ACT_NONE, NULL);
  dv_release (stream, mark);
}

/* LTX-2.3: f = h / sqrt (mean (h^2) + eps), by token and layer. */
static void
project_rms (const DvFeatures *features, DvStream *stream,
    const DvTensor *hidden, const DvTensor *video, const DvTensor *audio)
{
  int64_t L = hidden->shape[0], n = hidden->shape[1], D = hidden->shape[2];
  int64_t most = n < ROWS / 2 ? n : ROWS / 2;
  size_t mark = dv_mark (stream);

  for (int64_t row = 0; row < n; row += most) {
    int64_t count = n - row < most ? n - row : most;
    DvTensor normed = DV_NEW (stream, DV_F32, L, count, D);
    DvTensor v = dv_slice (video, 0, row, count);
    DvTensor a = dv_slice (audio, 0, row, count);

    for (int64_t l = 0; l < L; l++) {
      DvTensor layer = dv_index (hidden, l), to = dv_index (&normed, l);
      DvTensor from = dv_slice (&layer, 0, row, count);

      dv_norm (stream,
          &(DvNorm){.out = &to, .x = &from, .kind = DV_NORM_RMS, .eps = EPS});
    }
    project_scaled (features, stream, &normed, &features->video, &v);
    project_scaled (features, stream, &normed, &features->audio, &a);
    dv_release (stream, mark);
  }
}

void
dv_features_run (const DvFeatures *features, DvStream *stream,
    const DvTensor *hidden, const DvTensor *video, const DvTensor *audio)
{
  if (features->config.per_modality)
    project_rms (features, stream, hidden, video, audio);
  else
    project_spread (features, stream, hidden, video, audio);
}
