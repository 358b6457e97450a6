/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The start image of an init: everything that can be said without decoding it
 * (session protocol, section 3.3).
 *
 * Threads: no shared state.
 */
#ifndef DVS_SESSION_IMAGE_H
#define DVS_SESSION_IMAGE_H

#include <json-glib/json-glib.h>

#define DVS_MAX_IMAGE_BYTES (15 * 1024 * 1024)
#define DVS_IMAGE_UNDECODABLE "initial_image must decode as a valid image."

/* @node NULL, null or without data: no image, *bytes NULL. Else the bytes of a
 * PNG, JPEG or WebP file as it says. Returns the error for the client, NULL if
 * there is none. */
const gchar *dvs_image_read (JsonNode *node, GBytes **bytes);

#endif
