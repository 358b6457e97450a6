/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The order of the wire: see wsorder.h.
 */
#include "wsorder.h"

#include <string.h>

#include "wire.h"
#include "wsjson.h"

/* Texts of a coming epoch that wait for the media of the old one. */
#define HELD_MAX 1024

WsEvent *
ws_event_new (WsEventType type)
{
  WsEvent *event = g_new0 (WsEvent, 1);

  event->type = type;
  event->start = event->end = WS_TIME_NONE;
  return event;
}

void
ws_event_free (WsEvent *event)
{
  g_free (event->stream_id);
  g_free (event->prompt);
  g_free (event->model);
  g_clear_pointer (&event->bytes, g_bytes_unref);
  g_free (event->mime);
  g_free (event->stage);
  g_free (event->code);
  g_free (event->message);
  g_free (event->prompt_id);
  g_clear_pointer (&event->timings, json_node_unref);
  g_free (event);
}

void
ws_order_init (WsOrder *order, WsEndpoint *endpoint)
{
  memset (order, 0, sizeof *order);
  order->endpoint = endpoint;
  g_queue_init (&order->held);
}

void
ws_order_clear (WsOrder *order)
{
  g_queue_clear_full (&order->held, (GDestroyNotify)ws_event_free);
  g_clear_pointer (&order->segment, ws_event_free);
  g_clear_pointer (&order->init, ws_event_free);
  g_clear_pointer (&order->aborting, g_free);
  g_clear_pointer (&order->aborted, g_free);
}

void
ws_order_restart (WsOrder *order)
{
  WsEndpoint *endpoint = order->endpoint;

  ws_order_clear (order);
  ws_order_init (order, endpoint);
  ws_endpoint_restart (endpoint);
}

static void
push_text (WsOrder *order, JsonBuilder *builder)
{
  ws_endpoint_push_text (order->endpoint, ws_json_end (builder));
}

/* Pushes a text and keeps it for viewers who join later. */
static void
push_state (WsOrder *order, JsonBuilder *builder, WsItem **state)
{
  WsItem *item = ws_item_new_text (ws_json_end (builder));

  g_clear_pointer (state, ws_item_unref);
  *state = ws_item_ref (item);
  ws_endpoint_push (order->endpoint, item);
}

static void
json_time (JsonBuilder *builder, const gchar *name, guint64 ns)
{
  if (ns != WS_TIME_NONE)
    ws_json_double (builder, name, ns / 1e9);
}

static void
json_segment (JsonBuilder *builder, const WsEvent *event)
{
  ws_json_int (builder, "segment_idx", event->index);
  ws_json_string (builder, "stream_id", event->stream_id);
  ws_json_int (builder, "epoch", event->epoch);
}

static void
json_model (JsonBuilder *builder, const WsEvent *event)
{
  if (event->model) {
    ws_json_string (builder, "model", event->model);
    ws_json_bool (builder, "procedural", event->procedural);
  }
  if (event->prompt)
    ws_json_string (builder, "prompt", event->prompt);
}

/* ---- streams ---- */

static void take_bus (WsOrder *order, WsEvent *event);

static void
begin_stream (WsOrder *order, guint epoch)
{
  WsEndpoint *endpoint = order->endpoint;
  JsonBuilder *builder;
  guint i, held = order->held.length;

  order->epoch = epoch;
  order->started = TRUE;
  order->completed = FALSE;
  order->endpoint->completed = FALSE;
  order->segments_done = 0;
  order->announced = FALSE;
  g_clear_pointer (&order->aborting, g_free);
  g_clear_pointer (&order->aborted, g_free);
  g_clear_pointer (&endpoint->segment_start, ws_item_unref);

  builder = ws_json_begin (WIRE_STREAM_START);
  ws_json_int (builder, "epoch", epoch);
  ws_json_int (builder, "total_segments", 0);
  ws_json_string (builder, "stream_mode", "av_fmp4");
  ws_json_bool (builder, "live_mode", TRUE);
  ws_json_bool (builder, "loop_generation_enabled", FALSE);
  ws_json_int (builder, "loop_iteration", epoch);
  ws_json_int (builder, "generation_segment_cap", 0);
  endpoint->stream_start_seq = endpoint->ring.next;
  push_state (order, builder, &endpoint->stream_start);

  /* What waited for this stream; what is of a later one goes on waiting. */
  for (i = 0; i < held; i++)
    take_bus (order, g_queue_pop_head (&order->held));
}

