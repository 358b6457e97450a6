/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: random [STEPS [SEED]]
 *
 * Does random things to a whole pipeline: states in any order, flushes, links
 * cut and made, prompts and resets, end of stream, viewers who come, read,
 * stall, talk nonsense and vanish, some of them over TLS. Nothing may hang (a
 * step that takes a minute aborts the program), crash, or leave a thread or a
 * file descriptor behind. The same seed does the same things.
 *
 * Threads: all of it on the main thread, but that each viewer over TLS has one
 * of its own; no main loop runs.
 */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gstdreamverse.h"

#define MAX_VIEWERS 6
#define MAX_TLS_VIEWERS 3
#define SECONDS_A_STEP 60

typedef struct {
  gchar *folder, *certificate, *key; /* NULL: no TLS here */
} Tls;

typedef struct {
  GThread *thread;
  GCancellable *leave;
  guint16 port;
  gboolean half; /* stops in the middle of the handshake */
  guint64 bytes;
} TlsViewer;

typedef struct {
  GRand *rand;
  const Tls *tls;
  GstElement *pipeline, *src, *sink;
  GSocketConnection *viewer[MAX_VIEWERS];
  TlsViewer tls_viewer[MAX_TLS_VIEWERS];
  guint commands, errors, ended;
  guint64 bytes, tls_bytes;
} Stress;

static const gchar hello[] =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static const gchar *const line =
    "dreamversesrc name=src width=128 height=128 frames-per-segment=12 "
    "overlap-frames=2 audio-overlap-frames=2 "
    "src.video ! queue name=vq max-size-bytes=0 max-size-time=0 "
    "max-size-buffers=3 ! x264enc name=venc tune=zerolatency "
    "speed-preset=ultrafast "
    "bframes=0 key-int-max=24 ! queue name=vout ! mux.video "
    "src.audio ! queue name=aq ! audioconvert name=convert ! audioresample "
    "! audio/x-raw,rate=48000 ! voaacenc name=aenc ! queue name=aout "
    "! mux.audio "
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

/* ---- viewers over TLS ---- */

/* Nothing is set where there is no TLS, or nothing to make a certificate. */
static void
tls_make (Tls *tls)
{
  gchar *openssl = g_find_program_in_path ("openssl"), *command;

  if (openssl && g_tls_backend_supports_tls (g_tls_backend_get_default ())) {
    tls->folder = g_dir_make_tmp ("tls-XXXXXX", NULL);
    tls->certificate = g_build_filename (tls->folder, "cert.pem", NULL);
    tls->key = g_build_filename (tls->folder, "key.pem", NULL);
    command = g_strdup_printf (
        "%s req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-days 2 -subj /CN=localhost -keyout %s -out %s",
        openssl, tls->key, tls->certificate);
    if (!g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL))
      g_error ("no certificate could be made");
    g_free (command);
  } else {
    printf ("no TLS here: all viewers are plain ones\n");
  }
  g_free (openssl);
}

static void
tls_clear (Tls *tls)
{
  if (tls->folder) {
    g_unlink (tls->certificate);
    g_unlink (tls->key);
    g_rmdir (tls->folder);
  }
  g_free (tls->folder);
  g_free (tls->certificate);
  g_free (tls->key);
}

static gboolean
accept_any (GTlsConnection *connection, GTlsCertificate *certificate,
    GTlsCertificateFlags flags, gpointer user_data)
{
  return TRUE;
}

static void
tls_watch (TlsViewer *viewer, GIOStream *stream)
{
  GIOStream *tls = g_tls_client_connection_new (stream, NULL, NULL);
  gchar buffer[65536];
  gssize n;

  g_signal_connect (tls, "accept-certificate", G_CALLBACK (accept_any), NULL);
  if (g_output_stream_write_all (g_io_stream_get_output_stream (tls), hello,
          sizeof hello - 1, NULL, viewer->leave, NULL)) {
    do {
      n = g_input_stream_read (g_io_stream_get_input_stream (tls), buffer,
          sizeof buffer, viewer->leave, NULL);
      viewer->bytes += MAX (n, 0);
    } while (n > 0);
  }
  g_io_stream_close (tls, viewer->leave, NULL);
  g_object_unref (tls);
}

/* The head of a ClientHello, and no more. */
static void
tls_stop_half_way (TlsViewer *viewer, GIOStream *stream)
{
  static const gchar record[] = {0x16, 3, 1, 2, 0, 1, 0, 1, (gchar)0xfc, 3, 3};
  gchar byte;

  g_output_stream_write_all (g_io_stream_get_output_stream (stream), record,
      sizeof record, NULL, viewer->leave, NULL);
  g_input_stream_read (
      g_io_stream_get_input_stream (stream), &byte, 1, viewer->leave, NULL);
}

