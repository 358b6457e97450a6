/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ops: everything a backend computes, declared once.
 *
 * Model code calls the functions at the end (dv_matmul (stream, &args)).
 * They check the arguments, count the workspace, do nothing on a dry or
 * failed stream, and call the backend's entry of the table.  A backend can
 * therefore trust what it is given.
 *
 * Conventions:
 *  - The output comes first. Shapes are in the comments; M, N, K, T, H, W, C
 *    are sizes. Outputs and, unless said, inputs are dense in the last
 *    dimension (stride 1); other strides are free.
 *  - Activations are F32 or BF16, each tensor by itself; sums, norms, softmax
 *    and all arithmetic between are F32. Tables, vectors (bias, norm weights),
 *    statistics and latents are F32. Indices are I32.
 *  - An output may alias an input only where said.
 *  - NULL means absent.
 *  - The result never depends on the number of threads.
 */
#ifndef DV_OPS_H
#define DV_OPS_H

#include "device.h"

/* ---- weights ---- */

typedef enum {
  DV_USE_MATMUL,   /* [N, K] */
  DV_USE_CONV,     /* [Co, Ci, kt, ky, kx]; prepared from [Co, Ci, k] and
                    * [Co, Ci, ky, kx] too */
  DV_USE_CONV_UP1, /* transposed 1-D: [Ci, Co, k] */
  DV_USE_TABLE,    /* [V, C], rows for dv_gather(): kept as in the file */
  DV_USE_PLAIN /* vectors and tables: kept F32, or as they are if integral */
} DvUse;

/* A weight as a backend wants it: the same memory (a mapped file) when that
 * will do, else a converted or packed copy made once. */
typedef struct {
  DvUse use;
  DvDtype compute; /* F32 or BF16: of the products */
  int n_dims;
  int64_t shape[DV_MAX_DIMS]; /* the logical one */
  DvTensor data;  /* what the ref backend reads: [shape], any float dtype */
  DvTensor scale; /* quantised data only: F32, one a row of dimension 0, or
                   * one for all; data.data NULL elsewhere */
  void *packed;   /* the backend's own copy */
  size_t packed_bytes;
  bool borrowed; /* the memory is somebody else's: nothing is freed with it */
} DvWeight;

/* Per-token rows: few distinct ones and an index, so that no [tokens, 6 width]
 * is ever stored. */
typedef struct {
  const DvTensor *table; /* [D, C] F32, rows may be strided */
  const DvTensor *index; /* [M] I32 in [0, D); NULL: row 0 for all */
} DvRows;

typedef enum { DV_ACT_NONE, DV_ACT_GELU, DV_ACT_SILU } DvAct; /* gelu: tanh */

/* out[M,N] = residual + gate * act (a[M,K] w[N,K]^T + bias)
 * residual may be out. K is dense in a. */
typedef struct {
  const DvTensor *out;  /* [M, N] */
  const DvTensor *a;    /* [M, K] */
  const DvWeight *w;    /* [N, K] */
  const DvTensor *bias; /* [N] */
  DvAct act;
  DvRows gate;              /* [D, N] */
  const DvTensor *residual; /* [M, N] */
} DvMatmul;

/* out[i,h] = gate[i,h] * softmax_j (scale q[i,h].k[j,h/g] + mask) v[j,h/g]
 * g = H / G query heads share a key head. The score matrix is never stored.
 * A query that may see no key gets zeros. d <= DV_MAX_HEAD. */
#define DV_MAX_HEAD 256
typedef struct {
  const DvTensor *out; /* [M, H, d] */
  const DvTensor *q;   /* [M, H, d] */
  const DvTensor *k;   /* [S, G, d] */
  const DvTensor *v;   /* [S, G, d] */
  float scale;
  bool causal;          /* key j is seen by query i when j <= i */
  int64_t window;       /* > 0, causal only: and when j > i - window */
  const DvTensor *bias; /* [S] F32, added to every query's scores; -inf hides,
                         * whatever the values */
  const DvTensor *gate; /* [M, H] F32: the output is times 2 sigmoid (gate) */
} DvAttention;

typedef enum { DV_NORM_RMS, DV_NORM_LAYER } DvNormKind;

/* out[m] = residual + act (norm (x[m]) * w * (1 + scale) + shift)
 * over the last dimension; RMS: x / sqrt (mean (x^2) + eps), LAYER subtracts
 * the mean first and divides by the deviation. out may be x or residual. */
