/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Progress on standard error.
 */
#include "progress.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL 0.1 /* seconds between two drawings */
#define MAX_BAR 40
#define MIN_BAR 10
#define TEXT 64 /* columns beside the bar */

double
progress_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void
progress_init (Progress *self, Verbosity verbosity)
{
  memset (self, 0, sizeof *self);
  self->file = stderr;
  self->verbosity = verbosity;
  self->terminal = verbosity > QUIET && isatty (STDERR_FILENO);
  self->begun = progress_now ();
  pthread_mutex_init (&self->lock, NULL);
}

static void
wipe (Progress *self)
{
  if (self->shown)
    fputs ("\r\033[K", self->file);
  self->shown = false;
}

void
progress_clear (Progress *self)
{
  wipe (self);
  fflush (self->file);
  pthread_mutex_destroy (&self->lock);
}

static int
bar_width (void)
{
  struct winsize size;
  int width = MAX_BAR;

  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    width = size.ws_col - TEXT;
  return width > MAX_BAR ? MAX_BAR : width < MIN_BAR ? MIN_BAR : width;
}

/* Minutes and seconds, hours where there are some. */
static void
format_time (double seconds, char *text, size_t room)
{
  unsigned long s = seconds > 0 && seconds < 3.6e8 ? (unsigned long)seconds : 0;

  if (s >= 3600)
    snprintf (text, room, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
  else
    snprintf (text, room, "%lu:%02lu", s / 60, s % 60);
}

/* Only so often, but always the end. */
static bool
is_due (Progress *self, double now, double fraction)
{
  if (!self->terminal || (now - self->drawn < INTERVAL && fraction < 1))
    return false;
  self->drawn = now;
  return true;
}

static void
draw (Progress *self, const char *what, double fraction, double now)
{
  double passed = now - self->begun;
  int width = bar_width (), full = (int)(fraction * width + 0.5);
  char bar[MAX_BAR + 1], elapsed[32], left[32];

  memset (bar, '.', (size_t)width);
  memset (bar, '#', (size_t)full);
  bar[width] = 0;
  format_time (passed, elapsed, sizeof elapsed);
  /* Too early for a guess. */
  if (fraction > 0.01 && passed > 0.5)
    format_time (passed * (1 - fraction) / fraction + 0.5, left, sizeof left);
  else
    strcpy (left, "?");
  fprintf (self->file, "\r%-32.32s [%s] %3d %%  %s, %s left\033[K", what, bar,
      (int)(fraction * 100), elapsed, left);
  fflush (self->file);
  self->shown = true;
}

static double
bounded (double fraction)
{
  return fraction > 0 ? fraction < 1 ? fraction : 1 : 0;
}

void
progress_loading (Progress *self, uint64_t done, uint64_t total)
{
  double fraction = total ? bounded ((double)done / (double)total) : 1;
  double now = progress_now ();
  char what[64];

  if (total == 0)
    return;
  pthread_mutex_lock (&self->lock);
  if (is_due (self, now, fraction)) {
    snprintf (what, sizeof what, "loading %.2f of %.2f GB", (double)done / 1e9,
        (double)total / 1e9);
    draw (self, what, fraction, now);
  }
  pthread_mutex_unlock (&self->lock);
}

void
progress_segment (Progress *self, uint32_t segment, uint32_t segments)
{
  self->segment = segment;
  self->segments = segments;
  self->begun = progress_now ();
  self->stage[0] = 0;
}

void
progress_stage (Progress *self, const char *stage, double fraction)
{
  double now = progress_now ();
  char what[64];

  fraction = bounded (fraction);
  pthread_mutex_lock (&self->lock);
  snprintf (what, sizeof what, "segment %u/%u: %.16s", self->segment,
      self->segments, stage);
  if (is_due (self, now, fraction))
    draw (self, what, fraction, now);
  if (!self->terminal && self->verbosity > QUIET &&
      strncmp (self->stage, stage, sizeof self->stage - 1) != 0) {
    snprintf (self->stage, sizeof self->stage, "%s", stage);
    fprintf (self->file, "%s, after %.2f s\n", what, now - self->begun);
  }
  pthread_mutex_unlock (&self->lock);
}

void
progress_say (Progress *self, Verbosity from, const char *format, ...)
{
  va_list arguments;

  if (self->verbosity < from)
    return;
  pthread_mutex_lock (&self->lock);
  wipe (self);
  va_start (arguments, format);
  vfprintf (self->file, format, arguments);
  va_end (arguments);
  fputc ('\n', self->file);
  fflush (self->file);
  pthread_mutex_unlock (&self->lock);
}
