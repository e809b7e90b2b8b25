/* SPDX-License-Identifier: Apache-2.0
 * ingest/resize_kernel.h - the inner loops of a resize. Internal to ingest/.
 *
 * All sums are exact integers; a sum becomes a byte by rounding at RESIZE_BITS and
 * clamping to 0..255. So the loops written for SSE2 (which every x86-64 has) and the
 * plain ones give the same bytes; the plain ones are the tests' referee and what other
 * machines run. */
#ifndef INGEST_RESIZE_KERNEL_H
#define INGEST_RESIZE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "ingest/resize_axis.h"

/* rgbx (in_size, 4) -> rgb (across->n_out, 3). */
void resize_across(uint8_t *rgb, const uint8_t *rgbx, const struct resize_axis *across);
void resize_across_plain(uint8_t *rgb, const uint8_t *rgbx,
                         const struct resize_axis *across);

/* sums[i] += tap * line[i]. */
void resize_add_line(int32_t *sums, const uint8_t *line, int32_t tap, size_t n);
void resize_add_line_plain(int32_t *sums, const uint8_t *line, int32_t tap, size_t n);

/* out[i] = sums[i], rounded and clamped. */
void resize_narrow(uint8_t *out, const int32_t *sums, size_t n);
void resize_narrow_plain(uint8_t *out, const int32_t *sums, size_t n);

#endif
