/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The diffusion transformer: one forward of both modalities (sections 4 and 5
 * of docs/ltx2-model.md).
 *
 * What depends only on the prompt (projected context, text keys and values)
 * and what depends only on the grid (rotary tables) is made once and kept in
 * objects of their own, so that a step computes nothing twice.
 */
#ifndef DV_LTX2_DIT_H
#define DV_LTX2_DIT_H

#include "loader.h"
#include "probe.h"
#include "rope.h"

typedef struct DvDit DvDit;

DvDit *dv_dit_load (DvLoader *loader, const DvDitConfig *config);
void dv_dit_free (DvDit *dit);
int64_t dv_dit_layers (const DvDit *dit);
/* Bytes of the matrices of the largest layer: what a layer that does not stay
 * on the device leaves free, and what a slot for one takes. */
uint64_t dv_dit_layer_bytes (const DvDit *dit);

/* Which timestep the cross-modal gates see (section 5.4). */
typedef enum { DV_CROSS_OWN, DV_CROSS_OTHER } DvCrossRule;

/* One modality's side of a forward. */
typedef struct {
  const DvTensor *latent;       /* [M, in] F32: tokens */
  const DvTensor *context;      /* [S, caption] F32: from the connectors */
  const DvTensor *mask;         /* [M] F32 on the HOST: denoise mask; NULL: 1.
                                 * On a dry stream data may be NULL: a few
                                 * distinct values are planned for. */
  const DvPositions *positions; /* rope.h */
  const DvTensor *velocity;     /* out [M, out] F32 */
} DvDitSide;

typedef struct {
  DvDitSide video, audio;
  float sigma;                  /* a token's timestep is mask * sigma */
  const DvTensor *context_bias; /* [S] F32, added to text scores; NULL: none */
  DvCrossRule rule;
  bool isolate;         /* without cross-modal attention */
  int skip_attention;   /* block whose video and audio self-attention
                         * give their value projection; -1: none */
  uint64_t context_key; /* of the prompt: equal keys promise equal
                         * contexts, so that the cache may serve; 0:
                         * no caching */
} DvDitForward;

/* A session's cache: rotary tables of the last grid, the last prompt's
 * projected contexts, and its text keys and values as far as @budget bytes of
 * device memory go. A run gives the same bits with and without. */
typedef struct DvDitCache DvDitCache;
DvDitCache *dv_dit_cache_new (
    const DvDit *dit, uint64_t budget, DvError *error);
void dv_dit_cache_free (DvDitCache *cache);
/* Bytes of all text keys and values at so many context rows; 0 where they
 * depend on the step (LTX-2.3). */
uint64_t dv_dit_cache_bytes (const DvDit *dit, int64_t rows);

/* @cache may be NULL. */
void dv_dit_run (const DvDit *dit, DvStream *stream,
    const DvDitForward *forward, DvDitCache *cache, const DvProbe *probe);

#endif
