/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prompts taken apart and put together: see writer-private.h.
 *
 * A prompt of the writer's is a shot, the subject, and sentences from its
 * tables; those it recognises again, so that a change replaces what it must and
 * leaves the rest word for word. A prompt of somebody else's is kept as it is.
 */
#include "writer-private.h"

#include <string.h>

#define MAX_SENTENCE_BYTES 2000

guint
writer_hash (const gchar *text)
{
  guint32 h = 2166136261u;

  for (; *text; text++)
    h = (h ^ (guchar)*text) * 16777619u;
  h ^= h >> 15;
  return h;
}

gchar *
writer_capital (const gchar *text)
{
  gunichar c = g_utf8_get_char (text);
  GString *out = g_string_new (NULL);

  if (c) {
    g_string_append_unichar (out, g_unichar_toupper (c));
    g_string_append (out, g_utf8_next_char (text));
  }
  return g_string_free (out, FALSE);
}

static gboolean
is_stop (gunichar c)
{
  return c == '.' || c == '!' || c == '?' || c == 0x3002 || c == 0xff01 ||
         c == 0xff1f || c == 0x2026;
}

gchar *
writer_phrase (const gchar *text, gsize max)
{
  const gchar *end = text + strlen (text);
  gchar *phrase;

  if (strlen (text) > max) {
    const gchar *space;

    end = g_utf8_find_prev_char (text, text + max + 1);
    space = g_strrstr_len (text, end - text, " ");
    if (space && space > text + max / 2)
      end = space;
  }
  while (end > text) {
    const gchar *last = g_utf8_prev_char (end);
    gunichar c = g_utf8_get_char (last);

    if (!is_stop (c) && !g_unichar_isspace (c) && !strchr (",;:", *last))
      break;
    end = last;
  }
  phrase = g_strndup (text, end - text);
  return g_strchug (phrase);
}

/* "Mr.", "St.", an initial: the full stop ends no sentence. */
static gboolean
is_short (const gchar *from, const gchar *stop)
{
  const gchar *word = stop;

  while (word > from && g_ascii_isalpha (word[-1]))
    word--;
  return *stop == '.' && word < stop && stop - word <= 3 &&
         g_ascii_isupper (*word) && (word == from || word[-1] == ' ');
}

GPtrArray *
draft_sentences (const gchar *text)
{
  GPtrArray *sentences = g_ptr_array_new_with_free_func (g_free);
  const gchar *from = text, *p = text;

  while (*p) {
    gunichar c = g_utf8_get_char (p);
    const gchar *next = g_utf8_next_char (p);
    gunichar then = g_utf8_get_char (next);
    gboolean ends =
        c == '\n' || (is_stop (c) && !is_stop (then) &&
                         (c > 0x3000 || !then || g_unichar_isspace (then)) &&
                         !is_short (from, p));

    if (ends || !then) {
      gchar *sentence = g_strstrip (g_strndup (from, next - from));

      if (sentence[0])
        g_ptr_array_add (sentences, sentence);
      else
        g_free (sentence);
      from = next;
    }
    p = next;
  }
  return sentences;
}

static void
add_sentence (GPtrArray *body, const gchar *text)
{
  const gchar *end = text + strlen (text);

  if (end == text)
    return;
  if (is_stop (g_utf8_get_char (g_utf8_prev_char (end))))
    g_ptr_array_add (body, g_strdup (text));
  else
    g_ptr_array_add (body, g_strconcat (text, ".", NULL));
}

void
draft_say (Draft *draft, const gchar *format, ...)
{
  va_list args;
  gchar *text;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  add_sentence (draft->body, text);
  g_free (text);
}

void
draft_set (Draft *draft, SceneKind kind, guint value)
{
  draft->scene.is[kind] = (guint8)value;
  draft->changed |= 1u << kind;
}

/* A story has its beats; what goes on beyond it stays in the middle. */
static guint
beat_of (guint index)
{
  return index < SEGMENTS ? index : 1 + (index - SEGMENTS) % (SEGMENTS - 2);
}

void
draft_init (Draft *draft, const gchar *subject, guint index, const Scene *scene)
{
  gchar *phrase = writer_phrase (subject, MAX_SENTENCE_BYTES);

  memset (draft, 0, sizeof *draft);
  draft->body = g_ptr_array_new_with_free_func (g_free);
  add_sentence (draft->body, phrase[0] ? phrase : "a place seen in a dream");
  g_free (phrase);
  draft->scene = *scene;
  draft->own = TRUE;
  draft->beat = index;
  draft->shot = g_strdup (line_shot (
      beat_of (index), writer_hash (draft->body->pdata[0]) + index / SEGMENTS));
}

void
draft_clear (Draft *draft)
{
  g_clear_pointer (&draft->shot, g_free);
  g_clear_pointer (&draft->body, g_ptr_array_unref);
}

