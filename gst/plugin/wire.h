/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names on the WebSocket: `type` of every JSON text frame. A superset of
 * Dreamverse's media messages; unknown types and fields are ignored by both
 * sides. docs/protocol.md has the fields, units and ordering of each; a test
 * holds the two against one another.
 */
#ifndef WIRE_H
#define WIRE_H

/* server -> viewer */
#define WIRE_HELLO "dreamverse_hello" /* first: version, control, client_id */
#define WIRE_STREAM_START "ltx2_stream_start"
#define WIRE_SEGMENT_START "ltx2_segment_start"
#define WIRE_PROGRESS "segment_progress"
#define WIRE_STEP_COMPLETE "step_complete"
#define WIRE_MEDIA_INIT "media_init"
#define WIRE_MEDIA_SEGMENT_COMPLETE "media_segment_complete"
#define WIRE_SEGMENT_COMPLETE "ltx2_segment_complete"
#define WIRE_STREAM_COMPLETE "ltx2_stream_complete"
#define WIRE_MEDIA_SKIPPED                                                     \
  "media_skipped" /* brought forward: from, to, bytes */
#define WIRE_PROMPT_RECEIVED "prompt_received"
#define WIRE_PAUSED_UPDATED "generation_paused_updated"
#define WIRE_RESET_APPLIED "seed_prompts_reset_applied"
#define WIRE_ERROR "error" /* code, message, segment_idx?, stream_id? */

/* viewer -> server */
#define WIRE_APPEND_PROMPT "append_prompt"      /* prompt, prompt_id */
#define WIRE_SET_PAUSED "set_generation_paused" /* paused */
#define WIRE_RESET "reset_to_seed_prompts"
#define WIRE_RESTART "restart_generation" /* the same, and unpauses */
#define WIRE_LEAVE "leave"                /* closes the connection, code 1000 */

#endif
