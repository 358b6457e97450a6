/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fragmented MP4: comparing, cutting, reading and repairing.
 */
#include "fmp4.h"
