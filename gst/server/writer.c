/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The writer that is built in: see writer.h.
 */
#include "writer.h"

#include <string.h>

#include "answer.h"
#include "prompts.h"
#include "writer-private.h"

#define MAX_INSTRUCTION_BYTES 1000
#define MAX_LABEL_BYTES 48
#define MAX_STORY_BYTES 300 /* what reminds of the story's beginning */

G_STATIC_ASSERT (DVS_WRITER_SEGMENTS == SEGMENTS);

/* "Please make me a short video of …". */
static const gchar request[] =
    "^(?:please\\s+)?(?:(?:can|could|would|will) you\\s+)?(?:please\\s+)?"
    "(?:(?:i want|i'd like|i would like|let me)(?:\\s+to)?(?:\\s+see)?\\s+|"
    "(?:show|imagine|generate|create|draw|film|picture|render|visuali[sz]e|"
    "give|"
    "make|produce|write)\\s+(?:me|us)\\s+|"
    "(?:show|imagine|generate|create|draw|render|visuali[sz]e)\\s+|"
    "(?:make|produce|write|do)\\s+(?=(?:an?|the|some)\\s+(?:[\\w-]+\\s+){0,2}"
    "(?:video|clip|movie|film|animation|story|rollout)\\b))?"
    "(?:(?:(?:an?|the|some)\\s+)?(?:[\\w-]+\\s+){0,2}?(?:video|clip|movie|film|"
    "animation|story|rollout|footage)s?\\s+(?:of|about|showing|with|where|in "
    "which)\\s+)?";
static const gchar request_verb[] =
    "^(?:please|can|could|would|will|i want|i'd like|i would like|let me|show|"
    "imagine|generate|create|draw|film|picture|render|visuali[sz]e|give|make|"
    "produce|write|an?\\s+(?:[\\w-]+\\s+){0,2}(?:video|clip|movie|film|"
    "animation|"
    "story|footage)s?\\s+(?:of|about|showing)|(?:video|clip|movie|film|"
    "animation|story|footage)s?\\s+(?:of|about|showing))\\b";

/* A view that the user names: it is the first shot. */
static const gchar view[] =
    "^(?:an?\\s+)?((?:(?:extreme|slow|cinematic|low|high|long|full|very)\\s+)*"
    "(?:aerial|drone|close-?up|close|wide|medium|tracking|establishing|pov|"
    "macro|"
    "overhead|low-angle|high-angle|panoramic|slow-motion|bird's-eye|handheld|"
    "dolly|time-?lapse)(?:[\\s-]+(?:shot|view|footage|angle|perspective))?)"
    "\\s+of\\s+(.+)$";

/* How light goes on where no time is named; two segments each. */
static const guint8 courses[][3] = {{TIME_DAWN, TIME_MORNING, TIME_DAY},
    {TIME_DAY, TIME_GOLDEN, TIME_SUNSET}, {TIME_SUNSET, TIME_DUSK, TIME_NIGHT}};

/* How the weather goes on where none is named. */
static const guint8 weather_course[SEGMENTS] = {
    0, 0, WEATHER_WIND, WEATHER_CLOUDS, WEATHER_WIND, 0};

/* Places that suit most subjects. */
static const guint8 usual_places[] = {
    PLACE_MEADOW, PLACE_LAKE, PLACE_MOUNTAINS, PLACE_BEACH};

/* @text as it can be read; never NULL. */
static gchar *
tidy (const gchar *text, gsize max)
{
  gchar *whole = dvs_answer_clean (text, G_MAXSIZE), *cut;

  if (!whole)
    return g_strdup ("");
  if (strlen (whole) <= max)
    return whole;
  cut = writer_phrase (whole, max);
  g_free (whole);
  return cut;
}

/* What the user wants to see, without the asking. */
static gchar *
without_request (gchar *text)
{
  GRegex *regex;
  gchar *rest;

  if (!g_regex_match_simple (request_verb, text, G_REGEX_CASELESS, 0))
    return text;
  regex = g_regex_new (request, G_REGEX_CASELESS, 0, NULL);
  rest = g_regex_replace_literal (regex, text, -1, 0, "", 0, NULL);
  g_regex_unref (regex);
  if (!rest || !rest[0]) {
    g_free (rest);
    return text;
  }
  g_free (text);
  return rest;
}

/* Splits a view off @text; NULL: it names none. */
static gchar *
take_view (gchar **text)
{
  GRegex *regex = g_regex_new (view, G_REGEX_CASELESS, 0, NULL);
  GMatchInfo *info = NULL;
  gchar *shot = NULL, *rest = NULL;

  if (g_regex_match (regex, *text, 0, &info)) {
    gchar *name = g_match_info_fetch (info, 1);

    shot = writer_capital (name);
    rest = g_match_info_fetch (info, 2);
    g_free (name);
  }
  g_match_info_free (info);
  g_regex_unref (regex);
  if (rest) {
    g_free (*text);
    *text = rest;
  }
  return shot;
}

