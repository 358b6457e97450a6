/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * See bench.h. Sizes are those of a DiT block of width 1024 over 2,000 tokens,
 * of a video decoder at 256x160 and of a vocoder; large ones, for GPUs alone,
 * those of LTX-2 at 1088x1920.
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rig.h"

typedef struct {
  const char *name;
  /* Makes tensors, in order; then runs with these. */
  void (*make) (Rig *rig, DvDtype dtype);
  void (*run) (Rig *rig, int side);
  double flops, bytes; /* of an F32 run; one of them */
  DvDtype dtype;
  bool large; /* nothing for a processor */
} Bench;

static void
make_matmul (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (2000, 1024));
  rig_weight (rig, DV_USE_MATMUL, dtype, dtype, SHAPE (4096, 1024));
  rig_out (rig, dtype, SHAPE (2000, 4096));
  rig_normal (rig, DV_F32, 1, SHAPE (4096));
}

static void
make_matmul_down (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (2000, 4096));
  rig_weight (rig, DV_USE_MATMUL, dtype, dtype, SHAPE (1024, 4096));
  rig_out (rig, dtype, SHAPE (2000, 1024));
  rig_normal (rig, DV_F32, 1, SHAPE (1024));
}

static void
make_matmul_row (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (1, 4096));
  rig_weight (rig, DV_USE_MATMUL, dtype, dtype, SHAPE (4096, 4096));
  rig_out (rig, dtype, SHAPE (1, 4096));
  rig_normal (rig, DV_F32, 1, SHAPE (4096));
}

static void
run_matmul (Rig *rig, int side)
{
  dv_matmul (
      STREAM, &(DvMatmul){.a = T (0), .w = W (1), .out = T (2), .bias = T (3)});
}

static void
run_matmul_gelu (Rig *rig, int side)
{
  dv_matmul (STREAM, &(DvMatmul){.a = T (0),
                         .w = W (1),
                         .out = T (2),
                         .bias = T (3),
                         .act = DV_ACT_GELU});
}

static void
make_attention (Rig *rig, DvDtype dtype)
{
  for (int i = 0; i < 3; i++)
    rig_normal (rig, dtype, 1, SHAPE (2000, 16, 64));
  rig_out (rig, dtype, SHAPE (2000, 16, 64));
}

static void
make_attention_wide (Rig *rig, DvDtype dtype)
{
  for (int i = 0; i < 3; i++)
    rig_normal (rig, dtype, 1, SHAPE (2000, 8, 128));
  rig_out (rig, dtype, SHAPE (2000, 8, 128));
}

static void
make_attention_of (
    Rig *rig, DvDtype dtype, int64_t M, int64_t S, int64_t H, int64_t d)
{
  rig_normal (rig, dtype, 1, SHAPE (M, H, d));
  for (int i = 0; i < 2; i++)
    rig_normal (rig, dtype, 1, SHAPE (S, H, d));
  rig_out (rig, dtype, SHAPE (M, H, d));
}

static void
make_attention_self (Rig *rig, DvDtype dtype)
{
  make_attention_of (rig, dtype, 8160, 8160, 32, 128);
}

static void
make_attention_text (Rig *rig, DvDtype dtype)
{
  make_attention_of (rig, dtype, 32640, 1024, 32, 128);
}

static void
make_attention_sound (Rig *rig, DvDtype dtype)
{
  make_attention_of (rig, dtype, 126, 32640, 32, 64);
}

static void
run_attention (Rig *rig, int side)
{
  dv_attention (STREAM,
      &(DvAttention){
          .q = T (0), .k = T (1), .v = T (2), .out = T (3), .scale = 0.125f});
}

static void
make_norm (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, DV_F32, 1, SHAPE (2000, 1024));
  rig_normal (rig, DV_F32, 1, SHAPE (2, 1024));
  rig_index (rig, 2, SHAPE (2000));
  rig_out (rig, dtype, SHAPE (2000, 1024));
}

