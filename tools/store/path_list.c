/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/path_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool path_list_take(struct path_list *list, char *path)
{
    if (path == NULL)
        return false;
    if (list->n == list->cap) {
        const size_t cap = list->cap > 0 ? 2 * list->cap : 16;
        char **paths = reallocarray(list->paths, cap, sizeof(*paths));
        if (paths == NULL) {
            free(path);
            return false;
        }
        list->paths = paths;
        list->cap = cap;
    }
    list->paths[list->n++] = path;
    return true;
}

int path_compare(const char *a, const char *b, size_t suffix_len)
{
    const size_t a_len = strlen(a) - suffix_len, b_len = strlen(b) - suffix_len;
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int by_stem(const void *left, const void *right, void *suffix)
{
    return path_compare(*(char *const *)left, *(char *const *)right, strlen(suffix));
}

void path_list_sort(struct path_list *list, const char *suffix)
{
    if (list->n > 1)
        qsort_r(list->paths, list->n, sizeof(*list->paths), by_stem, (void *)suffix);
}

bool path_list_has(const struct path_list *list, const char *path, const char *suffix)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = path_compare(list->paths[middle], path, strlen(suffix));

        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

void path_list_clear(struct path_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct path_list){0};
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

bool path_ends_in(const char *path, const char *suffix)
{
    const char *base = path_base(path);
    const size_t len = strlen(base), n = strlen(suffix);

    return len > n && strcmp(base + len - n, suffix) == 0;
}

char *path_below(const char *folder, const char *path)
{
    const size_t len = strlen(folder);
    const char *slash = len > 0 && folder[len - 1] == '/' ? "" : "/";
    char *whole;

    return asprintf(&whole, "%s%s%s", folder, slash, path) < 0 ? NULL : whole;
}
