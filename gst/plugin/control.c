/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a viewer says.
 *
 * A JSON library would build a tree of whatever a stranger sends, as deep as
 * he likes, and takes things that are no JSON. So the frame is read strictly
 * (wsscan.h) in one pass that keeps nothing but our own fields.
 *
 * Threads: no shared state.
 */
#include "control.h"

#include <string.h>

#include "wire.h"
#include "wsscan.h"

typedef enum { FIELD_TYPE, FIELD_PROMPT, FIELD_PROMPT_ID, FIELD_PAUSED } Field;

#define N_FIELDS 4

static const gchar *const field_names[N_FIELDS] = {
    "type", "prompt", "prompt_id", "paused"};

typedef enum {
  KIND_NONE, /* not there, or null */
  KIND_STRING,
  KIND_TRUE,
  KIND_FALSE,
  KIND_OTHER /* number, array, object */
} Kind;

typedef struct {
  Kind kind;
  gboolean seen;
  gchar *string;
} Value;

typedef struct {
  WsScan scan;
  ControlStatus status; /* beyond what is wrong with its words */
  Value field[N_FIELDS];
} Reader;

static gboolean
wrong (Reader *reader, ControlStatus status)
{
  if (reader->status == CONTROL_OK)
    reader->status = status;
  return FALSE;
}

static gboolean read_value (Reader *reader, guint depth, Value *value);

static gboolean
skip_array (Reader *reader, guint depth)
{
  WsScan *scan = &reader->scan;

  if (depth > CONTROL_MAX_DEPTH)
    return wrong (reader, CONTROL_TOO_DEEP);
  ws_scan_take (scan, '[');
  ws_scan_space (scan);
  if (ws_scan_take (scan, ']'))
    return TRUE;
  for (;;) {
    if (!read_value (reader, depth, NULL))
      return FALSE;
    if (ws_scan_take (scan, ']'))
      return TRUE;
    if (!ws_scan_word (scan, ","))
      return FALSE;
  }
}

/* The place for a field of the outermost object; NULL: nothing of ours. */
static gboolean
find_field (Reader *reader, const gchar *name, Value **value)
{
  *value = NULL;
  for (guint i = 0; i < N_FIELDS; i++)
    if (strcmp (name, field_names[i]) == 0)
      *value = &reader->field[i];
  if (!*value)
    return TRUE;
  if ((*value)->seen)
    return wrong (reader, CONTROL_DUPLICATE);
  (*value)->seen = TRUE;
  return TRUE;
}

/* A member, behind the space before it; those of the outermost object that are
 * ours are kept. */
static gboolean
read_member (Reader *reader, guint depth)
{
  gchar *name = ws_scan_string (&reader->scan);
  Value *value = NULL;
  gboolean ok;

  if (!name)
    return FALSE;
  ok = depth > 1 || find_field (reader, name, &value);
  g_free (name);
  if (!ok)
    return FALSE;
  ws_scan_space (&reader->scan);
  return ws_scan_word (&reader->scan, ":") && read_value (reader, depth, value);
}

static gboolean
read_object (Reader *reader, guint depth)
{
  WsScan *scan = &reader->scan;

  if (depth > CONTROL_MAX_DEPTH)
    return wrong (reader, CONTROL_TOO_DEEP);
  ws_scan_take (scan, '{');
  ws_scan_space (scan);
  if (ws_scan_take (scan, '}'))
    return TRUE;
  for (;;) {
    ws_scan_space (scan);
    if (!read_member (reader, depth))
      return FALSE;
    if (ws_scan_take (scan, '}'))
      return TRUE;
    if (!ws_scan_word (scan, ","))
      return FALSE;
  }
}

/* Any value inside @depth objects and arrays, and the space around it; kept in
 * @value unless that is NULL. */
static gboolean
read_value (Reader *reader, guint depth, Value *value)
{
  WsScan *scan = &reader->scan;
  Kind kind = KIND_OTHER;
  gchar *string = NULL;
  gboolean ok;

  ws_scan_space (scan);
  switch (ws_scan_peek (scan)) {
    case '{':
      ok = read_object (reader, depth + 1);
      break;
    case '[':
      ok = skip_array (reader, depth + 1);
      break;
    case '"':
      kind = KIND_STRING;
      string = ws_scan_string (scan);
      ok = string != NULL;
      break;
    case 't':
      kind = KIND_TRUE;
      ok = ws_scan_word (scan, "true");
      break;
    case 'f':
      kind = KIND_FALSE;
      ok = ws_scan_word (scan, "false");
      break;
    case 'n':
      kind = KIND_NONE;
      ok = ws_scan_word (scan, "null");
      break;
    default:
      ok = ws_scan_number (scan, NULL);
  }
  if (ok && value) {
    value->kind = kind;
    value->string = g_steal_pointer (&string);
  }
  g_free (string);
  ws_scan_space (scan);
  return ok;
}

