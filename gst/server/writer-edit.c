/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Changing prompts as a person asks for it: "make it night and add rain",
 * "replace the whale with a boat", "slower", "no people", "zoom in".
 * What is no such request is said as it is, as a sentence of every prompt.
 */
#include "writer-private.h"

#include <string.h>

#define MAX_PHRASE_BYTES 400
#define MAX_REQUESTS 8 /* of one instruction; a person makes two or three */
#define MAX_MATCHES 50 /* of a word in one sentence */

/* Verbs that begin a request. */
static const gchar verbs[] =
    "^(?:please\\s+|now\\s+|then\\s+|also\\s+|just\\s+)*"
    "(make|add|include|insert|replace|swap|exchange|substitute|change|turn|"
    "transform|remove|delete|drop|without|no|set|switch|use|put|give|let|zoom|"
    "pan|move|slow|speed|less|more|get rid of|take out|instead)\\b";

/* The subject in requests that mean all of it. */
static const gchar it_all[] =
    "^(?:it|this|that|them|everything|all|the (?:scene|shot|shots|video|mood|"
    "weather|time|time of day|setting|season|light|lighting|pace|place|"
    "location|style|look|whole thing|background))$";

/* How views are asked for, and the shot that gives them. */
static const struct {
  const gchar *pattern, *shot;
} cameras[] = {
    {"\\bzoom(ing)? out\\b|\\bpull(ing)? back\\b|\\bfurther away\\b",
        "Wide shot, the camera pulling back"},
    {"\\bclose[- ]?ups?\\b|\\bzoom(ing)? in\\b|\\bcloser\\b|\\bmacro\\b",
        "Close-up with shallow focus, the camera creeping forward"},
    {"\\baerial\\b|\\bdrone\\b|\\bfrom above\\b|\\bbird'?s[- ]eye\\b",
        "Aerial shot, the camera flying forward overhead"},
    {"\\bpan(ning)? (to the )?left\\b", "Medium shot, the camera panning left"},
    {"\\bpan(ning)? (to the )?right\\b",
        "Medium shot, the camera panning to the right"},
    {"\\bwide (shot|angle|view)\\b|\\bwide-angle\\b",
        "Wide shot, the camera gliding slowly forward"},
    {"\\b(static|fixed|locked[- ]off|still) (camera|shot)\\b|"
     "\\bcamera (stays|is) still\\b",
        "Medium shot, the camera motionless"},
    {"\\bhand-?held\\b", "Handheld medium shot, the camera moving forward"},
};

static gboolean
matches (const gchar *pattern, const gchar *text)
{
  return g_regex_match_simple (pattern, text, G_REGEX_CASELESS, 0);
}

/* The groups of @pattern in @text; NULL: it does not match. */
static gchar **
groups (const gchar *pattern, const gchar *text)
{
  GRegex *regex = g_regex_new (pattern, G_REGEX_CASELESS, 0, NULL);
  GMatchInfo *info = NULL;
  gchar **found = NULL;

  if (g_regex_match (regex, text, 0, &info))
    found = g_match_info_fetch_all (info);
  g_match_info_free (info);
  g_regex_unref (regex);
  return found;
}

/* ---- replacing and removing ---- */

/* "the whales" is about "whale"; NULL: about nothing. */
static gchar *
core (const gchar *text)
{
  gchar *phrase = writer_phrase (text, MAX_PHRASE_BYTES);
  gchar **found = groups ("^(?:(?:the|an?|some|all|any|this|that|his|her|its|"
                          "their|more)\\s+)*(.+)$",
      phrase);
  gchar *own = found ? g_strdup (found[1]) : NULL;
  gsize n = own ? strlen (own) : 0;

  if (n > 4 && own[n - 1] == 's' && own[n - 2] != 's')
    own[n - 1] = '\0';
  g_strfreev (found);
  g_free (phrase);
  return own;
}

/* A pattern for @what as a word, with an article before it (1) and a plural
 * (2). */
static GRegex *
word_regex (const gchar *what)
{
  gchar *escaped = g_regex_escape_string (what, -1);
  gchar *pattern = g_strdup_printf (
      "(?<![\\p{L}\\p{N}])(?:(an?)\\s+)?%s(e?s)?(?![\\p{L}\\p{N}])", escaped);
  GRegex *regex = g_regex_new (pattern, G_REGEX_CASELESS, 0, NULL);

  g_free (pattern);
  g_free (escaped);
  return regex;
}

