/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/path_list.h"

#include <stdlib.h>
#include <string.h>

#include "tools/store/path.h"

bool path_list_add(struct path_list *list, char *path)
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
