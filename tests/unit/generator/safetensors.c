/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * safetensors files: what is right is mapped, what is wrong is named, and
 * nothing of the weights is read by opening.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail-alloc.h"
#include "ltx2/safetensors-write.h"
#include "ltx2/safetensors.h"
#include "test-folder.h"

/* A file with this header, its length before it, and so much data. */
static uint8_t *
file_of (const char *header, size_t data, size_t *size)
{
  size_t n = strlen (header);
  uint8_t *bytes = calloc (1, 8 + n + data + 1);

  for (int i = 0; i < 8; i++)
    bytes[i] = (uint8_t)((uint64_t)n >> (8 * i));
  memcpy (bytes + 8, header, n);
  *size = 8 + n + data;
  return bytes;
}

/* Reads such a file, which must be refused with @why in the message. */
static void
refused (const char *header, size_t data, const char *why)
{
  size_t size;
  uint8_t *bytes = file_of (header, data, &size);
  DvError error = {DV_OK};
  DvSafetensors *file = dv_safetensors_parse (bytes, size, "x.st", &error);

  ck_assert_msg (!file, "accepted: %s", header);
  ck_assert_int_eq (error.code, DV_ERROR_FORMAT);
  ck_assert_msg (
      strstr (error.detail, why) != NULL, "%s: %s", header, error.detail);
  ck_assert_msg (strstr (error.detail, "x.st") != NULL, "%s", error.detail);
  free (bytes);
}

/* A header of one tensor. */
static void
refused_tensor (const char *fields, size_t data, const char *why)
{
  char header[512];

  snprintf (header, sizeof header, "{\"w\":{%s}}", fields);
  refused (header, data, why);
}

static void
write_file (const char *name, const char *header, size_t data)
{
  size_t size;
  uint8_t *bytes = file_of (header, data, &size);
  FILE *file = fopen (folder_path (name), "wb");

  ck_assert_ptr_nonnull (file);
  ck_assert_uint_eq (fwrite (bytes, 1, size, file), size);
  fclose (file);
  free (bytes);
}

static void
no_file (const char *name, DvStatus code, const char *why)
{
  DvError error = {DV_OK};
  DvSafetensors *file = dv_safetensors_open (folder_path (name), &error);

  ck_assert_ptr_null (file);
  ck_assert_int_eq (error.code, code);
  ck_assert_msg (strstr (error.detail, why) != NULL, "%s", error.detail);
}

#define TENSOR "\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]"

START_TEST (what_is_written_is_read)
{
  static const float f[] = {1, 2, 3, 4, 5, 6};
  static const uint16_t h[] = {0x3f80, 0x4000};
  DvError error;
  DvSafetensorsWriter *writer =
      dv_safetensors_write (folder_path ("a.safetensors"), &error);
  DvSafetensors *file;
  const DvTensor *t;
  const char *name;

  ck_assert_ptr_nonnull (writer);
  dv_safetensors_write_metadata (writer, "config", "{\"a\": \"b\\n\"}\n\t\x01");
  dv_safetensors_write_tensor (writer, "z", DV_F32, 2, (const int64_t[]){2, 3});
  dv_safetensors_write_metadata (writer, "format", "pt");
  dv_safetensors_write_tensor (writer, "a.b", DV_BF16, 1, (int64_t[]){2});
  dv_safetensors_write_tensor (writer, "scalar", DV_F32, 0, NULL);
  dv_safetensors_write_tensor (writer, "none", DV_F32, 1, (int64_t[]){0});
  dv_safetensors_write_data (writer, f, 10);
  dv_safetensors_write_data (writer, (const char *)f + 10, 14);
  dv_safetensors_write_data (writer, h, sizeof h);
  dv_safetensors_write_data (writer, f + 2, sizeof *f);
  ck_assert_int_eq (dv_safetensors_write_end (writer, &error), DV_OK);

  file = dv_safetensors_open (folder_path ("a.safetensors"), &error);
  ck_assert_msg (file != NULL, "%s", error.detail);
  ck_assert_uint_eq (dv_safetensors_count (file), 4);
  ck_assert_uint_eq (dv_safetensors_bytes (file), 32);
  t = dv_safetensors_find (file, "z");
  ck_assert_ptr_nonnull (t);
  ck_assert_int_eq (t->n_dims, 2);
  ck_assert_int_eq (t->shape[1], 3);
  ck_assert_int_eq (t->stride[0], 3);
  ck_assert (dv_safetensors_aligned (t));
  ck_assert_mem_eq (t->data, f, sizeof f);
  t = dv_safetensors_find (file, "scalar");
  ck_assert_int_eq (t->n_dims, 0);
  ck_assert_float_eq (*(const float *)t->data, 3.0f);
  ck_assert_int_eq (dv_tensor_count (dv_safetensors_find (file, "none")), 0);
  t = dv_safetensors_nth (file, 0, &name);
  ck_assert_str_eq (name, "a.b");
  ck_assert_mem_eq (t->data, h, sizeof h);
  ck_assert_ptr_null (dv_safetensors_nth (file, 4, &name));
  ck_assert_ptr_null (dv_safetensors_find (file, "a"));
  ck_assert_str_eq (
      dv_safetensors_metadata (file, "config"), "{\"a\": \"b\\n\"}\n\t\x01");
  ck_assert_str_eq (dv_safetensors_metadata (file, "format"), "pt");
  ck_assert_ptr_null (dv_safetensors_metadata (file, "other"));
  t = dv_safetensors_find (file, "z");
  dv_safetensors_will_read (file, t);
  dv_safetensors_was_read (file, t, true);
  dv_safetensors_was_read (file, t, false);
  ck_assert_mem_eq (t->data, f, sizeof f);
  dv_safetensors_free (file);
}
END_TEST

