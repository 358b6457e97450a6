/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory: one region of addresses, in which every allocation has whole
 * pages and a closed one behind it.  All of it is closed to the host but
 * between open and close.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "run.h"

#define REGION ((size_t)1 << 36)
#define PAGE ((size_t)4096)
/* So much of an allocation is filled; more would only take time. */
#define FILLED ((size_t)1 << 18)

typedef struct {
  size_t start, pages, bytes; /* bytes 0: free */
} Slot;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *region;
static size_t top; /* of the slots */
static Slot *slots;
static size_t n_slots, room_slots;
static size_t used, limit = (size_t)4 << 30;
static Slot last; /* a slot in use that was looked for; or none */

static void
protect (int protection)
{
  if (top > 0 && mprotect (region, top, protection) != 0) {
    perror ("device memory");
    abort ();
  }
}

void
simt_memory_open (void)
{
  pthread_mutex_lock (&lock);
  protect (PROT_READ | PROT_WRITE);
}

void
simt_memory_close (void)
{
  protect (PROT_NONE);
  pthread_mutex_unlock (&lock);
}

/* The slot at or before @at, or NULL. Slots stand in the order of their
 * addresses. */
static Slot *
find (const void *at)
{
  size_t offset = (size_t)((const uint8_t *)at - region);
  size_t low = 0, high = n_slots;

  if (!region || (const uint8_t *)at < region || offset >= REGION)
    return NULL;
  while (low < high) {
    size_t middle = (low + high) / 2;

    if (slots[middle].start <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 ? &slots[low - 1] : NULL;
}

/* A free slot of so many pages, made if there is none. */
static Slot *
take (size_t pages)
{
  for (size_t i = 0; i < n_slots; i++)
    if (slots[i].bytes == 0 && slots[i].pages == pages)
      return &slots[i];
  if (!region) {
    region = mmap (NULL, REGION, PROT_NONE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED) {
      perror ("device memory");
      abort ();
    }
  }
  if ((pages + 1) * PAGE > REGION - top)
    return NULL;
  if (n_slots == room_slots) {
    room_slots = room_slots ? 2 * room_slots : 64;
    slots = realloc (slots, room_slots * sizeof *slots);
    if (!slots)
      abort ();
  }
  slots[n_slots] = (Slot){top, pages, 0};
  top += (pages + 1) * PAGE;
  return &slots[n_slots++];
}

void *
simt_alloc (size_t bytes)
{
  void *memory = NULL;
  Slot *slot;

  if (bytes == 0)
    return NULL;
  simt_memory_open ();
  if (bytes > limit || used > limit - bytes)
    goto done;
  slot = take ((bytes + PAGE - 1) / PAGE);
  if (!slot)
    goto done;
  slot->bytes = bytes;
  used += bytes;
  memory = region + slot->start;
  protect (PROT_READ | PROT_WRITE); /* of a new slot too */
  memset (memory, 0xff, bytes < FILLED ? bytes : FILLED);

done:
  simt_memory_close ();
  return memory;
}

bool
simt_free (void *memory)
{
  Slot *slot;
  bool found;

  simt_memory_open ();
  slot = find (memory);
  found = slot && slot->bytes > 0 && region + slot->start == memory;
  if (found) {
    used -= slot->bytes;
    slot->bytes = 0;
    last.bytes = 0;
    if (slot->pages * PAGE > FILLED)
      madvise (memory, slot->pages * PAGE, MADV_DONTNEED);
  }
  simt_memory_close ();
  return found;
}

/* Bytes from @at to the end of its allocation. */
static size_t
room (const void *at)
{
  Slot *slot = find (at);
  size_t offset;

  if (!slot)
    return 0;
  offset = (size_t)((const uint8_t *)at - region) - slot->start;
  return offset < slot->bytes ? slot->bytes - offset : 0;
}

size_t
simt_room (const void *at)
{
  size_t bytes;

  pthread_mutex_lock (&lock);
  bytes = room (at);
  pthread_mutex_unlock (&lock);
  return bytes;
}

size_t
simt_used (void)
{
  size_t bytes;

  pthread_mutex_lock (&lock);
  bytes = used;
  pthread_mutex_unlock (&lock);
  return bytes;
}

void
simt_set_limit (size_t bytes)
{
  pthread_mutex_lock (&lock);
  limit = bytes;
  pthread_mutex_unlock (&lock);
}

bool
simt_memory_check (const void *at, size_t bytes, char *text, size_t text_size)
{
  size_t offset = (size_t)((const uint8_t *)at - region);
  Slot *slot;

  if (offset - last.start < last.bytes &&
      offset + bytes <= last.start + last.bytes)
    return true;
  slot = find (at);
  text[0] = '\0';
  if (!slot)
    return false;
  offset -= slot->start;
  if (slot->bytes == 0)
    snprintf (
        text, text_size, "byte %zu of device memory that was freed", offset);
  else if (offset + bytes > slot->bytes)
    snprintf (text, text_size, "byte %zu of a device allocation of %zu", offset,
        slot->bytes);
  else
    last = *slot;
  return text[0] == '\0';
}

static bool
reaches (const void *at, size_t bytes)
{
  size_t offset = (size_t)((const uint8_t *)at - region);

  return !region || (const uint8_t *)at < region || offset >= REGION ||
         room (at) >= bytes;
}

bool
simt_copy (void *to, const void *from, size_t bytes)
{
  bool good;

  simt_memory_open ();
  good = reaches (to, bytes) && reaches (from, bytes);
  if (good)
    memmove (to, from, bytes);
  simt_memory_close ();
  return good;
}

bool
simt_fill (void *to, int byte, size_t bytes)
{
  bool good;

  simt_memory_open ();
  good = room (to) >= bytes;
  if (good)
    memset (to, byte, bytes);
  simt_memory_close ();
  return good;
}
