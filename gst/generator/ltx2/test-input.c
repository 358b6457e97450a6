/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Test inputs from a file that the environment names.
 */
#include "test-input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DvStatus
dv_test_file_open (DvSafetensors **out, DvError *error)
{
  const char *path = getenv (DV_TEST_INPUT_VARIABLE);

  *out = NULL;
  if (!path || !*path)
    return DV_OK;
  *out = dv_safetensors_open (path, error);
  return *out ? DV_OK : DV_ERROR_FORMAT;
}

/* Tensor "@index.@what", or NULL. */
static const DvTensor *
find (const DvSafetensors *file, uint32_t index, const char *what)
{
  char name[64];

  snprintf (name, sizeof name, "%u.%s", index, what);
  return dv_safetensors_find (file, name);
}

static DvStatus
wrong_type (uint32_t index, const char *what, const char *wanted,
    const DvTensor *tensor, DvError *error)
{
  return dv_fail (error, DV_ERROR_FORMAT, "test",
      "%u.%s in the file of test inputs is %s instead of %s", index, what,
      dv_dtype_name (tensor->dtype), wanted);
}

/* Integers of either size; they may lie anywhere. */
static DvStatus
read_integers (const DvTensor *tensor, uint32_t index, const char *what,
    int32_t *out, DvError *error)
{
  int64_t n = dv_tensor_count (tensor);

  if (tensor->dtype == DV_I32) {
    memcpy (out, tensor->data, (size_t)n * sizeof *out);
    return DV_OK;
  }
  if (tensor->dtype != DV_I64)
    return wrong_type (index, what, "integers", tensor, error);
  for (int64_t i = 0; i < n; i++) {
    int64_t value;

    memcpy (&value, (const int64_t *)tensor->data + i, sizeof value);
    if (value < INT32_MIN || value > INT32_MAX)
      return dv_fail (error, DV_ERROR_FORMAT, "test",
          "%u.%s in the file of test inputs has %lld, which is no token", index,
          what, (long long)value);
    out[i] = (int32_t)value;
  }
  return DV_OK;
}

static DvStatus
read_text_len (const DvSafetensors *file, uint32_t index, DvTestInput *input,
    DvError *error)
{
  const DvTensor *tensor = find (file, index, "text_len");
  int32_t value = 0;
  DvStatus status;

  if (!tensor)
    return DV_OK;
  if (dv_tensor_count (tensor) != 1)
    return wrong_type (index, "text_len", "one number", tensor, error);
  status = read_integers (tensor, index, "text_len", &value, error);
  if (status == DV_OK && value < 1)
    return dv_fail (error, DV_ERROR_FORMAT, "test",
        "%u.text_len in the file of test inputs is %d", index, (int)value);
  input->text_len = (size_t)value;
  return status;
}

static DvStatus
read_noise (const DvSafetensors *file, uint32_t index, DvTestInput *input,
    DvError *error)
{
  static const char *const names[] = {
      "video_noise", "audio_noise", "stage2.video_noise", "stage2.audio_noise"};

  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const DvTensor *tensor = find (file, index, names[i]);

    if (!tensor)
      continue;
    if (tensor->dtype != DV_F32 || !dv_safetensors_aligned (tensor))
      return wrong_type (index, names[i], "aligned f32", tensor, error);
    input->noise[i] = tensor->data;
    input->n_noise[i] = (size_t)dv_tensor_count (tensor);
  }
  return DV_OK;
}

DvStatus
dv_test_file_read (const DvSafetensors *file, uint32_t index,
    DvTestInput *input, int32_t **ids, DvError *error)
{
  const DvTensor *tensor = find (file, index, "ids");
  DvStatus status;

  memset (input, 0, sizeof *input);
  *ids = NULL;
  if (!tensor)
    return DV_OK;
  if (dv_tensor_count (tensor) < 1)
    return wrong_type (index, "ids", "at least one token", tensor, error);
  *ids = malloc ((size_t)dv_tensor_count (tensor) * sizeof **ids);
  if (!*ids)
    return dv_fail (error, DV_ERROR_MEMORY, "test", "no memory for %lld tokens",
        (long long)dv_tensor_count (tensor));
  input->ids = *ids;
  input->n_ids = (size_t)dv_tensor_count (tensor);
  if ((status = read_integers (tensor, index, "ids", *ids, error)) != DV_OK ||
      (status = read_text_len (file, index, input, error)) != DV_OK ||
      (status = read_noise (file, index, input, error)) != DV_OK) {
    free (*ids);
    *ids = NULL;
  }
  return status;
}