START_TEST (a_writer_keeps_its_word)
{
  DvError error;
  DvSafetensorsWriter *writer =
      dv_safetensors_write (folder_path ("a.safetensors"), &error);

  dv_safetensors_write_tensor (writer, "z", DV_F32, 1, (int64_t[]){2});
  dv_safetensors_write_data (writer, "1234", 4);
  ck_assert_int_ne (dv_safetensors_write_end (writer, &error), DV_OK);
  ck_assert_ptr_nonnull (strstr (error.detail, "less data"));
  ck_assert_int_ne (access (folder_path ("a.safetensors"), F_OK), 0);

  writer = dv_safetensors_write (folder_path ("a.safetensors"), &error);
  dv_safetensors_write_tensor (writer, "z", DV_U8, 1, (int64_t[]){2});
  dv_safetensors_write_data (writer, "123", 3);
  ck_assert_int_ne (dv_safetensors_write_end (writer, &error), DV_OK);
  ck_assert_ptr_nonnull (strstr (error.detail, "more data"));

  writer = dv_safetensors_write (folder_path ("a.safetensors"), &error);
  dv_safetensors_write_tensor (
      writer, "z", DV_F32, 2, (int64_t[]){INT64_MAX, 4});
  ck_assert_int_ne (dv_safetensors_write_end (writer, &error), DV_OK);
  ck_assert_ptr_nonnull (strstr (error.detail, "z is too large"));
  ck_assert_ptr_null (dv_safetensors_write (folder_path ("no/a"), &error));
  ck_assert_ptr_nonnull (strstr (error.detail, "cannot be written"));
}
END_TEST

