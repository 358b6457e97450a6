/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of all keys: what reading, checking, writing and explaining them
 * share.
 *
 * Threads: constants.
 */
#ifndef DVS_SETTINGS_KEYS_H
#define DVS_SETTINGS_KEYS_H

#include "settings.h"

typedef enum {
  DVS_KEY_STRING,
  DVS_KEY_FILE,      /* one that must be readable */
  DVS_KEY_DIRECTORY, /* likewise */
  DVS_KEY_LIST,
  DVS_KEY_UINT,
  DVS_KEY_SIZE, /* bytes, with K, M or G for the powers of 1024 */
  DVS_KEY_UINT64,
  DVS_KEY_DOUBLE,
  DVS_KEY_BOOLEAN,
  DVS_KEY_RATE /* "24" or "24000/1001" */
} DvsKeyType;

typedef struct {
  const gchar *group, *name; /* of the key file; the flag is "--name" */
  DvsKeyType type;
  gsize offset; /* in DvsSettings */
  gdouble min, max;
  const gchar *initial; /* NULL: none */
  gboolean reloads;     /* SIGHUP */
  const gchar *help;
} DvsKey;

extern const DvsKey dvs_keys[];
extern const guint dvs_n_keys;

/* The value as the key file has it; NULL: none. To be freed. */
gchar *dvs_key_value (const DvsKey *key, const DvsSettings *settings);
/* "a number from 0 to 65535", … To be freed. */
gchar *dvs_key_allowed (const DvsKey *key);

#endif
