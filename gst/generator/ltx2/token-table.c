/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Hash tables with open addressing, and a sorted list that is narrowed byte by
 * byte.
 *
 * Threads: once filled, a table is only read and may be shared.
 */
#include "token-table.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES (1u << 24)

/* Makes room for @more elements of @size behind @used; false: no memory. */
static bool
grow (void *array, size_t used, size_t more, size_t *room, size_t size)
{
  size_t wanted = *room ? *room : 256;
  void *memory;

  if (more <= *room - used)
    return true;
  while (wanted - used < more) {
    if (wanted > SIZE_MAX / 2 / size)
      return false;
    wanted *= 2;
  }
  memcpy (&memory, array, sizeof memory);
  memory = realloc (memory, wanted * size);
  if (!memory)
    return false;
  memcpy (array, &memory, sizeof memory);
  *room = wanted;
  return true;
}

/* ---- strings to ids ---- */

/* Takes a string in parts: the hash of "ab" is that of "a", then "b". */
static uint64_t
hash_bytes (uint64_t hash, const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ull;
  return hash;
}

static size_t
spread (uint64_t hash)
{
  return (size_t)((hash ^ hash >> 32) * 0x9e3779b97f4a7c15ull >> 20);
}

/* The slot that holds @a and @b, or the free one where they would be. */
static uint32_t *
token_slot (const DvTokenTable *table, const char *a, size_t n_a, const char *b,
    size_t n_b)
{
  uint64_t hash = hash_bytes (0xcbf29ce484222325ull, a, n_a);
  size_t mask = table->n_slots - 1;
  size_t at = spread (hash_bytes (hash, b, n_b)) & mask;

  for (; table->slot[at]; at = (at + 1) & mask) {
    const DvTokenEntry *entry = &table->entry[table->slot[at] - 1];
    const char *text = table->text + entry->text;

    if (entry->length == n_a + n_b && memcmp (text, a, n_a) == 0 &&
        (n_b == 0 || memcmp (text + n_a, b, n_b) == 0))
      break;
  }
  return &table->slot[at];
}

static bool
rehash_tokens (DvTokenTable *table)
{
  size_t n_slots = table->n_slots ? 2 * table->n_slots : 512;
  uint32_t *slot = calloc (n_slots, sizeof *slot);

  if (!slot)
    return false;
  free (table->slot);
  table->slot = slot;
  table->n_slots = n_slots;
  for (size_t i = 0; i < table->n; i++)
    *token_slot (table, table->text + table->entry[i].text,
        table->entry[i].length, NULL, 0) = (uint32_t)i + 1;
  return true;
}

DvTableResult
dv_token_table_add (
    DvTokenTable *table, const char *text, size_t length, int32_t id)
{
  uint32_t *slot;

  if (table->n >= MAX_ENTRIES || length > UINT32_MAX - table->text_used)
    return DV_TABLE_FULL;
  if (2 * (table->n + 1) > table->n_slots && !rehash_tokens (table))
    return DV_TABLE_FULL;
  slot = token_slot (table, text, length, NULL, 0);
  if (*slot)
    return DV_TABLE_TWICE;
  /* One byte more than needed: a table of empty strings has text, too. */
  if (!grow (
          &table->text, table->text_used, length + 1, &table->text_room, 1) ||
      !grow (&table->entry, table->n, 1, &table->room, sizeof *table->entry))
    return DV_TABLE_FULL;
  memcpy (table->text + table->text_used, text, length);
  table->entry[table->n].text = (uint32_t)table->text_used;
  table->entry[table->n].length = (uint32_t)length;
  table->entry[table->n++].id = id;
  table->text_used += length;
  *slot = (uint32_t)table->n;
  return DV_TABLE_ADDED;
}

int32_t
dv_token_table_find (const DvTokenTable *table, const char *a, size_t n_a,
    const char *b, size_t n_b)
{
  uint32_t slot = table->n ? *token_slot (table, a, n_a, b, n_b) : 0;

  return slot ? table->entry[slot - 1].id : -1;
}

void
dv_token_table_clear (DvTokenTable *table)
{
  free (table->text);
  free (table->entry);
  free (table->slot);
  memset (table, 0, sizeof *table);
}

/* ---- pairs to what they join to ---- */

