/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a client says, read and made strict where the protocol is lenient:
 * texts are stringified and stripped, booleans go by truthiness, lists drop
 * what is no text (session protocol, section 3).
 *
 * Threads: no shared state.
 */
#ifndef DVS_SESSION_MESSAGE_H
#define DVS_SESSION_MESSAGE_H

#include <json-glib/json-glib.h>

#include "prompts.h"
#include "session-state.h"

/* Names, labels, ids. */
#define DVS_MAX_NAME_BYTES 256

typedef struct {
  DvsMessageType type;
  JsonObject *object;
  gsize size; /* of the text it came in */
} DvsMessage;

/* NULL: no JSON object; @problem says so in half a sentence. */
DvsMessage *dvs_message_parse (
    const gchar *text, gsize size, const gchar **problem);
void dvs_message_free (DvsMessage *message);

/* A field as text, without white space at its ends, at most @max bytes; ""
 * where it is missing, null or otherwise nothing. */
gchar *dvs_field_text (JsonObject *object, const gchar *name, gsize max);
/* Whether a value is something. */
gboolean dvs_node_truth (JsonNode *node);
gboolean dvs_field_bool (
    JsonObject *object, const gchar *name, gboolean fallback);
/* Prompts: what is longer than DVS_PROMPT_MAX is cut at a character, since
 * the source takes no longer ones. */
gchar **dvs_field_texts (JsonObject *object, const gchar *name);
/* A temperature, from 0 to 2. */
gdouble dvs_field_temperature (
    JsonObject *object, const gchar *name, gdouble fallback);

/* What an init asks for. */
typedef struct {
  gchar *preset_id; /* NULL: none */
  gchar *preset_label, *rollout_prompt;
  gchar **prompts;
  gboolean single_clip, enhancement, auto_extension, loop;
  gchar *rewrite_model; /* as it was asked for */
  gdouble temperature;
  gchar *window_system_prompt, *user_system_prompt; /* NULL: the server's */
} DvsInit;

/* @message NULL: none came, all defaults. */
void dvs_init_parse (
    const DvsMessage *message, gdouble temperature, DvsInit *init);
void dvs_init_clear (DvsInit *init);

/* @text, taken, or NULL where it is empty. */
gchar *dvs_text_or_null (gchar *text);
/* Without white space at its ends, at most @max bytes, to be freed. */
gchar *dvs_text_stripped (const gchar *text, gsize max);

#endif
