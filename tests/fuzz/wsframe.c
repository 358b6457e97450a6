/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes what reads a viewer's frames: whole and in slices it must say the
 * same, and never keep more than a message.
 */
#include "wsframe.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE 512

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

/* What was read, folded into a number. */
typedef struct {
  uint64_t hash;
  unsigned messages;
  uint16_t close_code;
} Story;

static void
fold (Story *story, const void *data, size_t size)
{
  const uint8_t *bytes = data;
  size_t i;

  for (i = 0; i < size; i++)
    story->hash = (story->hash ^ bytes[i]) * 0x100000001b3u;
}

static Story
read_slices (const uint8_t *data, size_t size, size_t slice)
{
  Story story = {0};
  WsReader reader;
  WsReadResult result = WS_READ_MORE;
  size_t at, part;

  ws_reader_init (&reader, MAX_MESSAGE);
  for (at = 0; at < size && result != WS_READ_ERROR; at += part) {
    const uint8_t *from;
    uint8_t *copy;
    size_t left;

    part = slice < size - at ? slice : size - at;
    /* A block of its own, so that reading past it is seen. */
    from = copy = malloc (part);
    memcpy (copy, data + at, part);
    left = part;
    do {
      WsMessage message = {0};

      result = ws_reader_next (&reader, &from, &left, &message);
      EXPECT (from + left == copy + part);
      EXPECT (reader.message_room <= MAX_MESSAGE);
      if (result == WS_READ_MESSAGE) {
        EXPECT (message.data && message.size <= MAX_MESSAGE);
        EXPECT (message.opcode < WS_OP_CLOSE || message.size <= 125);
        fold (&story, &message.opcode, sizeof message.opcode);
        fold (&story, message.data, message.size);
        story.messages++;
      }
    } while (result == WS_READ_MESSAGE);
    EXPECT (result == WS_READ_ERROR || left == 0);
    free (copy);
  }
  EXPECT ((result == WS_READ_ERROR) == (reader.close_code != 0));
  EXPECT ((reader.close_code != 0) == (reader.reason != NULL));
  story.close_code = reader.close_code;
  if (reader.close_code) {
    /* It stays so. */
    WsMessage message;
    EXPECT (ws_reader_next (&reader, &data, &size, &message) == WS_READ_ERROR);
  }
  ws_reader_clear (&reader);
  return story;
}

/* A header that we write is one that a reader takes, once it is masked. */
static void
there_and_back (const uint8_t *data, size_t size)
{
  uint8_t *frame = malloc (WS_HEADER_MAX + 4 + size);
  const uint8_t *from = frame;
  size_t head = ws_frame_header (frame, WS_OP_BINARY, size), left;
  WsReader reader;
  WsMessage message;

  frame[1] |= 0x80;
  memset (frame + head, 0, 4);
  memcpy (frame + head + 4, data, size);
  left = head + 4 + size;
  ws_reader_init (&reader, size ? size : 1);
  EXPECT (ws_reader_next (&reader, &from, &left, &message) == WS_READ_MESSAGE);
  EXPECT (left == 0 && message.opcode == WS_OP_BINARY && message.size == size);
  EXPECT (!size || !memcmp (message.data, data, size));
  ws_reader_clear (&reader);
  free (frame);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const size_t slices[] = {1, 3, 4096};
  Story whole = read_slices (data, size, size ? size : 1);
  unsigned i;

  for (i = 0; i < sizeof slices / sizeof slices[0]; i++) {
    Story story = read_slices (data, size, slices[i]);

    EXPECT (story.hash == whole.hash && story.messages == whole.messages &&
            story.close_code == whole.close_code);
  }
  there_and_back (data, size);
  return 0;
}
