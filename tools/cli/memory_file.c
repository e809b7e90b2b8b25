/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/memory_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static bool grow(struct memory_file *m, size_t n)
{
    size_t need, cap = m->cap > 0 ? m->cap : 4096;

    if (__builtin_add_overflow(m->len, n, &need))
        return false;
    while (cap < need)
        if (__builtin_mul_overflow(cap, 2, &cap))
            return false;
    char *bytes = cap > m->cap ? realloc(m->bytes, cap) : m->bytes;
    if (bytes == NULL)
        return false;
    m->bytes = bytes;
    m->cap = cap;
    return true;
}

static ssize_t keep(void *cookie, const char *from, size_t n)
{
    struct memory_file *m = cookie;

    if (m->failed || !grow(m, n)) {
        m->failed = true;
        return 0; /* to stdio an error */
    }
    memcpy(m->bytes + m->len, from, n);
    m->len += n;
    return (ssize_t)n;
}

int memory_file_open(struct memory_file *m)
{
    *m = (struct memory_file){0};
    m->file = fopencookie(m, "w", (cookie_io_functions_t){.write = keep});
    return m->file != NULL ? 0 : -1;
}

int memory_file_flush(struct memory_file *m)
{
    return fflush(m->file) == 0 && !ferror(m->file) && !m->failed ? 0 : -1;
}

void memory_file_begin(struct memory_file *m)
{
    fflush(m->file); /* whose failure is kept */
    m->len = 0;
}

void memory_file_close(struct memory_file *m)
{
    if (m->file != NULL)
        fclose(m->file);
    free(m->bytes);
    *m = (struct memory_file){0};
}
