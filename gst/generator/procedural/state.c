/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The continuation state as bytes.
 *
 * Little-endian on every machine: magic, version, length of the body, checksum
 * of the body, body.  Loading trusts nothing: a checksum is no signature, so
 * every number is looked at before the painter or the synthesiser see it.
 */
#include "timeline.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x53505644u /* "DVPS" */
#define VERSION 1u
#define HEADER 16

#define SCENE_FLOATS (offsetof (DvScene, seed) / sizeof (float))
#define SCENE_BYTES (4 * (SCENE_FLOATS + 1))
#define POINT_BYTES (8 + 4 * 8 + 2 * SCENE_BYTES + 8 + 4)
#define TURN_BYTES (8 + 4 + SCENE_BYTES)
#define MAX_BYTES                                                              \
  (HEADER + 4 + 1 + 8 + 2 * POINT_BYTES + 4 +                                  \
      DV_TIMELINE_HISTORY * TURN_BYTES + 8 + DV_TRACK_LENGTH * SCENE_BYTES)

/* Amounts are in [0, 1], with room for the rounding of a mix; a few go below
 * zero. No sum ever gets so large. */
#define SCENE_LIMIT 1.001f
#define SUM_LIMIT 1e9
#define COUNT_LIMIT (UINT64_MAX / 4)

_Static_assert(sizeof (DvScene) == SCENE_BYTES, "a scene has no padding");

typedef struct {
  uint8_t *at;
} Writer;

typedef struct {
  const uint8_t *at, *end;
  bool bad; /* too short, or a number that cannot be */
} Reader;

static void
put_u32 (Writer *writer, uint32_t value)
{
  for (int i = 0; i < 4; i++)
    *writer->at++ = (uint8_t)(value >> (8 * i));
}

static void
put_u64 (Writer *writer, uint64_t value)
{
  put_u32 (writer, (uint32_t)value);
  put_u32 (writer, (uint32_t)(value >> 32));
}

static void
put_double (Writer *writer, double value)
{
  uint64_t bits;

  memcpy (&bits, &value, sizeof bits);
  put_u64 (writer, bits);
}

static void
put_scene (Writer *writer, const DvScene *scene)
{
  uint32_t bits[SCENE_FLOATS + 1];

  memcpy (bits, scene, sizeof bits);
  for (size_t i = 0; i <= SCENE_FLOATS; i++)
    put_u32 (writer, bits[i]);
}

static void
put_point (Writer *writer, const DvTimelinePoint *point)
{
  put_u64 (writer, point->frame);
  put_double (writer, point->time);
  put_double (writer, point->camera_x);
  put_double (writer, point->camera_zoom);
  put_double (writer, point->wind);
  put_scene (writer, &point->from);
  put_scene (writer, &point->to);
  put_u64 (writer, point->morph_start);
  put_u32 (writer, point->morph_frames);
}

static uint32_t
get_u32 (Reader *reader)
{
  uint32_t value = 0;

  if (reader->end - reader->at < 4) {
    reader->bad = true;
    return 0;
  }
  for (int i = 0; i < 4; i++)
    value |= (uint32_t)*reader->at++ << (8 * i);
  return value;
}

static uint64_t
get_u64 (Reader *reader)
{
  uint64_t low = get_u32 (reader);

  return low | (uint64_t)get_u32 (reader) << 32;
}

static uint64_t
get_count (Reader *reader, uint64_t low, uint64_t high)
{
  uint64_t value = get_u64 (reader);

  if (value < low || value > high)
    reader->bad = true;
  return value;
}

static double
get_sum (Reader *reader)
{
  uint64_t bits = get_u64 (reader);
  double value;

  memcpy (&value, &bits, sizeof value);
  if (!(value >= -SUM_LIMIT && value <= SUM_LIMIT)) {
    reader->bad = true;
    return 0;
  }
  return value;
}

static bool
may_be_negative (size_t field)
{
  return field == offsetof (DvScene, sun_height) / sizeof (float) ||
         field == offsetof (DvScene, camera_x) / sizeof (float) ||
         field == offsetof (DvScene, camera_zoom) / sizeof (float);
}

static void
get_scene (Reader *reader, DvScene *scene)
{
  uint32_t bits[SCENE_FLOATS + 1];
  float values[SCENE_FLOATS];

  for (size_t i = 0; i <= SCENE_FLOATS; i++)
    bits[i] = get_u32 (reader);
  memcpy (values, bits, sizeof values);
  for (size_t i = 0; i < SCENE_FLOATS; i++)
    if (!(values[i] >= (may_be_negative (i) ? -SCENE_LIMIT : -0.001f) &&
            values[i] <= SCENE_LIMIT))
      reader->bad = true;
  memcpy (scene, bits, sizeof bits);
}

static void
get_point (Reader *reader, DvTimelinePoint *point)
{
  point->frame = get_count (reader, 0, COUNT_LIMIT);
  point->time = get_sum (reader);
  point->camera_x = get_sum (reader);
  point->camera_zoom = get_sum (reader);
  point->wind = get_sum (reader);
  get_scene (reader, &point->from);
  get_scene (reader, &point->to);
  point->morph_start = get_count (reader, 0, point->frame);
  point->morph_frames = get_u32 (reader);
}

