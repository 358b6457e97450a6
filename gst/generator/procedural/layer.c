/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A layer of the landscape: painted once a block of columns into a ring that
 * is as wide as the picture, and put onto each frame from there. What stands
 * at a place depends on the place alone, so a block that comes back looks as
 * it did.
 */
#include "paint.h"

#include <stdlib.h>
#include <string.h>

#define NO_BLOCK INT64_MIN

bool
layer_open (Layer *layer, int width, int height)
{
  float top = layer->base - layer->rise;
  size_t luma, chroma;

  layer->y0 = (int)(dv_clamp (top, 0, 1) * (float)height) & ~1;
  layer->rows =
      ((int)(dv_clamp (layer->bottom, 0, 1) * (float)height + 1) & ~1) -
      layer->y0;
  if (layer->rows < 2)
    layer->rows = 2;
  layer->blocks = (width + BLOCK - 1) / BLOCK + 2;
  layer->ring = layer->blocks * BLOCK;
  luma = (size_t)(layer->ring + 2) * (size_t)layer->rows;
  chroma = (size_t)(layer->ring / 2 + 2) * (size_t)(layer->rows / 2);

  layer->colour[0] = malloc (luma);
  layer->colour[1] = malloc (chroma);
  layer->colour[2] = malloc (chroma);
  layer->through[0] = malloc (luma);
  layer->through[1] = malloc (chroma);
  layer->block_at = malloc ((size_t)layer->blocks * sizeof (int64_t));
  layer->block_top = malloc ((size_t)layer->blocks * sizeof (int));
  layer->block_solid = malloc ((size_t)layer->blocks * sizeof (int));
  if (!layer->colour[0] || !layer->colour[1] || !layer->colour[2] ||
      !layer->through[0] || !layer->through[1] || !layer->block_at ||
      !layer->block_top || !layer->block_solid) {
    layer_close (layer);
    return false;
  }
  for (int i = 0; i < layer->blocks; i++)
    layer->block_at[i] = NO_BLOCK;
  return true;
}

void
layer_close (Layer *layer)
{
  for (int c = 0; c < 3; c++) {
    free (layer->colour[c]);
    layer->colour[c] = NULL;
  }
  for (int c = 0; c < 2; c++) {
    free (layer->through[c]);
    layer->through[c] = NULL;
  }
  free (layer->block_at);
  free (layer->block_top);
  free (layer->block_solid);
  layer->block_at = NULL;
  layer->block_top = layer->block_solid = NULL;
}

/* Puts a painted tile into the ring as bytes. */
WIDE static void
store (Layer *layer, int slot, const Tile *tile)
{
  size_t pitch = (size_t)layer->ring + 2, cpitch = pitch / 2 + 1;
  int top = layer->rows, solid = 0;

  for (int row = 0; row < layer->rows; row++) {
    size_t at = (size_t)row * pitch + (size_t)slot * BLOCK;
    const float (*p)[4] = (const float (*)[4])tile->pixel + row * BLOCK;
    int any = 0, all = 1;

    for (int i = 0; i < BLOCK; i++) {
      float alpha = p[i][3];
      float luma = 0.2126f * p[i][0] + 0.7152f * p[i][1] + 0.0722f * p[i][2];

      luma = dv_clamp (luma, 0, alpha);
      layer->colour[0][at + (size_t)i] = to_byte (16 * alpha + 219 * luma);
      layer->through[0][at + (size_t)i] = to_byte (255 - 255 * alpha);
      any |= alpha > 0.002f;
      all &= alpha > 0.998f;
    }
    if (slot == 0) {
      at = (size_t)row * pitch;
      layer->colour[0][at + (size_t)layer->ring] = layer->colour[0][at];
      layer->through[0][at + (size_t)layer->ring] = layer->through[0][at];
    }
    if (any && row < top)
      top = row;
    if (!all)
      solid = row + 1;
  }
  layer->block_top[slot] = top & ~1;
  layer->block_solid[slot] = (solid + 1) & ~1;

  for (int row = 0; row < layer->rows / 2; row++) {
    size_t at = (size_t)row * cpitch + (size_t)slot * (BLOCK / 2);

    for (int i = 0; i < BLOCK / 2; i++) {
      const float *a = tile->pixel[2 * row * BLOCK + 2 * i];
      const float *b = tile->pixel[(2 * row + 1) * BLOCK + 2 * i];
      float sum[4], luma;

      for (int c = 0; c < 4; c++)
        sum[c] = (a[c] + a[c + 4] + b[c] + b[c + 4]) * 0.25f;
      for (int c = 0; c < 3; c++)
        sum[c] = dv_clamp (sum[c], 0, sum[3]);
      luma = 0.2126f * sum[0] + 0.7152f * sum[1] + 0.0722f * sum[2];
      layer->colour[1][at + (size_t)i] =
          to_byte (128 * sum[3] + 224 / 1.8556f * (sum[2] - luma));
      layer->colour[2][at + (size_t)i] =
          to_byte (128 * sum[3] + 224 / 1.5748f * (sum[0] - luma));
      layer->through[1][at + (size_t)i] = to_byte (255 - 255 * sum[3]);
    }
    if (slot == 0) {
      size_t first = (size_t)row * cpitch, end = first;

      end += (size_t)layer->ring / 2;
      layer->colour[1][end] = layer->colour[1][first];
      layer->colour[2][end] = layer->colour[2][first];
      layer->through[1][end] = layer->through[1][first];
    }
  }
}

