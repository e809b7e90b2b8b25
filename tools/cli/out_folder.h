/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/out_folder.h - --out DIR: a folder, and whether it can be written to. */
#ifndef TOOLS_CLI_OUT_FOLDER_H
#define TOOLS_CLI_OUT_FOLDER_H

#include <stdint.h>

/* Makes it, and the folders above it, where it is not there. One that is there may be
 * read-only: then nothing may be left to do. Returns 0, or EXIT_USAGE or EXIT_FAILED
 * after explaining. */
int out_folder_make(const char *out);

/* Whether it can be written to, and its file system has `need` bytes free. Returns 0, or
 * EXIT_FAILED after explaining. */
int out_folder_check_room(const char *out, uint64_t need);

#endif
