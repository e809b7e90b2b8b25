/* SPDX-License-Identifier: Apache-2.0
 * tools/store/temporary.h - names of files that are not complete:
 * `<final name>.tmp.<host>.<pid>.<random>`; folders too (give_name.c). */
#ifndef TOOLS_STORE_TEMPORARY_H
#define TOOLS_STORE_TEMPORARY_H

#include <stddef.h>

enum { TEMPORARY_SUFFIX_CAP = 96 };

/* What stands behind the final name; another one at each call. */
void temporary_suffix(char suffix[TEMPORARY_SUFFIX_CAP]);

/* What stands behind it where those who want it meet: a temporary name, but no process's
 * own. */
extern const char temporary_claim[];

/* The length of the final name that a temporary one begins with; 0: it is none. */
size_t temporary_final_length(const char *name);

#endif
