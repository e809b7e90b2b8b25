/* SPDX-License-Identifier: Apache-2.0
 *
 * The resize's inner loops in plain C: the referee, and what other machines run. Packed
 * taps are the taps. */
#include "ingest/image/resize_kernel.h"

#include <string.h>

static uint8_t to_byte(uint32_t sum)
{
    int32_t v = (int32_t)(sum + RESIZE_HALF) >> RESIZE_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static uint32_t dot(const uint8_t bytes[4], const uint32_t taps[4])
{
    return bytes[0] * taps[0] + bytes[1] * taps[1] + bytes[2] * taps[2] +
           bytes[3] * taps[3];
}

static void pack(uint32_t packed[4], const int32_t taps[4])
{
    memcpy(packed, taps, 4 * sizeof(*packed));
}

static void by_pixels(uint8_t *blocks, const uint8_t *rows, size_t row_len, size_t n)
{
    for (size_t x = 0; x < n; x += 4)
        for (int row = 0; row < 4; row++)
            for (int c = 0; c < 4; c++)
                for (int p = 0; p < 4; p++)
                    *blocks++ = rows[row * row_len + 4 * (x + p) + c];
}

static void by_rows(uint8_t *stack, const uint8_t *rows, size_t row_len, size_t n)
{
    for (size_t i = 0; i < 4 * n; i++)
        for (int row = 0; row < 4; row++)
            *stack++ = rows[row * row_len + i];
}

static void across(uint8_t *out, const uint8_t *blocks, const struct resize_blocks *axis,
                   bool stacked)
{
    for (int o = 0; o < axis->n_out; o++, out += 16) {
        const uint32_t *taps = axis->taps + (size_t)o * axis->most * 4;
        const uint8_t *block = blocks + (size_t)64 * axis->first[o];
        uint32_t sums[16] = {0};

        for (int b = axis->first[o]; b < axis->end[o]; b++, taps += 4, block += 64)
            for (int i = 0; i < 16; i++)
                sums[i] += dot(block + 4 * i, taps);
        for (int i = 0; i < 16; i++)
            out[stacked ? i % 4 * 4 + i / 4 : i] = to_byte(sums[i]);
    }
}

static void down(int32_t *sums, const uint8_t *stack, const uint32_t taps[4], size_t n,
                 bool add)
{
    for (size_t i = 0; i < 4 * n; i++)
        sums[i] = (int32_t)((add ? (uint32_t)sums[i] : 0) + dot(stack + 4 * i, taps));
}

static void narrow(uint8_t *rgbx, const int32_t *sums, size_t n)
{
    for (size_t i = 0; i < 4 * n; i++)
        rgbx[i] = to_byte((uint32_t)sums[i]);
}

const struct resize_kernels resize_kernels_portable = {
    .isa = "portable",
    .pack = pack,
    .by_pixels = by_pixels,
    .by_rows = by_rows,
    .across = across,
    .down = down,
    .narrow = narrow,
};