typedef struct {
  const gchar *other;
  guint matches;
} Other;

/* How the other word stands where a match did; TRUE: that was the last. */
static gboolean
put_other (const GMatchInfo *info, GString *out, gpointer user)
{
  Other *state = user;
  const gchar *other = state->other;
  gchar *all = g_match_info_fetch (info, 0);
  gchar *article = g_match_info_fetch (info, 1);
  gchar *plural = g_match_info_fetch (info, 2);
  gboolean capital = g_unichar_isupper (g_utf8_get_char (all));
  GString *text = g_string_new (NULL);
  gchar *fitting;

  if (article && article[0])
    g_string_append (text, strchr ("aeiouAEIOU", other[0]) ? "an " : "a ");
  g_string_append (text, other);
  if (plural && plural[0] && !g_str_has_suffix (other, "s"))
    g_string_append_c (text, 's');
  fitting = capital ? writer_capital (text->str) : g_strdup (text->str);
  g_string_append (out, fitting);
  g_free (fitting);
  g_string_free (text, TRUE);
  g_free (all);
  g_free (article);
  g_free (plural);
  return ++state->matches == MAX_MATCHES;
}

static void
set_body (Draft *draft, guint i, gchar *text)
{
  g_free (draft->body->pdata[i]);
  draft->body->pdata[i] = text;
}

/* FALSE: @draft has no match of @regex. */
static gboolean
replace_words (Draft *draft, const GRegex *regex, const gchar *to)
{
  gboolean found = FALSE;

  for (guint i = 0; i < draft->body->len; i++) {
    const gchar *text = draft->body->pdata[i];
    Other other = {to, 0};
    gchar *changed;

    if (!g_regex_match (regex, text, 0, NULL))
      continue;
    changed =
        g_regex_replace_eval (regex, text, -1, 0, 0, put_other, &other, NULL);
    if (changed)
      set_body (draft, i, changed);
    found = TRUE;
  }
  return found;
}

static void
edit_replace (Draft *drafts, guint n, const gchar *from, const gchar *to)
{
  gchar *what = core (from), *phrase = writer_phrase (to, MAX_PHRASE_BYTES);
  gchar **found = groups ("^(?:an?|the|some)\\s+(.+)$", phrase);
  const gchar *other = found ? found[1] : phrase;
  GRegex *regex = what ? word_regex (what) : NULL;

  for (guint i = 0; i < n; i++)
    if (!regex || !replace_words (&drafts[i], regex, other))
      draft_say (&drafts[i], "In the picture now: %s", phrase);
  if (regex)
    g_regex_unref (regex);
  g_strfreev (found);
  g_free (phrase);
  g_free (what);
}

/* A pattern for @what, with the word that ties it to others. */
static GRegex *
tie_regex (const gchar *what)
{
  gchar *escaped = g_regex_escape_string (what, -1);
  gchar *pattern = g_strdup_printf (
      "^(?:(?:an?|the|some)\\s+)?%s(?:e?s)?(?:,|\\s+and|\\s+with)\\s+|"
      "(?:,?\\s+(?:and|with|plus|in|under|during|through)\\b|,)?\\s*"
      "(?:\\b(?:an?|the|some|[a-z]+ing)\\s+)*"
      "(?<![\\p{L}\\p{N}])%s(?:e?s)?(?![\\p{L}\\p{N}])",
      escaped, escaped);
  GRegex *regex = g_regex_new (pattern, G_REGEX_CASELESS, 0, NULL);

  g_free (pattern);
  g_free (escaped);
  return regex;
}

/* Takes what @regex matches out of the first sentence; whole sentences about
 * it go. */
static void
remove_words (Draft *draft, const GRegex *regex, const gchar *what)
{
  gchar *less, *left;

  for (guint i = draft->body->len; i > 1; i--)
    if (g_regex_match (regex, draft->body->pdata[i - 1], 0, NULL))
      g_ptr_array_remove_index (draft->body, i - 1);
  if (!g_regex_match (regex, draft->body->pdata[0], 0, NULL))
    return;
  less = g_regex_replace_literal (
      regex, draft->body->pdata[0], -1, 0, "", 0, NULL);
  left = less ? writer_phrase (less, strlen (less)) : NULL;
  if (left && strlen (left) > 3)
    set_body (draft, 0, g_strconcat (left, ".", NULL));
  else
    draft_say (draft, "There is no %s to be seen", what);
  g_free (left);
  g_free (less);
}

