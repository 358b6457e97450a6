/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Golden cases of sound: the audio VAE both ways, the vocoders, waveform to
 * log-mel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "ltx2/audio-vae.h"
#include "ltx2/mel.h"
#include "ltx2/vocoder.h"

#define EXPECTED "expected.safetensors"
#define INPUTS "inputs.safetensors"

static const GoldenLimit vae_limit = {2e-5, 2e-4, 1e-2};
static const GoldenLimit exact_limit = {2e-5, 2e-4, 0};

typedef struct {
  Golden *golden;
  DvCheckpoint *checkpoint;
  DvLoader loader;
  DvAudioVae *vae;
  DvVocoder *vocoder;
  const DvProbe *probe;
  const DvTensor *in; /* channels-last view */
  DvTensor *out;
} Case;

/* What a file has as [1, C, rows, columns] or [1, C, n], channels last. */
static DvTensor
channels_last (const DvTensor *t)
{
  int order[DV_MAX_DIMS];
  DvTensor view = dv_index (t, 0);

  for (int i = 0; i + 1 < view.n_dims; i++)
    order[i] = i + 1;
  order[view.n_dims - 1] = 0;
  return dv_permute (&view, order);
}

/* And back: the last dimension in front. */
static DvTensor
channels_first (const DvTensor *t)
{
  int order[DV_MAX_DIMS] = {t->n_dims - 1};

  for (int i = 1; i < t->n_dims; i++)
    order[i] = i - 1;
  return dv_permute (t, order);
}

static bool
open_case (Case *c, Golden *golden, DvPart part)
{
  DvError error = {0};

  memset (c, 0, sizeof *c);
  c->golden = golden;
  c->checkpoint =
      dv_checkpoint_open_part (part, golden_directory (golden), &error);
  if (!c->checkpoint)
    goto failed;
  c->loader = (DvLoader){.device = golden_device (golden),
      .checkpoint = c->checkpoint,
      .part = part,
      .compute = golden_dtype (golden)};
  if (part == DV_PART_VOCODER &&
      dv_checkpoint_config (c->checkpoint)->vocoder.extended)
    c->loader.compute = DV_F32;
  if (dv_loader_begin (&c->loader, &error) != DV_OK)
    goto failed;
  if (part == DV_PART_AUDIO_VAE)
    c->vae = dv_audio_vae_load (
        &c->loader, &dv_checkpoint_config (c->checkpoint)->audio_vae);
  else
    c->vocoder = dv_vocoder_load (
        &c->loader, &dv_checkpoint_config (c->checkpoint)->vocoder);
  if (dv_loader_finish (&c->loader, &error) != DV_OK)
    goto failed;
  return true;

failed:
  golden_fail (golden, "%s", error.detail);
  return false;
}

static void
close_case (Case *c)
{
  dv_audio_vae_free (c->vae);
  dv_vocoder_free (c->vocoder);
  dv_checkpoint_free (c->checkpoint);
}

/* @view's elements in their order. */
static void
take_elements (float *to, const DvTensor *view)
{
  int64_t count = dv_tensor_count (view);

  for (int64_t i = 0; i < count; i++) {
    int64_t index[DV_MAX_DIMS], rest = i;

    for (int d = view->n_dims - 1; d >= 0; d--) {
      index[d] = rest % view->shape[d];
      rest /= view->shape[d];
    }
    to[i] = *(const float *)dv_tensor_at (view, view->n_dims, index);
  }
}

/* A dense copy of the case's input in the arena. */
static DvTensor
take_input (Case *c, DvStream *stream)
{
  DvTensor in = dv_new (stream, DV_F32, c->in->n_dims, c->in->shape);
  DvTensor host = dv_tensor_new (DV_F32, c->in->n_dims, c->in->shape);

  if (!host.data) {
    dv_stream_fail (stream, DV_ERROR_MEMORY, "golden", "no memory");
    return in;
  }
  take_elements (host.data, c->in);
  dv_copy (stream, &in, &host);
  dv_stream_status (stream, NULL);
  dv_tensor_clear (&host);
  return in;
}

