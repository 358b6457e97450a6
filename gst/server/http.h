/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * HTTP: which path is answered by whom, who may ask, and how answers look.
 *
 * Threads: the main thread alone.
 */
#ifndef DVS_HTTP_H
#define DVS_HTTP_H

#include "server.h"

/* A request body at most. */
#define DVS_HTTP_MAX_BODY (1024 * 1024)
/* Those that libsoup has no names for. */
#define DVS_HTTP_UPGRADE_REQUIRED 426
#define DVS_HTTP_TOO_MANY_REQUESTS 429

void dvs_http_attach (DvsServer *server);

/* ---- for those who answer ---- */

/* {"detail": @detail} */
void dvs_http_error (
    SoupServerMessage *message, guint status, const gchar *detail);
/* Takes @object. */
void dvs_http_json (
    SoupServerMessage *message, guint status, JsonObject *object);
/* What was posted; NULL: it is no JSON object, and was answered so. */
JsonObject *dvs_http_posted (SoupServerMessage *message);
/* 422: @field of the body is not what it should be. */
void dvs_http_invalid (
    SoupServerMessage *message, const gchar *field, const gchar *problem);
/* ISO 8601 in UTC, to be freed. */
gchar *dvs_http_time (void);
/* In the query, the header or among the subprotocols; or none is needed. */
gboolean dvs_http_may (
    const DvsServer *server, SoupServerMessage *message, GHashTable *query);
gboolean dvs_http_origin_allowed (
    const DvsServer *server, SoupServerMessage *message);
/* The client's address; of a trusted proxy's client that which it tells. To be
 * freed. */
gchar *dvs_http_address (const DvsServer *server, SoupServerMessage *message);

/* ---- those who answer ---- */

typedef void (*DvsHttpAnswer) (
    DvsServer *server, SoupServerMessage *message, GHashTable *query);

void dvs_http_healthz (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_readyz (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_status (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_sessions (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_metrics (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_prompts (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_prompts_post (DvsServer *, SoupServerMessage *, GHashTable *);
void dvs_http_presets (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_presets_post (DvsServer *, SoupServerMessage *, GHashTable *);
void dvs_http_adapters (DvsServer *, SoupServerMessage *, GHashTable *query);
void dvs_http_adapters_post (DvsServer *, SoupServerMessage *, GHashTable *);
void dvs_http_socket (DvsServer *, SoupServerMessage *, GHashTable *query);
/* FALSE: there is no such file, and nothing was answered. */
gboolean dvs_http_file (
    DvsServer *server, SoupServerMessage *message, const gchar *path);

#endif