START_TEST (a_header_is_not_believed)
{
  /* Lengths and offsets */
  refused_tensor (TENSOR, 11, "cut off or damaged: the tensor w");
  refused_tensor (TENSOR, 13, "no tensor holds its last 1 bytes");
  refused_tensor (
      "\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,2]", 9, "tensor w");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]", 3,
      "1 bytes before w");
  refused_tensor (
      "\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,3]", 3, "shape");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[1],"
                  "\"data_offsets\":[0,9223372036854775807]",
      3, "tensor w");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[1],"
                  "\"data_offsets\":[0,18446744073709551615]",
      3, "tensor w has an offset");
  refused_tensor (
      "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]", 3, "an offset");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1e0]", 1,
      "an offset");
  refused_tensor (
      "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]", 1, "offset");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]", 1,
      "data_offsets");
  /* Shapes */
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],"
                  "\"data_offsets\":[0,0]",
      0, "more elements than can be counted");
  refused_tensor ("\"dtype\":\"F64\",\"shape\":[4611686018427387904],"
                  "\"data_offsets\":[0,0]",
      0, "shape");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[0,4611686018427387904,4],"
                  "\"data_offsets\":[0,0]",
      0, "more elements than can be counted");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]", 1,
      "a dimension");
  refused_tensor ("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1],"
                  "\"data_offsets\":[0,1]",
      1, "more than 6 dimensions");
  refused_tensor (
      "\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]", 1, "shape");
  refused_tensor (
      "\"dtype\":\"U8\",\"shape\":3,\"data_offsets\":[0,1]", 1, "shape");
  /* Types */
  refused_tensor ("\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]",
      1, "FP8 and FP4 files cannot be used");
  refused_tensor ("\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]", 1,
      "FP8 and FP4 files cannot be used");
  refused_tensor (
      "\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[0,8]", 8, "type U64");
  refused_tensor (
      "\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,8]", 8, "a dtype");
  /* Fields */
  refused_tensor ("\"shape\":[1],\"data_offsets\":[0,8]", 8, "w lacks");
  refused_tensor (TENSOR ",\"shape\":[2,3]", 12, "shape comes twice");
  refused_tensor ("", 0, "w lacks");
  refused ("{\"w\":{" TENSOR "},\"w\":{\"dtype\":\"U8\",\"shape\":[1],"
           "\"data_offsets\":[12,13]}}",
      13, "two tensors named w");
  refused ("{\"a\":{" TENSOR "},\"w\":{\"dtype\":\"U8\",\"shape\":[8],"
           "\"data_offsets\":[8,16]}}",
      16, "a and w overlap");
  refused ("{\"\":{" TENSOR "}}", 12, "without a name");
  refused ("{\"w\\u0000\":{" TENSOR "}}", 12, "without a name");
  /* Text */
  refused ("[]", 0, "object");
  refused ("{\"w\":[]}", 0, "description");
  refused ("{\"w\":{" TENSOR "}} x", 12, "");
  refused ("{\"w\":{" TENSOR "}", 12, "");
  refused ("{\"__metadata__\":{\"a\":1}}", 0, "metadata");
  refused ("{\"__metadata__\":3}", 0, "metadata");
  refused ("{\"w\":{\"dtype\":\"\xff\"}}", 0, "UTF-8");
  refused ("{\"w\":{\"x\":[[[1,{\"y\":[}]]]}}", 0, "");
}
END_TEST

START_TEST (more_fields_and_a_long_string_do_no_harm)
{
  size_t n = 300000, size;
  char *header;
  uint8_t *bytes;
  DvError error;
  DvSafetensors *file;
  FILE *text = open_memstream (&header, &size);

  ck_assert_ptr_nonnull (text);
  fputs ("{\"__metadata__\":{\"long\":\"", text);
  for (size_t i = 0; i < n; i++)
    fputc ('x', text);
  fputs ("\"},\"w\":{\"more\":{\"a\":[1,{}]},\"also\":\"b\"," TENSOR "}}   ",
      text);
  fclose (text);
  bytes = file_of (header, 12, &size);
  file = dv_safetensors_parse (bytes, size, "x.st", &error);
  ck_assert_msg (file != NULL, "%s", error.detail);
  ck_assert_uint_eq (strlen (dv_safetensors_metadata (file, "long")), n);
  ck_assert_ptr_nonnull (dv_safetensors_find (file, "w"));
  dv_safetensors_free (file);
  free (bytes);
  free (header);
}
END_TEST

START_TEST (a_length_is_not_believed)
{
  static const uint8_t lengths[][8] = {
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, {9}, {1}, {0}};
  uint8_t bytes[17] = "";
  DvError error;

  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    memcpy (bytes, lengths[i], 8);
    memcpy (bytes + 8, "{}      ", 8);
    ck_assert_ptr_null (dv_safetensors_parse (bytes, 16, "x.st", &error));
    ck_assert_int_eq (error.code, DV_ERROR_FORMAT);
  }
  for (size_t size = 0; size < 8; size++)
    ck_assert_ptr_null (dv_safetensors_parse (bytes, size, "x.st", &error));
  bytes[0] = 8;
  {
    DvSafetensors *file = dv_safetensors_parse (bytes, 16, "x.st", &error);

    ck_assert_ptr_nonnull (file);
    ck_assert_uint_eq (dv_safetensors_count (file), 0);
    dv_safetensors_free (file);
  }
}
END_TEST

/* Every prefix of a file is refused. */
START_TEST (a_file_cut_off_anywhere_is_refused)
{
  size_t size;
  uint8_t *bytes = file_of ("{\"w\":{" TENSOR "}}", 12, &size);
  DvError error;

  for (size_t n = 0; n < size; n++) {
    uint8_t *cut = malloc (n ? n : 1);

    memcpy (cut, bytes, n);
    ck_assert_ptr_null (dv_safetensors_parse (cut, n, "x.st", &error));
    free (cut);
  }
  free (bytes);
}
END_TEST

