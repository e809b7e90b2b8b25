/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/store/path.h"

#include <stdio.h>
#include <string.h>

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

int path_compare(const char *a, const char *b, size_t suffix_len)
{
    const size_t a_len = strlen(a) - suffix_len, b_len = strlen(b) - suffix_len;
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}
