/* SPDX-License-Identifier: Apache-2.0
 * tools/view/tensor.h - look into a stored tensor: its values and their statistics. */
#ifndef TOOLS_VIEW_TENSOR_H
#define TOOLS_VIEW_TENSOR_H

#include <stddef.h>
#include <stdint.h>

/* n values of a known dtype as doubles, which hold all of them exactly. `data` may stand
 * at any address. */
void tensor_values(uint32_t dtype, const void *data, size_t n, double *out);

struct tensor_stats {
    double mean, std; /* std: of the whole population, divided by n */
    double min, max;
};

/* Of n >= 1 values; sums in double, in order: the same digits everywhere. */
struct tensor_stats tensor_stats(const double *values, size_t n);

#endif
