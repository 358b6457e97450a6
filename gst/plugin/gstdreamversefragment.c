/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Puts fragments together from what mp4mux pushes (moof, eight bytes of mdat
 * header, then the samples one by one) and repairs what it leaves out: decode
 * times on one timeline, a rising sequence number, times and flags. Samples
 * are not copied: a fragment is a buffer of several memories.
 *
 * The timeline: a track's fragment decodes at the running time of its first
 * sample plus an offset that is the same for all tracks. It is 0 unless
 * decoding starts before time 0 (reordered frames) or running time starts over
 * after a flush.
 *
 * Threads: one at a time, see the header.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstdreamversefragment.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_mux_debug);
#define GST_CAT_DEFAULT gst_dreamverse_mux_debug

/* Boxes in front of mdat are small; the muxer's are a few kB. */
#define MAX_HEAD (16 * 1024 * 1024)

typedef struct {
  gboolean placed;  /* base is known for this filling */
  gboolean went_on; /* next is known */
  gint64 base;      /* what to add to the muxer's decode time */
  gint64 next;      /* where the last fragment ended */
  guint32 timescale;
  gboolean timed;         /* first_pts is known */
  GstClockTime first_pts; /* the muxer's time of the filling's first sample */
} Track;

struct _GstDreamverseAssembly {
  GByteArray *head; /* boxes before an mdat's body */
  GByteArray *init; /* ftyp and moov of this filling */
  GstBuffer *first; /* the init segment that is sent */
  Fmp4Init parsed;
  GByteArray *moof;
  GQueue body; /* GstBuffer */
  gsize body_left;
  guint64 body_size;
  guint32 sequence;
  gboolean rebase;
  GstDreamverseTime offset;
  Track track[GST_DREAMVERSE_N_TRACKS];
};

GstDreamverseAssembly *
gst_dreamverse_assembly_new (void)
{
  GstDreamverseAssembly *self = g_new0 (GstDreamverseAssembly, 1);

  self->head = g_byte_array_new ();
  self->init = g_byte_array_new ();
  self->moof = g_byte_array_new ();
  g_queue_init (&self->body);
  self->rebase = TRUE;
  return self;
}

void
gst_dreamverse_assembly_forget (GstDreamverseAssembly *self)
{
  guint i;

  g_byte_array_set_size (self->head, 0);
  g_byte_array_set_size (self->init, 0);
  g_byte_array_set_size (self->moof, 0);
  g_queue_clear_full (&self->body, (GDestroyNotify)gst_buffer_unref);
  self->body_left = 0;
  self->body_size = 0;
  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++)
    self->track[i].placed = self->track[i].timed = FALSE;
}

void
gst_dreamverse_assembly_clear (GstDreamverseAssembly *self)
{
  gst_dreamverse_assembly_forget (self);
  gst_clear_buffer (&self->first);
  self->sequence = 0;
  self->rebase = TRUE;
  self->offset = 0;
  memset (self->track, 0, sizeof self->track);
}

void
gst_dreamverse_assembly_rebase (GstDreamverseAssembly *self)
{
  self->rebase = TRUE;
}

void
gst_dreamverse_assembly_free (GstDreamverseAssembly *self)
{
  gst_dreamverse_assembly_clear (self);
  g_byte_array_unref (self->head);
  g_byte_array_unref (self->init);
  g_byte_array_unref (self->moof);
  g_free (self);
}

/* ---- init segment ---- */

static GstDreamverseAssemblyResult
take_init (GstDreamverseAssembly *self, GstBuffer **out, gboolean *changed,
    Fmp4Error *error)
{
  GstMapInfo map;

  *changed = TRUE;
  if (!fmp4_parse_init (
          self->init->data, self->init->len, &self->parsed, error))
    return GST_DREAMVERSE_ASSEMBLY_ERROR;
  if (self->first && gst_buffer_map (self->first, &map, GST_MAP_READ)) {
    *changed =
        !fmp4_same_init (map.data, map.size, self->init->data, self->init->len);
    gst_buffer_unmap (self->first, &map);
  }
  if (*changed) {
    gst_clear_buffer (&self->first);
    self->first = gst_buffer_new_memdup (self->init->data, self->init->len);
    GST_BUFFER_FLAG_SET (self->first, GST_BUFFER_FLAG_HEADER);
  }
  g_byte_array_set_size (self->init, 0);
  *out = gst_buffer_ref (self->first);
  return GST_DREAMVERSE_ASSEMBLY_INIT;
}

