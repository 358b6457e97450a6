/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the writer: what holds for whatever is asked, what the procedural
 * generator makes of its prompts, and a sample for people to read.
 *
 * WRITER_SAMPLE_OUT=FILE writes the sample anew.
 */
#include <check.h>
#include <stddef.h>
#include <string.h>

#include "procedural/scene.h"
#include "prompts.h"
#include "writer.h"

static const gchar *const texts[] = {
    "a whale",
    "A whale.",
    "two robots playing chess",
    "Ein Leuchtturm an der Küste, nachts im Sturm",
    "鲸鱼在夜空中游泳",
    "夜の東京、雨",
    "рыжая лиса в зимнем лесу",
    "قطة تنام في الشمس",
    "🐳🐳🐳",
    "Mr. Fox runs. He hides in the forest! Where is he? Nobody knows.",
    "100%s of %n and \\1 \"quotes\" {\"json\": [1]}",
    "x",
    "a very long walk through the old town on a rainy evening in autumn with "
    "an umbrella, past lit windows, a cat, a bakery and a church, until the "
    "river comes into view and the rain stops",
};

static gboolean
contains (const gchar *text, const gchar *part)
{
  return strstr (text, part) != NULL;
}

/* What holds for every prompt. */
static void
check_prompt (const gchar *prompt)
{
  ck_assert (g_utf8_validate (prompt, -1, NULL));
  ck_assert_uint_gt (strlen (prompt), 20);
  ck_assert_uint_le (strlen (prompt), DVS_PROMPT_MAX);
  for (const gchar *p = prompt; *p; p++)
    ck_assert_msg (!g_ascii_iscntrl (*p), "'%s'", prompt);
  ck_assert_msg (!contains (prompt, "  ") && !contains (prompt, "..") &&
                     prompt[strlen (prompt) - 1] == '.',
      "'%s'", prompt);
}

static void
check_distinct (gchar **prompts)
{
  for (guint i = 0; prompts[i]; i++)
    for (guint j = i + 1; prompts[j]; j++)
      ck_assert_msg (strcmp (prompts[i], prompts[j]) != 0, "'%s'", prompts[i]);
}

static gchar **
rollout (const gchar *text)
{
  gchar *label = NULL;
  gchar **prompts = dvs_writer_rollout (text, &label);

  ck_assert_uint_eq (g_strv_length (prompts), 6);
  ck_assert (label && label[0] && strlen (label) <= 64);
  ck_assert (g_utf8_validate (label, -1, NULL));
  g_free (label);
  return prompts;
}

static void
rollouts_case (guint which)
{
  const gchar *text = texts[which];
  gchar **prompts = rollout (text), **again = rollout (text);
  gchar *subject = g_strdup (text), *stop;

  /* The subject: the first sentence. */
  stop = strstr (subject, ". He");
  subject[stop ? (gsize)(stop - subject) : strlen (subject)] = '\0';
  if (g_str_has_suffix (subject, "."))
    subject[strlen (subject) - 1] = '\0';
  for (guint i = 0; i < 6; i++) {
    check_prompt (prompts[i]);
    ck_assert_msg (
        contains (prompts[i], subject), "'%s': '%s'", text, prompts[i]);
    ck_assert_str_eq (prompts[i], again[i]);
  }
  check_distinct (prompts);
  g_free (subject);
  g_strfreev (prompts);
  g_strfreev (again);
}

START_TEST (rollouts)
{
  for (guint which = 0; which < G_N_ELEMENTS (texts); which++)
    rollouts_case (which);
}
END_TEST

START_TEST (stories_go_on)
{
  gchar **prompts =
      rollout ("Anna wakes. She packs. She walks. She meets a bear. They "
               "dance. Night comes. Both sleep.");
  static const gchar *const has[] = {"Anna wakes.", "She packs.", "She walks.",
      "She meets a bear.", "They dance.", "Both sleep."};

  for (guint i = 0; i < 6; i++) {
    ck_assert_msg (contains (prompts[i], has[i]), "'%s'", prompts[i]);
    ck_assert (contains (prompts[i], "Anna wakes"));
  }
  g_strfreev (prompts);
}
END_TEST

