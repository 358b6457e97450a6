/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session and a world made for tests: see session-rig.h.
 */
#include "session-rig.h"

#include <glib/gstdio.h>
#include <string.h>

#include "session-image.h"

#define STREAM_ID "seg%03u-%08x"

/* ---- the prompt services ---- */

static void
call_clear (RigCall *call)
{
  g_free (call->text);
  g_free (call->id);
  g_free (call->label);
  g_free (call->model);
  g_strfreev (call->prompts);
  g_clear_object (&call->cancellable);
  memset (call, 0, sizeof *call);
}

static void
call_begin (RigCall *call, const gchar *text, const gchar *const *prompts,
    GCancellable *cancellable, gpointer user)
{
  /* One at a time, unless the former was cancelled. */
  g_assert (!call->pending || g_cancellable_is_cancelled (call->cancellable));
  call_clear (call);
  call->pending = TRUE;
  call->text = g_strdup (text);
  call->prompts = g_strdupv ((gchar **)prompts);
  call->cancellable = g_object_ref (cancellable);
  call->user = user;
}

void
dvs_prompts_enhance (DvsPrompts *prompts, const gchar *text,
    const gchar *const *locked, guint next_index, gboolean single_clip,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user)
{
  g_assert_cmpuint (next_index, ==, g_strv_length ((gchar **)locked) + 1);
  call_begin (&prompts->enhance, text, locked, cancellable, user);
  prompts->enhance.single_clip = single_clip;
  prompts->enhance.answer = done;
}

void
dvs_prompts_extend (DvsPrompts *prompts, const gchar *const *locked,
    GCancellable *cancellable, DvsAnswerFunc done, gpointer user)
{
  call_begin (&prompts->extend, NULL, locked, cancellable, user);
  prompts->extend.answer = done;
}

void
dvs_prompts_rewrite (DvsPrompts *prompts, const gchar *instruction,
    const gchar *const *window, const gchar *id, const gchar *label,
    const DvsRewriteChoice *choice, GCancellable *cancellable,
    DvsAnswerFunc done, gpointer user)
{
  call_begin (&prompts->rewrite, instruction, window, cancellable, user);
  prompts->rewrite.id = g_strdup (id);
  prompts->rewrite.label = g_strdup (label);
  prompts->rewrite.model = g_strdup (choice->model);
  prompts->rewrite.temperature = choice->temperature;
  prompts->rewrite.answer = done;
}

void
dvs_prompts_check (DvsPrompts *prompts, const gchar *const *texts,
    GCancellable *cancellable, DvsSafetyFunc done, gpointer user)
{
  RigCall *call = &prompts->check;

  for (guint i = 0; i < G_N_ELEMENTS (prompts->more_checks); i++)
    if (call->pending && !g_cancellable_is_cancelled (call->cancellable))
      call = &prompts->more_checks[i];
  call_begin (call, NULL, texts, cancellable, user);
  call->verdict = done;
}

gboolean
dvs_prompts_checks (const DvsPrompts *prompts)
{
  return prompts->checks;
}

const gchar *
dvs_prompts_model (const DvsPrompts *prompts, const gchar *wanted)
{
  return wanted && strcmp (wanted, "other-model") == 0 ? "other-model"
                                                       : "gpt-oss-120b";
}

/* FALSE: nobody waits for it any more. */
static gboolean
call_answered (RigCall *call)
{
  gboolean waits =
      call->pending && !g_cancellable_is_cancelled (call->cancellable);

  call->pending = FALSE;
  return waits;
}

void
rig_answer (RigCall *call, const gchar *error, const gchar *prompt)
{
  DvsAnswer answer = {.error = error,
      .prompt = prompt,
      .raw = prompt,
      .model = "m",
      .latency_ms = 151.361};

  if (call_answered (call))
    call->answer (call->user, &answer);
}

void
rig_answer_rewrite (RigCall *call, const gchar *const *prompts)
{
  DvsAnswer answer = {.id = "r",
      .label = "R",
      .prompts = prompts,
      .raw = "{}",
      .model = "m",
      .note = "All providers failed.",
      .latency_ms = 151.5};

  if (call_answered (call))
    call->answer (call->user, &answer);
}

void
rig_verdict (RigCall *call, guint which, const gchar *reason)
{
  if (call_answered (call))
    call->verdict (call->user, which, reason);
}

/* ---- the host ---- */

static void
trace (Rig *rig, gchar *line)
{
  g_ptr_array_add (rig->trace, line);
}

static void
host_send_text (gpointer host, gchar *text)
{
  Rig *rig = host;

  rig->after_close += rig->closed > 0;
  trace (rig, text);
}

