/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The texts that the relay writes of itself; those that carry a segment's
 * fields are written in wsorder.c.
 *
 * Threads: no shared state.
 */
#ifndef WSJSON_H
#define WSJSON_H

#include <json-glib/json-glib.h>

/* A builder with an object of this type begun. */
JsonBuilder *ws_json_begin (const gchar *type);
void ws_json_string (JsonBuilder *builder, const gchar *name,
    const gchar *value); /* null for NULL */
void ws_json_int (JsonBuilder *builder, const gchar *name, gint64 value);
void ws_json_double (JsonBuilder *builder, const gchar *name, gdouble value);
void ws_json_bool (JsonBuilder *builder, const gchar *name, gboolean value);
/* Ends the object and frees the builder. */
gchar *ws_json_end (JsonBuilder *builder);

gchar *ws_json_hello (guint64 client_id, gboolean control);
gchar *ws_json_error (const gchar *code, const gchar *message,
    guint segment_idx, const gchar *stream_id); /* 0, NULL: not of a segment */

#endif