typedef struct {
  const DvTensor *out; /* [M, C] */
  const DvTensor *x;   /* [M, C] */
  DvNormKind kind;
  float eps;
  const DvTensor *weight; /* [C] F32 */
  bool one_plus;          /* the weight is 1 + w (Gemma) */
  DvRows scale, shift;    /* [D, C] */
  DvAct act;
  const DvTensor *residual; /* [M, C] */
} DvNorm;

/* Rotary angles, kept by axis: a token's row of cosines is
 *   m < pad: 1;  else cos[a][index[token][a]][j], j = (m-pad) / n_axes,
 *   a = (m-pad) % n_axes,     for m in [0, pad + n_axes * c)
 * and the same for sines with 0. */
typedef struct {
  int n_axes;             /* 1 to 3; 0: no rotation */
  int64_t pad;            /* identity entries in front */
  const DvTensor *cos[3]; /* [positions of the axis, c] F32 */
  const DvTensor *sin[3];
  const DvTensor *index; /* [M, n_axes] I32; NULL: token number, n_axes 1 */
  bool shared;           /* every head uses the same d/2 entries (Gemma);
                          * else head h uses entries h d/2 .. (h+1) d/2 */
} DvRope;

/* out = rotate (rms (x) * weight), for q and k. The norm is over all heads
 * together, or over each head when weight is [d]; then per head halves
 * a, b: a' = a cos - b sin, b' = b cos + a sin. out may be x. */
typedef struct {
  const DvTensor *out;    /* [M, H, d] */
  const DvTensor *x;      /* [M, H, d] */
  const DvTensor *weight; /* [H d] or [d] F32; NULL: no norm */
  bool one_plus;
  float eps;
  DvRope rope;
} DvQkNorm;

typedef enum { DV_PAD_ZERO, DV_PAD_REFLECT, DV_PAD_EDGE } DvPad;

/* out = residual + act (conv (x) + bias), cross-correlation, channels-last:
 * x[T,H,W,Ci], w[Co,Ci,kt,ky,kx], out[T',H',W',Co] with
 * T' = (T + lo + hi - dilation (k-1) - 1) / stride + 1 on each axis.
 * 2-D: T = 1, or frames as T with kt = 1; 1-D: the axis as W. REFLECT does not
 * repeat the edge. Axes: 0 time, 1 y, 2 x. residual may be out. */
typedef struct {
  const DvTensor *out; /* [T', H', W', Co] */
  const DvTensor *x;   /* [T, H, W, Ci] */
  const DvWeight *w;
  const DvTensor *bias; /* [Co] */
  int stride[3];        /* 0 means 1 */
  int dilation[3];      /* 0 means 1 */
  int pad_lo[3], pad_hi[3];
  DvPad pad_mode[3];
  DvAct act;
  const DvTensor *residual; /* [T', H', W', Co] */
} DvConv;

/* Transposed 1-D convolution: x[T,Ci], w[Ci,Co,k],
 * out[(T-1) stride - 2 pad + k, Co]. */
typedef struct {
  const DvTensor *out;
  const DvTensor *x;
  const DvWeight *w;
  const DvTensor *bias; /* [Co] */
  int stride, pad;
} DvConvUp1;

typedef enum {
  /* x[T,H,W,C] -> out[T/ft,H/fy,W/fx,C P], channel ((c ft+it) fy+iy) fx+ix */
  DV_SPACE_TO_DEPTH,
  /* x[T,H,W,C P] -> out[T ft - drop,H fy,W fx,C], the inverse, without the
   * first drop frames */
  DV_DEPTH_TO_SPACE
} DvShuffleKind;

/* P = ft fy fx. With group > 0: SPACE_TO_DEPTH averages each group channels
 * in a row of its result (C' = C P / group). With tile > 0: DEPTH_TO_SPACE
 * repeats the whole channel list tile times (C' = C tile). columns_first: the
 * channel is ((c ft+it) fx+ix) fy+iy (patchify). add: out += instead of =. */
typedef struct {
  const DvTensor *out;
  const DvTensor *x;
  DvShuffleKind kind;
  int factor[3];
  int drop;
  int group, tile;
  bool columns_first;
  bool add;
} DvShuffle;

/* out = act (norm (x) * weight + bias [+ residual]), statistics over
 * (T, H, W, channels of the group). The residual is added before act. out may
 * be x or residual. */
