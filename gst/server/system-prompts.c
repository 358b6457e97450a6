/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * System prompts: see system-prompts.h.
 */
#include "system-prompts.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

#define MAX_BYTES 32768
#define CONFIG_FILE "rewrite.conf"
#define CONFIG_GROUP "rewrite"

/* How a prompt should be, in all of them. */
#define CRAFT                                                                  \
  "A segment prompt is one paragraph of 60 to 140 words in English, in the "   \
  "present tense, for a model that generates five seconds of video with "      \
  "sound. Name the kind of shot and one camera movement; then say what is "    \
  "seen, with the subject first, one action that fits into five seconds, the " \
  "setting, the light and the time of day; end with what is heard. Describe "  \
  "only what a camera and a microphone could record: no thoughts, no text on " \
  "the screen, no cuts within the segment, no mention of segments, prompts "   \
  "or models. Name people and things in every prompt as if it were the only "  \
  "one, with the same distinctive features each time (clothes, colours, "      \
  "materials, age), since the model remembers only the last frames.\n"

static const gchar *const built_in[DVS_N_SYSTEM] = {
    [DVS_SYSTEM_NEXT_SEGMENT] =
        "You direct a film that is generated live, five seconds at a time, "
        "while its viewer steers it. You are given the segments that were "
        "already shown and what the viewer wants now. Write the prompt of the "
        "next segment.\n" CRAFT
        "The new segment begins with the last frame of the one before: keep "
        "place, people, light and style unless the viewer asks for a change, "
        "and let a change happen on screen where it can. What the viewer asks "
        "for must plainly be seen within the five seconds. Do not repeat an "
        "earlier shot.\n"
        "Answer with one JSON object and nothing else: "
        "{\"next_prompt\": \"…\"}",
    [DVS_SYSTEM_AUTO_EXTENSION] =
        "You direct a film that is generated live, five seconds at a time. "
        "Nobody has said how it goes on. You are given the segments that were "
        "already shown. Write the prompt of the next one.\n" CRAFT
        "The new segment begins with the last frame of the one before. Carry "
        "the story one small, believable step further: a movement completed, "
        "something coming into view, the light changing, a closer or a wider "
        "look. Keep the people, the place and the style. Do not repeat an "
        "earlier shot, and do not end the story.\n"
        "Answer at once, with one JSON object and nothing else: "
        "{\"next_prompt\": \"…\"}",
    [DVS_SYSTEM_REWRITE_WINDOW] =
        "You edit the rollout of a film: a list of segment prompts of five "
        "seconds each, shown one after another without a cut. You are given "
        "the rollout and an instruction of the viewer's. Rewrite the rollout "
        "accordingly.\n" CRAFT
        "Apply the instruction to every segment that it concerns, and "
        "consistently: what is replaced is replaced everywhere, a new time of "
        "day or weather shows in light, colours and sound. Keep everything "
        "else, the order of events and the number of segments. Where an entry "
        "says nothing of its own, continue the one before it.\n"
        "Answer with one JSON object and nothing else, with exactly as many "
        "segment_prompts as you were given: {\"id\": \"short-id\", \"label\": "
        "\"A short title\", \"segment_prompts\": [\"…\"]}",
    [DVS_SYSTEM_REWRITE_USER] =
        "You write the rollout of a film of thirty seconds: six segment "
        "prompts of five seconds each, shown one after another without a cut. "
        "You are given what the viewer wants to see, which may be a single "
        "word in any language.\n" CRAFT
        "Give the six a shape: establish the place, come nearer, dwell on a "
        "detail, let something happen, bring it to its height, let it come to "
        "rest. Keep one place, one style and the same people throughout; vary "
        "the shots and the camera, and let light or weather move slowly in "
        "one direction. Each segment begins where the one before ends.\n"
        "Answer with one JSON object and nothing else: {\"id\": \"short-id\", "
        "\"label\": \"A short title\", \"segment_prompts\": [\"…\", \"…\", "
        "\"…\", \"…\", \"…\", \"…\"]}",
    [DVS_SYSTEM_SINGLE_CLIP] =
        "You turn a viewer's idea into the prompt of a single clip of five "
        "seconds.\n" CRAFT
        "Keep everything that the viewer named, and add only what makes it a "
        "complete shot. One continuous action with a beginning and an end "
        "within five seconds.\n"
        "Answer with one JSON object and nothing else: {\"prompt\": \"…\"}",
};

