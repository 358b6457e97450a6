/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: random [STEPS [SEED]]
 *
 * Does random things to a whole pipeline: states in any order, flushes, links
 * cut and made, prompts and resets, end of stream, viewers who come, read,
 * stall, talk nonsense and vanish. Nothing may hang (a step that takes a minute
 * aborts the program), crash, or leave a thread or a file descriptor behind.
 * The same seed does the same things.
 *
 * Threads: all of it on the main thread; no main loop runs.
 */
#include <gio/gio.h>
#include <gst/gst.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gstdreamverse.h"

#define MAX_VIEWERS 6
#define SECONDS_A_STEP 60

typedef struct {
  GRand *rand;
  GstElement *pipeline, *src, *sink;
  GSocketConnection *viewer[MAX_VIEWERS];
  guint steps, commands, errors, ended;
  guint64 bytes;
} Stress;

static const gchar *const line =
    "dreamversesrc name=src width=128 height=128 frames-per-segment=12 "
    "overlap-frames=2 audio-overlap-frames=2 "
    "src.video ! queue name=vq max-size-bytes=0 max-size-time=0 "
    "max-size-buffers=3 ! x264enc tune=zerolatency speed-preset=ultrafast "
    "bframes=0 key-int-max=24 ! queue ! mux.video "
    "src.audio ! queue name=aq ! audioconvert ! audioresample "
    "! audio/x-raw,rate=48000 ! voaacenc ! queue ! mux.audio "
    "dreamversemux name=mux ! soupwebsocketsink name=sink port=0";

static guint
count_entries (const gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  if (dir)
    g_dir_close (dir);
  return n;
}

/* ---- viewers ---- */

static void
viewer_comes (Stress *s)
{
  static const gchar hello[] =
      "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  GSocketClient *client;
  gint port = 0;
  guint i = g_rand_int_range (s->rand, 0, MAX_VIEWERS);
  /* Some never finish their request. */
  gsize length = g_rand_int_range (s->rand, 0, 4) ? sizeof hello - 1 : 40;

  g_object_get (s->sink, "port", &port, NULL);
  if (port == 0 || s->viewer[i])
    return;
  client = g_socket_client_new ();
  s->viewer[i] = g_socket_client_connect_to_host (
      client, "127.0.0.1", (guint16)port, NULL, NULL);
  g_object_unref (client);
  if (s->viewer[i]) {
    g_socket_set_blocking (
        g_socket_connection_get_socket (s->viewer[i]), FALSE);
    g_socket_send (g_socket_connection_get_socket (s->viewer[i]), hello, length,
        NULL, NULL);
  }
}

static void
viewer_goes (Stress *s, guint i)
{
  /* Without a goodbye. */
  g_clear_object (&s->viewer[i]);
}

static void
viewer_reads (Stress *s, guint i)
{
  gchar buffer[65536];
  gssize n;

  if (!s->viewer[i])
    return;
  do {
    n = g_socket_receive (g_socket_connection_get_socket (s->viewer[i]), buffer,
        sizeof buffer, NULL, NULL);
    s->bytes += MAX (n, 0);
  } while (n > 0);
  if (n == 0)
    viewer_goes (s, i);
}

static void
viewer_talks (Stress *s, guint i)
{
  /* A masked text frame, its mask zero, or plain noise. */
  static const gchar *const text[] = {"{\"type\":\"reset_to_seed_prompts\"}",
      "{\"type\":\"append_prompt\",\"prompt\":\"a lake\",\"prompt_id\":\"1\"}",
      "{\"type\":\"set_generation_paused\",\"paused\":false}",
      "{\"type\":", "[1,2,3]"};
  gchar frame[128];
  gsize n, k;

  if (!s->viewer[i])
    return;
  if (g_rand_boolean (s->rand)) {
    const gchar *t = text[g_rand_int_range (s->rand, 0, G_N_ELEMENTS (text))];

    n = strlen (t);
    frame[0] = (gchar)0x81;
    frame[1] = (gchar)(0x80 | n);
    memset (frame + 2, 0, 4);
    memcpy (frame + 6, t, n);
    n += 6;
  } else {
    n = g_rand_int_range (s->rand, 1, sizeof frame);
    for (k = 0; k < n; k++)
      frame[k] = (gchar)g_rand_int (s->rand);
  }
  g_socket_send (
      g_socket_connection_get_socket (s->viewer[i]), frame, n, NULL, NULL);
}

/* ---- the pipeline ---- */

static void
change_state (Stress *s)
{
  static const GstState state[] = {GST_STATE_NULL, GST_STATE_READY,
      GST_STATE_PAUSED, GST_STATE_PLAYING, GST_STATE_PLAYING};
  GstState next = state[g_rand_int_range (s->rand, 0, G_N_ELEMENTS (state))];
  GstStateChangeReturn ret = gst_element_set_state (s->pipeline, next);

  /* Sometimes wait until it is there, sometimes go on in the middle of it. */
  if (ret == GST_STATE_CHANGE_ASYNC && g_rand_boolean (s->rand))
    gst_element_get_state (s->pipeline, NULL, NULL, GST_SECOND / 2);
}

