/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A checkpoint of any of the three layouts, mapped, with its tensors under
 * their diffusers names (sections 2.1 to 2.4 of docs/ltx2-model.md).
 *
 * Nothing but headers and configurations is read by opening; weights are
 * touched when they are loaded.
 *
 * Threads: after opening, a checkpoint is only read and may be shared.
 */
#ifndef DV_LTX2_CHECKPOINT_H
#define DV_LTX2_CHECKPOINT_H

#include "config.h"
#include "tensor.h"

typedef enum {
  DV_PART_GEMMA,      /* model.layers.0…, without language_model. */
  DV_PART_CONNECTORS, /* text_proj_in.weight, video_connector.… */
  DV_PART_DIT,
  DV_PART_VIDEO_VAE,
  DV_PART_AUDIO_VAE,
  DV_PART_VOCODER,
  DV_PART_UPSAMPLER,
  DV_N_PARTS
} DvPart;

const char *dv_part_name (DvPart part); /* "text_encoder", "transformer", … */

typedef struct DvCheckpoint DvCheckpoint;

/* @path: a directory of layout A or B, or a single file of layout C (with the
 * upsampler and Gemma looked for beside it). */
DvCheckpoint *dv_checkpoint_open (const char *path, DvError *error);
/* One component alone, of a directory with config.json and weights, or of one
 * file: for tests and tools. The others' values stay zero. */
DvCheckpoint *dv_checkpoint_open_part (
    DvPart part, const char *directory, DvError *error);
void dv_checkpoint_free (DvCheckpoint *checkpoint);

const DvLtx2Config *dv_checkpoint_config (const DvCheckpoint *checkpoint);
/* Where tokenizer.json is, or NULL. */
const char *dv_checkpoint_tokenizer (const DvCheckpoint *checkpoint);
const char *dv_checkpoint_path (const DvCheckpoint *checkpoint);

/* A mapped tensor by its diffusers name, or NULL. */
const DvTensor *dv_checkpoint_find (
    const DvCheckpoint *checkpoint, DvPart part, const char *name);
/* The i-th tensor of a part and its name; NULL past the last. */
const DvTensor *dv_checkpoint_nth (
    const DvCheckpoint *checkpoint, DvPart part, size_t i, const char **name);
/* Bytes of a part's tensors in their files. */
uint64_t dv_checkpoint_bytes (const DvCheckpoint *checkpoint, DvPart part);

#endif