/* What is asked, and the subject that it comes to. */
static const gchar *const requests[][2] = {
    {"make me a video of a whale", ": a whale."},
    {"Please create a short film about two cats", ": two cats."},
    {"show me a whale", ": a whale."},
    {"Can you generate an animation of a whale?", ": a whale."},
    {"I want to see the moon", ": the moon."},
    {"a video of a whale", ": a whale."},
    {"imagine a city on the moon", ": a city on the moon."},
    {"make pizza", ": make pizza."},
    {"a showman", ": a showman."},
    {"create", ": create."},
    {"drone shot of a castle", ": a castle."},
    {"a wide shot of a castle", ": a castle."},
};

static void
requests_are_taken_off_case (guint which)
{
  gchar **prompts = rollout (requests[which][0]);

  for (guint i = 0; i < 6; i++)
    ck_assert_msg (contains (prompts[i], requests[which][1]), "'%s': '%s'",
        requests[which][0], prompts[i]);
  g_strfreev (prompts);
}

START_TEST (requests_are_taken_off)
{
  for (guint which = 0; which < G_N_ELEMENTS (requests); which++)
    requests_are_taken_off_case (which);
}
END_TEST

START_TEST (nothing_to_write_about)
{
  static const gchar *const nothing[] = {"", " ", "...", "\n\n", "\xff", "?"};

  for (guint i = 0; i < G_N_ELEMENTS (nothing); i++) {
    gchar **prompts = rollout (nothing[i]);

    check_prompt (prompts[0]);
    check_distinct (prompts);
    g_strfreev (prompts);
  }
}
END_TEST

START_TEST (a_text_as_long_as_may_be)
{
  GString *text = g_string_new (NULL);
  gchar **prompts;

  while (text->len < 100000)
    g_string_append (text, "größer and größer. ");
  prompts = rollout (text->str);
  for (guint i = 0; i < 6; i++)
    check_prompt (prompts[i]);
  g_strfreev (prompts);
  g_string_free (text, TRUE);
}
END_TEST

/* ---- what the procedural generator sees ---- */

static DvScene
scene (const gchar *prompt)
{
  DvScene read;

  dv_scene_read (&read, prompt, 0);
  return read;
}

#define FIELD(name) offsetof (DvScene, name)
static const struct {
  const gchar *text;
  size_t field;
  gfloat least, most; /* in all six */
} steered[] = {
    {"a whale", FIELD (sea), 0.8f, 1},
    {"children on the beach", FIELD (sea), 0.8f, 1},
    {"a fox", FIELD (forest), 0.7f, 1},
    {"a dragon", FIELD (mountains), 0.9f, 1},
    {"a taxi", FIELD (city), 0.9f, 1},
    {"a cat in a village", FIELD (village), 0.9f, 1},
    {"a camel", FIELD (desert), 0.9f, 1},
    {"a penguin", FIELD (ice), 0.9f, 1},
    {"an astronaut", FIELD (space), 0.9f, 1},
    {"a canyon", FIELD (canyon), 0.9f, 1},
    {"a volcano", FIELD (volcano), 0.9f, 1},
    {"a horse", FIELD (meadow), 0.9f, 1},
    {"a swan", FIELD (lake), 0.9f, 1},
    {"an otter in the river", FIELD (river), 0.9f, 1},
    {"a mermaid underwater", FIELD (bubbles), 0.8f, 1},
    {"a whale at night", FIELD (sun_height), -1, -0.4f},
    {"eine Katze bei Nacht", FIELD (sun_height), -1, -0.4f},
    {"a horse at noon", FIELD (sun_height), 0.5f, 1},
    {"a horse at sunset", FIELD (sun_height), -0.1f, 0.2f},
    {"a horse in the rain", FIELD (rain), 0.3f, 1},
    {"un caballo bajo la lluvia", FIELD (rain), 0.3f, 1},
    {"雨の中の馬", FIELD (rain), 0.3f, 1},
    {"a storm at sea", FIELD (wind), 0.8f, 1},
    {"a horse in the snow", FIELD (snow), 0.6f, 1},
    {"a horse in the fog", FIELD (fog), 0.7f, 1},
    {"a horse in autumn", FIELD (autumn), 0.9f, 1},
    {"a slow horse", FIELD (speed), 0, 0.2f},
    {"a fast horse", FIELD (speed), 0.7f, 1},
    {"a peaceful horse", FIELD (calm), 0.9f, 1},
    {"a haunted horse", FIELD (dread), 0.3f, 1},
    {"an epic horse", FIELD (awe), 0.9f, 1},
};