static void
steer (Stress *s)
{
  static const gchar *const command[] = {GST_DREAMVERSE_COMMAND_PROMPT,
      GST_DREAMVERSE_COMMAND_PAUSE, GST_DREAMVERSE_COMMAND_RESUME,
      GST_DREAMVERSE_COMMAND_RESUME, GST_DREAMVERSE_COMMAND_RESET};
  const gchar *c = command[g_rand_int_range (s->rand, 0, 5)];
  gchar *id = g_strdup_printf ("%u", ++s->commands);

  gst_element_send_event (s->src,
      gst_dreamverse_control_event_new (c, id, "rain over a city", NULL));
  g_free (id);
}

/* As an application does it: at the source, which sends the segment again. */
static void
flush (Stress *s)
{
  gst_element_send_event (s->src, gst_event_new_flush_start ());
  if (g_rand_boolean (s->rand))
    g_usleep (1000);
  gst_element_send_event (s->src, gst_event_new_flush_stop (FALSE));
}

/* Cuts the link between source and queue and makes it again. */
static void
relink (Stress *s)
{
  gboolean video = g_rand_boolean (s->rand);
  GstElement *queue =
      gst_bin_get_by_name (GST_BIN (s->pipeline), video ? "vq" : "aq");
  const gchar *pad = video ? "video" : "audio";

  gst_element_unlink_pads (s->src, pad, queue, "sink");
  if (g_rand_boolean (s->rand))
    g_usleep (2000);
  if (!gst_element_link_pads (s->src, pad, queue, "sink"))
    g_error ("%s cannot be linked again", pad);
  gst_object_unref (queue);
}

static void
read_bus (Stress *s)
{
  GstBus *bus = gst_element_get_bus (s->pipeline);
  GstMessage *message;

  while ((message = gst_bus_pop (bus))) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      s->errors++;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      s->ended++;
    gst_message_unref (message);
  }
  gst_object_unref (bus);
}

static void
step (Stress *s)
{
  guint viewer = g_rand_int_range (s->rand, 0, MAX_VIEWERS);

  alarm (SECONDS_A_STEP);
  switch (g_rand_int_range (s->rand, 0, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      change_state (s);
      break;
    case 4:
    case 5:
      steer (s);
      break;
    case 6:
      flush (s);
      break;
    case 7:
      relink (s);
      break;
    case 8:
      if (g_rand_int_range (s->rand, 0, 4) == 0)
        gst_element_send_event (s->pipeline, gst_event_new_eos ());
      break;
    case 9:
    case 10:
      viewer_comes (s);
      break;
    case 11:
      viewer_goes (s, viewer);
      break;
    case 12:
      viewer_talks (s, viewer);
      break;
    case 13:
      gst_element_set_state (s->pipeline, GST_STATE_PLAYING);
      g_usleep (g_rand_int_range (s->rand, 0, 60000));
      break;
    default:
      viewer_reads (s, viewer);
      g_usleep (g_rand_int_range (s->rand, 0, 20000));
  }
  read_bus (s);
}

static void
run (guint steps, guint32 seed)
{
  Stress s = {.rand = g_rand_new_with_seed (seed)};
  GError *error = NULL;
  guint i;

  s.pipeline =
      gst_parse_launch_full (line, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!s.pipeline)
    g_error ("%s", error->message);
  s.src = gst_bin_get_by_name (GST_BIN (s.pipeline), "src");
  s.sink = gst_bin_get_by_name (GST_BIN (s.pipeline), "sink");
  gst_element_set_state (s.pipeline, GST_STATE_PLAYING);
  for (i = 0; i < steps; i++)
    step (&s);
  alarm (SECONDS_A_STEP);
  gst_element_set_state (s.pipeline, GST_STATE_NULL);
  read_bus (&s);
  for (i = 0; i < MAX_VIEWERS; i++)
    viewer_goes (&s, i);
  gst_object_unref (s.src);
  gst_object_unref (s.sink);
  gst_object_unref (s.pipeline);
  g_rand_free (s.rand);
  alarm (0);
  printf ("%u steps, seed %u: %u errors, %u ends, %" G_GUINT64_FORMAT
          " bytes read\n",
      steps, seed, s.errors, s.ended, s.bytes);
  fflush (stdout);
}

/* Threads end a little after what they worked for: waits for that, at most
 * five seconds. */
static guint
settled (const gchar *path, guint wanted)
{
  guint i, n = 0;

  for (i = 0; i < 500; i++) {
    n = count_entries (path);
    if (n <= wanted)
      break;
    g_usleep (10000);
  }
  return n;
}

int
main (int argc, char **argv)
{
  guint steps, files, threads, n;
  guint32 seed;
  int status = 0;

  gst_init (&argc, &argv);
  steps = argc > 1 ? (guint)atoi (argv[1]) : 1000;
  seed = argc > 2 ? (guint32)atoi (argv[2]) : 1;

  /* The first pipeline and the first viewer start pools and threads that the
   * process keeps. */
  run (150, 1000);
  g_usleep (200000);
  files = count_entries ("/proc/self/fd");
  threads = count_entries ("/proc/self/task");
  run (steps, seed);
  n = settled ("/proc/self/fd", files);
  if (n > files) {
    printf ("%u file descriptors, %u before\n", n, files);
    status = 1;
  }
  /* GLib keeps some idle threads for later. */
  n = settled ("/proc/self/task", threads + 2);
  if (n > threads + 2) {
    printf ("%u threads, %u before\n", n, threads);
    status = 1;
  }
  gst_deinit ();
  return status;
}
