/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The question for a prompt, between dreamversesrc, whose generation thread
 * asks and waits, and the worker's main loop, where the answer comes from.
 *
 * Threads: the main thread, except for the signal's handler.
 */
#ifndef DVS_ASK_H
#define DVS_ASK_H

#include <gst/gst.h>

typedef struct DvsAsk DvsAsk;

/* In the main thread: @resets counts dvs_ask_void() since dvs_ask_open(). */
typedef void (*DvsAskFunc) (
    gpointer user, guint epoch, guint index, guint resets);

/* Connected to the "need-prompt" of @source for as long as that lives. */
DvsAsk *dvs_ask_new (GstElement *source, DvsAskFunc func, gpointer user);
/* Nothing is told afterwards. */
void dvs_ask_free (DvsAsk *ask);

/* Questions are taken from now on. */
void dvs_ask_open (DvsAsk *ask);
/* Whoever waits goes on without an answer, and so does everybody who comes. */
void dvs_ask_close (DvsAsk *ask);
/* The question that waits is void, a reset is under way. */
void dvs_ask_void (DvsAsk *ask);
/* Whether this is what is asked. */
gboolean dvs_ask_is (DvsAsk *ask, guint epoch, guint index);
/* Answers; NULL: whoever asked goes on without a prompt. */
void dvs_ask_answer (DvsAsk *ask, const gchar *prompt);

#endif
