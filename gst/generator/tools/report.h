/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Times by stage: of a segment, of a run, and of several runs against each
 * other.
 */
#ifndef REPORT_H
#define REPORT_H

#include "generator.h"
#include "progress.h"

/* Sums over the segments of a run. */
typedef struct {
  DvReport sum;
  uint32_t segments;
  double first_ms; /* until the first frame of the first segment */
  double wall_ms;  /* writing included */
} RunReport;

void report_add (
    RunReport *run, const DvReport *segment, double wall_ms, double first_ms);
/* A line about one segment. @fps: frames a second. */
void report_say_segment (Progress *progress, const DvReport *segment,
    uint32_t segments, double fps, double wall_ms, double first_ms);
void report_say_run (Progress *progress, const RunReport *run, double fps);
/* A table of the best and the median of @n runs. */
void report_print_bench (
    FILE *file, const RunReport *runs, unsigned n, double fps);

#endif
