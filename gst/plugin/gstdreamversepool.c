/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The source's own buffer pool and the allocator of the model's host memory.
 *
 * Threads: as GstBufferPool and GstAllocator.
 */
#include "gstdreamversepool.h"

/* ---- allocator ---- */

#define GST_TYPE_DREAMVERSE_ALLOCATOR (gst_dreamverse_allocator_get_type ())
G_DECLARE_FINAL_TYPE (GstDreamverseAllocator, gst_dreamverse_allocator, GST,
    DREAMVERSE_ALLOCATOR, GstAllocator)

struct _GstDreamverseAllocator {
  GstAllocator parent;
  DvModel *model;
};

typedef struct {
  GstMemory memory;
  gpointer data;
  gboolean shared; /* a part of another memory, which owns the data */
} HostMemory;

G_DEFINE_TYPE (
    GstDreamverseAllocator, gst_dreamverse_allocator, GST_TYPE_ALLOCATOR)

static GstMemory *
gst_dreamverse_allocator_alloc (
    GstAllocator *allocator, gsize size, GstAllocationParams *params)
{
  GstDreamverseAllocator *self = GST_DREAMVERSE_ALLOCATOR (allocator);
  gsize whole = params->prefix + size + params->padding;
  HostMemory *host;
  gpointer data = dv_model_host_alloc (self->model, whole);

  if (!data)
    return NULL;
  host = g_new0 (HostMemory, 1);
  host->data = data;
  gst_memory_init (GST_MEMORY_CAST (host), 0, allocator, NULL, whole,
      params->align, params->prefix, size);
  return GST_MEMORY_CAST (host);
}

static void
gst_dreamverse_allocator_free (GstAllocator *allocator, GstMemory *memory)
{
  HostMemory *host = (HostMemory *)memory;

  if (!host->shared)
    dv_model_host_free (
        GST_DREAMVERSE_ALLOCATOR (allocator)->model, host->data);
  g_free (host);
}

static gpointer
host_memory_map (GstMemory *memory, gsize size, GstMapFlags flags)
{
  return ((HostMemory *)memory)->data;
}

static void
host_memory_unmap (GstMemory *memory)
{
}

static GstMemory *
host_memory_share (GstMemory *memory, gssize offset, gssize size)
{
  HostMemory *host = g_new0 (HostMemory, 1);
  GstMemory *parent = memory->parent ? memory->parent : memory;

  if (size == -1)
    size = memory->size - offset;
  host->data = ((HostMemory *)memory)->data;
  host->shared = TRUE;
  gst_memory_init (GST_MEMORY_CAST (host),
      GST_MINI_OBJECT_FLAGS (parent) | GST_MINI_OBJECT_FLAG_LOCK_READONLY,
      memory->allocator, parent, memory->maxsize, memory->align,
      memory->offset + offset, size);
  return GST_MEMORY_CAST (host);
}

static void
gst_dreamverse_allocator_finalize (GObject *object)
{
  GstDreamverseAllocator *self = GST_DREAMVERSE_ALLOCATOR (object);

  g_clear_pointer (&self->model, dv_model_unref);
  G_OBJECT_CLASS (gst_dreamverse_allocator_parent_class)->finalize (object);
}

static void
gst_dreamverse_allocator_class_init (GstDreamverseAllocatorClass *klass)
{
  GstAllocatorClass *allocator_class = GST_ALLOCATOR_CLASS (klass);

  allocator_class->alloc = gst_dreamverse_allocator_alloc;
  allocator_class->free = gst_dreamverse_allocator_free;
  G_OBJECT_CLASS (klass)->finalize = gst_dreamverse_allocator_finalize;
}

static void
gst_dreamverse_allocator_init (GstDreamverseAllocator *self)
{
  GstAllocator *allocator = GST_ALLOCATOR (self);

  allocator->mem_type = "DreamverseHost";
  allocator->mem_map = host_memory_map;
  allocator->mem_unmap = host_memory_unmap;
  allocator->mem_share = host_memory_share;
  GST_OBJECT_FLAG_SET (self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

/* ---- pool ---- */

struct _GstDreamversePool {
  GstVideoBufferPool parent;
};

G_DEFINE_TYPE (
    GstDreamversePool, gst_dreamverse_pool, GST_TYPE_VIDEO_BUFFER_POOL)

static void
gst_dreamverse_pool_release_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  guint i;

  /* A reader may have taken the memory out of the buffer; a tagged buffer is
   * freed by the base class instead of being handed out again. */
  for (i = 0; i < gst_buffer_n_memory (buffer); i++)
    if (GST_MINI_OBJECT_REFCOUNT_VALUE (gst_buffer_peek_memory (buffer, i)) > 1)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  GST_BUFFER_POOL_CLASS (gst_dreamverse_pool_parent_class)
      ->release_buffer (pool, buffer);
}

static void
gst_dreamverse_pool_class_init (GstDreamversePoolClass *klass)
{
  GST_BUFFER_POOL_CLASS (klass)->release_buffer =
      gst_dreamverse_pool_release_buffer;
}

static void
gst_dreamverse_pool_init (GstDreamversePool *self)
{
}

GstBufferPool *
gst_dreamverse_pool_new (
    DvModel *model, GstCaps *caps, const GstVideoInfo *info, gboolean meta)
{
  GstBufferPool *pool = g_object_new (GST_TYPE_DREAMVERSE_POOL, NULL);
  GstDreamverseAllocator *allocator =
      g_object_new (GST_TYPE_DREAMVERSE_ALLOCATOR, NULL);
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstAllocationParams params;

  gst_object_ref_sink (pool);
  gst_object_ref_sink (allocator);
  allocator->model = dv_model_ref (model);
  gst_allocation_params_init (&params);
  params.align = 63;
  gst_buffer_pool_config_set_params (config, caps, info->size, 0, 0);
  gst_buffer_pool_config_set_allocator (
      config, GST_ALLOCATOR (allocator), &params);
  if (meta)
    gst_buffer_pool_config_add_option (
        config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_object_unref (allocator);
  if (!gst_buffer_pool_set_config (pool, config) ||
      !gst_buffer_pool_set_active (pool, TRUE))
    gst_clear_object (&pool);
  return pool;
}
