/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads a fragment: which tracks, from when, how long, from a sync sample or
 * not. Defaults are taken where the format says: trun, then tfhd, then trex.
 *
 * Threads: pure functions.
 */
#include "fmp4-box.h"

#include <string.h>

/* What one traf says of its samples before its truns do. */
typedef struct {
  uint32_t track_id;
  uint32_t duration, size, flags;
} Defaults;

static bool
add (uint64_t *sum, uint64_t value)
{
  return !__builtin_add_overflow (*sum, value, sum);
}

static bool
read_tfhd (const Fmp4Box *tfhd, const Fmp4Init *init, Defaults *defaults,
    Fmp4Error *error)
{
  uint32_t flags;
  size_t at = 8, need = 8;

  if (tfhd->size < 8)
    return fmp4_fail (error, "tfhd is too short");
  flags = fmp4_u32 (tfhd->data);
  *defaults = (Defaults){.track_id = fmp4_u32 (tfhd->data + 4)};
  for (unsigned i = 0; init && i < init->n_tracks; i++) {
    const Fmp4Track *track = &init->track[i];

    if (track->id != defaults->track_id)
      continue;
    defaults->duration = track->default_duration;
    defaults->size = track->default_size;
    defaults->flags = track->default_flags;
  }
  need += flags & FMP4_TFHD_BASE_DATA_OFFSET ? 8 : 0;
  need += flags & FMP4_TFHD_DESCRIPTION ? 4 : 0;
  need += flags & FMP4_TFHD_DURATION ? 4 : 0;
  need += flags & FMP4_TFHD_SIZE ? 4 : 0;
  need += flags & FMP4_TFHD_FLAGS ? 4 : 0;
  if (tfhd->size < need)
    return fmp4_fail (error, "tfhd is too short for what its flags announce");
  at += flags & FMP4_TFHD_BASE_DATA_OFFSET ? 8 : 0;
  at += flags & FMP4_TFHD_DESCRIPTION ? 4 : 0;
  if (flags & FMP4_TFHD_DURATION) {
    defaults->duration = fmp4_u32 (tfhd->data + at);
    at += 4;
  }
  if (flags & FMP4_TFHD_SIZE) {
    defaults->size = fmp4_u32 (tfhd->data + at);
    at += 4;
  }
  if (flags & FMP4_TFHD_FLAGS)
    defaults->flags = fmp4_u32 (tfhd->data + at);
  return true;
}

static bool
read_tfdt (const Fmp4Box *tfdt, uint64_t *decode_time, Fmp4Error *error)
{
  bool wide = tfdt->size > 0 && tfdt->data[0] == 1;

  if (tfdt->size < (wide ? 12u : 8u))
    return fmp4_fail (error, "tfdt is too short");
  *decode_time = wide ? fmp4_u64 (tfdt->data + 4) : fmp4_u32 (tfdt->data + 4);
  return true;
}

