/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What dreamverse-generate is asked to do.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "generator.h"
#include "prompts.h"
#include "values.h"

typedef enum {
  ACTION_GENERATE,
  ACTION_PLAN,  /* say what memory it would take */
  ACTION_BENCH, /* several runs, written nowhere */
  ACTION_MAKE_RANDOM,
  ACTION_HELP,
  ACTION_VERSION
} Action;

typedef enum { QUIET = -1, NORMAL, VERBOSE } Verbosity;

/* Strings are the command line's own. */
typedef struct {
  Action action;
  Verbosity verbosity;

  const char *model, *device, *dtype;
  int threads;
  uint64_t memory; /* bytes; 0: what there is */
  DvLoraSpec *loras;
  size_t n_loras;

  Prompts prompts;
  uint32_t segments;
  uint32_t width, height;
  uint32_t fps_n, fps_d;
  uint32_t frames, overlap, audio_overlap;
  uint64_t seed;
  DvSteps steps;
  bool one_stage;
  const char *image;
  float image_strength;

  const char *state_in, *state_out;
  const char *output; /* "-": standard output; NULL: no pictures */
  const char *wav;    /* NULL: no sound */
  unsigned runs;      /* of a bench */

  const char *random_config, *random_layout, *random_folder;
  bool random_tokenizer, random_sparse;
} Options;

/* DV_ERROR_ARGUMENT: the command line is wrong; anything else: it is right and
 * what it names cannot be had. To be cleared either way. */
DvStatus options_parse (
    Options *options, int argc, char **argv, DvError *error);
void options_clear (Options *options);

/* usage.c: what --help prints. */
extern const char usage[];

#endif
