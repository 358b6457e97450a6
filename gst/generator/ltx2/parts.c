/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Loading the networks of a model, or counting what loading them would take.
 */
#include <stdio.h>
#include <string.h>

#include "ltx2-private.h"

static void
load_object (DvLoader *loader, const DvLtx2Config *config, DvLtx2Parts *parts)
{
  switch (loader->part) {
    case DV_PART_GEMMA:
      parts->gemma = dv_gemma_load (loader, &config->gemma);
      break;
    case DV_PART_CONNECTORS:
      parts->connectors = dv_connectors_load (loader, &config->text);
      break;
    case DV_PART_DIT:
      parts->dit = dv_dit_load (loader, &config->dit);
      break;
    case DV_PART_VIDEO_VAE:
      parts->video_vae = dv_video_vae_load (loader, &config->video_vae);
      break;
    case DV_PART_AUDIO_VAE:
      parts->audio_vae = dv_audio_vae_load (loader, &config->audio_vae);
      break;
    case DV_PART_VOCODER:
      parts->vocoder = dv_vocoder_load (loader, &config->vocoder);
      break;
    case DV_PART_UPSAMPLER:
      parts->upsampler = dv_upsampler_load (loader, &config->upsampler);
      break;
    case DV_N_PARTS:
      break;
  }
}

DvStatus
dv_ltx2_load_part (const DvLtx2 *model, DvPart part, bool counting,
    const DvLoras *loras, bool (*progress) (void *user, uint64_t done),
    void *user, DvLtx2Parts *parts, DvPartBytes *bytes, DvError *error)
{
  DvLoader loader = {.device = model->device,
      .checkpoint = model->checkpoint,
      .part = part,
      .compute = model->compute,
      .loras = part == DV_PART_DIT ? loras : NULL,
      .progress = progress,
      .user = user,
      .counting = counting,
      .parked = counting ? 0 : model->plan.part[part].parked};
  DvStatus status;

  if (part == DV_PART_UPSAMPLER && !model->config->has_upsampler)
    return DV_OK;
  /* BF16 ruins the spectrum of LTX-2.3's (section 11.2). */
  if (part == DV_PART_VOCODER && model->config->vocoder.extended)
    loader.compute = DV_F32;
  status = dv_loader_begin (&loader, error);
  if (status != DV_OK)
    return status;
  load_object (&loader, model->config, parts);
  status = dv_loader_finish (&loader, error);
  if (status == DV_OK && loader.n_extra > 0 && model->say && !counting) {
    char text[320];

    snprintf (text, sizeof text,
        "%s: %zu tensors are not used, %s the first of them",
        dv_part_name (part), loader.n_extra, loader.extra);
    model->say (model->user, text);
  }
  bytes->mapped = loader.bytes_read;
  bytes->resident = loader.bytes_resident;
  bytes->scratch = loader.bytes_scratch;
  if (status == DV_OK && part == DV_PART_GEMMA) {
    bytes->layers = dv_gemma_layers (parts->gemma);
    bytes->layer = dv_gemma_layer_bytes (parts->gemma);
  } else if (status == DV_OK && part == DV_PART_DIT) {
    bytes->layers = dv_dit_layers (parts->dit);
    bytes->layer = dv_dit_layer_bytes (parts->dit);
  }
  return status;
}

void
dv_ltx2_parts_clear (DvLtx2Parts *parts)
{
  dv_gemma_free (parts->gemma);
  dv_connectors_free (parts->connectors);
  dv_dit_free (parts->dit);
  dv_upsampler_free (parts->upsampler);
  dv_video_vae_free (parts->video_vae);
  dv_audio_vae_free (parts->audio_vae);
  dv_vocoder_free (parts->vocoder);
  memset (parts, 0, sizeof *parts);
}
