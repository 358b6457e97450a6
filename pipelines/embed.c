/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A small program that embeds the elements: streams to browsers, gives each
 * segment a prompt of its own, prints what the elements say.
 *
 *   dreamverse-embed [--port N] [--segments N] [--size WxH] [PROMPT...]
 *
 * Against an installed gst-dreamverse it builds with
 *   cc embed.c $(pkg-config --cflags --libs gst-dreamverse-1.0)
 * and then includes <gst/dreamverse/gstdreamverse.h>.
 *
 * Threads: on_need_prompt() runs on the source's generation thread, all else on
 * the main thread.
 */
#include <gst/gst.h>

#include <stdio.h>

#include "gstdreamverse.h"

static const gchar *const prompts[] = {
    "a calm sea at dawn, gulls, a slow camera",
    "the same sea at noon, bright, a light wind",
    "a storm over the sea, rain, thunder",
    "night after the storm, stars, a full moon",
    NULL,
};

/* Which segment shows what is the application's to decide, as late as it can
 * be: when the segment is about to be made. */
static gchar *
on_need_prompt (GstElement *source, guint epoch, guint index, gpointer user)
{
  const gchar *const *list = user;
  guint n = g_strv_length ((gchar **)list);

  return g_strdup (list[(index - 1) % n]);
}

static void
print_element_message (GstMessage *message)
{
  GstDreamverseSegment segment;
  const GstStructure *timings;
  const gchar *stage, *text;
  gdouble ms;

  if (gst_dreamverse_message_has_name (
          message, GST_DREAMVERSE_MESSAGE_SEGMENT_START)) {
    if (gst_dreamverse_parse_segment (
            gst_message_get_structure (message), &segment))
      printf ("segment %u begins: %s\n", segment.index, segment.prompt);
  } else if (gst_dreamverse_message_parse_step_complete (
                 message, &segment, &ms, &timings)) {
    printf ("segment %u was made in %.0f ms\n", segment.index, ms);
  } else if (gst_dreamverse_message_has_name (
                 message, GST_DREAMVERSE_MESSAGE_MEDIA_COMPLETE)) {
    guint64 bytes = 0;

    if (gst_dreamverse_parse_segment (
            gst_message_get_structure (message), &segment) &&
        gst_structure_get_uint64 (gst_message_get_structure (message),
            GST_DREAMVERSE_FIELD_BYTES, &bytes))
      printf ("segment %u is encoded: %" G_GUINT64_FORMAT
              " bytes, until %.2f s\n",
          segment.index, bytes, segment.end / (gdouble)GST_SECOND);
  } else if (gst_dreamverse_message_parse_media_error (
                 message, &segment, &stage, &text)) {
    printf ("segment %u failed (%s): %s\n", segment.index, stage, text);
  } else if (gst_dreamverse_message_has_name (
                 message, GST_DREAMVERSE_MESSAGE_STREAM_COMPLETE)) {
    printf ("no further segment will be made\n");
  }
  fflush (stdout);
}

/* Returns whether the pipeline goes on. */
static gboolean
handle_message (GstMessage *message, int *status)
{
  GError *error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      print_element_message (message);
      return TRUE;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("%s: %s\n", GST_MESSAGE_SRC_NAME (message), error->message);
      g_clear_error (&error);
      *status = 1;
      return FALSE;
    case GST_MESSAGE_EOS:
      return FALSE;
    default:
      return TRUE;
  }
}

static GstElement *
make_pipeline (const gchar *size, gint segments, gint port, GError **error)
{
  gint width = 1280, height = 704;
  gchar *line;
  GstElement *pipeline;

  if (size)
    sscanf (size, "%dx%d", &width, &height);
  line = g_strdup_printf (
      "dreamversesrc name=src width=%d height=%d segments=%d "
      "src.video ! queue max-size-bytes=0 max-size-time=0 max-size-buffers=3 "
      "! x264enc tune=zerolatency speed-preset=ultrafast pass=qual "
      "quantizer=23 "
      "vbv-buf-capacity=0 bframes=0 key-int-max=48 byte-stream=false "
      "! queue ! mux.video "
      "src.audio ! queue ! audioconvert ! audioresample "
      "! audio/x-raw,rate=48000 ! voaacenc bitrate=128000 ! queue ! mux.audio "
      "dreamversemux name=mux ! soupwebsocketsink name=sink port=%d",
      width, height, segments, port);
  pipeline =
      gst_parse_launch_full (line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_free (line);
  return pipeline;
}

int
main (int argc, char **argv)
{
  gint port = 8080, segments = 0, actual = 0;
  int status = 0;
  gboolean running;
  gchar *size = NULL, **words = NULL;
  GError *error = NULL;
  GOptionContext *context;
  GstElement *pipeline, *element;
  GstBus *bus;
  GOptionEntry entries[] = {
      {"port", 'p', 0, G_OPTION_ARG_INT, &port, "0: any", "N"},
      {"segments", 'n', 0, G_OPTION_ARG_INT, &segments, "0: endless", "N"},
      {"size", 's', 0, G_OPTION_ARG_STRING, &size, "in pixels", "WxH"},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL,
          "PROMPT..."},
      {NULL},
  };

  context = g_option_context_new (NULL);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) ||
      !(pipeline = make_pipeline (size, segments, port, &error))) {
    g_printerr ("%s\n", error->message);
    return 2;
  }

  element = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  g_signal_connect (element, "need-prompt", G_CALLBACK (on_need_prompt),
      words ? (gpointer)words : (gpointer)prompts);
  gst_object_unref (element);

  bus = gst_element_get_bus (pipeline);
  running = gst_element_set_state (pipeline, GST_STATE_READY) !=
            GST_STATE_CHANGE_FAILURE;
  if (running) {
    element = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
    g_object_get (element, "port", &actual, NULL);
    gst_object_unref (element);
    printf ("Open http://127.0.0.1:%d/ in a browser.\n", actual);
    fflush (stdout);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
  }
  do {
    GstMessage *message =
        gst_bus_timed_pop (bus, running ? GST_CLOCK_TIME_NONE : GST_SECOND);

    running = message && handle_message (message, &status);
    g_clear_pointer (&message, gst_message_unref);
  } while (running);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_option_context_free (context);
  g_strfreev (words);
  g_free (size);
  return status;
}
