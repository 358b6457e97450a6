/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A short fragmented MP4 stream for tests, made once in process: an init
 * segment, and fragments of which each sixth or so starts with a keyframe.
 *
 * Threads: made in one, then read by any.
 */
#ifndef TEST_FMP4_STREAM_H
#define TEST_FMP4_STREAM_H

#include <gst/gst.h>

typedef struct {
  GBytes *init;
  GPtrArray *fragments; /* of GBytes */
  GArray *keys;         /* of gboolean */
} TestStream;

/* @size: width and height; the larger, the more bytes. @sound adds a track. */
TestStream *test_stream_new (guint frames, guint size, gboolean sound);
void test_stream_free (TestStream *stream);
/* Of fragment @n, counted over the end: the same again. */
GBytes *test_stream_fragment (const TestStream *stream, guint n);
gboolean test_stream_is_key (const TestStream *stream, guint n);
GstBuffer *test_stream_buffer (GBytes *bytes);

#endif
