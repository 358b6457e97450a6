/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an element needs to hear the messages of the elements that feed it: the
 * bus of the whole pipeline, and who is upstream.
 *
 * Threads: any; the object locks of elements are taken, one at a time.
 */
#ifndef GST_DREAMVERSE_BUS_H
#define GST_DREAMVERSE_BUS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* The bus of the outermost bin that holds @element, or its own; NULL if there
 * is none. */
GstBus *gst_dreamverse_top_bus (GstElement *element);

/* Whether @object is, or lies within, an element that feeds @element. */
gboolean gst_dreamverse_is_upstream (GstElement *element, GstObject *object);
/* The same of one sink pad. */
gboolean gst_dreamverse_feeds_pad (GstPad *pad, GstObject *object);

G_END_DECLS

#endif
