/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reports in words and in a table. "Times real time" is how much longer the
 * media plays than it took to make: above 1 keeps up.
 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static DvStageTime *
stage_of (DvReport *report, const char *name)
{
  for (unsigned i = 0; i < report->n_stages; i++)
    if (strcmp (report->stage[i].name, name) == 0)
      return &report->stage[i];
  if (report->n_stages == DV_REPORT_STAGES)
    return NULL;
  memcpy (
      report->stage[report->n_stages].name, name, sizeof report->stage[0].name);
  return &report->stage[report->n_stages++];
}

void
report_add (
    RunReport *run, const DvReport *segment, double wall_ms, double first_ms)
{
  if (run->segments++ == 0)
    run->first_ms = first_ms;
  run->wall_ms += wall_ms;
  run->sum.frames += segment->frames;
  run->sum.samples += segment->samples;
  run->sum.total_ms += segment->total_ms;
  for (unsigned i = 0; i < segment->n_stages; i++) {
    DvStageTime *stage = stage_of (&run->sum, segment->stage[i].name);

    if (stage)
      stage->ms += segment->stage[i].ms;
  }
}

/* "text 12 ms, denoise 3.20 s" */
static void
list_stages (const DvReport *report, char *text, size_t room)
{
  size_t at = 0;

  text[0] = 0;
  for (unsigned i = 0; i < report->n_stages && at < room; i++) {
    const DvStageTime *stage = &report->stage[i];
    const char *gap = i > 0 ? ", " : "";
    int length;

    if (stage->ms < 1000)
      length = snprintf (
          text + at, room - at, "%s%s %.0f ms", gap, stage->name, stage->ms);
    else
      length = snprintf (text + at, room - at, "%s%s %.2f s", gap, stage->name,
          stage->ms / 1000);
    at += length > 0 ? (size_t)length : 0;
  }
}

static double
ratio (double media_seconds, double ms)
{
  return ms > 0 ? media_seconds * 1000 / ms : 0;
}

void
report_say_segment (Progress *progress, const DvReport *segment,
    uint32_t segments, double fps, double wall_ms, double first_ms)
{
  double media = segment->frames / fps;
  char stages[512];

  list_stages (segment, stages, sizeof stages);
  progress_say (progress, NORMAL,
      "segment %u/%u: %u frames (%.3f s) in %.2f s, %.2f times real time; "
      "first frame after %.2f s; %s",
      progress->segment, segments, segment->frames, media, wall_ms / 1000,
      ratio (media, wall_ms), first_ms / 1000, stages);
}

void
report_say_run (Progress *progress, const RunReport *run, double fps)
{
  double media = run->sum.frames / fps;
  char stages[512];

  list_stages (&run->sum, stages, sizeof stages);
  progress_say (progress, NORMAL,
      "%u segment%s, %u frames, %" PRIu64
      " samples: %.3f s of media in %.2f s, %.2f times real time; %s",
      run->segments, run->segments == 1 ? "" : "s", run->sum.frames,
      run->sum.samples, media, run->wall_ms / 1000, ratio (media, run->wall_ms),
      stages);
}

/* ---- several runs ---- */

static int
compare (const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;

  return (left > right) - (left < right);
}

static void
print_row (FILE *file, const char *name, double *ms, unsigned n, double media)
{
  double median;

  qsort (ms, n, sizeof *ms, compare);
  median = n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2;
  fprintf (file, "%-16s %12.1f %12.1f %12.2f\n", name, ms[0], median,
      ratio (media, ms[0]));
}

void
report_print_bench (FILE *file, const RunReport *runs, unsigned n, double fps)
{
  double media = runs[0].sum.frames / fps;
  double *ms = malloc (n * sizeof *ms);

  if (!ms)
    return;
  fprintf (file, "%u run%s of %.3f s of media\n", n, n == 1 ? "" : "s", media);
  fprintf (file, "%-16s %12s %12s %12s\n", "stage", "best ms", "median ms",
      "x real time");
  for (unsigned stage = 0; stage < runs[0].sum.n_stages; stage++) {
    for (unsigned i = 0; i < n; i++)
      ms[i] = runs[i].sum.stage[stage].ms;
    print_row (file, runs[0].sum.stage[stage].name, ms, n, media);
  }
  for (unsigned i = 0; i < n; i++)
    ms[i] = runs[i].sum.total_ms;
  print_row (file, "all", ms, n, media);
  for (unsigned i = 0; i < n; i++)
    ms[i] = runs[i].first_ms;
  print_row (file, "first frame", ms, n, media);
  free (ms);
}
