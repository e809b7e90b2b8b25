/* SPDX-License-Identifier: Apache-2.0
 * tools/store/give_name.h - a finished file gets a name that nobody else may have. Only
 * for store_folder.c. */
#ifndef TOOLS_STORE_GIVE_NAME_H
#define TOOLS_STORE_GIVE_NAME_H

/* Gives the file `temporary`, in the same folder, the name `path`, where nothing is or an
 * empty file: of several processes one succeeds. Returns 0, or -1 with errno, EEXIST
 * where another one's file is there. `temporary` may be left, and has to be removed. */
int give_name(const char *temporary, const char *path);

#endif
