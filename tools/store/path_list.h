/* SPDX-License-Identifier: Apache-2.0
 * tools/store/path_list.h - paths, as many as come. */
#ifndef TOOLS_STORE_PATH_LIST_H
#define TOOLS_STORE_PATH_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct path_list {
    char **paths; /* keeps n of them */
    size_t n, cap;
};

/* Appends `path`: takes it, also on failure; NULL, as for want of memory, is one. Returns
 * false where memory is short. */
bool path_list_take(struct path_list *list, char *path);

/* By what stands before `suffix`, in which all end: "a" before "a+00001" before "a/b". */
void path_list_sort(struct path_list *list, const char *suffix);

/* Whether a list so sorted has `path`, which ends in `suffix` too. */
bool path_list_has(const struct path_list *list, const char *path, const char *suffix);

void path_list_clear(struct path_list *list);

/* The order of path_list_sort() for two paths whose suffixes have `suffix_len` bytes. */
int path_compare(const char *a, const char *b, size_t suffix_len);

/* Whether the last component of `path` ends in `suffix` and has something before it. */
bool path_ends_in(const char *path, const char *suffix);

/* Gives `folder`/`path`, or NULL. */
char *path_below(const char *folder, const char *path);

/* Its last component. Lent by `path`. */
const char *path_base(const char *path);

#endif
