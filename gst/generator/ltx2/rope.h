/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Token positions and rotary tables (section 4 of docs/ltx2-model.md), kept
 * by axis so that no [tokens, width] table is stored.  Host arithmetic.
 */
#ifndef DV_LTX2_ROPE_H
#define DV_LTX2_ROPE_H

#include "ops.h"

/* Positions of a grid, by axis: the bounds of each distinct coordinate and
 * each token's coordinate. */
typedef struct {
  int n_axes;               /* 3 video (time, y, x), 1 audio and connectors */
  int64_t count[3];         /* distinct coordinates of the axis */
  float *start[3], *end[3]; /* [count] seconds or pixels of the latent */
  int64_t tokens;
  int32_t *index; /* [tokens, n_axes] */
} DvPositions;

/* Video latents [F, h, w]; @offset seconds are added to both time bounds. */
DvStatus dv_positions_video (DvPositions *positions, int64_t f, int64_t h,
    int64_t w, double fps, double offset, DvError *error);
DvStatus dv_positions_audio (
    DvPositions *positions, int64_t tokens, DvError *error);
/* From explicit bounds [axes, tokens, 2] (tests, tools). */
DvStatus dv_positions_from_bounds (DvPositions *positions, int n_axes,
    int64_t tokens, const float *bounds, DvError *error);
void dv_positions_clear (DvPositions *positions);

typedef struct {
  int64_t dim, heads; /* rotary width and its heads */
  int n_axes;
  double max[3]; /* 20, 2048, 2048 */
  double theta;
  bool double_precision; /* of the frequencies */
  bool bf16_positions;   /* FastVideo's variant (section 4.1) */
} DvRopeSpec;

/* Tables for dv_qk_norm(). The first spec.n_axes axes of the positions are
 * used: cross-modal attention takes the time axis of a video alone.  rope
 * points into the structure, which must stay where it is. */
typedef struct {
  DvRope rope;
  DvTensor cos[3], sin[3]; /* [count of the axis, c] F32 */
  DvTensor index;          /* [tokens, n_axes] I32 */
  void *memory;            /* of dv_rope_tables_new() */
} DvRopeTables;

/* Bytes of the tables; 0 when the specification makes no sense. */
size_t dv_rope_bytes (const DvRopeSpec *spec, const DvPositions *positions);
/* In memory of the device; dv_rope_tables_clear() them. */
DvStatus dv_rope_tables_new (DvRopeTables *tables, DvDevice *device,
    const DvRopeSpec *spec, const DvPositions *positions, DvError *error);
void dv_rope_tables_clear (DvDevice *device, DvRopeTables *tables);
/* In the stream's arena; a dry stream gives tables without data. */
void dv_rope_tables_take (DvRopeTables *tables, DvStream *stream,
    const DvRopeSpec *spec, const DvPositions *positions);

#endif