static int
slot_of (const Layer *layer, int64_t block)
{
  int64_t slot = block % layer->blocks;

  return (int)(slot < 0 ? slot + layer->blocks : slot);
}

static int64_t
first_block (double scroll)
{
  return (int64_t)dv_floor_d (dv_floor_d (scroll) / BLOCK);
}

/* Makes sure that all blocks in view are in the ring. */
bool
layer_prepare (Layer *layer, const Set *set, const Noise *noise, double scroll,
    int height, Tile *tile, const Halt *halt)
{
  int64_t first = first_block (scroll);

  for (int64_t block = first; block < first + layer->blocks; block++) {
    int slot = slot_of (layer, block);

    if (layer->block_at[slot] == block)
      continue;
    if (halt->cancelled && halt->cancelled (halt->user))
      return false;
    tile->x0 = block * BLOCK;
    tile->height = layer->rows;
    tile->top = (float)layer->y0;
    tile->unit = (float)height;
    memset (tile->pixel, 0, sizeof (float[4]) * BLOCK * (size_t)layer->rows);
    terrain_paint (tile, layer, set, noise);
    store (layer, slot, tile);
    layer->block_at[slot] = block;
  }
  return true;
}

/* One row over what is there; @part in 16ths of a pixel to the right. */
WIDE static void
row_over (uint8_t *restrict dst, const uint8_t *restrict colour,
    const uint8_t *restrict through, int n, unsigned part)
{
  uint16_t near = (uint16_t)(16 - part), far = (uint16_t)part;

  for (int i = 0; i < n; i++) {
    uint16_t c = (uint16_t)((uint16_t)(colour[i] * near) +
                            (uint16_t)(colour[i + 1] * far) + 8) >>
                 4;
    uint16_t t = (uint16_t)((uint16_t)(through[i] * near) +
                            (uint16_t)(through[i + 1] * far) + 8) >>
                 4;
    uint16_t d = (uint16_t)(dst[i] * t + 128);

    d = (uint16_t)((uint16_t)(d + (d >> 8)) >> 8);
    dst[i] = (uint8_t)(c + d);
  }
}

WIDE static void
row_copy (
    uint8_t *restrict dst, const uint8_t *restrict colour, int n, unsigned part)
{
  uint16_t near = (uint16_t)(16 - part), far = (uint16_t)part;

  for (int i = 0; i < n; i++)
    dst[i] = (uint8_t)((uint16_t)((uint16_t)(colour[i] * near) +
                                  (uint16_t)(colour[i + 1] * far) + 8) >>
                       4);
}

