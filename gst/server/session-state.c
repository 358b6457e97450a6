/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of states and messages: see session-state.h.
 */
#include "session-state.h"

#include <string.h>

#define NONE DVS_REPLY_IGNORE
#define INIT DVS_REPLY_INIT
#define LATER DVS_REPLY_LATER
#define DO DVS_REPLY_DO
#define NO DVS_REPLY_NO_PROJECT
#define STILL DVS_REPLY_STILL_ENDING
#define REWR DVS_REPLY_REWRITE_ONLY
#define AGAIN DVS_REPLY_IDLE_AGAIN
#define LEAVE DVS_REPLY_LEAVE

/* Columns: session_init_v2, project_init_v1, append_prompt,
 * rewrite_seed_prompts, reset_to_seed_prompts, restart_generation,
 * set_generation_paused, set_loop_generation, set_auto_extension,
 * set_enhancement, set_rewrite_model, set_rewrite_temperature,
 * simple_generate, end_project_keep_session, leave, other. */
/* clang-format off */
static const guint8 replies[DVS_N_STATES][DVS_N_MESSAGES] = {
  [DVS_STATE_CONNECTED] = {
    INIT, INIT, INIT, INIT, INIT, INIT, INIT, INIT, INIT, INIT, INIT, INIT,
    INIT, INIT, INIT, INIT},
  [DVS_STATE_CHECKING] = {
    LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER,
    LATER, LATER, LATER, LEAVE, NONE},
  [DVS_STATE_QUEUED] = {
    LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER,
    LATER, LATER, LATER, LEAVE, NONE},
  [DVS_STATE_AWAIT_ROLLOUT] = {
    NONE, STILL, REWR, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  [DVS_STATE_STREAMING] = {
    NONE, STILL, DO, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  [DVS_STATE_GENERATING] = {
    NONE, STILL, DO, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  [DVS_STATE_PAUSED] = {
    NONE, STILL, DO, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  [DVS_STATE_BLOCKED] = {
    NONE, STILL, DO, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  [DVS_STATE_CAP_WAIT] = {
    NONE, STILL, REWR, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  [DVS_STATE_CLIP_IDLE] = {
    NONE, STILL, DO, DO, DO, DO, DO, DO, DO, DO, DO, DO,
    DO, DO, LEAVE, NONE},
  /* Nothing that is asked for now could still be seen. */
  [DVS_STATE_ENDING] = {
    NONE, STILL, NO, NO, NO, NO, NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, NONE, LEAVE, NONE},
  [DVS_STATE_IDLE] = {
    NONE, DO, NO, NO, NO, NO, NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, AGAIN, LEAVE, NONE},
  [DVS_STATE_STARTING] = {
    LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER, LATER,
    LATER, LATER, LATER, LEAVE, NONE},
  [DVS_STATE_CLOSED] = {
    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
    NONE, NONE, NONE, NONE},
};
/* clang-format on */

static const gchar *const state_names[DVS_N_STATES] = {"connected", "checking",
    "queued", "await-rollout", "streaming", "generating", "paused", "blocked",
    "cap-wait", "clip-idle", "ending", "idle", "starting", "closed"};

static const gchar *const message_names[DVS_N_MESSAGES] = {"session_init_v2",
    "project_init_v1", "append_prompt", "rewrite_seed_prompts",
    "reset_to_seed_prompts", "restart_generation", "set_generation_paused",
    "set_loop_generation", "set_auto_extension", "set_enhancement",
    "set_rewrite_model", "set_rewrite_temperature", "simple_generate",
    "end_project_keep_session", "leave", NULL};

DvsReply
dvs_state_reply (DvsState state, DvsMessageType type)
{
  g_return_val_if_fail (state < DVS_N_STATES, DVS_REPLY_IGNORE);
  g_return_val_if_fail (type < DVS_N_MESSAGES, DVS_REPLY_IGNORE);
  return replies[state][type];
}

const gchar *
dvs_state_name (DvsState state)
{
  return state < DVS_N_STATES ? state_names[state] : NULL;
}

DvsMessageType
dvs_message_type (const gchar *type)
{
  guint i;

  for (i = 0; type && i < DVS_MESSAGE_OTHER; i++)
    if (strcmp (type, message_names[i]) == 0)
      return i;
  return DVS_MESSAGE_OTHER;
}

const gchar *
dvs_message_name (DvsMessageType type)
{
  return type < DVS_N_MESSAGES ? message_names[type] : NULL;
}
