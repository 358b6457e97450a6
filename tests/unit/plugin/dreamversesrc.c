/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dreamversesrc: what comes out of the pads, in which order, to the frame and
 * the sample.
 */
#include <gst/audio/audio.h>
#include <gst/video/video.h>
#include <string.h>

#include "dreamversesrc-common.h"

/* Takes the events of a pad that came before the first buffer. */
static void
expect_events (GstHarness *h, guint *group, guint32 *seqnum)
{
  static const GstEventType order[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS,
      GST_EVENT_SEGMENT, GST_EVENT_CUSTOM_DOWNSTREAM, GST_EVENT_TAG};
  guint i, n = 5;

  for (i = 0; i < n; i++) {
    GstEvent *event = gst_harness_pull_event (h);
    const GstSegment *segment;

    /* Out of band: it comes when it is known. */
    while (event && GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM_OOB) {
      gst_event_unref (event);
      event = gst_harness_pull_event (h);
    }
    fail_unless (event != NULL);
    fail_unless_equals_int (GST_EVENT_TYPE (event), order[i]);
    if (i == 0)
      fail_unless (gst_event_parse_group_id (event, group));
    if (i == 2) {
      gst_event_parse_segment (event, &segment);
      fail_unless_equals_int (segment->format, GST_FORMAT_TIME);
      fail_unless_equals_uint64 (segment->start, 0);
      *seqnum = gst_event_get_seqnum (event);
    }
    if (i == 3)
      fail_unless (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT));
    if (i == 4) {
      GstTagList *tags;
      gchar *title = NULL;

      gst_event_parse_tag (event, &tags);
      fail_unless (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
      fail_unless_equals_string (title, "a lake");
      g_free (title);
    }
    gst_event_unref (event);
  }
}

GST_START_TEST (test_events_come_in_order)
{
  Fixture f;
  guint groups[2] = {0, 1};
  guint32 seqnums[2] = {0, 1};

  fixture_init (&f, source_new ("segments", 1, "prompt", "a lake", NULL));
  fixture_play (&f);
  expect_events (f.video, &groups[0], &seqnums[0]);
  expect_events (f.audio, &groups[1], &seqnums[1]);
  fail_unless_equals_int (groups[0], groups[1]);
  fail_unless_equals_int (seqnums[0], seqnums[1]);
  fixture_clear (&f);
}
GST_END_TEST

/* Frames numbered and timed from counts, without a gap. */
static void
check_video (GPtrArray *video, guint frames)
{
  guint i;

  fail_unless_equals_int (video->len, frames);
  for (i = 0; i < video->len; i++) {
    GstBuffer *buffer = g_ptr_array_index (video, i);

    fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), i);
    fail_unless_equals_uint64 (
        GST_BUFFER_PTS (buffer), gst_util_uint64_scale (i, GST_SECOND, 24));
    fail_unless_equals_uint64 (
        GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer),
        gst_util_uint64_scale (i + 1, GST_SECOND, 24));
    fail_unless_equals_int (
        GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT), i == 0);
  }
}

/* Samples up to the end of the video without a gap, and the closing silence
 * after it. */
static void
check_audio (GPtrArray *audio, guint frames, gsize bytes_per_frame)
{
  guint64 next = 0;
  guint i;

  for (i = 0; i < audio->len; i++) {
    GstBuffer *buffer = g_ptr_array_index (audio, i);
    guint64 count = gst_buffer_get_size (buffer) / bytes_per_frame;

    fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), next);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer),
        gst_util_uint64_scale (next, GST_SECOND, RATE));
    fail_unless_equals_int (
        GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT), i == 0);
    /* An encoder may leave out what is a gap. */
    fail_if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP));
    if (i == audio->len - 1) {
      fail_unless_equals_uint64 (next, samples_of (frames));
      fail_unless_equals_uint64 (count, CLOSING_SILENCE);
    } else
      fail_unless (count <= RATE / 50);
    next += count;
    fail_unless_equals_uint64 (
        GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer),
        gst_util_uint64_scale (next, GST_SECOND, RATE));
  }
  fail_unless_equals_uint64 (next, samples_of (frames) + CLOSING_SILENCE);
}

