/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small diffusion transformer of made weights, and inputs for it.
 */
#ifndef DIT_RIG_H
#define DIT_RIG_H

#include "ltx2/dit.h"
#include "made-weights.h"

#define RIG_CHANNELS 8
#define RIG_ROWS 7 /* of the text */

typedef struct {
  DvDevice *device;
  MadeLoader *made;
  DvDit *dit;
  DvPositions positions[2]; /* video, audio */
  DvTensor latent[2];       /* [M, C] F32 */
  DvTensor context[2];      /* [RIG_ROWS, …] F32 */
  DvTensor mask[2];         /* [M] F32: 0, 0.3 and 1 */
  DvTensor velocity[2];     /* [M, C] F32: the last run's */
} DitRig;

DvDitConfig dit_rig_config (bool v23);
/* @backend NULL: the best. Video of @f x @h x 3 tokens, audio of @t. */
DitRig *dit_rig_new (const char *backend, int threads, DvDtype compute,
    bool v23, int64_t f, int64_t h, int64_t t);
void dit_rig_free (DitRig *rig);
/* The forward of the rig's tensors. */
DvDitForward dit_rig_forward (DitRig *rig, bool masked);
/* Bytes that a dry run plans. */
size_t dit_rig_plan (DitRig *rig, const DvDitForward *forward);
/* Runs in just that much memory; the stream's status. */
DvStatus dit_rig_run (
    DitRig *rig, const DvDitForward *forward, DvDitCache *cache);

#endif
