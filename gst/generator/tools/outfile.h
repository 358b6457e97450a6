/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A file that is written piece by piece and never holds half a piece: when a
 * write fails the file is cut to the last whole one.  What was there before is
 * replaced by the first piece only; a file that was made for nothing is
 * removed.
 */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

typedef struct {
  int fd;           /* -1: closed */
  const char *path; /* the caller's */
  const char *name; /* for people */
  bool made;        /* by us */
  bool regular;     /* can be cut */
  bool begun;
  uint64_t whole; /* bytes */
} OutFile;

/* "-": standard output. */
DvStatus outfile_open (OutFile *file, const char *path, DvError *error);
/* One piece. */
DvStatus outfile_write (
    OutFile *file, const void *data, size_t size, DvError *error);
/* Over what is there already; does nothing where one cannot go back. */
DvStatus outfile_patch (
    OutFile *file, uint64_t at, const void *data, size_t size, DvError *error);
/* Leaves @size bytes; does nothing where one cannot go back. */
DvStatus outfile_cut (OutFile *file, uint64_t size, DvError *error);
/* Also after a failure; @error may be NULL. */
DvStatus outfile_close (OutFile *file, DvError *error);

#endif
