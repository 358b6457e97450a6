/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The spatial latent upsampler, x2 (section 12 of docs/ltx2-model.md).
 */
#ifndef DV_LTX2_UPSAMPLER_H
#define DV_LTX2_UPSAMPLER_H

#include "loader.h"
#include "probe.h"

typedef struct DvUpsampler DvUpsampler;

DvUpsampler *dv_upsampler_load (
    DvLoader *loader, const DvUpsamplerConfig *config);
void dv_upsampler_free (DvUpsampler *upsampler);
/* @latent [F, h, w, C] -> @out [F, 2h, 2w, C], both F32 and un-normalised. */
void dv_upsampler_run (const DvUpsampler *upsampler, DvStream *stream,
    const DvTensor *out, const DvTensor *latent);

#endif