GST_START_TEST (test_every_frame_and_sample_of_many_segments)
{
  const guint segments = 40, frames = FRAMES + 39 * (FRAMES - OVERLAP);
  Fixture f;
  GPtrArray *video, *audio;
  GstStructure *stats;
  guint64 n;
  guint i;

  fixture_init (&f, source_new ("segments", segments, NULL));
  fixture_play (&f);
  video = pull_all (f.video);
  audio = pull_all (f.audio);
  check_video (video, frames);
  check_audio (audio, frames, 8);
  for (i = 0; i < segments; i++) {
    GstMessage *message =
        wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE);
    GstDreamverseSegment segment;
    const GstStructure *timings;
    gdouble ms;

    fail_unless (gst_dreamverse_message_parse_step_complete (
        message, &segment, &ms, &timings));
    fail_unless (timings != NULL && ms > 0);
    fail_unless_equals_int (segment.index, i + 1);
    fail_unless_equals_int (segment.epoch, 1);
    fail_unless_equals_uint64 (
        segment.end, gst_util_uint64_scale (
                         FRAMES + i * (FRAMES - OVERLAP), GST_SECOND, 24));
    gst_message_unref (message);
  }
  g_object_get (f.src, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "segments", &n));
  fail_unless_equals_uint64 (n, segments);
  fail_unless (gst_structure_get_uint64 (stats, "frames", &n));
  fail_unless_equals_uint64 (n, frames);
  fail_unless_equals_int (
      gst_value_array_get_size (gst_structure_get_value (stats, "timings")),
      16);
  gst_structure_free (stats);
  g_ptr_array_unref (video);
  g_ptr_array_unref (audio);
  fixture_clear (&f);
}
GST_END_TEST

/* 30000/1001 and 24 kHz never divide: the boundary is cumulative. */
GST_START_TEST (test_audio_ends_at_the_cumulative_boundary)
{
  Fixture f;
  GPtrArray *audio;
  guint64 samples = 0, frames = FRAMES + 19 * (FRAMES - OVERLAP);
  guint i;

  fixture_init (
      &f, source_new ("segments", 20, "framerate", 30000, 1001, NULL));
  fixture_play (&f);
  audio = pull_all (f.audio);
  for (i = 0; i < audio->len; i++) {
    GstBuffer *buffer = g_ptr_array_index (audio, i);

    fail_unless_equals_uint64 (GST_BUFFER_OFFSET (buffer), samples);
    samples += gst_buffer_get_size (buffer) / 8;
  }
  fail_unless_equals_uint64 (samples - CLOSING_SILENCE,
      gst_util_uint64_scale_round (frames, (guint64)RATE * 1001, 30000));
  g_ptr_array_unref (audio);
  fixture_clear (&f);
}
GST_END_TEST

/* The generator's colours are BT.709 in the limited range, at any size: an
 * encoder that is not told would guess by the height. */
GST_START_TEST (test_colours_are_named)
{
  static const gint sizes[][2] = {{64, 64}, {320, 240}, {1280, 704}};
  guint i;

  for (i = 0; i < G_N_ELEMENTS (sizes); i++) {
    Fixture f;
    GstCaps *caps;
    GstVideoInfo info;

    fixture_init (&f, source_new ("segments", 1, "width", sizes[i][0], "height",
                          sizes[i][1], NULL));
    fixture_play (&f);
    gst_buffer_unref (gst_harness_pull (f.video));
    caps = gst_pad_get_current_caps (f.video->sinkpad);
    fail_unless (gst_video_info_from_caps (&info, caps));
    fail_unless (gst_structure_has_field (
        gst_caps_get_structure (caps, 0), "colorimetry"));
    fail_unless (gst_video_colorimetry_matches (
        &info.colorimetry, GST_VIDEO_COLORIMETRY_BT709));
    gst_caps_unref (caps);
    fixture_clear (&f);
  }
}
GST_END_TEST