static void
run_norm (Rig *rig, int side)
{
  dv_norm (STREAM, &(DvNorm){.x = T (0),
                       .scale = {T (1), T (2)},
                       .shift = {T (1), T (2)},
                       .out = T (3),
                       .eps = 1e-6f});
}

static void
make_qk_norm (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, DV_F32, 1, SHAPE (2000, 16, 64));
  rig_normal (rig, DV_F32, 1, SHAPE (1024));
  rig_normal (rig, DV_F32, 1, SHAPE (50, 170));
  rig_index (rig, 50, SHAPE (2000, 3));
  rig_out (rig, dtype, SHAPE (2000, 16, 64));
}

static void
run_qk_norm (Rig *rig, int side)
{
  dv_qk_norm (STREAM, &(DvQkNorm){.x = T (0),
                          .weight = T (1),
                          .eps = 1e-6f,
                          .out = T (4),
                          .rope = {.n_axes = 3,
                              .pad = 2,
                              .cos = {T (2), T (2), T (2)},
                              .sin = {T (2), T (2), T (2)},
                              .index = T (3)}});
}

static void
make_conv (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (3, 40, 64, 128));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (128, 128, 3, 3, 3));
  rig_out (rig, dtype, SHAPE (3, 40, 64, 128));
  rig_normal (rig, DV_F32, 1, SHAPE (128));
}

static void
make_conv_deep (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (3, 5, 8, 1024));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (1024, 1024, 3, 3, 3));
  rig_out (rig, dtype, SHAPE (3, 5, 8, 1024));
  rig_normal (rig, DV_F32, 1, SHAPE (1024));
}

static void
make_conv_last (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (4, 272, 480, 128));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (128, 128, 3, 3, 3));
  rig_out (rig, dtype, SHAPE (4, 272, 480, 128));
  rig_normal (rig, DV_F32, 1, SHAPE (128));
}

static void
make_conv_pixels (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (4, 272, 480, 128));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (48, 128, 3, 3, 3));
  rig_out (rig, dtype, SHAPE (4, 272, 480, 48));
  rig_normal (rig, DV_F32, 1, SHAPE (48));
}

static void
make_conv_first (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (16, 34, 60, 1024));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (1024, 1024, 3, 3, 3));
  rig_out (rig, dtype, SHAPE (16, 34, 60, 1024));
  rig_normal (rig, DV_F32, 1, SHAPE (1024));
}

static void
run_conv (Rig *rig, int side)
{
  dv_conv (
      STREAM, &(DvConv){.x = T (0),
                  .w = W (1),
                  .out = T (2),
                  .bias = T (3),
                  .pad_lo = {1, 1, 1},
                  .pad_hi = {1, 1, 1},
                  .pad_mode = {DV_PAD_EDGE, DV_PAD_REFLECT, DV_PAD_REFLECT}});
}

static void
make_conv1 (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (1, 1, 4000, 128));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (128, 128, 1, 1, 7));
  rig_out (rig, dtype, SHAPE (1, 1, 4000, 128));
  rig_normal (rig, DV_F32, 1, SHAPE (128));
}

static void
make_conv1_narrow (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (1, 1, 60000, 32));
  rig_weight (rig, DV_USE_CONV, dtype, dtype, SHAPE (32, 32, 1, 1, 7));
  rig_out (rig, dtype, SHAPE (1, 1, 60000, 32));
  rig_normal (rig, DV_F32, 1, SHAPE (32));
}

static void
run_conv1 (Rig *rig, int side)
{
  dv_conv (STREAM, &(DvConv){.x = T (0),
                       .w = W (1),
                       .out = T (2),
                       .bias = T (3),
                       .dilation = {1, 1, 3},
                       .pad_lo = {0, 0, 9},
                       .pad_hi = {0, 0, 9}});
}

static void
make_up1 (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (500, 512));
  rig_weight (rig, DV_USE_CONV_UP1, dtype, dtype, SHAPE (512, 256, 15));
  rig_out (rig, dtype, SHAPE (2500, 256));
  rig_normal (rig, DV_F32, 1, SHAPE (256));
}