typedef struct {
  const DvTensor *out; /* [T, H, W, C] */
  const DvTensor *x;
  const DvTensor *weight; /* [C] F32 */
  const DvTensor *bias;   /* [C] F32 */
  int groups;
  float eps;
  DvAct act;
  const DvTensor *residual;
} DvGroupNorm;

typedef enum {
  DV_MAP_COPY,  /* x */
  DV_MAP_SCALE, /* x p */
  DV_MAP_GELU,
  DV_MAP_SILU,
  DV_MAP_LEAKY, /* x < 0 ? p x : x */
  DV_MAP_TANH,
  DV_MAP_CLAMP,     /* to [-p, p]; a NaN stays */
  DV_MAP_ADD,       /* x + y */
  DV_MAP_AXPY,      /* x + p y */
  DV_MAP_MUL,       /* x y */
  DV_MAP_GELU_MUL,  /* gelu (x) y: the gated MLP */
  DV_MAP_FILL,      /* p; x is not read and may be out */
  DV_MAP_MAGNITUDE, /* sqrt (x^2 + y^2) */
  DV_MAP_LOG,       /* log (max (x, p)) */
  DV_MAP_AFFINE,    /* x s[c] + b[c], c the last dimension */
  DV_MAP_LERP       /* x m[row] + y (1 - m[row]), row = dimension 0 */
} DvMapKind;

/* Elementwise, any strides on all tensors, dtypes converted: so COPY also
 * permutes and converts. out may be x or y (same strides). */
typedef struct {
  const DvTensor *out;
  const DvTensor *x;
  const DvTensor *y;     /* same shape as x */
  const DvTensor *s, *b; /* AFFINE: [C] F32; LERP: s is m, [rows] F32 */
  DvMapKind kind;
  float p;
} DvMap;

/* out[m] = table[id[m]] * scale */
typedef struct {
  const DvTensor *out;   /* [M, C] */
  const DvTensor *table; /* [V, C] any float dtype */
  const DvTensor *id;    /* [M] I32 in [0, V) */
  float scale;
} DvGather;

/* The affine map that takes each x[l] to its spread: with the mean, least and
 * largest of its M C entries
 *   s[l] = scale / (largest - least + eps),  b[l] = -s[l] sum / (M C + eps)
 * so that s[l] x + b[l] is what section 3.3 feeds the projection. */
typedef struct {
  const DvTensor *s, *b; /* [L] F32 */
  const DvTensor *x;     /* [L, M, C] */
  float scale, eps;
} DvSpread;

/* One Euler step of flow matching on tokens, in place (section 6.2 of the
 * model specification): with tau = mask * sigma,
 *   x0 = x - tau velocity;  x0 = x0 mask + clean (1 - mask);
 *   x += (x - x0) / sigma * (next - sigma);   next == 0: x = x0 exactly */
typedef struct {
  const DvTensor *x;        /* [M, C] F32, in and out */
  const DvTensor *velocity; /* [M, C] */
  const DvTensor *mask;     /* [M] F32; NULL: 1 */
  const DvTensor *clean;    /* [M, C] F32; needed with a mask */
  float sigma, next;
} DvEuler;

/* Guidance on predictions of x0 (section 6.3):
 *   g = c + (cfg-1) (c-u) + stg (c-p) + (mod-1) (c-m)
 *   out = g (rescale std (c) / std (g) + 1 - rescale)
 * with the deviations over the whole tensor, n - 1. out may be any input. */
typedef struct {
  const DvTensor *out;       /* [M, C] F32 */
  const DvTensor *cond;      /* [M, C] F32: c */
  const DvTensor *uncond;    /* u; NULL: its term is 0 */
  const DvTensor *perturbed; /* p; NULL: its term is 0 */
  const DvTensor *modality;  /* m; NULL: its term is 0 */
  float cfg, stg, mod, rescale;
} DvGuide;

/* Standard normal numbers from Philox4x32-10, keyed by (seed, stream):
 * element i is a function of the key and i alone (philox.h). */
typedef struct {
  const DvTensor *out; /* dense F32 */
  uint64_t seed;
  uint64_t sequence; /* what is drawn: segment, stage, modality */
} DvNoise;

/* Anti-aliased snake of BigVGAN: out = down2 (snake (up2 (x))), per channel
 * (section 11.2). x[T,C], out[T,C], F32. */
typedef struct {
  const DvTensor *out;
  const DvTensor *x;
  const DvTensor *alpha, *beta; /* [C] F32, logarithms */
  const DvTensor *up, *down;    /* [12] F32 */
} DvSnake;

