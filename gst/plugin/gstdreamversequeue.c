/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The two-lane queue between the generation thread and the pad tasks.
 *
 * Threads: see the header.
 */
#include "gstdreamversequeue.h"

typedef struct {
  GstMiniObject *object;
  guint64 ordinal; /* of the segment it belongs to */
  gsize bytes;
} Item;

#define LANE_GROWTH 512

void
gst_dreamverse_queue_init (GstDreamverseQueue *queue)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++) {
    queue->lane[i] =
        gst_queue_array_new_for_struct (sizeof (Item), LANE_GROWTH);
    queue->closed[i] = FALSE;
  }
  queue->ordinal = 0;
  queue->bytes = 0;
  queue->dropped = NULL;
}

static void
drop_lane (GstDreamverseQueue *queue, GstDreamverseLane lane)
{
  GstMiniObject *object;

  while ((object = gst_dreamverse_queue_pop (queue, lane)))
    gst_dreamverse_queue_refuse (queue, object);
}

void
gst_dreamverse_queue_clear (GstDreamverseQueue *queue)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++) {
    drop_lane (queue, i);
    g_clear_pointer (&queue->lane[i], gst_queue_array_free);
  }
  gst_dreamverse_queue_free_dropped (gst_dreamverse_queue_take_dropped (queue));
}

void
gst_dreamverse_queue_begin_segment (GstDreamverseQueue *queue)
{
  queue->ordinal++;
}

void
gst_dreamverse_queue_push (
    GstDreamverseQueue *queue, GstDreamverseLane lane, gpointer object)
{
  Item item;

  if (queue->closed[lane]) {
    gst_dreamverse_queue_refuse (queue, object);
    return;
  }
  item.object = object;
  item.ordinal = queue->ordinal;
  item.bytes = GST_IS_BUFFER (object) ? gst_buffer_get_size (object) : 0;
  queue->bytes += item.bytes;
  gst_queue_array_push_tail_struct (queue->lane[lane], &item);
}

GstMiniObject *
gst_dreamverse_queue_pop (GstDreamverseQueue *queue, GstDreamverseLane lane)
{
  Item *item = gst_queue_array_pop_head_struct (queue->lane[lane]);

  if (!item)
    return NULL;
  queue->bytes -= item->bytes;
  return item->object;
}

void
gst_dreamverse_queue_close (GstDreamverseQueue *queue, GstDreamverseLane lane)
{
  queue->closed[lane] = TRUE;
  drop_lane (queue, lane);
}

gboolean
gst_dreamverse_queue_reopen (GstDreamverseQueue *queue, GstDreamverseLane lane)
{
  gboolean closed = queue->closed[lane];

  queue->closed[lane] = FALSE;
  return closed;
}

void
gst_dreamverse_queue_drop (GstDreamverseQueue *queue)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++)
    drop_lane (queue, i);
}

void
gst_dreamverse_queue_refuse (GstDreamverseQueue *queue, gpointer object)
{
  queue->dropped = g_slist_prepend (queue->dropped, object);
}

GSList *
gst_dreamverse_queue_take_dropped (GstDreamverseQueue *queue)
{
  return g_steal_pointer (&queue->dropped);
}

void
gst_dreamverse_queue_free_dropped (GSList *dropped)
{
  g_slist_free_full (dropped, (GDestroyNotify)gst_mini_object_unref);
}

guint
gst_dreamverse_queue_segments (const GstDreamverseQueue *queue)
{
  guint64 oldest = queue->ordinal + 1;
  guint i;

  for (i = 0; i < GST_DREAMVERSE_N_LANES; i++) {
    Item *head = gst_queue_array_peek_head_struct (queue->lane[i]);

    if (head)
      oldest = MIN (oldest, head->ordinal);
  }
  return queue->ordinal + 1 - oldest;
}

guint64
gst_dreamverse_queue_bytes (const GstDreamverseQueue *queue)
{
  return queue->bytes;
}
