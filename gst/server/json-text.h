/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON objects as text, written in the order of the calls.  json-glib would
 * write a latency of 151.36 as 151.36000000000001.
 *
 * Threads: no shared state.
 */
#ifndef DVS_JSON_TEXT_H
#define DVS_JSON_TEXT_H

#include <glib.h>

/* An object whose first member is "type". */
GString *dvs_text_begin (const gchar *type);
/* @value NULL: null. What is not UTF-8 in it is replaced. */
void dvs_text_string (GString *text, const gchar *name, const gchar *value);
void dvs_text_int (GString *text, const gchar *name, gint64 value);
/* Two decimals; what is not finite is 0. */
void dvs_text_double (GString *text, const gchar *name, gdouble value);
void dvs_text_bool (GString *text, const gchar *name, gboolean value);
/* null */
void dvs_text_null (GString *text, const gchar *name);
void dvs_text_strings (
    GString *text, const gchar *name, const gchar *const *values);
/* An object inside; dvs_text_close() ends it. */
void dvs_text_open (GString *text, const gchar *name);
void dvs_text_close (GString *text);
/* The text, to be freed; takes @text. */
gchar *dvs_text_end (GString *text);

#endif
