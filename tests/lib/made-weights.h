/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loader's functions (ltx2/loader.h) without a checkpoint: every tensor is
 * made from its name, so that a model of any size can be had at once. A
 * program that links this does not link loader.c.
 */
#ifndef DV_MADE_WEIGHTS_H
#define DV_MADE_WEIGHTS_H

#include "ltx2/loader.h"

#define MADE_MOST 2048

typedef struct {
  DvLoader loader; /* first: what is handed to a module */
  void *kept[MADE_MOST];
  char name[MADE_MOST][96]; /* what was asked for, in order */
  int64_t count[MADE_MOST]; /* elements */
  int n;
  int64_t elements; /* of all */
  float gain;       /* of what is not a vector: 1 */
} MadeLoader;

/* The model is loaded with &made->loader; keep @made as long as the model. */
MadeLoader *made_loader_new (DvDevice *device, DvDtype compute);
bool made_loader_asked (const MadeLoader *made, const char *name);
void made_loader_free (MadeLoader *made);

/* @n numbers in [-@scale, @scale) that follow from @seed. */
void made_numbers (float *to, size_t n, uint64_t seed, float scale);

#endif