static void
edit_remove (Draft *drafts, guint n, const gchar *text)
{
  gchar *what = core (text);
  GRegex *regex = what ? tie_regex (what) : NULL;
  Scene scene;

  scene_read (&scene, text);
  for (guint i = 0; i < n; i++) {
    if (scene.is[SCENE_WEATHER])
      draft_set (&drafts[i], SCENE_WEATHER, WEATHER_CLEAR);
    if (scene.is[SCENE_SEASON])
      draft_set (&drafts[i], SCENE_SEASON, 0);
    if (scene.is[SCENE_PACE])
      draft_set (&drafts[i], SCENE_PACE, 0);
    if (scene.is[SCENE_MOOD])
      draft_set (&drafts[i], SCENE_MOOD, 0);
    if (regex)
      remove_words (&drafts[i], regex, what);
  }
  if (regex)
    g_regex_unref (regex);
  g_free (what);
}

/* ---- the scene ---- */

/* Sets what @scene says; a subject that says otherwise is reworded. */
static void
edit_scene (Draft *drafts, guint n, const Scene *scene)
{
  for (guint i = 0; i < n; i++) {
    for (SceneKind kind = 0; kind < N_SCENE_KINDS; kind++) {
      guint value = scene->is[kind];

      if (value == 0 || (kind == SCENE_PLACE && scene->assumed))
        continue;
      draft_set (&drafts[i], kind, value);
      if (kind != SCENE_TIME && kind != SCENE_WEATHER)
        continue;
      for (guint j = 0; j < drafts[i].body->len; j++)
        set_body (&drafts[i], j,
            scene_reword (drafts[i].body->pdata[j], kind, value));
    }
  }
}

static gboolean
edit_camera (Draft *drafts, guint n, const gchar *text)
{
  for (guint c = 0; c < G_N_ELEMENTS (cameras); c++) {
    if (!matches (cameras[c].pattern, text))
      continue;
    for (guint i = 0; i < n; i++) {
      if (drafts[i].own || drafts[i].shot) {
        g_free (drafts[i].shot);
        drafts[i].shot = g_strdup (cameras[c].shot);
      } else {
        draft_say (&drafts[i], "%s", cameras[c].shot);
      }
    }
    return TRUE;
  }
  return FALSE;
}

/* ---- one request ---- */

static void
edit_add (Draft *drafts, guint n, const gchar *what)
{
  gchar *text = writer_phrase (what, MAX_PHRASE_BYTES);

  for (guint i = 0; i < n; i++) {
    if (i == 0)
      draft_say (&drafts[i], "Newly in the picture: %s", text);
    else if (i % 2)
      draft_say (&drafts[i], "Also in the picture: %s", text);
    else
      draft_say (&drafts[i], "Close by as before: %s", text);
  }
  g_free (text);
}

/* Whatever else it is: said in each prompt. */
static void
edit_say (Draft *drafts, guint n, const gchar *text)
{
  gchar *phrase = writer_phrase (text, MAX_PHRASE_BYTES);
  gchar **quality = groups (
      "^(?:please\\s+)?(?:make|let|have|keep|set|turn|give)\\s+(?:it|them|this|"
      "that|everything|all of it)(?:\\s+(?:be|all|look|feel))?\\s+(.+)$",
      phrase);
  gchar *capital = writer_capital (phrase);

  for (guint i = 0; i < n; i++) {
    if (quality)
      draft_say (&drafts[i], "All of it is now %s", quality[1]);
    else
      draft_say (&drafts[i], "%s", capital);
  }
  g_free (capital);
  g_strfreev (quality);
  g_free (phrase);
}

