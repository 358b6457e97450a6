/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A walk through a session: see session-walk.h.
 */
#include "session-walk.h"

#include <stdio.h>
#include <string.h>

#include "session-rig.h"

/* Segments that may be on their way between generation and the link. */
#define ROOM 2

typedef enum { IDLE, ASKED, MAKING, DONE } Making;

/* What is on its way to the link, in order. */
typedef struct {
  enum { SEGMENT, NEXT_EPOCH, THE_END } kind;
  guint epoch, index;
  gboolean aborted;
} Media;

typedef struct {
  Rig *rig;
  const guint8 *data, *end;
  guint seen; /* of the trace */

  /* ---- the slot ---- */
  gboolean running, reset;
  Making making;
  guint epoch, made, limit;
  GQueue media;  /* Media */
  GQueue link;   /* texts; "bytes"; "end" */
  gchar *report; /* of a step: it may come behind its media; NULL */

  /* ---- what the client knows ---- */
  gboolean assigned, stream, completed, project_over;
  guint started, stepped, opened, closed, complete; /* segments of the stream */
  gboolean open, rewriting;
  WalkSum *sum;
} Walk;

static guint
next (Walk *walk)
{
  return walk->data < walk->end ? *walk->data++ : 0;
}

/* ---- the client's rules ---- */

