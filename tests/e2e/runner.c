/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: runner LAUNCH-LINE
 *
 * Runs a pipeline under the eyes of a test: goes to READY, says where the sink
 * `ws` listens, and does what is read from stdin, a line each:
 *
 *   go               play
 *   slow MS          from now on each video frame takes MS longer to encode
 *   fail N           the video encoder fails at the Nth frame from now
 *   prompt TEXT, reset, pause, resume
 *   eos              end the stream as gst-launch-1.0 -e does
 *   quit             stop at once
 *
 * What happens is written to stdout, one JSON object a line, each with `t`, the
 * monotonic clock in seconds: every dreamverse message by its name; `port`;
 * `error`; `end`. With `end` comes what passed into the encoders `venc` and
 * `aenc`: `video_frames`, `audio_samples`, and `audio_jump`, how far apart (in
 * ns, the most) a buffer of sound was from where the samples before it put it,
 * which were `audio_jump_at`.
 *
 * Threads: probes run on streaming threads and touch atomics and their own
 * fields only; all else is on the main thread.
 */
#include <gst/gst.h>
#include <json-glib/json-glib.h>

#include <stdio.h>
#include <string.h>

#include "gstdreamverse.h"

typedef struct {
  GMainLoop *loop;
  GstElement *pipeline;
  gint slow_ms;
  gint fail_in; /* frames; 0: never */
  gint video_frames;
  guint64 audio_samples;
  GstClockTime audio_next;
  GstClockTimeDiff audio_jump;
  guint64 audio_jump_at;
  guint commands;
  int status;
} Runner;

/* ---- writing ---- */

static void add_structure (JsonBuilder *builder, const GstStructure *s);

static gboolean
add_field (GQuark field, const GValue *value, gpointer user)
{
  JsonBuilder *builder = user;

  json_builder_set_member_name (builder, g_quark_to_string (field));
  if (G_VALUE_HOLDS_STRING (value))
    json_builder_add_string_value (builder, g_value_get_string (value));
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    json_builder_add_boolean_value (builder, g_value_get_boolean (value));
  else if (G_VALUE_HOLDS_UINT (value))
    json_builder_add_int_value (builder, g_value_get_uint (value));
  else if (G_VALUE_HOLDS_INT (value))
    json_builder_add_int_value (builder, g_value_get_int (value));
  else if (G_VALUE_HOLDS_UINT64 (value))
    json_builder_add_int_value (builder, (gint64)g_value_get_uint64 (value));
  else if (G_VALUE_HOLDS_DOUBLE (value))
    json_builder_add_double_value (builder, g_value_get_double (value));
  else if (GST_VALUE_HOLDS_STRUCTURE (value))
    add_structure (builder, gst_value_get_structure (value));
  else
    json_builder_add_string_value (builder, G_VALUE_TYPE_NAME (value));
  return TRUE;
}

static void
add_structure (JsonBuilder *builder, const GstStructure *s)
{
  json_builder_begin_object (builder);
  if (s)
    gst_structure_foreach (s, add_field, builder);
  json_builder_end_object (builder);
}

/* Takes @s. */
static void
say (const gchar *name, GstStructure *s)
{
  JsonBuilder *builder = json_builder_new ();
  JsonNode *root;
  gchar *text;

  gst_structure_set (s, "name", G_TYPE_STRING, name, "t", G_TYPE_DOUBLE,
      g_get_monotonic_time () / 1e6, NULL);
  add_structure (builder, s);
  gst_structure_free (s);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  puts (text);
  fflush (stdout);
  g_free (text);
  json_node_unref (root);
  g_object_unref (builder);
}

/* ---- probes ---- */

static GstPadProbeReturn
video_probe (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Runner *r = user;
  gint left;

  g_atomic_int_inc (&r->video_frames);
  if (g_atomic_int_get (&r->slow_ms) > 0)
    g_usleep (1000 * g_atomic_int_get (&r->slow_ms));
  left = g_atomic_int_get (&r->fail_in);
  if (left > 0 && g_atomic_int_add (&r->fail_in, -1) == 1) {
    GstElement *encoder = gst_pad_get_parent_element (pad);

    GST_ELEMENT_ERROR (
        encoder, STREAM, ENCODE, ("The encoder was told to fail."), (NULL));
    gst_object_unref (encoder);
    GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GST_FLOW_ERROR;
    gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
    return GST_PAD_PROBE_HANDLED;
  }
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
audio_probe (GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
  Runner *r = user;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstCaps *caps = gst_pad_get_current_caps (pad);
  gint rate = 0, channels = 0;
  GstStructure *s = gst_caps_get_structure (caps, 0);
  gsize width =
      g_str_has_prefix (gst_structure_get_string (s, "format"), "S16") ? 2 : 4;
  guint64 samples;

  gst_structure_get_int (s, "rate", &rate);
  gst_structure_get_int (s, "channels", &channels);
  gst_caps_unref (caps);
  samples = gst_buffer_get_size (buffer) / (width * channels);
  if (GST_CLOCK_TIME_IS_VALID (r->audio_next)) {
    GstClockTimeDiff jump =
        ABS (GST_CLOCK_DIFF (r->audio_next, GST_BUFFER_PTS (buffer)));

    if (jump > r->audio_jump) {
      r->audio_jump = jump;
      r->audio_jump_at = r->audio_samples;
    }
  }
  r->audio_samples += samples;
  r->audio_next = gst_util_uint64_scale (r->audio_samples, GST_SECOND, rate);
  return GST_PAD_PROBE_OK;
}

static void
add_probe (Runner *r, const gchar *name, GstPadProbeCallback callback)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (r->pipeline), name);
  GstPad *pad;

  if (!element)
    return;
  pad = gst_element_get_static_pad (element, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, r, NULL);
  gst_object_unref (pad);
  gst_object_unref (element);
}

