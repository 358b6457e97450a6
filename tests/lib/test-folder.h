/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A folder for the files of a test, which goes with them: folder_make() and
 * folder_remove() are a test case's fixture.
 *
 * Threads: the test's.
 */
#ifndef TEST_FOLDER_H
#define TEST_FOLDER_H

void folder_make (void);
void folder_remove (void);
/* The folder itself, without a slash at its end. */
const char *folder_itself (void);
/* @name in it; valid until three more are asked for. */
const char *folder_path (const char *name);
/* Writes a file of nothing but @text. */
void folder_write_text (const char *name, const char *text);

#endif
