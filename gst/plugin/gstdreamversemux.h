/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversemux: fragmented MP4 of a live timeline of segments.
 */
#ifndef GST_DREAMVERSE_MUX_H
#define GST_DREAMVERSE_MUX_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_DREAMVERSE_MUX (gst_dreamverse_mux_get_type ())
G_DECLARE_FINAL_TYPE (
    GstDreamverseMux, gst_dreamverse_mux, GST, DREAMVERSE_MUX, GstBin)

GST_ELEMENT_REGISTER_DECLARE (dreamversemux);

G_END_DECLS

#endif