/* What nobody said and every scene has: a place. */
static void
complete_scene (Scene *scene, guint seed)
{
  if (scene->is[SCENE_PLACE] == 0)
    scene->is[SCENE_PLACE] = usual_places[seed % G_N_ELEMENTS (usual_places)];
}

/* The scene of segment @index of a rollout whose text says @scene. */
static Scene
scene_at (const Scene *scene, guint index, guint seed)
{
  Scene now = *scene;
  guint from = scene->is[SCENE_TIME], to = scene->last_time;
  gboolean open = place_is_open (scene->is[SCENE_PLACE]);

  if (from == 0) {
    now.is[SCENE_TIME] =
        courses[(seed >> 6) % G_N_ELEMENTS (courses)][index * 3 / SEGMENTS];
  } else if (to != from) {
    guint steps = (to + N_TIMES - 1 - from) % (N_TIMES - 1);

    now.is[SCENE_TIME] =
        (guint8)(1 + (from - 1 + (steps * index + 2) / (SEGMENTS - 1)) %
                         (N_TIMES - 1));
  }
  if (open && scene->is[SCENE_WEATHER] == 0 && scene->is[SCENE_SEASON] == 0)
    now.is[SCENE_WEATHER] = weather_course[index];
  return now;
}

/* A title from the first words of the subject. */
static gchar *
title (const gchar *subject)
{
  static const gchar article[] = "^(?:an?|the)\\s+";
  GRegex *regex = g_regex_new (article, G_REGEX_CASELESS, 0, NULL);
  gchar *bare = g_regex_replace_literal (regex, subject, -1, 0, "", 0, NULL);
  gchar *phrase =
      writer_phrase (bare && bare[0] ? bare : subject, MAX_LABEL_BYTES);
  gchar *label = writer_capital (phrase[0] ? phrase : "Dreamscape");

  g_regex_unref (regex);
  g_free (bare);
  g_free (phrase);
  return label;
}

/* A prompt as long as one may be. */
static gchar *
finish (Draft *draft)
{
  gchar *text = draft_write (draft), *cut;

  draft_clear (draft);
  if (strlen (text) <= DVS_PROMPT_MAX)
    return text;
  cut = writer_phrase (text, DVS_PROMPT_MAX);
  g_free (text);
  return cut;
}

/* The sentences of a longer text go over the segments in their order. */
static void
tell_story (
    Draft *draft, const GPtrArray *story, guint index, const Scene *scene)
{
  guint n = story->len;
  guint from = index * n / SEGMENTS, to = (index + 1) * n / SEGMENTS;
  gchar *beginning = writer_phrase (story->pdata[0], MAX_STORY_BYTES);

  draft_init (draft, story->pdata[from], index, scene);
  for (guint i = from + 1; i < to; i++)
    draft_say (draft, "%s", (const gchar *)story->pdata[i]);
  if (from > 0)
    draft_say (draft, "It is all one scene: %s", beginning);
  g_free (beginning);
}

gchar **
dvs_writer_rollout (const gchar *text, gchar **label)
{
  gchar *subject = without_request (tidy (text, DVS_PROMPT_MAX / 2));
  gchar *shot = take_view (&subject);
  gchar **prompts = g_new0 (gchar *, SEGMENTS + 1);
  guint seed = writer_hash (subject);
  GPtrArray *story = draft_sentences (subject);
  Scene scene;

  scene_read (&scene, subject);
  complete_scene (&scene, seed);
  for (guint i = 0; i < SEGMENTS; i++) {
    Scene now = scene_at (&scene, i, seed);
    Draft draft;

    if (story->len > 1)
      tell_story (&draft, story, i, &now);
    else
      draft_init (&draft, subject, i, &now);
    if (i == 0 && shot) {
      g_free (draft.shot);
      draft.shot = g_strdup (shot);
    }
    prompts[i] = finish (&draft);
  }
  *label = title (story->len > 0 ? story->pdata[0] : "");
  g_ptr_array_unref (story);
  g_free (shot);
  g_free (subject);
  return prompts;
}

/* A draft that goes on where @last left off. */
static void
go_on (Draft *draft, const Draft *last, guint index)
{
  gchar *subject = draft_subject (last);
  Scene scene = last->scene;

  complete_scene (&scene, writer_hash (subject));
  if (scene.is[SCENE_TIME] == 0)
    scene.is[SCENE_TIME] = TIME_DAY;
  draft_init (draft, subject, index, &scene);
  for (guint i = 1; last->own && i < last->body->len; i++)
    draft_say (draft, "%s", (const gchar *)last->body->pdata[i]);
  g_free (subject);
}

/* Whether entry @i is none of the user's: clients fill their list up with a
 * sentence of their own, over and over. */
