/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Opening the cpu backend: which copy of it this processor can run, its
 * threads and its memory.
 *
 * Threads: as device.h says.
 */
#include "cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY(isa) extern const DvOps dv_cpu_##isa##_ops;
#ifdef DV_CPU_X86
COPY (avx512bf16)
COPY (avx512)
COPY (avx2)
#endif
COPY (plain)

#ifdef DV_CPU_X86
static bool
has_avx2 (void)
{
  return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
}

static bool
has_avx512 (void)
{
  return has_avx2 () && __builtin_cpu_supports ("avx512f") &&
         __builtin_cpu_supports ("avx512bw") &&
         __builtin_cpu_supports ("avx512vl") &&
         __builtin_cpu_supports ("avx512dq");
}

static bool
has_avx512bf16 (void)
{
  return has_avx512 () && __builtin_cpu_supports ("avx512bf16");
}
#endif

static bool
always (void)
{
  return true;
}

/* From best to least. @limit: what DvDeviceSpec calls it. */
static const struct {
  const char *limit, *about;
  const DvOps *ops;
  bool (*runs) (void);
  bool bf16;
} copies[] = {
#ifdef DV_CPU_X86
    {"avx512bf16", "AVX-512 BF16", &dv_cpu_avx512bf16_ops, has_avx512bf16,
        true},
    {"avx512", "AVX-512", &dv_cpu_avx512_ops, has_avx512, false},
    {"avx2", "AVX2", &dv_cpu_avx2_ops, has_avx2, false},
#endif
    {"x86-64", "no vector extensions", &dv_cpu_plain_ops, always, false},
};
#define N_COPIES ((int)(sizeof copies / sizeof *copies))

DvStatus
dv_cpu_open (DvDevice *device, const DvDeviceSpec *spec, DvError *error)
{
  int i = 0;

  if (spec->limit)
    while (i < N_COPIES && strcmp (copies[i].limit, spec->limit) != 0)
      i++;
  if (i == N_COPIES)
    return dv_fail (error, DV_ERROR_ARGUMENT, "open",
        "\"%.40s\" are no instructions that the cpu backend has a version for",
        spec->limit);
  while (!copies[i].runs ())
    i++;
  device->pool = dv_pool_new (spec->threads, error);
  if (!device->pool)
    return DV_ERROR_MEMORY;
  device->ops = copies[i].ops;
  device->name = "cpu";
  device->has_bf16 = copies[i].bf16;
  snprintf (device->about, sizeof device->about, "the processor with %s, %d %s",
      copies[i].about, dv_pool_threads (device->pool),
      dv_pool_threads (device->pool) == 1 ? "thread" : "threads");
  return DV_OK;
}

void
dv_cpu_close (DvDevice *device)
{
  dv_pool_free (device->pool);
}

void *
dv_cpu_alloc (DvDevice *device, size_t bytes)
{
  if (bytes > SIZE_MAX - DV_ARENA_ALIGN)
    return NULL;
  bytes = (bytes + DV_ARENA_ALIGN - 1) / DV_ARENA_ALIGN * DV_ARENA_ALIGN;
  return aligned_alloc (DV_ARENA_ALIGN, bytes ? bytes : DV_ARENA_ALIGN);
}

void
dv_cpu_free (DvDevice *device, void *memory)
{
  free (memory);
}

DvStatus
dv_cpu_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error)
{
  memmove (to, from, bytes);
  return DV_OK;
}

/* What finds the backend by name; opening puts the copy's table in place. */
const DvOps dv_cpu_ops = {.name = "cpu", .open = dv_cpu_open};
