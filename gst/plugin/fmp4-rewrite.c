/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes a moof again: sequence number, an absolute 64-bit tfdt,
 * default-base-is-moof. One pass does both the measuring and the writing, so
 * the two cannot differ.
 *
 * Threads: pure functions.
 */
#include "fmp4-box.h"

#include <string.h>

#define TFDT_SIZE 20

typedef struct {
  uint8_t *out; /* NULL: only measures */
  size_t size;
  uint32_t sequence;
  uint64_t decode_time;
  int64_t grown; /* what every data offset grows by: the mdat moves */
} Pass;

/* Copies a box and returns where its copy is, NULL when only measuring. */
static uint8_t *
put_box (Pass *pass, const Fmp4Box *box)
{
  uint8_t *copy = pass->out ? pass->out + pass->size : NULL;

  if (copy)
    memcpy (copy, box->start, box->total);
  pass->size += box->total;
  return copy;
}

static void
put_tfdt (Pass *pass)
{
  if (pass->out) {
    uint8_t *p = pass->out + pass->size;

    fmp4_put_u32 (p, TFDT_SIZE);
    fmp4_put_u32 (p + 4, FMP4_TYPE ('t', 'f', 'd', 't'));
    fmp4_put_u32 (p + 8, 0x01000000); /* version 1 */
    fmp4_put_u64 (p + 12, pass->decode_time);
  }
  pass->size += TFDT_SIZE;
}

/* Copies a header now; its size is filled in once it is known. */
static size_t
begin_container (Pass *pass, const Fmp4Box *box)
{
  size_t at = pass->size;

  if (pass->out)
    memcpy (pass->out + at, box->start, box->header);
  pass->size += box->header;
  return at;
}

static void
end_container (Pass *pass, const Fmp4Box *box, size_t at)
{
  if (!pass->out)
    return;
  if (box->header == 16)
    fmp4_put_u64 (pass->out + at + 8, pass->size - at);
  else
    fmp4_put_u32 (pass->out + at, (uint32_t)(pass->size - at));
}

static bool
rewrite_tfhd (Pass *pass, const Fmp4Box *box, Fmp4Error *error)
{
  uint8_t *copy;
  uint32_t flags;

  if (box->size < 8)
    return fmp4_fail (error, "tfhd is too short");
  flags = fmp4_u32 (box->data);
  if (flags & FMP4_TFHD_BASE_DATA_OFFSET)
    return fmp4_fail (error,
        "tfhd has offsets from the start of the file: it cannot be moved");
  copy = put_box (pass, box);
  if (copy)
    fmp4_put_u32 (copy + box->header, flags | FMP4_TFHD_BASE_IS_MOOF);
  return true;
}

static bool
rewrite_trun (Pass *pass, const Fmp4Box *box, Fmp4Error *error)
{
  uint8_t *copy;
  int64_t offset;

  if (box->size < 8)
    return fmp4_fail (error, "trun is too short");
  if (!(fmp4_u32 (box->data) & FMP4_TRUN_DATA_OFFSET)) {
    put_box (pass, box);
    return true;
  }
  if (box->size < 12)
    return fmp4_fail (error, "trun is too short for its data offset");
  offset = (int64_t)(int32_t)fmp4_u32 (box->data + 8) + pass->grown;
  if (offset > INT32_MAX || offset < INT32_MIN)
    return fmp4_fail (error, "data offset of a trun leaves 32 bits");
  copy = put_box (pass, box);
  if (copy)
    fmp4_put_u32 (copy + box->header + 8, (uint32_t)(int32_t)offset);
  return true;
}

