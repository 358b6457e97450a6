/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * WebSocket framing (RFC 6455, server's side), both ways: the few bytes in
 * front of a payload that is sent, and a reader for what a client sends. Plain
 * C11. Nothing in the input is trusted: a message larger than the limit is
 * refused by its header, or as soon as its fragments add up to more.
 *
 * Threads: no shared state; a reader belongs to one thread at a time.
 */
#ifndef WSFRAME_H
#define WSFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HEADER_MAX 10

enum {
  WS_OP_CONTINUATION = 0,
  WS_OP_TEXT = 1,
  WS_OP_BINARY = 2,
  WS_OP_CLOSE = 8,
  WS_OP_PING = 9,
  WS_OP_PONG = 10
};

enum {
  WS_CLOSE_NORMAL = 1000,
  WS_CLOSE_GOING_AWAY = 1001,
  WS_CLOSE_PROTOCOL = 1002,
  WS_CLOSE_UNSUPPORTED = 1003,
  WS_CLOSE_BAD_DATA = 1007,
  WS_CLOSE_POLICY = 1008,
  WS_CLOSE_TOO_BIG = 1009,
  WS_CLOSE_TRY_LATER = 1013
};

/* The header of a whole, unmasked frame; returns its length. */
size_t ws_frame_header (
    uint8_t header[WS_HEADER_MAX], unsigned opcode, uint64_t size);

typedef struct {
  unsigned opcode; /* TEXT, BINARY, CLOSE, PING or PONG */
  uint8_t *data;   /* the reader's, until the next call on it */
  size_t size;
} WsMessage;

typedef enum {
  WS_READ_MORE,    /* everything was taken, nothing is whole yet */
  WS_READ_MESSAGE, /* a whole message; there may be more in the bytes */
  WS_READ_ERROR    /* close_code and reason say why; the reader stays so */
} WsReadResult;

typedef struct {
  size_t max_message;
  uint16_t close_code;
  const char *reason;

  uint8_t head[14];
  unsigned head_have;
  bool in_payload;
  uint8_t mask[4];
  unsigned opcode;
  bool fin;
  size_t frame_size, frame_have;

  unsigned message_opcode; /* 0: no message is open */
  uint8_t *message;
  size_t message_size, message_room;
  uint8_t control[125];
} WsReader;

void ws_reader_init (WsReader *reader, size_t max_message);
void ws_reader_clear (WsReader *reader);
/* Takes from *@data, *@size, which it moves on. */
WsReadResult ws_reader_next (
    WsReader *reader, const uint8_t **data, size_t *size, WsMessage *message);

#endif
