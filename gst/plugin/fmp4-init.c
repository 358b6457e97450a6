/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads an init segment: the tracks, their codecs, the MIME type; compares
 * two of them.
 *
 * Threads: pure functions.
 */
#include "fmp4-box.h"

#include <stdio.h>
#include <string.h>

/* ---- esds: an AAC track's object type ---- */

typedef struct {
  uint8_t tag;
  Fmp4Cursor inside;
} Descriptor;

/* The next descriptor of @cursor: a tag, a length of up to four times seven
 * bits. One that is cut short is taken as not there. */
static bool
descriptor_next (Fmp4Cursor *cursor, Descriptor *descriptor)
{
  size_t size = 0, at = 1;

  if (cursor->size < 2)
    return false;
  descriptor->tag = cursor->data[0];
  for (;; at++) {
    if (at > 4 || at >= cursor->size)
      return false;
    size = size << 7 | (cursor->data[at] & 0x7f);
    if (!(cursor->data[at] & 0x80))
      break;
  }
  at++;
  if (size > cursor->size - at)
    return false;
  descriptor->inside = (Fmp4Cursor){cursor->data + at, size};
  cursor->data += at + size;
  cursor->size -= at + size;
  return true;
}

static bool
descriptor_find (Fmp4Cursor cursor, uint8_t tag, Fmp4Cursor *inside)
{
  Descriptor descriptor;

  while (descriptor_next (&cursor, &descriptor))
    if (descriptor.tag == tag) {
      *inside = descriptor.inside;
      return true;
    }
  return false;
}

static bool
cursor_skip (Fmp4Cursor *cursor, size_t count)
{
  if (count > cursor->size)
    return false;
  cursor->data += count;
  cursor->size -= count;
  return true;
}

/* "mp4a.40.2" from the AudioSpecificConfig, "mp4a.6b" for what is not
 * MPEG-4 audio. */
static bool
read_esds (const Fmp4Box *esds, Fmp4Track *track, Fmp4Error *error)
{
  Fmp4Cursor c = fmp4_box_inside (esds);
  unsigned object, flags, type;

  if (!cursor_skip (&c, 4) || !descriptor_find (c, 0x03, &c) || c.size < 3)
    goto bad;
  flags = c.data[2];
  cursor_skip (&c, 3);
  if ((flags & 0x80) && !cursor_skip (&c, 2))
    goto bad;
  if ((flags & 0x40) && (c.size < 1 || !cursor_skip (&c, 1u + c.data[0])))
    goto bad;
  if ((flags & 0x20) && !cursor_skip (&c, 2))
    goto bad;
  if (!descriptor_find (c, 0x04, &c) || c.size < 13)
    goto bad;
  object = c.data[0];
  if (object != 0x40) {
    snprintf (track->codec, sizeof track->codec, "mp4a.%02x", object);
    return true;
  }
  cursor_skip (&c, 13);
  if (!descriptor_find (c, 0x05, &c) || c.size < 2)
    goto bad;
  type = c.data[0] >> 3;
  if (type == 31)
    type = 32 + ((c.data[0] & 7u) << 3 | c.data[1] >> 5);
  snprintf (track->codec, sizeof track->codec, "mp4a.40.%u", type);
  return true;
bad:
  return fmp4_fail (
      error, "esds of track %u cannot be read", (unsigned)track->id);
}

/* ---- stsd ---- */

static bool
entry_is_video (uint32_t type)
{
  return type == FMP4_TYPE ('a', 'v', 'c', '1') ||
         type == FMP4_TYPE ('a', 'v', 'c', '3');
}

/* The entry's four letters; what does not belong in a MIME type becomes '_'. */
static void
codec_from_type (Fmp4Track *track, uint32_t type)
{
  for (int i = 0; i < 4; i++) {
    char c = (char)(uint8_t)(type >> (24 - 8 * i));
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c >= '0' && c <= '9') || c == '-';

    track->codec[i] = plain ? c : '_';
  }
  track->codec[4] = '\0';
}

static bool
read_video_entry (const Fmp4Box *entry, Fmp4Track *track, Fmp4Error *error)
{
  char name[5];
  Fmp4Cursor c = fmp4_box_inside (entry);
  Fmp4Box box;

  if (c.size < 78)
    return fmp4_fail (error, "video sample entry of track %u is too short",
        (unsigned)track->id);
  track->width = fmp4_u16 (c.data + 24);
  track->height = fmp4_u16 (c.data + 26);
  if (!entry_is_video (entry->type))
    return true;
  cursor_skip (&c, 78);
  switch (fmp4_box_find (c, FMP4_TYPE ('a', 'v', 'c', 'C'), &box,
      "the video sample entry", error)) {
    case FMP4_BOX_OK:
      break;
    case FMP4_BOX_END:
      return fmp4_fail (
          error, "H.264 track %u has no avcC", (unsigned)track->id);
    default:
      return false;
  }
  if (box.size < 4)
    return fmp4_fail (
        error, "avcC of track %u is too short", (unsigned)track->id);
  fmp4_type_text (entry->type, name);
  snprintf (track->codec, sizeof track->codec, "%s.%02x%02x%02x", name,
      box.data[1], box.data[2], box.data[3]);
  return true;
}