static void
complete_stream (WsOrder *order)
{
  JsonBuilder *builder;

  if (!order->started || order->completed)
    return;
  order->completed = TRUE;
  order->endpoint->completed = TRUE;
  builder = ws_json_begin (WIRE_STREAM_COMPLETE);
  ws_json_int (builder, "epoch", order->epoch);
  ws_json_int (builder, "segments", order->segments_done);
  push_text (order, builder);
}

/* Completes the stream when nothing of it is to come any more, and begins the
 * one that waits. */
static void
try_complete (WsOrder *order)
{
  const WsEvent *next;

  if (order->started && !order->completed) {
    if (!order->announced || order->segments_done < order->announced_segments ||
        order->segment_open || order->aborting)
      return;
    complete_stream (order);
  }
  next = g_queue_peek_head (&order->held);
  if (next && next->epoch > order->epoch)
    begin_stream (order, next->epoch);
}

/* ---- segments ---- */

static void
end_segment (WsOrder *order, gboolean aborted, JsonNode *timings)
{
  const WsEvent *segment = order->segment;
  JsonBuilder *builder;

  order->segment_open = FALSE;
  order->segment_known = FALSE;
  g_clear_pointer (&order->endpoint->media, ws_media_unref);
  builder = ws_json_begin (WIRE_MEDIA_SEGMENT_COMPLETE);
  json_segment (builder, segment);
  ws_json_int (builder, "chunks", order->chunks);
  if (aborted)
    ws_json_bool (builder, "aborted", TRUE);
  if (timings) {
    json_builder_set_member_name (builder, "timings_ms");
    json_builder_add_value (builder, json_node_copy (timings));
  }
  push_text (order, builder);
  if (aborted) {
    if (g_strcmp0 (order->aborting, segment->stream_id) == 0)
      g_clear_pointer (&order->aborting, g_free);
    g_free (order->aborted);
    order->aborted = g_strdup (segment->stream_id);
    return;
  }
  order->segments_done++;
  builder = ws_json_begin (WIRE_SEGMENT_COMPLETE);
  json_segment (builder, segment);
  ws_json_int (builder, "total_segments", segment->index);
  push_text (order, builder);
}

/* One whose end nobody announced: of a plain muxer it is complete. */
static void
end_unannounced (WsOrder *order)
{
  if (order->segment_open)
    end_segment (order, order->marked, NULL);
}

static void
open_segment (WsOrder *order)
{
  const WsEvent *init = order->init;
  WsEvent *segment = order->segment;
  WsEndpoint *endpoint = order->endpoint;
  WsItem *text, *item;
  JsonBuilder *builder;

  if (!order->segment_known) {
    if (!order->started || order->completed)
      begin_stream (order, order->epoch + 1);
    g_clear_pointer (&order->segment, ws_event_free);
    segment = order->segment = ws_event_new (WS_EVENT_SEGMENT);
    segment->epoch = order->epoch;
    segment->index = ++order->plain_index;
    segment->stream_id =
        g_strdup_printf ("seg%03u-%08x", segment->index, g_random_int ());
    order->segment_known = TRUE;
  }
  if (!order->started || order->completed || segment->epoch > order->epoch)
    begin_stream (order, MAX (segment->epoch, order->epoch + 1));

  builder = ws_json_begin (WIRE_MEDIA_INIT);
  json_segment (builder, segment);
  ws_json_string (builder, "mime", init->mime);
  ws_json_string (builder, "mode", "av_fmp4");
  json_model (builder, segment);
  if (init->width && init->height) {
    ws_json_int (builder, "width", init->width);
    ws_json_int (builder, "height", init->height);
  }
  json_time (builder, "start", segment->start);
  json_time (builder, "end", segment->end);
  text = ws_item_new_text (ws_json_end (builder));
  item = ws_item_new (WS_ITEM_INIT, init->bytes);
  g_clear_pointer (&endpoint->media, ws_media_unref);
  endpoint->media = ws_media_new (segment->index, text, item);
  ws_endpoint_push (endpoint, text);
  ws_endpoint_push (endpoint, item);
  order->segment_open = TRUE;
  order->chunks = 1;
}

