/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Looks at pictures of strangers, a few at a time: their base64 is decoded by a
 * thread, the picture by a process of its own (picture-decode.h).
 *
 * Threads: the main thread alone; it does none of that itself.
 */
#ifndef DVS_PICTURE_CHECK_H
#define DVS_PICTURE_CHECK_H

#include <gio/gio.h>

typedef struct DvsPictures DvsPictures;

/* @path: a PNG (RGB or RGBA), the caller's to unlink and free. NULL: there is
 * none, and @problem is what the client is told. */
typedef void (*DvsPictureFunc) (
    gpointer user, gchar *path, const gchar *problem);

DvsPictures *dvs_pictures_new (void);
/* Whoever is still looked at must have been cancelled. */
void dvs_pictures_free (DvsPictures *pictures);
/* @text: base64 of a PNG, JPEG or WebP file. Decoding the picture may take 10
 * s. Nothing is told after @cancellable was cancelled. */
void dvs_picture_check (DvsPictures *pictures, GBytes *text,
    GCancellable *cancellable, DvsPictureFunc done, gpointer user);

#endif
