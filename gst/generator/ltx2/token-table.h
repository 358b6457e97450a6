/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tables behind the tokenizer, compact because they are large: strings to
 * ids, pairs of ids to the id they join to, and the longest of many literal
 * strings at a place in a text.
 *
 * Threads: once filled, a table is only read and may be shared.
 */
#ifndef DV_LTX2_TOKEN_TABLE_H
#define DV_LTX2_TOKEN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  DV_TABLE_ADDED,
  DV_TABLE_TWICE, /* it was there already: nothing changed */
  DV_TABLE_FULL   /* no memory, or more than 32 bits count */
} DvTableResult;

/* ---- strings to ids ---- */

typedef struct {
  uint32_t text, length; /* where in the text */
  int32_t id;
} DvTokenEntry;

/* Zeroed, it is empty. */
typedef struct {
  char *text; /* every string, one behind the other */
  size_t text_used, text_room;
  DvTokenEntry *entry;
  size_t n, room;
  uint32_t *slot; /* 1 + index of an entry; 0: free */
  size_t n_slots; /* a power of two, at least 2 n */
} DvTokenTable;

DvTableResult dv_token_table_add (
    DvTokenTable *table, const char *text, size_t length, int32_t id);
/* The id of @a and @b behind one another; -1 if there is none. */
int32_t dv_token_table_find (const DvTokenTable *table, const char *a,
    size_t n_a, const char *b, size_t n_b);
void dv_token_table_clear (DvTokenTable *table);

/* ---- pairs to what they join to ---- */

typedef struct {
  int32_t left, right; /* left -1: free */
  uint32_t rank;
  int32_t joined;
} DvMerge;

typedef struct {
  DvMerge *slot;
  size_t n, n_slots;
} DvMergeTable;

/* The rank is the number of pairs before it. */
DvTableResult dv_merge_table_add (
    DvMergeTable *table, int32_t left, int32_t right, int32_t joined);
/* NULL: the two are not joined. */
const DvMerge *dv_merge_table_find (
    const DvMergeTable *table, int32_t left, int32_t right);
void dv_merge_table_clear (DvMergeTable *table);

/* ---- the longest literal at a place ---- */

typedef struct {
  const char *text;
  uint32_t length;
  int32_t id;
} DvLiteral;

typedef struct {
  DvLiteral *item; /* sorted by bytes, a prefix before what it begins */
  uint32_t n;
  uint32_t first[257]; /* items that begin with byte b: first[b] to [b + 1] */
} DvLiterals;

/* All strings of @table, which must outlive @literals. False: no memory. */
bool dv_literals_build (DvLiterals *literals, const DvTokenTable *table);
/* The longest that @text begins with, or NULL. */
const DvLiteral *dv_literals_match (
    const DvLiterals *literals, const char *text, size_t length);
void dv_literals_clear (DvLiterals *literals);

#endif
