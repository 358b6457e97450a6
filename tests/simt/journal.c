/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the two runs of a launch write to device memory, so that the second
 * starts where the first did and both can be compared.
 *
 * Threads: under the lock of device memory (memory.c).
 */
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define PIECE 16

typedef struct {
  uint8_t *at;
  uint8_t bytes, old[PIECE], result[PIECE];
} Note;

typedef struct {
  Note *notes;
  size_t n, room;
} Journal;

static Journal journals[2];
static int current;

void
simt_journal_note (void *at, size_t bytes)
{
  Journal *j = &journals[current];

  for (uint8_t *p = at; bytes > 0;) {
    size_t piece = bytes < PIECE ? bytes : PIECE;
    Note *note;

    if (j->n == j->room) {
      j->room = j->room ? 2 * j->room : 4096;
      j->notes = realloc (j->notes, j->room * sizeof *j->notes);
      if (!j->notes)
        abort ();
    }
    note = &j->notes[j->n++];
    note->at = p;
    note->bytes = (uint8_t)piece;
    /* More than a piece is there: nobody's page is behind every allocation. */
    memcpy (note->old, p, PIECE);
    p += piece;
    bytes -= piece;
  }
}

void
simt_journal_clear (void)
{
  for (int i = 0; i < 2; i++) {
    /* A launch of unusual size must not keep its memory. */
    if (journals[i].room > (size_t)1 << 20) {
      free (journals[i].notes);
      journals[i] = (Journal){0};
    }
    journals[i].n = 0;
  }
  current = 0;
}

void
simt_journal_undo (void)
{
  Journal *j = &journals[current];

  for (size_t i = j->n; i > 0; i--)
    memcpy (j->notes[i - 1].at, j->notes[i - 1].old, j->notes[i - 1].bytes);
}

static void
keep (Journal *j)
{
  for (size_t i = 0; i < j->n; i++)
    memcpy (j->notes[i].result, j->notes[i].at, PIECE);
}

void
simt_journal_turn (void)
{
  keep (&journals[0]);
  simt_journal_undo ();
  current = 1;
}

static const void *
differs (const Journal *j)
{
  for (size_t i = 0; i < j->n; i++)
    for (size_t b = 0; b < j->notes[i].bytes; b++)
      if (j->notes[i].at[b] != j->notes[i].result[b])
        return j->notes[i].at + b;
  return NULL;
}

const void *
simt_journal_differs (void)
{
  const void *at = differs (&journals[0]);

  if (at)
    return at;
  /* What only the second run wrote: the results of the first are put back. */
  keep (&journals[1]);
  simt_journal_undo ();
  for (size_t i = 0; i < journals[0].n; i++)
    memcpy (journals[0].notes[i].at, journals[0].notes[i].result,
        journals[0].notes[i].bytes);
  return differs (&journals[1]);
}
