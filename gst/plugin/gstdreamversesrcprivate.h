/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of dreamversesrc share: gstdreamversesrc.c (runs, states,
 * events), gstdreamversesrcproperties.c, gstdreamversesrccontrol.c (commands,
 * signals), gstdreamversesrcpads.c (pad tasks), gstdreamversesrccaps.c
 * (negotiation), gstdreamversesrcpacing.c (clock), gstdreamversesrcopen.c
 * (model), gstdreamversesrcworker.c (generation), gstdreamversesrcstep.c (one
 * segment) and gstdreamversesrcahead.c (the prompt of the next).
 *
 * Threads: src->lock guards everything here that is not said to be constant
 * or atomic; src->cond is broadcast when anything changes that somebody may
 * wait for. The lock is never held across a call that leaves the element.
 */
#ifndef GST_DREAMVERSE_SRC_PRIVATE_H
#define GST_DREAMVERSE_SRC_PRIVATE_H

#include <gst/audio/audio.h>
#include <gst/base/base.h>
#include <gst/video/video.h>

#include "generator.h"
#include "gstdreamversequeue.h"
#include "gstdreamversesrc.h"
#include "gstdreamversestats.h"
#include "gstdreamversesteering.h"
#include "segment.h"

G_BEGIN_DECLS

/* Those that wait for the clock. */
typedef enum {
  GST_DREAMVERSE_WAIT_VIDEO = GST_DREAMVERSE_LANE_VIDEO,
  GST_DREAMVERSE_WAIT_AUDIO = GST_DREAMVERSE_LANE_AUDIO,
  GST_DREAMVERSE_WAIT_STEP,
  GST_DREAMVERSE_N_WAITS
} GstDreamverseWait;

/* No wait is longer than this without looking around. */
#define GST_DREAMVERSE_WAIT_BOUND G_TIME_SPAN_SECOND

typedef struct {
  gchar *model, *device, *dtype, *steps, *start_image;
  gchar **loras; /* "PATH[:STRENGTH]"; NULL: none */
  guint64 memory_budget;
  gint threads;
  gboolean one_stage;
  gfloat image_strength;
  gint width, height; /* 0: not set, the peer may choose */
  gint fps_n, fps_d;  /* fps_n 0: not set */
  guint frames, overlap, audio_overlap;
  guint64 max_queued_bytes;
  gboolean is_live;
} GstDreamverseSettings;

/* The model that was opened last, until NULL: the next run finds it warm. */
typedef struct {
  DvModel *model; /* NULL: none */
  GstDreamverseSettings settings;
  guint32 width, height; /* that it was planned for */
} GstDreamverseKept;

/* From READY->PAUSED to PAUSED->READY. The generation thread holds a reference
 * of its own, so that a step which does not end in time is left behind. */
typedef struct {
  gint refcount;
  GstDreamverseSettings settings; /* constant */
  guint group_id;                 /* constant */

  gint cancelled;      /* atomic: stop; the element may be gone or run again */
  gint abort_step;     /* atomic: give up the running step */
  gboolean finished;   /* the generation thread left */
  gboolean draining;   /* nothing more is generated: no pacing either */
  gboolean eos;        /* asked for by event */
  gboolean failed;     /* an error was posted */
  gboolean opening;    /* a progress message says so: its end is owed */
  gboolean ended;      /* no further segment will be made */
  gboolean eos_queued; /* the end went into both lanes */

  DvModel *model; /* constant once opened */
  const DvModelInfo *info;
  gboolean opened;

  gboolean ready[GST_DREAMVERSE_N_LANES]; /* negotiated */
  gint width, height;
  DvSegmentSpec spec;
  GstVideoInfo video_info;
  GstAudioInfo audio_info;
  GstBufferPool *pool; /* for the next step */

  GstDreamverseQueue queue;
} GstDreamverseRun;

typedef struct {
  GstPad *pad;
  gboolean flushing;
  /* The pad task's own, or anybody's while the task does not run. */
  gboolean need_start, need_caps, need_segment, discont;
  GstCaps *caps;
  GstClockTime position;
} GstDreamverseSrcLane;

struct _GstDreamverseSrc {
  GstElement parent;

  GMutex lock;
  GCond cond;

  GstDreamverseSettings settings;
  GstDreamverseSteering steering;
  guint segments;
  guint64 seed;
  gboolean loop;
  GstClockTime max_lead;
  gdouble pace;
  gboolean stamp;
  GstDreamverseStats stats;

  GstDreamverseSrcLane lane[GST_DREAMVERSE_N_LANES];
  GstFlowCombiner *flow;

  /* Set while no pad is active only. */
  GstDreamverseRun *run;
  GThread *thread;
  gboolean generating; /* a generation thread is at work, maybe one that was
                        * left behind */
  GstDreamverseKept kept;

  gboolean playing;
  GstClock *clock;          /* while playing */
  GstClockTime base_time;   /* while playing */
  GstClockTime paused_time; /* running time while not playing */
  GstClockTimeDiff slip;    /* how long generation was paused with nothing
                             * left to send */
  GstClockTime origin;      /* stream time of running time 0: above zero
                             * after a flush that reset the time */
  GstClockID wait[GST_DREAMVERSE_N_WAITS];
};

