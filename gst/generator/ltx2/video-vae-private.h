/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the video VAE share: its weights, and the machine that
 * walks time through one of its halves.
 */
#ifndef DV_LTX2_VIDEO_VAE_PRIVATE_H
#define DV_LTX2_VIDEO_VAE_PRIVATE_H

#include "video-vae.h"

/* A convolution of 3 frames, rows and columns. */
typedef struct {
  DvWeight w;
  DvTensor bias;
  int64_t in, out;
} DvVaeConv;

typedef struct {
  DvVaeConv conv1, conv2;
} DvVaeRes;

/* A block of the configuration's list. */
typedef struct {
  DvVaeBlock block;
  int64_t in;     /* channels before it */
  DvVaeRes *res;  /* RES: [block.layers] */
  DvVaeConv conv; /* DOWN, UP */
} DvVaeStage;

/* The encoder or the decoder. */
typedef struct {
  DvVaeConv in, out;
  DvVaeStage stage[DV_MAX_BLOCKS];
  int n_stages; /* 0: not in the file */
  bool causal;
  DvPad pad;        /* of rows and columns */
  int64_t scale[3]; /* all blocks' factors, time, y, x */
  const char *what; /* "encoder", "decoder" */
} DvVaeHalf;

struct DvVideoVae {
  DvDevice *device;
  DvVideoVaeConfig config;
  DvDtype compute;       /* what convolutions read */
  DvTensor mean, std;    /* raw = normalised * std + mean */
  DvTensor inverse, off; /* normalised = raw * inverse + off; DV_OWNED */
  DvVaeHalf encoder, decoder;
};

/* ---- the walk (video-vae-stream.c) ---- */

/* What a convolution remembers of the frames that it was given. */
typedef struct {
  DvTensor kept; /* [2, H, W, C] */
  int64_t have;  /* of them that the next window begins with */
  int lead;      /* copies of the very first frame in front */
  int tail;      /* copies of the very last frame behind */
  bool started;
} DvVaeWalk;

typedef struct {
  const DvVaeRes *res;
  DvVaeWalk walk1, walk2;
  int stage; /* whose last it is, or -1 */
} DvVaeUnit;

/* Residual blocks at one size of frame, and what comes behind them. */
typedef struct {
  int64_t h, w, c;
  int64_t cap; /* new frames at a time */
  int first_unit, n_units;
  const DvVaeStage *tail; /* UP, DOWN; NULL: the end */
  int stage;              /* its number */
  DvVaeWalk walk;         /* of the tail's convolution */
  bool begun;
} DvVaeLevel;

/* An intermediate tensor that a probe wants whole. */
typedef struct {
  DvTensor whole;
  int64_t frames;
} DvVaeSeen;

typedef struct DvVaeRun DvVaeRun;

struct DvVaeRun {
  const DvVideoVae *vae;
  const DvVaeHalf *half;
  DvStream *stream;
  DvDtype state; /* of the tensors between blocks */
  int64_t head;  /* frames before the new ones in every buffer, for what was
                  * kept; there is one behind them, for the copy of the last */
  DvVaeWalk walk_in;
  DvVaeUnit *units; /* owned */
  DvVaeLevel level[DV_MAX_BLOCKS + 1];
  int n_levels;
  const DvProbe *probe;              /* NULL: nobody looks */
  DvVaeSeen seen[DV_MAX_BLOCKS + 2]; /* conv_in, blocks, conv_out */
  /* Gets [m, H, W, C] F32 of the last convolution, in order. */
  void (*emit) (DvVaeRun *run, const DvTensor *frames);
  void *user;
};

/* Takes the memory of a walk over frames of @h x @w, at most @chunk of them at
 * a time and @frames in all, from the stream's arena. */
void dv_vae_run_begin (DvVaeRun *run, const DvVideoVae *vae,
    const DvVaeHalf *half, DvStream *stream, int64_t h, int64_t w,
    int64_t chunk, int64_t frames, const DvProbe *probe);
/* A buffer for dv_vae_run_push(); new frames begin at head. */
DvTensor dv_vae_run_buffer (DvVaeRun *run, int64_t chunk);
/* Walks @n new frames of @buffer as far as they are known to go; @end: they
 * are the last. */
void dv_vae_run_push (
    DvVaeRun *run, const DvTensor *buffer, int64_t n, bool end);
/* Shows the probe what was collected, and frees what is not the arena's. */
void dv_vae_run_end (DvVaeRun *run);

#endif
