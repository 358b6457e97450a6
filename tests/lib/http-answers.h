/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An HTTP server for tests that answers well, badly, late or never, from the
 * test's own main loop.
 */
#ifndef HTTP_ANSWERS_H
#define HTTP_ANSWERS_H

#include <gio/gio.h>

typedef enum {
  HTTP_ANSWER,  /* `status` and `body`, `delay_ms` after the request */
  HTTP_NEVER,   /* takes the request and is silent */
  HTTP_DROP,    /* takes the request and closes */
  HTTP_HALF,    /* closes in the middle of the body */
  HTTP_DRIP,    /* a byte of an endless body every 10 ms */
  HTTP_HUGE,    /* an endless body, as fast as it is taken */
  HTTP_GARBAGE, /* what is no HTTP */
} HttpManner;

typedef struct {
  guint port;
  HttpManner manner;
  guint status;
  gchar *body;          /* set with http_answers_say() */
  const gchar *headers; /* further ones, each with CR LF; NULL: none */
  guint delay_ms;
  GTlsCertificate *certificate; /* NULL: no TLS; the test's */

  GPtrArray *heads, *bodies; /* of the requests so far */
  guint connections;
  guint gone; /* that the client closed */
  GSocketService *service;
  GSList *open;
} HttpAnswers;

HttpAnswers *http_answers_new (void);
void http_answers_free (HttpAnswers *server);
void http_answers_say (HttpAnswers *server, guint status, const gchar *body);

/* Closes all connections that are open. */
void http_answers_hang_up (HttpAnswers *server);

/* A chat completion whose content is @content. */
gchar *http_completion (const gchar *content);

/* Runs the main loop until *@flag is not 0; FALSE: not within 50 s. */
gboolean http_wait (const guint *flag);
/* Runs it for @ms. */
void http_run (guint ms);

#endif