static DvMerge *
merge_slot (const DvMergeTable *table, int32_t left, int32_t right)
{
  uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
  size_t mask = table->n_slots - 1;
  size_t at = spread (key * 0xff51afd7ed558ccdull) & mask;

  while (table->slot[at].left >= 0 &&
         (table->slot[at].left != left || table->slot[at].right != right))
    at = (at + 1) & mask;
  return &table->slot[at];
}

static bool
rehash_merges (DvMergeTable *table)
{
  DvMergeTable wider = {
      NULL, table->n, table->n_slots ? 2 * table->n_slots : 512};

  wider.slot = malloc (wider.n_slots * sizeof *wider.slot);
  if (!wider.slot)
    return false;
  memset (wider.slot, 0xff, wider.n_slots * sizeof *wider.slot);
  for (size_t i = 0; i < table->n_slots; i++)
    if (table->slot[i].left >= 0)
      *merge_slot (&wider, table->slot[i].left, table->slot[i].right) =
          table->slot[i];
  free (table->slot);
  *table = wider;
  return true;
}

DvTableResult
dv_merge_table_add (
    DvMergeTable *table, int32_t left, int32_t right, int32_t joined)
{
  DvMerge *slot;

  if (table->n >= MAX_ENTRIES ||
      (2 * (table->n + 1) > table->n_slots && !rehash_merges (table)))
    return DV_TABLE_FULL;
  slot = merge_slot (table, left, right);
  if (slot->left >= 0)
    return DV_TABLE_TWICE;
  *slot = (DvMerge){left, right, (uint32_t)table->n++, joined};
  return DV_TABLE_ADDED;
}

const DvMerge *
dv_merge_table_find (const DvMergeTable *table, int32_t left, int32_t right)
{
  const DvMerge *slot = table->n ? merge_slot (table, left, right) : NULL;

  return slot && slot->left >= 0 ? slot : NULL;
}

void
dv_merge_table_clear (DvMergeTable *table)
{
  free (table->slot);
  memset (table, 0, sizeof *table);
}

/* ---- the longest literal at a place ---- */

static int
by_bytes (const void *a, const void *b)
{
  const DvLiteral *x = a, *y = b;
  size_t n = x->length < y->length ? x->length : y->length;
  int order = memcmp (x->text, y->text, n);

  return order ? order : (x->length > y->length) - (x->length < y->length);
}

bool
dv_literals_build (DvLiterals *literals, const DvTokenTable *table)
{
  uint32_t at = 0;

  memset (literals, 0, sizeof *literals);
  literals->item = malloc ((table->n + 1) * sizeof *literals->item);
  if (!literals->item)
    return false;
  for (size_t i = 0; i < table->n; i++) {
    const DvTokenEntry *entry = &table->entry[i];

    if (entry->length > 0)
      literals->item[literals->n++] =
          (DvLiteral){table->text + entry->text, entry->length, entry->id};
  }
  qsort (literals->item, literals->n, sizeof *literals->item, by_bytes);
  for (unsigned byte = 0; byte < 257; byte++) {
    while (at < literals->n && (uint8_t)literals->item[at].text[0] < byte)
      at++;
    literals->first[byte] = at;
  }
  return true;
}

/* The first of items [low, high), which agree before @depth and are longer,
 * whose byte there is at least @byte. */
static uint32_t
lower_bound (const DvLiterals *literals, uint32_t low, uint32_t high,
    size_t depth, unsigned byte)
{
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;

    if ((uint8_t)literals->item[middle].text[depth] < byte)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const DvLiteral *
dv_literals_match (const DvLiterals *literals, const char *text, size_t length)
{
  const DvLiteral *best = NULL;
  uint32_t low, high;

  if (length == 0)
    return NULL;
  low = literals->first[(uint8_t)text[0]];
  high = literals->first[(uint8_t)text[0] + 1];
  for (size_t depth = 1; low < high; depth++) {
    unsigned byte;

    if (literals->item[low].length == depth)
      best = &literals->item[low++];
    if (depth == length)
      break;
    byte = (uint8_t)text[depth];
    low = lower_bound (literals, low, high, depth, byte);
    high = lower_bound (literals, low, high, depth, byte + 1);
  }
  return best;
}

void
dv_literals_clear (DvLiterals *literals)
{
  free (literals->item);
  memset (literals, 0, sizeof *literals);
}