static void
take_segment (WsOrder *order, WsEvent *event)
{
  /* A plain muxer sends it once a pad. */
  if (order->segment_known &&
      g_strcmp0 (order->segment->stream_id, event->stream_id) == 0) {
    ws_event_free (event);
    return;
  }
  end_unannounced (order);
  if (order->started && event->epoch > order->epoch) {
    complete_stream (order);
    begin_stream (order, event->epoch);
  }
  g_clear_pointer (&order->segment, ws_event_free);
  order->segment = event;
  order->segment_known = TRUE;
}

static void
take_init (WsOrder *order, WsEvent *event)
{
  if (order->segment_open) {
    /* The same again says nothing; another one is another segment. */
    if (g_strcmp0 (order->init->mime, event->mime) == 0 &&
        g_bytes_equal (order->init->bytes, event->bytes)) {
      ws_event_free (event);
      return;
    }
    end_unannounced (order);
  }
  g_clear_pointer (&order->init, ws_event_free);
  order->init = event;
  open_segment (order);
}

static void
take_fragment (WsOrder *order, WsEvent *event)
{
  WsItem *item;

  /* Of a plain muxer everything is a segment. With a mux that marks them only
   * closing silence is outside, after an end that nobody foresaw: it has no
   * place in the stream. */
  if (!order->segment_open && order->init &&
      (order->segment_known || !order->marked))
    open_segment (order);
  if (order->segment_open) {
    item = ws_item_new (WS_ITEM_FRAGMENT, event->bytes);
    item->key = event->key;
    item->companion = event->companion;
    item->start = event->media_start;
    item->end = event->media_end;
    item->duration = event->duration;
    item->media = ws_media_ref (order->endpoint->media);
    ws_endpoint_push (order->endpoint, item);
    order->chunks++;
  }
  ws_event_free (event);
}

static void
take_media_complete (WsOrder *order, WsEvent *event)
{
  order->marked = TRUE;
  if (order->segment_open &&
      g_strcmp0 (order->segment->stream_id, event->stream_id) == 0) {
    end_segment (order, event->aborted, event->timings);
  } else if (event->aborted &&
             g_strcmp0 (order->aborting, event->stream_id) == 0) {
    g_clear_pointer (&order->aborting, g_free);
  }
  try_complete (order);
  ws_event_free (event);
}

/* ---- from the bus ---- */

static void
tell_step_complete (WsOrder *order, const WsEvent *event)
{
  JsonBuilder *builder = ws_json_begin (WIRE_STEP_COMPLETE);

  json_segment (builder, event);
  json_builder_set_member_name (builder, "latency_ms");
  json_builder_begin_object (builder);
  ws_json_double (builder, "total", event->generation_ms);
  ws_json_double (builder, "worker_e2e", event->generation_ms);
  ws_json_double (builder, "main_user_step", event->generation_ms);
  ws_json_double (builder, "overhead", 0);
  json_builder_end_object (builder);
  if (event->timings) {
    json_builder_set_member_name (builder, "timings_ms");
    json_builder_add_value (builder, json_node_copy (event->timings));
  }
  push_text (order, builder);
}

