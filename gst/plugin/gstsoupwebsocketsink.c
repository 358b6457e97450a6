/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * soupwebsocketsink: properties, states, and the way of the media from the
 * pad to the relay thread.
 *
 * Threads: properties from any; states from the application's or a state
 * change's; render and events from the streaming thread; what it hands over is
 * done in the relay thread of its port (wshub.h).
 */

/**
 * SECTION:element-soupwebsocketsink
 * @title: soupwebsocketsink
 *
 * Serves a fragmented MP4 stream to browsers over a WebSocket. It takes any
 * fragmented `video/quicktime` stream, from dreamversemux or a plain mp4mux,
 * listens on #soupwebsocketsink:port, and shows a viewer at `/`.
 *
 * Media is kept once for all viewers. Who joins late starts at the latest
 * keyframe; who reads too slowly is brought forward to one, or dropped, and
 * never delays another viewer or the pipeline.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=48 !
 * video/x-raw,format=I420,framerate=24/1 ! x264enc tune=zerolatency
 * key-int-max=24 ! mp4mux fragment-duration=125 streamable=true !
 * soupwebsocketsink
 * ]|
 * Serves a test picture; its address is http://127.0.0.1:8080/.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstsoupwebsocketsink.h"

#include <string.h>

#include "gstdreamverse.h"
#include "wshttp.h"
#include "wswait.h"

GST_DEBUG_CATEGORY (gst_soup_websocket_sink_debug);
#define GST_CAT_DEFAULT gst_soup_websocket_sink_debug

#define DEFAULT_ADDRESS "127.0.0.1"
#define DEFAULT_PORT 8080
#define DEFAULT_LISTEN TRUE
#define DEFAULT_PATH "/ws"
#define DEFAULT_SERVE_VIEWER TRUE
#define DEFAULT_MAX_CLIENTS 1000
#define DEFAULT_SOFT_BYTES (32 * 1024 * 1024)
#define DEFAULT_HARD_BYTES (64 * 1024 * 1024)
#define DEFAULT_SOFT_TIME (8 * GST_SECOND)
#define DEFAULT_HARD_TIME (16 * GST_SECOND)
#define DEFAULT_RECOVER_POLICY WS_RECOVER_KEYFRAME

/* How long what viewers were promised may take when the pipeline goes down. */
#define FLUSH_PATIENCE (500 * 1000)

enum {
  PROP_0,
  PROP_ADDRESS,
  PROP_PORT,
  PROP_LISTEN,
  PROP_PATH,
  PROP_TLS_CERTIFICATE,
  PROP_TLS_KEY,
  PROP_TOKEN,
  PROP_CONTROL_TOKEN,
  PROP_ALLOWED_ORIGINS,
  PROP_SERVE_VIEWER,
  PROP_MAX_CLIENTS,
  PROP_SOFT_LIMIT_BYTES,
  PROP_HARD_LIMIT_BYTES,
  PROP_SOFT_LIMIT_TIME,
  PROP_HARD_LIMIT_TIME,
  PROP_RECOVER_POLICY,
  PROP_STATS
};

enum {
  SIGNAL_CLIENT_ADDED,
  SIGNAL_CLIENT_REMOVED,
  SIGNAL_MESSAGE,
  SIGNAL_ADD_CONNECTION,
  SIGNAL_POST_ERROR,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/quicktime"));

#define GST_TYPE_SOUP_WEBSOCKET_SINK_RECOVER_POLICY                            \
  (gst_soup_websocket_sink_recover_policy_get_type ())
static GType
gst_soup_websocket_sink_recover_policy_get_type (void)
{
  static gsize type;
  static const GEnumValue values[] = {
      {WS_RECOVER_NONE, "Nothing until the hard limit, then it is dropped",
          "none"},
      {WS_RECOVER_WAIT, "Nothing; at the hard limit the pipeline waits for it",
          "wait"},
      {WS_RECOVER_LATEST, "On to the next keyframe that comes", "latest"},
      {WS_RECOVER_SOFT_LIMIT, "On to the oldest keyframe within the soft limit",
          "soft-limit"},
      {WS_RECOVER_KEYFRAME, "On to the latest keyframe", "keyframe"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type,
        g_enum_register_static ("GstSoupWebsocketSinkRecoverPolicy", values));
  return type;
}

static void gst_soup_websocket_sink_finalize (GObject *object);
static void gst_soup_websocket_sink_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec);
static void gst_soup_websocket_sink_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec);
static GstStateChangeReturn gst_soup_websocket_sink_change_state (
    GstElement *element, GstStateChange transition);