const gchar *
dvs_system_name (DvsSystemKind kind)
{
  static const gchar *const names[DVS_N_SYSTEM] = {
      [DVS_SYSTEM_NEXT_SEGMENT] = "next_segment_system_prompt",
      [DVS_SYSTEM_AUTO_EXTENSION] = "auto_extension_system_prompt",
      [DVS_SYSTEM_REWRITE_WINDOW] = "rewrite_window_system_prompt",
      [DVS_SYSTEM_REWRITE_USER] = "rewrite_user_system_prompt",
      [DVS_SYSTEM_SINGLE_CLIP] = "single_clip_system_prompt"};

  return names[kind];
}

static gchar *
file_of (const gchar *directory, DvsSystemKind kind)
{
  gchar *name = g_strconcat (dvs_system_name (kind), ".txt", NULL);
  gchar *path = g_build_filename (directory, name, NULL);

  g_free (name);
  return path;
}

gchar *
dvs_system_prompts_path (const DvsSystemPrompts *prompts, DvsSystemKind kind)
{
  return prompts->directory ? file_of (prompts->directory, kind)
                            : g_strdup ("built in");
}

/* A text as a system prompt may be; why it is none. */
static const gchar *
wrong_text (const gchar *text, gsize size)
{
  if (!g_utf8_validate_len (text, size, NULL))
    return "must be UTF-8 text without NUL";
  if (size > MAX_BYTES)
    return "must have 32768 bytes at most";
  for (gsize i = 0; i < size; i++)
    if (!g_ascii_isspace (text[i]))
      return NULL;
  return "must not be empty";
}

static gboolean
load_text (DvsSystemPrompts *prompts, DvsSystemKind kind, GError **error)
{
  gchar *path = file_of (prompts->directory, kind), *text = NULL;
  const gchar *wrong = NULL;
  GError *why = NULL;
  gsize size;

  if (g_file_get_contents (path, &text, &size, &why)) {
    wrong = wrong_text (text, size);
    if (wrong) {
      g_set_error (
          error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s %s", path, wrong);
      g_free (text);
    } else {
      g_free (prompts->text[kind]);
      prompts->text[kind] = g_strstrip (text);
      prompts->from_file[kind] = TRUE;
    }
  } else if (g_error_matches (why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
    g_clear_error (&why);
  } else {
    wrong = why->message;
    g_propagate_error (error, why);
  }
  g_free (path);
  return !wrong;
}

static gboolean
load_config (DvsSystemPrompts *prompts, GError **error)
{
  gchar *path = g_build_filename (prompts->directory, CONFIG_FILE, NULL);
  GKeyFile *file = g_key_file_new ();
  GError *why = NULL;
  gboolean ok = TRUE;

  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &why)) {
    prompts->model = g_key_file_get_string (file, CONFIG_GROUP, "model", NULL);
    if (g_key_file_has_key (file, CONFIG_GROUP, "temperature", NULL))
      prompts->temperature =
          g_key_file_get_double (file, CONFIG_GROUP, "temperature", NULL);
    if (prompts->temperature < 0 || prompts->temperature > 2)
      prompts->temperature = NAN;
  } else if (!g_error_matches (why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s: %s", path,
        why->message);
    ok = FALSE;
  }
  g_clear_error (&why);
  g_key_file_unref (file);
  g_free (path);
  return ok;
}

DvsSystemPrompts *
dvs_system_prompts_load (const gchar *directory, GError **error)
{
  DvsSystemPrompts *prompts = g_new0 (DvsSystemPrompts, 1);
  gboolean ok = TRUE;

  prompts->temperature = NAN;
  for (guint i = 0; i < DVS_N_SYSTEM; i++)
    prompts->text[i] = g_strdup (built_in[i]);
  if (directory && directory[0]) {
    prompts->directory = g_strdup (directory);
    for (guint i = 0; ok && i < DVS_N_SYSTEM; i++)
      ok = load_text (prompts, i, error);
    ok = ok && load_config (prompts, error);
  }
  if (!ok)
    g_clear_pointer (&prompts, dvs_system_prompts_free);
  return prompts;
}

