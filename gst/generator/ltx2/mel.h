/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waveforms to log-mel spectrograms, for conditioning on outside sound
 * (section 10.3 of docs/ltx2-model.md).  Host arithmetic.
 */
#ifndef DV_LTX2_MEL_H
#define DV_LTX2_MEL_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define DV_MEL_RATE 16000
#define DV_MEL_WINDOW 1024
#define DV_MEL_HOP 160
#define DV_MEL_BINS 64
#define DV_MEL_FREQUENCIES (DV_MEL_WINDOW / 2 + 1)

/* Planar @samples [channels][n] from @rate to @to_rate (Hz) by a windowed sinc;
 * *@out is [channels][*@n_out], to be freed with free(). */
DvStatus dv_resample (const float *samples, int channels, size_t n, int rate,
    int to_rate, float **out, size_t *n_out, DvError *error);

/* Planar @samples at DV_MEL_RATE -> *@mel [frames, DV_MEL_BINS, channels], to
 * be freed with free(). At least DV_MEL_WINDOW / 2 + 1 samples. */
DvStatus dv_log_mel (const float *samples, int channels, size_t n, float **mel,
    int64_t *frames, DvError *error);

/* The periodic Hann window, and the Slaney filters [frequencies, bins]. */
void dv_mel_window (float window[DV_MEL_WINDOW]);
void dv_mel_filters (float filters[DV_MEL_FREQUENCIES * DV_MEL_BINS]);

#endif
