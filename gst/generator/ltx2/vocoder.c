/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Log-mel to samples (section 11 of docs/ltx2-model.md): the generator, and
 * for LTX-2.3 the extension of its bandwidth from 16 to 48 kHz by a second
 * one.
 */
#include "vocoder.h"

#include <math.h>
#include <stdlib.h>

#include "vocoder-private.h"

#define STEREO 2
#define LOG_FLOOR 1e-5f

/* The windowed sinc that resamples by 3 (it is not in the file). */
#define SINC_FACTOR 3
#define SINC_WIDTH 7
#define SINC_TAPS 43
#define SINC_ROLLOFF 0.99
#define SINC_CUT_LO 42
#define SINC_CUT_HI 40

struct DvVocoder {
  DvDevice *device;
  DvVocoderConfig config;
  DvGan main, bwe;
  DvWeight stft;      /* [2 (stft / 2 + 1), 1, 1, 1, stft] */
  DvWeight mel_basis; /* [mel_bins, stft / 2 + 1] */
  float sinc[SINC_TAPS];
};

static void
make_sinc (float *taps)
{
  const double pi = acos (-1.0);

  for (int i = 0; i < SINC_TAPS; i++) {
    double t = ((double)i / SINC_FACTOR - SINC_WIDTH) * SINC_ROLLOFF, c;

    t = fmax (-6, fmin (6, t));
    c = cos (pi * t / 12);
    taps[i] = (float)((t == 0 ? 1 : sin (pi * t) / (pi * t)) * c * c *
                      SINC_ROLLOFF / SINC_FACTOR);
  }
}

static bool
load_extension (DvVocoder *vocoder, DvLoader *loader)
{
  const DvVocoderConfig *config = &vocoder->config;
  const int64_t bins = config->stft / 2 + 1;

  if (config->stft < 2 || config->stft > 65536 || config->stft % 2 ||
      config->hop < 1 || config->hop > config->stft || config->mel_bins < 1 ||
      config->mel_bins > 4096) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_FORMAT, "open",
          "the vocoder's transform of %d samples every %d cannot be",
          config->stft, config->hop);
    return false;
  }
  vocoder->stft =
      dv_load (loader, DV_USE_CONV, DV_SHAPE (2 * bins, 1, 1, 1, config->stft),
          "mel_stft.stft_fn.forward_basis");
  vocoder->mel_basis = dv_load (loader, DV_USE_MATMUL,
      DV_SHAPE (config->mel_bins, bins), "mel_stft.mel_basis");
  dv_loader_ignore (loader, "mel_stft.stft_fn.inverse_basis");
  make_sinc (vocoder->sinc);
  return dv_gan_load (&vocoder->bwe, loader, &config->bwe, "bwe_generator.");
}

DvVocoder *
dv_vocoder_load (DvLoader *loader, const DvVocoderConfig *config)
{
  DvVocoder *vocoder = calloc (1, sizeof *vocoder);
  bool good;

  if (!vocoder) {
    if (loader->status == DV_OK)
      loader->status = dv_fail (&loader->error, DV_ERROR_MEMORY, "open",
          "no memory is left for the vocoder");
    return NULL;
  }
  vocoder->device = loader->device;
  vocoder->config = *config;
  vocoder->main.device = vocoder->bwe.device = loader->device;
  good = dv_gan_load (&vocoder->main, loader, &config->main,
      config->extended ? "vocoder." : "");
  if (good && config->extended)
    good = load_extension (vocoder, loader);
  if (!good) {
    dv_vocoder_free (vocoder);
    return NULL;
  }
  return vocoder;
}

void
dv_vocoder_free (DvVocoder *vocoder)
{
  if (!vocoder)
    return;
  dv_gan_clear (&vocoder->main);
  dv_gan_clear (&vocoder->bwe);
  dv_weight_clear (vocoder->device, &vocoder->stft);
  dv_weight_clear (vocoder->device, &vocoder->mel_basis);
  free (vocoder);
}

int
dv_vocoder_rate (const DvVocoder *vocoder)
{
  return vocoder->config.output_rate;
}

int64_t
dv_vocoder_samples (const DvVocoder *vocoder, int64_t mel_frames)
{
  int64_t samples = dv_gan_samples (&vocoder->config.main, mel_frames);

  return vocoder->config.extended ? samples * SINC_FACTOR : samples;
}

/* [T, bins, 2] -> [T, 2 bins], channel s * bins + m */
static DvTensor
both_channels (DvStream *stream, const DvTensor *mel)
{
  static const int order[] = {0, 2, 1};
  DvTensor out = DV_NEW (stream, DV_F32, mel->shape[0], STEREO, mel->shape[1]);
  DvTensor view = dv_permute (mel, order);

  dv_map (stream, &(DvMap){.out = &out, .x = &view, .kind = DV_MAP_COPY});
  return DV_RESHAPE (&out, mel->shape[0], STEREO * mel->shape[1]);
}

