/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From one filling of the inner muxer to the next.
 *
 * Threads: all functions are called with the timeline's lock held and let go
 * of it while they work; never from the muxer's own thread, but for finish.
 */
#ifndef GST_DREAMVERSE_RESET_H
#define GST_DREAMVERSE_RESET_H

#include "gstdreamversetimeline.h"

G_BEGIN_DECLS

/* Makes the muxer, which has drained, ready for the next filling. */
void gst_dreamverse_reset (GstDreamverseTimeline *timeline);
/* Throws away what the muxer holds, once the last track's flush stops. */
void gst_dreamverse_reset_after_flush (
    GstDreamverseTimeline *timeline, GstEvent *flush_stop);
/* Ends a filling that turned out to have no data. FALSE: it is not one. */
gboolean gst_dreamverse_reset_skip_empty (GstDreamverseTimeline *timeline);
/* Sends EOS when every track has ended and everything has left. */
void gst_dreamverse_reset_finish (GstDreamverseTimeline *timeline);

/* Around a state change of the bin; take the lock themselves. */
void gst_dreamverse_reset_block (GstDreamverseTimeline *timeline);
void gst_dreamverse_reset_unblock (GstDreamverseTimeline *timeline);

G_END_DECLS

#endif
