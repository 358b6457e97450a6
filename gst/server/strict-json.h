/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON from strangers, read strictly by RFC 8259 into json-glib's tree.
 * json-glib's own parser recurses as deep as the text does, takes what is no
 * JSON, and builds as many nodes as somebody cares to send.
 *
 * Threads: no shared state.
 */
#ifndef DVS_STRICT_JSON_H
#define DVS_STRICT_JSON_H

#include <json-glib/json-glib.h>

#define DVS_JSON_MAX_DEPTH 32
/* Members and elements of one text, all together. */
#define DVS_JSON_MAX_VALUES 4096

/* NULL: it is no JSON, or larger than the limits; @problem says so in half a
 * sentence. Of a name that comes twice the last counts. What is no character
 * ("\u0000", half a surrogate pair) becomes U+FFFD. */
JsonNode *dvs_strict_json_parse (
    const gchar *text, gsize size, const gchar **problem);

#endif