/* What the extension hears: @wave [n, 2] -> [frames, bins, 2] log-mel. */
static DvTensor
log_mel (const DvVocoder *vocoder, DvStream *stream, const DvTensor *wave)
{
  static const int swap[] = {1, 0}, last[] = {1, 2, 0};
  const DvVocoderConfig *config = &vocoder->config;
  const int64_t hop = config->hop, bins = config->stft / 2 + 1;
  const int64_t frames = (wave->shape[0] + hop - 1) / hop;
  DvTensor mel = DV_NEW (stream, DV_F32, frames, config->mel_bins, STEREO);
  size_t mark = dv_mark (stream);
  DvTensor x = DV_NEW (stream, DV_F32, STEREO, frames * hop);
  DvTensor spectrum = DV_NEW (stream, DV_F32, STEREO, 1, frames, 2 * bins);
  DvTensor magnitude = DV_NEW (stream, DV_F32, STEREO * frames, bins);
  DvTensor power = DV_NEW (stream, DV_F32, STEREO * frames, config->mel_bins);
  DvTensor part = dv_slice (&x, 1, 0, wave->shape[0]);
  DvTensor from = dv_permute (wave, swap), re, im, to;

  dv_map (stream, &(DvMap){.out = &part, .x = &from, .kind = DV_MAP_COPY});
  if (frames * hop > wave->shape[0]) {
    part = dv_slice (&x, 1, wave->shape[0], frames * hop - wave->shape[0]);
    dv_map (stream, &(DvMap){.out = &part, .x = &part, .kind = DV_MAP_FILL});
  }
  x = DV_RESHAPE (&x, STEREO, 1, frames * hop, 1);
  dv_conv (stream, &(DvConv){.out = &spectrum,
                       .x = &x,
                       .w = &vocoder->stft,
                       .stride = {1, 1, (int)hop},
                       .pad_lo = {0, 0, config->stft - (int)hop}});
  spectrum = DV_RESHAPE (&spectrum, STEREO * frames, 2 * bins);
  re = dv_slice (&spectrum, 1, 0, bins);
  im = dv_slice (&spectrum, 1, bins, bins);
  dv_map (stream,
      &(DvMap){
          .out = &magnitude, .x = &re, .y = &im, .kind = DV_MAP_MAGNITUDE});
  dv_matmul (stream,
      &(DvMatmul){.out = &power, .a = &magnitude, .w = &vocoder->mel_basis});
  from = DV_RESHAPE (&power, STEREO, frames, config->mel_bins);
  to = dv_permute (&from, last);
  dv_map (stream,
      &(DvMap){.out = &mel, .x = &to, .kind = DV_MAP_LOG, .p = LOG_FLOOR});
  dv_release (stream, mark);
  return mel;
}

/* @out [3 n, 2] = @wave [n, 2], resampled */
static void
resample (const DvVocoder *vocoder, DvStream *stream, const DvTensor *out,
    const DvTensor *wave)
{
  DvTensor filter = DV_NEW (stream, DV_F32, SINC_TAPS);
  DvTensor taps = DV_TENSOR (vocoder->sinc, DV_F32, SINC_TAPS);

  dv_copy (stream, &filter, &taps);
  dv_fir_up (stream, &(DvFirUp){.out = out,
                         .x = wave,
                         .filter = &filter,
                         .factor = SINC_FACTOR,
                         .pad = SINC_WIDTH,
                         .cut_lo = SINC_CUT_LO,
                         .cut_hi = SINC_CUT_HI});
}

void
dv_vocoder_run (const DvVocoder *vocoder, DvStream *stream, const DvTensor *mel,
    const DvTensor *wave, const DvProbe *probe)
{
  static const int show[] = {1, 0, 2};
  size_t mark = dv_mark (stream);
  DvTensor in = both_channels (stream, mel), low, skip, residual, heard, view;

  if (!vocoder->config.extended) {
    dv_gan_run (&vocoder->main, stream, &in, wave, probe);
    dv_release (stream, mark);
    return;
  }
  low = DV_NEW (stream, DV_F32,
      dv_gan_samples (&vocoder->config.main, mel->shape[0]), STEREO);
  dv_gan_run (&vocoder->main, stream, &in, &low, probe);
  dv_map (
      stream, &(DvMap){.out = &low, .x = &low, .kind = DV_MAP_CLAMP, .p = 1});
  dv_probe (probe, stream, "low_rate_wave", &low);

  heard = log_mel (vocoder, stream, &low);
  view = dv_permute (&heard, show);
  dv_probe (probe, stream, "bwe_mel", &view);
  in = both_channels (stream, &heard);
  residual = DV_NEW (stream, DV_F32,
      dv_gan_samples (&vocoder->config.bwe, heard.shape[0]), STEREO);
  dv_gan_run (&vocoder->bwe, stream, &in, &residual, NULL);
  dv_probe (probe, stream, "bwe_residual", &residual);
  skip = DV_NEW (stream, DV_F32, SINC_FACTOR * low.shape[0], STEREO);
  resample (vocoder, stream, &skip, &low);
  dv_probe (probe, stream, "skip", &skip);

  residual = dv_slice (&residual, 0, 0, wave->shape[0]);
  skip = dv_slice (&skip, 0, 0, wave->shape[0]);
  dv_map (stream,
      &(DvMap){.out = wave, .x = &residual, .y = &skip, .kind = DV_MAP_ADD});
  dv_map (
      stream, &(DvMap){.out = wave, .x = wave, .kind = DV_MAP_CLAMP, .p = 1});
  dv_release (stream, mark);
}
