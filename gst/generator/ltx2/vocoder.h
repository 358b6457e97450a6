/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Log-mel to samples: HiFi-GAN of LTX-2, BigVGAN with bandwidth extension of
 * LTX-2.3 (section 11 of docs/ltx2-model.md); the latter is always F32.
 */
#ifndef DV_LTX2_VOCODER_H
#define DV_LTX2_VOCODER_H

#include "loader.h"
#include "probe.h"

typedef struct DvVocoder DvVocoder;

DvVocoder *dv_vocoder_load (DvLoader *loader, const DvVocoderConfig *config);
void dv_vocoder_free (DvVocoder *vocoder);
int dv_vocoder_rate (const DvVocoder *vocoder); /* Hz */
/* Samples (a channel) for so many mel frames. */
int64_t dv_vocoder_samples (const DvVocoder *vocoder, int64_t mel_frames);
/* @mel [T, 64, 2] F32 -> @wave [samples, 2] F32 in [-1, 1]. */
void dv_vocoder_run (const DvVocoder *vocoder, DvStream *stream,
    const DvTensor *mel, const DvTensor *wave, const DvProbe *probe);

#endif
