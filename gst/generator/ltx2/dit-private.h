/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the diffusion transformer share: its weights, and one
 * modality's state while a forward runs.
 */
#ifndef DV_LTX2_DIT_PRIVATE_H
#define DV_LTX2_DIT_PRIVATE_H

#include "dit.h"

#define DV_DIT_SINUSOID 256 /* values of an embedded timestep */
#define DV_DIT_MAX_ROWS 9   /* of a block's modulation */

/* Video and audio, everywhere an array has two. */
enum { DV_VIDEO, DV_AUDIO, DV_N_SIDES };

/* ---- weights ---- */

typedef struct {
  int64_t heads, head_dim;
  DvLinear q, k, v, out;
  DvLinear gate; /* [2.3] a logit a head */
  DvTensor norm_q, norm_k;
  bool gated;
} DvDitAttention;

/* A timestep to the rows of a modulation. */
typedef struct {
  DvLinear first, second; /* sinusoid -> e */
  DvLinear rows;          /* silu (e) -> y */
} DvDitAdaln;

typedef struct {
  DvDitAttention attn1, attn2;
  DvLinear ff1, ff2;
  DvTensor table;        /* [6 or 9, C] */
  DvTensor cross_table;  /* [5, C] */
  DvTensor prompt_table; /* [2.3] [2, C] */
} DvDitBlockSide;

typedef struct {
  DvDitBlockSide side[DV_N_SIDES];
  DvDitAttention cross[DV_N_SIDES]; /* by the side that asks */
  DvParcel parcel; /* its matrices, if they do not stay on the device */
} DvDitBlock;

#define DV_DIT_MATRICES (DV_N_SIDES * (3 * 5 + 2)) /* of a block, at most */

/* One modality's weights outside the blocks. */
typedef struct {
  int64_t width, in, out, heads, head_dim;
  DvLinear proj_in, proj_out;
  DvLinear caption1, caption2; /* LTX-2 */
  DvDitAdaln time, cross_scale_shift, cross_gate;
  DvDitAdaln prompt; /* [2.3] */
  DvTensor table;    /* [2, C] */
} DvDitModal;

struct DvDit {
  DvDevice *device;
  DvDitConfig config;
  DvDtype compute; /* of products' inputs */
  int rows;        /* of a block's modulation: 6 or 9 */
  DvDitModal side[DV_N_SIDES];
  DvDitBlock *block; /* [config.layers] */
};

/* ---- a forward ---- */

/* A modulation's rows as the ops take them. */
typedef struct {
  DvTensor row[DV_DIT_MAX_ROWS]; /* [D, C] */
  const DvTensor *index;         /* [M] I32; NULL: row 0 */
} DvDitMod;

/* One modality while a forward runs; everything in the stream's arena or the
 * cache. */
typedef struct {
  const DvDitModal *w;
  const DvDitSide *io;
  int64_t m;           /* tokens */
  DvTensor x;          /* [M, C] F32, the residual stream */
  DvTensor context;    /* [S, C] */
  int64_t taus;        /* D: distinct timesteps */
  DvTensor index;      /* [M] I32 */
  DvTensor e;          /* [D, C] */
  DvTensor y;          /* [D, rows C] */
  DvTensor cross;      /* [D, 4 C] */
  DvTensor cross_gate; /* [D or 1, C] */
  DvTensor prompt;     /* [2.3] [1, 2 C] */
  const DvTensor *row_index, *gate_index;
  const DvRope *self_rope, *cross_rope;
} DvDitLane;

typedef struct {
  const DvDit *dit;
  DvStream *stream;
  const DvDitForward *forward;
  DvDitCache *cache; /* may be NULL */
  const DvProbe *probe;
  const DvDitBlock *block; /* the one that runs, its weights on the device */
  DvDitLane lane[DV_N_SIDES];
  DvRopeTables tables[2 * DV_N_SIDES]; /* without a cache: self, cross */
} DvDitRun;

/* dit-load.c */
void dv_dit_rope_spec (
    const DvDit *dit, int side, bool cross, DvRopeSpec *spec);

/* A block's matrices, at most DV_DIT_MATRICES; how many. */
size_t dv_dit_matrices (DvDitBlock *block, DvWeight **matrices);

/* dit-time.c: fills the lanes' modulations. */
void dv_dit_time (DvDitRun *run);
/* y + table, by rows. */
DvDitMod dv_dit_modulation (DvStream *stream, const DvTensor *y,
    const DvTensor *table, int rows, const DvTensor *index);

/* dit-block.c */
void dv_dit_block (DvDitRun *run, int64_t number);

/* dit-cache.c */
void dv_dit_cache_begin (DvDitRun *run);
/* Sets the lanes' rotary tables. */
void dv_dit_cache_grid (DvDitRun *run);
/* Memory for a side's projected context; NULL data: there is none. *@filled:
 * it holds this prompt's. */
DvTensor dv_dit_cache_context (DvDitRun *run, int side, bool *filled);
/* And for a block's keys and values, [S, heads, head_dim]. */
bool dv_dit_cache_text (DvDitRun *run, int64_t block, int side, DvTensor *k,
    DvTensor *v, bool *filled);
/* What was filled holds, or is forgotten when the stream failed. */
void dv_dit_cache_end (DvDitRun *run);

/* ---- small things ---- */

static inline void
dv_dit_linear (DvStream *stream, const DvTensor *out, const DvTensor *a,
    const DvLinear *linear, DvAct act)
{
  dv_matmul (stream, &(DvMatmul){
                         .out = out,
                         .a = a,
                         .w = &linear->w,
                         .bias = linear->bias.data ? &linear->bias : NULL,
                         .act = act,
                     });
}

/* A show of something that only a probe asks for. */
static inline bool
dv_dit_probed (const DvDitRun *run)
{
  return run->probe && run->probe->see;
}

void dv_dit_show (DvDitRun *run, const DvTensor *tensor, const char *format,
    ...) __attribute__ ((format (printf, 3, 4)));
/* A [D, n] tensor as every token sees it. */
void dv_dit_show_rows (DvDitRun *run, const DvTensor *table,
    const DvTensor *index, int64_t tokens, const char *format, ...)
    __attribute__ ((format (printf, 5, 6)));

#endif
