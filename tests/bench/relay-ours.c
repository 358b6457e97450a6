/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Relays the units of a fragmented MP4 file through soupwebsocketsink to a
 * given number of viewers, one unit each interval, and prints what it cost
 * this process from unit WARM on, and the bytes of those units times the
 * viewers, as one line of JSON. The port is printed first.
 *
 *   relay-ours FILE VIEWERS UNITS INTERVAL_US WARM
 */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "fmp4.h"

#define WAIT_SECONDS 60

static gdouble
cpu_seconds (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 +
         usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6;
}

/* All units of @file: the init segment first, then the fragments. */
static GPtrArray *
load_units (const gchar *file)
{
  GPtrArray *units =
      g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  Fmp4Scanner *scanner = fmp4_scanner_new (0);
  Fmp4Error error = {""};
  Fmp4Unit unit;
  gchar *data;
  gsize size;

  if (!g_file_get_contents (file, &data, &size, NULL) ||
      !fmp4_scanner_push (scanner, (guint8 *)data, size, &error))
    g_error ("cannot read %s: %s", file, error.detail);
  while (fmp4_scanner_next (scanner, &unit))
    g_ptr_array_add (units, g_bytes_new (unit.data, unit.size));
  fmp4_scanner_free (scanner);
  g_free (data);
  return units;
}

/* The @clients-th client-added tells the main thread to begin. */
typedef struct {
  GMutex lock;
  GCond changed;
  guint clients;
} Door;

static void
client_added (
    GstElement *sink, guint64 id, const gchar *remote, gpointer user_data)
{
  Door *door = user_data;

  g_mutex_lock (&door->lock);
  door->clients++;
  g_cond_signal (&door->changed);
  g_mutex_unlock (&door->lock);
}

static void
wait_for (Door *door, guint clients)
{
  gint64 deadline = g_get_monotonic_time () + WAIT_SECONDS * G_TIME_SPAN_SECOND;

  g_mutex_lock (&door->lock);
  while (door->clients < clients)
    if (!g_cond_wait_until (&door->changed, &door->lock, deadline))
      g_error (
          "%u of %u viewers after %d s", door->clients, clients, WAIT_SECONDS);
  g_mutex_unlock (&door->lock);
}

/* Fragment 1 .. n of the file over and over: the relay does not look at
 * decode times. CPU seconds before unit @warm go to @before; bytes from it on
 * are returned. */
static gsize
send_units (GstPad *pad, GPtrArray *units, guint count, guint interval,
    guint warm, gdouble *before)
{
  gint64 start = g_get_monotonic_time ();
  gsize bytes = 0;

  for (guint n = 0; n < count; n++) {
    guint at = n == 0 ? 0 : 1 + (n - 1) % (units->len - 1);
    GBytes *unit = g_ptr_array_index (units, at);
    gint64 wait = start + (gint64)n * interval - g_get_monotonic_time ();

    if (wait > 0)
      g_usleep (wait);
    if (n == warm)
      *before = cpu_seconds ();
    if (n >= warm)
      bytes += g_bytes_get_size (unit);
    gst_pad_push (pad, gst_buffer_new_wrapped_bytes (unit));
  }
  gst_pad_push_event (pad, gst_event_new_eos ());
  return bytes;
}

/* Stands for the streaming thread of a muxer. */
static GstPad *
link_source (GstElement *sink)
{
  GstPad *pad = gst_pad_new ("src", GST_PAD_SRC);
  GstPad *peer = gst_element_get_static_pad (sink, "sink");
  GstCaps *caps = gst_caps_from_string ("video/quicktime,variant=iso");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_link (pad, peer);
  gst_pad_set_active (pad, TRUE);
  gst_pad_push_event (pad, gst_event_new_stream_start ("bench"));
  gst_pad_push_event (pad, gst_event_new_caps (caps));
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  gst_caps_unref (caps);
  gst_object_unref (peer);
  return pad;
}

int
main (int argc, char **argv)
{
  GstElement *pipeline, *sink;
  GPtrArray *units;
  GstMessage *message;
  GstBus *bus;
  GstPad *pad;
  Door door = {0};
  gdouble before = 0;
  guint viewers, port;
  gsize bytes;

  gst_init (&argc, &argv);
  if (argc < 6) {
    g_printerr ("usage: %s FILE VIEWERS UNITS INTERVAL_US WARM\n", argv[0]);
    return 2;
  }
  viewers = atoi (argv[2]);
  units = load_units (argv[1]);
  g_mutex_init (&door.lock);
  g_cond_init (&door.changed);

  pipeline = gst_pipeline_new (NULL);
  sink = gst_element_factory_make ("soupwebsocketsink", NULL);
  if (!sink)
    g_error ("there is no soupwebsocketsink: is GST_PLUGIN_PATH set?");
  g_object_set (sink, "port", 0, "max-clients", 2000, NULL);
  g_signal_connect (sink, "client-added", G_CALLBACK (client_added), &door);
  gst_bin_add (GST_BIN (pipeline), sink);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_object_get (sink, "port", &port, NULL);
  printf ("%u\n", port);
  fflush (stdout);
  wait_for (&door, viewers);

  pad = link_source (sink);
  bytes = send_units (
      pad, units, atoi (argv[3]), atoi (argv[4]), atoi (argv[5]), &before);
  bus = gst_element_get_bus (pipeline);
  message = gst_bus_timed_pop_filtered (
      bus, 300 * GST_SECOND, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  printf ("{\"cpu_s\": %.4f, \"bytes\": %" G_GSIZE_FORMAT "}\n",
      cpu_seconds () - before, bytes * viewers);

  g_clear_pointer (&message, gst_message_unref);
  gst_object_unref (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_pad_set_active (pad, FALSE);
  gst_object_unref (pad);
  gst_object_unref (pipeline);
  g_ptr_array_unref (units);
  g_mutex_clear (&door.lock);
  g_cond_clear (&door.changed);
  return 0;
}