/* One-dimensional FIR resampling by a whole factor, edges replicated:
 * y = factor * transposed convolution of x, extended by pad at both ends, with
 * filter[k], stride factor; then cut_lo and cut_hi samples are dropped.
 * x[T,C], out[(T + 2 pad - 1) factor + k - cut_lo - cut_hi, C]. */
typedef struct {
  const DvTensor *out;
  const DvTensor *x;
  const DvTensor *filter; /* [k] F32 */
  int factor, pad, cut_lo, cut_hi;
} DvFirUp;

/* A low-rank change of a matrix: scale b a. */
typedef struct {
  const DvTensor *b; /* [N, R] any float dtype */
  const DvTensor *a; /* [R, K] any float dtype */
  float scale;
} DvChange;

/* out = x + scale_0 (b_0 a_0) + scale_1 (b_1 a_1) + ..., from the left.  An
 * entry of a product is summed from 0 in the order of r, and all is F32, each
 * product and sum rounded on its own, the last one once more to out's dtype:
 * every backend gives the same bits (of a NaN only that it is one).  out may
 * be x. */
typedef struct {
  const DvTensor *out;     /* [N, K] */
  const DvTensor *x;       /* [N, K] any float dtype */
  const DvChange *changes; /* at least one */
  int n_changes;
} DvMerge;

/* Pixels in [-1, 1] -> 8 bits: trunc (255 clamp ((x + 1) / 2, 0, 1)); a NaN
 * gives 0. rgb and the planes may each be absent. I420: limited-range BT.709
 * from the 8-bit RGB, chroma the mean of 2 x 2 pixels, integer arithmetic as
 * kernels/ref/pixels.c states it, the same on every backend. */
typedef struct {
  const DvTensor *x; /* [H, W, 3] */
  /* Host memory on every device, whole when a fence behind the op has passed,
   * or when the call returns if it is not dv_device_host_alloc()'s. It is
   * written beside later ops, which so must not use it, but in the order of
   * these ops; x may be written or given back as ever. */
  uint8_t *rgb;       /* [H, W, 3] */
  int64_t rgb_stride; /* bytes, as the next */
  uint8_t *plane[3];
  int64_t stride[3];
} DvPixels;

/* ---- the table ---- */

typedef enum {
  DV_OP_MATMUL,
  DV_OP_ATTENTION,
  DV_OP_NORM,
  DV_OP_QK_NORM,
  DV_OP_CONV,
  DV_OP_CONV_UP1,
  DV_OP_SHUFFLE,
  DV_OP_GROUP_NORM,
  DV_OP_MAP,
  DV_OP_GATHER,
  DV_OP_SPREAD,
  DV_OP_EULER,
  DV_OP_NOISE,
  DV_OP_SNAKE,
  DV_OP_FIR_UP,
  DV_OP_PIXELS,
  DV_OP_GUIDE,
  DV_OP_MERGE,
  DV_N_OPS
} DvOp;

/* An op of a backend: @workspace is what the backend asked for, NULL if
 * nothing. It queues (CUDA) or computes (CPU) and returns; what fails is told
 * by its result or at the next synchronize. */
typedef DvStatus (*DvOpFunc) (
    DvStream *stream, const void *args, void *workspace, DvError *error);

struct DvOps {
  const char *name;
  bool apart; /* host code cannot reach the memory: what is missing is an error
               * and not ref's */
  /* NULL: true. Whether @op serves these arguments; else ref's runs. */
  bool (*serves) (const DvDevice *device, DvOp op, const void *args);
  /* NULL: none. Bytes of workspace that @op wants for these arguments. */
  size_t (*workspace) (const DvDevice *device, DvOp op, const void *args);
  /* NULL: none. Bytes of the arena that @op uses, in workspace's place, and may
   * go on using beside later ops: they stay the stream's until it is reset. */
  size_t (*kept) (const DvDevice *device, DvOp op, const void *args);
  DvOpFunc op[DV_N_OPS]; /* NULL: ref's runs, and that is said once */