/* ---- placing a fragment in time ---- */

static gint64
to_ticks (GstDreamverseTime time, guint32 timescale)
{
  guint64 ticks = gst_util_uint64_scale_round (
      time < 0 ? (guint64)-time : (guint64)time, timescale, GST_SECOND);

  return time < 0 ? -(gint64)ticks : (gint64)ticks;
}

static GstClockTime
to_time (gint64 ticks, guint32 timescale)
{
  return gst_util_uint64_scale ((guint64)ticks, GST_SECOND, timescale);
}

/* Decoding can't start before 0, nor behind what a track was sent. */
static void
find_offset (GstDreamverseAssembly *self, const GstDreamverseTrackState *state)
{
  guint i;

  self->rebase = FALSE;
  self->offset = 0;
  for (i = 0; i < GST_DREAMVERSE_N_TRACKS; i++) {
    Track *track = &self->track[i];
    GstDreamverseTime from = track->went_on ? (GstDreamverseTime)to_time (
                                                  track->next, track->timescale)
                                            : 0;

    if (state[i].present && state[i].fed)
      self->offset = MAX (self->offset, from - state[i].anchor_dts);
  }
}

static const Fmp4Track *
find_track (const GstDreamverseAssembly *self, guint32 id)
{
  guint i;

  for (i = 0; i < self->parsed.n_tracks; i++)
    if (self->parsed.track[i].id == id)
      return &self->parsed.track[i];
  return NULL;
}

static gboolean
is_video (const Fmp4Track *track)
{
  return !strcmp (track->handler, "vide");
}

static gboolean
has_video (const GstDreamverseAssembly *self)
{
  guint i;

  for (i = 0; i < self->parsed.n_tracks; i++)
    if (is_video (&self->parsed.track[i]))
      return TRUE;
  return FALSE;
}

/* What to add to the decode times of this track in this filling. */
static void
place_track (Track *track, gint64 start, guint64 muxed)
{
  if (track->went_on) {
    /* A millisecond: what rounding of nanoseconds and an encoder's frame
     * durations can come to. Beyond it, time really jumped. */
    gint64 tolerance = track->timescale / 1000 + 1;

    if (start < track->next || start - track->next <= tolerance)
      start = track->next;
  }
  track->base = MAX (start, 0) - (gint64)muxed;
  track->placed = TRUE;
}

/* PTS, as running time: the earliest sample's. */
static GstClockTime
earliest_pts (
    GstDreamverseAssembly *self, Track *track, GstDreamverseTime anchor_pts)
{
  GstClockTime earliest = GST_CLOCK_TIME_NONE;
  GList *link;
  GstDreamverseTime pts;

  for (link = self->body.head; link; link = link->next) {
    GstBuffer *sample = link->data;

    if (!GST_BUFFER_PTS_IS_VALID (sample))
      continue;
    if (!track->timed) {
      track->first_pts = GST_BUFFER_PTS (sample);
      track->timed = TRUE;
    }
    if (!GST_CLOCK_TIME_IS_VALID (earliest) ||
        GST_BUFFER_PTS (sample) < earliest)
      earliest = GST_BUFFER_PTS (sample);
  }
  if (!GST_CLOCK_TIME_IS_VALID (earliest))
    return GST_CLOCK_TIME_NONE;
  pts = anchor_pts + GST_CLOCK_DIFF (track->first_pts, earliest);
  return MAX (pts, 0);
}

/* ---- the fragment's buffer ---- */

