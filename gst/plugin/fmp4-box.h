/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Walking over the boxes of an MP4 file in memory: what the scanner, the
 * readers and the repair of fmp4.h have in common. Every size is checked
 * against the bytes that are there before anything behind it is looked at.
 *
 * Threads: pure functions.
 */
#ifndef FMP4_BOX_H
#define FMP4_BOX_H

#include "fmp4.h"

#define FMP4_TYPE(a, b, c, d)                                                  \
  ((uint32_t)(uint8_t)(a) << 24 | (uint32_t)(uint8_t)(b) << 16 |               \
      (uint32_t)(uint8_t)(c) << 8 | (uint32_t)(uint8_t)(d))

/* The first sample of a run is no sync sample. */
#define FMP4_SAMPLE_NON_SYNC 0x00010000u

#define FMP4_TFHD_BASE_DATA_OFFSET 0x000001u
#define FMP4_TFHD_DESCRIPTION 0x000002u
#define FMP4_TFHD_DURATION 0x000008u
#define FMP4_TFHD_SIZE 0x000010u
#define FMP4_TFHD_FLAGS 0x000020u
#define FMP4_TFHD_BASE_IS_MOOF 0x020000u

#define FMP4_TRUN_DATA_OFFSET 0x000001u
#define FMP4_TRUN_FIRST_FLAGS 0x000004u
#define FMP4_TRUN_DURATION 0x000100u
#define FMP4_TRUN_SIZE 0x000200u
#define FMP4_TRUN_FLAGS 0x000400u
#define FMP4_TRUN_COMPOSITION 0x000800u

typedef struct {
  uint32_t type;
  const uint8_t *start; /* the box's first byte */
  size_t total;         /* its size, header included */
  size_t header;        /* 8, or 16 with a 64-bit size */
  const uint8_t *data;  /* behind the header */
  size_t size;
} Fmp4Box;

typedef struct {
  const uint8_t *data;
  size_t size;
} Fmp4Cursor;

typedef enum {
  FMP4_BOX_OK,
  FMP4_BOX_END, /* nothing left; of a header: not all of it is there yet */
  FMP4_BOX_BAD
} Fmp4BoxResult;

static inline uint16_t
fmp4_u16 (const uint8_t *p)
{
  return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
fmp4_u32 (const uint8_t *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
         p[3];
}

static inline uint64_t
fmp4_u64 (const uint8_t *p)
{
  return (uint64_t)fmp4_u32 (p) << 32 | fmp4_u32 (p + 4);
}

static inline void
fmp4_put_u32 (uint8_t *p, uint32_t value)
{
  p[0] = (uint8_t)(value >> 24);
  p[1] = (uint8_t)(value >> 16);
  p[2] = (uint8_t)(value >> 8);
  p[3] = (uint8_t)value;
}

static inline void
fmp4_put_u64 (uint8_t *p, uint64_t value)
{
  fmp4_put_u32 (p, (uint32_t)(value >> 32));
  fmp4_put_u32 (p + 4, (uint32_t)value);
}

/* Fills @error (may be NULL) printf-like and returns false. */
bool fmp4_fail (Fmp4Error *error, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));

/* Reads a header from the @size bytes at @data, more of which may follow
 * later. */
Fmp4BoxResult fmp4_box_header (const uint8_t *data, size_t size, uint32_t *type,
    size_t *header, uint64_t *total, Fmp4Error *error);

/* The next box of @cursor, which must lie wholly within it. @inside names the
 * box they are in, for the error. */
Fmp4BoxResult fmp4_box_next (
    Fmp4Cursor *cursor, Fmp4Box *box, const char *inside, Fmp4Error *error);

/* The first box of this type directly in @cursor; END: there is none. */
Fmp4BoxResult fmp4_box_find (Fmp4Cursor cursor, uint32_t type, Fmp4Box *box,
    const char *inside, Fmp4Error *error);

static inline Fmp4Cursor
fmp4_box_inside (const Fmp4Box *box)
{
  return (Fmp4Cursor){box->data, box->size};
}

/* The type as text, what is not printable as '?'. */
void fmp4_type_text (uint32_t type, char text[5]);

#endif