/* Adds the samples of one trun to @run, their bytes to @bytes. */
static bool
read_trun (const Fmp4Box *trun, const Defaults *defaults, Fmp4Run *run,
    uint64_t *bytes, Fmp4Error *error)
{
  const uint8_t *sample;
  uint32_t flags, count, first_flags = defaults->flags;
  size_t at = 8, duration_at, size_at, flags_at, step = 0;

  if (trun->size < 8)
    return fmp4_fail (error, "trun is too short");
  flags = fmp4_u32 (trun->data);
  count = fmp4_u32 (trun->data + 4);
  at += flags & FMP4_TRUN_DATA_OFFSET ? 4 : 0;
  if (flags & FMP4_TRUN_FIRST_FLAGS) {
    if (trun->size < at + 4)
      return fmp4_fail (error, "trun is too short for its first sample flags");
    first_flags = fmp4_u32 (trun->data + at);
    at += 4;
  }
  duration_at = step;
  step += flags & FMP4_TRUN_DURATION ? 4 : 0;
  size_at = step;
  step += flags & FMP4_TRUN_SIZE ? 4 : 0;
  flags_at = step;
  step += flags & FMP4_TRUN_FLAGS ? 4 : 0;
  step += flags & FMP4_TRUN_COMPOSITION ? 4 : 0;
  if (trun->size < at || (step > 0 && count > (trun->size - at) / step))
    return fmp4_fail (error, "trun of track %u says %u samples and holds less",
        (unsigned)run->track_id, (unsigned)count);
  if (count == 0)
    return true;
  if (count > UINT32_MAX - run->samples)
    goto overflow;

  sample = trun->data + at;
  if (run->samples == 0) {
    if ((flags & FMP4_TRUN_FLAGS) && !(flags & FMP4_TRUN_FIRST_FLAGS))
      first_flags = fmp4_u32 (sample + flags_at);
    run->key = !(first_flags & FMP4_SAMPLE_NON_SYNC);
  }
  run->samples += count;
  /* Neither can overflow: 32 bits times 32 bits. */
  if (!(flags & FMP4_TRUN_DURATION) &&
      !add (&run->duration, (uint64_t)count * defaults->duration))
    goto overflow;
  if (!(flags & FMP4_TRUN_SIZE) &&
      !add (bytes, (uint64_t)count * defaults->size))
    goto overflow;
  if (!(flags & (FMP4_TRUN_DURATION | FMP4_TRUN_SIZE)))
    return true;
  for (uint32_t i = 0; i < count; i++, sample += step) {
    if ((flags & FMP4_TRUN_DURATION) &&
        !add (&run->duration, fmp4_u32 (sample + duration_at)))
      goto overflow;
    if ((flags & FMP4_TRUN_SIZE) && !add (bytes, fmp4_u32 (sample + size_at)))
      goto overflow;
  }
  return true;
overflow:
  return fmp4_fail (error, "samples of track %u add up to more than 64 bits",
      (unsigned)run->track_id);
}

/* The run of this track, new if the fragment has none yet. */
static Fmp4Run *
run_for_track (Fmp4Fragment *fragment, uint32_t track_id)
{
  Fmp4Run *run;

  for (unsigned i = 0; i < fragment->n_runs; i++)
    if (fragment->run[i].track_id == track_id)
      return &fragment->run[i];
  if (fragment->n_runs == FMP4_MAX_TRACKS)
    return NULL;
  run = &fragment->run[fragment->n_runs++];
  *run = (Fmp4Run){.track_id = track_id};
  return run;
}

static bool
read_traf (const Fmp4Box *traf, const Fmp4Init *init, Fmp4Fragment *fragment,
    uint64_t *bytes, Fmp4Error *error)
{
  Fmp4Cursor cursor = fmp4_box_inside (traf);
  Defaults defaults = {0};
  Fmp4BoxResult result;
  Fmp4Run *run;
  Fmp4Box box;
  uint64_t decode_time = 0;

  result = fmp4_box_find (
      cursor, FMP4_TYPE ('t', 'f', 'h', 'd'), &box, "traf", error);
  if (result == FMP4_BOX_END)
    return fmp4_fail (error, "traf has no tfhd");
  if (result == FMP4_BOX_BAD || !read_tfhd (&box, init, &defaults, error))
    return false;
  result = fmp4_box_find (
      cursor, FMP4_TYPE ('t', 'f', 'd', 't'), &box, "traf", error);
  if (result == FMP4_BOX_END)
    return fmp4_fail (error,
        "traf of track %u has no tfdt: no player could place it in time",
        (unsigned)defaults.track_id);
  if (result == FMP4_BOX_BAD || !read_tfdt (&box, &decode_time, error))
    return false;
  run = run_for_track (fragment, defaults.track_id);
  if (!run)
    return fmp4_fail (error, "moof has more than %d tracks", FMP4_MAX_TRACKS);
  if (run->samples == 0)
    run->decode_time = decode_time;
  while ((result = fmp4_box_next (&cursor, &box, "traf", error)) == FMP4_BOX_OK)
    if (box.type == FMP4_TYPE ('t', 'r', 'u', 'n') &&
        !read_trun (&box, &defaults, run, bytes, error))
      return false;
  if (result == FMP4_BOX_BAD)
    return false;
  if (run->duration > UINT64_MAX - run->decode_time)
    return fmp4_fail (
        error, "track %u ends past 64 bits of time", (unsigned)run->track_id);
  return true;
}

