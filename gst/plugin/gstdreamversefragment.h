/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Puts fragments together from what mp4mux pushes and places them on the
 * session's one timeline.
 *
 * Threads: one at a time.
 */
#ifndef GST_DREAMVERSE_FRAGMENT_H
#define GST_DREAMVERSE_FRAGMENT_H

#include "fmp4.h"
#include "gstdreamversetimeline.h"

G_BEGIN_DECLS

typedef struct _GstDreamverseAssembly GstDreamverseAssembly;

typedef enum {
  GST_DREAMVERSE_ASSEMBLY_MORE,     /* needs more input */
  GST_DREAMVERSE_ASSEMBLY_INIT,     /* *out is the init segment */
  GST_DREAMVERSE_ASSEMBLY_FRAGMENT, /* *out is a whole fragment */
  GST_DREAMVERSE_ASSEMBLY_ERROR
} GstDreamverseAssemblyResult;

GstDreamverseAssembly *gst_dreamverse_assembly_new (void);
void gst_dreamverse_assembly_free (GstDreamverseAssembly *self);
/* A new session. */
void gst_dreamverse_assembly_clear (GstDreamverseAssembly *self);
/* A new filling: what is half there is dropped. */
void gst_dreamverse_assembly_forget (GstDreamverseAssembly *self);
/* Running time starts over: the timeline goes on behind what was sent. */
void gst_dreamverse_assembly_rebase (GstDreamverseAssembly *self);

/* Takes @buffer. @timeline tells where the tracks of this filling begin (its
 * lock is taken). @changed: the init segment differs from the first. */
GstDreamverseAssemblyResult gst_dreamverse_assembly_push (
    GstDreamverseAssembly *self, GstDreamverseTimeline *timeline,
    GstBuffer *buffer, GstBuffer **out, gboolean *changed, Fmp4Error *error);

G_END_DECLS

#endif