START_TEST (files_that_are_none)
{
  no_file ("missing.safetensors", DV_ERROR_NOT_FOUND, "cannot be opened");
  ck_assert_int_eq (mkdir (folder_path ("d.safetensors"), 0700), 0);
  no_file ("d.safetensors", DV_ERROR_FORMAT, "is no file");
  folder_write_text ("empty.safetensors", "");
  no_file ("empty.safetensors", DV_ERROR_FORMAT, "too few");
  folder_write_text (
      "text.safetensors", "version https://git-lfs.github.com/spec/v1");
  no_file ("text.safetensors", DV_ERROR_FORMAT, "no safetensors file");
}
END_TEST

#define INDEX_OF(map)                                                          \
  "{\"metadata\":{\"total_size\":24},\"weight_map\":{" map "}}"

static void
write_shards (void)
{
  write_file ("m-1.safetensors", "{\"b\":{" TENSOR "}}", 12);
  write_file ("m-2.safetensors",
      "{\"__metadata__\":{\"k\":\"v\"},\"a\":{" TENSOR "}}", 12);
}

START_TEST (an_index_joins_its_shards)
{
  DvError error;
  DvSafetensors *file;
  const char *name;

  write_shards ();
  folder_write_text ("m.safetensors.index.json",
      INDEX_OF ("\"b\":\"m-1.safetensors\",\"a\":\"m-2.safetensors\""));
  file = dv_safetensors_open (folder_path ("m.safetensors.index.json"), &error);
  ck_assert_msg (file != NULL, "%s", error.detail);
  ck_assert_uint_eq (dv_safetensors_count (file), 2);
  dv_safetensors_nth (file, 0, &name);
  ck_assert_str_eq (name, "a");
  ck_assert_str_eq (dv_safetensors_metadata (file, "k"), "v");
  dv_safetensors_free (file);
}
END_TEST

START_TEST (an_index_is_not_believed)
{
  static const struct {
    const char *text, *why;
    DvStatus code;
  } cases[] = {
      {INDEX_OF ("\"b\":\"m-2.safetensors\""), "b is not in its shard",
          DV_ERROR_FORMAT},
      {INDEX_OF ("\"c\":\"m-1.safetensors\""), "c is not in its shard",
          DV_ERROR_FORMAT},
      {INDEX_OF ("\"b\":\"m-3.safetensors\""), "cannot be opened",
          DV_ERROR_NOT_FOUND},
      {INDEX_OF ("\"b\":\"../m-1.safetensors\""), "plain file name",
          DV_ERROR_FORMAT},
      {INDEX_OF ("\"b\":\"/etc/passwd\""), "plain file name", DV_ERROR_FORMAT},
      {INDEX_OF ("\"b\":\"\""), "plain file name", DV_ERROR_FORMAT},
      {INDEX_OF ("\"b\":7"), "a shard's name", DV_ERROR_FORMAT},
      {INDEX_OF ("\"b\":\"m-1.safetensors\","), "byte", DV_ERROR_FORMAT},
      {"{\"weight_map\":[]}", "map of weights", DV_ERROR_FORMAT},
      {"{\"metadata\":{}}", "weight_map is missing", DV_ERROR_FORMAT},
      {"[]", "index's object", DV_ERROR_FORMAT},
      {"", "byte 0", DV_ERROR_FORMAT},
  };

  write_shards ();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    folder_write_text ("m.index.json", cases[i].text);
    no_file ("m.index.json", cases[i].code, cases[i].why);
  }
  write_file ("m-4.safetensors",
      "{\"b\":{" TENSOR "},\"c\":{"
      "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[12,13]}}",
      13);
  folder_write_text ("m.index.json",
      INDEX_OF ("\"b\":\"m-1.safetensors\",\"c\":\"m-4.safetensors\""));
  no_file ("m.index.json", DV_ERROR_FORMAT, "two tensors named b");
}
END_TEST