static void
host_send_media (gpointer host, GBytes *bytes)
{
  Rig *rig = host;

  rig->after_close += rig->closed > 0;
  trace (rig,
      g_strdup_printf ("bytes %" G_GSIZE_FORMAT, g_bytes_get_size (bytes)));
}

static void
host_close (gpointer host, guint16 code, const gchar *reason)
{
  Rig *rig = host;

  rig->closed++;
  trace (rig, g_strdup_printf ("close %u %s", code, reason));
}

static void
host_want_slot (gpointer host)
{
  Rig *rig = host;

  rig->wanted++;
  trace (rig, g_strdup ("> want"));
}

static void
host_free_slot (gpointer host)
{
  Rig *rig = host;

  rig->freed++;
  rig->has_slot = rig->running = FALSE;
  trace (rig, g_strdup ("> free"));
}

static gboolean
host_start_run (gpointer host, const DvsRun *run)
{
  Rig *rig = host;

  g_assert (rig->has_slot && !rig->running);
  if (rig->refuses_run)
    return FALSE;
  rig->running = rig->reading = TRUE;
  rig->runs++;
  rig->epoch = rig->index = 0;
  trace (rig, g_strdup_printf ("> start %u%s%s", run->segments,
                  run->start_image ? " " : "",
                  run->start_image ? run->start_image : ""));
  return TRUE;
}

static void
host_generate (gpointer host, guint epoch, guint index, const gchar *prompt,
    const gchar *prompt_id)
{
  Rig *rig = host;

  g_assert (rig->running);
  g_assert_cmpuint (epoch, ==, rig->epoch);
  g_assert_cmpuint (index, ==, rig->index);
  g_free (rig->generated);
  rig->generated = g_strdup (prompt);
  trace (rig, g_strdup_printf ("> generate %u %u %s", epoch, index, prompt));
}

static void
host_prepare (gpointer host, const gchar *prompt)
{
  Rig *rig = host;

  g_assert (rig->running);
  g_free (rig->prepared);
  rig->prepared = g_strdup (prompt);
}

static void
host_end (gpointer host, guint epoch, guint index)
{
  Rig *rig = host;

  g_assert (rig->running);
  g_assert_cmpuint (epoch, ==, rig->epoch);
  g_assert_cmpuint (index, ==, rig->index);
  trace (rig, g_strdup_printf ("> end %u %u", epoch, index));
}

static void
host_reset (gpointer host)
{
  Rig *rig = host;

  g_assert (rig->running);
  trace (rig, g_strdup ("> reset"));
}

static void
host_set_reading (gpointer host, gboolean reading)
{
  Rig *rig = host;

  g_assert (rig->running && rig->reading != reading);
  rig->reading = reading;
  trace (rig, g_strdup_printf ("> reading %d", reading));
}

static void
host_check_picture (gpointer host, GBytes *text, GCancellable *cancellable,
    DvsPictureFunc done, gpointer user)
{
  Rig *rig = host;
  GBytes *bytes;

  g_clear_object (&rig->picture_cancellable);
  rig->picture = done;
  rig->picture_cancellable = g_object_ref (cancellable);
  rig->picture_user = user;
  rig->picture_problem = dvs_image_decode (text, &bytes);
  if (rig->picture_problem)
    return;
  trace (rig,
      g_strdup_printf ("> picture %" G_GSIZE_FORMAT, g_bytes_get_size (bytes)));
  g_bytes_unref (bytes);
}

static void
host_timer (gpointer host, guint timer, guint ms)
{
  Rig *rig = host;

  g_assert_cmpuint (timer, <, DVS_SESSION_TIMERS);
  rig->timer[timer] = ms ? rig->now + 1000 * (gint64)ms : 0;
}

static gint64
host_now (gpointer host)
{
  return ((Rig *)host)->now;
}

static void
host_log (gpointer host, const gchar *event, JsonObject *fields)
{
  Rig *rig = host;
  JsonNode *node = json_node_init_object (json_node_alloc (), fields);

  g_ptr_array_add (rig->logs, g_strdup (event));
  g_ptr_array_add (rig->logs, json_to_string (node, FALSE));
  json_node_unref (node);
  json_object_unref (fields);
}

static void
host_observe (gpointer host, const gchar *metric, gdouble value)
{
  g_assert (value >= 0);
  dvs_metrics_observe (((Rig *)host)->metrics, metric, value);
}

static const DvsSessionHost functions = {host_send_text, host_send_media,
    host_close, host_want_slot, host_free_slot, host_start_run, host_generate,
    host_prepare, host_end, host_reset, host_set_reading, host_check_picture,
    host_timer, host_now, host_log, host_observe};

/* ---- life ---- */

