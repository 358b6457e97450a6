/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Frames in memory that the model's device copies to fast. A buffer that came
 * back while anybody still holds one of its memories is thrown away, never
 * handed out again.
 *
 * Threads: as GstBufferPool.
 */
#ifndef GST_DREAMVERSE_POOL_H
#define GST_DREAMVERSE_POOL_H

#include <gst/video/video.h>

#include "generator.h"

G_BEGIN_DECLS

#define GST_TYPE_DREAMVERSE_POOL (gst_dreamverse_pool_get_type ())
G_DECLARE_FINAL_TYPE (GstDreamversePool, gst_dreamverse_pool, GST,
    DREAMVERSE_POOL, GstVideoBufferPool)

/* An active pool without an upper limit: what bounds it is the queue, and a
 * running step must never wait for downstream. NULL if memory is short. */
GstBufferPool *gst_dreamverse_pool_new (
    DvModel *model, GstCaps *caps, const GstVideoInfo *info, gboolean meta);

G_END_DECLS

#endif
