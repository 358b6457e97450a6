/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See dit-rig.h. CPU devices only: tensors are host memory.
 */
#include "dit-rig.h"

#include <stdlib.h>

#include <check.h>

DvDitConfig
dit_rig_config (bool v23)
{
  return (DvDitConfig){
      .video = {RIG_CHANNELS, RIG_CHANNELS, 4, 8, 32},
      .audio = {RIG_CHANNELS, RIG_CHANNELS, 4, 4, 16},
      .layers = 2,
      .caption = 12,
      .gated = v23,
      .cross_mod = v23,
      .caption_projection = !v23,
      .rope_theta = 10000,
      .rope_double = true,
      .max_t = 20,
      .max_y = 2048,
      .max_x = 2048,
      .audio_max = 20,
      .timestep_scale = 1000,
      .cross_timestep_scale = 1000,
      .eps = 1e-6f,
  };
}

static DvTensor
made_tensor (int64_t rows, int64_t columns, uint64_t seed)
{
  DvTensor t = dv_tensor_new (DV_F32, 2, (int64_t[]){rows, columns});

  made_numbers (t.data, (size_t)(rows * columns), seed, 1.7f);
  return t;
}

DitRig *
dit_rig_new (const char *backend, int threads, DvDtype compute, bool v23,
    int64_t f, int64_t h, int64_t t)
{
  DitRig *rig = calloc (1, sizeof *rig);
  DvDeviceSpec spec = {.backend = backend, .threads = threads};
  DvDitConfig config = dit_rig_config (v23);

  ck_assert_ptr_nonnull (rig);
  rig->device = dv_device_open (&spec, NULL);
  ck_assert_ptr_nonnull (rig->device);
  rig->made = made_loader_new (rig->device, compute);
  rig->dit = dv_dit_load (&rig->made->loader, &config);
  ck_assert_ptr_nonnull (rig->dit);
  ck_assert_int_eq (
      dv_positions_video (&rig->positions[0], f, h, 3, 24, 0, NULL), DV_OK);
  ck_assert_int_eq (dv_positions_audio (&rig->positions[1], t, NULL), DV_OK);
  for (int i = 0; i < 2; i++) {
    int64_t m = rig->positions[i].tokens, width = i ? 16 : 32;

    rig->latent[i] = made_tensor (m, RIG_CHANNELS, 11 + (uint64_t)i);
    rig->velocity[i] = made_tensor (m, RIG_CHANNELS, 0);
    rig->context[i] =
        made_tensor (RIG_ROWS, v23 ? width : 12, 21 + (uint64_t)i);
    rig->mask[i] = dv_tensor_new (DV_F32, 1, &m);
    for (int64_t n = 0; n < m; n++)
      ((float *)rig->mask[i].data)[n] = n % 5 == 1 ? 0 : n % 5 == 3 ? 0.3f : 1;
  }
  return rig;
}

void
dit_rig_free (DitRig *rig)
{
  for (int i = 0; i < 2; i++) {
    dv_positions_clear (&rig->positions[i]);
    dv_tensor_clear (&rig->latent[i]);
    dv_tensor_clear (&rig->context[i]);
    dv_tensor_clear (&rig->mask[i]);
    dv_tensor_clear (&rig->velocity[i]);
  }
  dv_dit_free (rig->dit);
  made_loader_free (rig->made);
  dv_device_unref (rig->device);
  free (rig);
}

DvDitForward
dit_rig_forward (DitRig *rig, bool masked)
{
  DvDitForward forward = {.sigma = 0.7f, .skip_attention = -1};
  DvDitSide *side[2] = {&forward.video, &forward.audio};

  for (int i = 0; i < 2; i++)
    *side[i] = (DvDitSide){
        .latent = &rig->latent[i],
        .context = &rig->context[i],
        .mask = masked ? &rig->mask[i] : NULL,
        .positions = &rig->positions[i],
        .velocity = &rig->velocity[i],
    };
  return forward;
}

size_t
dit_rig_plan (DitRig *rig, const DvDitForward *forward)
{
  DvStream *stream = dv_stream_new_dry (rig->device, NULL);
  DvError error = {0};
  size_t bytes;

  ck_assert_ptr_nonnull (stream);
  dv_dit_run (rig->dit, stream, forward, NULL, NULL);
  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  ck_assert_uint_eq (stream->arena.used, 0);
  bytes = stream->arena.peak;
  dv_stream_free (stream);
  return bytes;
}

DvStatus
dit_rig_run (DitRig *rig, const DvDitForward *forward, DvDitCache *cache)
{
  size_t bytes = dit_rig_plan (rig, forward);
  DvStream *stream = dv_stream_new (rig->device, bytes, NULL);
  DvStatus status;

  ck_assert_ptr_nonnull (stream);
  dv_dit_run (rig->dit, stream, forward, cache, NULL);
  status = dv_stream_status (stream, NULL);
  ck_assert_uint_le (stream->arena.peak, bytes);
  if (!cache && status == DV_OK)
    ck_assert_uint_eq (stream->arena.peak, bytes);
  dv_stream_free (stream);
  return status;
}
