/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is done next, looked at whenever something has changed: the segment
 * loop of the protocol (session protocol, section 6), with generation and media
 * apart (section 10).
 *
 * A stream of the client's is one epoch of a run.  A stream starts anew as a
 * reset of the run, at a boundary; or as a new run where the old one has ended
 * or cannot take another start image.  Either way only when the media of the
 * old stream is out.
 */
#include "session-private.h"

guint
dvs_session_cap (const DvsSession *session)
{
  return session->single_clip ? 0 : session->settings->segment_cap;
}

gboolean
dvs_session_clip_done (const DvsSession *session)
{
  return session->single_clip && session->index > 0 && !session->step;
}

/* ---- the run ---- */

/* A run, so that it asks for its first prompt as early as may be. */
static gboolean
ensure_run (DvsSession *session)
{
  DvsRun run = {0, session->image};
  gboolean started;

  if (session->run != DVS_RUN_NONE)
    return TRUE;
  g_clear_pointer (&session->told_next, g_free);
  /* Of a stream that goes on from others the end is not known yet. */
  if (session->single_clip)
    run.segments = 1;
  else if (session->generated == 0)
    run.segments = session->settings->segment_cap;
  started = session->host.start_run (session->user, &run);
  if (!started) {
    dvs_session_fail (session, "the slot is not ready");
    return FALSE;
  }
  session->run = DVS_RUN_GOING;
  session->run_image = session->image_serial;
  session->used = session->resetting = session->question = FALSE;
  session->epoch = session->began = 0;
  session->open = NULL;
  session->skipping = FALSE;
  session->reading = TRUE;
  dvs_session_update_reading (session);
  return TRUE;
}

/* Nothing of the running segment has reached the client: nobody misses it. If
 * the next one is asked for it is done, but for the telling. */
static gboolean
may_cancel (const DvsSession *session)
{
  return session->step && !session->step->opened && !session->question;
}

/* A question that was asked before a reset is void. */
static gboolean
question_counts (const DvsSession *session)
{
  return session->question &&
         (!session->resetting || session->question_epoch > session->epoch);
}

/* Asks for a new epoch; the segment that is being made is not told of any
 * more. */
static void
ask_reset (DvsSession *session)
{
  if (session->step) {
    session->step->cancelled = TRUE;
    session->step = NULL;
    dvs_session_observe (session, DVS_COUNT_ABORTED, 1);
  }
  session->question = FALSE;
  session->resetting = TRUE;
  session->host.reset (session->user);
}

/* Brings the run to its end; TRUE: it is there, and its media with it. */
static gboolean
run_at_end (DvsSession *session)
{
  if (session->run == DVS_RUN_NONE)
    return TRUE;
  if (session->run == DVS_RUN_ENDING)
    return FALSE;
  if (question_counts (session) && !session->step) {
    session->run = DVS_RUN_ENDING;
    session->question = session->resetting = FALSE;
    session->host.end (
        session->user, session->question_epoch, session->question_index);
  } else if (may_cancel (session) && !session->resetting) {
    ask_reset (session);
  }
  return FALSE;
}

/* Brings the run to where a new stream may begin; TRUE: it is there. */
static gboolean
run_at_start (DvsSession *session)
{
  if (session->run == DVS_RUN_NONE)
    return TRUE;
  if (session->run == DVS_RUN_ENDING ||
      session->run_image != session->image_serial)
    return run_at_end (session);
  if (session->resetting) {
    if (!question_counts (session) || session->began < session->question_epoch)
      return FALSE;
    session->resetting = session->used = FALSE;
    session->epoch = session->question_epoch;
    return TRUE;
  }
  if (!session->used)
    return TRUE;
  if (!session->step || may_cancel (session))
    ask_reset (session);
  return FALSE;
}

/* ---- streams ---- */

static void
start_stream (DvsSession *session)
{
  DvsReset reason = session->reset;
  guint n_raw, n_ready;

  session->reset = DVS_RESET_NONE;
  dvs_session_segments_clear (session);
  dvs_session_auto_cancel (session);
  dvs_session_drop_prompts (session, &n_raw, &n_ready);
  g_strfreev (session->playing);
  session->playing = g_strdupv (session->seeds);
  session->next_seed = session->index = 0;
  g_ptr_array_set_size (session->locked, 0);
  session->auto_failed = 0;
  session->dry = session->told_dry = session->cap_wait = FALSE;
  session->seed_due = reason != DVS_RESET_INIT && !session->clip;
  if (reason != DVS_RESET_INIT)
    session->iteration++;
  session->stream = TRUE;
  session->stream_from = session->host.now (session->user);
  dvs_tell_stream_start (session);
  dvs_tell_reset (session, reason, n_raw, n_ready);
  if (session->clip && session->clip_ready)
    g_queue_push_tail (&session->ready, g_steal_pointer (&session->clip));
  else if (session->clip)
    g_queue_push_tail (&session->raw, g_steal_pointer (&session->clip));
  dvs_session_enhance_next (session);
}

static void
complete_stream (DvsSession *session)
{
  session->finishing = FALSE;
  if (!session->stream)
    return;
  session->stream = FALSE;
  dvs_tell_stream_complete (session);
}

/* No further segment may be made in this stream. */
static gboolean
reach_cap (DvsSession *session)
{
  session->cap_wait = session->finishing = TRUE;
  if (session->loop) {
    session->loop = FALSE;
    dvs_tell_switch (session, "loop_generation_updated", FALSE);
  }
  return TRUE;
}

