/* SPDX-License-Identifier: Apache-2.0
 * tools/out_folder.h - --out DIR: a folder that can be written to. */
#ifndef TOOLS_OUT_FOLDER_H
#define TOOLS_OUT_FOLDER_H

/* Makes it where it is not there. Returns 0, or EXIT_USAGE after explaining. */
int out_folder_make(const char *out);

#endif
