/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: a generator as a source of video and audio.
 */
#ifndef GST_DREAMVERSE_SRC_H
#define GST_DREAMVERSE_SRC_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_DREAMVERSE_SRC (gst_dreamverse_src_get_type ())
G_DECLARE_FINAL_TYPE (
    GstDreamverseSrc, gst_dreamverse_src, GST, DREAMVERSE_SRC, GstElement)

GST_ELEMENT_REGISTER_DECLARE (dreamversesrc);

G_END_DECLS

#endif
