/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a person sees meanwhile: on a terminal one line that changes, elsewhere
 * a line a stage.
 *
 * Threads: all calls from one thread, but progress_say(), which takes care.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"

typedef struct {
  FILE *file;
  Verbosity verbosity;
  bool terminal;
  bool shown; /* the changing line is there */
  pthread_mutex_t lock;
  uint32_t segment, segments;
  double begun, drawn; /* seconds */
  char stage[32];
} Progress;

void progress_init (Progress *progress, Verbosity verbosity);
void progress_clear (Progress *progress);
double progress_now (void);

void progress_loading (Progress *progress, uint64_t done, uint64_t total);
/* Segment @segment of @segments begins. */
void progress_segment (Progress *, uint32_t segment, uint32_t segments);
void progress_stage (Progress *progress, const char *stage, double fraction);
/* A whole line, in place of the one that changes. */
void progress_say (Progress *progress, Verbosity from, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

#endif