static void
run_case (DvStream *stream, void *user,
    void (*compute) (
        Case *c, DvStream *stream, const DvTensor *in, const DvTensor *out))
{
  Case *c = user;
  size_t mark = dv_mark (stream);
  DvTensor in = take_input (c, stream);
  DvTensor out = dv_new (stream, DV_F32, c->out->n_dims, c->out->shape);

  compute (c, stream, &in, &out);
  dv_copy (stream, c->out, &out);
  dv_stream_status (stream, NULL);
  dv_release (stream, mark);
}

static void
decode (Case *c, DvStream *stream, const DvTensor *in, const DvTensor *out)
{
  dv_audio_vae_decode (c->vae, stream, in, out, c->probe);
}

static void
encode (Case *c, DvStream *stream, const DvTensor *in, const DvTensor *out)
{
  dv_audio_vae_encode (c->vae, stream, in, out, c->probe);
}

static void
speak (Case *c, DvStream *stream, const DvTensor *in, const DvTensor *out)
{
  dv_vocoder_run (c->vocoder, stream, in, out, c->probe);
}

static void
run_decode (DvStream *stream, void *user)
{
  run_case (stream, user, decode);
}

static void
run_encode (DvStream *stream, void *user)
{
  run_case (stream, user, encode);
}

static void
run_speak (DvStream *stream, void *user)
{
  run_case (stream, user, speak);
}

/* Runs the case's module on @in and compares with @name. */
static void
compare (Case *c, const DvTensor *in, int n_dims, const int64_t *shape,
    void (*run) (DvStream *stream, void *user), const char *name,
    GoldenLimit limit)
{
  DvTensor out = dv_tensor_new (DV_F32, n_dims, shape), view;
  DvStream *stream;

  c->in = in;
  c->out = &out;
  stream = golden_stream (c->golden, run, c);
  if (stream) {
    view = channels_first (&out);
    golden_compare (c->golden, name, &view,
        golden_find (c->golden, EXPECTED, "%s", name), limit);
  }
  dv_stream_free (stream);
  dv_tensor_clear (&out);
}

/* "caseN.WHAT" of the inputs, for each N there is. */
static const DvTensor *
sub_case (Golden *golden, int n, const char *what, char *prefix, size_t size)
{
  snprintf (prefix, size, "case%d", n);
  return golden_find (golden, INPUTS, "%s.%s", prefix, what);
}

static void
audio_vae_decode (Golden *golden)
{
  const DvTensor *latent;
  char prefix[16], name[32];
  Case c;

  if (open_case (&c, golden, DV_PART_AUDIO_VAE))
    for (int n = 0;
         (latent = sub_case (golden, n, "latent", prefix, sizeof prefix));
         n++) {
      DvTensor in = channels_last (latent);
      int64_t frames = 4 * in.shape[0] - 3;

      c.probe = golden_probe (golden, EXPECTED, prefix, true, vae_limit);
      snprintf (name, sizeof name, "%s.mel", prefix);
      compare (&c, &in, 3, (int64_t[]){frames < 1 ? 1 : frames, 64, 2},
          run_decode, name, vae_limit);
    }
  close_case (&c);
}

static void
encode_mel (Case *c, const DvTensor *mel, const char *prefix)
{
  const DvAudioVaeConfig *config =
      &dv_checkpoint_config (c->checkpoint)->audio_vae;
  char name[32];

  snprintf (name, sizeof name, "%s.latent", prefix);
  c->probe = golden_probe (c->golden, EXPECTED, prefix, true, vae_limit);
  compare (c, mel, 3,
      (int64_t[]){dv_audio_vae_latents (c->vae, mel->shape[0]),
          config->mel_bins >> (config->n_mult - 1), config->latent},
      run_encode, name, vae_limit);
}

