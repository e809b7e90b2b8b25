/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_random.c - numbers that are the same on every machine. */
#include "tools/bench/bench_section.h"

uint64_t bench_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The sum of twelve even values. */
float bench_gaussian(uint64_t *seed)
{
    float sum = -6;

    for (int i = 0; i < 3; i++) {
        uint64_t bits = bench_random(seed);

        for (int k = 0; k < 4; k++, bits >>= 16)
            sum += (float)(bits & 65535) / 65536;
    }
    return sum;
}
