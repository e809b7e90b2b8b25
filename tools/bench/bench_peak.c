/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_peak.c - what the processor can do at most: independent chains of
 * multiply-adds on registers, on all workers at once. */
#include <string.h>

#include "tools/bench/bench_section.h"

#ifdef __x86_64__

enum { N_CHAINS = 10, N_STEPS = 10000000, N_RUNS = 5 };

#define CHAIN(r, n) "vfmadd231ps %%" r "14, %%" r "15, %%" r n "\n"
#define CHAINS(r)                                                                        \
    CHAIN(r, "0")                                                                        \
    CHAIN(r, "1")                                                                        \
    CHAIN(r, "2")                                                                        \
    CHAIN(r, "3")                                                                        \
    CHAIN(r, "4")                                                                        \
    CHAIN(r, "5") CHAIN(r, "6") CHAIN(r, "7") CHAIN(r, "8") CHAIN(r, "9")

/* All in one, so that the registers stay as vzeroall leaves them: zeros have no slow
 * values among them. */
#define RUN_CHAINS(r, n_steps)                                                           \
    __asm__ volatile("vzeroall\n"                                                        \
                     "1:\n" CHAINS(r) "dec %0\n"                                         \
                                      "jnz 1b\n"                                         \
                                      "vzeroupper"                                       \
                     : "+r"(n_steps)                                                     \
                     :                                                                   \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",     \
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",       \
                       "xmm14", "xmm15")

__attribute__((target("avx512f"))) static void chains_avx512(void *ctx, int worker)
{
    int n_steps = N_STEPS;

    (void)ctx;
    (void)worker;
    RUN_CHAINS("zmm", n_steps);
}

__attribute__((target("avx2,fma"))) static void chains_avx2(void *ctx, int worker)
{
    int n_steps = N_STEPS;

    (void)ctx;
    (void)worker;
    RUN_CHAINS("ymm", n_steps);
}

double bench_fma_peak(const char *isa, int workers)
{
    bool wide = strcmp(isa, "avx512") == 0;
    double best = 0;

    if (!wide && strcmp(isa, "avx2") != 0)
        return 0;
    for (int i = 0; i < N_RUNS; i++) {
        double seconds =
            bench_parallel(workers, wide ? chains_avx512 : chains_avx2, NULL);
        double rate = 2.0 * (wide ? 16 : 8) * N_CHAINS * N_STEPS / seconds;

        best = rate > best ? rate : best;
    }
    return best;
}

#else

double bench_fma_peak(const char *isa, int workers)
{
    (void)isa;
    (void)workers;
    return 0;
}

#endif
