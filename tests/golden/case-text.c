/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Cases of the text side: Gemma 3's hidden states, and what the feature
 * extractor and the connectors make of hidden states.
 *
 * A row of a batch is a run of its own, of its real tokens alone, wherever
 * the padding is.
 */
#include <stdio.h>
#include <string.h>

#include "golden.h"
#include "ltx2/text.h"

static const GoldenLimit limit = {2e-5, 2e-4, 1e-2};

/* One row of one run. */
typedef struct {
  Golden *golden;
  int run;
  int64_t row, start, n; /* the real tokens */
  char name[64];
  const DvGemma *gemma;
  const DvConnectors *connectors;
  /* Of a loader that only counts: they serve dry streams. */
  const DvGemma *counted_gemma;
  const DvConnectors *counted_connectors;
  const int32_t *ids;
  DvTensor hidden;       /* host memory: in or out */
  DvTensor video, audio; /* host memory: out */
  DvProbe probe;
} Row;

/* ---- loading ---- */

/* Begins a loader of weights and one that counts. */
static DvCheckpoint *
open_part (Golden *golden, DvPart part, DvLoader loader[2])
{
  DvError error = {0};
  DvCheckpoint *checkpoint =
      dv_checkpoint_open_part (part, golden_directory (golden), &error);

  for (int i = 0; i < 2; i++)
    loader[i] = (DvLoader){.device = golden_device (golden),
        .checkpoint = checkpoint,
        .part = part,
        .compute = golden_dtype (golden),
        .counting = i == 1};
  if (checkpoint && dv_loader_begin (&loader[0], &error) == DV_OK &&
      dv_loader_begin (&loader[1], &error) == DV_OK)
    return checkpoint;
  golden_fail (golden, "%s", error.detail);
  dv_checkpoint_free (checkpoint);
  return NULL;
}

static bool
finish (Golden *golden, DvLoader loader[2])
{
  DvError error = {0};
  bool good = dv_loader_finish (&loader[0], &error) == DV_OK;

  good = dv_loader_finish (&loader[1], good ? &error : NULL) == DV_OK && good;
  if (!good)
    golden_fail (golden, "%s", error.detail);
  else if (loader[0].bytes_read != loader[1].bytes_read)
    golden_fail (golden, "counting loads %llu bytes, loading %llu",
        (unsigned long long)loader[1].bytes_read,
        (unsigned long long)loader[0].bytes_read);
  return good;
}

/* The plan of a model that was only counted is that of the real one. */
static void
check_plan (
    Row *row, void (*run) (DvStream *stream, void *user), const DvStream *ran)
{
  DvStream *dry = dv_stream_new_dry (golden_device (row->golden), NULL);
  Row counted = *row;

  counted.gemma = row->counted_gemma;
  counted.connectors = row->counted_connectors;
  if (dry)
    run (dry, &counted);
  if (!dry || dv_stream_status (dry, NULL) != DV_OK ||
      dry->arena.peak != ran->arena.peak)
    golden_fail (
        row->golden, "%s: counted weights give another plan", row->name);
  dv_stream_free (dry);
}

/* ---- rows ---- */

/* Finds the real tokens of a row; false when it has none. */
static bool
find_real (Row *row, const DvTensor *mask)
{
  const int64_t *real = (const int64_t *)mask->data + row->row * mask->shape[1];
  int64_t end = mask->shape[1];

  row->start = 0;
  while (row->start < end && real[row->start] == 0)
    row->start++;
  while (end > row->start && real[end - 1] == 0)
    end--;
  row->n = end - row->start;
  snprintf (row->name, sizeof row->name, "run%d row %lld", row->run,
      (long long)row->row);
  return row->n > 0;
}

/* This row of a result, its real tokens along dimension @tokens of what is
 * left; -1: all of it. */
static DvTensor
expected_row (const Row *row, const DvTensor *expected, int tokens)
{
  DvTensor one = dv_index (expected, row->row);

  return tokens < 0 ? one : dv_slice (&one, tokens, row->start, row->n);
}

/* Runs @each for every row of every run. */
static void
each_row (Row *row, void (*each) (Row *row))
{
  for (row->run = 0;; row->run++) {
    const DvTensor *mask = golden_find (
        row->golden, "inputs.safetensors", "run%d.attention_mask", row->run);

    if (!mask)
      return;
    for (row->row = 0; row->row < mask->shape[0]; row->row++) {
      if (find_real (row, mask))
        each (row);
      else
        golden_fail (row->golden, "%s has no tokens", row->name);
    }
  }
}

/* ---- Gemma 3 ---- */

static void
run_gemma (DvStream *stream, void *user)
{
  Row *row = user;
  size_t mark = dv_mark (stream);
  DvTensor hidden = DV_NEW (stream, row->hidden.dtype, row->hidden.shape[0],
      row->n, row->hidden.shape[2]);

  dv_gemma_run (row->gemma, stream, row->ids, row->n, &hidden, NULL);
  dv_copy (stream, &row->hidden, &hidden);
  dv_release (stream, mark);
}

static void
gemma_row (Row *row)
{
  const DvTensor *ids = golden_find (
      row->golden, "inputs.safetensors", "run%d.input_ids", row->run);
  const DvTensor *all = golden_find (
      row->golden, "expected.safetensors", "run%d.hidden_states", row->run);
  int32_t real[4096];
  DvTensor expected;
  DvStream *stream;

  if (!ids || !all || row->n > 4096) {
    golden_fail (row->golden, "%s: ids or results are missing", row->name);
    return;
  }
  for (int64_t i = 0; i < row->n; i++)
    real[i] = (int32_t)((
        const int64_t *)ids->data)[row->row * ids->shape[1] + row->start + i];
  row->ids = real;
  expected = expected_row (row, all, 1);
  row->hidden = dv_tensor_new (
      golden_dtype (row->golden), expected.n_dims, expected.shape);
  stream = golden_stream (row->golden, run_gemma, row);
  if (stream) {
    check_plan (row, run_gemma, stream);
    golden_compare (row->golden, row->name, &row->hidden, &expected, limit);
  }
  dv_stream_free (stream);
  dv_tensor_clear (&row->hidden);
}

