/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Configurations as a layout has them (section 2.5 of docs/ltx2-model.md).
 */
#ifndef DV_LTX2_RANDOM_JSON_H
#define DV_LTX2_RANDOM_JSON_H

#include <cjson/cJSON.h>

#include "checkpoint.h"

/* The part's object in diffusers' keys, or the original's; NULL without
 * memory. The original's of the connectors are those that its transformer's
 * object has as well. */
cJSON *dv_random_json (const DvLtx2Config *config, DvPart part, bool original);
/* The connectors' as layout B has them, in its text_encoder. */
cJSON *dv_random_json_text_encoder (const DvLtx2Config *config);
/* The whole original configuration, as a single file has it. */
cJSON *dv_random_json_whole (const DvLtx2Config *config);

#endif