static bool
read_audio_entry (const Fmp4Box *entry, Fmp4Track *track, Fmp4Error *error)
{
  Fmp4Cursor c = fmp4_box_inside (entry);
  Fmp4Box box;
  unsigned version;

  if (c.size < 28)
    return fmp4_fail (error, "audio sample entry of track %u is too short",
        (unsigned)track->id);
  version = fmp4_u16 (c.data + 8);
  track->channels = fmp4_u16 (c.data + 16);
  track->sample_rate = fmp4_u32 (c.data + 24) >> 16;
  /* Rates above 65535 do not fit there; the timescale is the rate then. */
  if (track->sample_rate == 0)
    track->sample_rate = track->timescale;
  if (entry->type != FMP4_TYPE ('m', 'p', '4', 'a'))
    return true;
  /* QuickTime's versions 1 and 2 have more fields. */
  if (!cursor_skip (&c, 28u + (version == 1 ? 16u : version == 2 ? 36u : 0u)))
    return fmp4_fail (error, "audio sample entry of track %u is too short",
        (unsigned)track->id);
  switch (fmp4_box_find (c, FMP4_TYPE ('e', 's', 'd', 's'), &box,
      "the audio sample entry", error)) {
    case FMP4_BOX_OK:
      return read_esds (&box, track, error);
    case FMP4_BOX_END:
      return fmp4_fail (error, "AAC track %u has no esds", (unsigned)track->id);
    default:
      return false;
  }
}

static bool
read_stsd (const Fmp4Box *stsd, Fmp4Track *track, Fmp4Error *error)
{
  Fmp4Cursor c = fmp4_box_inside (stsd);
  Fmp4Box entry;

  if (!cursor_skip (&c, 8))
    return fmp4_fail (error, "stsd is too short");
  switch (fmp4_box_next (&c, &entry, "stsd", error)) {
    case FMP4_BOX_OK:
      break;
    case FMP4_BOX_END:
      return fmp4_fail (error, "stsd has no entry");
    default:
      return false;
  }
  codec_from_type (track, entry.type);
  if (strcmp (track->handler, "vide") == 0)
    return read_video_entry (&entry, track, error);
  if (strcmp (track->handler, "soun") == 0)
    return read_audio_entry (&entry, track, error);
  return true;
}

/* ---- trak and mvex ---- */

/* The one child of this type, which must be there and hold @least bytes. */
static bool
need (const Fmp4Box *parent, uint32_t type, size_t least, Fmp4Box *box,
    Fmp4Error *error)
{
  char inside[5], name[5];

  fmp4_type_text (parent->type, inside);
  fmp4_type_text (type, name);
  switch (fmp4_box_find (fmp4_box_inside (parent), type, box, inside, error)) {
    case FMP4_BOX_OK:
      break;
    case FMP4_BOX_END:
      return fmp4_fail (error, "%s has no %s", inside, name);
    default:
      return false;
  }
  if (box->size < least)
    return fmp4_fail (error, "%s is too short", name);
  return true;
}

static bool
read_trak (const Fmp4Box *trak, Fmp4Init *init, Fmp4Error *error)
{
  Fmp4Track *track;
  Fmp4Box box, mdia;
  size_t at;

  if (init->n_tracks == FMP4_MAX_TRACKS)
    return fmp4_fail (error, "moov has more than %d tracks", FMP4_MAX_TRACKS);
  track = &init->track[init->n_tracks];
  memset (track, 0, sizeof *track);

  if (!need (trak, FMP4_TYPE ('t', 'k', 'h', 'd'), 24, &box, error))
    return false;
  track->id = fmp4_u32 (box.data + (box.data[0] == 1 ? 20 : 12));
  for (unsigned i = 0; i < init->n_tracks; i++)
    if (init->track[i].id == track->id)
      return fmp4_fail (
          error, "two tracks have the id %u", (unsigned)track->id);

  if (!need (trak, FMP4_TYPE ('m', 'd', 'i', 'a'), 0, &mdia, error) ||
      !need (&mdia, FMP4_TYPE ('m', 'd', 'h', 'd'), 24, &box, error))
    return false;
  at = box.data[0] == 1 ? 20 : 12;
  track->timescale = fmp4_u32 (box.data + at);
  if (track->timescale == 0)
    return fmp4_fail (
        error, "timescale of track %u is zero", (unsigned)track->id);

  if (!need (&mdia, FMP4_TYPE ('h', 'd', 'l', 'r'), 12, &box, error))
    return false;
  fmp4_type_text (fmp4_u32 (box.data + 8), track->handler);

  if (!need (&mdia, FMP4_TYPE ('m', 'i', 'n', 'f'), 0, &box, error) ||
      !need (&box, FMP4_TYPE ('s', 't', 'b', 'l'), 0, &box, error) ||
      !need (&box, FMP4_TYPE ('s', 't', 's', 'd'), 8, &box, error) ||
      !read_stsd (&box, track, error))
    return false;
  init->n_tracks++;
  return true;
}