  DvStatus (*open) (DvDevice *device, const DvDeviceSpec *spec, DvError *error);
  void (*close) (DvDevice *device);
  void *(*alloc) (DvDevice *device, size_t bytes);
  void (*free) (DvDevice *device, void *memory);
  void *(*host_alloc) (DvDevice *device, size_t bytes);
  void (*host_free) (DvDevice *device, void *memory);
  DvStatus (*stream_open) (DvStream *stream, DvError *error);
  void (*stream_close) (DvStream *stream);
  /* Waits for what was queued. */
  DvStatus (*synchronize) (DvStream *stream, DvError *error);
  /* Dense copies between any two of host and device, in stream order. Host
   * memory that is not host_alloc()'s has been read when the call returns;
   * host_alloc()'s is read or written when a fence behind it has passed, with
   * no wait in the call. */
  DvStatus (*copy) (DvStream *stream, void *to, const void *from, size_t bytes,
      DvError *error);

  /* Discrete devices only; NULL elsewhere. fence_passed polls and does
   * not wait; the front has seen to it that the fence was recorded. */
  void (*memory) (DvDevice *device, uint64_t *available, uint64_t *total);
  DvStatus (*fence_open) (DvFence *fence, DvError *error);
  void (*fence_close) (DvFence *fence);
  DvStatus (*fence_record) (DvFence *fence, DvStream *stream, DvError *error);
  DvStatus (*fence_await) (
      const DvFence *fence, DvStream *stream, DvError *error);
  DvStatus (*fence_passed) (const DvFence *fence, bool *passed, DvError *error);

  /* Bytes that preparing such a weight takes beside @host; 0: the mapped
   * memory itself is used. */
  size_t (*weight_bytes) (const DvDevice *device, const DvWeight *shape_and_use,
      DvDtype host_dtype);
  /* Fills @w (use, compute and shape are set) from @host. */
  DvStatus (*prepare) (
      DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error);
  /* Discrete devices only; NULL elsewhere. Makes @w (use MATMUL, compute and
   * shape are set) of @matrix, whose memory it takes: dv_weight_adopt(). */
  DvStatus (*adopt) (
      DvDevice *device, DvWeight *w, const DvTensor *matrix, DvError *error);
  void (*release) (DvDevice *device, DvWeight *w);
};

extern const DvOps dv_ref_ops;
extern const DvOps dv_cpu_ops;

/* ---- what model code calls ---- */

void dv_matmul (DvStream *stream, const DvMatmul *args);
void dv_attention (DvStream *stream, const DvAttention *args);
void dv_norm (DvStream *stream, const DvNorm *args);
void dv_qk_norm (DvStream *stream, const DvQkNorm *args);
void dv_conv (DvStream *stream, const DvConv *args);
void dv_conv_up1 (DvStream *stream, const DvConvUp1 *args);
void dv_shuffle (DvStream *stream, const DvShuffle *args);
void dv_group_norm (DvStream *stream, const DvGroupNorm *args);
void dv_map (DvStream *stream, const DvMap *args);
void dv_gather (DvStream *stream, const DvGather *args);
void dv_spread (DvStream *stream, const DvSpread *args);
void dv_euler (DvStream *stream, const DvEuler *args);
void dv_noise (DvStream *stream, const DvNoise *args);
void dv_snake (DvStream *stream, const DvSnake *args);
void dv_fir_up (DvStream *stream, const DvFirUp *args);
void dv_pixels (DvStream *stream, const DvPixels *args);
void dv_guide (DvStream *stream, const DvGuide *args);
void dv_merge (DvStream *stream, const DvMerge *args);

/* Out = in, dense, host or device on either side, same dtype and count. @in may
 * be freed at once if it is ordinary host memory; dv_device_host_alloc()'s is
 * copied asynchronously (DvOps.copy). */
void dv_copy (DvStream *stream, const DvTensor *out, const DvTensor *in);

/* Prepares @host (which must outlive @w) for @use; @compute for matmul and
 * convolution. Release with dv_weight_clear(). */
DvStatus dv_weight_prepare (DvDevice *device, DvWeight *w, DvUse use,
    DvDtype compute, const DvTensor *host, DvError *error);
/* A matmul weight of what is on a discrete device already: @matrix [N, K],
 * dense, in the dtype of the products, in memory of dv_device_alloc(), which is
 * the weight's from then on; on failure it stays the caller's. What writes it
 * must be done. */
DvStatus dv_weight_adopt (
    DvDevice *device, DvWeight *w, const DvTensor *matrix, DvError *error);
void dv_weight_clear (DvDevice *device, DvWeight *w);
/* Bytes that dv_weight_prepare() would take. */
size_t dv_weight_bytes (DvDevice *device, DvUse use, DvDtype compute,
    DvDtype host_dtype, int n_dims, const int64_t *shape);

#endif