static gfloat
value_at (const DvScene *read, size_t field)
{
  gfloat value;

  memcpy (&value, (const gchar *)read + field, sizeof value);
  return value;
}

static void
the_generator_follows_case (guint which)
{
  gchar **prompts = rollout (steered[which].text);

  for (guint i = 0; i < 6; i++) {
    DvScene read = scene (prompts[i]);
    gfloat value = value_at (&read, steered[which].field);

    ck_assert_msg (
        value >= steered[which].least && value <= steered[which].most,
        "%g for '%s'", value, prompts[i]);
  }
  g_strfreev (prompts);
}

START_TEST (the_generator_follows)
{
  for (guint which = 0; which < G_N_ELEMENTS (steered); which++)
    the_generator_follows_case (which);
}
END_TEST

/* Nothing that was not asked for: no autumn, no lava, no rain. */
START_TEST (the_generator_is_not_misled)
{
  static const gchar *const plain[] = {
      "a horse", "a swan", "a whale", "a taxi", "a fox", "a dragon"};

  for (guint j = 0; j < G_N_ELEMENTS (plain); j++) {
    gchar **prompts = rollout (plain[j]);
    gboolean camera[2] = {FALSE, FALSE};

    for (guint i = 0; i < 6; i++) {
      DvScene read = scene (prompts[i]);

      ck_assert_msg (read.autumn == 0 && read.volcano == 0 && read.rain == 0 &&
                         read.snow == 0 && read.fire == 0 && read.fog <= 0.3f &&
                         read.thunder == 0 && read.dread <= 0.3f &&
                         read.space == 0 && read.ice == 0,
          "'%s'", prompts[i]);
      camera[0] |= read.camera_zoom > 0.3f;
      camera[1] |= read.camera_zoom < -0.3f || read.camera_x != 0;
    }
    ck_assert (camera[0] && camera[1]);
    g_strfreev (prompts);
  }
}
END_TEST

START_TEST (light_goes_where_it_is_sent)
{
  gchar **prompts = rollout ("a harbour from dawn to night");

  ck_assert_float_gt (scene (prompts[0]).sun_height, -0.1f);
  ck_assert_float_gt (scene (prompts[2]).sun_height, 0.2f);
  ck_assert_float_lt (scene (prompts[5]).sun_height, -0.4f);
  g_strfreev (prompts);
}
END_TEST

/* ---- changes ---- */

