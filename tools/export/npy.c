/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t npy_head(char head[NPY_HEAD_CAP], const char *descr, const uint32_t *dims,
                uint32_t n_dims)
{
    enum { PREFIX = 10, ALIGN = 64 };
    char *text = head + PREFIX;
    const size_t cap = NPY_HEAD_CAP - PREFIX;
    size_t len = (size_t)snprintf(
        text, cap, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);

    for (uint32_t i = 0; i < n_dims; i++) /* (8,) but (8, 32, 32) */
        len +=
            (size_t)snprintf(text + len, cap - len, "%s%" PRIu32 "%s", i > 0 ? " " : "",
                             dims[i], n_dims == 1 || i + 1 < n_dims ? "," : "");
    len += (size_t)snprintf(text + len, cap - len, "), }");

    const size_t total = (PREFIX + len + 1 + ALIGN - 1) / ALIGN * ALIGN;
    memset(text + len, ' ', total - PREFIX - len - 1);
    head[total - 1] = '\n';
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = (char)((total - PREFIX) & 0xff);
    head[9] = (char)((total - PREFIX) >> 8);
    return total;
}
