/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Answers of language models: see answer.h.
 *
 * Models wrap what they were asked for in fences, explanations and objects of
 * their own. So every object of the text that can be decoded is tried in turn,
 * and the first that holds what is wanted is the answer.
 */
#include "answer.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdlib.h>
#include <string.h>

#include "prompts.h"

#define MAX_DEPTH 32     /* of what is given to the JSON library */
#define MAX_ATTEMPTS 64  /* objects that are tried */
#define MAX_ID_BYTES 128 /* of an id or a label */

static const gchar *const item_keys[] = {
    "prompt", "text", "segment_prompt", "description", "content", NULL};
static const gchar *const list_keys[] = {
    "segment_prompts", "rewritten_prompts", "prompts", "segments", NULL};
static const gchar *const single_keys[] = {"next_prompt", "prompt", NULL};

static void
set_wrong (GError **error, const gchar *message)
{
  if (error && !*error)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, message);
}

/* Behind the string that begins at @at; NULL: it has no end. */
static const gchar *
skip_string (const gchar *at, const gchar *end)
{
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\' && ++at == end)
      return NULL;
  return at < end ? at + 1 : NULL;
}

/* Behind the object that begins at @at; NULL: it has no end here, nests too
 * deep, or has something between its values that is no JSON. The JSON library
 * recurses and knows comments, so it is not shown what this did not see. */
static const gchar *
skip_object (const gchar *at, const gchar *end)
{
  guint depth = 0;

  while (at < end) {
    gchar c = *at;

    if (c == '"') {
      at = skip_string (at, end);
      if (!at)
        return NULL;
      continue;
    }
    at++;
    if (c == '{' || c == '[') {
      if (++depth > MAX_DEPTH)
        return NULL;
    } else if (c == '}' || c == ']') {
      if (--depth == 0)
        return at;
    } else if (!g_ascii_isalnum (c) && !g_ascii_isspace (c) &&
               !strchr (":,+-.", c)) {
      return NULL;
    }
  }
  return NULL;
}

/* The object at @at, which ends before @end; NULL: it is none. */
static JsonNode *
decode (const gchar *at, const gchar *end)
{
  JsonParser *parser = json_parser_new_immutable ();
  JsonNode *root = NULL;

  if (json_parser_load_from_data (parser, at, end - at, NULL))
    root = json_parser_steal_root (parser);
  g_object_unref (parser);
  if (root && !JSON_NODE_HOLDS_OBJECT (root))
    g_clear_pointer (&root, json_node_unref);
  return root;
}

/* A member that is a string; NULL: it is something else. */
static const gchar *
get_string (JsonObject *object, const gchar *key)
{
  JsonNode *node = json_object_get_member (object, key);

  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

static JsonObject *
get_object (JsonObject *object, const gchar *key)
{
  JsonNode *node = json_object_get_member (object, key);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

gchar *
dvs_answer_clean (const gchar *text, gsize max)
{
  GString *out;
  gboolean space = FALSE;

  if (!text || !g_utf8_validate (text, -1, NULL))
    return NULL;
  out = g_string_new (NULL);
  for (; *text; text = g_utf8_next_char (text)) {
    gunichar c = g_utf8_get_char (text);

    if (g_unichar_isspace (c) || g_unichar_iscntrl (c)) {
      space = TRUE;
      continue;
    }
    if (space && out->len > 0)
      g_string_append_c (out, ' ');
    space = FALSE;
    g_string_append_unichar (out, c);
  }
  if (out->len > 0 && out->len <= max)
    return g_string_free (out, FALSE);
  g_string_free (out, TRUE);
  return NULL;
}

/* ---- the completion ---- */

/* Parts of a content: strings, or objects that have a text. */
static gchar *
join_parts (JsonArray *parts)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < json_array_get_length (parts); i++) {
    JsonNode *node = json_array_get_element (parts, i);
    const gchar *text = NULL;

    if (JSON_NODE_HOLDS_OBJECT (node))
      text = get_string (json_node_get_object (node), "text");
    else if (json_node_get_value_type (node) == G_TYPE_STRING)
      text = json_node_get_string (node);
    if (text)
      g_string_append (out, text);
  }
  return g_string_free (out, FALSE);
}

