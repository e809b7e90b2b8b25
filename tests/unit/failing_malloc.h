/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/failing_malloc.h - no memory at one allocation of our choice.
 *
 * For a program of one source file, linked with --wrap for malloc and its kin, as our
 * objects call them; jansson must be told to use __wrap_malloc(); other libraries in
 * shared objects keep their own. */
#ifndef TESTS_FAILING_MALLOC_H
#define TESTS_FAILING_MALLOC_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which of our allocations fails, counted from 0; it alone. */
static int64_t n_allocations;
static int64_t failing = -1;

static bool allowed(void)
{
    if (n_allocations++ != failing)
        return true;
    errno = ENOMEM;
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **p, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **p, size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return allowed() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allowed() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *p, size_t size)
{
    return allowed() ? __real_realloc(p, size) : NULL;
}

char *__wrap_strdup(const char *s)
{
    return allowed() ? __real_strdup(s) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return allowed() ? __real_aligned_alloc(alignment, size) : NULL;
}

int __wrap_posix_memalign(void **p, size_t alignment, size_t size)
{
    return allowed() ? __real_posix_memalign(p, alignment, size) : ENOMEM;
}

#endif
