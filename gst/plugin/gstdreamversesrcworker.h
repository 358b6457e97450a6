/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the generation thread share: gstdreamversesrcopen.c (the
 * model), gstdreamversesrcworker.c (waiting, the end), gstdreamversesrcstep.c
 * (one segment) and gstdreamversesrcahead.c (the prompt of the next).
 *
 * Threads: the generation thread's alone, but for what is atomic.
 */
#ifndef GST_DREAMVERSE_SRC_WORKER_H
#define GST_DREAMVERSE_SRC_WORKER_H

#include "gstdreamverseimage.h"
#include "gstdreamversesrcprivate.h"

G_BEGIN_DECLS

typedef struct {
  GstDreamverseSrc *src;
  GstDreamverseRun *run;
  gboolean alone; /* no other generation thread is at work */
  DvSession *session;
  GThread *ahead;  /* NULL: no prompt is prepared */
  gint ahead_over; /* atomic */
  GstDreamverseImage *image;
  DvSteps steps;
  guint loaded; /* percent of the model, as was last told */

  guint epoch, index; /* of the segment being made */
  guint completed;    /* in this epoch */
  guint64 sequence;
  guint64 frames;       /* of the whole stream */
  guint64 epoch_sample; /* first sample of the epoch */
  gboolean was_paused;
  GstStructure *latest; /* how the latest segment was announced */

  /* the running step */
  GstDreamverseAttempt attempt;
  DvSegmentPlan plan;
  GstBufferPool *pool;
  GstVideoFrame mapped;
  gboolean is_mapped;
  guint committed; /* frames */
  gboolean announced;
  gfloat *samples;  /* plan.samples of them */
  guint64 staged;   /* samples the generator gave */
  guint64 released; /* samples put into the queue */
  gdouble fraction;
} GstDreamverseWorker;

/* Opens the model and a session. FALSE: it failed, and that was said. */
gboolean gst_dreamverse_worker_open (GstDreamverseWorker *w);
/* gstdreamversesrcahead.c: prepares prompts from here on, where the model can
 * do that beside a step. */
void gst_dreamverse_worker_look_ahead (GstDreamverseWorker *w);
/* Ends that; the session may then be freed. */
void gst_dreamverse_worker_stop_ahead (GstDreamverseWorker *w);
/* Makes one segment, with its prompt chosen. FALSE: it failed for good. */
gboolean gst_dreamverse_worker_step (GstDreamverseWorker *w);
/* Takes @object into the queue unless the run is over. Lock held; let go of it
 * with gst_dreamverse_src_unlock(). */
void gst_dreamverse_worker_enqueue (
    GstDreamverseWorker *w, GstDreamverseLane lane, gpointer object);
/* @count samples from @samples, or silence, as the buffer that begins at
 * sample @first of the stream. */
GstBuffer *gst_dreamverse_worker_audio_buffer (
    GstDreamverseWorker *w, const gfloat *samples, guint64 first, gsize count);

G_END_DECLS

#endif