static gpointer
tls_view (gpointer data)
{
  TlsViewer *viewer = data;
  GSocketClient *client = g_socket_client_new ();
  GSocketConnection *connection = g_socket_client_connect_to_host (
      client, "127.0.0.1", viewer->port, viewer->leave, NULL);

  if (connection && viewer->half)
    tls_stop_half_way (viewer, G_IO_STREAM (connection));
  else if (connection)
    tls_watch (viewer, G_IO_STREAM (connection));
  g_clear_object (&connection);
  g_object_unref (client);
  return NULL;
}

static void
tls_viewer_goes (Stress *s, guint i)
{
  TlsViewer *viewer = &s->tls_viewer[i];

  if (!viewer->thread)
    return;
  g_cancellable_cancel (viewer->leave);
  g_thread_join (viewer->thread);
  g_object_unref (viewer->leave);
  s->tls_bytes += viewer->bytes;
  memset (viewer, 0, sizeof *viewer);
}

/* Comes, whether or not the port speaks TLS just now, or goes. */
static void
tls_viewer_moves (Stress *s)
{
  guint i = g_rand_int_range (s->rand, 0, MAX_TLS_VIEWERS);
  TlsViewer *viewer = &s->tls_viewer[i];
  gboolean half = g_rand_int_range (s->rand, 0, 3) == 0;
  gint port = 0;

  if (viewer->thread) {
    tls_viewer_goes (s, i);
    return;
  }
  g_object_get (s->sink, "port", &port, NULL);
  if (port == 0 || !s->tls->folder)
    return;
  viewer->port = (guint16)port;
  viewer->half = half;
  viewer->leave = g_cancellable_new ();
  viewer->thread = g_thread_new ("tls-viewer", tls_view, viewer);
}

/* Taken in the NULL state, which this brings about half of the times. */
static void
switch_tls (Stress *s)
{
  gboolean on = g_rand_boolean (s->rand) && s->tls->folder;

  if (g_rand_boolean (s->rand))
    gst_element_set_state (s->pipeline, GST_STATE_NULL);
  g_object_set (s->sink, "tls-certificate", on ? s->tls->certificate : NULL,
      "tls-key", on ? s->tls->key : NULL, NULL);
  gst_element_set_state (s->pipeline, GST_STATE_PLAYING);
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

/* Cuts the link between source and queue and makes it again, in the middle of
 * whatever happens. */
static void
relink_source (Stress *s)
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

static GstPadProbeReturn
relink_idle (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstPad *peer = gst_pad_get_peer (pad);
  GstPadLinkReturn ret = GST_PAD_LINK_OK;

  if (peer) {
    gst_pad_unlink (pad, peer);
    ret = gst_pad_link (pad, peer);
    gst_object_unref (peer);
  }
  if (ret != GST_PAD_LINK_OK)
    g_error ("%s cannot be linked again: %d", GST_PAD_NAME (pad), ret);
  return GST_PAD_PROBE_REMOVE;
}

/* The same further down, as an application may do it in any state: when
 * nothing is on its way through the pad. */
static void
relink (Stress *s)
{
  static const gchar *const names[] = {
      "vq", "venc", "vout", "aq", "convert", "aenc", "aout", "mux"};
  GstElement *element = gst_bin_get_by_name (GST_BIN (s->pipeline),
      names[g_rand_int_range (s->rand, 0, G_N_ELEMENTS (names))]);
  GstPad *pad = gst_element_get_static_pad (element, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, relink_idle, NULL, NULL);
  gst_object_unref (pad);
  gst_object_unref (element);
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
  switch (g_rand_int_range (s->rand, 0, 22)) {
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
      relink_source (s);
      break;
    case 16:
    case 17:
      relink (s);
      break;
    case 18:
      switch_tls (s);
      break;
    case 19:
    case 20:
      tls_viewer_moves (s);
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
run (guint steps, guint32 seed, const Tls *tls)
{
  Stress s = {.rand = g_rand_new_with_seed (seed), .tls = tls};
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
  for (i = 0; i < MAX_TLS_VIEWERS; i++)
    tls_viewer_goes (&s, i);
  gst_object_unref (s.src);
  gst_object_unref (s.sink);
  gst_object_unref (s.pipeline);
  g_rand_free (s.rand);
  alarm (0);
  printf ("%u steps, seed %u: %u errors, %u ends, %" G_GUINT64_FORMAT
          " bytes read, %" G_GUINT64_FORMAT " over TLS\n",
      steps, seed, s.errors, s.ended, s.bytes, s.tls_bytes);
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
  Tls tls = {NULL};

  gst_init (&argc, &argv);
  steps = argc > 1 ? (guint)atoi (argv[1]) : 1000;
  seed = argc > 2 ? (guint32)atoi (argv[2]) : 1;

  /* The first pipeline and the first viewer start pools and threads that the
   * process keeps. */
  tls_make (&tls);
  run (150, 1000, &tls);
  g_usleep (200000);
  files = count_entries ("/proc/self/fd");
  threads = count_entries ("/proc/self/task");
  run (steps, seed, &tls);
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
  tls_clear (&tls);
  gst_deinit ();
  return status;
}
