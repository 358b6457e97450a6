/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The question for a prompt: see ask.h.
 *
 * Threads: see ask.h.
 */
#include "ask.h"

#include "gstdreamverse.h"

/* No wait is longer than this without looking around. */
#define WAIT_US G_USEC_PER_SEC

struct DvsAsk {
  gatomicrefcount refs; /* the owner's, the handler's, those on their way */
  GMutex lock;
  GCond cond;
  gboolean open, asked;
  guint epoch, index;
  guint requested, taken; /* resets since it was opened */
  guint asked_after;      /* taken, when it was asked */
  gchar *prompt;

  /* the main thread's */
  DvsAskFunc func; /* NULL: freed */
  gpointer user;
};

static void
ask_unref (gpointer data)
{
  DvsAsk *ask = data;

  if (!g_atomic_ref_count_dec (&ask->refs))
    return;
  g_free (ask->prompt);
  g_mutex_clear (&ask->lock);
  g_cond_clear (&ask->cond);
  g_free (ask);
}

static gboolean
tell (gpointer data)
{
  DvsAsk *ask = data;
  guint epoch, index, resets;
  gboolean asked;

  g_mutex_lock (&ask->lock);
  asked = ask->open && ask->asked;
  epoch = ask->epoch;
  index = ask->index;
  resets = ask->asked_after;
  g_mutex_unlock (&ask->lock);
  if (asked && ask->func)
    ask->func (ask->user, epoch, index, resets);
  return G_SOURCE_REMOVE;
}

static void
tell_later (DvsAsk *ask)
{
  GSource *source = g_idle_source_new ();

  g_atomic_ref_count_inc (&ask->refs);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, tell, ask, ask_unref);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

/* In the generation thread. */
static gchar *
need_prompt (GstElement *source, guint epoch, guint index, DvsAsk *ask)
{
  gchar *prompt;

  g_mutex_lock (&ask->lock);
  /* With a reset under way there is nothing to ask: the source has it before it
   * makes another segment. */
  if (ask->open && ask->taken >= ask->requested) {
    ask->asked = TRUE;
    ask->asked_after = ask->taken;
    ask->epoch = epoch;
    ask->index = index;
    tell_later (ask);
  }
  while (ask->asked)
    g_cond_wait_until (
        &ask->cond, &ask->lock, g_get_monotonic_time () + WAIT_US);
  ask->asked = FALSE;
  prompt = g_steal_pointer (&ask->prompt);
  g_mutex_unlock (&ask->lock);
  return prompt;
}

static void
handler_gone (gpointer data, GClosure *closure)
{
  ask_unref (data);
}

DvsAsk *
dvs_ask_new (GstElement *source, DvsAskFunc func, gpointer user)
{
  DvsAsk *ask = g_new0 (DvsAsk, 1);

  g_atomic_ref_count_init (&ask->refs);
  g_mutex_init (&ask->lock);
  g_cond_init (&ask->cond);
  ask->func = func;
  ask->user = user;
  g_atomic_ref_count_inc (&ask->refs);
  g_signal_connect_data (
      source, "need-prompt", G_CALLBACK (need_prompt), ask, handler_gone, 0);
  return ask;
}

void
dvs_ask_free (DvsAsk *ask)
{
  dvs_ask_close (ask);
  ask->func = NULL;
  ask_unref (ask);
}

/* Lock held. */
static void
settle (DvsAsk *ask, const gchar *prompt)
{
  ask->asked = FALSE;
  g_free (ask->prompt);
  ask->prompt = g_strdup (prompt);
  g_cond_broadcast (&ask->cond);
}

void
dvs_ask_open (DvsAsk *ask)
{
  g_mutex_lock (&ask->lock);
  settle (ask, NULL);
  ask->open = TRUE;
  ask->requested = ask->taken = 0;
  g_mutex_unlock (&ask->lock);
}

void
dvs_ask_close (DvsAsk *ask)
{
  g_mutex_lock (&ask->lock);
  settle (ask, NULL);
  ask->open = FALSE;
  g_mutex_unlock (&ask->lock);
}

void
dvs_ask_reset_requested (DvsAsk *ask)
{
  g_mutex_lock (&ask->lock);
  ask->requested++;
  /* The source may have been faster: then it asks for the new epoch already. */
  if (ask->asked && ask->asked_after < ask->requested)
    settle (ask, NULL);
  g_mutex_unlock (&ask->lock);
}

/* In the generation thread, which says of each reset that its epoch begins, and
 * then asks. */
static void
take_message (GstBus *bus, GstMessage *message, DvsAsk *ask)
{
  if (!gst_message_has_name (message, GST_DREAMVERSE_MESSAGE_RESET))
    return;
  g_mutex_lock (&ask->lock);
  ask->taken++;
  g_mutex_unlock (&ask->lock);
}

void
dvs_ask_watch (DvsAsk *ask, GstBus *bus)
{
  g_atomic_ref_count_inc (&ask->refs);
  gst_bus_enable_sync_message_emission (bus);
  g_signal_connect_data (bus, "sync-message::element",
      G_CALLBACK (take_message), ask, handler_gone, 0);
}

gboolean
dvs_ask_is (DvsAsk *ask, guint epoch, guint index)
{
  gboolean is;

  g_mutex_lock (&ask->lock);
  is = ask->asked && ask->epoch == epoch && ask->index == index;
  g_mutex_unlock (&ask->lock);
  return is;
}

void
dvs_ask_answer (DvsAsk *ask, const gchar *prompt)
{
  g_mutex_lock (&ask->lock);
  settle (ask, prompt);
  g_mutex_unlock (&ask->lock);
}
