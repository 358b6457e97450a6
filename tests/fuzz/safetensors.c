/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fuzzes the reader of safetensors files. The first byte says what the rest
 * is: a file in memory, a header whose length and data are made to fit, a
 * file on disk, or an index of two shards beside it. What is accepted must be
 * inside the file, whole, and found by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ltx2/safetensors-write.h"
#include "ltx2/safetensors.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition))                                                          \
      abort ();                                                                \
  } while (0)

static char directory[64];

static const char *
path_of (const char *name)
{
  static char path[128];

  snprintf (path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void
tidy (void)
{
  static const char *const names[] = {
      "a.safetensors", "b.safetensors", "m.safetensors", "m.index.json"};

  for (int i = 0; i < 4; i++)
    unlink (path_of (names[i]));
  rmdir (path_of ("folder"));
  rmdir (directory);
}

static void
write_shard (const char *file, const char *tensor, const char *second)
{
  DvError error;
  DvSafetensorsWriter *writer = dv_safetensors_write (path_of (file), &error);

  EXPECT (writer);
  dv_safetensors_write_tensor (writer, tensor, DV_U8, 1, (int64_t[]){1});
  dv_safetensors_write_tensor (writer, second, DV_U8, 1, (int64_t[]){1});
  dv_safetensors_write_data (writer, "xy", 2);
  EXPECT (dv_safetensors_write_end (writer, &error) == DV_OK);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  strcpy (directory, "/tmp/dv-fuzz-XXXXXX");
  EXPECT (mkdtemp (directory));
  write_shard ("a.safetensors", "a", "c");
  write_shard ("b.safetensors", "b", "d");
  EXPECT (mkdir (path_of ("folder"), 0700) == 0);
  atexit (tidy);
  return 0;
}

static void
write_file (const char *name, const uint8_t *data, size_t size)
{
  FILE *file = fopen (path_of (name), "wb");

  EXPECT (file && fwrite (data, 1, size, file) == size);
  fclose (file);
}

static void
use (DvSafetensors *file, const DvError *error)
{
  const DvTensor *t;
  const char *name;
  size_t count = 0;
  uint64_t bytes = 0;
  static volatile uint8_t sink;

  if (!file) {
    EXPECT (error->code != DV_OK && error->detail[0]);
    dv_safetensors_free (file);
    return;
  }
  for (size_t i = 0; (t = dv_safetensors_nth (file, i, &name)); i++) {
    size_t n = dv_tensor_bytes (t);

    EXPECT (dv_safetensors_find (file, name) == t);
    dv_safetensors_will_read (file, t);
    for (size_t j = 0; j < n; j++)
      sink ^= ((const uint8_t *)t->data)[j];
    dv_safetensors_was_read (file, t, n % 2);
    bytes += n;
    count++;
  }
  EXPECT (count == dv_safetensors_count (file));
  EXPECT (bytes == dv_safetensors_bytes (file));
  EXPECT (dv_safetensors_path (file));
  if (dv_safetensors_metadata (file, "config"))
    sink ^= (uint8_t)strlen (dv_safetensors_metadata (file, "config"));
  (void)sink;
  dv_safetensors_free (file);
}

/* The header up to a zero byte, the data behind it. */
static uint8_t *
made_to_fit (const uint8_t *data, size_t *size)
{
  const uint8_t *end = memchr (data, 0, *size);
  size_t n = end ? (size_t)(end - data) : *size, rest = end ? *size - n - 1 : 0;
  uint8_t *copy = malloc (8 + n + rest);

  EXPECT (copy);
  for (int i = 0; i < 8; i++)
    copy[i] = (uint8_t)((uint64_t)n >> (8 * i));
  memcpy (copy + 8, data, n);
  if (end)
    memcpy (copy + 8 + n, end + 1, rest);
  *size = 8 + n + rest;
  return copy;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  DvError error = {DV_OK};
  uint8_t mode, *copy;

  if (size == 0)
    return 0;
  mode = *data++ % 4;
  size--;
  if (mode < 2) {
    size_t n = size;

    copy = mode ? made_to_fit (data, &n) : malloc (n ? n : 1);
    EXPECT (copy);
    if (!mode)
      memcpy (copy, data, n);
    use (dv_safetensors_parse (copy, n, "memory", &error), &error);
    free (copy);
  } else if (mode == 2) {
    write_file ("m.safetensors", data, size);
    use (dv_safetensors_open (path_of ("m.safetensors"), &error), &error);
  } else {
    /* An empty one stands for none. */
    unlink (path_of ("m.index.json"));
    if (size)
      write_file ("m.index.json", data, size);
    use (dv_safetensors_open (path_of ("m.index.json"), &error), &error);
  }
  return 0;
}