static void
run_up1 (Rig *rig, int side)
{
  dv_conv_up1 (STREAM, &(DvConvUp1){.x = T (0),
                           .w = W (1),
                           .out = T (2),
                           .bias = T (3),
                           .stride = 5,
                           .pad = 5});
}

static void
make_video (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (4, 80, 128, 128));
  rig_out (rig, dtype, SHAPE (4, 80, 128, 128));
  rig_normal (rig, DV_F32, 1, SHAPE (128));
}

static void
run_group_norm (Rig *rig, int side)
{
  dv_group_norm (STREAM, &(DvGroupNorm){.x = T (0),
                             .out = T (1),
                             .weight = T (2),
                             .bias = T (2),
                             .groups = 32,
                             .eps = 1e-5f,
                             .act = DV_ACT_SILU});
}

static void
run_video_norm (Rig *rig, int side)
{
  DvTensor x = *T (0), out = *T (1);

  x = DV_RESHAPE (&x, 4 * 80 * 128, 128);
  out = DV_RESHAPE (&out, 4 * 80 * 128, 128);
  dv_norm (STREAM,
      &(DvNorm){.x = &x, .out = &out, .eps = 1e-8f, .act = DV_ACT_SILU});
}

static void
run_add (Rig *rig, int side)
{
  dv_map (STREAM,
      &(DvMap){.x = T (0), .out = T (1), .y = T (0), .kind = DV_MAP_ADD});
}

static void
run_silu (Rig *rig, int side)
{
  dv_map (STREAM, &(DvMap){.x = T (0), .out = T (1), .kind = DV_MAP_SILU});
}

static void
make_shuffle (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (3, 20, 32, 1024));
  rig_out (rig, dtype, SHAPE (5, 40, 64, 512));
}

static void
run_shuffle (Rig *rig, int side)
{
  dv_shuffle (STREAM, &(DvShuffle){.x = T (0),
                          .out = T (1),
                          .kind = DV_DEPTH_TO_SPACE,
                          .factor = {2, 2, 2},
                          .drop = 1,
                          .tile = 4});
}

static void
make_snake (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, DV_F32, 1, SHAPE (20000, 96));
  for (int i = 0; i < 2; i++)
    rig_normal (rig, DV_F32, 0.1f, SHAPE (96));
  for (int i = 0; i < 2; i++)
    rig_normal (rig, DV_F32, 0.1f, SHAPE (12));
  rig_out (rig, DV_F32, SHAPE (20000, 96));
}

static void
run_snake (Rig *rig, int side)
{
  dv_snake (STREAM, &(DvSnake){.x = T (0),
                        .alpha = T (1),
                        .beta = T (2),
                        .up = T (3),
                        .down = T (4),
                        .out = T (5)});
}

static void
make_noise (Rig *rig, DvDtype dtype)
{
  rig_out (rig, DV_F32, SHAPE (1000000));
}

static void
run_noise (Rig *rig, int side)
{
  dv_noise (STREAM, &(DvNoise){.out = T (0), .seed = 1});
}

static void
make_pixels (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 0.5f, SHAPE (1088, 1920, 3));
  rig_out (rig, DV_F32, SHAPE (1088, 1920));
}

static void
run_pixels (Rig *rig, int side)
{
  uint8_t *to = T (1)->data;

  dv_pixels (STREAM, &(DvPixels){.x = T (0),
                         .plane = {to, to + 1088 * 1920, to + 1088 * 2880},
                         .stride = {1920, 960, 960}});
}

static void
make_merge (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (1024, 4096));
  rig_normal (rig, dtype, 1, SHAPE (1024, 64));
  rig_normal (rig, dtype, 1, SHAPE (64, 4096));
  rig_out (rig, dtype, SHAPE (1024, 4096));
}

static void
make_merge_large (Rig *rig, DvDtype dtype)
{
  rig_normal (rig, dtype, 1, SHAPE (16384, 4096));
  rig_normal (rig, dtype, 1, SHAPE (16384, 384));
  rig_normal (rig, dtype, 1, SHAPE (384, 4096));
  rig_out (rig, dtype, SHAPE (16384, 4096));
}

