/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Models of random weights, of any size and in any layout: what speed, memory
 * and robustness are measured with where the published weights are not at
 * hand.  Written as a stream: no more than a piece of one tensor is ever in
 * memory.
 *
 * A weight's value depends on the seed, the tensor's diffusers name and its
 * index alone, so that the layouts of one seed hold one model.
 */
#ifndef DV_LTX2_MAKE_RANDOM_H
#define DV_LTX2_MAKE_RANDOM_H

#include <stdint.h>

#include "config.h"
#include "error.h"

typedef enum {
  DV_LAYOUT_DIFFUSERS, /* A: a directory a component */
  DV_LAYOUT_FASTVIDEO, /* B: the same with original names */
  DV_LAYOUT_SINGLE     /* C: one file */
} DvLayout;

typedef struct {
  /* "tiny", "tiny2.3", "small", "ltx2", "ltx2.3", or the path of a JSON file:
   * an object with any of the keys text_encoder, connectors, transformer, vae,
   * audio_vae, vocoder, latent_upsampler, each an object of diffusers'
   * configuration keys. What is absent is as in LTX-2. */
  const char *config;
  DvLayout layout;
  uint64_t seed;
  bool tokenizer;       /* with a small tokenizer.json */
  bool sparse;          /* all zeros, which take no room on disk: for plans */
  uint64_t shard_bytes; /* layout A: larger components are cut; 0: 5 GB */
  /* Bytes written so far, and of the whole; false: stop. May be NULL. */
  bool (*progress) (void *user, uint64_t done, uint64_t total);
  void *user;
} DvRandomSpec;

/* Writes into @directory, which is made if it is not there. */
DvStatus dv_make_random (
    const DvRandomSpec *spec, const char *directory, DvError *error);

/* The configuration that a spec's config means. */
DvStatus dv_make_random_config (
    const char *config, DvLtx2Config *out, DvError *error);

#endif