/* How colour that is premultiplied by @cover looks in another light: how far
 * it is from neutral, which is cover >> @neutral, is taken @gain 64ths of. 16
 * bits hold it all: it is what the vectoriser is good at. */
static inline uint16_t
relit (int16_t c, int16_t cover, int16_t gain, int neutral)
{
  int16_t base = (int16_t)(cover >> neutral);

  c = (int16_t)(base + ((int16_t)((int16_t)(c - base) * gain) >> 6));
  return (uint16_t)(c < 0 ? 0 : c > cover ? cover : c);
}

/* The same with only @amount 256ths of it, in another light. */
WIDE static void
row_faded (uint8_t *restrict dst, const uint8_t *restrict colour,
    const uint8_t *restrict through, int n, unsigned part, unsigned amount,
    int gain, int neutral)
{
  uint16_t near = (uint16_t)(16 - part), far = (uint16_t)part;
  uint16_t share = (uint16_t)amount;

  for (int i = 0; i < n; i++) {
    int16_t c = (int16_t)((uint16_t)((uint16_t)(colour[i] * near) +
                                     (uint16_t)(colour[i + 1] * far) + 8) >>
                          4);
    uint16_t t = (uint16_t)((uint16_t)(through[i] * near) +
                            (uint16_t)(through[i + 1] * far) + 8) >>
                 4;
    int16_t cover = (int16_t)(255 - t);
    uint16_t d, lit = relit (c, cover, (int16_t)gain, neutral);

    t = (uint16_t)(255 - ((uint16_t)((uint16_t)cover * share) >> 8));
    d = (uint16_t)(dst[i] * t + 128);
    d = (uint16_t)((uint16_t)(d + (d >> 8)) >> 8);
    dst[i] = (uint8_t)(d + ((uint16_t)(lit * share) >> 8));
  }
}

/* The same where the layer is opaque. */
WIDE static void
row_faded_solid (uint8_t *restrict dst, const uint8_t *restrict colour, int n,
    unsigned part, unsigned amount, int gain, int neutral)
{
  uint16_t near = (uint16_t)(16 - part), far = (uint16_t)part;
  uint16_t share = (uint16_t)amount;
  uint16_t t = (uint16_t)(255 - ((255 * share) >> 8));

  for (int i = 0; i < n; i++) {
    int16_t c = (int16_t)((uint16_t)((uint16_t)(colour[i] * near) +
                                     (uint16_t)(colour[i + 1] * far) + 8) >>
                          4);
    uint16_t d = (uint16_t)(dst[i] * t + 128);
    uint16_t lit = relit (c, 255, (int16_t)gain, neutral);

    d = (uint16_t)((uint16_t)(d + (d >> 8)) >> 8);
    dst[i] = (uint8_t)(d + ((uint16_t)(lit * share) >> 8));
  }
}

/* The same where nothing shines through it. */
WIDE static void
row_relit (uint8_t *restrict dst, const uint8_t *restrict colour, int n,
    unsigned part, int gain, int neutral)
{
  uint16_t near = (uint16_t)(16 - part), far = (uint16_t)part;

  for (int i = 0; i < n; i++) {
    int16_t c = (int16_t)((uint16_t)((uint16_t)(colour[i] * near) +
                                     (uint16_t)(colour[i + 1] * far) + 8) >>
                          4);

    dst[i] = (uint8_t)relit (c, 255, (int16_t)gain, neutral);
  }
}

typedef struct {
  int x, n;      /* picture columns */
  size_t source; /* first column in the ring */
  int slot;
} Piece;

/* Cuts a plane's row into pieces that lie within one block each. */
static bool
next_piece (
    Piece *piece, const Layer *layer, int64_t world, int width, int block)
{
  int64_t at = world + piece->x + piece->n;
  int64_t number = at >= 0 ? at / block : -((block - 1 - at) / block);
  int inside = (int)(at - number * block);

  piece->x += piece->n;
  if (piece->x >= width)
    return false;
  piece->n = block - inside;
  if (piece->n > width - piece->x)
    piece->n = width - piece->x;
  piece->slot = slot_of (layer, number);
  piece->source = (size_t)piece->slot * (size_t)block + (size_t)inside;
  return true;
}

