/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From bytes to units: see wsmedia.h.
 */
#include "wsmedia.h"

#include <string.h>

#define BOX(a, b, c, d)                                                        \
  ((guint32)(a) << 24 | (guint32)(b) << 16 | (guint32)(c) << 8 | (guint32)(d))

void
ws_media_reader_init (WsMediaReader *reader)
{
  memset (reader, 0, sizeof *reader);
}

void
ws_media_reader_clear (WsMediaReader *reader)
{
  g_clear_pointer (&reader->scanner, fmp4_scanner_free);
  reader->has_init = FALSE;
}

void
ws_media_reader_flush (WsMediaReader *reader)
{
  if (reader->scanner)
    fmp4_scanner_reset (reader->scanner);
}

static guint64
scale (guint64 value, guint32 timescale)
{
  if (!timescale)
    return 0;
  return value / timescale * G_GUINT64_CONSTANT (1000000000) +
         value % timescale * G_GUINT64_CONSTANT (1000000000) / timescale;
}

static const Fmp4Track *
find_track (const WsMediaReader *reader, guint32 id)
{
  guint i;

  for (i = 0; i < reader->init.n_tracks; i++)
    if (reader->init.track[i].id == id)
      return &reader->init.track[i];
  return NULL;
}

static gboolean
is_video (const Fmp4Track *track)
{
  return strcmp (track->handler, "vide") == 0;
}

static WsEvent *
read_init (WsMediaReader *reader, GBytes *bytes, Fmp4Error *error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  gchar mime[256];
  WsEvent *event;
  guint i;

  if (!fmp4_parse_init (data, size, &reader->init, error))
    return NULL;
  event = ws_event_new (WS_EVENT_INIT);
  reader->has_init = TRUE;
  reader->has_video = FALSE;
  for (i = 0; i < reader->init.n_tracks; i++) {
    const Fmp4Track *track = &reader->init.track[i];
    if (is_video (track) && !reader->has_video) {
      reader->has_video = TRUE;
      event->width = track->width;
      event->height = track->height;
    }
  }
  if (fmp4_init_mime (&reader->init, mime, sizeof mime))
    event->mime = g_strdup (mime);
  else
    event->mime = g_strdup ("video/mp4");
  event->bytes = g_bytes_ref (bytes);
  return event;
}

/* The picture, or without one the first track, tells the time. */
static WsEvent *
read_fragment (WsMediaReader *reader, GBytes *bytes, Fmp4Error *error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  Fmp4Fragment fragment;
  WsEvent *event;
  guint i;

  if (!fmp4_parse_fragment (data, size, false,
          reader->has_init ? &reader->init : NULL, &fragment, error))
    return NULL;
  event = ws_event_new (WS_EVENT_FRAGMENT);
  event->bytes = g_bytes_ref (bytes);
  event->companion = reader->has_video;
  event->media_start = G_MAXUINT64;
  for (i = 0; i < fragment.n_runs; i++) {
    const Fmp4Run *run = &fragment.run[i];
    const Fmp4Track *track = find_track (reader, run->track_id);
    guint64 start, duration;

    if (!track)
      continue;
    start = scale (run->decode_time, track->timescale);
    duration = scale (run->duration, track->timescale);
    event->media_end = MAX (event->media_end, start + duration);
    if (reader->has_video && is_video (track)) {
      event->companion = FALSE;
      event->key |= run->key;
      event->duration = duration;
      event->media_start = start;
    } else {
      if (!reader->has_video) {
        event->key = TRUE;
        event->duration = MAX (event->duration, duration);
      }
      if (event->companion || !reader->has_video)
        event->media_start = MIN (event->media_start, start);
    }
  }
  if (event->media_start == G_MAXUINT64)
    event->media_start = 0;
  return event;
}

static guint32
read_u32 (const guint8 *data)
{
  return BOX (data[0], data[1], data[2], data[3]);
}

/* Whether these bytes are exactly one unit, told from the boxes' headers. */
static gboolean
is_whole (const guint8 *data, gsize size, Fmp4UnitKind *kind)
{
  gsize at = 0;
  guint32 last = 0;
  gboolean moof = FALSE, ftyp = FALSE;

  while (at < size) {
    guint32 box, type;

    if (size - at < 8)
      return FALSE;
    box = read_u32 (data + at);
    type = read_u32 (data + at + 4);
    if (box < 8 || box > size - at)
      return FALSE;
    if (last == BOX ('m', 'd', 'a', 't') || last == BOX ('m', 'o', 'o', 'v'))
      return FALSE;
    ftyp |= type == BOX ('f', 't', 'y', 'p');
    moof |= type == BOX ('m', 'o', 'o', 'f');
    last = type;
    at += box;
  }
  *kind = moof ? FMP4_UNIT_FRAGMENT : FMP4_UNIT_INIT;
  return (moof && !ftyp && last == BOX ('m', 'd', 'a', 't')) ||
         (ftyp && !moof && last == BOX ('m', 'o', 'o', 'v'));
}

static WsMediaResult
take_unit (WsMediaReader *reader, Fmp4UnitKind kind, GBytes *bytes,
    WsMediaFunc func, gpointer user_data, Fmp4Error *error)
{
  WsEvent *event = kind == FMP4_UNIT_INIT
                       ? read_init (reader, bytes, error)
                       : read_fragment (reader, bytes, error);

  if (event == NULL)
    return WS_MEDIA_BAD;
  return func (event, user_data) ? WS_MEDIA_OK : WS_MEDIA_STOPPED;
}

WsMediaResult
ws_media_reader_push (WsMediaReader *reader, GBytes *bytes, WsMediaFunc func,
    gpointer user_data, Fmp4Error *error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  Fmp4UnitKind kind;
  Fmp4Unit unit;

  if ((!reader->scanner || !fmp4_scanner_pending (reader->scanner)) &&
      is_whole (data, size, &kind))
    return take_unit (reader, kind, bytes, func, user_data, error);

  if (!reader->scanner)
    reader->scanner = fmp4_scanner_new (0);
  if (!reader->scanner ||
      !fmp4_scanner_push (reader->scanner, data, size, error))
    return WS_MEDIA_BAD;
  while (fmp4_scanner_next (reader->scanner, &unit)) {
    GBytes *copy = g_bytes_new (unit.data, unit.size);
    WsMediaResult result =
        take_unit (reader, unit.kind, copy, func, user_data, error);
    g_bytes_unref (copy);
    if (result != WS_MEDIA_OK)
      return result;
  }
  return WS_MEDIA_OK;
}