/* What is changed, how, and what each prompt then has and has not. */
static const struct {
  const gchar *text, *instruction, *has, *has_not;
} edits[] = {
    {"a whale", "replace the whale with a boat", ": a boat.", "whale"},
    {"a whale", "change the whale into an orca", ": an orca.", "whale"},
    {"an orca", "swap the orca for a whale", ": a whale.", "orca"},
    {"two whales", "replace the whales with boats", ": two boats.", "whale"},
    {"A whale sings", "make the whale a dolphin", ": A dolphin sings.",
        "whale"},
    {"a whale", "a boat instead of the whale", ": a boat.", "whale"},
    {"a whale", "use a boat instead of a whale", ": a boat.", "whale"},
    {"a whale", "whale -> boat", ": a boat.", "whale"},
    {"a whale", "replace the cat with a dog", "In the picture now: a dog.",
        "a cat."},
    {"a whale and a boat", "remove the boat", ": a whale.", "boat"},
    {"a whale and a boat", "without the whale", ": a boat.", "whale"},
    {"a whale with a hat", "get rid of the hat", ": a whale.", " hat"},
    {"a whale in the rain", "no rain", ": a whale.", "Rain"},
    {"a whale", "remove the whale", "There is no whale to be seen.", "@"},
    {"a whale", "remove the boat", ": a whale.", "boat"},
    {"a whale at sunset", "make it night", ": a whale at night.", "sunset"},
    {"a whale at golden hour", "at night please", ": a whale at night.",
        "olden"},
    {"a sunlit whale", "set the time to midnight", ": a moonlit whale.",
        "sunlit"},
    {"a rainy street", "make it sunny", ": a sunny street.", "rain"},
    {"a whale in the rain", "change the weather to fog",
        ": a whale in the fog.", "ain "},
    {"a whale", "change day to night", ": a whale.", "daylight"},
    {"a whale", "add a red balloon", ": a red balloon.", "@"},
    {"a whale", "add a red balloon and two dogs",
        ": a red balloon and two dogs.", "@"},
    {"a whale", "zoom in", "Close-up with shallow focus", "Wide"},
    {"a whale", "show it from above", "Aerial shot", "Wide"},
    {"a whale", "pan left", "panning left", "Wide"},
    {"a whale", "make it cuter", "All of it is now cuter.", "@"},
    {"a whale", "the whale wears a hat.", "The whale wears a hat.", "@"},
    {"a whale", "%s %n %d", "%s %n %d.", "@"},
    {"a whale", "replace the whale with \\1 (x", ": a \\1 (x.", "whale"},
    {"a whale", "remove whale (", ": a whale.", "@"},
    {"ein Wal", "mach es nachts", ": ein Wal.", "daylight"},
    {"a whale", "make it night and replace the whale with a boat", ": a boat.",
        "whale"},
    {"a whale", "in the forest", "orest", "ocean"},
};

static void
edited_case (guint which)
{
  gchar **prompts = rollout (edits[which].text);
  gchar **changed =
      dvs_writer_edit (edits[which].instruction, (const gchar *const *)prompts);
  gchar **again =
      dvs_writer_edit (edits[which].instruction, (const gchar *const *)prompts);

  ck_assert_uint_eq (g_strv_length (changed), 6);
  for (guint i = 0; i < 6; i++) {
    check_prompt (changed[i]);
    ck_assert_msg (contains (changed[i], edits[which].has) &&
                       !contains (changed[i], edits[which].has_not),
        "'%s': '%s'", edits[which].instruction, changed[i]);
    ck_assert_str_eq (changed[i], again[i]);
  }
  check_distinct (changed);
  g_strfreev (again);
  g_strfreev (changed);
  g_strfreev (prompts);
}

START_TEST (edited)
{
  for (guint which = 0; which < G_N_ELEMENTS (edits); which++)
    edited_case (which);
}
END_TEST

static const struct {
  const gchar *instruction;
  size_t field;
  gfloat least, most;
} steering_edits[] = {
    {"make it night", FIELD (sun_height), -1, -0.4f},
    {"at noon", FIELD (sun_height), 0.5f, 1},
    {"add rain", FIELD (rain), 0.3f, 1},
    {"let it snow", FIELD (snow), 0.6f, 1},
    {"in winter", FIELD (snow), 0.6f, 1},
    {"more fog", FIELD (fog), 0.7f, 1},
    {"slower", FIELD (speed), 0, 0.2f},
    {"much faster", FIELD (speed), 0.7f, 1},
    {"in the desert", FIELD (desert), 0.9f, 1},
    {"make it night, add rain and slow it down", FIELD (rain), 0.3f, 1},
    {"make it night, add rain and slow it down", FIELD (speed), 0, 0.2f},
    {"rain, night, slower", FIELD (sun_height), -1, -0.4f},
    {"make it scarier", FIELD (dread), 0.3f, 1},
};

static void
the_generator_follows_edits_case (guint which)
{
  gchar **prompts = rollout ("a horse");
  gchar **changed = dvs_writer_edit (
      steering_edits[which].instruction, (const gchar *const *)prompts);

  for (guint i = 0; i < 6; i++) {
    DvScene read = scene (changed[i]);
    gfloat value = value_at (&read, steering_edits[which].field);

    ck_assert_msg (value >= steering_edits[which].least &&
                       value <= steering_edits[which].most,
        "%g for '%s'", value, changed[i]);
  }
  g_strfreev (changed);
  g_strfreev (prompts);
}