GST_START_TEST (test_s16_if_downstream_wants_it)
{
  Fixture f;
  GPtrArray *audio;

  fixture_init (&f, source_new ("segments", 2, NULL));
  gst_harness_set_sink_caps_str (f.audio, "audio/x-raw, format=S16LE");
  fixture_play (&f);
  audio = pull_all (f.audio);
  check_audio (audio, 2 * FRAMES - OVERLAP, 4);
  g_ptr_array_unref (audio);
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_each_segment_is_announced_on_both_pads)
{
  Fixture f;
  GPtrArray *pulled;
  GstHarness *pads[2];
  guint p;

  fixture_init (&f, source_new ("segments", 3, NULL));
  fixture_play (&f);
  pads[0] = f.video;
  pads[1] = f.audio;
  for (p = 0; p < 2; p++) {
    guint segments = 0, keys = 0;
    GstClockTime end = 0;
    GstEvent *event;

    pulled = pull_all (pads[p]);
    while ((event = gst_harness_try_pull_event (pads[p]))) {
      GstDreamverseSegment segment;

      if (gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT)) {
        fail_unless (gst_dreamverse_parse_segment (
            gst_event_get_structure (event), &segment));
        fail_unless_equals_int (segment.index, ++segments);
        fail_unless_equals_uint64 (segment.start, end);
        end = segment.end;
      } else if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_DOWNSTREAM &&
                 gst_video_event_is_force_key_unit (event))
        keys++;
      gst_event_unref (event);
    }
    fail_unless_equals_int (segments, 3);
    fail_unless_equals_int (keys, p == 0 ? 2 : 0);
    g_ptr_array_unref (pulled);
  }
  fixture_clear (&f);
}
GST_END_TEST

/* Each segment's prompt is its title, on both pads, before its first buffer. */
GST_START_TEST (test_each_segment_has_its_title)
{
  static const gchar *const wanted[] = {"one", "two", "three"};
  GstElement *src = source_new ("segments", 0, NULL);
  GstHarness *pads[2];
  Fixture f;
  guint p;

  gst_util_set_object_arg (G_OBJECT (src), "prompts", "<one,two,three>");
  fixture_init (&f, src);
  fixture_play (&f);
  pads[0] = f.video;
  pads[1] = f.audio;
  for (p = 0; p < 2; p++) {
    guint titles = 0, segments = 0;
    GstEvent *event;

    g_ptr_array_unref (pull_all (pads[p]));
    while ((event = gst_harness_try_pull_event (pads[p]))) {
      segments += gst_event_has_name (event, GST_DREAMVERSE_EVENT_SEGMENT);
      if (GST_EVENT_TYPE (event) == GST_EVENT_TAG) {
        GstTagList *tags;
        gchar *title = NULL;

        gst_event_parse_tag (event, &tags);
        fail_unless (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
        fail_unless (titles < G_N_ELEMENTS (wanted));
        fail_unless_equals_string (title, wanted[titles++]);
        fail_unless_equals_int (segments, titles);
        g_free (title);
      }
      gst_event_unref (event);
    }
    fail_unless_equals_int (titles, G_N_ELEMENTS (wanted));
  }
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_progress_rises)
{
  Fixture f;
  GstMessage *message;
  gdouble last = 0;
  guint seen = 0;

  fixture_init (&f, source_new ("segments", 1, NULL));
  fixture_play (&f);
  g_ptr_array_unref (pull_all (f.video));
  g_ptr_array_unref (pull_all (f.audio));
  while ((message = poll_message (f.bus, GST_DREAMVERSE_MESSAGE_PROGRESS))) {
    const GstStructure *s = gst_message_get_structure (message);
    GstDreamverseSegment segment;
    gdouble fraction = -1;

    fail_unless (gst_dreamverse_parse_segment (s, &segment));
    fail_unless_equals_int (segment.index, 1);
    fail_unless (gst_structure_get_string (s, GST_DREAMVERSE_FIELD_STAGE));
    fail_unless (
        gst_structure_get_double (s, GST_DREAMVERSE_FIELD_FRACTION, &fraction));
    fail_unless (fraction > last && fraction <= 1);
    last = fraction;
    seen++;
    gst_message_unref (message);
  }
  fail_unless (seen >= 5 && seen <= 20);
  fail_unless (last == 1);
  fixture_clear (&f);
}
GST_END_TEST

/* What an application sends comes out among the data, on both pads. */
GST_START_TEST (test_an_applications_event_passes)
{
  Fixture f;
  GstHarness *pads[2];
  guint p;

  /* The queue has no end yet. */
  fixture_init (&f, source_new ("segments", 5, NULL));
  block (&f, TRUE);
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  fail_unless (gst_element_send_event (
      f.src, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                 gst_structure_new_empty ("mine"))));
  block (&f, FALSE);
  pads[0] = f.video;
  pads[1] = f.audio;
  for (p = 0; p < 2; p++) {
    GstEvent *event;
    guint seen = 0;

    g_ptr_array_unref (pull_all (pads[p]));
    while ((event = gst_harness_try_pull_event (pads[p]))) {
      seen += gst_event_has_name (event, "mine");
      gst_event_unref (event);
    }
    fail_unless_equals_int (seen, 1);
  }
  gst_element_set_state (f.src, GST_STATE_NULL);
  fail_if (gst_element_send_event (
      f.src, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
                 gst_structure_new_empty ("late"))));
  fixture_clear (&f);
}
GST_END_TEST