static void
run_merge (Rig *rig, int side)
{
  dv_merge (
      STREAM, &(DvMerge){.out = T (3),
                  .x = T (0),
                  .changes = &(DvChange){.b = T (1), .a = T (2), .scale = 0.5f},
                  .n_changes = 1});
}

#define MIB (1024.0 * 1024)
#define VIDEO (4.0 * 80 * 128 * 128)

static const Bench benches[] = {
    {"matmul 2000x4096x1024 gelu", make_matmul, run_matmul_gelu,
        2.0 * 2000 * 4096 * 1024, 0, DV_F32},
    {"matmul 2000x4096x1024 gelu", make_matmul, run_matmul_gelu,
        2.0 * 2000 * 4096 * 1024, 0, DV_BF16},
    {"matmul 2000x1024x4096", make_matmul_down, run_matmul,
        2.0 * 2000 * 4096 * 1024, 0, DV_F32},
    {"matmul 2000x1024x4096", make_matmul_down, run_matmul,
        2.0 * 2000 * 4096 * 1024, 0, DV_BF16},
    {"matmul 1x4096x4096", make_matmul_row, run_matmul, 2.0 * 4096 * 4096, 0,
        DV_F32},
    {"matmul 1x4096x4096", make_matmul_row, run_matmul, 2.0 * 4096 * 4096, 0,
        DV_BF16},
    {"attention 2000, 16 of 64", make_attention, run_attention,
        4.0 * 2000 * 2000 * 1024, 0, DV_F32},
    {"attention 2000, 16 of 64", make_attention, run_attention,
        4.0 * 2000 * 2000 * 1024, 0, DV_BF16},
    {"attention 2000, 8 of 128", make_attention_wide, run_attention,
        4.0 * 2000 * 2000 * 1024, 0, DV_F32},
    {"attention 2000, 8 of 128", make_attention_wide, run_attention,
        4.0 * 2000 * 2000 * 1024, 0, DV_BF16},
    {"norm 2000x1024", make_norm, run_norm, 0, 2000.0 * 1024 * 8, DV_F32},
    {"norm 2000x1024", make_norm, run_norm, 0, 2000.0 * 1024 * 6, DV_BF16},
    {"qk-norm 2000x16x64", make_qk_norm, run_qk_norm, 0, 2000.0 * 1024 * 8,
        DV_F32},
    {"qk-norm 2000x16x64", make_qk_norm, run_qk_norm, 0, 2000.0 * 1024 * 6,
        DV_BF16},
    {"convolution 3x40x64, 128 to 128", make_conv, run_conv,
        2.0 * 3 * 40 * 64 * 128 * 128 * 27, 0, DV_F32},
    {"convolution 3x40x64, 128 to 128", make_conv, run_conv,
        2.0 * 3 * 40 * 64 * 128 * 128 * 27, 0, DV_BF16},
    {"convolution 3x5x8, 1024 to 1024", make_conv_deep, run_conv,
        2.0 * 3 * 5 * 8 * 1024 * 1024 * 27, 0, DV_F32},
    {"convolution 3x5x8, 1024 to 1024", make_conv_deep, run_conv,
        2.0 * 3 * 5 * 8 * 1024 * 1024 * 27, 0, DV_BF16},
    {"convolution 4000, 128 to 128, k 7", make_conv1, run_conv1,
        2.0 * 4000 * 128 * 128 * 7, 0, DV_F32},
    {"convolution 60000, 32 to 32, k 7", make_conv1_narrow, run_conv1,
        2.0 * 60000 * 32 * 32 * 7, 0, DV_F32},
    {"transposed 500, 512 to 256, k 15", make_up1, run_up1,
        2.0 * 2500 * 512 * 256 * 3, 0, DV_F32},
    {"group norm 4x80x128x128", make_video, run_group_norm, 0, VIDEO * 8,
        DV_F32},
    {"group norm 4x80x128x128", make_video, run_group_norm, 0, VIDEO * 4,
        DV_BF16},
    {"norm silu 4x80x128x128", make_video, run_video_norm, 0, VIDEO * 8,
        DV_F32},
    {"norm silu 4x80x128x128", make_video, run_video_norm, 0, VIDEO * 4,
        DV_BF16},
    {"add 4x80x128x128", make_video, run_add, 0, VIDEO * 12, DV_F32},
    {"silu 4x80x128x128", make_video, run_silu, 0, VIDEO * 8, DV_F32},
    {"silu 4x80x128x128", make_video, run_silu, 0, VIDEO * 4, DV_BF16},
    {"shuffle 3x20x32x1024", make_shuffle, run_shuffle, 0, 6.5 * MIB * 4,
        DV_F32},
    {"snake 20000x96", make_snake, run_snake, 0, 20000.0 * 96 * 8, DV_F32},
    {"noise of 1000000", make_noise, run_noise, 0, 4e6, DV_F32},
    {"pixels 1088x1920", make_pixels, run_pixels, 0, 1088.0 * 1920 * 13.5,
        DV_F32},
    {"merging rank 64, 1024x4096", make_merge, run_merge,
        2.0 * 1024 * 4096 * 64, 0, DV_BF16},
    {"merging rank 384, 16384x4096", make_merge_large, run_merge,
        2.0 * 16384 * 4096 * 384, 0, DV_BF16, true},
    {"attention 8160, 32 of 128", make_attention_self, run_attention,
        4.0 * 8160 * 8160 * 4096, 0, DV_BF16, true},
    {"attention 32640 of 1024, 32 of 128", make_attention_text, run_attention,
        4.0 * 32640 * 1024 * 4096, 0, DV_BF16, true},
    {"attention 126 of 32640, 32 of 64", make_attention_sound, run_attention,
        4.0 * 126 * 32640 * 2048, 0, DV_BF16, true},
    {"convolution 4x272x480, 128 to 128", make_conv_last, run_conv,
        2.0 * 4 * 272 * 480 * 128 * 128 * 27, 0, DV_BF16, true},
    {"convolution 4x272x480, 128 to 48", make_conv_pixels, run_conv,
        2.0 * 4 * 272 * 480 * 128 * 48 * 27, 0, DV_BF16, true},
    {"convolution 16x34x60, 1024 to 1024", make_conv_first, run_conv,
        2.0 * 16 * 34 * 60 * 1024 * 1024 * 27, 0, DV_BF16, true},
};

