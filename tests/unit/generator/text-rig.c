/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small text encoder with made weights, for tests.
 */
#include <math.h>
#include <string.h>

#include <check.h>

#include "text-rig.h"

void
text_rig_open (TextRig *rig, const char *backend, int threads, bool v23)
{
  DvDeviceSpec spec = {.backend = backend, .threads = threads};
  DvError error = {0};

  memset (rig, 0, sizeof *rig);
  rig->device = dv_device_open (&spec, &error);
  ck_assert_msg (rig->device != NULL, "%s", error.detail);
  rig->gemma_config = (DvGemmaConfig){.hidden = 24,
      .mlp = 40,
      .layers = 4,
      .heads = 4,
      .kv_heads = 2,
      .head_dim = 8,
      .vocab = 100,
      .query_pre_attn_scalar = 8,
      .rope_theta = 1e6,
      .rope_local_base = 1e4,
      .rope_factor = 8,
      .sliding_window = 5,
      .sliding_pattern = 3,
      .eps = 1e-6f};
  rig->text_config = (DvTextConfig){.text_len = 32,
      .caption = 24,
      .hidden_states = 5,
      .per_modality = v23,
      .proj_bias = v23,
      .video = {.heads = 3, .head_dim = 8, .layers = 2, .registers = 8},
      .audio = {.heads = 3, .head_dim = 8, .layers = 2, .registers = 8},
      .rope_theta = 1e4,
      .rope_base_len = 4096,
      .rope_double = true};
  rig->text_config.video.gated = rig->text_config.audio.gated = v23;
  if (v23) {
    rig->text_config.video.heads = 4;
    rig->text_config.audio.heads = 2;
  }
}

void
text_rig_load (TextRig *rig, DvDtype compute)
{
  rig->made[0] = made_loader_new (rig->device, compute);
  rig->made[1] = made_loader_new (rig->device, compute);
  rig->gemma = dv_gemma_load (&rig->made[0]->loader, &rig->gemma_config);
  rig->connectors =
      dv_connectors_load (&rig->made[1]->loader, &rig->text_config);
  ck_assert_ptr_nonnull (rig->gemma);
  ck_assert_ptr_nonnull (rig->connectors);
}

void
text_rig_close (TextRig *rig)
{
  dv_gemma_free (rig->gemma);
  dv_connectors_free (rig->connectors);
  made_loader_free (rig->made[0]);
  made_loader_free (rig->made[1]);
  dv_device_unref (rig->device);
}

void
text_rig_run (TextRig *rig, TextRun run, void *user)
{
  DvStream *stream = dv_stream_new_dry (rig->device, NULL);
  DvError error = {0};

  run (rig, stream, user);
  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  ck_assert_uint_eq (stream->arena.used, 0);
  rig->planned = stream->arena.peak;
  dv_stream_free (stream);
  stream = dv_stream_new (rig->device, rig->planned, NULL);
  run (rig, stream, user);
  ck_assert_msg (
      dv_stream_status (stream, &error) == DV_OK, "%s", error.detail);
  ck_assert_uint_eq (stream->arena.peak, rig->planned);
  dv_stream_free (stream);
}

typedef struct {
  const int32_t *ids;
  DvTensor *out;
} HiddenRun;

static void
run_hidden (TextRig *rig, DvStream *stream, void *user)
{
  HiddenRun *run = user;
  size_t mark = dv_mark (stream);
  int64_t n = run->out->shape[1];
  DvTensor hidden = dv_gemma_hidden (rig->gemma, stream, n);
  DvTensor wide = DV_NEW (
      stream, DV_F32, hidden.shape[0], hidden.shape[1], hidden.shape[2]);

  dv_gemma_run (
      rig->gemma, stream, stream->dry ? NULL : run->ids, n, &hidden, NULL);
  dv_map (stream, &(DvMap){.out = &wide, .x = &hidden, .kind = DV_MAP_COPY});
  dv_copy (stream, run->out, &wide);
  dv_release (stream, mark);
}

DvTensor
text_rig_hidden (TextRig *rig, const int32_t *ids, int64_t n)
{
  int64_t shape[] = {rig->gemma_config.layers + 1, n, rig->gemma_config.hidden};
  DvTensor out = dv_tensor_new (DV_F32, 3, shape);
  HiddenRun run = {ids, &out};

  text_rig_run (rig, run_hidden, &run);
  return out;
}

typedef struct {
  const DvTensor *hidden;
  DvTensor *video, *audio;
} ContextRun;

static void
run_contexts (TextRig *rig, DvStream *stream, void *user)
{
  ContextRun *run = user;
  const DvTensor *h = run->hidden, *v = run->video, *a = run->audio;
  size_t mark = dv_mark (stream);
  DvTensor hidden =
      DV_NEW (stream, DV_F32, h->shape[0], h->shape[1], h->shape[2]);
  DvTensor video = DV_NEW (stream, DV_F32, v->shape[0], v->shape[1]);
  DvTensor audio = DV_NEW (stream, DV_F32, a->shape[0], a->shape[1]);

  dv_copy (stream, &hidden, h);
  dv_connectors_run (rig->connectors, stream, &hidden, &video, &audio, NULL);
  dv_copy (stream, v, &video);
  dv_copy (stream, a, &audio);
  dv_release (stream, mark);
}

void
text_rig_contexts (TextRig *rig, const DvTensor *hidden, int64_t rows,
    DvTensor *video, DvTensor *audio)
{
  const DvTextConfig *c = &rig->text_config;
  int64_t v[] = {rows, c->video.heads * c->video.head_dim};
  int64_t a[] = {rows, c->audio.heads * c->audio.head_dim};
  ContextRun run = {hidden, video, audio};

  *video = dv_tensor_new (DV_F32, 2, v);
  *audio = dv_tensor_new (DV_F32, 2, a);
  text_rig_run (rig, run_contexts, &run);
}

double
text_rig_difference (const DvTensor *a, const DvTensor *b)
{
  const float *x = a->data, *y = b->data;
  double difference = 0, size = 0;

  ck_assert (dv_tensor_same_shape (a, b));
  for (int64_t i = 0; i < dv_tensor_count (a); i++) {
    double d = (double)x[i] - (double)y[i];

    difference += d * d;
    size += (double)y[i] * (double)y[i];
  }
  return sqrt (difference / size);
}
