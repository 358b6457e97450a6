/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of dreamversesrc share: a source with a harness on each pad
 * and a bus of its own.
 */
#ifndef DREAMVERSESRC_COMMON_H
#define DREAMVERSESRC_COMMON_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "gstdreamverse.h"

#define FRAMES 17
#define OVERLAP 9
#define RATE 24000
#define CLOSING_SILENCE 3072
#define PATIENCE (20 * GST_SECOND)

/* What stopping may take; instrumented builds are slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STOP_LIMIT (500 * G_TIME_SPAN_MILLISECOND)
#else
#define STOP_LIMIT (100 * G_TIME_SPAN_MILLISECOND)
#endif

typedef struct {
  GstElement *src;
  GstHarness *video, *audio;
  GstBus *bus;
} Fixture;

/* Small segments as fast as they can be made; then the properties given. */
static inline GstElement *
source_new (const gchar *first, ...)
{
  GstElement *src = gst_element_factory_make ("dreamversesrc", NULL);
  va_list args;

  fail_unless (src != NULL);
  gst_object_ref_sink (src);
  g_object_set (src, "width", 64, "height", 64, "frames-per-segment", FRAMES,
      "overlap-frames", OVERLAP, "max-lead", GST_CLOCK_TIME_NONE, NULL);
  va_start (args, first);
  g_object_set_valist (G_OBJECT (src), first, args);
  va_end (args);
  return src;
}

static inline void
fixture_init (Fixture *f, GstElement *src)
{
  f->src = src;
  f->bus = gst_bus_new ();
  gst_element_set_bus (src, f->bus);
  f->video = gst_harness_new_with_element (src, NULL, "video");
  f->audio = gst_harness_new_with_element (src, NULL, "audio");
}

static inline void
fixture_play (Fixture *f)
{
  gst_harness_play (f->video);
  gst_harness_play (f->audio);
}

static inline void
fixture_clear (Fixture *f)
{
  gst_element_set_state (f->src, GST_STATE_NULL);
  gst_harness_teardown (f->video);
  gst_harness_teardown (f->audio);
  gst_element_set_bus (f->src, NULL);
  gst_object_unref (f->bus);
  gst_object_unref (f->src);
}

/* All pulled up to the end of the stream. */
static inline GPtrArray *
pull_all (GstHarness *h)
{
  GPtrArray *pulled =
      g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref);
  GstBuffer *buffer = NULL;

  while (gst_harness_pull_until_eos (h, &buffer) && buffer)
    g_ptr_array_add (pulled, buffer);
  return pulled;
}

/* The next element message of this name; others are dropped. An error on the
 * bus is fatal. */
static inline GstMessage *
wait_message (GstBus *bus, const gchar *name)
{
  GstMessage *message;

  for (;;) {
    message = gst_bus_timed_pop_filtered (
        bus, PATIENCE, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);
    fail_unless (message != NULL, "no message %s", name);
    fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR,
        "an error instead of %s: %" GST_PTR_FORMAT, name, message);
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
}

/* The message of this name already on the bus, or NULL; drops others. */
static inline GstMessage *
poll_message (GstBus *bus, const gchar *name)
{
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
  return NULL;
}

/* Waits for an error and holds its text against @part. */
static inline void
expect_error (GstBus *bus, GQuark domain, gint code, const gchar *part)
{
  GstMessage *message =
      gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_ERROR);
  GError *error = NULL;

  fail_unless (message != NULL, "no error");
  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, domain, code), "%s", error->message);
  fail_unless (strstr (error->message, part) != NULL, "\"%s\" is not in \"%s\"",
      part, error->message);
  g_error_free (error);
  gst_message_unref (message);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_if (message != NULL, "a second error: %" GST_PTR_FORMAT, message);
}

/* One error, and then both pads end rather than hang. Takes @src. */
static inline void
expect_refused (GstElement *src, GQuark domain, gint code, const gchar *part)
{
  Fixture f;

  fixture_init (&f, src);
  fixture_play (&f);
  expect_error (f.bus, domain, code, part);
  g_ptr_array_unref (pull_all (f.video));
  g_ptr_array_unref (pull_all (f.audio));
  fixture_clear (&f);
}

static inline GstPadProbeReturn
hold_pad (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

/* Holds up whatever comes out of the pads, or lets go. */
static inline void
block (Fixture *f, gboolean blocked)
{
  static const gchar *const names[] = {"video", "audio"};
  guint i;

  for (i = 0; i < 2; i++) {
    GstPad *pad = gst_element_get_static_pad (f->src, names[i]);
    gpointer id = g_object_get_data (G_OBJECT (pad), "hold");

    if (blocked) {
      id = GSIZE_TO_POINTER (gst_pad_add_probe (pad,
          GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER, hold_pad, NULL,
          NULL));
      g_object_set_data (G_OBJECT (pad), "hold", id);
    } else
      gst_pad_remove_probe (pad, GPOINTER_TO_SIZE (id));
    gst_object_unref (pad);
  }
}

static inline guint64
samples_of (guint64 frames)
{
  return gst_util_uint64_scale_round (frames, RATE, 24);
}

#endif