START_TEST (the_generator_follows_edits)
{
  for (guint which = 0; which < G_N_ELEMENTS (steering_edits); which++)
    the_generator_follows_edits_case (which);
}
END_TEST

START_TEST (an_edit_of_nothing_changes_nothing)
{
  for (guint j = 0; j < G_N_ELEMENTS (texts); j++) {
    gchar **prompts = rollout (texts[j]);
    gchar **same = dvs_writer_edit ("", (const gchar *const *)prompts);

    for (guint i = 0; i < 6; i++)
      ck_assert_str_eq (same[i], prompts[i]);
    g_strfreev (same);
    g_strfreev (prompts);
  }
}
END_TEST

/* Sentences that are not concerned stay as they are. */
START_TEST (an_edit_leaves_the_rest)
{
  gchar **prompts = rollout ("a whale");
  gchar **changed =
      dvs_writer_edit ("make it night", (const gchar *const *)prompts);

  for (guint i = 0; i < 6; i++) {
    gsize n = strcspn (prompts[i], ".");

    ck_assert (strncmp (prompts[i], changed[i], n) == 0);
    ck_assert (contains (changed[i], "night"));
  }
  g_strfreev (changed);
  g_strfreev (prompts);
}
END_TEST

START_TEST (prompts_of_others_are_kept)
{
  static const gchar *const others[] = {
      "A lone astronaut drifts past a window at noon; Earth turns below.",
      "She reaches for the hatch. Her glove slips! Sparks fly.",
      "Continue the scene.", "Continue the scene.", "", NULL};
  gchar **changed = dvs_writer_edit ("make it night and add a cat", others);

  ck_assert_uint_eq (g_strv_length (changed), 5);
  ck_assert (g_str_has_prefix (changed[0],
      "A lone astronaut drifts past a window at night; Earth turns below."));
  ck_assert (g_str_has_prefix (
      changed[1], "She reaches for the hatch. Her glove slips! Sparks fly."));
  for (guint i = 0; i < 5; i++) {
    check_prompt (changed[i]);
    ck_assert (contains (changed[i], ": a cat."));
    ck_assert (!contains (changed[i], "Continue"));
  }
  check_distinct (changed);
  g_strfreev (changed);
}
END_TEST

START_TEST (any_count)
{
  for (guint n = 1; n <= 70; n += 23) {
    gchar **window = g_new0 (gchar *, n + 1), **changed;

    for (guint i = 0; i < n; i++)
      window[i] = g_strdup_printf ("prompt %u", i);
    changed = dvs_writer_edit ("add rain", (const gchar *const *)window);
    ck_assert_uint_eq (g_strv_length (changed), n);
    for (guint i = 0; i < n; i++)
      ck_assert (g_str_has_prefix (changed[i], window[i]));
    g_strfreev (changed);
    g_strfreev (window);
  }
}
END_TEST

/* A client must not keep the server busy. */
START_TEST (eight_requests_at_a_time)
{
  static const gchar *const window[] = {"a whale", NULL};
  GString *instruction = g_string_new (NULL);
  gchar **changed;

  for (guint i = 1; i <= 20; i++)
    g_string_append_printf (instruction, "add a boat number %u. ", i);
  changed = dvs_writer_edit (instruction->str, window);
  ck_assert (contains (changed[0], ": a boat number 8."));
  ck_assert (!contains (changed[0], "number 9"));
  g_strfreev (changed);
  g_string_free (instruction, TRUE);
}
END_TEST

/* Edit after edit, prompts stay prompts. */
START_TEST (edits_upon_edits)
{
  gchar **prompts = rollout ("a whale");

  for (guint round = 0; round < 60; round++) {
    gchar **changed = dvs_writer_edit (
        round % 2 ? "add a boat that is not there yet and a very long rope"
                  : "make it night, replace the whale with a whale",
        (const gchar *const *)prompts);

    for (guint i = 0; i < 6; i++)
      check_prompt (changed[i]);
    g_strfreev (prompts);
    prompts = changed;
  }
  g_strfreev (prompts);
}
END_TEST

/* ---- one after another ---- */

