/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The prompts of a run, one a segment.
 */
#ifndef PROMPTS_H
#define PROMPTS_H

#include <stddef.h>

#include "error.h"

typedef struct {
  char **text;
  size_t n, room;
} Prompts;

DvStatus prompts_add (Prompts *prompts, const char *text, DvError *error);
/* A prompt a line; empty lines are passed over. "-": standard input. */
DvStatus prompts_read (Prompts *prompts, const char *path, DvError *error);
/* Of segment @segment, counted from 0: the last one repeats. */
const char *prompts_get (const Prompts *prompts, size_t segment);
void prompts_clear (Prompts *prompts);

#endif
