/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A worker's pipeline: see worker-pipeline.h.
 *
 * Threads: see worker-pipeline.h.
 */
#include "worker-pipeline.h"

#include <gio/gio.h>
#include <gst/gst.h>
#include <malloc.h>
#include <unistd.h>

#include "ask.h"
#include "channel.h"
#include "encoders.h"
#include "gstdreamverse.h"

GST_DEBUG_CATEGORY_STATIC (worker_debug);
#define GST_CAT_DEFAULT worker_debug

/* What waits in the worker for a front that does not read: then the pipeline
 * stands still. */
#define LINK_BYTES (32 * 1024 * 1024)

struct DvsPipeline {
  const DvsPipelineEvents *events;
  gpointer user;
  JsonObject *setup;
  GstElement *source; /* NULL or READY between runs */
  DvsAsk *ask;

  /* of a run */
  GstElement *top; /* NULL: none is on */
  GThread *undertaker;
  gboolean complete; /* the source has come to its end, and did not fail */
  gchar *error;
  gboolean broken;
};

/* ---- the source ---- */

static void
set_if (GstElement *source, const gchar *property, const gchar *value)
{
  if (value)
    g_object_set (source, property, value, NULL);
}

static void
set_loras (GstElement *source, JsonObject *setup)
{
  JsonNode *node = json_object_get_member (setup, "loras");
  JsonArray *loras =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  GValue list = G_VALUE_INIT, item = G_VALUE_INIT;
  guint i;

  g_value_init (&list, GST_TYPE_ARRAY);
  for (i = 0; loras && i < json_array_get_length (loras); i++) {
    g_value_init (&item, G_TYPE_STRING);
    g_value_set_string (&item, json_array_get_string_element (loras, i));
    gst_value_array_append_and_take_value (&list, &item);
  }
  if (gst_value_array_get_size (&list))
    g_object_set_property (G_OBJECT (source), "loras", &list);
  g_value_unset (&list);
}

/* As fast as it can: what is not read holds it. */
static void
set_up_source (GstElement *source, JsonObject *setup)
{
  set_if (source, "model", dvs_packet_string (setup, "model"));
  set_if (source, "device", dvs_packet_string (setup, "device"));
  set_if (source, "dtype", dvs_packet_string (setup, "dtype"));
  set_if (source, "steps", dvs_packet_string (setup, "steps"));
  set_loras (source, setup);
  g_object_set (source, "threads", (gint)dvs_packet_uint (setup, "threads"),
      "memory-budget", (guint64)dvs_packet_int (setup, "memory-budget"),
      "width", (gint)dvs_packet_uint (setup, "width"), "height",
      (gint)dvs_packet_uint (setup, "height"), "framerate",
      (gint)dvs_packet_uint (setup, "fps-n"),
      (gint)dvs_packet_uint (setup, "fps-d"), "frames-per-segment",
      dvs_packet_uint (setup, "frames"), "overlap-frames",
      dvs_packet_uint (setup, "overlap"), "audio-overlap-frames",
      dvs_packet_uint (setup, "audio-overlap"), "seed",
      (guint64)dvs_packet_int (setup, "seed"), "stamp",
      dvs_packet_boolean (setup, "stamp"), "max-lead", G_MAXUINT64, NULL);
}

static void
asked (gpointer user, guint epoch, guint index, guint resets)
{
  DvsPipeline *pipeline = user;

  pipeline->events->need_prompt (pipeline->user, epoch, index, resets);
}

DvsPipeline *
dvs_pipeline_new (JsonObject *setup, const DvsPipelineEvents *events,
    gpointer user, GError **error)
{
  GstElement *source = gst_element_factory_make ("dreamversesrc", "src");
  DvsPipeline *pipeline;

  GST_DEBUG_CATEGORY_INIT (
      worker_debug, "dreamverse-worker", 0, "worker of dreamverse-server");
  if (!source) {
    g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "There is no element dreamversesrc: GST_PLUGIN_PATH names no directory "
        "with the plugin of gst-dreamverse.");
    return NULL;
  }
  pipeline = g_new0 (DvsPipeline, 1);
  pipeline->events = events;
  pipeline->user = user;
  pipeline->setup = json_object_ref (setup);
  pipeline->source = gst_object_ref_sink (source);
  set_up_source (source, setup);
  pipeline->ask = dvs_ask_new (source, asked, pipeline);
  return pipeline;
}

