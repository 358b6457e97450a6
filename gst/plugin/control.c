/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a viewer says.
 *
 * A JSON library would build a tree of whatever a stranger sends, as deep as
 * he likes, and takes things that are no JSON. So the frame is read strictly
 * by RFC 8259 in one pass that keeps nothing but our own fields.
 *
 * Threads: no shared state.
 */
#include "control.h"
#include "wire.h"

#include <string.h>

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
  const gchar *pos, *end;
  ControlStatus status; /* the first thing that was wrong */
  Value field[N_FIELDS];
} Reader;

static gboolean
wrong (Reader *reader, ControlStatus status)
{
  if (reader->status == CONTROL_OK)
    reader->status = status;
  return FALSE;
}

static void
skip_space (Reader *reader)
{
  while (reader->pos < reader->end &&
         (*reader->pos == ' ' || *reader->pos == '\t' || *reader->pos == '\n' ||
             *reader->pos == '\r'))
    reader->pos++;
}

static gboolean
take (Reader *reader, gchar c)
{
  if (reader->pos == reader->end || *reader->pos != c)
    return FALSE;
  reader->pos++;
  return TRUE;
}

static gboolean
take_word (Reader *reader, const gchar *word)
{
  gsize size = strlen (word);

  if ((gsize)(reader->end - reader->pos) < size ||
      memcmp (reader->pos, word, size) != 0)
    return wrong (reader, CONTROL_BAD_JSON);
  reader->pos += size;
  return TRUE;
}

/* Four hexadecimal digits. */
static gboolean
read_unit (Reader *reader, gunichar *unit)
{
  *unit = 0;
  for (int i = 0; i < 4; i++) {
    gint digit =
        reader->pos < reader->end ? g_ascii_xdigit_value (*reader->pos) : -1;

    if (digit < 0)
      return wrong (reader, CONTROL_BAD_JSON);
    *unit = *unit << 4 | (gunichar)digit;
    reader->pos++;
  }
  return TRUE;
}

/* Behind "\u". */
static gboolean
read_unicode (Reader *reader, GString *out)
{
  gunichar high, low;

  if (!read_unit (reader, &high))
    return FALSE;
  if (high == 0)
    return wrong (reader, CONTROL_BAD_TEXT);
  if (high >= 0xd800 && high < 0xdc00) {
    if (!take (reader, '\\') || !take (reader, 'u'))
      return wrong (reader, CONTROL_BAD_TEXT);
    if (!read_unit (reader, &low))
      return FALSE;
    if (low < 0xdc00 || low > 0xdfff)
      return wrong (reader, CONTROL_BAD_TEXT);
    high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  } else if (high >= 0xdc00 && high <= 0xdfff) {
    return wrong (reader, CONTROL_BAD_TEXT);
  }
  g_string_append_unichar (out, high);
  return TRUE;
}

static gboolean
read_escape (Reader *reader, GString *out)
{
  static const gchar names[] = "\"\\/bfnrt";
  static const gchar means[] = "\"\\/\b\f\n\r\t";
  const gchar *found;

  if (take (reader, 'u'))
    return read_unicode (reader, out);
  if (reader->pos == reader->end)
    return wrong (reader, CONTROL_BAD_JSON);
  found = memchr (names, *reader->pos, sizeof names - 1);
  if (!found)
    return wrong (reader, CONTROL_BAD_JSON);
  reader->pos++;
  g_string_append_c (out, means[found - names]);
  return TRUE;
}

/* A string, appended to @out without its quotes and escapes. */
static gboolean
read_string (Reader *reader, GString *out)
{
  if (!take (reader, '"'))
    return wrong (reader, CONTROL_BAD_JSON);
  for (;;) {
    const gchar *from = reader->pos;

    while (reader->pos < reader->end && *reader->pos != '"' &&
           *reader->pos != '\\' && (guchar)*reader->pos >= 0x20)
      reader->pos++;
    g_string_append_len (out, from, reader->pos - from);
    if (take (reader, '"'))
      return TRUE;
    if (!take (reader, '\\'))
      return wrong (reader, CONTROL_BAD_JSON);
    if (!read_escape (reader, out))
      return FALSE;
  }
}

