/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Commands to dreamversesrc, by action signal or by event from downstream, and
 * the signal by which it asks for a prompt.
 *
 * Threads: any.
 */
#include "gstdreamverse.h"
#include "gstdreamversesrcprivate.h"

#include <string.h>

#define GST_CAT_DEFAULT gst_dreamverse_src_debug

enum {
  SIGNAL_NEED_PROMPT,
  SIGNAL_APPEND_PROMPT,
  SIGNAL_PREPARE_PROMPT,
  SIGNAL_RESET,
  SIGNAL_PAUSE,
  SIGNAL_RESUME,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

void
gst_dreamverse_src_post_paused (
    GstDreamverseSrc *src, const gchar *id, gboolean paused)
{
  gst_dreamverse_src_post (
      src, gst_structure_new (GST_DREAMVERSE_MESSAGE_PAUSED,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
               GST_DREAMVERSE_FIELD_PAUSED, G_TYPE_BOOLEAN, paused, NULL));
}

void
gst_dreamverse_src_post_reset (
    GstDreamverseSrc *src, const gchar *id, guint epoch)
{
  gst_dreamverse_src_post (
      src, gst_structure_new (GST_DREAMVERSE_MESSAGE_RESET,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
               GST_DREAMVERSE_FIELD_EPOCH, G_TYPE_UINT, epoch, NULL));
}

static void
set_paused (GstDreamverseSrc *src, const gchar *id, gboolean paused)
{
  gboolean changed;

  g_mutex_lock (&src->lock);
  changed = src->steering.paused != paused;
  src->steering.paused = paused;
  gst_dreamverse_src_wake (src);
  g_mutex_unlock (&src->lock);
  if (changed)
    g_object_notify (G_OBJECT (src), "paused");
  gst_dreamverse_src_post_paused (src, id, paused);
}

static gboolean
append_prompt (GstDreamverseSrc *src, const gchar *id, const gchar *prompt,
    const gchar *prompt_id)
{
  gchar *problem = gst_dreamverse_steering_check_prompt (prompt);
  guint depth = 0;

  if (!prompt)
    problem = g_strdup ("There is no prompt");
  if (!problem && prompt_id && strlen (prompt_id) > GST_DREAMVERSE_MAX_ID_BYTES)
    problem = g_strdup_printf (
        "The prompt's id has more than %d bytes", GST_DREAMVERSE_MAX_ID_BYTES);
  if (!problem) {
    g_mutex_lock (&src->lock);
    problem =
        gst_dreamverse_steering_append (&src->steering, prompt, prompt_id);
    depth = gst_dreamverse_steering_depth (&src->steering);
    g_cond_broadcast (&src->cond); /* it may be prepared */
    g_mutex_unlock (&src->lock);
  }
  if (problem) {
    GST_WARNING_OBJECT (src, "prompt refused: %s", problem);
    gst_dreamverse_src_post (
        src, gst_structure_new (GST_DREAMVERSE_MESSAGE_PROMPT_REFUSED,
                 GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
                 GST_DREAMVERSE_FIELD_MESSAGE, G_TYPE_STRING, problem, NULL));
    g_free (problem);
    return FALSE;
  }
  gst_dreamverse_src_post (
      src, gst_structure_new (GST_DREAMVERSE_MESSAGE_PROMPT_RECEIVED,
               GST_DREAMVERSE_FIELD_ID, G_TYPE_STRING, id,
               GST_DREAMVERSE_FIELD_PROMPT, G_TYPE_STRING, prompt,
               GST_DREAMVERSE_FIELD_PROMPT_ID, G_TYPE_STRING,
               prompt_id ? prompt_id : "", GST_DREAMVERSE_FIELD_QUEUE_DEPTH,
               G_TYPE_UINT, depth, NULL));
  return TRUE;
}

static void
request_reset (GstDreamverseSrc *src, const gchar *id)
{
  gboolean idle, late = FALSE;

  g_mutex_lock (&src->lock);
  idle = src->run == NULL;
  if (idle) { /* what starts is new anyway */
    gst_dreamverse_steering_reset (&src->steering, id);
    gst_dreamverse_steering_rewind (&src->steering);
  } else if (src->run->ended) {
    late = TRUE;
  } else {
    gst_dreamverse_steering_reset (&src->steering, id);
    g_atomic_int_set (&src->run->abort_step, 1);
    gst_dreamverse_src_wake (src);
  }
  g_mutex_unlock (&src->lock);
  if (late)
    GST_WARNING_OBJECT (
        src, "reset \"%s\" is too late: the stream is ending", id);
  if (idle)
    gst_dreamverse_src_post_reset (src, id, 1);
}

gboolean
gst_dreamverse_src_control (
    GstDreamverseSrc *src, const GstStructure *structure)
{
  const gchar *command, *id;
  gboolean fresh;

  if (!structure ||
      !gst_structure_has_name (structure, GST_DREAMVERSE_EVENT_CONTROL))
    return FALSE;
  command = gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_COMMAND);
  id = gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_ID);
  if (!command || !id || !*id || strlen (id) > GST_DREAMVERSE_MAX_ID_BYTES) {
    GST_WARNING_OBJECT (src, "a command without name, or with an id that is "
                             "missing or too long, is ignored");
    return FALSE;
  }
  g_mutex_lock (&src->lock);
  fresh = gst_dreamverse_steering_take_id (&src->steering, id);
  g_mutex_unlock (&src->lock);
  if (!fresh)
    return TRUE;
  GST_INFO_OBJECT (src, "command %s, id %s", command, id);
  if (strcmp (command, GST_DREAMVERSE_COMMAND_PROMPT) == 0)
    append_prompt (src, id,
        gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_PROMPT),
        gst_structure_get_string (structure, GST_DREAMVERSE_FIELD_PROMPT_ID));
  else if (strcmp (command, GST_DREAMVERSE_COMMAND_PAUSE) == 0)
    set_paused (src, id, TRUE);
  else if (strcmp (command, GST_DREAMVERSE_COMMAND_RESUME) == 0)
    set_paused (src, id, FALSE);
  else if (strcmp (command, GST_DREAMVERSE_COMMAND_RESET) == 0)
    request_reset (src, id);
  else {
    GST_WARNING_OBJECT (src, "there is no command \"%s\"", command);
    return FALSE;
  }
  return TRUE;
}

