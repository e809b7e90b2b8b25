/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_avx512.c - the kernels for AVX-512F: 24 sums and 2 weights in 32
 * registers. Compiled with -mavx2 -mfma -mavx512f and run only where the processor has
 * all of them. */
#define MAX_RUN 12
#define GROUP 2
#include "vae_encode/cpu/cpu_kernels.inc.c"
#include "vae_encode/cpu/cpu_winograd.inc.c"

const struct cpu_kernels cpu_kernels_avx512 = {
    .isa = "avx512",
    .group = GROUP,
    .multiply = multiply,
    .finish = finish,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .normalize = normalize,
    .softmax = softmax,
};
