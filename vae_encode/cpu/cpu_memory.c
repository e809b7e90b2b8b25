/* SPDX-License-Identifier: Apache-2.0 */
#include "vae_encode/cpu/cpu_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <sys/mman.h>

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

void *cpu_memory_allocate(size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    const bool huge = bytes >= HUGE_PAGE;
    void *p = NULL;
    if (posix_memalign(&p, huge ? HUGE_PAGE : LINE, bytes > 0 ? bytes : 1) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (huge)
        madvise(p, bytes, MADV_HUGEPAGE); /* a wish: nothing depends on it */
#endif
    return p;
}