static gboolean gst_soup_websocket_sink_unlock (GstBaseSink *base);
static gboolean gst_soup_websocket_sink_unlock_stop (GstBaseSink *base);
static void gst_soup_websocket_sink_post_error (
    GstSoupWebsocketSink *self, const gchar *code, const gchar *message);

#define gst_soup_websocket_sink_parent_class parent_class
G_DEFINE_TYPE (
    GstSoupWebsocketSink, gst_soup_websocket_sink, GST_TYPE_BASE_SINK);
GST_ELEMENT_REGISTER_DEFINE_WITH_CODE (soupwebsocketsink, "soupwebsocketsink",
    GST_RANK_NONE, GST_TYPE_SOUP_WEBSOCKET_SINK,
    GST_DEBUG_CATEGORY_INIT (gst_soup_websocket_sink_debug, "soupwebsocketsink",
        0, "WebSocket relay of fragmented MP4"));

#define READY                                                                  \
  (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

static void
install_properties (GObjectClass *class)
{
  g_object_class_install_property (class, PROP_ADDRESS,
      g_param_spec_string ("address", "Address",
          "Address to listen on: a loopback address keeps others out, 0.0.0.0 "
          "lets everybody in.",
          DEFAULT_ADDRESS, READY));
  g_object_class_install_property (class, PROP_PORT,
      g_param_spec_uint ("port", "Port",
          "Port to listen on. 0 takes any that is free: read it back once "
          "the element is READY.",
          0, 65535, DEFAULT_PORT, READY));
  g_object_class_install_property (class, PROP_LISTEN,
      g_param_spec_boolean ("listen", "Listen",
          "Listen on the port. If not, there are no viewers but those that "
          "add-connection brings.",
          DEFAULT_LISTEN, READY));
  g_object_class_install_property (class, PROP_PATH,
      g_param_spec_string ("path", "Path",
          "Path of the WebSocket. Sinks of a process may share a port under "
          "different paths.",
          DEFAULT_PATH, READY));
  g_object_class_install_property (class, PROP_TLS_CERTIFICATE,
      g_param_spec_string ("tls-certificate", "TLS certificate",
          "PEM file with the certificate chain; with it the port speaks TLS.",
          NULL, READY));
  g_object_class_install_property (class, PROP_TLS_KEY,
      g_param_spec_string ("tls-key", "TLS key",
          "PEM file with the private key; unset, it is in the certificate's.",
          NULL, READY));
  g_object_class_install_property (class, PROP_TOKEN,
      g_param_spec_string ("token", "Token",
          "Secret that a viewer must give to watch, as ?token=… or as the "
          "subprotocol tok.…; unset, anybody may.",
          NULL, READY));
  g_object_class_install_property (class, PROP_CONTROL_TOKEN,
      g_param_spec_string ("control-token", "Control token",
          "Secret with which a viewer may also steer. Unset, whoever may watch "
          "may steer if the address is a loopback address and the page that "
          "connects is local too; otherwise nobody may.",
          NULL, READY));
  g_object_class_install_property (class, PROP_ALLOWED_ORIGINS,
      g_param_spec_string ("allowed-origins", "Allowed origins",
          "Origins, divided by commas, whose pages may connect, such as "
          "https://example.org; unset, any. Programs that are no browser give "
          "none and are let in.",
          NULL, READY));
  g_object_class_install_property (class, PROP_SERVE_VIEWER,
      g_param_spec_boolean ("serve-viewer", "Serve viewer",
          "Serve the page that plays the stream at /.", DEFAULT_SERVE_VIEWER,
          READY));
  g_object_class_install_property (class, PROP_MAX_CLIENTS,
      g_param_spec_uint ("max-clients", "Maximum of clients",
          "Viewers at one time; more are refused with status 503. 0: no limit.",
          0, G_MAXUINT, DEFAULT_MAX_CLIENTS, READY));
  g_object_class_install_property (class, PROP_SOFT_LIMIT_BYTES,
      g_param_spec_uint64 ("soft-limit-bytes", "Soft limit in bytes",
          "A viewer that is further behind, in bytes, is brought forward.", 1,
          G_MAXUINT64, DEFAULT_SOFT_BYTES, READY));
  g_object_class_install_property (class, PROP_HARD_LIMIT_BYTES,
      g_param_spec_uint64 ("hard-limit-bytes", "Hard limit in bytes",
          "Most that is kept of the stream, in bytes; a viewer that is further "
          "behind is dropped.",
          1, G_MAXUINT64, DEFAULT_HARD_BYTES, READY));
  g_object_class_install_property (class, PROP_SOFT_LIMIT_TIME,
      g_param_spec_uint64 ("soft-limit-time", "Soft limit in time",
          "A viewer that is further behind what it would play by now, in "
          "nanoseconds, is brought forward.",
          1, G_MAXUINT64, DEFAULT_SOFT_TIME, READY));
  g_object_class_install_property (class, PROP_HARD_LIMIT_TIME,
      g_param_spec_uint64 ("hard-limit-time", "Hard limit in time",
          "Most that is kept of the stream, in nanoseconds of media; a viewer "
          "that is further behind, or takes longer for one message, is "
          "dropped. More than the stream runs ahead of the clock.",
          1, G_MAXUINT64, DEFAULT_HARD_TIME, READY));
  g_object_class_install_property (class, PROP_RECOVER_POLICY,
      g_param_spec_enum ("recover-policy", "Recover policy",
          "Where a viewer goes on that is behind the soft limit.",
          GST_TYPE_SOUP_WEBSOCKET_SINK_RECOVER_POLICY, DEFAULT_RECOVER_POLICY,
          READY));
  g_object_class_install_property (class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "What was relayed, with a structure for each viewer in `clients`.",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
install_signals (GType type)
{
  /**
   * GstSoupWebsocketSink::client-added:
   * @sink: the sink
   * @id: names the viewer
   * @remote: its address
   *
   * Emitted, as all signals are, in a thread of the sink's, which may be kept
   * waiting. A handler may even bring the sink down.
   */
  signals[SIGNAL_CLIENT_ADDED] =
      g_signal_new ("client-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
          NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_STRING);
  /**
   * GstSoupWebsocketSink::client-removed:
   * @sink: the sink
   * @id: names the viewer
   * @reason: "left", "vanished", "too-slow", "stalled", "bad-data", "no-pong",
   *     "unread-replies", "error", "shutdown" or "cut"
   */
  signals[SIGNAL_CLIENT_REMOVED] =
      g_signal_new ("client-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
          NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_STRING);
  /**
   * GstSoupWebsocketSink::message:
   * @sink: the sink
   * @id: names the viewer
   * @text: what it sent
   *
   * Every text from a viewer, also those that the sink acts upon.
   */
  signals[SIGNAL_MESSAGE] = g_signal_new ("message", type, G_SIGNAL_RUN_LAST, 0,
      NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_UINT64, G_TYPE_STRING);
  /**
   * GstSoupWebsocketSink::add-connection:
   * @sink: the sink, at least READY
   * @connection: a #SoupWebsocketConnection, or a #GIOStream on which the
   *     WebSocket handshake is done, with the sink on the server's side
   *
   * Serves a connection that the application made. It may steer. A
   * #SoupWebsocketConnection is used in its own main context: emit this in the
   * thread that runs it, with that context as the thread's default. Whether
   * its peer is still there is its own business (its keepalive-interval).
   *
   * Returns: what names the viewer, 0 if it cannot be served
   */
  signals[SIGNAL_ADD_CONNECTION] = g_signal_new_class_handler ("add-connection",
      type, G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION,
      G_CALLBACK (gst_soup_websocket_sink_add_connection), NULL, NULL, NULL,
      G_TYPE_UINT64, 1, G_TYPE_OBJECT);
  /**
   * GstSoupWebsocketSink::post-error:
   * @sink: the sink
   * @code: in kebab case, for programs
   * @message: a sentence for a person
   *
   * Tells every viewer of an error and ends the session, for applications
   * whose errors do not reach the bus. The first error wins.
   */
  signals[SIGNAL_POST_ERROR] = g_signal_new_class_handler ("post-error", type,
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION,
      G_CALLBACK (gst_soup_websocket_sink_post_error), NULL, NULL, NULL,
      G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
}

static void
gst_soup_websocket_sink_class_init (GstSoupWebsocketSinkClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);
  GstBaseSinkClass *base_class = GST_BASE_SINK_CLASS (class);

  object_class->finalize = gst_soup_websocket_sink_finalize;
  object_class->set_property = gst_soup_websocket_sink_set_property;
  object_class->get_property = gst_soup_websocket_sink_get_property;
  element_class->change_state = gst_soup_websocket_sink_change_state;
  base_class->unlock = gst_soup_websocket_sink_unlock;
  base_class->unlock_stop = gst_soup_websocket_sink_unlock_stop;
  base_class->event = gst_soup_websocket_sink_event;
  base_class->render = gst_soup_websocket_sink_render;
  install_properties (object_class);
  install_signals (G_TYPE_FROM_CLASS (class));
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (element_class, "WebSocket sink",
      "Sink/Network", "Serves fragmented MP4 to browsers over a WebSocket",
      "The gst-dreamverse developers");
  gst_type_mark_as_plugin_api (GST_TYPE_SOUP_WEBSOCKET_SINK_RECOVER_POLICY, 0);
}

static void
gst_soup_websocket_sink_init (GstSoupWebsocketSink *self)
{
  self->address = g_strdup (DEFAULT_ADDRESS);
  self->port = DEFAULT_PORT;
  self->listen = DEFAULT_LISTEN;
  self->path = g_strdup (DEFAULT_PATH);
  self->serve_viewer = DEFAULT_SERVE_VIEWER;
  self->limits.max_clients = DEFAULT_MAX_CLIENTS;
  self->limits.soft_bytes = DEFAULT_SOFT_BYTES;
  self->limits.hard_bytes = DEFAULT_HARD_BYTES;
  self->limits.soft_time = DEFAULT_SOFT_TIME;
  self->limits.hard_time = DEFAULT_HARD_TIME;
  self->limits.recover = DEFAULT_RECOVER_POLICY;
  ws_media_reader_init (&self->reader);
  self->spent = g_ptr_array_new_with_free_func ((GDestroyNotify)ws_item_unref);
  gst_base_sink_set_sync (GST_BASE_SINK (self), FALSE);
  gst_base_sink_set_last_sample_enabled (GST_BASE_SINK (self), FALSE);
}

static void
gst_soup_websocket_sink_finalize (GObject *object)
{
  GstSoupWebsocketSink *self = GST_SOUP_WEBSOCKET_SINK (object);

  ws_media_reader_clear (&self->reader);
  g_ptr_array_unref (self->spent);
  g_free (self->address);
  g_free (self->path);
  g_free (self->certificate);
  g_free (self->key);
  g_free (self->token);
  g_free (self->control_token);
  g_free (self->origins);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

/* ---- properties ---- */

static void
set_string (gchar **string, const GValue *value)
{
  g_free (*string);
  *string = g_value_dup_string (value);
}

static void
gst_soup_websocket_sink_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstSoupWebsocketSink *self = GST_SOUP_WEBSOCKET_SINK (object);

  GST_OBJECT_LOCK (self);
  if (self->hub) {
    GST_OBJECT_UNLOCK (self);
    GST_WARNING_OBJECT (
        self, "%s can only be set in the NULL state", pspec->name);
    return;
  }
  switch (id) {
    case PROP_ADDRESS:
      set_string (&self->address, value);
      break;
    case PROP_PORT:
      self->port = g_value_get_uint (value);
      break;
    case PROP_LISTEN:
      self->listen = g_value_get_boolean (value);
      break;
    case PROP_PATH:
      set_string (&self->path, value);
      break;
    case PROP_TLS_CERTIFICATE:
      set_string (&self->certificate, value);
      break;
    case PROP_TLS_KEY:
      set_string (&self->key, value);
      break;
    case PROP_TOKEN:
      set_string (&self->token, value);
      break;
    case PROP_CONTROL_TOKEN:
      set_string (&self->control_token, value);
      break;
    case PROP_ALLOWED_ORIGINS:
      set_string (&self->origins, value);
      break;
    case PROP_SERVE_VIEWER:
      self->serve_viewer = g_value_get_boolean (value);
      break;
    case PROP_MAX_CLIENTS:
      self->limits.max_clients = g_value_get_uint (value);
      break;
    case PROP_SOFT_LIMIT_BYTES:
      self->limits.soft_bytes = g_value_get_uint64 (value);
      break;
    case PROP_HARD_LIMIT_BYTES:
      self->limits.hard_bytes = g_value_get_uint64 (value);
      break;
    case PROP_SOFT_LIMIT_TIME:
      self->limits.soft_time = g_value_get_uint64 (value);
      break;
    case PROP_HARD_LIMIT_TIME:
      self->limits.hard_time = g_value_get_uint64 (value);
      break;
    case PROP_RECOVER_POLICY:
      self->limits.recover = g_value_get_enum (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_soup_websocket_sink_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstSoupWebsocketSink *self = GST_SOUP_WEBSOCKET_SINK (object);

  if (id == PROP_STATS) {
    g_value_take_boxed (value, gst_soup_websocket_sink_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_ADDRESS:
      g_value_set_string (value, self->address);
      break;
    case PROP_PORT:
      g_value_set_uint (value, self->hub ? self->bound_port : self->port);
      break;
    case PROP_LISTEN:
      g_value_set_boolean (value, self->listen);
      break;
    case PROP_PATH:
      g_value_set_string (value, self->path);
      break;
    case PROP_TLS_CERTIFICATE:
      g_value_set_string (value, self->certificate);
      break;
    case PROP_TLS_KEY:
      g_value_set_string (value, self->key);
      break;
    case PROP_TOKEN:
      g_value_set_string (value, self->token);
      break;
    case PROP_CONTROL_TOKEN:
      g_value_set_string (value, self->control_token);
      break;
    case PROP_ALLOWED_ORIGINS:
      g_value_set_string (value, self->origins);
      break;
    case PROP_SERVE_VIEWER:
      g_value_set_boolean (value, self->serve_viewer);
      break;
    case PROP_MAX_CLIENTS:
      g_value_set_uint (value, self->limits.max_clients);
      break;
    case PROP_SOFT_LIMIT_BYTES:
      g_value_set_uint64 (value, self->limits.soft_bytes);
      break;
    case PROP_HARD_LIMIT_BYTES:
      g_value_set_uint64 (value, self->limits.hard_bytes);
      break;
    case PROP_SOFT_LIMIT_TIME:
      g_value_set_uint64 (value, self->limits.soft_time);
      break;
    case PROP_HARD_LIMIT_TIME:
      g_value_set_uint64 (value, self->limits.hard_time);
      break;
    case PROP_RECOVER_POLICY:
      g_value_set_enum (value, self->limits.recover);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static gboolean
gst_soup_websocket_sink_unlock (GstBaseSink *base)
{
  ws_endpoint_set_flushing (
      GST_SOUP_WEBSOCKET_SINK (base)->route->endpoint, TRUE);
  return TRUE;
}

static gboolean
gst_soup_websocket_sink_unlock_stop (GstBaseSink *base)
{
  ws_endpoint_set_flushing (
      GST_SOUP_WEBSOCKET_SINK (base)->route->endpoint, FALSE);
  return TRUE;
}

/* ---- states ---- */

/* "https://a, https://b" */
static gchar **
split_origins (const gchar *text)
{
  gchar **origins;
  guint i;

  if (text == NULL)
    return NULL;
  origins = g_strsplit (text, ",", -1);
  for (i = 0; origins[i]; i++)
    g_strstrip (origins[i]);
  return origins;
}

static WsRoute *
route_new (GstSoupWebsocketSink *self, WsHub *hub)
{
  WsRoute *route = g_new0 (WsRoute, 1);

  route->path = g_str_has_prefix (self->path, "/")
                    ? g_strdup (self->path)
                    : g_strconcat ("/", self->path, NULL);
  route->token = self->token && *self->token ? g_strdup (self->token) : NULL;
  route->control_token = self->control_token && *self->control_token
                             ? g_strdup (self->control_token)
                             : NULL;
  route->origins = split_origins (self->origins);
  route->serve_viewer = self->serve_viewer;
  route->endpoint = ws_endpoint_new (ws_hub_context (hub), &self->limits,
      &gst_soup_websocket_endpoint_events, self);
  return route;
}

/* NULL: nowhere. */
static const gchar *
listening_address (const GstSoupWebsocketSink *self)
{
  if (!self->listen)
    return NULL;
  return self->address && *self->address ? self->address : DEFAULT_ADDRESS;
}

static gboolean
open_port (GstSoupWebsocketSink *self)
{
  GError *error = NULL;
  WsRoute *route;
  WsHub *hub;

  if (self->key && !self->certificate) {
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "tls-key is set, but not tls-certificate.");
    goto failed;
  }
  hub = ws_hub_join (listening_address (self), self->port, self->certificate,
      self->key, &error);
  if (hub == NULL)
    goto failed;
  gst_soup_websocket_sink_start_notifier (self);
  route = route_new (self, hub);
  ws_order_init (&self->order, route->endpoint);
  self->route = route;
  if (!ws_hub_add (hub, route, &error))
    goto clash;
  GST_OBJECT_LOCK (self);
  self->bound_port = ws_hub_port (hub);
  self->hub = hub;
  GST_OBJECT_UNLOCK (self);
  g_object_notify (G_OBJECT (self), "port");
  if (self->listen)
    GST_INFO_OBJECT (self, "listening on %s://%s:%u%s",
        ws_hub_is_tls (hub) ? "wss" : "ws", self->address, self->bound_port,
        route->path);
  return TRUE;

clash:
  ws_hub_remove (hub, route, 0);
  self->route = NULL;
  ws_hub_leave (hub);
  gst_soup_websocket_sink_stop_notifier (self);
failed:
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_EXISTS) ||
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT))
    GST_ELEMENT_ERROR (
        self, RESOURCE, SETTINGS, ("%s", error->message), (NULL));
  else
    GST_ELEMENT_ERROR (
        self, RESOURCE, OPEN_READ_WRITE, ("%s", error->message), (NULL));
  g_clear_error (&error);
  return FALSE;
}

static void
close_port (GstSoupWebsocketSink *self)
{
  WsHub *hub;

  GST_OBJECT_LOCK (self);
  hub = g_steal_pointer (&self->hub);
  GST_OBJECT_UNLOCK (self);
  ws_hub_remove (hub, self->route, FLUSH_PATIENCE);
  self->route = NULL;
  ws_order_clear (&self->order);
  gst_soup_websocket_sink_stop_notifier (self);
  ws_hub_leave (hub);
}

static void
restart_order (gpointer data)
{
  ws_order_restart (&((GstSoupWebsocketSink *)data)->order);
}

static GstStateChangeReturn
gst_soup_websocket_sink_change_state (
    GstElement *element, GstStateChange transition)
{
  GstSoupWebsocketSink *self = GST_SOUP_WEBSOCKET_SINK (element);
  GstStateChangeReturn result;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!open_port (self))
        return GST_STATE_CHANGE_FAILURE;
      gst_soup_websocket_sink_watch_bus (self);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      ws_endpoint_set_flushing (self->route->endpoint, FALSE);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      ws_endpoint_drain (self->route->endpoint, FLUSH_PATIENCE);
      break;
    default:
      break;
  }
  result = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  if (result == GST_STATE_CHANGE_FAILURE &&
      transition != GST_STATE_CHANGE_NULL_TO_READY)
    return result;
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (result == GST_STATE_CHANGE_FAILURE) {
        gst_soup_websocket_sink_unwatch_bus (self);
        close_port (self);
      }
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      ws_media_reader_clear (&self->reader);
      /* Now: who connects from here on sees the next stream, not the error
       * that the last one ended with. */
      ws_hub_call (self->hub, restart_order, self);
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      gst_soup_websocket_sink_unwatch_bus (self);
      close_port (self);
      break;
    default:
      break;
  }
  return result;
}

/* ---- signals ---- */

void
gst_soup_websocket_sink_emit_added (
    GstSoupWebsocketSink *self, guint64 id, const gchar *remote)
{
  g_signal_emit (self, signals[SIGNAL_CLIENT_ADDED], 0, id, remote);
}

void
gst_soup_websocket_sink_emit_removed (
    GstSoupWebsocketSink *self, guint64 id, const gchar *reason)
{
  g_signal_emit (self, signals[SIGNAL_CLIENT_REMOVED], 0, id, reason);
}

void
gst_soup_websocket_sink_emit_message (
    GstSoupWebsocketSink *self, guint64 id, const gchar *text)
{
  g_signal_emit (self, signals[SIGNAL_MESSAGE], 0, id, text);
}

static void
gst_soup_websocket_sink_post_error (
    GstSoupWebsocketSink *self, const gchar *code, const gchar *message)
{
  WsEvent *event = ws_event_new (WS_EVENT_ERROR);

  event->code = g_strdup (code ? code : "application-error");
  event->message = g_strdup (message ? message : "The application failed.");
  gst_soup_websocket_sink_post (self, event, FALSE);
}
