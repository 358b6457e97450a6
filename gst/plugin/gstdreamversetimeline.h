/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The timeline inside dreamversemux: which segments are announced, which one
 * the inner muxer is writing, and what each track has put into it. Gates (one
 * a track) and the relay (behind the muxer) share one.
 *
 * A "filling" is what goes through the muxer between two resets: one segment,
 * or a stretch of a stream that announces none.
 *
 * Threads: fields are read and written with the lock held; no function here
 * calls out of the bin with the lock held. The condition is broadcast whenever
 * something changes that another thread may wait for.
 */
#ifndef GST_DREAMVERSE_TIMELINE_H
#define GST_DREAMVERSE_TIMELINE_H

#include <gst/gst.h>

#include "gstdreamverse.h"

G_BEGIN_DECLS

/* Signed running time, ns; GST_CLOCK_STIME_NONE where there is none. */
typedef GstClockTimeDiff GstDreamverseTime;

typedef enum {
  GST_DREAMVERSE_VIDEO,
  GST_DREAMVERSE_AUDIO,
  GST_DREAMVERSE_N_TRACKS
} GstDreamverseTrack;

typedef struct _GstDreamverseGate GstDreamverseGate;
typedef struct _GstDreamverseRelay GstDreamverseRelay;

/* An announced segment. */
typedef struct {
  GstStructure *structure; /* as it was announced */
  gchar *stream_id;
  GstDreamverseTime start, end; /* the end moves when it is aborted */
  gboolean aborted;
  gboolean last; /* EOS follows, as far as one knows */
} GstDreamversePiece;

/* What one track has put into the muxer. */
typedef struct {
  gboolean present;
  gboolean eos;        /* no more will come on this track */
  gboolean cut;        /* has given everything that belongs to this filling */
  gboolean eos_pushed; /* and the muxer knows */
  gboolean pushing;    /* its thread is inside the muxer */
  gboolean failed;     /* its data was refused */
  /* The first sample of this filling, encoder delay taken out. */
  gboolean fed;
  GstDreamverseTime anchor_dts, anchor_pts;
  /* Where the track has got to, in the encoder's own time; it stays over
   * resets. */
  GstDreamverseTime position;
  GstClockTime duration; /* of its last sample */
  guint held;            /* frames that the encoder keeps to itself */
  GstDreamverseTime delay;
} GstDreamverseTrackState;

typedef struct {
  GMutex lock;
  GCond cond;

  GstElement *bin; /* not owned: the bin outlives its children's threads */
  GstElement *mux;
  GstDreamverseGate *gate[GST_DREAMVERSE_N_TRACKS];
  GstDreamverseRelay *relay;

  gboolean stopping;   /* going to READY: everyone leaves */
  guint state_changes; /* in progress: no reset may begin */
  gboolean resetting;  /* in progress: no state change may begin */
  guint flushing;      /* tracks between flush start and flush stop */
  GstFlowReturn flow;  /* what downstream said */

  GQueue announced; /* GstDreamversePiece, not begun */
  GQueue seen;      /* the last stream ids: each is announced once a track */
  GQueue aborts;    /* GstDreamversePiece: ends of segments not announced yet */
  gchar *last_id;   /* stream id: last, and not announced yet */
  /* what came on each track, encoded or about to be */
  GstStructure *latest[GST_DREAMVERSE_N_TRACKS];
  GstDreamverseTime last_end; /* of the last announced segment that ended */

  GstDreamverseTrackState track[GST_DREAMVERSE_N_TRACKS];

  /* this filling */
  gboolean open;    /* it is settled what it is */
  gboolean fed;     /* the muxer has had data */
  gboolean begun;   /* the init segment has left */
  gboolean drained; /* everything has left */
  gboolean eos_sent;
  GstDreamversePiece *piece;   /* NULL: nothing announced */
  GstDreamverseTime opened_at; /* without a piece: its first time */
  GstDreamverseTime
      open_end; /* without a piece: where an announced one begins */
  GstDreamverseTime tail_end;     /* where closing silence stops */
  gint64 first_in_us, last_in_us; /* monotonic */
  gchar *named;    /* stream id of the segment that the last error named */
  gint64 reset_us; /* what the reset before this filling took */
} GstDreamverseTimeline;

GstDreamverseTimeline *gst_dreamverse_timeline_new (
    GstElement *bin, GstElement *mux);
GstDreamverseTimeline *gst_dreamverse_timeline_ref (
    GstDreamverseTimeline *self);
void gst_dreamverse_timeline_unref (GstDreamverseTimeline *self);

/* Forgets everything but which tracks are there: a new session. */
void gst_dreamverse_timeline_clear (GstDreamverseTimeline *self);
/* As above, keeping what must survive a flush. */
void gst_dreamverse_timeline_clear_filling (GstDreamverseTimeline *self);

/* Both take the lock. Nothing of @structure is kept. */
void gst_dreamverse_timeline_announce (GstDreamverseTimeline *self,
    GstDreamverseTrack track, const GstStructure *structure);
void gst_dreamverse_timeline_abort (
    GstDreamverseTimeline *self, const GstStructure *structure);
void gst_dreamverse_timeline_mark_last (
    GstDreamverseTimeline *self, const GstStructure *structure);

/* ---- with the lock held ---- */

/* Where this filling ends; NONE: not known. */
GstDreamverseTime gst_dreamverse_timeline_end (
    const GstDreamverseTimeline *self);
/* Settles what the filling is that a buffer of @track at @time begins.
 * @waiting: buffers of this track that wait; @last: nothing follows them.
 * FALSE: it cannot be told yet. */
gboolean gst_dreamverse_timeline_open (GstDreamverseTimeline *self,
    GstDreamverseTrack track, GstDreamverseTime time, guint waiting,
    gboolean last);
/* @track has come to the end of this filling, as far as arithmetic can tell. */
gboolean gst_dreamverse_timeline_has_reached (
    const GstDreamverseTimeline *self, GstDreamverseTrack track);
/* Nothing follows this filling but closing silence, which is its own: it stays
 * open until the tracks end. */
gboolean gst_dreamverse_timeline_is_final (const GstDreamverseTimeline *self);
/* Closing silence beyond the end: FALSE, it cannot be told yet. @waiting and
 * @last as above. */
gboolean gst_dreamverse_timeline_tail_is_known (
    const GstDreamverseTimeline *self, guint waiting, gboolean last);
/* A sample of @track at @time belongs to a later filling. */
gboolean gst_dreamverse_timeline_is_later (const GstDreamverseTimeline *self,
    GstDreamverseTrack track, GstDreamverseTime time, GstClockTime duration);
gboolean gst_dreamverse_timeline_all_cut (const GstDreamverseTimeline *self);
gboolean gst_dreamverse_timeline_all_eos (const GstDreamverseTimeline *self);
/* The next filling may begin. */
void gst_dreamverse_timeline_next (GstDreamverseTimeline *self);

/* The segment that a failure concerns of what feeds @track, or, with
 * N_TRACKS, of all that comes in; NULL if none was announced. */
const GstStructure *gst_dreamverse_timeline_concerned (
    const GstDreamverseTimeline *self, GstDreamverseTrack track);

/* ---- pieces ---- */

GstDreamversePiece *gst_dreamverse_piece_new (const GstStructure *structure);
void gst_dreamverse_piece_free (GstDreamversePiece *piece);

/* ---- telling the application; without the lock; a segment once ---- */

void gst_dreamverse_timeline_post_error (GstDreamverseTimeline *self,
    const GstStructure *segment, const gchar *stage, const gchar *code,
    const gchar *text);

G_END_DECLS

#endif