static gboolean
skip_digits (Reader *reader)
{
  const gchar *from = reader->pos;

  while (reader->pos < reader->end && g_ascii_isdigit (*reader->pos))
    reader->pos++;
  return reader->pos > from || wrong (reader, CONTROL_BAD_JSON);
}

static gboolean
skip_number (Reader *reader)
{
  take (reader, '-');
  /* No digits behind a leading zero. */
  if (!take (reader, '0') && !skip_digits (reader))
    return FALSE;
  if (take (reader, '.') && !skip_digits (reader))
    return FALSE;
  if (take (reader, 'e') || take (reader, 'E')) {
    if (!take (reader, '-'))
      take (reader, '+');
    return skip_digits (reader);
  }
  return TRUE;
}

static gboolean read_value (Reader *reader, guint depth, Value *value);

static gboolean
skip_array (Reader *reader, guint depth)
{
  if (depth > CONTROL_MAX_DEPTH)
    return wrong (reader, CONTROL_TOO_DEEP);
  take (reader, '[');
  skip_space (reader);
  if (take (reader, ']'))
    return TRUE;
  for (;;) {
    if (!read_value (reader, depth, NULL))
      return FALSE;
    if (take (reader, ']'))
      return TRUE;
    if (!take (reader, ','))
      return wrong (reader, CONTROL_BAD_JSON);
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

/* An object; the fields of the outermost are kept. */
static gboolean
read_object (Reader *reader, guint depth)
{
  GString *name;
  gboolean ok = FALSE;

  if (depth > CONTROL_MAX_DEPTH)
    return wrong (reader, CONTROL_TOO_DEEP);
  take (reader, '{');
  skip_space (reader);
  if (take (reader, '}'))
    return TRUE;
  name = g_string_new (NULL);
  for (;;) {
    Value *value = NULL;

    skip_space (reader);
    g_string_truncate (name, 0);
    if (!read_string (reader, name))
      break;
    if (depth == 1 && !find_field (reader, name->str, &value))
      break;
    skip_space (reader);
    if (!take (reader, ':')) {
      wrong (reader, CONTROL_BAD_JSON);
      break;
    }
    if (!read_value (reader, depth, value))
      break;
    if (take (reader, '}')) {
      ok = TRUE;
      break;
    }
    if (!take (reader, ',')) {
      wrong (reader, CONTROL_BAD_JSON);
      break;
    }
  }
  g_string_free (name, TRUE);
  return ok;
}

/* Any value inside @depth objects and arrays, and the space around it; kept in
 * @value unless that is NULL. */
static gboolean
read_value (Reader *reader, guint depth, Value *value)
{
  Kind kind = KIND_OTHER;
  GString *string = NULL;
  gboolean ok;

  skip_space (reader);
  switch (reader->pos < reader->end ? *reader->pos : '\0') {
    case '{':
      ok = read_object (reader, depth + 1);
      break;
    case '[':
      ok = skip_array (reader, depth + 1);
      break;
    case '"':
      kind = KIND_STRING;
      string = g_string_new (NULL);
      ok = read_string (reader, string);
      break;
    case 't':
      kind = KIND_TRUE;
      ok = take_word (reader, "true");
      break;
    case 'f':
      kind = KIND_FALSE;
      ok = take_word (reader, "false");
      break;
    case 'n':
      kind = KIND_NONE;
      ok = take_word (reader, "null");
      break;
    default:
      ok = skip_number (reader);
  }
  if (ok && value) {
    value->kind = kind;
    if (string)
      value->string = g_string_free (string, FALSE);
    string = NULL;
  }
  if (string)
    g_string_free (string, TRUE);
  skip_space (reader);
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
  Reader reader = {.pos = text, .end = text + size};
  ControlStatus status;
  const gchar *says = NULL;

  memset (control, 0, sizeof *control);
  if (size > CONTROL_MAX_MESSAGE) {
    wrong (&reader, CONTROL_TOO_LONG);
  } else if (!g_utf8_validate_len (text, size, NULL)) {
    /* A NUL is refused by this too. */
    wrong (&reader, CONTROL_BAD_TEXT);
  } else if (read_value (&reader, 0, NULL) && reader.pos != reader.end) {
    wrong (&reader, CONTROL_BAD_JSON);
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