typedef struct {
  const Canvas *canvas;
  int plane, amount, gain, down, end;
  unsigned part;
} Pass;

/* One piece of one plane, all its rows. */
static void
draw_piece (const Layer *layer, const Pass *pass, const Piece *piece)
{
  const Canvas *canvas = pass->canvas;
  int half = pass->plane > 0;
  int next = slot_of (layer, piece->slot + 1);
  int top = layer->block_top[piece->slot];
  int solid = layer->block_solid[piece->slot];
  size_t pitch = half ? (size_t)layer->ring / 2 + 2 : (size_t)layer->ring + 2;
  const uint8_t *colour = layer->colour[pass->plane] + piece->source;
  const uint8_t *through = layer->through[half] + piece->source;
  size_t stride = canvas->stride[pass->plane];
  uint8_t *dst = canvas->plane[pass->plane] + piece->x;
  int y0 = (layer->y0 + pass->down) >> half;
  int from, to, first_solid;

  /* The last column is mixed with the first of the next block. */
  if (layer->block_top[next] < top)
    top = layer->block_top[next];
  if (layer->block_solid[next] > solid)
    solid = layer->block_solid[next];
  from = y0 + (top >> half);
  first_solid = y0 + (solid >> half);
  to = y0 + (layer->rows >> half);
  if (to > (pass->end + half) >> half)
    to = (pass->end + half) >> half;
  if (from < 0)
    from = 0;
  for (int y = from; y < to; y++) {
    size_t at = (size_t)(y - y0) * pitch;

    uint8_t *row = dst + (size_t)y * stride;
    const uint8_t *c = colour + at, *t = through + at;
    bool opaque = y >= first_solid;
    int neutral = half ? 1 : 4;

    if (pass->amount == 256 && pass->gain == GAIN_ONE) {
      if (opaque)
        row_copy (row, c, piece->n, pass->part);
      else
        row_over (row, c, t, piece->n, pass->part);
    } else if (!opaque)
      row_faded (row, c, t, piece->n, pass->part, (unsigned)pass->amount,
          pass->gain, neutral);
    else if (pass->amount < 256)
      row_faded_solid (row, c, piece->n, pass->part, (unsigned)pass->amount,
          pass->gain, neutral);
    else
      row_relit (row, c, piece->n, pass->part, pass->gain, neutral);
  }
}

/* The ring's last row or column may be one more than the picture's. */
void
layer_draw (const Layer *layer, const Canvas *canvas, double scroll, int down,
    int amount, int gain, int end)
{
  Pass pass = {canvas, 0, amount, gain, down & ~1, end, 0};

  if (amount <= 0)
    return;
  if (pass.end > canvas->height)
    pass.end = canvas->height;
  for (pass.plane = 0; pass.plane < 3; pass.plane++) {
    double at = pass.plane ? scroll / 2 : scroll;
    int width = pass.plane ? canvas->cwidth : canvas->width;
    int64_t world = (int64_t)dv_floor_d (at);
    Piece piece = {0, 0, 0, 0};

    pass.part = (unsigned)((at - dv_floor_d (at)) * 16);
    while (next_piece (
        &piece, layer, world, width, pass.plane ? BLOCK / 2 : BLOCK))
      draw_piece (layer, &pass, &piece);
  }
}

int
layer_solid (const Layer *layer, const Canvas *canvas, double scroll, int down)
{
  int64_t first = first_block (scroll);
  int solid = 0;

  for (int i = 0; i < layer->blocks; i++) {
    int slot = slot_of (layer, first + i);

    if (layer->block_at[slot] != first + i)
      return canvas->height;
    if (layer->block_solid[slot] > solid)
      solid = layer->block_solid[slot];
  }
  /* A layer that ends above the picture's bottom hides nothing there. */
  if (layer->y0 + layer->rows + (down & ~1) < canvas->height)
    return canvas->height;
  return layer->y0 + solid + (down & ~1);
}