static bool
read_moof (const Fmp4Box *moof, const Fmp4Init *init, Fmp4Fragment *fragment,
    uint64_t *bytes, Fmp4Error *error)
{
  Fmp4Cursor cursor = fmp4_box_inside (moof);
  Fmp4BoxResult result;
  bool mfhd = false;
  Fmp4Box box;

  while (
      (result = fmp4_box_next (&cursor, &box, "moof", error)) == FMP4_BOX_OK) {
    if (box.type == FMP4_TYPE ('m', 'f', 'h', 'd')) {
      if (box.size < 8)
        return fmp4_fail (error, "mfhd is too short");
      fragment->sequence = fmp4_u32 (box.data + 4);
      mfhd = true;
    } else if (box.type == FMP4_TYPE ('t', 'r', 'a', 'f') &&
               !read_traf (&box, init, fragment, bytes, error)) {
      return false;
    }
  }
  if (result == FMP4_BOX_BAD)
    return false;
  if (!mfhd)
    return fmp4_fail (error, "moof has no mfhd");
  if (fragment->n_runs == 0)
    return fmp4_fail (error, "moof has no traf");
  return true;
}

/* The mdat behind the moof, or as much of it as is there. */
static bool
find_mdat (Fmp4Cursor cursor, const uint8_t *data, bool head_only,
    Fmp4Fragment *fragment, size_t *header, Fmp4Error *error)
{
  for (;;) {
    uint32_t type;
    uint64_t total;

    switch (fmp4_box_header (
        cursor.data, cursor.size, &type, header, &total, error)) {
      case FMP4_BOX_OK:
        break;
      case FMP4_BOX_END:
        if (head_only)
          return true;
        return fmp4_fail (error, "moof has no mdat");
      default:
        return false;
    }
    if (type == FMP4_TYPE ('m', 'd', 'a', 't')) {
      if (total > cursor.size && (!head_only || total > SIZE_MAX))
        return fmp4_fail (error, "mdat of %llu bytes is cut short at %zu",
            (unsigned long long)total, cursor.size);
      fragment->mdat_offset = (size_t)(cursor.data - data);
      fragment->mdat_size = (size_t)total;
      return true;
    }
    if (total > cursor.size) {
      if (head_only)
        return true;
      return fmp4_fail (error, "a box behind the moof is cut short");
    }
    cursor.data += total;
    cursor.size -= (size_t)total;
  }
}

bool
fmp4_parse_fragment (const uint8_t *data, size_t size, bool head_only,
    const Fmp4Init *init, Fmp4Fragment *fragment, Fmp4Error *error)
{
  Fmp4Cursor cursor = {data, size};
  Fmp4BoxResult result;
  Fmp4Box moof;
  uint64_t bytes = 0;
  size_t header = 0;

  memset (fragment, 0, sizeof *fragment);
  do
    result = fmp4_box_next (&cursor, &moof, "the fragment", error);
  while (result == FMP4_BOX_OK && moof.type != FMP4_TYPE ('m', 'o', 'o', 'f'));
  if (result == FMP4_BOX_END)
    return fmp4_fail (error, "the fragment has no moof");
  if (result == FMP4_BOX_BAD ||
      !read_moof (&moof, init, fragment, &bytes, error))
    return false;
  fragment->moof_offset = (size_t)(moof.start - data);
  fragment->moof_size = moof.total;
  if (!find_mdat (cursor, data, head_only, fragment, &header, error))
    return false;
  if (fragment->mdat_size > 0 && bytes > fragment->mdat_size - header)
    return fmp4_fail (error,
        "the samples of the moof have %llu bytes, its mdat holds %zu",
        (unsigned long long)bytes, fragment->mdat_size - header);
  return true;
}