static gboolean
is_filler (gchar **prompts, guint i)
{
  if (i == 0)
    return FALSE;
  if (!prompts[i][0])
    return TRUE;
  for (guint j = 0; prompts[j]; j++)
    if (j != i && strcmp (prompts[i], prompts[j]) == 0)
      return TRUE;
  return FALSE;
}

gchar **
dvs_writer_edit (const gchar *instruction, const gchar *const *prompts)
{
  guint n = g_strv_length ((gchar **)prompts);
  gchar **texts = g_new0 (gchar *, n + 1);
  gchar **edited = g_new0 (gchar *, n + 1);
  Draft *drafts = g_new0 (Draft, n);
  gchar *wanted = tidy (instruction, MAX_INSTRUCTION_BYTES);

  for (guint i = 0; i < n; i++)
    texts[i] = tidy (prompts[i], DVS_PROMPT_MAX);
  for (guint i = 0; i < n; i++) {
    if (is_filler (texts, i))
      go_on (&drafts[i], &drafts[i - 1], i);
    else
      draft_read (&drafts[i],
          texts[i][0] ? texts[i]
          : wanted[0] ? wanted
                      : "A place seen in a dream.",
          i);
  }
  draft_edit (drafts, n, wanted);
  for (guint i = 0; i < n; i++)
    edited[i] = finish (&drafts[i]);
  g_free (wanted);
  g_strfreev (texts);
  g_free (drafts);
  return edited;
}

/* The draft of what follows @locked. */
static void
extend (Draft *draft, const gchar *const *locked, guint index)
{
  guint n = g_strv_length ((gchar **)locked);
  gchar *text = tidy (locked[n - 1], DVS_PROMPT_MAX);
  Draft last;

  draft_read (&last, text, n - 1);
  go_on (draft, &last, index);
  draft_clear (&last);
  g_free (text);
  /* Where the time has moved, it moves on, every other segment. */
  if (n > 1 && index % 2 == 0) {
    Draft first;

    text = tidy (locked[0], DVS_PROMPT_MAX);
    draft_read (&first, text, 0);
    if (first.scene.is[SCENE_TIME] &&
        first.scene.is[SCENE_TIME] != draft->scene.is[SCENE_TIME])
      draft->scene.is[SCENE_TIME] =
          (guint8)(1 + draft->scene.is[SCENE_TIME] % (N_TIMES - 1));
    draft_clear (&first);
    g_free (text);
  }
}

gchar *
dvs_writer_extend (const gchar *const *locked)
{
  Draft draft;

  extend (&draft, locked, g_strv_length ((gchar **)locked));
  return finish (&draft);
}

/* What @text doesn't say is as it was. */
static void
inherit (Scene *scene, const Scene *before)
{
  for (SceneKind kind = 0; kind < N_SCENE_KINDS; kind++)
    if (scene->is[kind] == 0 || (kind == SCENE_PLACE && scene->assumed &&
                                    before->is[kind] && !before->assumed))
      scene->is[kind] = before->is[kind];
}

gchar *
dvs_writer_enhance (
    const gchar *text, const gchar *const *locked, guint next_index)
{
  gboolean follows = locked && locked[0];
  guint index = next_index > 0 ? next_index - 1 : 0;
  gchar *wanted = tidy (text, DVS_PROMPT_MAX / 2), *shot;
  GPtrArray *sentences;
  Draft draft, before;
  Scene scene;

  if (follows && draft_is_edit (wanted)) {
    extend (&draft, locked, index);
    draft_edit (&draft, 1, wanted);
    g_free (wanted);
    return finish (&draft);
  }
  wanted = without_request (wanted);
  shot = take_view (&wanted);
  scene_read (&scene, wanted);
  if (follows) {
    extend (&before, locked, index);
    inherit (&scene, &before.scene);
  }
  complete_scene (&scene, writer_hash (wanted));
  if (scene.is[SCENE_TIME] == 0)
    scene.is[SCENE_TIME] =
        courses[writer_hash (wanted) % G_N_ELEMENTS (courses)][1];
  sentences = draft_sentences (wanted);
  draft_init (
      &draft, sentences->len > 0 ? sentences->pdata[0] : "", index, &scene);
  for (guint i = 1; i < sentences->len; i++)
    draft_say (&draft, "%s", (const gchar *)sentences->pdata[i]);
  g_ptr_array_unref (sentences);
  if (shot) {
    g_free (draft.shot);
    draft.shot = shot;
  }
  if (follows) {
    gchar *subject = draft_subject (&before);
    gchar *phrase = writer_phrase (subject, MAX_STORY_BYTES);

    if (!strstr (wanted, phrase))
      draft_say (&draft, "It is still the scene of before: %s", phrase);
    g_free (phrase);
    g_free (subject);
    draft_clear (&before);
  }
  g_free (wanted);
  return finish (&draft);
}
