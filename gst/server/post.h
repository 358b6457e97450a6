/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One JSON text posted to a server, and its answer within a time and a size.
 * Redirects are not followed: the request carries a key and what a user wrote.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_POST_H
#define DVS_POST_H

#include <libsoup/soup.h>

typedef struct DvsPost DvsPost;

typedef struct {
  GUri *uri;
  const gchar *key;  /* a bearer token; NULL: none */
  const gchar *body; /* JSON */
  gsize max_bytes;   /* of the answer, decompressed */
  guint timeout_ms;  /* for the whole of it */
} DvsPostRequest;

/* @error NULL: the answer of a server that said 200. Else half a sentence; of
 * what the server answered it has nothing but the status. */
typedef void (*DvsPostFunc) (
    gpointer user, GBytes *answer, const GError *error);

/* A session as posts want it. */
SoupSession *dvs_post_session (void);

/* Calls @done once, later, unless it is cancelled before. The handle is good
 * until then. */
DvsPost *dvs_post (SoupSession *session, const DvsPostRequest *request,
    DvsPostFunc done, gpointer user);
void dvs_post_cancel (DvsPost *post);

#endif