/* Samples of the inputs to latents, by way of what is kept of each step. */
static void
encode_wave (Case *c, int n, const DvTensor *samples)
{
  const DvTensor *rate =
      golden_find (c->golden, INPUTS, "wave%d.sample_rate", n);
  float *resampled = NULL, *mel = NULL;
  size_t count;
  int64_t frames;
  DvError error = {0};
  DvTensor view;
  char name[32];

  if (!rate ||
      dv_resample (samples->data, 2, (size_t)samples->shape[2],
          (int)*(int64_t *)rate->data, DV_MEL_RATE, &resampled, &count,
          &error) != DV_OK ||
      dv_log_mel (resampled, 2, count, &mel, &frames, &error) != DV_OK) {
    golden_fail (c->golden, "wave%d: %s", n, error.detail);
    goto out;
  }
  snprintf (name, sizeof name, "wave%d.resampled_16k", n);
  view = DV_TENSOR (resampled, DV_F32, 2, (int64_t)count);
  golden_compare (c->golden, name, &view,
      golden_find (c->golden, EXPECTED, "%s", name), exact_limit);
  snprintf (name, sizeof name, "wave%d.log_mel", n);
  view = DV_TENSOR (mel, DV_F32, frames, DV_MEL_BINS, 2);
  {
    DvTensor planar = channels_first (&view);
    golden_compare (c->golden, name, &planar,
        golden_find (c->golden, EXPECTED, "%s", name), exact_limit);
  }
  snprintf (name, sizeof name, "wave%d", n);
  encode_mel (c, &view, name);

out:
  free (resampled);
  free (mel);
}

static void
filters (Golden *golden)
{
  float window[DV_MEL_WINDOW];
  float *bank = malloc (DV_MEL_FREQUENCIES * DV_MEL_BINS * sizeof *bank);
  const DvTensor *expected;
  DvTensor view = DV_TENSOR (window, DV_F32, DV_MEL_WINDOW);

  dv_mel_window (window);
  expected = golden_find (golden, EXPECTED, "hann_window_1024");
  if (expected)
    golden_compare (golden, "hann_window_1024", &view, expected, exact_limit);
  expected = golden_find (golden, EXPECTED, "mel_filterbank_64");
  if (expected && bank) {
    dv_mel_filters (bank);
    view = DV_TENSOR (bank, DV_F32, DV_MEL_FREQUENCIES, DV_MEL_BINS);
    golden_compare (golden, "mel_filterbank_64", &view, expected, exact_limit);
  }
  free (bank);
}

static void
audio_vae_encode (Golden *golden)
{
  const DvTensor *t;
  char prefix[16];
  Case c;

  if (open_case (&c, golden, DV_PART_AUDIO_VAE)) {
    filters (golden);
    for (int n = 0; (t = sub_case (golden, n, "mel", prefix, sizeof prefix));
         n++) {
      DvTensor mel = channels_last (t);
      encode_mel (&c, &mel, prefix);
    }
    for (int n = 0; (t = golden_find (golden, INPUTS, "wave%d.samples", n));
         n++)
      encode_wave (&c, n, t);
  }
  close_case (&c);
}

static void
vocoder (Golden *golden)
{
  const DvTensor *mel;
  char prefix[16], name[32];
  Case c;

  if (open_case (&c, golden, DV_PART_VOCODER))
    for (int n = 0; (mel = sub_case (golden, n, "mel", prefix, sizeof prefix));
         n++) {
      bool extended = dv_checkpoint_config (c.checkpoint)->vocoder.extended;
      /* The third case of LTX-2.3 drives the first generator past 1, which
       * magnifies every rounding. */
      GoldenLimit limit = extended
                              ? (GoldenLimit){n == 2 ? 2e-3 : 1e-4, 5e-4, 0}
                              : (GoldenLimit){2e-5, 1e-4, 1e-2};
      DvTensor in = channels_last (mel);

      c.probe = golden_probe (golden, EXPECTED, prefix, true, limit);
      snprintf (name, sizeof name, "%s.wave", prefix);
      compare (&c, &in, 2,
          (int64_t[]){dv_vocoder_samples (c.vocoder, in.shape[0]), 2},
          run_speak, name, limit);
    }
  close_case (&c);
}

const GoldenKind golden_audio_kinds[] = {
    {"audio-vae-decode", audio_vae_decode},
    {"audio-vae-encode", audio_vae_encode},
    {"vocoder", vocoder},
    {NULL, NULL},
};
