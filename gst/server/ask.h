/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The question for a prompt, between dreamversesrc, whose generation thread
 * asks and waits, and the worker's main loop, where the answer comes from.
 *
 * Threads: the main thread, except for the signals' handlers.
 */
#ifndef DVS_ASK_H
#define DVS_ASK_H

#include <gst/gst.h>

typedef struct DvsAsk DvsAsk;

/* In the main thread: @resets counts those that had been taken when it was
 * asked, since dvs_ask_open(). */
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
/* The source has just been told to reset: a question from before is void, also
 * one that is still to come. */
void dvs_ask_reset_requested (DvsAsk *ask);
/* @bus: where the source says of a reset that its epoch has begun, in the
 * thread in which it then asks. For as long as that lives. */
void dvs_ask_watch (DvsAsk *ask, GstBus *bus);
/* Whether this is what is asked. */
gboolean dvs_ask_is (DvsAsk *ask, guint epoch, guint index);
/* Answers; NULL: whoever asked goes on without a prompt. */
void dvs_ask_answer (DvsAsk *ask, const gchar *prompt);

#endif
