/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fragmented MP4 (ISO/IEC 14496-12) as far as a live relay and a muxer's
 * repair need it: cut a byte stream into init segment and fragments, read what
 * they say, rewrite a moof. Plain C11: no GLib, no GStreamer. Nothing in the
 * input is trusted: every size is checked against what is there.
 *
 * Threads: no shared state; an object belongs to one thread at a time.
 */
#ifndef FMP4_H
#define FMP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FMP4_MAX_TRACKS 8
#define FMP4_DEFAULT_MAX_BOX (64u * 1024 * 1024)

/* One sentence: what is wrong and at which box. */
typedef struct {
  char detail[200];
} Fmp4Error;

typedef enum {
  FMP4_UNIT_INIT,    /* ftyp + moov */
  FMP4_UNIT_FRAGMENT /* (styp, sidx, …) moof + mdat */
} Fmp4UnitKind;

/* ---- cutting: bytes in any slices -> whole units ---- */

typedef struct Fmp4Scanner Fmp4Scanner;

typedef struct {
  Fmp4UnitKind kind;
  const uint8_t *data; /* the scanner's, until the next call on it */
  size_t size;
} Fmp4Unit;

/* @max_unit bounds what one unit may hold, in bytes; 0: the default. NULL when
 * out of memory. */
Fmp4Scanner *fmp4_scanner_new (size_t max_unit);
void fmp4_scanner_free (Fmp4Scanner *scanner);
void fmp4_scanner_reset (Fmp4Scanner *scanner);
/* Takes a copy of the bytes. False: not fragmented MP4, or a box too large;
 * the scanner then stays failed until reset. */
bool fmp4_scanner_push (
    Fmp4Scanner *scanner, const uint8_t *data, size_t size, Fmp4Error *error);
/* The next whole unit, if there is one. */
bool fmp4_scanner_next (Fmp4Scanner *scanner, Fmp4Unit *unit);
/* Bytes that wait for the rest of their unit. */
size_t fmp4_scanner_pending (const Fmp4Scanner *scanner);

/* ---- reading ---- */

typedef struct {
  uint32_t id;
  char handler[5]; /* "vide", "soun" */
  uint32_t timescale;
  char codec[48]; /* RFC 6381: "avc1.42c028", "mp4a.40.2", or the fourcc */
  uint32_t width, height;         /* video */
  uint32_t sample_rate, channels; /* audio */
  /* trex defaults */
  uint32_t default_duration, default_size, default_flags;
} Fmp4Track;

typedef struct {
  Fmp4Track track[FMP4_MAX_TRACKS];
  unsigned n_tracks;
} Fmp4Init;

bool fmp4_parse_init (
    const uint8_t *data, size_t size, Fmp4Init *init, Fmp4Error *error);
/* `video/mp4; codecs="avc1.42c028,mp4a.40.2"` (audio/mp4 without video), from
 * the real avcC and esds. Returns the length, 0 if @size is too small. */
size_t fmp4_init_mime (const Fmp4Init *init, char *mime, size_t size);
/* Equal but for creation and modification times of mvhd, tkhd and mdhd. */
bool fmp4_same_init (
    const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);

typedef struct {
  uint32_t track_id;
  uint64_t decode_time; /* tfdt, in the track's timescale */
  uint64_t duration;    /* sum of the samples', in the track's timescale */
  uint32_t samples;
  bool key; /* the first sample is a sync sample */
} Fmp4Run;

typedef struct {
  uint32_t sequence; /* mfhd */
  Fmp4Run run[FMP4_MAX_TRACKS];
  unsigned n_runs;
  size_t moof_offset, moof_size;
  size_t mdat_offset, mdat_size; /* with its header */
} Fmp4Fragment;

/* @init gives the trex defaults and may be NULL. @data is one whole unit; an
 * mdat that is cut short is an error unless @head_only. */
bool fmp4_parse_fragment (const uint8_t *data, size_t size, bool head_only,
    const Fmp4Init *init, Fmp4Fragment *fragment, Fmp4Error *error);

/* ---- repairing ---- */

/* Writes @moof (one traf, as mp4mux makes it) again with sequence number
 * @sequence, a 64-bit tfdt of @decode_time and default-base-is-moof.
 * @out must hold fmp4_rewritten_size() bytes. */
size_t fmp4_rewritten_size (const uint8_t *moof, size_t size);
bool fmp4_rewrite_moof (const uint8_t *moof, size_t size, uint32_t sequence,
    uint64_t decode_time, uint8_t *out, size_t out_size, Fmp4Error *error);

#endif
