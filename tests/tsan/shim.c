/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tells ThreadSanitizer of the ordering that GLib and GStreamer give.
 *
 * GLib's locks and conditions are futexes and its reference counts atomics of
 * a library that is not instrumented, so ThreadSanitizer sees no order between
 * a g_mutex_unlock() and the next g_mutex_lock(). Preloaded, this library
 * stands before them and says __tsan_release where something is handed over
 * and __tsan_acquire where it is taken. It orders exactly what they order and
 * silences nothing.
 *
 * Calls that GLib makes inside itself are bound at its link time and do not
 * come by here: therefore whole operations are wrapped (a queue's pop, not the
 * lock within it), and callbacks that GLib calls later by a trampoline.
 *
 * In a process without ThreadSanitizer it does nothing.
 */
#include <dlfcn.h>
#include <gst/gst.h>

extern void __tsan_acquire (void *address) __attribute__ ((weak));
extern void __tsan_release (void *address) __attribute__ ((weak));

#define SHIM __attribute__ ((visibility ("default")))

static void
acquire (gconstpointer address)
{
  if (__tsan_acquire && address)
    __tsan_acquire ((void *)address);
}

static void
release (gconstpointer address)
{
  if (__tsan_release && address)
    __tsan_release ((void *)address);
}

/* The real function of this name; looked up once, a second look-up by another
 * thread finds the same. */
#define REAL(name)                                                             \
  static __typeof__ (name) *real;                                              \
  if (G_UNLIKELY (!__atomic_load_n (&real, __ATOMIC_RELAXED)))                 \
  __atomic_store_n (                                                           \
      &real, (__typeof__ (name) *)dlsym (RTLD_NEXT, #name), __ATOMIC_RELAXED)

/* ---- locks ---- */

#define LOCK(type, name)                                                       \
  SHIM void name (type *lock)                                                  \
  {                                                                            \
    REAL (name);                                                               \
    real (lock);                                                               \
    acquire (lock);                                                            \
  }

#define TRYLOCK(type, name)                                                    \
  SHIM gboolean name (type *lock)                                              \
  {                                                                            \
    gboolean locked;                                                           \
    REAL (name);                                                               \
    locked = real (lock);                                                      \
    if (locked)                                                                \
      acquire (lock);                                                          \
    return locked;                                                             \
  }

#define UNLOCK(type, name)                                                     \
  SHIM void name (type *lock)                                                  \
  {                                                                            \
    REAL (name);                                                               \
    release (lock);                                                            \
    real (lock);                                                               \
  }

LOCK (GMutex, g_mutex_lock)
TRYLOCK (GMutex, g_mutex_trylock)
UNLOCK (GMutex, g_mutex_unlock)
LOCK (GRecMutex, g_rec_mutex_lock)
TRYLOCK (GRecMutex, g_rec_mutex_trylock)
UNLOCK (GRecMutex, g_rec_mutex_unlock)
LOCK (GRWLock, g_rw_lock_writer_lock)
TRYLOCK (GRWLock, g_rw_lock_writer_trylock)
UNLOCK (GRWLock, g_rw_lock_writer_unlock)
LOCK (GRWLock, g_rw_lock_reader_lock)
TRYLOCK (GRWLock, g_rw_lock_reader_trylock)
UNLOCK (GRWLock, g_rw_lock_reader_unlock)

/* ---- conditions: the lock is given up and taken again inside ---- */

SHIM void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  REAL (g_cond_wait);
  release (mutex);
  real (cond, mutex);
  acquire (mutex);
}

SHIM gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean signalled;
  REAL (g_cond_wait_until);
  release (mutex);
  signalled = real (cond, mutex, end_time);
  acquire (mutex);
  return signalled;
}

/* ---- once ---- */

/* g_once_init_enter() is first a load in the caller's own, instrumented code:
 * it takes what is released here at the same address. */
SHIM void (g_once_init_leave) (volatile void *location, gsize result)
{
  static void (*real) (volatile void *, gsize);

  if (!real)
    real = (void (*) (volatile void *, gsize))dlsym (
        RTLD_NEXT, "g_once_init_leave");
  release ((gconstpointer)location);
  real (location, result);
}

SHIM
gboolean (g_once_init_enter) (volatile void *location)
{
  static gboolean (*real) (volatile void *);
  gboolean mine;

  if (!real)
    real =
        (gboolean (*) (volatile void *))dlsym (RTLD_NEXT, "g_once_init_enter");
  mine = real (location);
  acquire ((gconstpointer)location);
  return mine;
}

SHIM gpointer
g_once_impl (GOnce *once, GThreadFunc func, gpointer arg)
{
  gpointer value;
  REAL (g_once_impl);
  value = real (once, func, arg);
  /* Whoever ran it comes by here too. */
  release (once);
  acquire (once);
  return value;
}

/* ---- queues ---- */

#define PUSH(name)                                                             \
  SHIM void name (GAsyncQueue *queue, gpointer data)                           \
  {                                                                            \
    REAL (name);                                                               \
    release (queue);                                                           \
    real (queue, data);                                                        \
  }

#define POP(name)                                                              \
  SHIM gpointer name (GAsyncQueue *queue)                                      \
  {                                                                            \
    gpointer data;                                                             \
    REAL (name);                                                               \
    data = real (queue);                                                       \
    acquire (queue);                                                           \
    return data;                                                               \
  }

#define TIMED_POP(name)                                                        \
  SHIM gpointer name (GAsyncQueue *queue, guint64 timeout)                     \
  {                                                                            \
    gpointer data;                                                             \
    REAL (name);                                                               \
    data = real (queue, timeout);                                              \
    acquire (queue);                                                           \
    return data;                                                               \
  }