void
dvs_system_prompts_free (DvsSystemPrompts *prompts)
{
  for (guint i = 0; i < DVS_N_SYSTEM; i++)
    g_free (prompts->text[i]);
  g_free (prompts->directory);
  g_free (prompts->model);
  g_free (prompts);
}

/* ---- changes ---- */

static gboolean
read_text (
    DvsSystemChange *change, DvsSystemKind kind, JsonNode *node, gchar **detail)
{
  const gchar *wrong = "must be a string";

  if (json_node_get_value_type (node) == G_TYPE_STRING) {
    change->text[kind] = json_node_get_string (node);
    wrong = wrong_text (change->text[kind], strlen (change->text[kind]));
  }
  if (wrong)
    *detail = g_strdup_printf ("%s %s.", dvs_system_name (kind), wrong);
  return !wrong;
}

gboolean
dvs_system_change_read (DvsSystemChange *change, JsonObject *object,
    const gchar *const *models, gchar **detail)
{
  JsonNode *model = json_object_get_member (object, "rewrite_model");
  JsonNode *temperature =
      json_object_get_member (object, "rewrite_temperature");

  memset (change, 0, sizeof *change);
  change->temperature = NAN;
  for (guint i = 0; i < DVS_N_SYSTEM_WIRE; i++) {
    JsonNode *node = json_object_get_member (object, dvs_system_name (i));

    if (node && !JSON_NODE_HOLDS_NULL (node) &&
        !read_text (change, i, node, detail))
      return FALSE;
  }
  if (model && !JSON_NODE_HOLDS_NULL (model)) {
    if (json_node_get_value_type (model) == G_TYPE_STRING)
      change->model = json_node_get_string (model);
    if (!change->model || !g_strv_contains (models, change->model)) {
      *detail = g_strdup_printf ("Unsupported rewrite model: %s.",
          change->model ? change->model : "it is no string");
      return FALSE;
    }
  }
  if (temperature && !JSON_NODE_HOLDS_NULL (temperature)) {
    GType type = json_node_get_value_type (temperature);

    if (type == G_TYPE_INT64 || type == G_TYPE_DOUBLE)
      change->temperature = json_node_get_double (temperature);
    if (!(change->temperature >= 0 && change->temperature <= 2)) {
      *detail = g_strdup ("rewrite_temperature must be a number from 0 to 2.");
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
save_text (const gchar *path, const gchar *text, GError **error)
{
  return g_file_set_contents_full (path, text, -1,
      G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644,
      error);
}

static gboolean
save_config (const DvsSystemChange *change, const DvsSystemPrompts *prompts,
    GError **error)
{
  const gchar *model = change->model ? change->model : prompts->model;
  gdouble temperature =
      isnan (change->temperature) ? prompts->temperature : change->temperature;
  gchar *path = g_build_filename (prompts->directory, CONFIG_FILE, NULL);
  GKeyFile *file = g_key_file_new ();
  gchar *text;
  gboolean ok;

  if (model)
    g_key_file_set_string (file, CONFIG_GROUP, "model", model);
  if (!isnan (temperature))
    g_key_file_set_double (file, CONFIG_GROUP, "temperature", temperature);
  text = g_key_file_to_data (file, NULL, NULL);
  ok = save_text (path, text, error);
  g_free (text);
  g_key_file_unref (file);
  g_free (path);
  return ok;
}

gboolean
dvs_system_change_save (const DvsSystemChange *change,
    const DvsSystemPrompts *prompts, GError **error)
{
  gboolean ok = TRUE;

  if (!prompts->directory) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
        "no prompt_directory is configured to save it in");
    return FALSE;
  }
  for (guint i = 0; ok && i < DVS_N_SYSTEM_WIRE; i++) {
    gchar *path;

    if (!change->text[i])
      continue;
    path = file_of (prompts->directory, i);
    ok = save_text (path, change->text[i], error);
    g_free (path);
  }
  if (ok && (change->model || !isnan (change->temperature)))
    ok = save_config (change, prompts, error);
  return ok;
}
