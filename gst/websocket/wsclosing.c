/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams on their way out: see wsclosing.h.
 */
#include "wsclosing.h"

#define PATIENCE G_USEC_PER_SEC

typedef struct {
  WsClosing *closing;
  GCancellable *cancellable;
  gint64 deadline;
  GList link;
} Pending;

WsClosing *
ws_closing_new (void)
{
  WsClosing *closing = g_atomic_rc_box_new0 (WsClosing);

  g_queue_init (&closing->pending);
  return closing;
}

void
ws_closing_unref (WsClosing *closing)
{
  g_atomic_rc_box_release (closing);
}

static void
closed (GObject *stream, GAsyncResult *result, gpointer user_data)
{
  Pending *pending = user_data;

  g_io_stream_close_finish (G_IO_STREAM (stream), result, NULL);
  g_queue_unlink (&pending->closing->pending, &pending->link);
  g_object_unref (pending->cancellable);
  ws_closing_unref (pending->closing);
  g_free (pending);
}

void
ws_closing_add (WsClosing *closing, GIOStream *stream, gboolean plain)
{
  Pending *pending;

  if (plain) {
    g_io_stream_close (stream, NULL, NULL);
    return;
  }
  pending = g_new0 (Pending, 1);
  pending->closing = g_atomic_rc_box_acquire (closing);
  pending->cancellable = g_cancellable_new ();
  pending->deadline = g_get_monotonic_time () + PATIENCE;
  pending->link.data = pending;
  g_queue_push_tail_link (&closing->pending, &pending->link);
  g_io_stream_close_async (
      stream, G_PRIORITY_DEFAULT, pending->cancellable, closed, pending);
}

void
ws_closing_hurry (WsClosing *closing, gboolean all)
{
  gint64 now = g_get_monotonic_time ();
  GList *link;

  for (link = closing->pending.head; link; link = link->next) {
    Pending *pending = link->data;

    if (all || now >= pending->deadline)
      g_cancellable_cancel (pending->cancellable);
  }
}

gboolean
ws_closing_is_empty (const WsClosing *closing)
{
  return closing->pending.length == 0;
}