static bool
rewrite_traf (Pass *pass, const Fmp4Box *traf, Fmp4Error *error)
{
  Fmp4Cursor cursor = fmp4_box_inside (traf);
  Fmp4BoxResult result;
  Fmp4Box box;
  bool tfhd = false;
  size_t at = begin_container (pass, traf);

  while (
      (result = fmp4_box_next (&cursor, &box, "traf", error)) == FMP4_BOX_OK) {
    switch (box.type) {
      case FMP4_TYPE ('t', 'f', 'h', 'd'):
        if (tfhd)
          return fmp4_fail (error, "traf has two tfhd");
        if (!rewrite_tfhd (pass, &box, error))
          return false;
        put_tfdt (pass);
        tfhd = true;
        break;
      case FMP4_TYPE ('t', 'f', 'd', 't'):
        break; /* the new one stands behind the tfhd */
      case FMP4_TYPE ('t', 'r', 'u', 'n'):
        if (!rewrite_trun (pass, &box, error))
          return false;
        break;
      case FMP4_TYPE ('s', 'a', 'i', 'o'):
        return fmp4_fail (
            error, "saio: a moof with auxiliary offsets cannot be moved");
      default:
        put_box (pass, &box);
    }
  }
  if (result == FMP4_BOX_BAD)
    return false;
  if (!tfhd)
    return fmp4_fail (error, "traf has no tfhd");
  end_container (pass, traf, at);
  return true;
}

static bool
rewrite (Pass *pass, const uint8_t *moof, size_t size, Fmp4Error *error)
{
  Fmp4Cursor cursor = {moof, size};
  Fmp4BoxResult result;
  Fmp4Box box, child;
  unsigned n_mfhd = 0, n_traf = 0;
  size_t at;
  uint8_t *copy;

  result = fmp4_box_next (&cursor, &box, "the moof's bytes", error);
  if (result == FMP4_BOX_BAD)
    return false;
  if (result == FMP4_BOX_END || cursor.size != 0 ||
      box.type != FMP4_TYPE ('m', 'o', 'o', 'f'))
    return fmp4_fail (error, "not exactly one moof");
  at = begin_container (pass, &box);
  cursor = fmp4_box_inside (&box);
  while ((result = fmp4_box_next (&cursor, &child, "moof", error)) ==
         FMP4_BOX_OK) {
    switch (child.type) {
      case FMP4_TYPE ('m', 'f', 'h', 'd'):
        if (child.size < 8)
          return fmp4_fail (error, "mfhd is too short");
        copy = put_box (pass, &child);
        if (copy)
          fmp4_put_u32 (copy + child.header + 4, pass->sequence);
        n_mfhd++;
        break;
      case FMP4_TYPE ('t', 'r', 'a', 'f'):
        if (!rewrite_traf (pass, &child, error))
          return false;
        n_traf++;
        break;
      default:
        put_box (pass, &child);
    }
  }
  if (result == FMP4_BOX_BAD)
    return false;
  if (n_mfhd != 1 || n_traf != 1)
    return fmp4_fail (
        error, "moof has %u mfhd and %u traf, not one of each", n_mfhd, n_traf);
  end_container (pass, &box, at);
  return true;
}

/* How large it gets, if it can be written at all. */
static bool
measure (const uint8_t *moof, size_t size, size_t *out_size, Fmp4Error *error)
{
  Pass pass = {0};

  if (!rewrite (&pass, moof, size, error))
    return false;
  *out_size = pass.size;
  if (pass.size > UINT32_MAX)
    return fmp4_fail (error, "moof grows past 32 bits");
  /* Once more, to see whether every data offset can follow. */
  pass = (Pass){.grown = (int64_t)pass.size - (int64_t)size};
  return rewrite (&pass, moof, size, error);
}

size_t
fmp4_rewritten_size (const uint8_t *moof, size_t size)
{
  size_t out_size;

  return measure (moof, size, &out_size, NULL) ? out_size : 0;
}

bool
fmp4_rewrite_moof (const uint8_t *moof, size_t size, uint32_t sequence,
    uint64_t decode_time, uint8_t *out, size_t out_size, Fmp4Error *error)
{
  Pass pass = {.out = out, .sequence = sequence, .decode_time = decode_time};
  size_t needed;

  if (!measure (moof, size, &needed, error))
    return false;
  if (needed > out_size)
    return fmp4_fail (error,
        "rewritten moof has %zu bytes, there is room for %zu", needed,
        out_size);
  /* Two tfdt boxes may have become one: it may be below zero. */
  pass.grown = (int64_t)needed - (int64_t)size;
  return rewrite (&pass, moof, size, error);
}
