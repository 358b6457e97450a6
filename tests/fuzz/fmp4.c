/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes the MP4 scanner, readers and repair. The first two bytes say how the
 * rest is cut into slices; however that is done, the units must be the same.
 */
#include "fmp4.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define MAX_UNIT (1u << 20)

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static uint64_t
hash (uint64_t h, const uint8_t *data, size_t size)
{
  while (size--)
    h = (h ^ *data++) * 1099511628211u;
  return h;
}

static void
check_rewrite (const uint8_t *moof, size_t size)
{
  size_t n = fmp4_rewritten_size (moof, size), again;
  Fmp4Error error;
  uint8_t *out, *twice;

  if (n == 0) {
    EXPECT (!fmp4_rewrite_moof (moof, size, 1, 2, NULL, 0, &error));
    return;
  }
  /* Exactly as large as announced, so that a byte more is seen. */
  out = malloc (n);
  EXPECT (
      fmp4_rewrite_moof (moof, size, 7, UINT64_C (1) << 33, out, n, &error));
  again = fmp4_rewritten_size (out, n);
  if (again > 0) {
    /* Written again it says the same. */
    EXPECT (again == n);
    twice = malloc (n);
    EXPECT (
        fmp4_rewrite_moof (out, n, 7, UINT64_C (1) << 33, twice, n, &error));
    EXPECT (memcmp (out, twice, n) == 0);
    free (twice);
  }
  free (out);
}

static void
check_unit (const Fmp4Unit *unit, Fmp4Init *init, bool *have_init)
{
  uint8_t *copy = malloc (unit->size);
  Fmp4Fragment fragment, head;
  Fmp4Error error;
  char mime[64];
  size_t n;

  /* A block of its own, so that reading past it is seen. */
  memcpy (copy, unit->data, unit->size);
  if (unit->kind == FMP4_UNIT_INIT) {
    *have_init = fmp4_parse_init (copy, unit->size, init, &error);
    if (*have_init) {
      EXPECT (init->n_tracks >= 1 && init->n_tracks <= FMP4_MAX_TRACKS);
      n = fmp4_init_mime (init, mime, sizeof mime);
      EXPECT (n == 0 || strlen (mime) == n);
    }
    EXPECT (fmp4_same_init (copy, unit->size, unit->data, unit->size));
    copy[unit->size / 2] ^= 1;
    fmp4_same_init (copy, unit->size, unit->data, unit->size);
  } else if (fmp4_parse_fragment (copy, unit->size, false,
                 *have_init ? init : NULL, &fragment, &error)) {
    EXPECT (fragment.mdat_offset + fragment.mdat_size <= unit->size);
    EXPECT (fragment.moof_offset + fragment.moof_size <= fragment.mdat_offset);
    EXPECT (fmp4_parse_fragment (copy, fragment.mdat_offset, true,
        *have_init ? init : NULL, &head, &error));
    check_rewrite (copy + fragment.moof_offset, fragment.moof_size);
  }
  free (copy);
}

/* Pushes everything in slices of 1 to @most bytes. Returns a hash of the units
 * that came out. */
static uint64_t
scan (const uint8_t *data, size_t size, size_t most, uint32_t random, bool look,
    bool *failed)
{
  Fmp4Scanner *scanner = fmp4_scanner_new (MAX_UNIT);
  uint64_t h = 14695981039346656037u;
  bool have_init = false;
  Fmp4Error error;
  Fmp4Init init;
  Fmp4Unit unit;

  *failed = false;
  while (size > 0 && !*failed) {
    size_t n = most ? 1 + random % most : size;

    random = random * 1664525u + 1013904223u;
    if (n > size)
      n = size;
    *failed = !fmp4_scanner_push (scanner, data, n, &error);
    data += n;
    size -= n;
    while (fmp4_scanner_next (scanner, &unit)) {
      h = hash (h, (const uint8_t *)&unit.size, sizeof unit.size);
      h = hash (h, unit.data, unit.size);
      EXPECT (unit.size <= MAX_UNIT);
      if (look)
        check_unit (&unit, &init, &have_init);
    }
  }
  if (*failed) {
    EXPECT (!fmp4_scanner_push (scanner, (const uint8_t *)"", 1, &error));
    fmp4_scanner_reset (scanner);
    EXPECT (fmp4_scanner_pending (scanner) == 0);
  }
  fmp4_scanner_free (scanner);
  return h;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  bool failed[2];
  uint64_t whole, sliced;

  if (size < 2)
    return 0;
  whole = scan (data + 2, size - 2, 0, 0, true, &failed[0]);
  sliced =
      scan (data + 2, size - 2, 1 + data[0] % 64u, data[1], false, &failed[1]);
  EXPECT (whole == sliced);
  EXPECT (failed[0] == failed[1]);
  /* The readers are also given what no scanner has seen. */
  check_rewrite (data + 2, size - 2);
  {
    Fmp4Fragment fragment;
    Fmp4Error error;
    Fmp4Init init;

    fmp4_parse_init (data + 2, size - 2, &init, &error);
    fmp4_parse_fragment (data + 2, size - 2, true, NULL, &fragment, &error);
    fmp4_parse_fragment (data + 2, size - 2, false, NULL, &fragment, &error);
  }
  return 0;
}
