/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A correct program that hands plain variables over by every way the shim
 * knows. With "race" as its argument it leaves one lock out: that must be
 * found.
 */
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 200

static GMutex mutex;
static GCond cond;
static GRWLock rw_lock;
static GRecMutex rec_mutex;
static gint turn, handed, shared, recursive, sum, raced;
static gboolean planted;

static gpointer
other_thread (gpointer data)
{
  GAsyncQueue *queue = data;

  for (gint i = 0; i < ROUNDS; i++) {
    gint *item;

    g_mutex_lock (&mutex);
    while (turn != 1)
      g_cond_wait (&cond, &mutex);
    sum += handed;
    turn = 0;
    g_cond_signal (&cond);
    g_mutex_unlock (&mutex);

    g_rw_lock_writer_lock (&rw_lock);
    shared++;
    g_rw_lock_writer_unlock (&rw_lock);
    g_rec_mutex_lock (&rec_mutex);
    recursive++;
    g_rec_mutex_unlock (&rec_mutex);

    item = g_async_queue_pop (queue);
    sum += *item;
    *item = 0;
    g_free (item);
    if (planted)
      raced++;
  }
  return NULL;
}

static void
hand_over (void)
{
  GAsyncQueue *queue = g_async_queue_new ();
  GThread *thread = g_thread_new ("other", other_thread, queue);
  gint reads = 0;

  for (gint i = 0; i < ROUNDS; i++) {
    gint *item;

    g_mutex_lock (&mutex);
    handed = i;
    turn = 1;
    g_cond_signal (&cond);
    while (turn != 0)
      g_cond_wait_until (
          &cond, &mutex, g_get_monotonic_time () + G_TIME_SPAN_SECOND);
    g_mutex_unlock (&mutex);

    g_rw_lock_reader_lock (&rw_lock);
    reads += shared;
    g_rw_lock_reader_unlock (&rw_lock);
    g_rec_mutex_lock (&rec_mutex);
    recursive++;
    g_rec_mutex_unlock (&rec_mutex);

    item = g_new (gint, 1);
    *item = i;
    g_async_queue_push (queue, item);
    if (planted)
      raced++;
  }
  g_thread_join (thread);
  g_async_queue_unref (queue);
  g_assert_cmpint (sum, ==, ROUNDS * (ROUNDS - 1));
  g_assert_cmpint (recursive, ==, 2 * ROUNDS);
}

/* ---- main contexts ---- */

typedef struct {
  GMainLoop *loop;
  gint left;
} Countdown;

static gboolean
count_down (gpointer data)
{
  Countdown *countdown = data;

  if (--countdown->left == 0)
    g_main_loop_quit (countdown->loop);
  return G_SOURCE_REMOVE;
}

static gpointer
loop_thread (gpointer data)
{
  Countdown *countdown = data;

  g_main_loop_run (countdown->loop);
  return NULL;
}

static void
invoke (void)
{
  GMainContext *context = g_main_context_new ();
  Countdown *countdown = g_new (Countdown, 1);
  GThread *thread;
  GSource *source;

  countdown->loop = g_main_loop_new (context, FALSE);
  thread = g_thread_new ("loop", loop_thread, countdown);
  /* Written after the thread has begun. */
  countdown->left = 2;
  source = g_idle_source_new ();
  g_source_set_callback (source, count_down, countdown, NULL);
  g_source_attach (source, context);
  g_source_unref (source);
  g_main_context_invoke (context, count_down, countdown);
  g_thread_join (thread);
  g_assert_cmpint (countdown->left, ==, 0);
  g_main_loop_unref (countdown->loop);
  g_main_context_unref (context);
  g_free (countdown);
}

/* ---- GStreamer's own ---- */

static void
on_freed (gpointer data)
{
  /* What another thread did with it before it let go. */
  *(gint *)data += 1;
  g_free (data);
}

static gpointer
let_go (gpointer data)
{
  GstMapInfo info;

  gst_buffer_map (data, &info, GST_MAP_READ);
  g_assert_cmpint (*(const gint *)(gconstpointer)info.data, ==, 7);
  gst_buffer_unmap (data, &info);
  gst_buffer_unref (data);
  return NULL;
}

static void
share_buffer (void)
{
  gint *data = g_new (gint, 1);
  GstBuffer *buffer;
  GThread *thread;

  *data = 7;
  buffer = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, data,
      sizeof *data, 0, sizeof *data, data, on_freed);
  thread = g_thread_new ("reader", let_go, gst_buffer_ref (buffer));
  gst_buffer_unref (buffer);
  g_thread_join (thread);
}

int
main (int argc, char **argv)
{
  planted = argc > 1 && strcmp (argv[1], "race") == 0;
  gst_init (NULL, NULL);
  hand_over ();
  invoke ();
  share_buffer ();
  printf ("went through, %d\n", raced);
  return 0;
}
