/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prompts, commands and ids.
 *
 * Threads: callers hold the source's lock.
 */
#include "gstdreamversesteering.h"

#include <string.h>

typedef struct {
  gchar *prompt;
  gchar *prompt_id;
} Appended;

static void
appended_free (gpointer data)
{
  Appended *appended = data;

  g_free (appended->prompt);
  g_free (appended->prompt_id);
  g_free (appended);
}

void
gst_dreamverse_steering_init (GstDreamverseSteering *steering)
{
  memset (steering, 0, sizeof *steering);
  steering->list = g_ptr_array_new_with_free_func (g_free);
  g_queue_init (&steering->appended);
  g_queue_init (&steering->resets);
}

void
gst_dreamverse_steering_clear (GstDreamverseSteering *steering)
{
  guint i;

  g_clear_pointer (&steering->prompt, g_free);
  g_clear_pointer (&steering->steered, g_free);
  g_clear_pointer (&steering->expected, g_free);
  g_clear_pointer (&steering->list, g_ptr_array_unref);
  g_queue_clear_full (&steering->appended, appended_free);
  g_queue_clear_full (&steering->resets, g_free);
  for (i = 0; i < GST_DREAMVERSE_RECENT_IDS; i++)
    g_clear_pointer (&steering->recent[i], g_free);
}

gboolean
gst_dreamverse_steering_take_id (
    GstDreamverseSteering *steering, const gchar *id)
{
  guint i;

  for (i = 0; i < GST_DREAMVERSE_RECENT_IDS; i++)
    if (g_strcmp0 (steering->recent[i], id) == 0)
      return FALSE;
  g_free (steering->recent[steering->next_recent]);
  steering->recent[steering->next_recent] = g_strdup (id);
  steering->next_recent =
      (steering->next_recent + 1) % GST_DREAMVERSE_RECENT_IDS;
  return TRUE;
}

gchar *
gst_dreamverse_steering_check_prompt (const gchar *prompt)
{
  gsize length = prompt ? strlen (prompt) : 0;

  if (length > GST_DREAMVERSE_MAX_PROMPT_BYTES)
    return g_strdup_printf ("The prompt has %" G_GSIZE_FORMAT
                            " bytes; at most %u are taken",
        length, GST_DREAMVERSE_MAX_PROMPT_BYTES);
  if (prompt && !g_utf8_validate (prompt, length, NULL))
    return g_strdup ("The prompt is not UTF-8");
  return NULL;
}

void
gst_dreamverse_steering_set_prompt (
    GstDreamverseSteering *steering, const gchar *prompt)
{
  g_free (steering->prompt);
  steering->prompt = g_strdup (prompt);
  /* The latest word counts. */
  g_clear_pointer (&steering->steered, g_free);
}

void
gst_dreamverse_steering_set_list (
    GstDreamverseSteering *steering, GPtrArray *list)
{
  g_ptr_array_unref (steering->list);
  steering->list = list;
  steering->next = 0;
}

gchar *
gst_dreamverse_steering_append (GstDreamverseSteering *steering,
    const gchar *prompt, const gchar *prompt_id)
{
  Appended *appended;

  if (steering->appended.length >= GST_DREAMVERSE_MAX_QUEUED_PROMPTS)
    return g_strdup_printf ("%u prompts wait already; try again when a "
                            "segment has taken one",
        steering->appended.length);
  appended = g_new0 (Appended, 1);
  appended->prompt = g_strdup (prompt ? prompt : "");
  appended->prompt_id = g_strdup (prompt_id);
  g_queue_push_tail (&steering->appended, appended);
  return NULL;
}

guint
gst_dreamverse_steering_depth (const GstDreamverseSteering *steering)
{
  return steering->appended.length;
}

void
gst_dreamverse_steering_rewind (GstDreamverseSteering *steering)
{
  steering->next = 0;
  g_clear_pointer (&steering->steered, g_free);
  g_clear_pointer (&steering->expected, g_free);
  g_queue_clear_full (&steering->resets, g_free);
}

void
gst_dreamverse_steering_reset (GstDreamverseSteering *steering, const gchar *id)
{
  steering->next = 0;
  g_clear_pointer (&steering->steered, g_free);
  g_clear_pointer (&steering->expected, g_free);
  g_queue_clear_full (&steering->appended, appended_free);
  /* They all come to one new stream; past the limit a confirmation is lost. */
  if (steering->resets.length >= GST_DREAMVERSE_MAX_PENDING_RESETS)
    g_free (g_queue_pop_head (&steering->resets));
  g_queue_push_tail (&steering->resets, g_strdup (id ? id : ""));
}

gchar *
gst_dreamverse_steering_take_reset (GstDreamverseSteering *steering)
{
  return g_queue_pop_head (&steering->resets);
}

/* The prompt that repeats when nothing else is there. */
static const gchar *
standing_prompt (const GstDreamverseSteering *steering)
{
  return steering->steered ? steering->steered : steering->prompt;
}

void
gst_dreamverse_steering_expect (
    GstDreamverseSteering *steering, const gchar *prompt)
{
  g_free (steering->expected);
  steering->expected = g_strdup (prompt);
}

const gchar *
gst_dreamverse_steering_peek (
    const GstDreamverseSteering *steering, gboolean loop)
{
  const Appended *appended = g_queue_peek_head ((GQueue *)&steering->appended);
  guint next = steering->next;

  if (appended)
    return appended->prompt;
  if (steering->expected)
    return steering->expected;
  if (loop && next >= steering->list->len)
    next = 0;
  if (next < steering->list->len)
    return g_ptr_array_index (steering->list, next);
  return standing_prompt (steering);
}

gboolean
gst_dreamverse_steering_next (GstDreamverseSteering *steering,
    const gchar *offered, gboolean loop, gchar **prompt, gchar **prompt_id)
{
  Appended *appended = g_queue_pop_head (&steering->appended);
  const gchar *standing;

  *prompt_id = NULL;
  g_clear_pointer (&steering->expected, g_free);
  if (appended) {
    *prompt = g_steal_pointer (&appended->prompt);
    *prompt_id = g_steal_pointer (&appended->prompt_id);
    appended_free (appended);
    if (steering->list->len == 0) {
      g_free (steering->steered);
      steering->steered = g_strdup (*prompt);
    }
    return TRUE;
  }
  if (offered) {
    *prompt = g_strdup (offered);
    return TRUE;
  }
  if (loop && steering->next >= steering->list->len)
    steering->next = 0;
  if (steering->next < steering->list->len) {
    *prompt = g_strdup (g_ptr_array_index (steering->list, steering->next++));
    return TRUE;
  }
  standing = standing_prompt (steering);
  if (steering->list->len > 0 && (!standing || !*standing))
    return FALSE;
  *prompt = g_strdup (standing ? standing : "");
  return TRUE;
}
