/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * WebSocket framing: see wsframe.h.
 */
#include "wsframe.h"

#include <stdlib.h>
#include <string.h>

size_t
ws_frame_header (uint8_t header[WS_HEADER_MAX], unsigned opcode, uint64_t size)
{
  unsigned i;

  header[0] = (uint8_t)(0x80 | opcode);
  if (size < 126) {
    header[1] = (uint8_t)size;
    return 2;
  }
  if (size < 65536) {
    header[1] = 126;
    header[2] = (uint8_t)(size >> 8);
    header[3] = (uint8_t)size;
    return 4;
  }
  header[1] = 127;
  for (i = 0; i < 8; i++)
    header[2 + i] = (uint8_t)(size >> (56 - 8 * i));
  return 10;
}

void
ws_reader_init (WsReader *reader, size_t max_message)
{
  memset (reader, 0, sizeof *reader);
  reader->max_message = max_message;
}

void
ws_reader_clear (WsReader *reader)
{
  free (reader->message);
  reader->message = NULL;
  reader->message_size = reader->message_room = 0;
}

static WsReadResult
fail (WsReader *reader, uint16_t code, const char *reason)
{
  reader->close_code = code;
  reader->reason = reason;
  ws_reader_clear (reader);
  return WS_READ_ERROR;
}

/* How long the header is, as far as its bytes tell. */
static unsigned
head_size (const WsReader *reader)
{
  unsigned len;

  if (reader->head_have < 2)
    return 2;
  len = reader->head[1] & 0x7f;
  return 6 + (len == 126 ? 2 : len == 127 ? 8 : 0);
}

/* Checks a whole header and opens its payload. */
static WsReadResult
open_frame (WsReader *reader)
{
  const uint8_t *head = reader->head;
  unsigned len = head[1] & 0x7f, at = 2, i;
  uint64_t size = len;

  reader->fin = (head[0] & 0x80) != 0;
  reader->opcode = head[0] & 0x0f;
  if (head[0] & 0x70)
    return fail (reader, WS_CLOSE_PROTOCOL, "reserved bits are set");
  if (len == 126) {
    size = (uint64_t)head[2] << 8 | head[3];
    at = 4;
  } else if (len == 127) {
    for (size = 0, i = 0; i < 8; i++)
      size = size << 8 | head[2 + i];
    at = 10;
  }
  memcpy (reader->mask, head + at, 4);

  if (reader->opcode >= WS_OP_CLOSE) {
    if (reader->opcode > WS_OP_PONG)
      return fail (reader, WS_CLOSE_PROTOCOL, "unknown opcode");
    if (!reader->fin || size > sizeof reader->control)
      return fail (reader, WS_CLOSE_PROTOCOL, "bad control frame");
  } else {
    if (reader->opcode > WS_OP_BINARY)
      return fail (reader, WS_CLOSE_PROTOCOL, "unknown opcode");
    if ((reader->opcode == WS_OP_CONTINUATION) != (reader->message_opcode != 0))
      return fail (reader, WS_CLOSE_PROTOCOL, "fragments out of order");
    if (size > reader->max_message - reader->message_size)
      return fail (reader, WS_CLOSE_TOO_BIG, "message too large");
    if (reader->opcode != WS_OP_CONTINUATION)
      reader->message_opcode = reader->opcode;
    if (reader->message_size + size > reader->message_room) {
      size_t room = reader->message_size + (size_t)size, more;
      uint8_t *message;

      /* Many small fragments must not be copied each time. */
      more = reader->message_room + reader->message_room / 2;
      if (room < more)
        room = more < reader->max_message ? more : reader->max_message;
      message = realloc (reader->message, room);
      if (message == NULL)
        return fail (reader, WS_CLOSE_TOO_BIG, "out of memory");
      reader->message = message;
      reader->message_room = room;
    }
  }
  reader->frame_size = (size_t)size;
  reader->frame_have = 0;
  reader->in_payload = true;
  return WS_READ_MORE;
}

/* Ends a frame whose payload is whole; true when it ends a message. */
static bool
close_frame (WsReader *reader, WsMessage *message)
{
  reader->in_payload = false;
  reader->head_have = 0;
  if (reader->opcode >= WS_OP_CLOSE) {
    message->opcode = reader->opcode;
    message->data = reader->control;
    message->size = reader->frame_size;
    return true;
  }
  reader->message_size += reader->frame_size;
  if (!reader->fin)
    return false;
  message->opcode = reader->message_opcode;
  message->data = reader->message ? reader->message : reader->control;
  message->size = reader->message_size;
  reader->message_opcode = 0;
  reader->message_size = 0;
  return true;
}

WsReadResult
ws_reader_next (
    WsReader *reader, const uint8_t **data, size_t *size, WsMessage *message)
{
  if (reader->close_code)
    return WS_READ_ERROR;
  for (;;) {
    if (!reader->in_payload) {
      while (reader->head_have < head_size (reader)) {
        if (*size == 0)
          return WS_READ_MORE;
        reader->head[reader->head_have++] = *(*data)++;
        (*size)--;
        if (reader->head_have == 2 && !(reader->head[1] & 0x80))
          return fail (reader, WS_CLOSE_PROTOCOL, "frame is not masked");
      }
      if (open_frame (reader) == WS_READ_ERROR)
        return WS_READ_ERROR;
    }
    {
      size_t want = reader->frame_size - reader->frame_have;
      size_t take = want < *size ? want : *size, i;
      /* Of an empty message there is no block. */
      uint8_t *to = reader->opcode >= WS_OP_CLOSE || !reader->message
                        ? reader->control
                        : reader->message + reader->message_size;

      for (i = 0; i < take; i++)
        to[reader->frame_have + i] =
            (*data)[i] ^ reader->mask[(reader->frame_have + i) & 3];
      reader->frame_have += take;
      *data += take;
      *size -= take;
      if (reader->frame_have < reader->frame_size)
        return WS_READ_MORE;
    }
    if (close_frame (reader, message))
      return WS_READ_MESSAGE;
  }
}