void
dvs_pipeline_free (DvsPipeline *pipeline)
{
  g_return_if_fail (pipeline->top == NULL);
  dvs_ask_free (pipeline->ask);
  gst_element_set_state (pipeline->source, GST_STATE_NULL);
  gst_object_unref (pipeline->source);
  json_object_unref (pipeline->setup);
  g_free (pipeline);
}

gboolean
dvs_pipeline_is_running (const DvsPipeline *pipeline)
{
  return pipeline->top != NULL;
}

/* ---- taking down ---- */

static gboolean
taken_down (gpointer data)
{
  DvsPipeline *pipeline = data;
  gchar *error = g_steal_pointer (&pipeline->error);
  gboolean broken = pipeline->broken;
  GstBus *bus = gst_element_get_bus (pipeline->top);

  g_clear_pointer (&pipeline->undertaker, g_thread_join);
  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  gst_clear_object (&pipeline->top);
  pipeline->broken = FALSE;
  /* The frames' memory: an idle slot keeps no more than its model. */
  malloc_trim (0);
  pipeline->events->over (pipeline->user, error, broken);
  g_free (error);
  return G_SOURCE_REMOVE;
}

/* In a thread of its own. The source keeps its model in READY. */
static gpointer
take_down (gpointer data)
{
  DvsPipeline *pipeline = data;

  gst_element_set_state (pipeline->top, GST_STATE_READY);
  gst_bin_remove (GST_BIN (pipeline->top), pipeline->source);
  gst_element_set_state (pipeline->top, GST_STATE_NULL);
  g_idle_add (taken_down, pipeline);
  return NULL;
}

void
dvs_pipeline_stop (DvsPipeline *pipeline)
{
  if (!pipeline->top || pipeline->undertaker)
    return;
  dvs_ask_close (pipeline->ask);
  pipeline->undertaker = g_thread_new ("undertaker", take_down, pipeline);
}

/* ---- what the elements say ---- */

static void
pipeline_fail (DvsPipeline *pipeline, const gchar *error, gboolean broken)
{
  if (pipeline->undertaker)
    return;
  GST_INFO ("failed: %s", error);
  pipeline->error = g_strdup (error);
  pipeline->broken = broken;
  dvs_pipeline_stop (pipeline);
}

static void
take_progress (DvsPipeline *pipeline, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  gboolean procedural = FALSE;
  gdouble fraction = 0;
  GstProgressType type;

  gst_message_parse_progress (message, &type, NULL, NULL);
  gst_structure_get_double (s, GST_DREAMVERSE_FIELD_FRACTION, &fraction);
  if (type == GST_PROGRESS_TYPE_START || type == GST_PROGRESS_TYPE_CONTINUE) {
    pipeline->events->loading (pipeline->user, fraction);
  } else if (type == GST_PROGRESS_TYPE_COMPLETE) {
    gst_structure_get_boolean (s, GST_DREAMVERSE_FIELD_PROCEDURAL, &procedural);
    pipeline->events->opened (pipeline->user,
        gst_structure_get_string (s, GST_DREAMVERSE_FIELD_MODEL), procedural);
  }
}

static void
take_media_error (DvsPipeline *pipeline, const GstStructure *s)
{
  const gchar *text =
      gst_structure_get_string (s, GST_DREAMVERSE_FIELD_MESSAGE);
  const gchar *stage = gst_structure_get_string (s, GST_DREAMVERSE_FIELD_STAGE);

  pipeline_fail (pipeline, text ? text : "The media of a segment failed.",
      g_strcmp0 (stage, "generate") == 0);
}