Rig *
rig_new (void)
{
  Rig *rig = g_new0 (Rig, 1);

  /* A metric that nobody knows is one. */
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
  rig->metrics = dvs_metrics_new ();
  rig->trace = g_ptr_array_new_with_free_func (g_free);
  rig->logs = g_ptr_array_new_with_free_func (g_free);
  rig->now = 1000000;
  rig->settings.max_message_bytes = 21 << 20;
  rig->settings.max_unsent_bytes = 1000;
  rig->settings.unsent_patience_s = 15;
  rig->settings.session_timeout_s = 300;
  rig->settings.init_timeout_s = 10;
  rig->settings.media_patience_s = 15;
  rig->settings.segment_cap = 6;
  rig->settings.rewrite_temperature = 1.0;
  rig->settings.log_prompts = TRUE;
  return rig;
}

void
rig_begin (Rig *rig)
{
  g_clear_pointer (&rig->session, dvs_session_free);
  g_ptr_array_set_size (rig->trace, 0);
  rig->seen = rig->wanted = rig->freed = rig->closed = rig->after_close = 0;
  rig->has_slot = rig->running = FALSE;
  memset (rig->timer, 0, sizeof rig->timer);
  rig->session = dvs_session_new (
      "12345678-abcd", &rig->settings, &rig->prompts, &functions, rig);
}

void
rig_free (Rig *rig)
{
  g_clear_pointer (&rig->session, dvs_session_free);
  call_clear (&rig->prompts.enhance);
  call_clear (&rig->prompts.extend);
  call_clear (&rig->prompts.rewrite);
  call_clear (&rig->prompts.check);
  for (guint i = 0; i < G_N_ELEMENTS (rig->prompts.more_checks); i++)
    call_clear (&rig->prompts.more_checks[i]);
  g_clear_object (&rig->picture_cancellable);
  g_free (rig->generated);
  g_free (rig->prepared);
  dvs_metrics_free (rig->metrics);
  g_ptr_array_unref (rig->trace);
  g_ptr_array_unref (rig->logs);
  g_free (rig);
}

/* ---- what the client does ---- */

void
rig_say (Rig *rig, const gchar *text)
{
  /* Without a NUL behind it: sanitizers see what is read beyond. */
  gsize size = strlen (text);
  gchar *copy = g_memdup2 (text, size);

  dvs_session_text (rig->session, copy, size);
  g_free (copy);
  /* A host does not call back from within what it is asked. */
  if (rig->picture_problem)
    rig_picture (rig, NULL);
}

void
rig_init (Rig *rig, const gchar *members)
{
  gchar *text = g_strdup_printf ("{\"type\":\"session_init_v2\"%s}", members);

  rig_say (rig, text);
  g_free (text);
}

void
rig_start (Rig *rig, const gchar *members)
{
  if (!rig->session)
    rig_begin (rig);
  rig_init (rig, members);
  rig->has_slot = TRUE;
  dvs_session_assigned (rig->session, 0);
}

/* ---- what the slot does ---- */

void
rig_ask (Rig *rig, guint epoch, guint index)
{
  rig->epoch = epoch;
  rig->index = index;
  dvs_session_need_prompt (rig->session, epoch, index);
}

void
rig_event (Rig *rig, const gchar *format, ...)
{
  JsonNode *node;
  va_list list;
  gchar *text;

  va_start (list, format);
  text = g_strdup_vprintf (format, list);
  va_end (list);
  node = json_from_string (text, NULL);
  g_assert_nonnull (node);
  dvs_session_event (rig->session, json_node_get_object (node));
  json_node_unref (node);
  g_free (text);
}

#define SEGMENT                                                                \
  "\"segment_idx\":%u,\"stream_id\":\"" STREAM_ID "\",\"epoch\":%u"

void
rig_step_starts (Rig *rig, guint epoch, guint index)
{
  rig_event (rig, "{\"type\":\"ltx2_segment_start\"," SEGMENT "}", index, index,
      epoch, epoch);
}

void
rig_step_done (Rig *rig, guint epoch, guint index)
{
  rig_event (rig,
      "{\"type\":\"step_complete\"," SEGMENT
      ",\"latency_ms\":{\"total\":200.5,\"worker_e2e\":200.5,"
      "\"main_user_step\":200.5,\"overhead\":0},\"timings_ms\":{\"draw\":1}}",
      index, index, epoch, epoch);
}

void
rig_media_init (Rig *rig, guint epoch, guint index)
{
  rig_event (rig,
      "{\"type\":\"media_init\"," SEGMENT ",\"mime\":\"video/mp4\"}", index,
      index, epoch, epoch);
}

void
rig_bytes (Rig *rig, gsize size)
{
  GBytes *bytes = g_bytes_new_take (g_malloc0 (size), size);

  dvs_session_media (rig->session, bytes);
  g_bytes_unref (bytes);
}

