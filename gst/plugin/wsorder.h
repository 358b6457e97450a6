/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Puts what the pipeline says (media in band, generation by the bus) into the
 * order of the wire: all of a segment before the next, one stream after the
 * other, each completed once. docs/protocol.md has the rules.
 *
 * Threads: events are made anywhere; an order belongs to the relay thread or
 * who stands in for it.
 */
#ifndef WSORDER_H
#define WSORDER_H

#include <json-glib/json-glib.h>

#include "wsendpoint.h"

typedef enum {
  /* in band */
  WS_EVENT_SEGMENT,
  WS_EVENT_INIT,
  WS_EVENT_FRAGMENT,
  WS_EVENT_MEDIA_COMPLETE,
  WS_EVENT_EOS,
  WS_EVENT_FLUSH,
  /* from the bus */
  WS_EVENT_STEP_START,
  WS_EVENT_PROGRESS,
  WS_EVENT_STEP_COMPLETE,
  WS_EVENT_STEP_ABORTED,
  WS_EVENT_STREAM_COMPLETE,
  WS_EVENT_PROMPT_RECEIVED,
  WS_EVENT_PAUSED,
  WS_EVENT_RESET,
  WS_EVENT_ERROR
} WsEventType;

#define WS_TIME_NONE G_MAXUINT64

typedef struct {
  WsEventType type;
  /* the segment */
  guint epoch, index;
  gchar *stream_id, *prompt, *model;
  gboolean procedural;
  guint64 start, end; /* ns, or WS_TIME_NONE */
  /* media */
  GBytes *bytes;
  gchar *mime;
  guint width, height;
  gboolean key, companion;
  guint64 media_start, media_end, duration;
  /* the rest, as gstdreamverse.h names it */
  gboolean aborted, last, paused;
  guint frames, segments, queue_depth;
  gdouble fraction, generation_ms;
  gchar *stage, *code, *message, *prompt_id;
  JsonNode *timings;
} WsEvent;

WsEvent *ws_event_new (WsEventType type);
void ws_event_free (WsEvent *event);

typedef struct {
  WsEndpoint *endpoint;
  guint epoch; /* on the wire; 0: nothing yet */
  gboolean started, completed, failed;
  guint segments_done;
  /* what stream-complete said */
  gboolean announced;
  guint announced_segments;
  gchar *aborting; /* stream id: its step was aborted, its media is to come */
  gchar *aborted;  /* the latest whose media ended aborted */
  GQueue held;     /* bus events of later epochs */

  gboolean segment_known, segment_open, marked;
  WsEvent *segment; /* in band: the one that comes, or that is open */
  guint chunks;
  WsEvent *init; /* the latest init segment */
  guint plain_index;
} WsOrder;

void ws_order_init (WsOrder *order, WsEndpoint *endpoint);
void ws_order_clear (WsOrder *order);
/* Back to the beginning: a pipeline starts again. */
void ws_order_restart (WsOrder *order);
/* Takes @event. */
void ws_order_take (WsOrder *order, WsEvent *event);

#endif