static void
take_element (DvsPipeline *pipeline, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  const gchar *name = gst_structure_get_name (s);

  if (g_str_equal (name, GST_DREAMVERSE_MESSAGE_SEGMENT_START))
    pipeline->events->step (pipeline->user, TRUE);
  else if (g_str_equal (name, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE) ||
           g_str_equal (name, GST_DREAMVERSE_MESSAGE_STEP_ABORTED))
    pipeline->events->step (pipeline->user, FALSE);
  else if (g_str_equal (name, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE))
    gst_structure_get_boolean (
        s, GST_DREAMVERSE_FIELD_LAST, &pipeline->complete);
  else if (g_str_equal (name, GST_DREAMVERSE_MESSAGE_MEDIA_ERROR))
    take_media_error (pipeline, s);
}

static void
take_error (DvsPipeline *pipeline, GstMessage *message)
{
  GError *error = NULL;
  gchar *debug = NULL;

  gst_message_parse_error (message, &error, &debug);
  GST_WARNING ("%s (%s)", error->message, debug ? debug : "");
  pipeline_fail (pipeline, error->message, FALSE);
  g_error_free (error);
  g_free (debug);
}

static gboolean
take_message (GstBus *bus, GstMessage *message, gpointer data)
{
  DvsPipeline *pipeline = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_PROGRESS:
      take_progress (pipeline, message);
      break;
    case GST_MESSAGE_ELEMENT:
      if (gst_message_get_structure (message))
        take_element (pipeline, message);
      break;
    case GST_MESSAGE_ERROR:
      take_error (pipeline, message);
      break;
    case GST_MESSAGE_EOS:
      /* The sink has handed everything over before. A source that fails ends
       * its pads and then says why: that is waited for. */
      if (pipeline->complete)
        dvs_pipeline_stop (pipeline);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* ---- a run ---- */

static GstElement *
make_rest (JsonObject *setup, gboolean linked, GError **error)
{
  guint fps_d = MAX (dvs_packet_uint (setup, "fps-d"), 1);
  gchar *video = dvs_video_encoder (dvs_packet_string (setup, "video-encoder"),
      (dvs_packet_uint (setup, "fps-n") + fps_d - 1) / fps_d, error);
  gchar *audio = video ? dvs_audio_encoder (
                             dvs_packet_string (setup, "audio-encoder"), error)
                       : NULL;
  GstElement *top = NULL;
  gchar *launch;

  if (video && audio) {
    /* Raw frames are large: that queue counts them, not bytes. */
    launch = g_strdup_printf (
        "queue name=video max-size-bytes=0 max-size-time=0 max-size-buffers=3 "
        "! videoconvert ! video/x-raw,format=I420 ! %s "
        "! queue max-size-bytes=0 max-size-buffers=0 max-size-time=2000000000 "
        "! mux.video "
        "queue name=audio ! audioconvert ! audioresample "
        "! audio/x-raw,rate=48000 ! %s "
        "! queue max-size-bytes=0 max-size-buffers=0 max-size-time=2000000000 "
        "! mux.audio dreamversemux name=mux fragment-duration=%u ! %s",
        video, audio, dvs_packet_uint (setup, "fragment-ms"),
        linked ? "soupwebsocketsink name=sink listen=false serve-viewer=false "
                 "recover-policy=wait async=false"
               : "fakesink name=sink sync=false async=false");
    top = gst_parse_launch_full (
        launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    g_free (launch);
  }
  g_free (video);
  g_free (audio);
  return top ? gst_object_ref_sink (top) : NULL;
}

static gboolean
link_pad (GstElement *top, GstElement *source, const gchar *name)
{
  GstElement *queue = gst_bin_get_by_name (GST_BIN (top), name);
  gboolean linked =
      queue && gst_element_link_pads (source, name, queue, "sink");

  gst_clear_object (&queue);
  return linked;
}

static gboolean
add_link (GstElement *top, int fd, GError **error)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (top), "sink");
  GSocket *socket = g_socket_new_from_fd (fd, error);
  GSocketConnection *connection;
  guint64 viewer = 0;

  if (!socket) {
    close (fd);
    gst_object_unref (sink);
    return FALSE;
  }
  g_object_set (sink, "hard-limit-bytes", (guint64)LINK_BYTES, NULL);
  connection = g_socket_connection_factory_create_connection (socket);
  g_object_unref (socket);
  if (gst_element_set_state (sink, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE)
    g_signal_emit_by_name (sink, "add-connection", connection, &viewer);
  if (!viewer)
    g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_FAILED,
        "The sink does not take the connection to the front.");
  g_object_unref (connection);
  gst_object_unref (sink);
  return viewer != 0;
}

