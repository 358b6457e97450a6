/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The states of a session, the messages of a client, and what each message is
 * answered in each state.
 *
 * Threads: constant data.
 */
#ifndef DVS_SESSION_STATE_H
#define DVS_SESSION_STATE_H

#include <glib.h>

typedef enum {
  DVS_STATE_CONNECTED,     /* waits for the first message */
  DVS_STATE_CHECKING,      /* its prompts and its picture are looked at */
  DVS_STATE_QUEUED,        /* waits for a slot */
  DVS_STATE_AWAIT_ROLLOUT, /* no prompts yet: they are being written */
  DVS_STATE_STREAMING,     /* between two segments */
  DVS_STATE_GENERATING,
  DVS_STATE_PAUSED,
  DVS_STATE_BLOCKED,   /* no prompt is left */
  DVS_STATE_CAP_WAIT,  /* as many segments as may be */
  DVS_STATE_CLIP_IDLE, /* the single clip is done */
  DVS_STATE_ENDING,    /* the project ends: what is made is relayed */
  DVS_STATE_IDLE,      /* no project */
  DVS_STATE_STARTING,  /* the next project is looked at */
  DVS_STATE_CLOSED,
  DVS_N_STATES
} DvsState;

typedef enum {
  DVS_MESSAGE_SESSION_INIT,
  DVS_MESSAGE_PROJECT_INIT,
  DVS_MESSAGE_APPEND,
  DVS_MESSAGE_REWRITE,
  DVS_MESSAGE_RESET,
  DVS_MESSAGE_RESTART,
  DVS_MESSAGE_SET_PAUSED,
  DVS_MESSAGE_SET_LOOP,
  DVS_MESSAGE_SET_AUTO,
  DVS_MESSAGE_SET_ENHANCEMENT,
  DVS_MESSAGE_SET_MODEL,
  DVS_MESSAGE_SET_TEMPERATURE,
  DVS_MESSAGE_SIMPLE_GENERATE,
  DVS_MESSAGE_END_PROJECT,
  DVS_MESSAGE_LEAVE,
  DVS_MESSAGE_OTHER, /* any other type, or none */
  DVS_N_MESSAGES
} DvsMessageType;

typedef enum {
  DVS_REPLY_IGNORE,       /* nothing at all */
  DVS_REPLY_INIT,         /* whatever it is called, it is the init */
  DVS_REPLY_LATER,        /* it waits, in order */
  DVS_REPLY_DO,           /* what the message asks for */
  DVS_REPLY_NO_PROJECT,   /* error: start a project first */
  DVS_REPLY_STILL_ENDING, /* error: the project goes on or ends */
  DVS_REPLY_REWRITE_ONLY, /* error: only Rewrite leads on */
  DVS_REPLY_IDLE_AGAIN,   /* project_idle once more */
  DVS_REPLY_LEAVE         /* the session ends */
} DvsReply;

DvsReply dvs_state_reply (DvsState state, DvsMessageType type);
const gchar *dvs_state_name (DvsState state);

/* By the value of "type"; NULL: OTHER. */
DvsMessageType dvs_message_type (const gchar *type);
const gchar *dvs_message_name (DvsMessageType type);

#endif
