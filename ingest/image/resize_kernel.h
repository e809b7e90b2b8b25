/* SPDX-License-Identifier: Apache-2.0
 * ingest/image/resize_kernel.h - the inner loops of a resize. Internal to ingest/.
 *
 * Four stored rows are worked on at once, and taps four at a time, so that what is
 * multiplied by four taps lies in four adjacent bytes:
 *
 *     by_pixels: rows of RGBX -> blocks (n / 4, row, channel, pixel), for across
 *     across:    blocks -> for each output pixel, the sum over its pixels' taps
 *     by_rows:   rows of RGBX -> stack (n, channel, row), for down
 *     down:      stack -> sums (n, channel), over four rows
 *
 * All sums are exact integers modulo 2^32, and no image's sum is beyond int32_t; a sum
 * becomes a byte by rounding at RESIZE_BITS and clamping to 0..255. So all instruction
 * sets give the same bytes; the portable loops are the tests' referee.
 *
 * Numbers of pixels are multiples of RESIZE_PAD, all buffers aligned to RESIZE_ALIGN. */
#ifndef INGEST_IMAGE_RESIZE_KERNEL_H
#define INGEST_IMAGE_RESIZE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RESIZE_GROUP = 4, RESIZE_PAD = 16, RESIZE_ALIGN = 64 };
enum { RESIZE_BITS = 22, RESIZE_HALF = 1 << (RESIZE_BITS - 1) };

/* A tap table cut into blocks: positions 4 b to 4 b + 3 of the axis are block b. */
struct resize_blocks {
    int n_out;
    int most;       /* blocks of an output position, at most */
    int *first;     /* (n_out): never decreases */
    int *end;       /* (n_out): the block behind the last; never decreases */
    uint32_t *taps; /* (n_out, most, 4), packed; zero where there is no tap */
};

struct resize_kernels {
    const char *isa;
    /* Packs four taps as across and down of the same table take them. A tap has
     * RESIZE_BITS bits behind the point and lies within -1.9 and 1.9. */
    void (*pack)(uint32_t packed[4], const int32_t taps[4]);
    /* Each of the four rows begins row_len bytes behind the other. */
    void (*by_pixels)(uint8_t *blocks, const uint8_t *rows, size_t row_len, size_t n);
    void (*by_rows)(uint8_t *stack, const uint8_t *rows, size_t row_len, size_t n);
    /* blocks begins with block 0 of the axis. out is (n_out, row, channel), or, where it
     * is to be stacked, (n_out, channel, row). */
    void (*across)(uint8_t *out, const uint8_t *blocks, const struct resize_blocks *axis,
                   bool stacked);
    /* Stores the sums, or adds them to what is there. */
    void (*down)(int32_t *sums, const uint8_t *stack, const uint32_t taps[4], size_t n,
                 bool add);
    void (*narrow)(uint8_t *rgbx, const int32_t *sums, size_t n);
};

extern const struct resize_kernels resize_kernels_portable;
#ifdef __x86_64__
extern const struct resize_kernels resize_kernels_avx2;
extern const struct resize_kernels resize_kernels_avx512;
#endif

/* The best kernels that this processor has, but none better than `isa` ("portable",
 * "avx2", "avx512") where it is not NULL. NULL where `isa` is no instruction set. */
const struct resize_kernels *resize_kernels_find(const char *isa);

#endif