/* 40 GB, sparse: opening reads its header and maps the rest. */
START_TEST (a_file_of_40_gb_is_mapped_and_not_read)
{
  enum { N = 40 };
  const uint64_t each = 1ull << 30;
  char *header;
  size_t n;
  FILE *text = open_memstream (&header, &n);
  uint8_t length[8];
  struct rusage before, after;
  DvError error;
  DvSafetensors *file;
  const DvTensor *last;
  int fd;

  ck_assert_ptr_nonnull (text);
  for (uint64_t i = 0; i < N; i++)
    fprintf (text,
        "%s\"w%02d\":{\"dtype\":\"BF16\",\"shape\":[%llu],"
        "\"data_offsets\":[%llu,%llu]}",
        i ? "," : "{", (int)i, (unsigned long long)(each / 2),
        (unsigned long long)(i * each), (unsigned long long)((i + 1) * each));
  fputc ('}', text);
  fclose (text);
  for (int i = 0; i < 8; i++)
    length[i] = (uint8_t)((uint64_t)n >> (8 * i));
  fd = open (folder_path ("big.safetensors"), O_RDWR | O_CREAT, 0600);
  ck_assert_int_ge (fd, 0);
  ck_assert_int_eq (ftruncate (fd, (off_t)(8 + n + N * each)), 0);
  ck_assert_int_eq (pwrite (fd, length, 8, 0), 8);
  ck_assert_int_eq (pwrite (fd, header, n, 8), (ssize_t)n);
  ck_assert_int_eq (fsync (fd), 0);
  posix_fadvise (fd, 0, 0, POSIX_FADV_DONTNEED);
  close (fd);
  free (header);

  getrusage (RUSAGE_SELF, &before);
  file = dv_safetensors_open (folder_path ("big.safetensors"), &error);
  getrusage (RUSAGE_SELF, &after);
  ck_assert_msg (file != NULL, "%s", error.detail);
  ck_assert_uint_eq (dv_safetensors_bytes (file), N * each);
  last = dv_safetensors_find (file, "w39");
  ck_assert_int_eq (last->shape[0], (int64_t)(each / 2));
  /* A page of the mapping was touched by none: what there is are the pages of
   * code and of the reader's own memory. */
  ck_assert_int_le (after.ru_majflt - before.ru_majflt, 8);
  ck_assert_int_le (after.ru_minflt - before.ru_minflt, 512);
  /* One tensor's page, and only it, comes when it is looked at. */
  ck_assert_uint_eq (((const uint8_t *)last->data)[12345], 0);
  dv_safetensors_free (file);
}
END_TEST

START_TEST (no_memory_at_any_allocation)
{
  DvError error;
  size_t size;
  uint8_t *bytes = file_of (
      "{\"w\":{" TENSOR "},\"__metadata__\":{\"k\":\"v\"}}", 12, &size);
  static const char *const names[] = {"m.index.json", "m-1.safetensors"};

  write_shards ();
  folder_write_text ("m.index.json",
      INDEX_OF ("\"b\":\"m-1.safetensors\",\"a\":\"m-2.safetensors\""));
  for (int i = 0; i < 3; i++) {
    size_t n = 0;

    for (;; n++) {
      long live = fail_alloc_live ();
      DvSafetensors *file;

      memset (&error, 0, sizeof error);
      fail_alloc_at (n);
      file = i < 2 ? dv_safetensors_open (folder_path (names[i]), &error)
                   : dv_safetensors_parse (bytes, size, "x.st", &error);
      if (!fail_alloc_hit ()) {
        ck_assert_ptr_nonnull (file);
        dv_safetensors_free (file);
        break;
      }
      ck_assert_ptr_null (file);
      ck_assert_int_eq (error.code, DV_ERROR_MEMORY);
      ck_assert_int_eq (fail_alloc_live (), live);
    }
    ck_assert_uint_ge (n, 5);
  }
  free (bytes);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("safetensors");
  TCase *tcase = tcase_create ("all");
  SRunner *runner;
  int failed;

  tcase_add_checked_fixture (tcase, folder_make, folder_remove);
  tcase_add_test (tcase, what_is_written_is_read);
  tcase_add_test (tcase, a_writer_keeps_its_word);
  tcase_add_test (tcase, a_header_is_not_believed);
  tcase_add_test (tcase, more_fields_and_a_long_string_do_no_harm);
  tcase_add_test (tcase, a_length_is_not_believed);
  tcase_add_test (tcase, a_file_cut_off_anywhere_is_refused);
  tcase_add_test (tcase, files_that_are_none);
  tcase_add_test (tcase, an_index_joins_its_shards);
  tcase_add_test (tcase, an_index_is_not_believed);
  tcase_add_test (tcase, a_file_of_40_gb_is_mapped_and_not_read);
  tcase_add_test (tcase, no_memory_at_any_allocation);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? 0 : 1;
}
