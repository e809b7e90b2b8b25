/* SPDX-License-Identifier: Apache-2.0
 * tools/store/path_list.h - paths, as many as come. */
#ifndef TOOLS_STORE_PATH_LIST_H
#define TOOLS_STORE_PATH_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct path_list {
    char **paths; /* n of them, the list's own */
    size_t n, cap;
};

/* Appends `path`, which the list releases from then on, and at once where memory is
 * short: then it returns false, as for the NULL of a caller without memory. */
bool path_list_add(struct path_list *list, char *path);

/* In the order of path_compare(); all end in `suffix`. */
void path_list_sort(struct path_list *list, const char *suffix);

/* Whether a list so sorted has `path`, which ends in `suffix` too. */
bool path_list_has(const struct path_list *list, const char *path, const char *suffix);

void path_list_clear(struct path_list *list);

#endif