PUSH (g_async_queue_push)
PUSH (g_async_queue_push_unlocked)
PUSH (g_async_queue_push_front)
PUSH (g_async_queue_push_front_unlocked)
POP (g_async_queue_pop)
POP (g_async_queue_pop_unlocked)
POP (g_async_queue_try_pop)
POP (g_async_queue_try_pop_unlocked)
TIMED_POP (g_async_queue_timeout_pop)
TIMED_POP (g_async_queue_timeout_pop_unlocked)
LOCK (GAsyncQueue, g_async_queue_lock)
UNLOCK (GAsyncQueue, g_async_queue_unlock)

/* ---- reference counts: what was done before an unref is done before the
 * last one frees ---- */

#define UNREF(type, name)                                                      \
  SHIM void name (type object)                                                 \
  {                                                                            \
    REAL (name);                                                               \
    release (object);                                                          \
    acquire (object);                                                          \
    real (object);                                                             \
  }

UNREF (gpointer, g_object_unref)
UNREF (GBytes *, g_bytes_unref)
UNREF (GstMiniObject *, gst_mini_object_unref)
UNREF (gpointer, g_rc_box_release)
UNREF (gpointer, g_atomic_rc_box_release)

/* ---- the bus ---- */

SHIM gboolean
gst_bus_post (GstBus *bus, GstMessage *message)
{
  REAL (gst_bus_post);
  release (bus);
  return real (bus, message);
}

SHIM GstMessage *
gst_bus_timed_pop_filtered (
    GstBus *bus, GstClockTime timeout, GstMessageType types)
{
  GstMessage *message;
  REAL (gst_bus_timed_pop_filtered);
  message = real (bus, timeout, types);
  acquire (bus);
  return message;
}

SHIM GstMessage *
gst_bus_timed_pop (GstBus *bus, GstClockTime timeout)
{
  GstMessage *message;
  REAL (gst_bus_timed_pop);
  message = real (bus, timeout);
  acquire (bus);
  return message;
}

SHIM GstMessage *
gst_bus_pop_filtered (GstBus *bus, GstMessageType types)
{
  GstMessage *message;
  REAL (gst_bus_pop_filtered);
  message = real (bus, types);
  acquire (bus);
  return message;
}

SHIM GstMessage *
gst_bus_pop (GstBus *bus)
{
  GstMessage *message;
  REAL (gst_bus_pop);
  message = real (bus);
  acquire (bus);
  return message;
}

/* ---- callbacks that GLib calls later ---- */

typedef struct {
  GSourceFunc func;
  gpointer data;
  GDestroyNotify notify;
} Later;

static Later *
later_new (GSourceFunc func, gpointer data, GDestroyNotify notify)
{
  Later *later = g_new (Later, 1);

  *later = (Later){func, data, notify};
  release (later);
  return later;
}

static gboolean
later_call (gpointer data)
{
  Later *later = data;
  gboolean again;

  acquire (later);
  again = later->func (later->data);
  release (later);
  return again;
}

static void
later_free (gpointer data)
{
  Later *later = data;

  acquire (later);
  if (later->notify)
    later->notify (later->data);
  g_free (later);
}

SHIM void
g_source_set_callback (
    GSource *source, GSourceFunc func, gpointer data, GDestroyNotify notify)
{
  REAL (g_source_set_callback);
  /* Others have callbacks of another shape. */
  if (func && (source->source_funcs == &g_idle_funcs ||
                  source->source_funcs == &g_timeout_funcs))
    real (source, later_call, later_new (func, data, notify), later_free);
  else
    real (source, func, data, notify);
}

SHIM guint
g_idle_add_full (
    gint priority, GSourceFunc func, gpointer data, GDestroyNotify notify)
{
  REAL (g_idle_add_full);
  return real (
      priority, later_call, later_new (func, data, notify), later_free);
}

SHIM guint
g_idle_add (GSourceFunc func, gpointer data)
{
  return g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, func, data, NULL);
}

SHIM guint
g_timeout_add_full (gint priority, guint interval, GSourceFunc func,
    gpointer data, GDestroyNotify notify)
{
  REAL (g_timeout_add_full);
  return real (priority, interval, later_call, later_new (func, data, notify),
      later_free);
}

SHIM guint
g_timeout_add (guint interval, GSourceFunc func, gpointer data)
{
  return g_timeout_add_full (G_PRIORITY_DEFAULT, interval, func, data, NULL);
}

SHIM void
g_main_context_invoke_full (GMainContext *context, gint priority,
    GSourceFunc func, gpointer data, GDestroyNotify notify)
{
  REAL (g_main_context_invoke_full);
  real (context, priority, later_call, later_new (func, data, notify),
      later_free);
}

SHIM void
g_main_context_invoke (GMainContext *context, GSourceFunc func, gpointer data)
{
  g_main_context_invoke_full (context, G_PRIORITY_DEFAULT, func, data, NULL);
}

/* A pool's function and the data pushed to it. The pool keeps the trampoline
 * as its user data; it is never freed, pools are few. */
typedef struct {
  GFunc func;
  gpointer user;
} Work;

static void
work_call (gpointer data, gpointer user)
{
  Work *work = user;

  acquire (data);
  acquire (work);
  work->func (data, work->user);
}

SHIM GThreadPool *
g_thread_pool_new (GFunc func, gpointer user, gint max_threads,
    gboolean exclusive, GError **error)
{
  Work *work = g_new (Work, 1);
  REAL (g_thread_pool_new);

  *work = (Work){func, user};
  release (work);
  return real (work_call, work, max_threads, exclusive, error);
}

SHIM gboolean
g_thread_pool_push (GThreadPool *pool, gpointer data, GError **error)
{
  REAL (g_thread_pool_push);
  release (data);
  return real (pool, data, error);
}
