/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whatever a client, a slot and prompt services do in whatever order: the
 * session keeps the protocol's rules.
 */
#include <stdint.h>

#include "session-walk.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  WalkSum sum;

  session_walk (data, size, &sum);
  return 0;
}
