/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/store.h"

#include <errno.h>
#include <stdlib.h>

const struct store *store_at(const char *path)
{
    (void)path; /* the one kind there is */
    return &store_folder;
}

int store_has(const struct store *store, const char *path, bool *there)
{
    struct store_entry entry;
    const int rc = store->look(path, &entry);

    *there = rc == 0 && (entry.folder || entry.bytes > 0);
    return rc == 0 || errno == ENOENT ? 0 : -1;
}

/* Doubles the buffer, up to one byte more than may be there, and one for the NUL. */
static int grow(char **bytes, size_t *cap, size_t max)
{
    const size_t larger = *cap < max / 2 ? (*cap > 0 ? 2 * *cap : 4096) : max + 1;
    char *to = realloc(*bytes, larger + 1);

    if (to == NULL)
        return -1;
    *bytes = to;
    *cap = larger;
    return 0;
}

int store_read(const struct store *store, const char *path, size_t max, char **bytes,
               size_t *len)
{
    size_t cap = 0;
    ssize_t n = 1;

    *bytes = NULL;
    *len = 0;
    while (n > 0 && *len <= max) {
        n = *len < cap || grow(bytes, &cap, max) == 0
                ? store->read_at(path, *len, *bytes + *len, cap - *len)
                : -1;
        *len += n > 0 ? (size_t)n : 0;
    }
    if (n >= 0 && *len <= max) {
        (*bytes)[*len] = '\0';
        return 0;
    }
    const int error = n < 0 ? errno : EFBIG;
    free(*bytes);
    *bytes = NULL;
    errno = error;
    return -1;
}
