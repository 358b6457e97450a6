/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A soupwebsocketsink on a free port, fed by hand.
 *
 * Threads: the test's.
 */
#ifndef TEST_SINK_RIG_H
#define TEST_SINK_RIG_H

#include <gst/gst.h>

#include "fmp4-stream.h"
#include "ws-client.h"

typedef struct {
  GstElement *sink;
  GstPad *pad;
  guint port;
} SinkRig;

/* Names and values of properties, as text, up to a NULL name. */
SinkRig *sink_rig_new (const gchar *property, ...);
void sink_rig_free (SinkRig *rig);
GstFlowReturn sink_rig_push (SinkRig *rig, GBytes *bytes);
void sink_rig_push_stream (
    SinkRig *rig, const TestStream *stream, guint from, guint to);
void sink_rig_event (SinkRig *rig, GstEvent *event);
/* Until the relay thread has taken all that was pushed. */
void sink_rig_sync (SinkRig *rig);
/* dreamverse-segment or -media-complete */
void sink_rig_mark (SinkRig *rig, const gchar *name, guint epoch, guint index,
    gboolean aborted);
/* A number of the stats property. */
guint64 sink_rig_stat (SinkRig *rig, const gchar *name);
/* A structure of a viewer, to be freed; NULL if there is no such. */
GstStructure *sink_rig_client (SinkRig *rig, guint n);
guint sink_rig_clients (SinkRig *rig);
/* Waits for so many viewers; FALSE when they did not come in time. */
gboolean sink_rig_wait_clients (SinkRig *rig, guint n);
/* Entries of a folder, such as /proc/self/fd. */
guint test_count_in (const gchar *folder);

#endif
