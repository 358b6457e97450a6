/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Cuts a byte stream into init segments and fragments.
 *
 * The bytes are kept in one growing block. Two walks go over the same boxes:
 * one right behind the writer, which refuses what is no live fragmented MP4 as
 * soon as a header shows it, and one that hands out the whole units later and
 * so can no longer meet anything wrong.
 *
 * Which boxes make a unit: `ftyp` begins one and drops what stood before it;
 * `moov` ends an init segment, `mdat` a fragment. `mfra`, `free`, `skip` and
 * `wide` between units are dropped; everything else (`styp`, `sidx`, `emsg`,
 * `prft`, unknown ones) goes with the unit that follows.
 *
 * Threads: an object belongs to one thread at a time.
 */
#include "fmp4-box.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  size_t start; /* where the unit begins that is being put together */
  size_t next;  /* where the next box begins */
  bool any;     /* a box has been seen */
  bool ftyp;    /* the unit has one */
  bool moof;    /* the unit has one */
} Walk;

typedef enum { WALK_MORE, WALK_UNIT, WALK_BAD } WalkResult;

struct Fmp4Scanner {
  uint8_t *data;
  size_t size, capacity;
  size_t max_unit;
  Walk check, take;
  bool failed;
  Fmp4Error error;
};

Fmp4Scanner *
fmp4_scanner_new (size_t max_unit)
{
  Fmp4Scanner *scanner = calloc (1, sizeof *scanner);

  if (scanner)
    scanner->max_unit = max_unit ? max_unit : FMP4_DEFAULT_MAX_BOX;
  return scanner;
}

void
fmp4_scanner_free (Fmp4Scanner *scanner)
{
  if (!scanner)
    return;
  free (scanner->data);
  free (scanner);
}

void
fmp4_scanner_reset (Fmp4Scanner *scanner)
{
  scanner->size = 0;
  scanner->check = scanner->take = (Walk){0};
  scanner->failed = false;
}

static bool
type_is_printable (uint32_t type)
{
  for (int i = 0; i < 4; i++) {
    uint8_t c = (uint8_t)(type >> (8 * i));

    /* 0xa9 is the copyright sign of QuickTime's own boxes. */
    if ((c < 0x20 || c >= 0x7f) && c != 0xa9)
      return false;
  }
  return true;
}

static bool
type_may_be_first (uint32_t type)
{
  switch (type) {
    case FMP4_TYPE ('f', 't', 'y', 'p'):
    case FMP4_TYPE ('s', 't', 'y', 'p'):
    case FMP4_TYPE ('m', 'o', 'o', 'v'):
    case FMP4_TYPE ('m', 'o', 'o', 'f'):
    case FMP4_TYPE ('s', 'i', 'd', 'x'):
    case FMP4_TYPE ('s', 's', 'i', 'x'):
    case FMP4_TYPE ('e', 'm', 's', 'g'):
    case FMP4_TYPE ('p', 'r', 'f', 't'):
    case FMP4_TYPE ('p', 'd', 'i', 'n'):
    case FMP4_TYPE ('m', 'f', 'r', 'a'):
    case FMP4_TYPE ('f', 'r', 'e', 'e'):
    case FMP4_TYPE ('s', 'k', 'i', 'p'):
    case FMP4_TYPE ('w', 'i', 'd', 'e'):
    case FMP4_TYPE ('u', 'u', 'i', 'd'):
      return true;
    default:
      return false;
  }
}

static bool
type_is_padding (uint32_t type)
{
  return type == FMP4_TYPE ('m', 'f', 'r', 'a') ||
         type == FMP4_TYPE ('f', 'r', 'e', 'e') ||
         type == FMP4_TYPE ('s', 'k', 'i', 'p') ||
         type == FMP4_TYPE ('w', 'i', 'd', 'e');
}

/* Whether a box of this type may stand here; where a unit begins. */
static bool
walk_enter (Walk *walk, uint32_t type, Fmp4Error *error)
{
  char name[5];

  fmp4_type_text (type, name);
  if (!type_is_printable (type) || (!walk->any && !type_may_be_first (type)))
    return fmp4_fail (
        error, "the bytes are no MP4: '%s' is no box to begin with", name);
  switch (type) {
    case FMP4_TYPE ('f', 't', 'y', 'p'):
    case FMP4_TYPE ('m', 'o', 'o', 'v'):
    case FMP4_TYPE ('m', 'o', 'o', 'f'):
      if (walk->moof)
        return fmp4_fail (error, "'%s' follows a moof that has no mdat", name);
      if (walk->ftyp && type != FMP4_TYPE ('m', 'o', 'o', 'v'))
        return fmp4_fail (error, "'%s' follows a ftyp that has no moov", name);
      if (type == FMP4_TYPE ('f', 't', 'y', 'p'))
        walk->start = walk->next;
      return true;
    case FMP4_TYPE ('m', 'd', 'a', 't'):
      if (!walk->moof)
        return fmp4_fail (
            error, "mdat without a moof: the file is not fragmented");
      return true;
    default:
      return true;
  }
}