GST_START_TEST (test_position_is_known_and_duration_is_not)
{
  Fixture f;
  gint64 position = -1, duration;
  guint i;

  fixture_init (&f, source_new ("segments", 0, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  for (i = 0; i < 30; i++)
    gst_buffer_unref (gst_harness_pull (f.video));
  fail_unless (gst_pad_peer_query_position (
      f.video->sinkpad, GST_FORMAT_TIME, &position));
  fail_unless (position >= (gint64)gst_util_uint64_scale (29, GST_SECOND, 24));
  fail_if (gst_pad_peer_query_position (
      f.video->sinkpad, GST_FORMAT_BYTES, &position));
  fail_if (gst_pad_peer_query_duration (
      f.video->sinkpad, GST_FORMAT_TIME, &duration));
  fixture_clear (&f);
}
GST_END_TEST

/* The end of one pad's stream alone, the other pad being unlinked. */
static void
check_single_pad (const gchar *pad, guint pulled)
{
  GstElement *src = source_new ("segments", 3, NULL);
  GstBus *bus = gst_bus_new ();
  GstHarness *h;
  GPtrArray *got;

  gst_element_set_bus (src, bus);
  h = gst_harness_new_with_element (src, NULL, pad);
  gst_harness_play (h);
  got = pull_all (h);
  if (pulled) {
    fail_unless_equals_int (got->len, pulled);
  } else
    fail_unless (got->len > 0);
  fail_if (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
  g_ptr_array_unref (got);
  gst_element_set_state (src, GST_STATE_NULL);
  gst_harness_teardown (h);
  gst_element_set_bus (src, NULL);
  gst_object_unref (bus);
  gst_object_unref (src);
}

GST_START_TEST (test_video_alone)
{
  check_single_pad ("video", FRAMES + 2 * (FRAMES - OVERLAP));
}
GST_END_TEST

GST_START_TEST (test_audio_alone)
{
  check_single_pad ("audio", 0);
}
GST_END_TEST

static guint
checksum (GstBuffer *buffer)
{
  GstMapInfo map;
  guint sum = 0;
  gsize i;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  for (i = 0; i < map.size; i++)
    sum = sum * 31 + map.data[i];
  gst_buffer_unmap (buffer, &map);
  return sum;
}

static guint
first_frame_with_seed (guint64 seed)
{
  Fixture f;
  GstBuffer *buffer;
  guint sum;

  fixture_init (&f, source_new ("segments", 1, "seed", seed, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  buffer = gst_harness_pull (f.video);
  sum = checksum (buffer);
  gst_buffer_unref (buffer);
  fixture_clear (&f);
  return sum;
}

GST_START_TEST (test_the_seed_decides)
{
  guint one = first_frame_with_seed (1);

  fail_unless_equals_int (first_frame_with_seed (1), one);
  fail_if (first_frame_with_seed (2) == one);
}
GST_END_TEST

/* Some pulled are held, of others only the memory, the rest given back: what
 * is held never changes while later segments are generated. */
GST_START_TEST (test_what_is_held_is_never_written)
{
  Fixture f;
  GPtrArray *held =
      g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref);
  GArray *sums = g_array_new (FALSE, FALSE, sizeof (guint));
  GHashTable *memories = g_hash_table_new (NULL, NULL);
  GstBuffer *buffer = NULL;
  guint i = 0, reused = 0;

  fixture_init (&f, source_new ("segments", 30, "stamp", TRUE, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  fixture_play (&f);
  while (gst_harness_pull_until_eos (f.video, &buffer) && buffer) {
    if (!g_hash_table_add (memories, gst_buffer_peek_memory (buffer, 0)))
      reused++;
    if (i % 3 == 0) {
      guint sum = checksum (buffer);
      GstBuffer *hold = buffer;

      if (i % 2) {
        hold = gst_buffer_new ();
        gst_buffer_append_memory (hold, gst_buffer_get_memory (buffer, 0));
        gst_buffer_unref (buffer);
      }
      g_ptr_array_add (held, hold);
      g_array_append_val (sums, sum);
    } else
      gst_buffer_unref (buffer);
    i++;
  }
  for (i = 0; i < held->len; i++)
    fail_unless_equals_int (
        checksum (g_ptr_array_index (held, i)), g_array_index (sums, guint, i));
  fail_unless (reused > 0, "the pool hands out nothing twice");
  g_ptr_array_unref (held);
  g_array_unref (sums);
  g_hash_table_unref (memories);
  fixture_clear (&f);
}
GST_END_TEST

/* Downstream's pool, if it offers one that is large enough. */
static GstPadProbeReturn
offer_pool (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_add_allocation_pool (query, data, 64 * 64 * 3 / 2, 0,
      GPOINTER_TO_UINT (g_object_get_data (data, "most")));
  return GST_PAD_PROBE_HANDLED;
}

static void
check_peer_pool (guint most, gboolean used)
{
  GstBufferPool *pool = gst_video_buffer_pool_new ();
  GPtrArray *video;
  Fixture f;
  guint i;

  g_object_set_data (G_OBJECT (pool), "most", GUINT_TO_POINTER (most));
  fixture_init (&f, source_new ("segments", 3, NULL));
  gst_pad_add_probe (f.video->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      offer_pool, pool, NULL);
  fixture_play (&f);
  video = pull_all (f.video);
  check_video (video, FRAMES + 2 * (FRAMES - OVERLAP));
  for (i = 0; i < video->len; i++) {
    GstBuffer *buffer = g_ptr_array_index (video, i);

    fail_unless_equals_int (buffer->pool == pool, used);
    fail_unless_equals_int (gst_buffer_n_memory (buffer), 1);
  }
  g_ptr_array_unref (video);
  fixture_clear (&f);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
}

GST_START_TEST (test_downstreams_pool_is_used_if_it_is_large_enough)
{
  check_peer_pool (0, TRUE);
  check_peer_pool (2 * FRAMES - 1, FALSE);
}
GST_END_TEST

/* With room for one segment only, the next step waits. */
GST_START_TEST (test_max_queued_bytes_holds_the_next_step)
{
  Fixture f;
  GstMessage *message;
  GPtrArray *pulled;

  fixture_init (&f, source_new ("segments", 3, "max-queued-bytes",
                        G_GUINT64_CONSTANT (240448), NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  block (&f, TRUE);
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  message = gst_bus_timed_pop_filtered (
      f.bus, 200 * GST_MSECOND, GST_MESSAGE_ELEMENT);
  fail_if (message != NULL, "%" GST_PTR_FORMAT, message);
  block (&f, FALSE);
  pulled = pull_all (f.video);
  fail_unless_equals_int (pulled->len, FRAMES + 2 * (FRAMES - OVERLAP));
  g_ptr_array_unref (pulled);
  fixture_clear (&f);
}
GST_END_TEST

/* A pool that asks the source something whenever a buffer comes home. */
typedef struct {
  GstVideoBufferPool parent;
  GstElement *src;
  gint released;
} AskingPool;

typedef GstVideoBufferPoolClass AskingPoolClass;

static GType asking_pool_get_type (void);
G_DEFINE_TYPE (AskingPool, asking_pool, GST_TYPE_VIDEO_BUFFER_POOL)

static void
asking_pool_release_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  AskingPool *self = (AskingPool *)pool;
  GstStructure *stats;

  g_object_get (self->src, "stats", &stats, NULL);
  gst_structure_free (stats);
  g_atomic_int_inc (&self->released);
  GST_BUFFER_POOL_CLASS (asking_pool_parent_class)
      ->release_buffer (pool, buffer);
}

static void
asking_pool_class_init (AskingPoolClass *klass)
{
  klass->parent_class.release_buffer = asking_pool_release_buffer;
}

static void
asking_pool_init (AskingPool *self)
{
}

static GstPadProbeReturn
return_flow (GstPad *pad, GstPadProbeInfo *info, gpointer flow)
{
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = GPOINTER_TO_INT (flow);
  gst_clear_buffer ((GstBuffer **)&GST_PAD_PROBE_INFO_DATA (info));
  return GST_PAD_PROBE_HANDLED;
}

/* Frames that wait while the source is stopped, while it fails, or while
 * downstream has enough: to free them is a call into their pool, and must not
 * be made with a lock held. */
GST_START_TEST (test_what_is_dropped_is_freed_without_a_lock)
{
  static const GstFlowReturn flows[] = {
      GST_FLOW_OK, GST_FLOW_ERROR, GST_FLOW_EOS};
  AskingPool *pool = g_object_new (asking_pool_get_type (), NULL);
  Fixture f;

  gst_object_ref_sink (pool);
  fixture_init (&f, source_new ("segments", 3, NULL));
  pool->src = f.src;
  gst_harness_set_drop_buffers (f.audio, TRUE);
  gst_pad_add_probe (f.video->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      offer_pool, pool, NULL);
  if (flows[__i__] != GST_FLOW_OK)
    gst_pad_add_probe (f.video->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, return_flow,
        GINT_TO_POINTER (flows[__i__]), NULL);
  block (&f, TRUE);
  fixture_play (&f);
  gst_message_unref (
      wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE));
  if (flows[__i__] != GST_FLOW_OK) {
    block (&f, FALSE);
    g_ptr_array_unref (pull_all (f.audio));
  }
  gst_element_set_state (f.src, GST_STATE_NULL);
  fail_unless (g_atomic_int_get (&pool->released) >= FRAMES);
  fixture_clear (&f);
  gst_buffer_pool_set_active (GST_BUFFER_POOL (pool), FALSE);
  gst_object_unref (pool);
}
GST_END_TEST

/* The next step begins while the last one's media waits, and completes though
 * nobody takes anything: but not a third. */
GST_START_TEST (test_steps_complete_while_downstream_is_blocked)
{
  Fixture f;
  GstMessage *message;
  GPtrArray *pulled;
  GstStructure *stats;
  guint queued;

  fixture_init (&f, source_new ("segments", 4, NULL));
  gst_harness_set_drop_buffers (f.audio, TRUE);
  block (&f, TRUE);
  fixture_play (&f);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE);
  gst_message_unref (message);
  message = wait_message (f.bus, GST_DREAMVERSE_MESSAGE_STEP_COMPLETE);
  gst_message_unref (message);
  g_object_get (f.src, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint (stats, "queued-segments", &queued));
  fail_unless_equals_int (queued, 2);
  gst_structure_free (stats);
  message = gst_bus_timed_pop_filtered (
      f.bus, 200 * GST_MSECOND, GST_MESSAGE_ELEMENT);
  fail_if (message != NULL, "%" GST_PTR_FORMAT, message);
  block (&f, FALSE);
  pulled = pull_all (f.video);
  fail_unless_equals_int (pulled->len, FRAMES + 3 * (FRAMES - OVERLAP));
  g_ptr_array_unref (pulled);
  fixture_clear (&f);
}
GST_END_TEST

static Suite *
dreamversesrc_suite (void)
{
  Suite *s = suite_create ("dreamversesrc");
  TCase *tc = tcase_create ("stream");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_events_come_in_order);
  tcase_add_test (tc, test_every_frame_and_sample_of_many_segments);
  tcase_add_test (tc, test_audio_ends_at_the_cumulative_boundary);
  tcase_add_test (tc, test_colours_are_named);
  tcase_add_test (tc, test_s16_if_downstream_wants_it);
  tcase_add_test (tc, test_each_segment_is_announced_on_both_pads);
  tcase_add_test (tc, test_each_segment_has_its_title);
  tcase_add_test (tc, test_progress_rises);
  tcase_add_test (tc, test_an_applications_event_passes);
  tcase_add_test (tc, test_position_is_known_and_duration_is_not);
  tcase_add_test (tc, test_the_seed_decides);
  tcase_add_test (tc, test_max_queued_bytes_holds_the_next_step);
  tcase_add_test (tc, test_video_alone);
  tcase_add_test (tc, test_audio_alone);
  tcase_add_test (tc, test_what_is_held_is_never_written);
  tcase_add_test (tc, test_downstreams_pool_is_used_if_it_is_large_enough);
  tcase_add_loop_test (tc, test_what_is_dropped_is_freed_without_a_lock, 0, 3);
  tcase_add_test (tc, test_steps_complete_while_downstream_is_blocked);
  return s;
}

GST_CHECK_MAIN (dreamversesrc);
