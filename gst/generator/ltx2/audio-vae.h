/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The audio VAE (sections 8 and 10 of docs/ltx2-model.md).
 */
#ifndef DV_LTX2_AUDIO_VAE_H
#define DV_LTX2_AUDIO_VAE_H

#include "loader.h"
#include "probe.h"

typedef struct DvAudioVae DvAudioVae;

DvAudioVae *dv_audio_vae_load (
    DvLoader *loader, const DvAudioVaeConfig *config);
void dv_audio_vae_free (DvAudioVae *vae);
/* @latent [T, mel / 4, C] F32, normalised -> @mel [max (4T - 3, 1), mel, 2]
 * F32, log-mel, stereo as channels. */
void dv_audio_vae_decode (const DvAudioVae *vae, DvStream *stream,
    const DvTensor *latent, const DvTensor *mel, const DvProbe *probe);
/* @mel [n, mel, 2] -> @latent [T, mel / 4, C], the mean, normalised. */
int64_t dv_audio_vae_latents (const DvAudioVae *vae, int64_t mel_frames);
void dv_audio_vae_encode (const DvAudioVae *vae, DvStream *stream,
    const DvTensor *mel, const DvTensor *latent, const DvProbe *probe);

#endif
