/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The start image of an init: everything that can be said without decoding the
 * picture (session protocol, section 3.3).
 *
 * Threads: no shared state.
 */
#ifndef DVS_SESSION_IMAGE_H
#define DVS_SESSION_IMAGE_H

#include <json-glib/json-glib.h>

#define DVS_MAX_IMAGE_BYTES (15 * 1024 * 1024)
#define DVS_IMAGE_UNDECODABLE "initial_image must decode as a valid image."

/* @node NULL, null or without data: no image, *text NULL. Else the base64 of
 * what says it is a PNG, JPEG or WebP file: not looked at and not copied, it
 * may have 20 MiB. Returns the error for the client, NULL if there is none. */
const gchar *dvs_image_read (JsonNode *node, GBytes **text);
/* The bytes that @text stands for, or *bytes NULL and the error. Takes tenths
 * of a second for the largest. */
const gchar *dvs_image_decode (GBytes *text, GBytes **bytes);

#endif
