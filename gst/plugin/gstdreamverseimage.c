/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * filesrc ! decodebin ! videoconvert ! RGB appsink, bounded: what a decoder
 * gets to see is a picture, and its size has been looked at.
 *
 * Threads: any; blocks up to LOAD_SECONDS.
 */
#include "gstdreamverseimage.h"

#include <gio/gio.h>
#include <gst/app/app.h>
#include <gst/video/video.h>
#include <string.h>

#include "picture.h"

#define LOAD_SECONDS 10
#define POLL (10 * GST_MSECOND)
#define MAX_FILE_BYTES (64 * 1024 * 1024)
#define MAX_SIDE 8192

/* A kilobyte of file may say that it is a gigabyte of picture, or a list of
 * addresses to fetch. */
static gboolean
check_picture (const gchar *path, GError **error)
{
  guint32 width, height;
  gboolean ok = FALSE;
  gchar *data;
  gsize size;

  /* Not mapped: a file that is cut off meanwhile would be a bus error. */
  if (!g_file_get_contents (path, &data, &size, error))
    return FALSE;
  if (!picture_size ((const guint8 *)data, size, &width, &height))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "\"%s\" is no PNG, JPEG or WebP picture", path);
  else if (width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
        "\"%s\" is a picture of %ux%u pixels; at most %d a side are read", path,
        width, height, MAX_SIDE);
  else
    ok = TRUE;
  g_free (data);
  return ok;
}

static gboolean
check_file (const gchar *path, GError **error)
{
  GFile *file = g_file_new_for_path (path);
  GFileInfo *info = g_file_query_info (file,
      G_FILE_ATTRIBUTE_STANDARD_TYPE "," G_FILE_ATTRIBUTE_STANDARD_SIZE,
      G_FILE_QUERY_INFO_NONE, NULL, error);
  gboolean ok = FALSE;

  g_object_unref (file);
  if (!info)
    return FALSE;
  if (g_file_info_get_file_type (info) != G_FILE_TYPE_REGULAR)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
        "\"%s\" is not a file", path);
  else if (g_file_info_get_size (info) > MAX_FILE_BYTES)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
        "\"%s\" has %" G_GOFFSET_FORMAT " bytes; at most %d are read", path,
        g_file_info_get_size (info), MAX_FILE_BYTES);
  else
    ok = check_picture (path, error);
  g_object_unref (info);
  return ok;
}

static GstDreamverseImage *
copy_sample (GstSample *sample, GError **error)
{
  GstDreamverseImage *image = NULL;
  GstCaps *caps = gst_sample_get_caps (sample);
  GstVideoInfo info;
  GstVideoFrame frame;
  gsize row;
  gint y;

  if (!caps || !gst_video_info_from_caps (&info, caps) ||
      !gst_video_frame_map (
          &frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "the decoded picture cannot be read");
    return NULL;
  }
  row = (gsize)info.width * 3;
  image = g_new0 (GstDreamverseImage, 1);
  image->pixels = g_malloc (row * info.height);
  for (y = 0; y < info.height; y++)
    memcpy (image->pixels + y * row,
        (guint8 *)GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) +
            (gsize)y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0),
        row);
  gst_video_frame_unmap (&frame);
  image->image.pixels = image->pixels;
  image->image.width = info.width;
  image->image.height = info.height;
  image->image.stride = row;
  return image;
}

/* The pipeline's error, if it posted one. */
static void
take_error (GstElement *pipeline, const gchar *path, GError **error)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);

  if (message) {
    gst_message_parse_error (message, error, NULL);
    g_prefix_error (error, "\"%s\" is no picture that can be decoded: ", path);
    gst_message_unref (message);
  } else
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "\"%s\" holds no picture, or one that takes longer than %d s to decode",
        path, LOAD_SECONDS);
  gst_object_unref (bus);
}

GstDreamverseImage *
gst_dreamverse_image_load (
    const gchar *path, const gint *cancelled, GError **error)
{
  GstDreamverseImage *image = NULL;
  GstElement *pipeline, *source, *sink;
  GstSample *sample = NULL;
  gint64 deadline = g_get_monotonic_time () + LOAD_SECONDS * G_USEC_PER_SEC;
  gchar *launch;

  if (!check_file (path, error))
    return NULL;
  launch = g_strdup_printf ("filesrc name=in ! decodebin ! videoconvert ! "
                            "appsink name=out sync=false max-buffers=1 "
                            "caps=video/x-raw,format=RGB,width=[1,%d],"
                            "height=[1,%d]",
      MAX_SIDE, MAX_SIDE);
  pipeline =
      gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_free (launch);
  if (!pipeline)
    return NULL;
  source = gst_bin_get_by_name (GST_BIN (pipeline), "in");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  g_object_set (source, "location", path, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!sample && !g_atomic_int_get (cancelled) &&
         !gst_app_sink_is_eos (GST_APP_SINK (sink)) &&
         g_get_monotonic_time () < deadline) {
    GstBus *bus = gst_element_get_bus (pipeline);
    GstMessage *failed = gst_bus_peek (bus);
    gboolean stop = FALSE;

    while (failed && GST_MESSAGE_TYPE (failed) != GST_MESSAGE_ERROR) {
      gst_message_unref (failed);
      gst_message_unref (gst_bus_pop (bus));
      failed = gst_bus_peek (bus);
    }
    stop = failed != NULL;
    g_clear_pointer (&failed, gst_message_unref);
    gst_object_unref (bus);
    if (stop)
      break;
    sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), POLL);
  }
  if (sample)
    image = copy_sample (sample, error);
  else if (!g_atomic_int_get (cancelled))
    take_error (pipeline, path, error);
  g_clear_pointer (&sample, gst_sample_unref);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (source);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
  return image;
}

void
gst_dreamverse_image_free (GstDreamverseImage *image)
{
  g_free (image->pixels);
  g_free (image);
}