static gchar *
read_choice (JsonObject *root, GError **error)
{
  JsonNode *choices = json_object_get_member (root, "choices"), *content;
  JsonObject *message = NULL;
  gchar *text = NULL;

  if (choices && JSON_NODE_HOLDS_ARRAY (choices) &&
      json_array_get_length (json_node_get_array (choices)) > 0) {
    JsonNode *first = json_array_get_element (json_node_get_array (choices), 0);

    if (JSON_NODE_HOLDS_OBJECT (first))
      message = get_object (json_node_get_object (first), "message");
  }
  content = message ? json_object_get_member (message, "content") : NULL;
  if (!content) {
    set_wrong (error, "the answer has no choices[0].message.content");
    return NULL;
  }
  if (JSON_NODE_HOLDS_ARRAY (content))
    text = join_parts (json_node_get_array (content));
  else if (json_node_get_value_type (content) == G_TYPE_STRING)
    text = g_strdup (json_node_get_string (content));
  if (text && !g_utf8_validate (text, -1, NULL))
    g_clear_pointer (&text, g_free);
  if (!text || !text[0]) {
    g_free (text);
    set_wrong (error, "the answer's content is empty");
    return NULL;
  }
  return text;
}

JsonObject *
dvs_answer_object (const gchar *text, gsize size)
{
  const gchar *end = text + size, *behind = NULL;
  JsonObject *object = NULL;
  JsonNode *root = NULL;

  while (text < end && g_ascii_isspace (*text))
    text++;
  while (end > text && g_ascii_isspace (end[-1]))
    end--;
  if (text < end && *text == '{')
    behind = skip_object (text, end);
  if (behind && behind == end)
    root = decode (text, behind);
  if (root) {
    object = json_node_dup_object (root);
    json_node_unref (root);
  }
  return object;
}

gchar *
dvs_answer_content (const gchar *body, gsize size, GError **error)
{
  JsonObject *root = dvs_answer_object (body, size);
  gchar *text;

  if (!root) {
    set_wrong (error, "the answer is no JSON object");
    return NULL;
  }
  text = read_choice (root, error);
  json_object_unref (root);
  return text;
}

/* ---- objects in prose ---- */

/* Whether @object is what is wanted, which then goes into @out. */
typedef gboolean (*AcceptFunc) (
    JsonObject *object, guint count, gpointer out, GError **error);

/* Gives every object of @text to @accept until one is taken. */
static gboolean
find_object (const gchar *text, AcceptFunc accept, guint count, gpointer out,
    GError **error)
{
  const gchar *end = text + strlen (text), *at = text;
  gboolean found = FALSE;

  for (guint i = 0; !found && i < MAX_ATTEMPTS; i++) {
    const gchar *behind;
    JsonNode *root;

    at = memchr (at, '{', end - at);
    if (!at)
      break;
    behind = skip_object (at, end);
    root = behind ? decode (at, behind) : NULL;
    if (root)
      found = accept (json_node_get_object (root), count, out, error);
    at = root ? behind : at + 1;
    g_clear_pointer (&root, json_node_unref);
  }
  if (found)
    g_clear_error (error);
  return found;
}

/* Models that reason aloud put it before the answer. */
static const gchar *
behind_thoughts (const gchar *content)
{
  static const gchar mark[] = "</think>";
  const gchar *found = g_strrstr (content, mark);

  return found ? found + strlen (mark) : content;
}

static gboolean
accept_prompt (JsonObject *object, guint count, gpointer out, GError **error)
{
  gchar **prompt = out;

  for (guint i = 0; single_keys[i] && !*prompt; i++) {
    const gchar *text = get_string (object, single_keys[i]);

    if (!text)
      continue;
    *prompt = dvs_answer_clean (text, DVS_PROMPT_MAX);
    if (!*prompt)
      set_wrong (error, strlen (text) > DVS_PROMPT_MAX
                            ? "the model's prompt is too long"
                            : "the model's prompt is empty");
  }
  return *prompt != NULL;
}

