/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernels this processor runs. */
#include "ingest/image/resize_kernel.h"

#include <string.h>

#ifdef __x86_64__
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

static bool has_portable(void)
{
    return true;
}

/* Best first. */
static const struct {
    const struct resize_kernels *kernels;
    bool (*available)(void);
} paths[] = {
#ifdef __x86_64__
    {&resize_kernels_avx512, has_avx512},
    {&resize_kernels_avx2, has_avx2},
#endif
    {&resize_kernels_portable, has_portable},
};

const struct resize_kernels *resize_kernels_find(const char *isa)
{
    bool allowed = isa == NULL;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        allowed = allowed || strcmp(isa, paths[i].kernels->isa) == 0;
        if (allowed && paths[i].available())
            return paths[i].kernels;
    }
    return NULL;
}