static gboolean
gst_dreamverse_src_append_prompt (
    GstDreamverseSrc *src, const gchar *prompt, const gchar *prompt_id)
{
  return append_prompt (src, "", prompt, prompt_id);
}

static void
gst_dreamverse_src_prepare_prompt (GstDreamverseSrc *src, const gchar *prompt)
{
  gchar *problem = gst_dreamverse_steering_check_prompt (prompt);

  if (problem) {
    GST_WARNING_OBJECT (src, "nothing is prepared: %s", problem);
    g_free (problem);
    return;
  }
  GST_DEBUG_OBJECT (src, "next will probably be: %s", prompt);
  g_mutex_lock (&src->lock);
  gst_dreamverse_steering_expect (&src->steering, prompt);
  g_cond_broadcast (&src->cond);
  g_mutex_unlock (&src->lock);
}

static void
gst_dreamverse_src_reset (GstDreamverseSrc *src)
{
  request_reset (src, "");
}

static void
gst_dreamverse_src_pause (GstDreamverseSrc *src)
{
  set_paused (src, "", TRUE);
}

static void
gst_dreamverse_src_resume (GstDreamverseSrc *src)
{
  set_paused (src, "", FALSE);
}

/* need-prompt: the first handler that returns a prompt ends the emission. */
static gboolean
first_prompt (GSignalInvocationHint *hint, GValue *result,
    const GValue *returned, gpointer data)
{
  const gchar *prompt = g_value_get_string (returned);

  if (!prompt)
    return TRUE;
  g_value_set_string (result, prompt);
  return FALSE;
}

void
gst_dreamverse_src_install_signals (GstDreamverseSrcClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);
  GSignalFlags action = G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION;

  /**
   * GstDreamverseSrc::need-prompt:
   * @src: the source
   * @epoch: counts resets, from 1
   * @index: the segment's number within the epoch, from 1
   *
   * Emitted on the generation thread before each segment for which no prompt
   * was appended. The first handler that returns a prompt decides this
   * segment's. A handler may instead set properties, append prompts or return
   * %NULL to leave it to them. Generation waits for the handler; what was
   * generated is sent meanwhile.
   *
   * Returns: (nullable) (transfer full): the prompt
   */
  signals[SIGNAL_NEED_PROMPT] =
      g_signal_new ("need-prompt", type, G_SIGNAL_RUN_LAST, 0, first_prompt,
          NULL, NULL, G_TYPE_STRING, 2, G_TYPE_UINT, G_TYPE_UINT);
  /**
   * GstDreamverseSrc::append-prompt:
   * @src: the source
   * @prompt: what is shown, in words
   * @id: (nullable): what the caller calls the prompt
   *
   * Queues a prompt for the next segment that has none. Without a list of
   * prompts it stays in force until the next one or a reset.
   *
   * Returns: %FALSE if it was refused; a message says why
   */
  signals[SIGNAL_APPEND_PROMPT] = g_signal_new_class_handler ("append-prompt",
      type, action, G_CALLBACK (gst_dreamverse_src_append_prompt), NULL, NULL,
      NULL, G_TYPE_BOOLEAN, 2, G_TYPE_STRING, G_TYPE_STRING);
  /**
   * GstDreamverseSrc::prepare-prompt:
   * @src: the source
   * @prompt: (nullable): what need-prompt will probably return next
   *
   * For applications that answer need-prompt: a prompt that they know early can
   * be told early, and a model on a GPU encodes it while the segment before is
   * made. It promises nothing. Prompts that were appended or are in the list
   * are prepared without being told.
   */
  signals[SIGNAL_PREPARE_PROMPT] = g_signal_new_class_handler ("prepare-prompt",
      type, action, G_CALLBACK (gst_dreamverse_src_prepare_prompt), NULL, NULL,
      NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  /**
   * GstDreamverseSrc::reset:
   * @src: the source
   *
   * Gives up the running segment, forgets appended prompts and what the scene
   * was, and starts with the first prompt again.
   */
  signals[SIGNAL_RESET] = g_signal_new_class_handler ("reset", type, action,
      G_CALLBACK (gst_dreamverse_src_reset), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstDreamverseSrc::pause:
   * @src: the source
   *
   * Holds generation before the next segment.
   */
  signals[SIGNAL_PAUSE] = g_signal_new_class_handler ("pause", type, action,
      G_CALLBACK (gst_dreamverse_src_pause), NULL, NULL, NULL, G_TYPE_NONE, 0);
  /**
   * GstDreamverseSrc::resume:
   * @src: the source
   *
   * Lets generation go on.
   */
  signals[SIGNAL_RESUME] = g_signal_new_class_handler ("resume", type, action,
      G_CALLBACK (gst_dreamverse_src_resume), NULL, NULL, NULL, G_TYPE_NONE, 0);
}
