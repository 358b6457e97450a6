/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small text encoder with made weights, for tests: what is run is planned by
 * a dry stream first and gets exactly that much memory.
 */
#ifndef TEXT_RIG_H
#define TEXT_RIG_H

#include "ltx2/text.h"
#include "made-weights.h"

typedef struct {
  DvDevice *device;
  MadeLoader *made[2];
  DvGemma *gemma;
  DvConnectors *connectors;
  DvGemmaConfig gemma_config;
  DvTextConfig text_config;
  size_t planned; /* of the last run */
} TextRig;

/* The configurations of a rig; what a test wants otherwise it changes before
 * text_rig_load(). */
void text_rig_open (TextRig *rig, const char *backend, int threads, bool v23);
void text_rig_load (TextRig *rig, DvDtype compute);
void text_rig_close (TextRig *rig);

typedef void (*TextRun) (TextRig *rig, DvStream *stream, void *user);
/* Runs @run dry, then in the planned memory; fails the test on any error, or
 * when the plan is not what is used. */
void text_rig_run (TextRig *rig, TextRun run, void *user);
/* Hidden states of @ids as F32, [layers + 1, n, D], to be cleared. */
DvTensor text_rig_hidden (TextRig *rig, const int32_t *ids, int64_t n);
/* Contexts of hidden states (host, F32), of @rows rows; to be cleared. */
void text_rig_contexts (TextRig *rig, const DvTensor *hidden, int64_t rows,
    DvTensor *video, DvTensor *audio);

/* The relative L2 of the difference of two F32 tensors. */
double text_rig_difference (const DvTensor *a, const DvTensor *b);

#endif