#define RULE(what)                                                             \
  do {                                                                         \
    if (!(what))                                                               \
      g_error ("%s: broken by %s", #what, line);                               \
  } while (0)

static guint
index_of (const gchar *line)
{
  const gchar *at = strstr (line, "\"segment_idx\":");
  guint index = 0;

  if (at)
    sscanf (at, "\"segment_idx\":%u", &index);
  return index;
}

static void
rules_of_streams (Walk *walk, const gchar *type, const gchar *line)
{
  if (strcmp (type, "ltx2_stream_start") == 0) {
    RULE (walk->assigned && !walk->open);
    /* Nothing of the old stream is left. */
    RULE (walk->complete == walk->closed);
    walk->stream = TRUE;
    walk->completed = walk->project_over = FALSE;
    walk->started = walk->stepped = walk->opened = walk->closed =
        walk->complete = 0;
    walk->sum->streams++;
  } else if (strcmp (type, "ltx2_stream_complete") == 0) {
    RULE (walk->stream && !walk->completed && !walk->open);
    RULE (walk->complete == walk->stepped);
    walk->completed = TRUE;
    walk->sum->completes++;
  } else if (strcmp (type, "project_idle") == 0) {
    RULE (walk->assigned && !walk->open);
    RULE (!walk->stream || walk->completed);
    walk->project_over = TRUE;
    walk->stream = FALSE;
    walk->sum->idles++;
  } else if (strcmp (type, "gpu_assigned") == 0) {
    RULE (!walk->assigned);
    walk->assigned = TRUE;
  }
}

static void
rules_of_segments (Walk *walk, const gchar *type, const gchar *line)
{
  if (strcmp (type, "ltx2_segment_start") == 0) {
    RULE (walk->stream && !walk->completed);
    RULE (walk->stepped == walk->started);
    RULE (index_of (line) == ++walk->started);
  } else if (strcmp (type, "step_complete") == 0) {
    RULE (walk->stream && ++walk->stepped == walk->started);
  } else if (strcmp (type, "media_init") == 0) {
    RULE (walk->stream && !walk->completed && !walk->open);
    RULE (walk->complete == walk->closed);
    RULE (index_of (line) == ++walk->opened && walk->opened <= walk->started);
    walk->open = TRUE;
  } else if (strncmp (type, "bytes", 5) == 0) {
    RULE (walk->open);
  } else if (strcmp (type, "media_segment_complete") == 0) {
    RULE (walk->open && index_of (line) == ++walk->closed);
    walk->open = FALSE;
  } else if (strcmp (type, "ltx2_segment_complete") == 0) {
    RULE (index_of (line) == ++walk->complete);
    RULE (walk->complete == walk->closed && walk->complete <= walk->stepped);
    walk->sum->segments++;
  }
}

static void
rules (Walk *walk, const gchar *line)
{
  gchar *type = rig_type (line);

  rules_of_streams (walk, type, line);
  rules_of_segments (walk, type, line);
  if (strcmp (type, "error") == 0) {
    walk->sum->errors++;
    /* This slot gives no reason for it. */
    RULE (!strstr (line, "out of sequence") &&
          !strstr (line, "another segment") &&
          !strstr (line, "before its media"));
  }
  g_free (type);
}

/* ---- the slot ---- */

static void
push_media (Walk *walk, guint kind, gboolean aborted)
{
  Media *media = g_new0 (Media, 1);

  media->kind = kind;
  media->epoch = walk->epoch;
  media->index = walk->made + 1;
  media->aborted = aborted;
  g_queue_push_tail (&walk->media, media);
}

static void
push_link (Walk *walk, const gchar *format, guint index, guint epoch)
{
  g_queue_push_tail (
      &walk->link, g_strdup_printf (format, index, index, epoch, epoch));
}

static void
report_step (Walk *walk)
{
  if (walk->report)
    g_queue_push_tail (&walk->link, g_steal_pointer (&walk->report));
}

static void
slot_clear (Walk *walk)
{
  g_clear_pointer (&walk->report, g_free);
  g_queue_clear_full (&walk->media, g_free);
  g_queue_clear_full (&walk->link, g_free);
  walk->running = walk->reset = FALSE;
  walk->making = IDLE;
  walk->epoch = 1;
  walk->made = 0;
}

static void
slot_asked (Walk *walk, const gchar *line)
{
  if (sscanf (line, "> start %u", &walk->limit) == 1) {
    slot_clear (walk);
    walk->running = TRUE;
  } else if (strcmp (line, "> free") == 0) {
    slot_clear (walk);
  } else if (strcmp (line, "> reset") == 0) {
    walk->reset = TRUE;
  } else if (g_str_has_prefix (line, "> generate")) {
    if (walk->reset || walk->making != ASKED)
      return;
    walk->making = MAKING;
    report_step (walk);
    push_link (walk,
        "{\"type\":\"ltx2_segment_start\",\"segment_idx\":%u,"
        "\"stream_id\":\"seg%03u-%08x\",\"epoch\":%u}",
        walk->made + 1, walk->epoch);
  } else if (g_str_has_prefix (line, "> end")) {
    if (walk->reset || walk->making != ASKED)
      return;
    walk->making = DONE;
    push_media (walk, THE_END, FALSE);
  }
}

static guint
segments_under_way (Walk *walk)
{
  guint n = 0;

  for (GList *l = walk->media.head; l; l = l->next)
    n += ((Media *)l->data)->kind == SEGMENT;
  return n;
}

static void
take_reset (Walk *walk)
{
  report_step (walk);
  walk->reset = FALSE;
  push_media (walk, NEXT_EPOCH, FALSE);
  walk->epoch++;
  walk->made = 0;
  walk->making = IDLE;
}

#define OF_SEGMENT                                                             \
  "\"segment_idx\":%u,\"stream_id\":\"seg%03u-%08x\",\"epoch\":%u"

/* Generation goes one step on. */
static void
slot_make (Walk *walk)
{
  if (!walk->running || walk->making == DONE)
    return;
  if (walk->making == MAKING && walk->reset && next (walk) % 4) {
    if (next (walk) % 2)
      push_media (walk, SEGMENT, TRUE);
    take_reset (walk);
    return;
  }
  switch (walk->making) {
    case MAKING:
      walk->report =
          g_strdup_printf ("{\"type\":\"step_complete\",\"latency_ms\":{"
                           "\"worker_e2e\":3.5}," OF_SEGMENT "}",
              walk->made + 1, walk->made + 1, walk->epoch, walk->epoch);
      push_media (walk, SEGMENT, FALSE);
      walk->made++;
      walk->making = IDLE;
      break;
    case ASKED:
      if (walk->reset)
        take_reset (walk);
      break;
    default:
      if (walk->reset) {
        take_reset (walk);
      } else if (walk->limit && walk->made >= walk->limit) {
        walk->making = DONE;
        push_media (walk, THE_END, FALSE);
      } else if (segments_under_way (walk) < ROOM) {
        walk->making = ASKED;
        rig_ask (walk->rig, walk->epoch, walk->made + 1);
        report_step (walk);
      }
  }
}

/* Media goes one step on, onto the link. */
static void
slot_encode (Walk *walk)
{
  Media *media = g_queue_pop_head (&walk->media);
  guint n;

  if (!media)
    return;
  if (media->kind == SEGMENT) {
    push_link (walk, "{\"type\":\"media_init\",\"mime\":\"m\"," OF_SEGMENT "}",
        media->index, media->epoch);
    for (n = 1 + next (walk) % 3; n; n--)
      g_queue_push_tail (&walk->link, g_strdup ("bytes"));
    push_link (walk,
        media->aborted ? "{\"type\":\"media_segment_complete\","
                         "\"aborted\":true," OF_SEGMENT "}"
                       : "{\"type\":\"media_segment_complete\"," OF_SEGMENT "}",
        media->index, media->epoch);
    if (!media->aborted)
      push_link (walk, "{\"type\":\"ltx2_segment_complete\"," OF_SEGMENT "}",
          media->index, media->epoch);
  } else if (media->kind == NEXT_EPOCH) {
    g_queue_push_tail (&walk->link,
        g_strdup_printf (
            "{\"type\":\"ltx2_stream_complete\",\"epoch\":%u}", media->epoch));
    g_queue_push_tail (&walk->link,
        g_strdup_printf (
            "{\"type\":\"ltx2_stream_start\",\"epoch\":%u}", media->epoch + 1));
  } else {
    report_step (walk);
    g_queue_push_tail (&walk->link, g_strdup ("end"));
  }
  g_free (media);
}

static void
slot_relay (Walk *walk, guint n)
{
  if (n % 3 == 0)
    report_step (walk);
  for (; n && walk->running && walk->rig->reading; n--) {
    gchar *text = g_queue_pop_head (&walk->link);

    if (!text)
      return;
    if (strcmp (text, "bytes") == 0) {
      rig_bytes (walk->rig, 4);
    } else if (strcmp (text, "end") == 0) {
      walk->running = FALSE;
      rig_run_ends (walk->rig, NULL);
    } else {
      rig_event (walk->rig, "%s", text);
    }
    g_free (text);
    if (dvs_session_over (walk->rig->session))
      return;
    /* A run that was begun by this has a link of its own. */
    if (!walk->running)
      return;
  }
}

/* ---- steps ---- */

#define IMAGE ",\"initial_image\":{\"data_url\":\"data:image/png;base64,AAAA\"}"
#define CLIP_WITH_IMAGE                                                        \
  "{\"type\":\"simple_generate\",\"prompt\":\"c\",\"enhancement_enabled\":"    \
  "false" IMAGE "}"
#define CLIP_PROJECT                                                           \
  "{\"type\":\"project_init_v1\",\"curated_prompts\":[\"a\"],"                 \
  "\"single_clip_mode\":true}"
#define IMAGE_PROJECT                                                          \
  "{\"type\":\"project_init_v1\",\"curated_prompts\":[\"a\"]" IMAGE "}"
#define IMAGE_INIT ",\"curated_prompts\":[\"a\"]" IMAGE

static const gchar *const messages[] = {
    "{\"type\":\"append_prompt\",\"prompt\":\"p\"}",
    "{\"type\":\"rewrite_seed_prompts\",\"rewrite_instruction\":\"i\"}",
    "{\"type\":\"reset_to_seed_prompts\"}",
    "{\"type\":\"restart_generation\"}",
    "{\"type\":\"set_generation_paused\",\"paused\":true}",
    "{\"type\":\"set_generation_paused\",\"paused\":false}",
    "{\"type\":\"set_loop_generation\",\"enabled\":true}",
    "{\"type\":\"set_loop_generation\",\"enabled\":false}",
    "{\"type\":\"set_auto_extension\",\"enabled\":true}",
    "{\"type\":\"set_auto_extension\",\"enabled\":false}",
    "{\"type\":\"set_enhancement\",\"enabled\":true}",
    "{\"type\":\"set_enhancement\",\"enabled\":false}",
    "{\"type\":\"simple_generate\",\"prompt\":\"c\"}",
    CLIP_WITH_IMAGE,
    "{\"type\":\"end_project_keep_session\"}",
    "{\"type\":\"project_init_v1\",\"curated_prompts\":[\"a\",\"b\"]}",
    "{\"type\":\"project_init_v1\",\"initial_rollout_prompt\":\"w\"}",
    CLIP_PROJECT,
    IMAGE_PROJECT,
    "{\"type\":\"set_rewrite_model\"}",
    "{\"type\":\"set_rewrite_temperature\",\"rewrite_temperature\":2}",
};

static const gchar *const inits[] = {
    ",\"curated_prompts\":[\"a\",\"b\"]",
    ",\"initial_rollout_prompt\":\"w\"",
    ",\"curated_prompts\":[\"a\"],\"single_clip_mode\":true",
    ",\"curated_prompts\":[\"a\"],\"loop_generation_enabled\":true",
    ",\"auto_extension_enabled\":true",
    IMAGE_INIT,
};

static void
answer (Walk *walk)
{
  static const gchar *const prompts[] = {"1", "2", "3", NULL};
  DvsPrompts *services = &walk->rig->prompts;
  RigCall *check = &services->check;
  gboolean good = next (walk) % 4 != 0;

  for (guint i = 0; i < G_N_ELEMENTS (services->more_checks); i++)
    if (!check->pending)
      check = &services->more_checks[i];
  if (check->pending)
    rig_verdict (check, 1, good ? NULL : "No.");
  else if (services->rewrite.pending && good)
    rig_answer_rewrite (&services->rewrite, prompts);
  else if (services->rewrite.pending)
    rig_answer (&services->rewrite, "no", NULL);
  else if (services->enhance.pending)
    rig_answer (&services->enhance, good ? NULL : "no", "e");
  else if (services->extend.pending)
    rig_answer (&services->extend, good ? NULL : "no", "x");
  else
    rig_picture (walk->rig, good ? "/nonexistent/picture.png" : NULL);
}

static void
step (Walk *walk)
{
  Rig *rig = walk->rig;
  guint what = next (walk);

  switch (what % 16) {
    case 0:
    case 1:
      rig_say (rig, messages[next (walk) % G_N_ELEMENTS (messages)]);
      break;
    case 2:
    case 3:
    case 4:
      slot_make (walk);
      break;
    case 5:
    case 6:
      slot_encode (walk);
      break;
    case 7:
    case 8:
    case 9:
      slot_relay (walk, 1 + what / 16);
      break;
    case 10:
    case 11:
      answer (walk);
      break;
    case 12:
      rig_sleep (rig, 10 * next (walk));
      break;
    case 13:
      what = next (walk);
      dvs_session_unsent (rig->session, what < 192 ? what : 8 * what);
      break;
    case 14:
      rig->prompts.checks = next (walk) % 2;
      break;
    default:
      /* Rarely: each ends the session. */
      if (what >= 240 && next (walk) % 4 == 0) {
        walk->running = FALSE;
        rig_run_ends (rig, "the worker died");
      } else if (what >= 224 && next (walk) % 4 == 0) {
        dvs_session_gone (rig->session);
      }
  }
}

/* Looks at what the step led to; TRUE: the session goes on. */
static gboolean
look (Walk *walk)
{
  Rig *rig = walk->rig;

  for (; walk->seen < rig->trace->len; walk->seen++) {
    const gchar *line = g_ptr_array_index (rig->trace, walk->seen);

    rules (walk, line);
    slot_asked (walk, line);
  }
  g_assert_cmpuint (rig->after_close, ==, 0);
  g_assert_cmpuint (rig->closed, <=, 1);
  g_assert_cmpuint (rig->freed, <=, rig->wanted);
  g_assert_cmpuint (rig->wanted, <=, 1);
  if (dvs_session_over (rig->session)) {
    g_assert_cmpuint (rig->freed, ==, rig->wanted);
    return FALSE;
  }
  g_assert_cmpuint (rig->freed, ==, 0);
  return TRUE;
}

void
session_walk (const guint8 *data, gsize size, WalkSum *sum)
{
  Walk walk = {.data = data, .end = data + size, .epoch = 1, .sum = sum};
  guint how;

  memset (sum, 0, sizeof *sum);
  g_queue_init (&walk.media);
  g_queue_init (&walk.link);
  walk.rig = rig_new ();
  how = next (&walk);
  walk.rig->settings.segment_cap = how % 4;
  walk.rig->settings.first_media_delay_ms = how & 16 ? 300 : 0;
  rig_begin (walk.rig);
  rig_init (walk.rig, inits[next (&walk) % G_N_ELEMENTS (inits)]);
  while (look (&walk) && walk.data < walk.end) {
    if (walk.rig->wanted && !walk.assigned) {
      walk.rig->has_slot = TRUE;
      dvs_session_assigned (walk.rig->session, 0);
    } else {
      step (&walk);
    }
  }
  slot_clear (&walk);
  rig_free (walk.rig);
}
