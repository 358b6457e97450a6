/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The program's actions. Each returns what went wrong; DV_CANCELLED when it
 * was told to stop.
 */
#ifndef GENERATE_H
#define GENERATE_H

#include "options.h"
#include "progress.h"

/* generate.c: also --bench. */
DvStatus generate (const Options *options, Progress *progress, DvError *error);
/* random.c */
DvStatus make_random (
    const Options *options, Progress *progress, DvError *error);
/* load.c */
DvStatus print_plan (const Options *options, DvError *error);

/* Must live as long as the model, which may go on to say things. */
typedef struct {
  Progress *progress;
  /* The program was stopped while loading and is about to exit. */
  void (*abandon) (void *user);
  void *user;
} Loading;

DvModel *load_model (const Options *options, Loading *loading, DvError *error);

#endif
