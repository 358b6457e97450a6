/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Decoding pictures of strangers: see picture-decode.h.
 *
 * Threads: see picture-decode.h.
 */
#include "picture-decode.h"

#include <gst/gst.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIDE 8192
#define MAX_PICTURE (16 * 1024 * 1024)
#define MAX_OUTPUT (512 * 1024 * 1024)
#define MAX_MEMORY (2048UL * 1024 * 1024)
#define MAX_SECONDS 8

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOWED 1 /* takes terabytes of addresses for itself */
#else
#define SHADOWED 0
#endif

static void
set_limit (int resource, rlim_t most)
{
  struct rlimit limit = {most, most};

  setrlimit (resource, &limit);
}

/* After GStreamer has read its registry, so that a new one may be written. */
static void
set_limits (void)
{
  set_limit (RLIMIT_CPU, MAX_SECONDS);
  set_limit (RLIMIT_FSIZE, MAX_OUTPUT);
  set_limit (RLIMIT_CORE, 0);
  if (!SHADOWED)
    set_limit (RLIMIT_AS, MAX_MEMORY);
}

/* What is in the file, by its first bytes; NULL: nothing that is wanted. */
static const gchar *
find_decoder (const guint8 *head, gsize size)
{
  if (size >= 8 && memcmp (head, "\x89PNG\r\n\x1a\n", 8) == 0)
    return "pngdec";
  if (size >= 3 && memcmp (head, "\xff\xd8\xff", 3) == 0)
    return "jpegdec";
  if (size >= 12 && memcmp (head, "RIFF", 4) == 0 &&
      memcmp (head + 8, "WEBP", 4) == 0)
    return "webpdec";
  return NULL;
}

/* In one buffer: not every decoder finds the end of a picture by itself. */
static GstElement *
make_pipeline (const gchar *decoder, goffset size)
{
  gchar *launch = g_strdup_printf (
      "fdsrc fd=0 blocksize=%" G_GOFFSET_FORMAT " num-buffers=1 ! %s "
      "! video/x-raw,width=[1,%d],height=[1,%d] ! videoconvert "
      "! video/x-raw,format=(string){RGB,RGBA} "
      "! pngenc snapshot=true compression-level=1 ! fdsink fd=1 sync=false",
      size, decoder, MAX_SIDE, MAX_SIDE);
  GstElement *pipeline =
      gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, NULL);

  g_free (launch);
  return pipeline;
}

static gboolean
run (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  struct stat output;
  gboolean done;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, MAX_SECONDS * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  done = message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  g_clear_pointer (&message, gst_message_unref);
  gst_object_unref (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return done && fstat (STDOUT_FILENO, &output) == 0 && output.st_size > 0;
}

int
dvs_picture_decode (void)
{
  const gchar *decoder;
  GstElement *pipeline;
  struct stat input;
  guint8 head[12];
  gssize size;
  gboolean done;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  gst_init (NULL, NULL);
  set_limits ();
  if (fstat (STDIN_FILENO, &input) != 0 || input.st_size <= 0 ||
      input.st_size > MAX_PICTURE)
    return 1;
  size = pread (STDIN_FILENO, head, sizeof head, 0);
  decoder = size > 0 ? find_decoder (head, (gsize)size) : NULL;
  pipeline = decoder ? make_pipeline (decoder, input.st_size) : NULL;
  if (!pipeline)
    return 1;
  done = run (pipeline);
  gst_object_unref (pipeline);
  return done ? 0 : 1;
}
