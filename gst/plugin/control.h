/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a viewer says: one text frame of JSON in, one command out. The input is
 * a stranger's: length, depth, encoding and every type are checked, and no
 * more is kept of it than the few fields that mean something.
 *
 * Threads: no shared state.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <glib.h>

#define CONTROL_MAX_MESSAGE (16 * 1024) /* bytes of one text frame */
#define CONTROL_MAX_DEPTH 16            /* objects and arrays in one another */
#define CONTROL_MAX_PROMPT (8 * 1024)   /* bytes, trimmed */
#define CONTROL_MAX_PROMPT_ID 128       /* bytes */

typedef enum {
  CONTROL_UNKNOWN, /* a type that is not ours: to be ignored */
  CONTROL_PROMPT,  /* append_prompt: prompt, prompt_id */
  CONTROL_PAUSED,  /* set_generation_paused: paused */
  CONTROL_RESET,   /* reset_to_seed_prompts */
  CONTROL_RESTART, /* restart_generation */
  CONTROL_LEAVE    /* leave */
} ControlCommand;

typedef enum {
  CONTROL_OK,
  CONTROL_TOO_LONG,
  CONTROL_BAD_TEXT, /* no UTF-8, or a NUL in it */
  CONTROL_BAD_JSON,
  CONTROL_TOO_DEEP,
  CONTROL_DUPLICATE, /* a field of ours twice */
  CONTROL_NO_TYPE,   /* no object with a string called type */
  CONTROL_BAD_FIELD, /* missing, or of the wrong type */
  CONTROL_EMPTY_PROMPT,
  CONTROL_PROMPT_TOO_LONG
} ControlStatus;

typedef struct {
  ControlCommand command;
  gchar *type;      /* as sent */
  gchar *prompt;    /* trimmed, never empty; NULL but for a prompt */
  gchar *prompt_id; /* NULL if none was given */
  gboolean paused;
} Control;

/* Reads the @size bytes at @text, which need no NUL at the end. Anything but
 * CONTROL_OK leaves @control empty and puts a sentence for the viewer into
 * @message (static, may be NULL). */
ControlStatus control_parse (
    const gchar *text, gsize size, Control *control, const gchar **message);
void control_clear (Control *control);
/* For the field `code` of an error: "bad-json"; NULL for CONTROL_OK. */
const gchar *control_status_code (ControlStatus status);

#endif