START_TEST (extended)
{
  gchar **prompts = rollout ("a fox in the forest at night");
  const gchar *locked[14] = {prompts[0]};
  gchar *more[14] = {NULL};

  for (guint n = 1; n < 13; n++) {
    more[n] = dvs_writer_extend (locked);
    locked[n] = more[n];
    check_prompt (more[n]);
    ck_assert (contains (more[n], "a fox in the forest at night"));
    ck_assert_float_lt (scene (more[n]).sun_height, -0.4f);
    ck_assert_float_gt (scene (more[n]).forest, 0.7f);
    for (guint i = 0; i < n; i++)
      ck_assert_str_ne (locked[i], more[n]);
  }
  for (guint n = 1; n < 13; n++)
    g_free (more[n]);
  g_strfreev (prompts);
}
END_TEST

START_TEST (extended_from_others)
{
  static const gchar *const locked[] = {
      "An old lighthouse keeper climbs the stairs. Rain beats on the glass.",
      NULL};
  gchar *next = dvs_writer_extend (locked);

  check_prompt (next);
  ck_assert (contains (next, "An old lighthouse keeper climbs the stairs."));
  ck_assert_float_gt (scene (next).rain, 0.3f);
  g_free (next);
}
END_TEST

static const struct {
  const gchar *text, *has, *has_not;
} enhanced[] = {
    {"make it night", "a fox in the forest", "make it"},
    {"add rain", "a fox in the forest", "add rain"},
    {"zoom in", "Close-up", "zoom"},
    {"replace the fox with a bear", ": a bear in the forest.", "fox"},
    {"a red balloon appears", ": a red balloon appears.", "@"},
    {"a red balloon appears", "a fox in the forest", "@"},
    {"show me a red balloon", ": a red balloon.", "show me"},
    {"the fox jumps. It lands.", ": the fox jumps. It lands.", "@"},
    {"drone shot of the river", "Drone shot: the river.", "@"},
    {"狐狸在跳舞", ": 狐狸在跳舞.", "@"},
};

static void
enhanced_in_a_scene_case (guint which)
{
  gchar **prompts = rollout ("a fox in the forest");
  const gchar *locked[] = {prompts[0], prompts[1], NULL};
  gchar *next = dvs_writer_enhance (enhanced[which].text, locked, 3);

  check_prompt (next);
  ck_assert_msg (contains (next, enhanced[which].has) &&
                     !contains (next, enhanced[which].has_not),
      "'%s': '%s'", enhanced[which].text, next);
  /* The place stays. */
  if (!contains (enhanced[which].text, "river"))
    ck_assert_float_gt (scene (next).forest, 0.4f);
  g_free (next);
  g_strfreev (prompts);
}

START_TEST (enhanced_in_a_scene)
{
  for (guint which = 0; which < G_N_ELEMENTS (enhanced); which++)
    enhanced_in_a_scene_case (which);
}
END_TEST

START_TEST (enhanced_alone)
{
  static const gchar *const none[] = {NULL};

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    gchar *alone = dvs_writer_enhance (texts[i], NULL, 1);
    gchar *same = dvs_writer_enhance (texts[i], none, 1);

    check_prompt (alone);
    ck_assert_str_eq (alone, same);
    g_free (alone);
    g_free (same);
  }
}
END_TEST