/* ---- bus and commands ---- */

static void
finish (Runner *r, int status)
{
  r->status = status;
  g_main_loop_quit (r->loop);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user)
{
  Runner *r = user;
  GError *error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      if (g_str_has_prefix (
              gst_structure_get_name (gst_message_get_structure (message)),
              "dreamverse-"))
        say (gst_structure_get_name (gst_message_get_structure (message)),
            gst_structure_copy (gst_message_get_structure (message)));
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      say ("error",
          gst_structure_new ("e", "message", G_TYPE_STRING, error->message,
              "element", G_TYPE_STRING, GST_MESSAGE_SRC_NAME (message), NULL));
      g_clear_error (&error);
      finish (r, 1);
      break;
    case GST_MESSAGE_EOS:
      finish (r, 0);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static void
control (Runner *r, const gchar *command, const gchar *prompt)
{
  GstElement *src = gst_bin_get_by_name (GST_BIN (r->pipeline), "src");
  gchar *id = g_strdup_printf ("runner-%u", ++r->commands);

  gst_element_send_event (
      src, gst_dreamverse_control_event_new (command, id, prompt, id));
  g_free (id);
  gst_object_unref (src);
}

static void
obey (Runner *r, const gchar *line)
{
  if (g_str_equal (line, "go"))
    gst_element_set_state (r->pipeline, GST_STATE_PLAYING);
  else if (g_str_has_prefix (line, "slow "))
    g_atomic_int_set (&r->slow_ms, atoi (line + 5));
  else if (g_str_has_prefix (line, "fail "))
    g_atomic_int_set (&r->fail_in, atoi (line + 5));
  else if (g_str_has_prefix (line, "prompt "))
    control (r, GST_DREAMVERSE_COMMAND_PROMPT, line + 7);
  else if (g_str_equal (line, "reset"))
    control (r, GST_DREAMVERSE_COMMAND_RESET, NULL);
  else if (g_str_equal (line, "pause"))
    control (r, GST_DREAMVERSE_COMMAND_PAUSE, NULL);
  else if (g_str_equal (line, "resume"))
    control (r, GST_DREAMVERSE_COMMAND_RESUME, NULL);
  else if (g_str_equal (line, "eos"))
    gst_element_send_event (r->pipeline, gst_event_new_eos ());
  else if (g_str_equal (line, "quit"))
    finish (r, 0);
  else
    g_printerr ("runner: what is '%s'?\n", line);
}

static gboolean
on_line (GIOChannel *channel, GIOCondition condition, gpointer user)
{
  Runner *r = user;
  gchar *line = NULL;

  if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL) !=
      G_IO_STATUS_NORMAL) {
    finish (r, 0);
    return G_SOURCE_REMOVE;
  }
  obey (r, g_strchomp (line));
  g_free (line);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  Runner r = {.audio_next = GST_CLOCK_TIME_NONE};
  GError *error = NULL;
  GIOChannel *input;
  GstElement *sink;
  GstBus *bus;
  gint port = 0;

  gst_init (&argc, &argv);
  if (argc != 2) {
    g_printerr ("Usage: runner LAUNCH-LINE\n");
    return 2;
  }
  r.pipeline = gst_parse_launch_full (
      argv[1], NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!r.pipeline) {
    g_printerr ("runner: %s\n", error->message);
    g_clear_error (&error);
    return 2;
  }
  r.loop = g_main_loop_new (NULL, FALSE);
  add_probe (&r, "venc", video_probe);
  add_probe (&r, "aenc", audio_probe);
  bus = gst_element_get_bus (r.pipeline);
  gst_bus_add_watch (bus, on_message, &r);
  input = g_io_channel_unix_new (0);
  g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_line, &r);

  if (gst_element_set_state (r.pipeline, GST_STATE_READY) !=
      GST_STATE_CHANGE_FAILURE) {
    sink = gst_bin_get_by_name (GST_BIN (r.pipeline), "ws");
    if (sink) {
      g_object_get (sink, "port", &port, NULL);
      gst_object_unref (sink);
    }
    say ("port", gst_structure_new ("p", "port", G_TYPE_INT, port, NULL));
  }
  g_main_loop_run (r.loop);

  gst_element_set_state (r.pipeline, GST_STATE_NULL);
  say ("end",
      gst_structure_new ("end", "status", G_TYPE_INT, r.status, "video_frames",
          G_TYPE_INT, r.video_frames, "audio_samples", G_TYPE_UINT64,
          r.audio_samples, "audio_jump", G_TYPE_UINT64, (guint64)r.audio_jump,
          "audio_jump_at", G_TYPE_UINT64, r.audio_jump_at, NULL));
  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  g_io_channel_unref (input);
  g_main_loop_unref (r.loop);
  gst_object_unref (r.pipeline);
  gst_deinit ();
  return r.status;
}
