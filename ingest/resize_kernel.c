/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/resize_kernel.h"

enum { HALF = 1 << (RESIZE_BITS - 1) };

static uint8_t to_byte(int32_t sum)
{
    int32_t v = (sum + HALF) >> RESIZE_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void resize_across(uint8_t *rgb, const uint8_t *rgbx, const struct resize_axis *across)
{
    for (int out = 0; out < across->n_out; out++, rgb += 3) {
        const int32_t *taps = across->taps + (size_t)out * across->max_taps;
        const uint8_t *pixel = rgbx + (size_t)4 * across->first[out];
        int32_t r = 0, g = 0, b = 0;

        for (int i = 0; i < across->n_taps[out]; i++, pixel += 4) {
            r += taps[i] * pixel[0];
            g += taps[i] * pixel[1];
            b += taps[i] * pixel[2];
        }
        rgb[0] = to_byte(r);
        rgb[1] = to_byte(g);
        rgb[2] = to_byte(b);
    }
}

void resize_add_line(int32_t *sums, const uint8_t *line, int32_t tap, size_t n,
                     bool begin)
{
    if (begin) {
        for (size_t i = 0; i < n; i++)
            sums[i] = tap * line[i];
    } else {
        for (size_t i = 0; i < n; i++)
            sums[i] += tap * line[i];
    }
}

void resize_narrow(uint8_t *out, const int32_t *sums, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = to_byte(sums[i]);
}
