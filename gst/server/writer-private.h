/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Inside the writer: what it reads out of texts, and the sentences it has.
 *
 * Threads: no shared state.
 */
#ifndef DVS_WRITER_PRIVATE_H
#define DVS_WRITER_PRIVATE_H

#include <glib.h>

#define SEGMENTS 6 /* of a new rollout: as many beats as a story has */

/* What a scene is made of. */
typedef enum {
  SCENE_PLACE,
  SCENE_TIME,
  SCENE_WEATHER,
  SCENE_SEASON,
  SCENE_PACE,
  SCENE_MOOD,
  N_SCENE_KINDS
} SceneKind;

/* 0 is "not said" for every kind. */
enum {
  PLACE_SEA = 1,
  PLACE_BEACH,
  PLACE_LAKE,
  PLACE_RIVER,
  PLACE_FOREST,
  PLACE_MOUNTAINS,
  PLACE_MEADOW,
  PLACE_DESERT,
  PLACE_CANYON,
  PLACE_ICE,
  PLACE_CITY,
  PLACE_VILLAGE,
  PLACE_SPACE,
  PLACE_VOLCANO,
  PLACE_SKY,
  PLACE_UNDERWATER,
  PLACE_INDOORS,
  N_PLACES
};
enum {
  TIME_DAWN = 1,
  TIME_MORNING,
  TIME_DAY,
  TIME_GOLDEN,
  TIME_SUNSET,
  TIME_DUSK,
  TIME_NIGHT,
  N_TIMES
};
enum {
  WEATHER_CLEAR = 1,
  WEATHER_WIND,
  WEATHER_CLOUDS,
  WEATHER_RAIN,
  WEATHER_STORM,
  WEATHER_SNOW,
  WEATHER_FOG,
  N_WEATHERS
};
enum {
  SEASON_SPRING = 1,
  SEASON_SUMMER,
  SEASON_AUTUMN,
  SEASON_WINTER,
  N_SEASONS
};
enum { PACE_SLOW = 1, PACE_FAST, N_PACES };
enum { MOOD_CALM = 1, MOOD_JOY, MOOD_DREAD, MOOD_EPIC, MOOD_SAD, N_MOODS };

typedef struct {
  guint8 is[N_SCENE_KINDS];
  guint8 last_time; /* the last that was named, where two were */
  gboolean assumed; /* the place is what the subject makes one think of */
} Scene;

/* ---- reading ---- */

/* What @text says of a scene, in any of the languages that are known. */
void scene_read (Scene *scene, const gchar *text);
/* Whether @text is nothing but such words and those that go between them. */
gboolean scene_is_all (const gchar *text);
/* @text with the words for @kind, in the sense of a time or a weather, made
 * those for @value. */
gchar *scene_reword (const gchar *text, SceneKind kind, guint value);

/* @text in words: lower case, without punctuation. */
gchar **scene_words (const gchar *text);

/* ---- writing ---- */

typedef enum {
  LINE_NONE, /* none of ours */
  LINE_PLACE,
  LINE_LIGHT,
  LINE_WEATHER,
  LINE_SEASON,
  LINE_PACE,
  LINE_MOOD,
  LINE_BEAT,
  LINE_SOUND
} LineKind;

/* How beat @beat is shot; variants repeat. */
const gchar *line_shot (guint beat, guint variant);
gboolean line_is_shot (const gchar *text);
const gchar *line_beat (guint beat, guint variant);
/* NULL: nothing is to be said. */
const gchar *line_place (guint place, guint variant);
const gchar *line_light (guint place, guint time, guint variant);
const gchar *line_weather (guint weather, guint variant);
const gchar *line_season (guint season, guint variant);
const gchar *line_pace (guint pace, guint variant);
const gchar *line_mood (guint mood, guint variant);
const gchar *line_sound (const Scene *scene, guint variant);
/* Whose sentence @text is, and the value it was written for. */
LineKind line_find (const gchar *text, guint *value);

/* Where a rollout has no weather there of its own. */
gboolean place_is_open (guint place);

/* ---- drafts: a prompt taken apart ---- */

typedef struct {
  gchar *shot;     /* NULL: the text has its own, or none */
  GPtrArray *body; /* sentences that are not ours; the first is the subject */
  Scene scene;
  gboolean own;  /* the writer's: put together anew from @scene. Else what
                  * changed is added to @body */
  guint changed; /* bits of SceneKind */
  guint beat;
} Draft;

/* The sentences of @text, trimmed, with what ends them. */
GPtrArray *draft_sentences (const gchar *text);
void draft_read (Draft *draft, const gchar *prompt, guint index);
/* One of ours that shows @subject as segment @index of @scene. */
void draft_init (
    Draft *draft, const gchar *subject, guint index, const Scene *scene);
void draft_clear (Draft *draft);
gchar *draft_write (const Draft *draft);
/* The subject without a full stop. */
gchar *draft_subject (const Draft *draft);
/* Adds a sentence; a full stop if it has no end. */
void draft_say (Draft *draft, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
void draft_set (Draft *draft, SceneKind kind, guint value);

guint writer_hash (const gchar *text);
/* @text with its first letter in upper case. */
gchar *writer_capital (const gchar *text);
/* @text without what ends a sentence, at most @max bytes, cut between words. */
gchar *writer_phrase (const gchar *text, gsize max);

/* Carries out what @instruction asks for on @n drafts. */
void draft_edit (Draft *drafts, guint n, const gchar *instruction);
/* Whether @text asks for a change rather than describing something. */
gboolean draft_is_edit (const gchar *text);

#endif