/* One step over the boxes of the first @size bytes at @data. */
static WalkResult
walk_on (Walk *walk, const uint8_t *data, size_t size, size_t max_unit,
    Fmp4Unit *unit, Fmp4Error *error)
{
  for (;;) {
    Fmp4Box mvex;
    uint32_t type;
    size_t header, end;
    uint64_t total;

    if (walk->next > size)
      return WALK_MORE;
    switch (fmp4_box_header (
        data + walk->next, size - walk->next, &type, &header, &total, error)) {
      case FMP4_BOX_OK:
        break;
      case FMP4_BOX_END:
        return WALK_MORE;
      default:
        return WALK_BAD;
    }
    if (!walk_enter (walk, type, error))
      return WALK_BAD;
    /* start <= next, and what stands before next is within the bound. */
    if (total > max_unit - (walk->next - walk->start)) {
      char name[5];

      fmp4_type_text (type, name);
      fmp4_fail (error, "box '%s' of %llu bytes makes a unit above %zu bytes",
          name, (unsigned long long)total, max_unit);
      return WALK_BAD;
    }
    end = walk->next + (size_t)total;
    if (end > size)
      return WALK_MORE;

    walk->any = true;
    if (type == FMP4_TYPE ('m', 'o', 'o', 'v')) {
      Fmp4Cursor inside = {data + walk->next + header, (size_t)total - header};
      Fmp4BoxResult found = fmp4_box_find (
          inside, FMP4_TYPE ('m', 'v', 'e', 'x'), &mvex, "moov", error);

      if (found == FMP4_BOX_END)
        fmp4_fail (error, "moov has no mvex: the file is not fragmented");
      if (found != FMP4_BOX_OK)
        return WALK_BAD;
    }
    walk->ftyp |= type == FMP4_TYPE ('f', 't', 'y', 'p');
    walk->moof |= type == FMP4_TYPE ('m', 'o', 'o', 'f');
    if (type == FMP4_TYPE ('m', 'o', 'o', 'v') ||
        type == FMP4_TYPE ('m', 'd', 'a', 't')) {
      unit->kind = type == FMP4_TYPE ('m', 'd', 'a', 't') ? FMP4_UNIT_FRAGMENT
                                                          : FMP4_UNIT_INIT;
      unit->data = data + walk->start;
      unit->size = end - walk->start;
      *walk = (Walk){.start = end, .next = end, .any = true};
      return WALK_UNIT;
    }
    if (walk->start == walk->next && type_is_padding (type))
      walk->start = end;
    walk->next = end;
  }
}

/* Room for @more bytes; what was handed out already makes place first. */
static bool
scanner_reserve (Fmp4Scanner *scanner, size_t more)
{
  size_t done = scanner->take.start;
  size_t capacity = scanner->capacity;
  uint8_t *data;

  /* Moving at most as much as was handed out keeps this linear. */
  if (done > 0 && done >= scanner->size - done) {
    memmove (scanner->data, scanner->data + done, scanner->size - done);
    scanner->size -= done;
    scanner->take.start -= done;
    scanner->take.next -= done;
    scanner->check.start -= done;
    scanner->check.next -= done;
  }
  if (more <= capacity - scanner->size)
    return true;
  if (more > SIZE_MAX / 2 - scanner->size)
    return false;
  if (capacity == 0)
    capacity = 4096;
  while (capacity < scanner->size + more)
    capacity *= 2;
  data = realloc (scanner->data, capacity);
  if (!data)
    return false;
  scanner->data = data;
  scanner->capacity = capacity;
  return true;
}

bool
fmp4_scanner_push (
    Fmp4Scanner *scanner, const uint8_t *data, size_t size, Fmp4Error *error)
{
  Fmp4Unit unit;
  WalkResult result;

  if (scanner->failed)
    goto failed;
  if (size == 0)
    return true;
  if (!scanner_reserve (scanner, size)) {
    fmp4_fail (
        &scanner->error, "no memory for %zu more bytes of the stream", size);
    scanner->failed = true;
    goto failed;
  }
  memcpy (scanner->data + scanner->size, data, size);
  scanner->size += size;
  do
    result = walk_on (&scanner->check, scanner->data, scanner->size,
        scanner->max_unit, &unit, &scanner->error);
  while (result == WALK_UNIT);
  if (result == WALK_MORE)
    return true;
  /* Units that were whole before the bad box can still be taken. */
  scanner->failed = true;
failed:
  if (error)
    *error = scanner->error;
  return false;
}

bool
fmp4_scanner_next (Fmp4Scanner *scanner, Fmp4Unit *unit)
{
  return walk_on (&scanner->take, scanner->data, scanner->size,
             scanner->max_unit, unit, NULL) == WALK_UNIT;
}

size_t
fmp4_scanner_pending (const Fmp4Scanner *scanner)
{
  return scanner->size - scanner->take.start;
}