/* Words from a bag in any order, with bytes between that are none. */
START_TEST (anything_at_all)
{
  static const gchar *const bag[] = {"make", "it", "replace", "with", "and",
      ",", ".", ";", "->", "the", "a", "night", "rain", "zoom in", "no", "\xff",
      "(", ")", "[", "\\", "*", "+", "?", "instead of", "\xe2\x80\xa6", "夜",
      "。", "Sound:", ":", "$1", "whale", "The sky is clear.",
      "Close shot, the camera creeping forward:", "\n"};
  GRand *chance = g_rand_new_with_seed (7);

  for (guint round = 0; round < 150; round++) {
    GString *text = g_string_new (NULL);
    const gchar *window[] = {NULL, "a whale", NULL, NULL};
    gchar **changed, **prompts, *next;
    guint n = (guint)g_rand_int_range (chance, 0, 14);

    for (guint i = 0; i < n; i++)
      g_string_append_printf (text, "%s%s", g_rand_boolean (chance) ? " " : "",
          bag[g_rand_int_range (chance, 0, G_N_ELEMENTS (bag))]);
    window[0] = window[2] = text->str;
    changed = dvs_writer_edit (text->str, window);
    ck_assert_uint_eq (g_strv_length (changed), 3);
    prompts = rollout (text->str);
    next = dvs_writer_enhance (text->str, window, 4);
    for (guint i = 0; i < 3; i++)
      ck_assert (changed[i][0] && g_utf8_validate (changed[i], -1, NULL));
    for (guint i = 0; i < 6; i++)
      ck_assert (prompts[i][0] && g_utf8_validate (prompts[i], -1, NULL));
    ck_assert (next[0] && g_utf8_validate (next, -1, NULL));
    g_free (next);
    next = dvs_writer_extend (window);
    ck_assert (next[0]);
    g_free (next);
    g_strfreev (prompts);
    g_strfreev (changed);
    g_string_free (text, TRUE);
  }
  g_rand_free (chance);
}
END_TEST

/* ---- the sample ---- */

static void
sample_list (GString *out, const gchar *title, gchar **prompts)
{
  g_string_append_printf (out, "== %s\n", title);
  for (guint i = 0; prompts[i]; i++)
    g_string_append_printf (out, "%u. %s\n", i + 1, prompts[i]);
  g_string_append_c (out, '\n');
}

START_TEST (a_sample_that_was_read)
{
  static const gchar *const asked[] = {"a whale", "two robots playing chess",
      "a lighthouse in a storm at night", "鲸鱼在夜空中游泳",
      "A knight rides to a castle. He fights a dragon. They become friends."};
  static const gchar *const changes[] = {"make it night", "add rain, slower",
      "replace the whale with a boat", "in winter", "add a red balloon"};
  const gchar *out_path = g_getenv ("WRITER_SAMPLE_OUT");
  GString *out = g_string_new (NULL);
  gchar **whale = rollout ("a whale");
  gchar *kept = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++) {
    gchar **prompts = rollout (asked[i]);

    sample_list (out, asked[i], prompts);
    g_strfreev (prompts);
  }
  for (guint i = 0; i < G_N_ELEMENTS (changes); i++) {
    gchar **changed = dvs_writer_edit (changes[i], (const gchar *const *)whale);

    sample_list (out, changes[i], changed);
    g_strfreev (changed);
  }
  if (out_path)
    ck_assert (g_file_set_contents (out_path, out->str, -1, NULL));
  ck_assert (g_file_get_contents (SAMPLE, &kept, NULL, NULL));
  ck_assert_str_eq (out->str, kept);
  g_free (kept);
  g_strfreev (whale);
  g_string_free (out, TRUE);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("writer");
  TCase *tests = tcase_create ("writer");
  SRunner *runner;
  int failed;

  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, rollouts);
  tcase_add_test (tests, stories_go_on);
  tcase_add_test (tests, requests_are_taken_off);
  tcase_add_test (tests, nothing_to_write_about);
  tcase_add_test (tests, a_text_as_long_as_may_be);
  tcase_add_test (tests, the_generator_follows);
  tcase_add_test (tests, the_generator_is_not_misled);
  tcase_add_test (tests, light_goes_where_it_is_sent);
  tcase_add_test (tests, edited);
  tcase_add_test (tests, the_generator_follows_edits);
  tcase_add_test (tests, an_edit_of_nothing_changes_nothing);
  tcase_add_test (tests, an_edit_leaves_the_rest);
  tcase_add_test (tests, prompts_of_others_are_kept);
  tcase_add_test (tests, any_count);
  tcase_add_test (tests, eight_requests_at_a_time);
  tcase_add_test (tests, edits_upon_edits);
  tcase_add_test (tests, extended);
  tcase_add_test (tests, extended_from_others);
  tcase_add_test (tests, enhanced_in_a_scene);
  tcase_add_test (tests, enhanced_alone);
  tcase_add_test (tests, anything_at_all);
  tcase_add_test (tests, a_sample_that_was_read);
  suite_add_tcase (suite, tests);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? 1 : 0;
}