static void
append_body (GstDreamverseAssembly *self, GstBuffer *out)
{
  guint memories = gst_buffer_n_memory (out);
  GstBuffer *sample;
  GList *link;

  for (link = self->body.head; link; link = link->next)
    memories += gst_buffer_n_memory (link->data);

  if (memories <= gst_buffer_get_max_memory ()) {
    while ((sample = g_queue_pop_head (&self->body))) {
      gst_buffer_copy_into (out, sample, GST_BUFFER_COPY_MEMORY, 0, -1);
      gst_buffer_unref (sample);
    }
  } else {
    /* One copy, rather than one for each memory too many. */
    guint8 *data = g_malloc (self->body_size);
    gsize at = 0;

    while ((sample = g_queue_pop_head (&self->body))) {
      at += gst_buffer_extract (sample, 0, data + at, self->body_size - at);
      gst_buffer_unref (sample);
    }
    gst_buffer_append_memory (out,
        gst_memory_new_wrapped (0, data, self->body_size, 0, at, data, g_free));
  }
}

static GstDreamverseAssemblyResult
finish_fragment (GstDreamverseAssembly *self, GstDreamverseTimeline *timeline,
    GstBuffer **out, Fmp4Error *error)
{
  GstDreamverseTrackState state[GST_DREAMVERSE_N_TRACKS];
  Fmp4Fragment fragment;
  const Fmp4Track *info;
  Track *track;
  guint kind;
  gint64 decode;
  gsize size;
  guint8 *moof;
  GstClockTime pts;
  gboolean key;

  if (!fmp4_parse_fragment (self->moof->data, self->moof->len, TRUE,
          &self->parsed, &fragment, error))
    return GST_DREAMVERSE_ASSEMBLY_ERROR;
  info =
      fragment.n_runs == 1 ? find_track (self, fragment.run[0].track_id) : NULL;
  if (!info || !info->timescale) {
    g_snprintf (error->detail, sizeof error->detail,
        "moof: %u runs, or of a track that moov does not name",
        fragment.n_runs);
    return GST_DREAMVERSE_ASSEMBLY_ERROR;
  }
  kind = is_video (info) ? GST_DREAMVERSE_VIDEO : GST_DREAMVERSE_AUDIO;
  track = &self->track[kind];

  g_mutex_lock (&timeline->lock);
  memcpy (state, timeline->track, sizeof state);
  g_mutex_unlock (&timeline->lock);

  if (self->rebase)
    find_offset (self, state);
  if (track->went_on && track->timescale != info->timescale)
    track->next = gst_util_uint64_scale_round (
        track->next, info->timescale, track->timescale);
  track->timescale = info->timescale;
  if (!track->placed)
    place_track (track,
        to_ticks (state[kind].anchor_dts + self->offset, info->timescale),
        fragment.run[0].decode_time);
  decode = track->base + (gint64)fragment.run[0].decode_time;
  track->next = decode + (gint64)fragment.run[0].duration;
  track->went_on = TRUE;

  size = fmp4_rewritten_size (self->moof->data, self->moof->len);
  moof = size ? g_malloc (size) : NULL;
  if (!moof || !fmp4_rewrite_moof (self->moof->data, self->moof->len,
                   ++self->sequence, (guint64)decode, moof, size, error)) {
    g_free (moof);
    return GST_DREAMVERSE_ASSEMBLY_ERROR;
  }
  pts = earliest_pts (self, track, state[kind].anchor_pts);
  key = fragment.run[0].key &&
        (kind == GST_DREAMVERSE_VIDEO || !has_video (self));

  *out = gst_buffer_new_wrapped (moof, size);
  append_body (self, *out);
  GST_BUFFER_PTS (*out) = pts;
  GST_BUFFER_DURATION (*out) = to_time (track->next, info->timescale) -
                               to_time (decode, info->timescale);
  if (!key)
    GST_BUFFER_FLAG_SET (*out, GST_BUFFER_FLAG_DELTA_UNIT);
  g_byte_array_set_size (self->moof, 0);
  self->body_size = 0;
  return GST_DREAMVERSE_ASSEMBLY_FRAGMENT;
}

/* ---- cutting the muxer's output into boxes ---- */

