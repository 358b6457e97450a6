/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of the cpu backend share.
 *
 * All but cpu.c is compiled once for each set of instructions, with
 * DV_CPU_ISA its name; DV_CPU (x) names a function of one such copy, and
 * dv_cpu_ops of a copy is a whole backend.  cpu.c chooses among them when a
 * device is opened.
 *
 * Work is cut into tiles by shape alone, and an element is always computed by
 * the same sequence of operations, wherever the cuts are: so neither threads
 * nor a model's chunks change a bit.
 *
 * Threads: an op runs its tiles on the device's pool.
 */
#ifndef DV_CPU_H
#define DV_CPU_H

#include "../ops.h"

#define DV_CPU_JOIN2(isa, name) dv_cpu_##isa##_##name
#define DV_CPU_JOIN(isa, name) DV_CPU_JOIN2 (isa, name)
#define DV_CPU(name) DV_CPU_JOIN (DV_CPU_ISA, name)

/* cpu.c, for all copies */
DvStatus dv_cpu_open (
    DvDevice *device, const DvDeviceSpec *spec, DvError *error);
void dv_cpu_close (DvDevice *device);
void *dv_cpu_alloc (DvDevice *device, size_t bytes);
void dv_cpu_free (DvDevice *device, void *memory);
DvStatus dv_cpu_copy (
    DvStream *stream, void *to, const void *from, size_t bytes, DvError *error);

#ifdef DV_CPU_ISA

#define DV_CPU_OP(name)                                                        \
  DvStatus DV_CPU (name) (                                                     \
      DvStream * stream, const void *args, void *workspace, DvError *error)

DV_CPU_OP (matmul);
DV_CPU_OP (attention);
DV_CPU_OP (norm);
DV_CPU_OP (qk_norm);
DV_CPU_OP (conv);
DV_CPU_OP (conv_up1);
DV_CPU_OP (shuffle);
DV_CPU_OP (group_norm);
DV_CPU_OP (map);
DV_CPU_OP (gather);
DV_CPU_OP (spread);
DV_CPU_OP (euler);
DV_CPU_OP (noise);
DV_CPU_OP (snake);
DV_CPU_OP (fir_up);
DV_CPU_OP (pixels);
DV_CPU_OP (merge);

/* Bytes of workspace. */
size_t DV_CPU (attention_workspace) (
    const DvDevice *device, const DvAttention *args);
size_t DV_CPU (group_norm_workspace) (const DvGroupNorm *args);

/* weights.c */
size_t DV_CPU (weight_bytes) (
    const DvDevice *device, const DvWeight *w, DvDtype host_dtype);
DvStatus DV_CPU (prepare) (
    DvDevice *device, DvWeight *w, const DvTensor *host, DvError *error);
void DV_CPU (release) (DvDevice *device, DvWeight *w);

#endif
#endif
