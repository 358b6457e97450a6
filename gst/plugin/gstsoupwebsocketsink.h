/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Element soupwebsocketsink. Its parts: properties and states in
 * gstsoupwebsocketsink.c, media in gstsoupwebsocketmedia.c, what it hears on
 * the bus in gstsoupwebsocketbus.c, what viewers send in
 * gstsoupwebsocketcontrol.c, statistics and connections of the application's in
 * gstsoupwebsocketstats.c.
 *
 * Threads: each function says whose it is.
 */
#ifndef GST_SOUP_WEBSOCKET_SINK_H
#define GST_SOUP_WEBSOCKET_SINK_H

#include <gst/base/gstbasesink.h>

#include "wshub.h"
#include "wsmedia.h"
#include "wsorder.h"

G_BEGIN_DECLS

#define GST_TYPE_SOUP_WEBSOCKET_SINK (gst_soup_websocket_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstSoupWebsocketSink, gst_soup_websocket_sink, GST,
    SOUP_WEBSOCKET_SINK, GstBaseSink)

struct _GstSoupWebsocketSink {
  GstBaseSink parent;

  /* properties; the object's lock */
  gchar *address, *path, *certificate, *key, *token, *control_token, *origins;
  guint port;
  gboolean listen, serve_viewer;
  WsLimits limits;

  /* from NULL->READY to READY->NULL; replaced under the object's lock */
  WsHub *hub;
  guint bound_port;
  WsRoute *route;        /* set and cleared by state changes only */
  GThreadPool *notifier; /* one thread: signals, and events upstream */
  GThread *notifying;    /* atomic: it, while it does */
  gint session;          /* atomic, makes the ids of control events unique */
  gint commands;         /* atomic */

  WsOrder order; /* the relay thread's */

  /* the streaming thread's */
  WsMediaReader reader;
  GPtrArray *spent; /* items to let go of */

  GstBus *bus;
  gulong bus_handler;
};

GST_ELEMENT_REGISTER_DECLARE (soupwebsocketsink);

/* Any thread: hands an event to the relay thread; takes it. In band it waits
 * for room and returns FALSE when flushing. */
gboolean gst_soup_websocket_sink_post (
    GstSoupWebsocketSink *self, WsEvent *event, gboolean in_band);

/* Any thread: runs @func in the relay thread; FALSE when not READY. */
gboolean gst_soup_websocket_sink_post_call (GstSoupWebsocketSink *self,
    WsHubFunc func, gpointer data, GDestroyNotify destroy);

/* gstsoupwebsocketmedia.c, the streaming thread's */
GstFlowReturn gst_soup_websocket_sink_render (
    GstBaseSink *base, GstBuffer *buffer);
gboolean gst_soup_websocket_sink_event (GstBaseSink *base, GstEvent *event);

/* gstsoupwebsocketstats.c, any thread */
guint64 gst_soup_websocket_sink_add_connection (
    GstSoupWebsocketSink *self, GObject *connection);
GstStructure *gst_soup_websocket_sink_stats (GstSoupWebsocketSink *self);

/* gstsoupwebsocketbus.c, from the state change */
void gst_soup_websocket_sink_watch_bus (GstSoupWebsocketSink *self);
void gst_soup_websocket_sink_unwatch_bus (GstSoupWebsocketSink *self);
/* Any thread: reads the segment that a message or event names. */
WsEvent *gst_soup_websocket_event_new (
    WsEventType type, const GstStructure *structure);

/* gstsoupwebsocketcontrol.c */
extern const WsEndpointEvents gst_soup_websocket_endpoint_events;
void gst_soup_websocket_sink_start_notifier (GstSoupWebsocketSink *self);
void gst_soup_websocket_sink_stop_notifier (GstSoupWebsocketSink *self);
/* implemented by gstsoupwebsocketsink.c, called in the notifier's thread */
void gst_soup_websocket_sink_emit_added (
    GstSoupWebsocketSink *self, guint64 id, const gchar *remote);
void gst_soup_websocket_sink_emit_removed (
    GstSoupWebsocketSink *self, guint64 id, const gchar *reason);
void gst_soup_websocket_sink_emit_message (
    GstSoupWebsocketSink *self, guint64 id, const gchar *text);

G_END_DECLS

#endif
