/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The text side: Gemma 3's hidden states, the feature extractor and the two
 * connectors (section 3 of docs/ltx2-model.md).
 *
 * Batch 1: only the n real tokens of a prompt are computed.
 */
#ifndef DV_LTX2_TEXT_H
#define DV_LTX2_TEXT_H

#include "loader.h"
#include "probe.h"

typedef struct DvGemma DvGemma;
typedef struct DvConnectors DvConnectors;

/* @loader: begun on DV_PART_GEMMA; the caller finishes it. NULL on failure
 * (the loader says which); counting loaders give an object without weights
 * that serves dry streams. */
DvGemma *dv_gemma_load (DvLoader *loader, const DvGemmaConfig *config);
void dv_gemma_free (DvGemma *gemma);
/* As of the transformer: dit.h. */
int64_t dv_gemma_layers (const DvGemma *gemma);
uint64_t dv_gemma_layer_bytes (const DvGemma *gemma);
/* Memory for dv_gemma_run()'s result in the stream's arena, in the weights'
 * compute type. */
DvTensor dv_gemma_hidden (const DvGemma *gemma, DvStream *stream, int64_t n);
/* @ids: n real tokens, no padding, host memory (may be NULL on a dry stream).
 * @hidden: [layers + 1, n, D] F32 or BF16, the caller's. */
void dv_gemma_run (const DvGemma *gemma, DvStream *stream, const int32_t *ids,
    int64_t n, const DvTensor *hidden, const DvProbe *probe);

DvConnectors *dv_connectors_load (DvLoader *loader, const DvTextConfig *config);
void dv_connectors_free (DvConnectors *connectors);
/* @hidden [layers + 1, n, D] -> @video [text_len, Dv], @audio [text_len, Da],
 * F32. Rows of the outputs: text_len is theirs (a case may be shorter than the
 * model's). */
void dv_connectors_run (const DvConnectors *connectors, DvStream *stream,
    const DvTensor *hidden, const DvTensor *video, const DvTensor *audio,
    const DvProbe *probe);

#endif