static bool
read_mvex (const Fmp4Box *mvex, Fmp4Init *init, Fmp4Error *error)
{
  Fmp4Cursor cursor = fmp4_box_inside (mvex);
  Fmp4BoxResult result;
  Fmp4Box box;

  while (
      (result = fmp4_box_next (&cursor, &box, "mvex", error)) == FMP4_BOX_OK) {
    if (box.type != FMP4_TYPE ('t', 'r', 'e', 'x'))
      continue;
    if (box.size < 24)
      return fmp4_fail (error, "trex is too short");
    for (unsigned i = 0; i < init->n_tracks; i++) {
      Fmp4Track *track = &init->track[i];

      if (track->id != fmp4_u32 (box.data + 4))
        continue;
      track->default_duration = fmp4_u32 (box.data + 12);
      track->default_size = fmp4_u32 (box.data + 16);
      track->default_flags = fmp4_u32 (box.data + 20);
    }
  }
  return result == FMP4_BOX_END;
}

bool
fmp4_parse_init (
    const uint8_t *data, size_t size, Fmp4Init *init, Fmp4Error *error)
{
  Fmp4Box moov, box, mvex;
  Fmp4Cursor cursor = {data, size};
  Fmp4BoxResult result;

  memset (init, 0, sizeof *init);
  result = fmp4_box_find (
      cursor, FMP4_TYPE ('m', 'o', 'o', 'v'), &moov, "the init segment", error);
  if (result == FMP4_BOX_END)
    return fmp4_fail (error, "the init segment has no moov");
  if (result == FMP4_BOX_BAD ||
      !need (&moov, FMP4_TYPE ('m', 'v', 'e', 'x'), 0, &mvex, error))
    return false;
  cursor = fmp4_box_inside (&moov);
  while ((result = fmp4_box_next (&cursor, &box, "moov", error)) == FMP4_BOX_OK)
    if (box.type == FMP4_TYPE ('t', 'r', 'a', 'k') &&
        !read_trak (&box, init, error))
      return false;
  if (result == FMP4_BOX_BAD)
    return false;
  if (init->n_tracks == 0)
    return fmp4_fail (error, "moov has no track");
  return read_mvex (&mvex, init, error);
}

size_t
fmp4_init_mime (const Fmp4Init *init, char *mime, size_t size)
{
  const char *kind = "audio";
  size_t used;
  int n;

  for (unsigned i = 0; i < init->n_tracks; i++)
    if (strcmp (init->track[i].handler, "vide") == 0)
      kind = "video";
  n = snprintf (mime, size, "%s/mp4; codecs=\"", kind);
  if (n < 0 || (size_t)n >= size)
    return 0;
  used = (size_t)n;
  for (unsigned i = 0; i < init->n_tracks; i++) {
    n = snprintf (
        mime + used, size - used, "%s%s", i ? "," : "", init->track[i].codec);
    if (n < 0 || (size_t)n >= size - used)
      return 0;
    used += (size_t)n;
  }
  if (size - used < 2)
    return 0;
  mime[used++] = '"';
  mime[used] = '\0';
  return used;
}

/* ---- comparing ---- */

typedef struct {
  const uint8_t *a, *b;
  const uint8_t *pos; /* in a: what is before was compared */
} Compare;

static bool
compare_up_to (Compare *compare, const uint8_t *end)
{
  size_t at = (size_t)(compare->pos - compare->a);
  bool same =
      memcmp (compare->pos, compare->b + at, (size_t)(end - compare->pos)) == 0;

  compare->pos = end;
  return same;
}

/* Follows the boxes of a; b has the same as far as it was compared. @depth
 * bounds it: moov/trak/mdia are three. */
static bool
compare_boxes (Compare *compare, Fmp4Cursor cursor, unsigned depth)
{
  Fmp4Box box;

  while (fmp4_box_next (&cursor, &box, "", NULL) == FMP4_BOX_OK) {
    size_t times;

    switch (box.type) {
      case FMP4_TYPE ('m', 'o', 'o', 'v'):
      case FMP4_TYPE ('t', 'r', 'a', 'k'):
      case FMP4_TYPE ('m', 'd', 'i', 'a'):
        if (depth > 0 &&
            !compare_boxes (compare, fmp4_box_inside (&box), depth - 1))
          return false;
        break;
      case FMP4_TYPE ('m', 'v', 'h', 'd'):
      case FMP4_TYPE ('t', 'k', 'h', 'd'):
      case FMP4_TYPE ('m', 'd', 'h', 'd'):
        times = box.size > 0 && box.data[0] == 1 ? 16 : 8;
        if (box.size < 4 + times)
          break;
        if (!compare_up_to (compare, box.data + 4))
          return false;
        compare->pos = box.data + 4 + times;
        break;
    }
  }
  return true;
}

bool
fmp4_same_init (
    const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
  Compare compare = {a, b, a};

  if (a_size != b_size)
    return false;
  if (a_size == 0)
    return true;
  return compare_boxes (&compare, (Fmp4Cursor){a, a_size}, 3) &&
         compare_up_to (&compare, a + a_size);
}
