/* SPDX-License-Identifier: Apache-2.0
 * tools/run/clock.h - monotonic time for rates; nothing of it reaches an output's bytes.
 */
#ifndef TOOLS_RUN_CLOCK_H
#define TOOLS_RUN_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