/* From and to of a request to replace; FALSE: it is none. */
static gboolean
read_replace (const gchar *text, gchar **from, gchar **to)
{
  static const struct {
    const gchar *pattern;
    guint from, to;
  } forms[] = {
      {"^(?:please\\s+)?(?:replace|swap|exchange|substitute)\\s+(.+?)\\s+(?:"
       "with|"
       "for|by)\\s+(.+)$",
          1, 2},
      {"^(?:please\\s+)?(?:change|turn|transform)\\s+(.+?)\\s+(?:into|to)\\s+(."
       "+)$",
          1, 2},
      {"^(?:please\\s+)?make\\s+((?:the|this|that)\\s+\\S+)\\s+((?:an?|the)\\s+"
       ".+)$",
          1, 2},
      {"^(?:please\\s+)?(?:use\\s+|have\\s+|with\\s+|make "
       "it\\s+|put\\s+)?(.+?)\\s+"
       "instead of\\s+(.+)$",
          2, 1},
      {"^(.+?)\\s*(?:->|→|=>)\\s*(.+)$", 1, 2},
  };

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    gchar **found = groups (forms[i].pattern, text);

    if (!found)
      continue;
    *from = g_strdup (found[forms[i].from]);
    *to = g_strdup (found[forms[i].to]);
    g_strfreev (found);
    return TRUE;
  }
  return FALSE;
}

static void
edit_one (Draft *drafts, guint n, const gchar *text)
{
  gchar *from, *to, **found;
  Scene scene;

  if (read_replace (text, &from, &to)) {
    /* "change the weather to rain" is no replacement; nor is "day to night". */
    if (matches (it_all, from))
      edit_one (drafts, n, to);
    else if (scene_is_all (from) && scene_is_all (to))
      edit_one (drafts, n, to);
    else
      edit_replace (drafts, n, from, to);
    g_free (from);
    g_free (to);
    return;
  }
  found =
      groups ("^(?:please\\s+)?(?:remove|delete|drop|without|no more|no|get "
              "rid of|take out|lose)\\s+(.+)$",
          text);
  if (found) {
    edit_remove (drafts, n, found[1]);
    g_strfreev (found);
    return;
  }
  scene_read (&scene, text);
  if (scene_is_all (text)) {
    edit_scene (drafts, n, &scene);
    return;
  }
  if (edit_camera (drafts, n, text))
    return;
  found = groups ("^(?:please\\s+|also\\s+)?(?:add|include|insert|put in|show|"
                  "give (?:it|them|him|her)|there (?:should|must) be)\\s+(?:in "
                  ")?(.+)$",
      text);
  if (found) {
    /* "add a lighthouse in the rain": the rain too, but no other place. */
    scene.is[SCENE_PLACE] = 0;
    edit_scene (drafts, n, &scene);
    edit_add (drafts, n, found[1]);
    g_strfreev (found);
    return;
  }
  edit_scene (drafts, n, &scene);
  edit_say (drafts, n, text);
}

/* Requests are joined by full stops, commas and "and"; a comma or "and" within
 * one is told by what follows: no verb and nothing of the scene. */
void
draft_edit (Draft *drafts, guint n, const gchar *instruction)
{
  GRegex *regex = g_regex_new (
      "\\s*(?:[.;]+(?:\\s+|$)|[。；]+\\s*|,\\s*(?:and\\s+|then\\s+|but\\s+)?|"
      "\\s+(?:and|then|but)\\s+)",
      G_REGEX_CASELESS, 0, NULL);
  GString *request = g_string_new (NULL);
  const gchar *at = instruction;
  GMatchInfo *info = NULL;
  guint requests = 0;
  gboolean more;

  g_regex_match (regex, instruction, 0, &info);
  do {
    gint from = 0, to = 0;
    gchar *next;

    more = g_match_info_matches (info) &&
           g_match_info_fetch_pos (info, 0, &from, &to);
    g_string_append_len (
        request, at, more ? from - (at - instruction) : (gssize)strlen (at));
    next = g_strdup (more ? instruction + to : "");
    next[strcspn (next, ",.;")] = '\0';
    if (!more || matches (verbs, next) || scene_is_all (next) ||
        (instruction[from] != ',' && instruction[from] != ' ')) {
      g_strstrip (request->str);
      request->len = strlen (request->str);
      if (request->len > 0 && requests++ < MAX_REQUESTS)
        edit_one (drafts, n, request->str);
      g_string_truncate (request, 0);
    } else {
      g_string_append_len (request, instruction + from, to - from);
    }
    g_free (next);
    at = instruction + to;
    if (more)
      g_match_info_next (info, NULL);
  } while (more);
  g_match_info_free (info);
  g_regex_unref (regex);
  g_string_free (request, TRUE);
}

gboolean
draft_is_edit (const gchar *text)
{
  gchar *from, *to;

  if (scene_is_all (text) || matches (verbs, text))
    return TRUE;
  if (!read_replace (text, &from, &to))
    return FALSE;
  g_free (from);
  g_free (to);
  return TRUE;
}