/* The text without white space at its ends, of whatever script. */
static gchar *
trimmed (const gchar *text)
{
  const gchar *end = text + strlen (text);

  while (*text && g_unichar_isspace (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  while (end > text) {
    const gchar *last = g_utf8_prev_char (end);

    if (!g_unichar_isspace (g_utf8_get_char (last)))
      break;
    end = last;
  }
  return g_strndup (text, (gsize)(end - text));
}

static ControlStatus
read_prompt (Reader *reader, Control *control, const gchar **message)
{
  const Value *prompt = &reader->field[FIELD_PROMPT];
  const Value *id = &reader->field[FIELD_PROMPT_ID];

  *message = WIRE_APPEND_PROMPT " requires a non-empty prompt";
  if (prompt->kind == KIND_NONE)
    return CONTROL_EMPTY_PROMPT;
  if (prompt->kind != KIND_STRING) {
    *message = WIRE_APPEND_PROMPT ": prompt must be a string";
    return CONTROL_BAD_FIELD;
  }
  control->prompt = trimmed (prompt->string);
  if (control->prompt[0] == '\0')
    return CONTROL_EMPTY_PROMPT;
  if (strlen (control->prompt) > CONTROL_MAX_PROMPT) {
    *message =
        WIRE_APPEND_PROMPT ": a prompt may have 8192 bytes of UTF-8 at most";
    return CONTROL_PROMPT_TOO_LONG;
  }
  *message =
      WIRE_APPEND_PROMPT ": prompt_id must be a string of 128 bytes at most";
  if (id->kind != KIND_NONE &&
      (id->kind != KIND_STRING || strlen (id->string) > CONTROL_MAX_PROMPT_ID))
    return CONTROL_BAD_FIELD;
  if (id->kind == KIND_STRING && id->string[0])
    control->prompt_id = g_strdup (id->string);
  return CONTROL_OK;
}

/* What the fields mean together. */
static ControlStatus
read_command (Reader *reader, Control *control, const gchar **message)
{
  const Value *type = &reader->field[FIELD_TYPE];
  Kind paused = reader->field[FIELD_PAUSED].kind;

  if (type->kind != KIND_STRING || !type->string[0]) {
    *message = "a message is a JSON object with a string called type";
    return CONTROL_NO_TYPE;
  }
  control->type = g_strdup (type->string);
  if (strcmp (type->string, WIRE_APPEND_PROMPT) == 0) {
    control->command = CONTROL_PROMPT;
    return read_prompt (reader, control, message);
  }
  if (strcmp (type->string, WIRE_SET_PAUSED) == 0) {
    control->command = CONTROL_PAUSED;
    control->paused = paused == KIND_TRUE;
    *message = WIRE_SET_PAUSED " requires paused, true or false";
    return paused == KIND_TRUE || paused == KIND_FALSE ? CONTROL_OK
                                                       : CONTROL_BAD_FIELD;
  }
  if (strcmp (type->string, WIRE_RESET) == 0)
    control->command = CONTROL_RESET;
  else if (strcmp (type->string, WIRE_RESTART) == 0)
    control->command = CONTROL_RESTART;
  else if (strcmp (type->string, WIRE_LEAVE) == 0)
    control->command = CONTROL_LEAVE;
  return CONTROL_OK;
}

static const gchar *
reading_message (ControlStatus status)
{
  switch (status) {
    case CONTROL_TOO_LONG:
      return "a message may have 16384 bytes at most";
    case CONTROL_BAD_TEXT:
      return "a message must be UTF-8 text without NUL characters";
    case CONTROL_TOO_DEEP:
      return "a message may nest objects and arrays 16 deep at most";
    case CONTROL_DUPLICATE:
      return "a message has one of its fields twice";
    default:
      return "a message must be one JSON object";
  }
}

ControlStatus
control_parse (
    const gchar *text, gsize size, Control *control, const gchar **message)
{
  Reader reader = {.scan = {.pos = text, .end = text + size}};
  ControlStatus status;
  const gchar *says = NULL;

  memset (control, 0, sizeof *control);
  if (size > CONTROL_MAX_MESSAGE) {
    wrong (&reader, CONTROL_TOO_LONG);
  } else if (!g_utf8_validate_len (text, size, NULL)) {
    /* A NUL is refused by this too. */
    wrong (&reader, CONTROL_BAD_TEXT);
  } else if (read_value (&reader, 0, NULL) &&
             reader.scan.pos != reader.scan.end) {
    wrong (&reader, CONTROL_BAD_JSON);
  } else if (reader.scan.fault != WS_SCAN_GOOD) {
    wrong (&reader, reader.scan.fault == WS_SCAN_NO_CHARACTER
                        ? CONTROL_BAD_TEXT
                        : CONTROL_BAD_JSON);
  }
  status = reader.status;
  if (status == CONTROL_OK)
    status = read_command (&reader, control, &says);
  else
    says = reading_message (status);
  if (status != CONTROL_OK)
    control_clear (control);
  if (message)
    *message = status == CONTROL_OK ? NULL : says;
  for (guint i = 0; i < N_FIELDS; i++)
    g_free (reader.field[i].string);
  return status;
}

void
control_clear (Control *control)
{
  g_free (control->type);
  g_free (control->prompt);
  g_free (control->prompt_id);
  memset (control, 0, sizeof *control);
}

const gchar *
control_status_code (ControlStatus status)
{
  static const gchar *const codes[] = {NULL, "message-too-long", "bad-text",
      "bad-json", "too-deep", "duplicate-field", "no-type", "bad-field",
      "empty-prompt", "prompt-too-long"};

  return (guint)status < G_N_ELEMENTS (codes) ? codes[status] : NULL;
}