static double
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The best seconds of a run, over at least @least of them. */
static double
measure (Rig *rig, const Bench *b, int side, double least)
{
  double best = 1e9, end = now () + least;

  do {
    double start = now (), took;

    b->run (rig, side);
    dv_stream_status (rig->stream[side], NULL);
    took = now () - start;
    best = took < best ? took : best;
  } while (now () < end);
  return best;
}

int
bench (const char *only)
{
  static const char *const backends[] = {"cpu", "cuda"};

  for (int i = 0; i < 2; i++) {
    DvDeviceSpec ref = {.backend = "ref"}, spec = {.backend = backends[i]};
    Rig rig;

    if (!rig_open (&rig, &ref, &spec)) {
      rig_close (&rig);
      continue;
    }
    printf ("%s: %s\n", rig.device[1]->name, rig.device[1]->about);
    for (size_t n = 0; n < sizeof benches / sizeof *benches; n++) {
      const Bench *b = &benches[n];
      double work = (b->flops ? b->flops : b->bytes) * 1e-9, slow, fast;

      if ((only && !strstr (b->name, only)) ||
          (b->large && strncmp (rig.device[1]->name, "cuda", 4) != 0))
        continue;
      b->make (&rig, b->dtype);
      slow = only || b->large ? 0 : measure (&rig, b, 0, 0);
      fast = measure (&rig, b, 1, 0.4);
      printf ("%-36s %-4s %9.2f %s  ref %8.3f  ratio %8.1f\n", b->name,
          dv_dtype_name (b->dtype), work / fast,
          b->flops ? "GFLOP/s" : "GB/s   ", slow > 0 ? work / slow : 0,
          slow / fast);
      fflush (stdout);
      rig_clear (&rig);
    }
    rig_close (&rig);
  }
  return 0;
}
