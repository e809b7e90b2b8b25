/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_avx2.c - the kernels for AVX2 and FMA: 12 sums, 2 weights and a
 * broadcast in 16 registers. Compiled with -mavx2 -mfma and run only where the processor
 * has them. */
#define MAX_RUN 6
#define GROUP 1
#include "vae_encode/cpu/cpu_kernels.inc.c"
#include "vae_encode/cpu/cpu_winograd.inc.c"

const struct cpu_kernels cpu_kernels_avx2 = {
    .isa = "avx2",
    .group = GROUP,
    .multiply = multiply,
    .finish = finish,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .normalize = normalize,
    .softmax = softmax,
};