static void
give_up (DvsPipeline *pipeline, GstElement *top)
{
  gst_element_set_state (top, GST_STATE_READY);
  if (GST_OBJECT_PARENT (pipeline->source))
    gst_bin_remove (GST_BIN (top), pipeline->source);
  gst_element_set_state (top, GST_STATE_NULL);
  gst_object_unref (top);
}

gboolean
dvs_pipeline_start (DvsPipeline *pipeline, guint segments,
    const gchar *start_image, int link, GError **error)
{
  GstElement *source = pipeline->source;
  GstElement *top = make_rest (pipeline->setup, link >= 0, error);
  GstBus *bus;

  if (!top) {
    if (link >= 0)
      close (link);
    return FALSE;
  }
  /* What is for nobody need not imitate anything. */
  g_object_set (source, "segments", segments, "start-image", start_image,
      "pace", link >= 0 ? dvs_packet_double (pipeline->setup, "pace") : 0.0,
      NULL);
  /* The sink comes first: it hears on the bus what the others say. */
  if (link >= 0 && !add_link (top, link, error))
    goto failed;
  gst_bin_add (GST_BIN (top), source);
  if (!link_pad (top, source, "video") || !link_pad (top, source, "audio")) {
    g_set_error_literal (error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
        "The encoders cannot be linked to the source.");
    goto failed;
  }
  bus = gst_element_get_bus (top);
  gst_bus_add_watch (bus, take_message, pipeline);
  dvs_ask_watch (pipeline->ask, bus);
  gst_object_unref (bus);
  pipeline->top = top;
  pipeline->complete = FALSE;
  dvs_ask_open (pipeline->ask);
  if (gst_element_set_state (top, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE)
    GST_INFO ("the pipeline does not start; the bus says why");
  return TRUE;

failed:
  give_up (pipeline, top);
  return FALSE;
}

/* ---- steering ---- */

void
dvs_pipeline_generate (
    DvsPipeline *pipeline, guint epoch, guint index, const gchar *prompt)
{
  if (prompt && dvs_ask_is (pipeline->ask, epoch, index))
    dvs_ask_answer (pipeline->ask, prompt);
}

void
dvs_pipeline_prepare (DvsPipeline *pipeline, const gchar *prompt)
{
  if (prompt && pipeline->top && !pipeline->undertaker)
    g_signal_emit_by_name (pipeline->source, "prepare-prompt", prompt);
}

void
dvs_pipeline_end (DvsPipeline *pipeline, guint epoch, guint index)
{
  if (!pipeline->top || pipeline->undertaker ||
      !dvs_ask_is (pipeline->ask, epoch, index))
    return;
  /* Before whoever asks goes on: it finds that there is no segment. */
  gst_element_send_event (pipeline->source, gst_event_new_eos ());
  dvs_ask_answer (pipeline->ask, NULL);
}

void
dvs_pipeline_reset (DvsPipeline *pipeline)
{
  if (!pipeline->top || pipeline->undertaker)
    return;
  g_signal_emit_by_name (pipeline->source, "reset");
  dvs_ask_reset_requested (pipeline->ask);
}
