/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory: one region of addresses, in which every allocation has whole
 * pages and one behind it that is nobody's.  The memory is mapped twice: at the
 * addresses that everyone is given it is closed but while a kernel runs, and
 * copies and fills go through the other.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run.h"

#define REGION ((size_t)1 << 36)
#define PAGE ((size_t)4096)
/* So much of an allocation is filled; more would only take time. */
#define FILLED ((size_t)1 << 18)

typedef struct {
  size_t start, pages, bytes; /* bytes 0: free */
} Slot;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *region, *inside; /* the addresses given, and the others */
static uint32_t *owner;          /* the slot of each page */
static size_t top;               /* of the slots */
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

/* The slot whose pages @at is in, or the closed one behind; or NULL. */
static Slot *
find (const void *at)
{
  size_t offset = (size_t)((const uint8_t *)at - region);

  if (!region || (const uint8_t *)at < region || offset >= top)
    return NULL;
  return &slots[owner[offset / PAGE]];
}

static void *
map (size_t bytes, int protection, int fd)
{
  void *memory = mmap (NULL, bytes, protection,
      MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), fd,
      0);

  if (memory == MAP_FAILED) {
    perror ("device memory");
    abort ();
  }
  return memory;
}

static void
open_region (void)
{
  int fd = memfd_create ("device-memory", MFD_CLOEXEC);

  if (fd < 0 || ftruncate (fd, (off_t)REGION) != 0) {
    perror ("device memory");
    abort ();
  }
  region = map (REGION, PROT_NONE, fd);
  inside = map (REGION, PROT_READ | PROT_WRITE, fd);
  owner = map (REGION / PAGE * sizeof *owner, PROT_READ | PROT_WRITE, -1);
  close (fd);
}

/* Where host code reaches @at. */
static uint8_t *
reach (const void *at)
{
  size_t offset = (size_t)((const uint8_t *)at - region);

  if (!region || (const uint8_t *)at < region || offset >= REGION)
    return (uint8_t *)at;
  return inside + offset;
}

/* A free slot of so many pages, made if there is none. */
static Slot *
take (size_t pages)
{
  for (size_t i = 0; i < n_slots; i++)
    if (slots[i].bytes == 0 && slots[i].pages == pages)
      return &slots[i];
  if (!region)
    open_region ();
  if ((pages + 1) * PAGE > REGION - top)
    return NULL;
  if (n_slots == room_slots) {
    room_slots = room_slots ? 2 * room_slots : 64;
    slots = realloc (slots, room_slots * sizeof *slots);
    if (!slots)
      abort ();
  }
  slots[n_slots] = (Slot){top, pages, 0};
  for (size_t i = 0; i <= pages; i++)
    owner[top / PAGE + i] = (uint32_t)n_slots;
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
  pthread_mutex_lock (&lock);
  if (bytes > limit || used > limit - bytes)
    goto done;
  slot = take ((bytes + PAGE - 1) / PAGE);
  if (!slot)
    goto done;
  slot->bytes = bytes;
  used += bytes;
  memory = region + slot->start;
  memset (reach (memory), 0xff, bytes < FILLED ? bytes : FILLED);

done:
  pthread_mutex_unlock (&lock);
  return memory;
}

bool
simt_free (void *memory)
{
  Slot *slot;
  bool found;

  pthread_mutex_lock (&lock);
  slot = find (memory);
  found = slot && slot->bytes > 0 && region + slot->start == memory;
  if (found) {
    used -= slot->bytes;
    slot->bytes = 0;
    last.bytes = 0;
    if (slot->pages * PAGE > FILLED)
      madvise (reach (memory), slot->pages * PAGE, MADV_REMOVE);
  }
  pthread_mutex_unlock (&lock);
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
simt_reaches (const void *at, size_t bytes)
{
  bool good;

  pthread_mutex_lock (&lock);
  good = reaches (at, bytes);
  pthread_mutex_unlock (&lock);
  return good;
}

bool
simt_copy (void *to, const void *from, size_t bytes)
{
  bool good;

  pthread_mutex_lock (&lock);
  good = reaches (to, bytes) && reaches (from, bytes);
  if (good)
    memmove (reach (to), reach (from), bytes);
  pthread_mutex_unlock (&lock);
  return good;
}

bool
simt_fill (void *to, int byte, size_t bytes)
{
  bool good;

  pthread_mutex_lock (&lock);
  good = room (to) >= bytes;
  if (good)
    memset (reach (to), byte, bytes);
  pthread_mutex_unlock (&lock);
  return good;
}