void
rig_media_done (Rig *rig, guint epoch, guint index)
{
  rig_event (rig,
      "{\"type\":\"media_segment_complete\"," SEGMENT
      ",\"chunks\":2,\"timings_ms\":{\"encode\":2}}",
      index, index, epoch, epoch);
  rig_event (rig,
      "{\"type\":\"ltx2_segment_complete\"," SEGMENT ",\"total_segments\":1}",
      index, index, epoch, epoch);
}

void
rig_media (Rig *rig, guint epoch, guint index)
{
  rig_media_init (rig, epoch, index);
  rig_bytes (rig, 10);
  rig_bytes (rig, 20);
  rig_media_done (rig, epoch, index);
}

void
rig_segment (Rig *rig, guint epoch, guint index)
{
  rig_ask (rig, epoch, index);
  rig_step_starts (rig, epoch, index);
  rig_step_done (rig, epoch, index);
  rig_media (rig, epoch, index);
}

void
rig_next_epoch (Rig *rig, guint epoch)
{
  rig_event (rig, "{\"type\":\"ltx2_stream_complete\",\"epoch\":%u}", epoch);
  rig_event (rig, "{\"type\":\"ltx2_stream_start\",\"epoch\":%u}", epoch + 1);
}

void
rig_run_ends (Rig *rig, const gchar *error)
{
  rig->running = FALSE;
  dvs_session_run_ended (rig->session, error);
}

/* ---- what others do ---- */

void
rig_sleep (Rig *rig, guint ms)
{
  gint64 end = rig->now + 1000 * (gint64)ms;

  for (;;) {
    gint64 first = end + 1;
    guint which = 0;

    for (guint i = 0; i < DVS_SESSION_TIMERS; i++)
      if (rig->timer[i] && rig->timer[i] < first)
        first = rig->timer[which = i];
    if (first > end)
      break;
    rig->now = MAX (rig->now, first);
    rig->timer[which] = 0;
    dvs_session_timer (rig->session, which);
  }
  rig->now = end;
}

void
rig_picture (Rig *rig, const gchar *path)
{
  DvsPictureFunc done = g_steal_pointer (&rig->picture);
  const gchar *problem = g_steal_pointer (&rig->picture_problem);

  if (!path && !problem)
    problem = DVS_IMAGE_UNDECODABLE;
  if (done && !g_cancellable_is_cancelled (rig->picture_cancellable))
    done (rig->picture_user, g_strdup (path), problem);
}

/* ---- the trace ---- */

gchar *
rig_type (const gchar *line)
{
  static const gchar begin[] = "{\"type\":\"";
  const gchar *end;

  if (!g_str_has_prefix (line, begin))
    return g_strdup (line);
  line += strlen (begin);
  end = strchr (line, '"');
  g_assert_nonnull (end);
  return g_strndup (line, (gsize)(end - line));
}

static gboolean
line_is (const gchar *line, const gchar *wanted)
{
  gchar *type;
  gboolean same;

  if (*wanted == '{')
    return strcmp (line, wanted) == 0;
  type = rig_type (line);
  same = strcmp (type, wanted) == 0;
  g_free (type);
  return same;
}

void
rig_expect (Rig *rig, ...)
{
  const gchar *wanted, *line;
  va_list list;

  va_start (list, rig);
  while ((wanted = va_arg (list, const gchar *))) {
    line = rig->seen < rig->trace->len
               ? g_ptr_array_index (rig->trace, rig->seen)
               : "(nothing)";
    if (!line_is (line, wanted))
      g_error ("expected %s\n     but is %s", wanted, line);
    rig->seen++;
  }
  va_end (list);
  if (rig->seen < rig->trace->len)
    g_error ("nothing more was expected, but there is %s",
        (gchar *)g_ptr_array_index (rig->trace, rig->seen));
}

void
rig_skip (Rig *rig)
{
  rig->seen = rig->trace->len;
}

guint
rig_count (Rig *rig, guint from, const gchar *type)
{
  guint n = 0;

  for (guint i = from; i < rig->trace->len; i++)
    n += line_is (g_ptr_array_index (rig->trace, i), type);
  return n;
}

const gchar *
rig_logged (Rig *rig, const gchar *event)
{
  for (guint i = 0; i < rig->logs->len; i += 2)
    if (strcmp (g_ptr_array_index (rig->logs, i), event) == 0)
      return g_ptr_array_index (rig->logs, i + 1);
  return NULL;
}

gchar *
rig_last (Rig *rig)
{
  return rig->trace->len ? g_ptr_array_index (rig->trace, rig->trace->len - 1)
                         : NULL;
}
