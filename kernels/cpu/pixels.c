/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu backend's noise and pixels: ops.h, DvNoise and DvPixels, with the
 * arithmetic of philox.h and of ref/pixels.c.
 *
 * Threads: see cpu.h.
 */
#include "../philox.h"
#include "epilogue.h"

/* ---- noise ---- */

/* Blocks of four numbers a tile. */
#define BLOCKS 2048

static void
noise_tile (void *user, int64_t tile, int thread)
{
  const DvNoise *p = user;
  int64_t count = dv_tensor_count (p->out), i = tile * BLOCKS * 4;
  int64_t end = i + BLOCKS * 4 < count ? i + BLOCKS * 4 : count;
  float *out = p->out->data;

  for (; i < end; i += 4) {
    float normal[4];

    dv_philox_normal (p->seed, p->sequence, (uint64_t)i / 4, normal);
    for (int64_t j = 0; j < 4 && i + j < end; j++)
      out[i + j] = normal[j];
  }
}

DvStatus
DV_CPU (noise) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvNoise *p = args;
  int64_t count = dv_tensor_count (p->out);

  dv_pool_run (stream->device->pool, (count + BLOCKS * 4 - 1) / (BLOCKS * 4),
      noise_tile, (void *)(uintptr_t)p);
  return DV_OK;
}

/* ---- pixels ---- */

/* Pixels of a row at a time; even. */
#define PIXELS 256

/* 8-bit levels of @n numbers. */
static void
levels (const void *x, bool bf16, int64_t n, uint8_t *to)
{
  for (int64_t i = 0; i < n; i += VL) {
    int64_t part = n - i < VL ? n - i : VL;
    vf v = (vget (x, bf16, i, part) + 1) * 0.5f;
    vi level;

    v = vmin (vmax (v, vset (0)), vset (1)) * 255;
    level = __builtin_convertvector(v, vi);
    for (int64_t j = 0; j < part; j++)
      to[i + j] = (uint8_t)level[j];
  }
}

static void
chroma (const DvPixels *p, int64_t y, int64_t x, int64_t n,
    const uint8_t level[2][3 * PIXELS])
{
  for (int64_t i = 0; i < n; i += 2) {
    int64_t a = 3 * i, b = i + 1 < n ? a + 3 : a;
    int r = level[0][a] + level[0][b] + level[1][a] + level[1][b];
    int g =
        level[0][a + 1] + level[0][b + 1] + level[1][a + 1] + level[1][b + 1];
    int l =
        level[0][a + 2] + level[0][b + 2] + level[1][a + 2] + level[1][b + 2];
    int64_t at = (x + i) / 2;

    /* Adding 128 whole levels first keeps what is shifted above 0. */
    if (p->plane[1])
      p->plane[1][y / 2 * p->stride[1] + at] =
          (uint8_t)((-6596 * r - 22189 * g + 28785 * l + 131072 +
                        (128 << 18)) >>
                    18);
    if (p->plane[2])
      p->plane[2][y / 2 * p->stride[2] + at] =
          (uint8_t)((28785 * r - 26145 * g - 2640 * l + 131072 + (128 << 18)) >>
                    18);
  }
}

/* Two rows of the picture. */
static void
pixels_tile (void *user, int64_t tile, int thread)
{
  const DvPixels *p = user;
  int64_t H = p->x->shape[0], W = p->x->shape[1], y = 2 * tile;
  int rows = y + 1 < H ? 2 : 1;
  uint8_t level[2][3 * PIXELS];

  for (int64_t x = 0; x < W; x += PIXELS) {
    int64_t n = W - x < PIXELS ? W - x : PIXELS;

    for (int r = 0; r < rows; r++) {
      const uint8_t *from = level[r];

      for (int64_t i = 0; i < n && p->x->stride[1] != 3; i++)
        levels (row_at (p->x,
                    (y + r) * p->x->stride[0] + (x + i) * p->x->stride[1]),
            p->x->dtype == DV_BF16, 3, level[r] + 3 * i);
      if (p->x->stride[1] == 3)
        levels (row_at (p->x, (y + r) * p->x->stride[0] + x * 3),
            p->x->dtype == DV_BF16, 3 * n, level[r]);
      if (p->rgb)
        memcpy (p->rgb + (y + r) * p->rgb_stride + 3 * x, from, (size_t)n * 3);
      if (p->plane[0])
        for (int64_t i = 0; i < n; i++)
          p->plane[0][(y + r) * p->stride[0] + x + i] =
              (uint8_t)(16 + ((11966 * from[3 * i] + 40254 * from[3 * i + 1] +
                                  4064 * from[3 * i + 2] + 32768) >>
                                 16));
    }
    if (rows == 1)
      memcpy (level[1], level[0], (size_t)n * 3);
    if (p->plane[1] || p->plane[2])
      chroma (p, y, x, n, (const uint8_t (*)[3 * PIXELS]) level);
  }
}

DvStatus
DV_CPU (pixels) (
    DvStream *stream, const void *args, void *workspace, DvError *error)
{
  const DvPixels *p = args;

  dv_pool_run (stream->device->pool, (p->x->shape[0] + 1) / 2, pixels_tile,
      (void *)(uintptr_t)p);
  return DV_OK;
}
