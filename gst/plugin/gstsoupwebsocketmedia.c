/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * soupwebsocketsink: the way of the media from the pad to the relay thread.
 *
 * Threads: render and events from the streaming thread; posting from any.
 */
#include "gstsoupwebsocketsink.h"

#include "gstdreamverse.h"
#include "wswait.h"

GST_DEBUG_CATEGORY_EXTERN (gst_soup_websocket_sink_debug);
#define GST_CAT_DEFAULT gst_soup_websocket_sink_debug

/* How long the end of the stream waits for viewers that still read. */
#define EOS_PATIENCE (5 * G_USEC_PER_SEC)

/* ---- to the relay thread ---- */

gboolean
gst_soup_websocket_sink_post_call (GstSoupWebsocketSink *self, WsHubFunc func,
    gpointer data, GDestroyNotify destroy)
{
  gboolean ready;

  GST_OBJECT_LOCK (self);
  ready = self->hub != NULL;
  if (ready)
    ws_hub_post (self->hub, func, data, destroy);
  GST_OBJECT_UNLOCK (self);
  if (!ready && destroy)
    destroy (data);
  return ready;
}

typedef struct {
  GstSoupWebsocketSink *self;
  WsEvent *event;
  gsize size; /* that was waited for */
} Handover;

static void
handover_take (gpointer data)
{
  Handover *handover = data;
  WsEndpoint *endpoint = handover->self->route->endpoint;
  gboolean last =
      handover->size && ws_endpoint_taken (endpoint, handover->size);

  ws_order_take (&handover->self->order, g_steal_pointer (&handover->event));
  if (last)
    ws_endpoint_pump_now (endpoint);
}

static void
handover_free (gpointer data)
{
  Handover *handover = data;

  g_clear_pointer (&handover->event, ws_event_free);
  g_free (handover);
}

gboolean
gst_soup_websocket_sink_post (
    GstSoupWebsocketSink *self, WsEvent *event, gboolean in_band)
{
  Handover *handover;
  gsize size = in_band && event->bytes ? g_bytes_get_size (event->bytes) : 0;

  if (size && !ws_endpoint_hand_over (self->route->endpoint, size)) {
    ws_event_free (event);
    return FALSE;
  }
  handover = g_new0 (Handover, 1);
  handover->self = self;
  handover->event = event;
  handover->size = size;
  return gst_soup_websocket_sink_post_call (
      self, handover_take, handover, handover_free);
}

/* ---- the streaming thread ---- */

typedef struct {
  GstBuffer *buffer;
  GstMapInfo map;
} Mapped;

static void
mapped_free (gpointer data)
{
  Mapped *mapped = data;

  gst_buffer_unmap (mapped->buffer, &mapped->map);
  gst_buffer_unref (mapped->buffer);
  g_free (mapped);
}

/* The buffer's bytes, kept with it instead of copied. */
static GBytes *
buffer_bytes (GstBuffer *buffer)
{
  Mapped *mapped = g_new0 (Mapped, 1);

  if (!gst_buffer_map (buffer, &mapped->map, GST_MAP_READ)) {
    g_free (mapped);
    return NULL;
  }
  mapped->buffer = gst_buffer_ref (buffer);
  return g_bytes_new_with_free_func (
      mapped->map.data, mapped->map.size, mapped_free, mapped);
}

/* Writes to the viewers here and now if the relay thread has nothing to do:
 * takes @event, or returns FALSE. The port outlives what streams to it. */
static gboolean
relay_at_once (GstSoupWebsocketSink *self, WsEvent *event)
{
  WsEndpoint *endpoint = self->route->endpoint;
  gboolean taken;

  if (!ws_hub_stand_in (self->hub))
    return FALSE;
  /* What begins a segment lets go of the last one: not here. */
  taken = self->order.segment_open && ws_endpoint_begin_hold (endpoint);
  if (taken) {
    ws_order_take (&self->order, event);
    ws_endpoint_end_hold (endpoint, self->spent);
  }
  ws_hub_stand_down (self->hub);
  /* Whoever made these bytes may be called: without keeping anybody. */
  g_ptr_array_set_size (self->spent, 0);
  return taken;
}

static gboolean
post_media (WsEvent *event, gpointer user_data)
{
  if (event->type == WS_EVENT_FRAGMENT && relay_at_once (user_data, event))
    return TRUE;
  return gst_soup_websocket_sink_post (user_data, event, TRUE);
}

GstFlowReturn
gst_soup_websocket_sink_render (GstBaseSink *base, GstBuffer *buffer)
{
  GstSoupWebsocketSink *self = GST_SOUP_WEBSOCKET_SINK (base);
  GBytes *bytes = buffer_bytes (buffer);
  Fmp4Error error = {""};
  WsMediaResult result;

  if (bytes == NULL)
    goto no_memory;
  result =
      ws_media_reader_push (&self->reader, bytes, post_media, self, &error);
  g_bytes_unref (bytes);
  if (result == WS_MEDIA_BAD)
    goto bad_stream;
  return result == WS_MEDIA_OK ? GST_FLOW_OK : GST_FLOW_FLUSHING;

no_memory:
  GST_ELEMENT_ERROR (self, RESOURCE, READ,
      ("The memory of the stream cannot be read."), (NULL));
  return GST_FLOW_ERROR;
bad_stream:
  GST_ELEMENT_ERROR (self, STREAM, DECODE,
      ("The stream is not fragmented MP4: %s. Put dreamversemux before this "
       "element, or mp4mux with fragment-duration and streamable=true.",
          error.detail),
      ("%s", error.detail));
  return GST_FLOW_ERROR;
}

static void
take_custom_event (GstSoupWebsocketSink *self, GstEvent *event)
{
  const GstStructure *s = gst_event_get_structure (event);
  WsEventType type;

  if (gst_structure_has_name (s, GST_DREAMVERSE_EVENT_SEGMENT))
    type = WS_EVENT_SEGMENT;
  else if (gst_structure_has_name (s, GST_DREAMVERSE_EVENT_MEDIA_COMPLETE))
    type = WS_EVENT_MEDIA_COMPLETE;
  else
    return;
  gst_soup_websocket_sink_post (
      self, gst_soup_websocket_event_new (type, s), TRUE);
}

gboolean
gst_soup_websocket_sink_event (GstBaseSink *base, GstEvent *event)
{
  GstSoupWebsocketSink *self = GST_SOUP_WEBSOCKET_SINK (base);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      take_custom_event (self, event);
      break;
    case GST_EVENT_FLUSH_STOP:
      ws_media_reader_flush (&self->reader);
      gst_soup_websocket_sink_post (self, ws_event_new (WS_EVENT_FLUSH), FALSE);
      break;
    case GST_EVENT_EOS:
      gst_soup_websocket_sink_post (self, ws_event_new (WS_EVENT_EOS), TRUE);
      /* Whoever hears of the end may end the process. */
      if (!ws_endpoint_drain (self->route->endpoint,
              self->limits.recover == WS_RECOVER_WAIT ? -1 : EOS_PATIENCE))
        GST_INFO_OBJECT (
            self, "some viewers do not have everything at the end");
      break;
    default:
      break;
  }
  return GST_BASE_SINK_CLASS (g_type_class_peek (GST_TYPE_BASE_SINK))
      ->event (base, event);
}