GST_DEBUG_CATEGORY_EXTERN (gst_dreamverse_src_debug);

/* ---- gstdreamversesrc.c ---- */

void gst_dreamverse_settings_copy (
    GstDreamverseSettings *to, const GstDreamverseSettings *from);
void gst_dreamverse_settings_clear (GstDreamverseSettings *settings);
GstDreamverseRun *gst_dreamverse_run_ref (GstDreamverseRun *run);
void gst_dreamverse_run_unref (GstDreamverseRun *run);
/* Lets go of the lock, and then frees what the queue has dropped. */
void gst_dreamverse_src_unlock (GstDreamverseSrc *src, GstDreamverseRun *run);
/* Wakes everybody. Lock held. */
void gst_dreamverse_src_wake (GstDreamverseSrc *src);
/* Ends a run after an error was posted: nothing more is generated, what waits
 * is dropped and both pads end. TRUE for the first to fail. */
gboolean gst_dreamverse_src_fail (GstDreamverseSrc *src, GstDreamverseRun *run);
/* A structure as element message. Takes it. */
void gst_dreamverse_src_post (GstDreamverseSrc *src, GstStructure *structure);
/* ---- gstdreamversesrcproperties.c ---- */

void gst_dreamverse_src_init_settings (GstDreamverseSrc *src);
void gst_dreamverse_src_install_properties (GObjectClass *klass);

/* ---- gstdreamversesrccontrol.c ---- */

void gst_dreamverse_src_install_signals (GstDreamverseSrcClass *klass);
/* Says that generation is paused or not; @id of the command, or "". */
void gst_dreamverse_src_post_paused (
    GstDreamverseSrc *src, const gchar *id, gboolean paused);
/* Confirms a reset: @epoch is the new one. */
void gst_dreamverse_src_post_reset (
    GstDreamverseSrc *src, const gchar *id, guint epoch);
/* A command from anywhere; TRUE if it was taken (a repeat is). */
gboolean gst_dreamverse_src_control (
    GstDreamverseSrc *src, const GstStructure *structure);

/* ---- gstdreamversesrcpacing.c ---- */

/* Whether stream time @time is at most @lead ahead of the clock; if not, waits
 * until that may have changed and returns FALSE. Lock held, let go while
 * waiting. */
gboolean gst_dreamverse_src_within_lead (GstDreamverseSrc *src,
    GstDreamverseWait wait, GstClockTime time, GstClockTime lead);
/* The running time now, where it is known. Lock held. */
GstClockTime gst_dreamverse_src_running_time (GstDreamverseSrc *src);
void gst_dreamverse_src_set_playing (GstDreamverseSrc *src, gboolean playing);
/* Waits for a change, at most GST_DREAMVERSE_WAIT_BOUND. Lock held. */
void gst_dreamverse_src_wait (GstDreamverseSrc *src);

/* ---- gstdreamversesrcpads.c ---- */

extern GstStaticPadTemplate gst_dreamverse_src_video_template;
extern GstStaticPadTemplate gst_dreamverse_src_audio_template;

void gst_dreamverse_src_add_pad (
    GstDreamverseSrc *src, GstDreamverseLane lane, GstStaticPadTemplate *templ);
gboolean gst_dreamverse_src_flush_start (GstDreamverseSrc *src);
gboolean gst_dreamverse_src_flush_stop (
    GstDreamverseSrc *src, gboolean reset_time);

/* ---- gstdreamversesrccaps.c ---- */

/* What the source could send on this pad, with the settings it has. */
GstCaps *gst_dreamverse_src_possible_caps (
    GstDreamverseSrc *src, GstDreamverseLane lane);
/* The size that will be agreed on, as far as one can tell before the model is
 * open. */
void gst_dreamverse_src_likely_size (GstDreamverseSrc *src,
    const GstDreamverseRun *run, guint32 *width, guint32 *height);
/* Settles what is sent, or agrees again after a reconfigure, and sends the
 * caps event. On FALSE an error was posted unless the pad is flushing. */
gboolean gst_dreamverse_src_negotiate (
    GstDreamverseSrc *src, GstDreamverseLane lane);
/* A buffer came back because downstream does not want its caps: an error. */
void gst_dreamverse_src_refused (GstDreamverseSrc *src, GstDreamverseLane lane);

/* ---- gstdreamversesrcworker.c ---- */

gpointer gst_dreamverse_src_worker (gpointer data);

typedef struct {
  GstDreamverseSrc *src;
  GstDreamverseRun *run;
} GstDreamverseWorkerArgs;

/* ---- gstdreamversesrcopen.c ---- */

/* Lets go of the model that is kept for the next run. */
void gst_dreamverse_src_forget_model (GstDreamverseSrc *src);
/* Says how opening the model ended, unless that was said. */
void gst_dreamverse_src_end_opening (GstDreamverseSrc *src,
    GstDreamverseRun *run, GstProgressType type, const gchar *text);

G_END_DECLS

#endif
