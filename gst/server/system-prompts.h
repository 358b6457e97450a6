/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The system prompts of language models: built in, or files of a directory
 * ("next_segment_system_prompt.txt", …), beside which "rewrite.conf" keeps the
 * model and temperature that were chosen for rewriting.
 *
 * Threads: no shared state.
 */
#ifndef DVS_SYSTEM_PROMPTS_H
#define DVS_SYSTEM_PROMPTS_H

#include <json-glib/json-glib.h>

typedef enum {
  DVS_SYSTEM_NEXT_SEGMENT,
  DVS_SYSTEM_AUTO_EXTENSION,
  DVS_SYSTEM_REWRITE_WINDOW,
  DVS_SYSTEM_REWRITE_USER,
  DVS_N_SYSTEM_WIRE, /* so many are in /prompt-system-config */
  DVS_SYSTEM_SINGLE_CLIP = DVS_N_SYSTEM_WIRE,
  DVS_N_SYSTEM
} DvsSystemKind;

typedef struct {
  gchar *directory; /* NULL: none */
  gchar *text[DVS_N_SYSTEM];
  gboolean from_file[DVS_N_SYSTEM];
  gchar *model;        /* NULL: none was chosen */
  gdouble temperature; /* NaN: none was chosen */
} DvsSystemPrompts;

/* The field of the wire; a file's name with ".txt". */
const gchar *dvs_system_name (DvsSystemKind kind);

/* NULL: a file of @directory is not as it must be; @error says which. */
DvsSystemPrompts *dvs_system_prompts_load (
    const gchar *directory, GError **error);
void dvs_system_prompts_free (DvsSystemPrompts *prompts);
/* Where it is or would be; "built in" without a directory. */
gchar *dvs_system_prompts_path (
    const DvsSystemPrompts *prompts, DvsSystemKind kind);

/* What a client wants changed; NULL or NaN: nothing. */
typedef struct {
  const gchar *text[DVS_N_SYSTEM_WIRE];
  const gchar *model;
  gdouble temperature;
} DvsSystemChange;
/* FALSE: @detail, of what a client sent. @models: those there are. */
gboolean dvs_system_change_read (DvsSystemChange *change, JsonObject *object,
    const gchar *const *models, gchar **detail);
/* Writes files, each as a whole or not at all. */
gboolean dvs_system_change_save (const DvsSystemChange *change,
    const DvsSystemPrompts *prompts, GError **error);

#endif