static uint32_t
checksum (const uint8_t *data, size_t size)
{
  uint32_t sum = 2166136261u;

  for (size_t i = 0; i < size; i++)
    sum = (sum ^ data[i]) * 16777619u;
  return sum;
}

static unsigned
kept_entries (const DvSoundTrack *track)
{
  return track->known < DV_TRACK_LENGTH ? (unsigned)track->known
                                        : DV_TRACK_LENGTH;
}

uint8_t *
dv_timeline_save (const DvTimeline *timeline, size_t *size)
{
  uint8_t *data = malloc (MAX_BYTES);
  const DvSoundTrack *track = &timeline->sound;
  Writer writer = {data + HEADER};
  size_t body;

  if (!data)
    return NULL;
  put_u32 (&writer, SCENE_FLOATS);
  *writer.at++ = timeline->started;
  if (timeline->started) {
    put_u32 (&writer, timeline->fps_n);
    put_u32 (&writer, timeline->fps_d);
    put_point (&writer, &timeline->base);
    put_point (&writer, &timeline->head);
    put_u32 (&writer, timeline->n_turns);
    for (unsigned i = 0; i < timeline->n_turns; i++) {
      put_u64 (&writer, timeline->turn[i].frame);
      put_u32 (&writer, timeline->turn[i].morph_frames);
      put_scene (&writer, &timeline->turn[i].to);
    }
    put_u64 (&writer, track->known);
    for (uint64_t i = track->known - kept_entries (track); i < track->known;
         i++)
      put_scene (&writer, &track->scene[i % DV_TRACK_LENGTH]);
  }
  body = (size_t)(writer.at - data) - HEADER;
  writer.at = data;
  put_u32 (&writer, MAGIC);
  put_u32 (&writer, VERSION);
  put_u32 (&writer, (uint32_t)body);
  put_u32 (&writer, checksum (data + HEADER, body));
  *size = HEADER + body;
  return data;
}

static void
get_turns (Reader *reader, DvTimeline *timeline)
{
  uint64_t after = timeline->base.frame;

  timeline->n_turns = get_u32 (reader);
  /* One place is kept for the next turn. */
  if (timeline->n_turns >= DV_TIMELINE_HISTORY) {
    reader->bad = true;
    timeline->n_turns = 0;
  }
  for (unsigned i = 0; i < timeline->n_turns && !reader->bad; i++) {
    DvTimelineTurn *turn = &timeline->turn[i];

    turn->frame = get_count (reader, after + 1, timeline->head.frame - 1);
    turn->morph_frames = get_u32 (reader);
    get_scene (reader, &turn->to);
    after = turn->frame;
  }
}

static void
get_track (Reader *reader, DvSoundTrack *track)
{
  track->known = get_count (reader, 1, COUNT_LIMIT);
  if (reader->bad)
    return;
  for (uint64_t i = track->known - kept_entries (track); i < track->known; i++)
    get_scene (reader, &track->scene[i % DV_TRACK_LENGTH]);
}

static void
get_timeline (Reader *reader, DvTimeline *timeline)
{
  double fps;

  if (get_u32 (reader) != SCENE_FLOATS || reader->at == reader->end ||
      *reader->at > 1) {
    reader->bad = true;
    return;
  }
  timeline->started = *reader->at++;
  if (!timeline->started)
    return;
  timeline->fps_n = get_u32 (reader);
  timeline->fps_d = get_u32 (reader);
  fps = timeline->fps_d ? (double)timeline->fps_n / timeline->fps_d : 0;
  if (!(fps >= 1e-3 && fps <= 1e4))
    reader->bad = true;
  get_point (reader, &timeline->base);
  get_point (reader, &timeline->head);
  if (timeline->head.frame <= timeline->base.frame ||
      timeline->head.frame - timeline->base.frame >= DV_TIMELINE_HISTORY)
    reader->bad = true;
  if (!reader->bad)
    get_turns (reader, timeline);
  if (!reader->bad)
    get_track (reader, &timeline->sound);
}

DvStatus
dv_timeline_load (
    DvTimeline *timeline, const uint8_t *data, size_t size, DvError *error)
{
  Reader reader = {data, data + size, false};
  DvTimeline *loaded;
  uint32_t magic, version, body, sum;

  if (size < HEADER)
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "%zu bytes are too few for a saved state", size);
  magic = get_u32 (&reader);
  version = get_u32 (&reader);
  body = get_u32 (&reader);
  sum = get_u32 (&reader);
  if (magic != MAGIC)
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "these bytes are no saved state of the procedural generator");
  if (version != VERSION)
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "the saved state is of version %u; this version reads %u", version,
        VERSION);
  if (body != size - HEADER)
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "the saved state should have %u bytes after its header and has %zu",
        body, size - HEADER);
  if (sum != checksum (data + HEADER, body))
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "the saved state is damaged: its checksum does not fit");

  loaded = calloc (1, sizeof *loaded);
  if (!loaded)
    return dv_fail (error, DV_ERROR_MEMORY, "load",
        "no memory for a state of %zu bytes", sizeof *loaded);
  get_timeline (&reader, loaded);
  if (reader.bad || reader.at != reader.end) {
    free (loaded);
    return dv_fail (error, DV_ERROR_FORMAT, "load",
        "the saved state holds numbers that no session can have");
  }
  *timeline = *loaded;
  free (loaded);
  return DV_OK;
}
