/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Prints the stamps of decoded media from standard input:
 *
 *   stamp-dump WIDTHxHEIGHT
 *     raw I420 frames: "SEGMENT FRAME" or "ERR" a line
 *   stamp-dump --audio RATE CHANNELS [s16le|f32le]
 *     raw samples (s16le): the sample number of a click a line, at the end
 *     "total SAMPLES"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stamp-read.h"

static int
usage (void)
{
  fprintf (stderr, "usage: stamp-dump WIDTHxHEIGHT\n"
                   "       stamp-dump --audio RATE CHANNELS [s16le|f32le]\n");
  return 2;
}

static int
dump_frames (unsigned width, unsigned height)
{
  size_t size = (size_t)width * height +
                2 * ((size_t)((width + 1) / 2) * ((height + 1) / 2));
  uint8_t *frame = malloc (size);
  uint32_t segment, number;
  size_t got;

  while ((got = fread (frame, 1, size, stdin)) == size) {
    if (stamp_read_strip (frame, width, width, height, &segment, &number))
      printf ("%u %u\n", segment, number);
    else
      printf ("ERR\n");
  }
  free (frame);
  if (got)
    fprintf (
        stderr, "stamp-dump: the last frame has %zu of %zu bytes\n", got, size);
  return got ? 1 : 0;
}

static uint8_t *
read_all (size_t *size)
{
  size_t room = 1 << 20, got;
  uint8_t *data = malloc (room);

  *size = 0;
  while ((got = fread (data + *size, 1, room - *size, stdin)) > 0) {
    *size += got;
    if (*size == room)
      data = realloc (data, room *= 2);
  }
  return data;
}

static int
dump_clicks (unsigned rate, unsigned channels, bool is_float)
{
  size_t size, width = is_float ? 4 : 2;
  uint8_t *data = read_all (&size);
  size_t values = size / width, count = values / channels, found;
  float *samples = malloc ((values + 1) * sizeof *samples);
  size_t room = count / rate * 3 + 16;
  uint64_t *clicks = malloc (room * sizeof *clicks);

  for (size_t i = 0; i < values; i++) {
    int16_t value;

    if (is_float) {
      memcpy (samples + i, data + 4 * i, 4);
    } else {
      memcpy (&value, data + 2 * i, 2);
      samples[i] = (float)value / 32768;
    }
  }
  found = stamp_find_clicks (samples, count, channels, rate, clicks, room);
  for (size_t i = 0; i < found && i < room; i++)
    printf ("%llu\n", (unsigned long long)clicks[i]);
  printf ("total %zu\n", count);
  free (clicks);
  free (samples);
  free (data);
  return 0;
}

int
main (int argc, char **argv)
{
  unsigned width, height, rate, channels;

  if (argc == 2 && sscanf (argv[1], "%ux%u", &width, &height) == 2 &&
      width >= 16 && height >= 16 && width <= 8192 && height <= 8192)
    return dump_frames (width, height);
  if (argc < 4 || argc > 5 || strcmp (argv[1], "--audio") != 0)
    return usage ();
  rate = (unsigned)atoi (argv[2]);
  channels = (unsigned)atoi (argv[3]);
  if (rate < 8000 || rate > 192000 || channels < 1 || channels > 8)
    return usage ();
  return dump_clicks (
      rate, channels, argc == 5 && strcmp (argv[4], "f32le") == 0);
}
