/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a language model is asked, beside its system prompt: one JSON object
 * (session protocol, section 8).
 */
#include "prompts-private.h"

#include "writer.h"

/* Of what was shown, a model is told so much; a session may last. */
#define MAX_LOCKED 24

static void
set_string (JsonBuilder *builder, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
append_locked (GString *text, gchar **locked)
{
  guint n = locked ? g_strv_length (locked) : 0;
  guint from = n > MAX_LOCKED ? n - MAX_LOCKED : 0;

  if (n == 0) {
    g_string_append (text, "Nothing was shown yet.\n");
    return;
  }
  g_string_append (text, "Locked segments, already shown, 5 s each:\n");
  for (guint i = from; i < n; i++)
    g_string_append_printf (text, "%u. %s\n", i + 1, locked[i]);
}

static gchar *
request_text (const DvsCallSpec *spec)
{
  GString *text = g_string_new (NULL);

  switch (spec->kind) {
    case DVS_CALL_ENHANCE:
      append_locked (text, spec->prompts);
      g_string_append_printf (text,
          "The viewer wants now: %s\nWrite the prompt of segment %u.",
          spec->text, spec->next_index);
      break;
    case DVS_CALL_EXTEND:
      append_locked (text, spec->prompts);
      g_string_append_printf (text, "Write the prompt of segment %u.",
          g_strv_length (spec->prompts) + 1);
      break;
    case DVS_CALL_SINGLE_CLIP:
      g_string_append (
          text, "Write the prompt of a single clip from user_prompt.");
      break;
    case DVS_CALL_ROLLOUT:
      g_string_append_printf (text,
          "Write a new rollout of %d segments of 5 s each from "
          "user_instruction.",
          DVS_WRITER_SEGMENTS);
      break;
    case DVS_CALL_EDIT:
      g_string_append_printf (text,
          "Change current_rollout as user_instruction says. It has %u "
          "segments of 5 s each, and so must your answer.",
          g_strv_length (spec->prompts));
      break;
  }
  return g_string_free (text, FALSE);
}

static void
add_current (JsonBuilder *builder, const DvsCallSpec *spec)
{
  json_builder_set_member_name (builder, "current_rollout");
  json_builder_begin_object (builder);
  set_string (builder, "id", spec->id);
  set_string (builder, "label", spec->label);
  json_builder_set_member_name (builder, "segment_prompts");
  json_builder_begin_array (builder);
  for (guint i = 0; spec->prompts[i]; i++)
    json_builder_add_string_value (builder, spec->prompts[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

gchar *
dvs_call_message (const DvsCallSpec *spec)
{
  JsonBuilder *builder = json_builder_new ();
  gchar *text = request_text (spec);
  JsonNode *root;

  json_builder_begin_object (builder);
  if (spec->kind == DVS_CALL_ROLLOUT)
    set_string (builder, "mode", "new_rollout");
  if (spec->kind == DVS_CALL_EDIT)
    set_string (builder, "mode", "edit_existing_rollout");
  set_string (builder, "request", text);
  if (spec->kind == DVS_CALL_SINGLE_CLIP)
    set_string (builder, "user_prompt", spec->text);
  if (spec->kind == DVS_CALL_ROLLOUT || spec->kind == DVS_CALL_EDIT)
    set_string (builder, "user_instruction", spec->text);
  if (spec->kind == DVS_CALL_ROLLOUT) {
    json_builder_set_member_name (builder, "desired_segment_count");
    json_builder_add_int_value (builder, DVS_WRITER_SEGMENTS);
    set_string (builder, "rollout_id_hint", spec->id);
    set_string (builder, "rollout_label_hint", spec->label);
  }
  if (spec->kind == DVS_CALL_EDIT)
    add_current (builder, spec);
  json_builder_end_object (builder);
  g_free (text);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  json_node_unref (root);
  g_object_unref (builder);
  return text;
}