static void
gemma (Golden *golden)
{
  DvLoader loader[2];
  DvCheckpoint *checkpoint = open_part (golden, DV_PART_GEMMA, loader);
  Row row = {.golden = golden};
  DvGemma *model[2];

  if (!checkpoint)
    return;
  for (int i = 0; i < 2; i++)
    model[i] =
        dv_gemma_load (&loader[i], &dv_checkpoint_config (checkpoint)->gemma);
  row.gemma = model[0];
  row.counted_gemma = model[1];
  if (finish (golden, loader))
    each_row (&row, gemma_row);
  dv_gemma_free (model[0]);
  dv_gemma_free (model[1]);
  dv_checkpoint_free (checkpoint);
}

/* ---- connectors ---- */

static void
see (void *user, DvStream *stream, const char *name, const DvTensor *tensor)
{
  Row *row = user;
  const DvTensor *all = golden_find (
      row->golden, "expected.safetensors", "run%d.%s", row->run, name);
  bool features = strstr (name, "_features") != NULL;
  DvTensor host, expected;
  char full[160];

  if (!all)
    return;
  host = dv_tensor_new (tensor->dtype, tensor->n_dims, tensor->shape);
  dv_copy (stream, &host, tensor);
  dv_stream_status (stream, NULL);
  expected = expected_row (row, all, features ? 0 : -1);
  snprintf (full, sizeof full, "%s %s", row->name, name);
  golden_compare (row->golden, full, &host, &expected, limit);
  dv_tensor_clear (&host);
}

static void
run_connectors (DvStream *stream, void *user)
{
  Row *row = user;
  const DvTensor *h = &row->hidden, *v = &row->video, *a = &row->audio;
  size_t mark = dv_mark (stream);
  DvTensor hidden =
      DV_NEW (stream, DV_F32, h->shape[0], h->shape[1], h->shape[2]);
  DvTensor video = DV_NEW (stream, DV_F32, v->shape[0], v->shape[1]);
  DvTensor audio = DV_NEW (stream, DV_F32, a->shape[0], a->shape[1]);

  dv_copy (stream, &hidden, h);
  dv_connectors_run (
      row->connectors, stream, &hidden, &video, &audio, &row->probe);
  dv_copy (stream, v, &video);
  dv_copy (stream, a, &audio);
  dv_release (stream, mark);
}

static void
connectors_row (Row *row)
{
  const DvTensor *states = golden_find (
      row->golden, "inputs.safetensors", "run%d.hidden_states", row->run);
  const DvTensor *video = golden_find (
      row->golden, "expected.safetensors", "run%d.video_context", row->run);
  const DvTensor *audio = golden_find (
      row->golden, "expected.safetensors", "run%d.audio_context", row->run);
  DvTensor input, output[2];
  DvStream *stream;
  char name[2][96];

  if (!states || !video || !audio) {
    golden_fail (row->golden, "%s: tensors are missing", row->name);
    return;
  }
  input = expected_row (row, states, 1);
  output[0] = expected_row (row, video, -1);
  output[1] = expected_row (row, audio, -1);
  row->hidden = dv_tensor_new (DV_F32, input.n_dims, input.shape);
  row->video = dv_tensor_new (DV_F32, 2, output[0].shape);
  row->audio = dv_tensor_new (DV_F32, 2, output[1].shape);
  for (int64_t l = 0; l < input.shape[0]; l++)
    memcpy (dv_tensor_at (&row->hidden, 1, &l), dv_tensor_at (&input, 1, &l),
        (size_t)(input.shape[1] * input.shape[2]) * sizeof (float));
  row->probe = (DvProbe){see, row};
  stream = golden_stream (row->golden, run_connectors, row);
  if (stream) {
    check_plan (row, run_connectors, stream);
    snprintf (name[0], sizeof name[0], "%s video_context", row->name);
    snprintf (name[1], sizeof name[1], "%s audio_context", row->name);
    golden_compare (row->golden, name[0], &row->video, &output[0], limit);
    golden_compare (row->golden, name[1], &row->audio, &output[1], limit);
  }
  dv_stream_free (stream);
  dv_tensor_clear (&row->hidden);
  dv_tensor_clear (&row->video);
  dv_tensor_clear (&row->audio);
}

static void
connectors (Golden *golden)
{
  DvLoader loader[2];
  DvCheckpoint *checkpoint = open_part (golden, DV_PART_CONNECTORS, loader);
  Row row = {.golden = golden};
  DvConnectors *model[2];

  if (!checkpoint)
    return;
  for (int i = 0; i < 2; i++)
    model[i] = dv_connectors_load (
        &loader[i], &dv_checkpoint_config (checkpoint)->text);
  row.connectors = model[0];
  row.counted_connectors = model[1];
  if (finish (golden, loader))
    each_row (&row, connectors_row);
  dv_connectors_free (model[0]);
  dv_connectors_free (model[1]);
  dv_checkpoint_free (checkpoint);
}

const GoldenKind golden_text_kinds[] = {
    {"gemma3", gemma},
    {"connectors", connectors},
    {NULL, NULL},
};