/* Writes a text of the stream that is on the wire. */
static void
tell (WsOrder *order, const WsEvent *event)
{
  JsonBuilder *builder;

  switch (event->type) {
    case WS_EVENT_STEP_START:
      builder = ws_json_begin (WIRE_SEGMENT_START);
      json_segment (builder, event);
      ws_json_int (builder, "total_segments", event->index);
      json_model (builder, event);
      json_time (builder, "start", event->start);
      json_time (builder, "end", event->end);
      push_state (order, builder, &order->endpoint->segment_start);
      break;
    case WS_EVENT_PROGRESS:
      builder = ws_json_begin (WIRE_PROGRESS);
      json_segment (builder, event);
      ws_json_string (builder, "stage", event->stage);
      ws_json_double (builder, "fraction", event->fraction);
      push_text (order, builder);
      break;
    case WS_EVENT_STEP_COMPLETE:
      tell_step_complete (order, event);
      break;
    case WS_EVENT_RESET:
      builder = ws_json_begin (WIRE_RESET_APPLIED);
      ws_json_string (builder, "reason", "manual_reset");
      ws_json_int (builder, "epoch", event->epoch);
      ws_json_int (builder, "loop_iteration", event->epoch);
      ws_json_int (builder, "seed_prompt_count", 0);
      push_text (order, builder);
      break;
    case WS_EVENT_STEP_ABORTED:
      if (event->frames && g_strcmp0 (order->aborted, event->stream_id) != 0) {
        g_free (order->aborting);
        order->aborting = g_strdup (event->stream_id);
      }
      break;
    case WS_EVENT_STREAM_COMPLETE:
      order->announced = TRUE;
      order->announced_segments = event->segments;
      break;
    default:
      break;
  }
}

/* Of an older stream: counts for nothing. Of a later one: waits. */
static void
take_bus (WsOrder *order, WsEvent *event)
{
  if (order->epoch == 0 && event->epoch)
    begin_stream (order, event->epoch);
  if (event->epoch > order->epoch) {
    if (order->held.length < HELD_MAX)
      g_queue_push_tail (&order->held, event);
    else
      ws_event_free (event);
    return;
  }
  if (event->epoch == order->epoch && !order->completed)
    tell (order, event);
  ws_event_free (event);
}

/* Those that name no stream are told at once. */
static void
take_reply (WsOrder *order, WsEvent *event)
{
  JsonBuilder *builder;

  if (event->type == WS_EVENT_PROMPT_RECEIVED) {
    builder = ws_json_begin (WIRE_PROMPT_RECEIVED);
    ws_json_string (builder, "prompt_id", event->prompt_id);
    ws_json_string (builder, "prompt", event->prompt);
    ws_json_int (builder, "queue_depth", event->queue_depth);
    push_text (order, builder);
  } else {
    builder = ws_json_begin (WIRE_PAUSED_UPDATED);
    ws_json_bool (builder, "paused", event->paused);
    push_state (order, builder, &order->endpoint->paused);
  }
  ws_event_free (event);
}

void
ws_order_take (WsOrder *order, WsEvent *event)
{
  if (order->failed) {
    ws_event_free (event);
    return;
  }
  switch (event->type) {
    case WS_EVENT_SEGMENT:
      take_segment (order, event);
      break;
    case WS_EVENT_INIT:
      take_init (order, event);
      break;
    case WS_EVENT_FRAGMENT:
      take_fragment (order, event);
      break;
    case WS_EVENT_MEDIA_COMPLETE:
      take_media_complete (order, event);
      break;
    case WS_EVENT_EOS:
      end_unannounced (order);
      complete_stream (order);
      ws_event_free (event);
      break;
    case WS_EVENT_FLUSH:
      if (order->segment_open)
        end_segment (order, TRUE, NULL);
      ws_event_free (event);
      break;
    case WS_EVENT_PROMPT_RECEIVED:
    case WS_EVENT_PAUSED:
      take_reply (order, event);
      break;
    case WS_EVENT_ERROR:
      order->failed = TRUE;
      ws_endpoint_fail (
          order->endpoint, ws_json_error (event->code, event->message,
                               event->index, event->stream_id));
      ws_event_free (event);
      break;
    default:
      take_bus (order, event);
      try_complete (order);
      break;
  }
}