gchar *
dvs_answer_prompt (const gchar *content, GError **error)
{
  GError *why = NULL;
  gchar *prompt = NULL;

  if (find_object (behind_thoughts (content), accept_prompt, 0, &prompt, &why))
    return prompt;
  set_wrong (&why, "the model's answer holds no prompt");
  g_propagate_error (error, why);
  return NULL;
}

/* ---- rollouts ---- */

void
dvs_rollout_clear (DvsRollout *rollout)
{
  g_clear_pointer (&rollout->id, g_free);
  g_clear_pointer (&rollout->label, g_free);
  g_clear_pointer (&rollout->prompts, g_strfreev);
}

/* The text of an element, which may be an object around it. */
static const gchar *
item_text (JsonNode *node)
{
  const gchar *text = NULL;

  if (JSON_NODE_HOLDS_OBJECT (node)) {
    for (guint i = 0; item_keys[i] && !text; i++)
      text = get_string (json_node_get_object (node), item_keys[i]);
  } else if (json_node_get_value_type (node) == G_TYPE_STRING) {
    text = json_node_get_string (node);
  }
  return text ? text : "";
}

static GPtrArray *
list_from_array (JsonArray *array)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < json_array_get_length (array); i++)
    g_ptr_array_add (
        list, g_strdup (item_text (json_array_get_element (array, i))));
  return list;
}

/* The number in "segment_3", "Segment 3", "prompt-03"; -1: @key has none. */
static gint
key_number (const gchar *key)
{
  static const gchar *const names[] = {
      "segment_prompt", "segment", "prompt", "scene", "clip", "shot"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gsize n = strlen (names[i]);

    if (g_ascii_strncasecmp (key, names[i], n) != 0)
      continue;
    key += n;
    if (*key == '_' || *key == ' ' || *key == '-')
      key++;
    n = strspn (key, "0123456789");
    return n > 0 && n < 4 && key[n] == '\0' ? atoi (key) : -1;
  }
  return -1;
}

/* "segment_1", "segment_2", … as far as they go; NULL: there are none. */
static GPtrArray *
list_from_keys (JsonObject *object)
{
  const gchar *texts[DVS_ROLLOUT_MAX + 1] = {NULL};
  GPtrArray *list = NULL;
  JsonObjectIter iter;
  const gchar *name;
  JsonNode *node;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, &node)) {
    gint number = key_number (name);

    if (number >= 0 && number <= DVS_ROLLOUT_MAX)
      texts[number] = item_text (node);
  }
  for (guint i = texts[0] ? 0 : 1; i <= DVS_ROLLOUT_MAX && texts[i]; i++) {
    if (!list)
      list = g_ptr_array_new_with_free_func (g_free);
    g_ptr_array_add (list, g_strdup (texts[i]));
  }
  return list;
}

/* Behind the number of a line such as "2. …", "**Segment 2:** …" if it is
 * @wanted; NULL: it is not. */
static const gchar *
behind_number (const gchar *line, guint wanted)
{
  gsize n;

  line += strspn (line, " \t*#>-");
  if (g_ascii_strncasecmp (line, "segment ", 8) == 0)
    line += 8;
  else if (g_ascii_strncasecmp (line, "prompt ", 7) == 0)
    line += 7;
  n = strspn (line, "0123456789");
  if (n == 0 || n > 3 || (guint)atoi (line) != wanted)
    return NULL;
  line += n + strspn (line + n, "*");
  if (*line == '\0' || !strchr (".):", *line))
    return NULL;
  line++;
  return line + strspn (line, " \t*");
}

