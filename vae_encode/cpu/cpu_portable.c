/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/cpu/cpu_portable.c - the kernels in plain C: any processor, and fmaf a lane
 * at a time, so slow where that is a call into libm. */
#define MAX_RUN 2
#define GROUP 1
#include "vae_encode/cpu/cpu_kernels.inc.c"
#include "vae_encode/cpu/cpu_winograd.inc.c"

const struct cpu_kernels cpu_kernels_portable = {
    .isa = "portable",
    .group = GROUP,
    .multiply = multiply,
    .finish = finish,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .normalize = normalize,
    .softmax = softmax,
};
