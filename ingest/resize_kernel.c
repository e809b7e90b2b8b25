/* SPDX-License-Identifier: Apache-2.0
 *
 * SSE2 multiplies 16-bit numbers only, and a tap has 23 bits and a sign. It is cut in
 * two, and pmaddwd multiplies and adds both halves, or two taps' halves, at once:
 *
 *     across: tap = high * 2^11 + low; two taps at a time, high and low summed apart
 *     down:   tap = high * 2^7 + low; pixel * tap = (pixel * 2^7) * high + pixel * low */
#include "ingest/resize_kernel.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { HALF = 1 << (RESIZE_BITS - 1), ACROSS_SHIFT = 11, DOWN_SHIFT = 7 };

static uint8_t to_byte(int32_t sum)
{
    int32_t v = (sum + HALF) >> RESIZE_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void resize_across_plain(uint8_t *rgb, const uint8_t *rgbx,
                         const struct resize_axis *across)
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

void resize_add_line_plain(int32_t *sums, const uint8_t *line, int32_t tap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sums[i] += tap * line[i];
}

void resize_narrow_plain(uint8_t *out, const int32_t *sums, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = to_byte(sums[i]);
}

#ifdef __SSE2__
/* Two pixels' channels, interleaved and widened: r0 r1 g0 g1 b0 b1 x0 x1. */
static inline __m128i pair_of_pixels(__m128i first, __m128i second)
{
    return _mm_unpacklo_epi8(_mm_unpacklo_epi8(first, second), _mm_setzero_si128());
}

static inline __m128i load_pixel(const uint8_t *pixel)
{
    int32_t v;

    memcpy(&v, pixel, sizeof(v));
    return _mm_cvtsi32_si128(v);
}

/* Two taps' halves side by side, for each channel. */
static inline __m128i pair_of_halves(int32_t first, int32_t second)
{
    return _mm_set1_epi32((int32_t)((uint32_t)second << 16 | ((uint32_t)first & 0xFFFF)));
}

static inline __m128i sums_to_bytes(__m128i a, __m128i b)
{
    const __m128i half = _mm_set1_epi32(HALF);

    a = _mm_srai_epi32(_mm_add_epi32(a, half), RESIZE_BITS);
    b = _mm_srai_epi32(_mm_add_epi32(b, half), RESIZE_BITS);
    __m128i words = _mm_packs_epi32(a, b);
    return _mm_packus_epi16(words, words);
}

static inline __m128i sum_taps(const uint8_t *pixel, const int32_t *taps, int n)
{
    const int32_t low_bits = (1 << ACROSS_SHIFT) - 1;
    __m128i high = _mm_setzero_si128(), low = _mm_setzero_si128();

    for (int i = 0; i < n; i += 2, pixel += 8) {
        bool alone = i + 1 == n;
        int32_t t0 = taps[i], t1 = alone ? 0 : taps[i + 1];
        __m128i pixels =
            pair_of_pixels(load_pixel(pixel), load_pixel(alone ? pixel : pixel + 4));
        __m128i highs = pair_of_halves(t0 >> ACROSS_SHIFT, t1 >> ACROSS_SHIFT);
        __m128i lows = pair_of_halves(t0 & low_bits, t1 & low_bits);
        high = _mm_add_epi32(high, _mm_madd_epi16(pixels, highs));
        low = _mm_add_epi32(low, _mm_madd_epi16(pixels, lows));
    }
    return _mm_add_epi32(_mm_slli_epi32(high, ACROSS_SHIFT), low);
}

void resize_across(uint8_t *rgb, const uint8_t *rgbx, const struct resize_axis *across)
{
    for (int out = 0; out < across->n_out; out++, rgb += 3) {
        const uint8_t *pixel = rgbx + (size_t)4 * across->first[out];
        __m128i sums = sum_taps(pixel, across->taps + (size_t)out * across->max_taps,
                                across->n_taps[out]);
        int32_t bytes = _mm_cvtsi128_si32(sums_to_bytes(sums, sums));
        memcpy(rgb, &bytes, 3);
    }
}

void resize_add_line(int32_t *sums, const uint8_t *line, int32_t tap, size_t n)
{
    int32_t high = tap >> DOWN_SHIFT, low = tap & ((1 << DOWN_SHIFT) - 1);
    size_t i = 0;

    if (high >= INT16_MIN && high <= INT16_MAX) {
        const __m128i halves = pair_of_halves(high, low);
        for (; i + 8 <= n; i += 8) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(line + i));
            __m128i pixels = _mm_unpacklo_epi8(bytes, _mm_setzero_si128());
            __m128i raised = _mm_slli_epi16(pixels, DOWN_SHIFT);
            __m128i *to = (__m128i *)(sums + i);
            __m128i a = _mm_madd_epi16(_mm_unpacklo_epi16(raised, pixels), halves);
            __m128i b = _mm_madd_epi16(_mm_unpackhi_epi16(raised, pixels), halves);
            _mm_storeu_si128(to, _mm_add_epi32(_mm_loadu_si128(to), a));
            _mm_storeu_si128(to + 1, _mm_add_epi32(_mm_loadu_si128(to + 1), b));
        }
    }
    resize_add_line_plain(sums + i, line + i, tap, n - i);
}

void resize_narrow(uint8_t *out, const int32_t *sums, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        const __m128i *from = (const __m128i *)(sums + i);
        __m128i bytes = sums_to_bytes(_mm_loadu_si128(from), _mm_loadu_si128(from + 1));
        _mm_storel_epi64((__m128i *)(out + i), bytes);
    }
    resize_narrow_plain(out + i, sums + i, n - i);
}
#else
void resize_across(uint8_t *rgb, const uint8_t *rgbx, const struct resize_axis *across)
{
    resize_across_plain(rgb, rgbx, across);
}

void resize_add_line(int32_t *sums, const uint8_t *line, int32_t tap, size_t n)
{
    resize_add_line_plain(sums, line, tap, n);
}

void resize_narrow(uint8_t *out, const int32_t *sums, size_t n)
{
    resize_narrow_plain(out, sums, n);
}
#endif
