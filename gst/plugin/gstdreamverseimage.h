/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Loads a start image through whatever decoder is installed, within bounds of
 * time and size.
 *
 * Threads: any; blocks up to ten seconds.
 */
#ifndef GST_DREAMVERSE_IMAGE_H
#define GST_DREAMVERSE_IMAGE_H

#include <gst/gst.h>

#include "generator.h"

G_BEGIN_DECLS

typedef struct {
  DvImage image;
  guint8 *pixels;
} GstDreamverseImage;

/* @cancelled is looked at every few milliseconds. NULL with @error filled, or,
 * when cancelled, without. */
GstDreamverseImage *gst_dreamverse_image_load (
    const gchar *path, const gint *cancelled, GError **error);
void gst_dreamverse_image_free (GstDreamverseImage *image);

G_END_DECLS

#endif