/* Takes one of our sentences into the scene; FALSE: it is none. */
static gboolean
read_line (Scene *scene, const gchar *sentence)
{
  static const gint8 kinds[] = {[LINE_PLACE] = SCENE_PLACE,
      [LINE_LIGHT] = SCENE_TIME,
      [LINE_WEATHER] = SCENE_WEATHER,
      [LINE_SEASON] = SCENE_SEASON,
      [LINE_PACE] = SCENE_PACE,
      [LINE_MOOD] = SCENE_MOOD};
  guint value;
  LineKind kind = line_find (sentence, &value);

  if (kind == LINE_NONE)
    return FALSE;
  if (kind != LINE_BEAT && kind != LINE_SOUND)
    scene->is[kinds[kind]] = (guint8)value;
  return TRUE;
}

/* Splits our shot from the first sentence. */
static void
read_shot (Draft *draft)
{
  const gchar *first = draft->body->pdata[0];
  const gchar *colon = strstr (first, ": ");
  gchar *shot, *rest;

  if (!colon)
    return;
  shot = g_strndup (first, colon - first);
  if (!line_is_shot (shot)) {
    g_free (shot);
    return;
  }
  draft->shot = shot;
  rest = g_strdup (colon + 2);
  g_free (draft->body->pdata[0]);
  draft->body->pdata[0] = rest;
}

void
draft_read (Draft *draft, const gchar *prompt, guint index)
{
  GPtrArray *sentences = draft_sentences (prompt);
  Scene scene = {{0}};
  guint ours = 0;

  memset (draft, 0, sizeof *draft);
  draft->beat = index;
  draft->body = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < sentences->len; i++) {
    if (i > 0 && read_line (&scene, sentences->pdata[i]))
      ours++;
    else
      g_ptr_array_add (draft->body, g_strdup (sentences->pdata[i]));
  }
  g_ptr_array_unref (sentences);
  draft->own = ours >= 2;
  if (draft->own) {
    draft->scene = scene;
    read_shot (draft);
    return;
  }
  g_ptr_array_set_size (draft->body, 0);
  add_sentence (draft->body, prompt);
  scene_read (&draft->scene, prompt);
}

gchar *
draft_subject (const Draft *draft)
{
  const gchar *text = draft->body->len > 0 ? draft->body->pdata[0] : "";
  GPtrArray *sentences;
  gchar *subject;

  if (draft->own)
    return writer_phrase (text, MAX_SENTENCE_BYTES);
  sentences = draft_sentences (text);
  subject = writer_phrase (
      sentences->len > 0 ? sentences->pdata[0] : text, MAX_SENTENCE_BYTES);
  g_ptr_array_unref (sentences);
  return subject;
}

static void
append (GString *out, const gchar *sentence)
{
  if (!sentence)
    return;
  if (out->len > 0)
    g_string_append_c (out, ' ');
  g_string_append (out, sentence);
}

/* Whether @kind is said in so many words. */
static gboolean
says (const Draft *draft, SceneKind kind)
{
  return draft->scene.is[kind] && (draft->own || (draft->changed & 1u << kind));
}

gchar *
draft_write (const Draft *draft)
{
  const guint8 *is = draft->scene.is;
  guint place = is[SCENE_PLACE];
  guint seed = draft->body->len > 0 ? writer_hash (draft->body->pdata[0]) : 0;
  guint v = draft->beat + seed;
  gboolean open = place_is_open (place);
  GString *out = g_string_new (NULL);

  if (draft->shot)
    g_string_append_printf (out, "%s:", draft->shot);
  for (guint i = 0; i < draft->body->len; i++)
    append (out, draft->body->pdata[i]);
  if (says (draft, SCENE_PLACE))
    append (out, line_place (place, v));
  if (draft->own)
    append (out, line_beat (beat_of (draft->beat),
                     (seed >> 4) + draft->beat / SEGMENTS));
  if (says (draft, SCENE_TIME) || (draft->own && !open))
    append (out, line_light (place, is[SCENE_TIME], draft->beat + (seed >> 8)));
  if (says (draft, SCENE_SEASON))
    append (out, line_season (is[SCENE_SEASON], v));
  if (says (draft, SCENE_WEATHER))
    append (out, line_weather (is[SCENE_WEATHER], draft->beat));
  if (says (draft, SCENE_PACE))
    append (out, line_pace (is[SCENE_PACE], v));
  if (says (draft, SCENE_MOOD))
    append (out, line_mood (is[SCENE_MOOD], v));
  if (draft->own || says (draft, SCENE_WEATHER))
    append (out, line_sound (&draft->scene, draft->beat + (seed >> 12)));
  return g_string_free (out, FALSE);
}