static gboolean
end_project (DvsSession *session)
{
  guint n_raw, n_ready;

  dvs_session_auto_cancel (session);
  /* The segment that runs is finished, unless nobody has seen any of it. */
  if (!run_at_end (session))
    return FALSE;
  if (session->enhancing)
    g_queue_push_head (&session->raw, g_steal_pointer (&session->enhancing));
  dvs_session_enhance_cancel (session);
  dvs_session_drop_prompts (session, &n_raw, &n_ready);
  g_clear_pointer (&session->clip, dvs_prompt_free);
  complete_stream (session);
  session->project = session->ending = FALSE;
  session->reset = DVS_RESET_NONE;
  session->index = 0;
  g_strfreev (session->seeds);
  session->seeds = g_new0 (gchar *, 1);
  dvs_tell_project_idle (session, n_raw, n_ready);
  return FALSE;
}

/* ---- segments ---- */

static void
generate (DvsSession *session)
{
  DvsPrompt *prompt;
  DvsSegment *segment;
  JsonObject *fields;

  if (session->epoch == 0)
    session->epoch = session->question_epoch;
  if (session->question_epoch != session->epoch ||
      session->question_index != session->index + 1) {
    dvs_session_fail (session, "the generator is at another segment");
    return;
  }
  prompt = dvs_session_take_prompt (session);
  if (session->dry || session->told_dry)
    dvs_tell_resumed (session, prompt);
  session->dry = session->told_dry = FALSE;
  session->question = FALSE;
  session->used = TRUE;
  segment = g_new0 (DvsSegment, 1);
  segment->index = ++session->index;
  segment->total = MAX (segment->index, g_strv_length (session->playing));
  segment->asked = session->host.now (session->user);
  g_queue_push_tail (&session->segments, segment);
  session->step = segment;
  g_ptr_array_add (session->locked, g_strdup (prompt->prompt));
  dvs_tell_segment (session, segment, prompt);
  fields = json_object_new ();
  json_object_set_int_member (fields, "segment_idx", segment->index);
  dvs_log (session, "segment_start", fields);
  session->host.generate (session->user, session->epoch, segment->index,
      prompt->prompt, prompt->id);
  dvs_prompt_free (prompt);
}

static void
tell_blocked (DvsSession *session)
{
  GString *text;

  if (session->told_dry || session->single_clip)
    return;
  session->told_dry = TRUE;
  text = dvs_text_begin ("prompt_sources_blocked");
  dvs_text_int (text, "segment_idx", session->index + 1);
  dvs_tell (session, text);
}

/* At a boundary: a prompt, or what is done without one. */
static gboolean
next_segment (DvsSession *session)
{
  if (session->step)
    return FALSE;
  if (!dvs_session_has_prompt (session)) {
    if (session->loop && session->seeds[0]) {
      session->reset = DVS_RESET_LOOP;
      return TRUE;
    }
    if (session->auto_extension)
      dvs_session_extend (session);
    else
      tell_blocked (session);
    return FALSE;
  }
  if (session->question && !session->held)
    generate (session);
  return FALSE;
}

/* While a segment is made: which prompt comes next, as far as one can tell. */
static void
tell_next (DvsSession *session)
{
  gchar *next;

  if (!session->step || session->finishing || session->reset != DVS_RESET_NONE)
    return;
  next = dvs_session_next_prompt (session);
  if (next && g_strcmp0 (next, session->told_next) != 0) {
    session->host.prepare (session->user, next);
    g_free (session->told_next);
    session->told_next = g_steal_pointer (&next);
  }
  g_free (next);
}

/* ---- the loop ---- */

/* A clip is complete: the next one has a stream of its own. */
static gboolean
next_clip (DvsSession *session)
{
  if (session->stream) {
    session->finishing = TRUE;
    return TRUE;
  }
  if (session->ready.length == 0)
    return FALSE;
  session->clip = g_queue_pop_head (&session->ready);
  session->clip_ready = TRUE;
  session->reset = DVS_RESET_SIMPLE_GENERATE;
  return TRUE;
}

/* Does one thing; TRUE: there may be another. */
static gboolean
advance (DvsSession *session)
{
  guint cap = dvs_session_cap (session);

  if (session->ending)
    return end_project (session);
  if (!session->project)
    return FALSE;
  if (session->finishing) {
    if (!run_at_end (session))
      return FALSE;
    complete_stream (session);
    return TRUE;
  }
  if (session->await_rollout) {
    ensure_run (session);
    return FALSE;
  }
  if (session->reset != DVS_RESET_NONE) {
    if (!run_at_start (session))
      return FALSE;
    start_stream (session);
    return TRUE;
  }
  if (session->cap_wait)
    return FALSE;
  if (cap && session->generated >= cap && !session->step)
    return reach_cap (session);
  if (dvs_session_clip_done (session))
    return next_clip (session);
  if (!ensure_run (session))
    return FALSE;
  if (session->paused || (session->rewriting && session->rewrite_restart))
    return FALSE;
  return next_segment (session);
}

void
dvs_session_flow (DvsSession *session)
{
  if (!session->assigned)
    return;
  while (!session->over && advance (session))
    ;
  if (session->over)
    return;
  tell_next (session);
  dvs_session_update_patience (session, FALSE);
}

void
dvs_session_need_prompt (DvsSession *session, guint epoch, guint index)
{
  if (session->over || session->run == DVS_RUN_NONE)
    return;
  session->question = TRUE;
  session->question_epoch = epoch;
  session->question_index = index;
  dvs_session_flow (session);
}