static GstDreamverseAssemblyResult
take_body (GstDreamverseAssembly *self, GstDreamverseTimeline *timeline,
    GstBuffer *buffer, GstBuffer **out, Fmp4Error *error)
{
  gsize size = gst_buffer_get_size (buffer);

  if (size > self->body_left) {
    gst_buffer_unref (buffer);
    g_snprintf (error->detail, sizeof error->detail,
        "mdat: %" G_GSIZE_FORMAT " bytes where %" G_GSIZE_FORMAT " are left",
        size, self->body_left);
    return GST_DREAMVERSE_ASSEMBLY_ERROR;
  }
  g_queue_push_tail (&self->body, buffer);
  self->body_left -= size;
  self->body_size += size;
  return self->body_left ? GST_DREAMVERSE_ASSEMBLY_MORE
                         : finish_fragment (self, timeline, out, error);
}

static GstDreamverseAssemblyResult
take_box (GstDreamverseAssembly *self, guint32 type, gsize size,
    GstBuffer **out, gboolean *changed, Fmp4Error *error)
{
  GstDreamverseAssemblyResult result = GST_DREAMVERSE_ASSEMBLY_MORE;

  if (type == GST_MAKE_FOURCC ('f', 't', 'y', 'p')) {
    g_byte_array_set_size (self->init, 0);
    g_byte_array_append (self->init, self->head->data, size);
  } else if (type == GST_MAKE_FOURCC ('m', 'o', 'o', 'v')) {
    g_byte_array_append (self->init, self->head->data, size);
    result = take_init (self, out, changed, error);
  } else if (type == GST_MAKE_FOURCC ('m', 'o', 'o', 'f')) {
    g_byte_array_set_size (self->moof, 0);
    g_byte_array_append (self->moof, self->head->data, size);
  }
  g_byte_array_remove_range (self->head, 0, size);
  return result;
}

GstDreamverseAssemblyResult
gst_dreamverse_assembly_push (GstDreamverseAssembly *self,
    GstDreamverseTimeline *timeline, GstBuffer *buffer, GstBuffer **out,
    gboolean *changed, Fmp4Error *error)
{
  GstDreamverseAssemblyResult result = GST_DREAMVERSE_ASSEMBLY_MORE;
  GstMapInfo map;

  *changed = FALSE;
  if (self->body_left)
    return take_body (self, timeline, buffer, out, error);

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    gst_buffer_unref (buffer);
    g_snprintf (error->detail, sizeof error->detail, "memory can't be read");
    return GST_DREAMVERSE_ASSEMBLY_ERROR;
  }
  g_byte_array_append (self->head, map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);

  while (result == GST_DREAMVERSE_ASSEMBLY_MORE && self->head->len >= 8) {
    guint64 size = GST_READ_UINT32_BE (self->head->data);
    guint32 type = GST_READ_UINT32_LE (self->head->data + 4);

    if (type == GST_MAKE_FOURCC ('m', 'd', 'a', 't')) {
      /* The muxer pushes the header by itself: eight bytes, or sixteen. */
      gsize header = size == 1 ? 16 : 8;
      GstBuffer *head;

      if (size == 1 && self->head->len >= 16)
        size = GST_READ_UINT64_BE (self->head->data + 8);
      if (self->head->len != header || size <= header || !self->moof->len)
        goto bad_box;
      head = gst_buffer_new_memdup (self->head->data, header);
      g_queue_push_tail (&self->body, head);
      self->body_size = header;
      self->body_left = size - header;
      g_byte_array_set_size (self->head, 0);
      break;
    }
    if (size < 8 || size > MAX_HEAD)
      goto bad_box;
    if (self->head->len < size)
      break;
    result = take_box (self, type, size, out, changed, error);
  }
  return result;

bad_box:
  g_snprintf (error->detail, sizeof error->detail,
      "the muxer wrote a box of %" G_GUINT64_FORMAT " bytes that can't be read",
      (guint64)GST_READ_UINT32_BE (self->head->data));
  return GST_DREAMVERSE_ASSEMBLY_ERROR;
}