/* The items of a numbered list, which may go on over lines; NULL: none. */
static GPtrArray *
list_from_lines (const gchar *text)
{
  gchar **lines = g_strsplit (text, "\n", -1);
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);
  GString *item = NULL;

  for (guint i = 0; lines[i]; i++) {
    const gchar *rest = behind_number (lines[i], list->len + (item ? 2 : 1));

    if (rest) {
      if (item)
        g_ptr_array_add (list, g_string_free (item, FALSE));
      item = g_string_new (rest);
    } else if (item) {
      g_string_append_c (item, '\n');
      g_string_append (item, lines[i]);
    }
  }
  if (item)
    g_ptr_array_add (list, g_string_free (item, FALSE));
  g_strfreev (lines);
  if (list->len > 0)
    return list;
  g_ptr_array_unref (list);
  return NULL;
}

static GPtrArray *
list_from_member (JsonNode *node)
{
  if (JSON_NODE_HOLDS_ARRAY (node))
    return list_from_array (json_node_get_array (node));
  if (JSON_NODE_HOLDS_OBJECT (node))
    return list_from_keys (json_node_get_object (node));
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    return list_from_lines (json_node_get_string (node));
  return NULL;
}

/* Takes @list over; its prompts go into @rollout if they are as they must. */
static gboolean
take_list (GPtrArray *list, guint count, DvsRollout *rollout, GError **error)
{
  gchar **prompts = NULL;
  gboolean ok = list->len == count;

  if (!ok && error && !*error)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
        "the model gave %u prompts where %u were asked for", list->len, count);
  if (ok)
    prompts = g_new0 (gchar *, count + 1);
  for (guint i = 0; ok && i < count; i++) {
    const gchar *text = g_ptr_array_index (list, i);

    prompts[i] = dvs_answer_clean (text, DVS_PROMPT_MAX);
    ok = prompts[i] != NULL;
    if (!ok)
      set_wrong (error, strlen (text) > DVS_PROMPT_MAX
                            ? "one of the model's prompts is too long"
                            : "one of the model's prompts is empty");
  }
  g_ptr_array_unref (list);
  if (ok)
    rollout->prompts = prompts;
  else
    g_strfreev (prompts);
  return ok;
}

/* The prompts of one object, wherever it keeps them. */
static gboolean
read_rollout (
    JsonObject *object, guint count, DvsRollout *rollout, GError **error)
{
  GPtrArray *list;

  for (guint i = 0; list_keys[i]; i++) {
    JsonNode *node = json_object_get_member (object, list_keys[i]);

    list = node ? list_from_member (node) : NULL;
    if (list && take_list (list, count, rollout, error))
      return TRUE;
  }
  list = list_from_keys (object);
  return list && take_list (list, count, rollout, error);
}

static gboolean
accept_rollout (JsonObject *object, guint count, gpointer out, GError **error)
{
  /* An answer may repeat the old rollout beside the new: that one last. */
  JsonObject *places[] = {get_object (object, "rewritten_rollout"), object,
      get_object (object, "rollout"), get_object (object, "current_rollout")};
  DvsRollout *rollout = out;

  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    if (!places[i] || !read_rollout (places[i], count, rollout, error))
      continue;
    rollout->id = dvs_answer_clean (get_string (places[i], "id"), MAX_ID_BYTES);
    rollout->label =
        dvs_answer_clean (get_string (places[i], "label"), MAX_ID_BYTES);
    if (!rollout->id)
      rollout->id = dvs_answer_clean (get_string (object, "id"), MAX_ID_BYTES);
    if (!rollout->label)
      rollout->label =
          dvs_answer_clean (get_string (object, "label"), MAX_ID_BYTES);
    return TRUE;
  }
  return FALSE;
}

gboolean
dvs_answer_rollout (
    const gchar *content, guint count, DvsRollout *rollout, GError **error)
{
  GError *why = NULL;
  GPtrArray *list;

  memset (rollout, 0, sizeof *rollout);
  content = behind_thoughts (content);
  if (find_object (content, accept_rollout, count, rollout, &why))
    return TRUE;
  list = list_from_lines (content);
  if (list && take_list (list, count, rollout, &why)) {
    g_clear_error (&why);
    return TRUE;
  }
  set_wrong (&why, "the model's answer holds no prompts");
  g_propagate_error (error, why);
  return FALSE;
}
