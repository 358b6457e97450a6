/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the kinds around the diffusion transformer share.
 */
#ifndef DV_CASE_DIT_H
#define DV_CASE_DIT_H

#include "golden.h"
#include "ltx2/rope.h"

void golden_run_rope (Golden *golden);
void golden_run_schedule (Golden *golden);

/* Rotary tables in host memory, to be read entry by entry. */
typedef struct {
  int n_axes;
  int64_t pad;
  DvTensor cos[3], sin[3], index;
} Spread;

bool spread_open (Spread *spread, DvDevice *device, const DvRopeSpec *spec,
    const DvPositions *positions, DvError *error);
void spread_close (Spread *spread);
/* Entry @entry of a token's whole row, over all heads. */
float spread_entry (
    const Spread *spread, bool sine, int64_t token, int64_t entry);
/* Compares two tensors of @file, [1, heads, tokens, half], with the tables of
 * those @heads and tokens (NULL: all in order). */
void spread_compare (Golden *golden, const char *file, const char *cosines,
    const char *sines, const Spread *spread, const int *heads,
    const int64_t *token);

#endif
