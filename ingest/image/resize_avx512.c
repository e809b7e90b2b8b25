/* SPDX-License-Identifier: Apache-2.0
 *
 * The resize's inner loops for AVX-512 with VNNI, whose vpdpbusd adds the products of
 * four unsigned and four signed bytes to a sum: a tap is three signed digits,
 * high * 2^16 + middle * 2^8 + low, packed as four high, four middle and four low ones.
 * Compiled with -mavx512f -mavx512bw -mavx512vl -mavx512vnni. */
#include "ingest/image/resize_kernel.h"

#include <string.h>

#include <immintrin.h>

static void pack(uint32_t packed[4], const int32_t taps[4])
{
    int8_t digits[4][4] = {{0}};

    for (int i = 0; i < 4; i++) {
        int32_t rest = taps[i];
        for (int d = 2; d > 0; d--) {
            digits[d][i] = (int8_t)(((rest + 128) & 255) - 128);
            rest = (rest - digits[d][i]) / 256;
        }
        digits[0][i] = (int8_t)rest;
    }
    memcpy(packed, digits, sizeof(digits));
}

struct quad_taps {
    __m512i high, middle, low;
};

static inline struct quad_taps load_taps(const uint32_t packed[4])
{
    return (struct quad_taps){_mm512_set1_epi32((int32_t)packed[0]),
                              _mm512_set1_epi32((int32_t)packed[1]),
                              _mm512_set1_epi32((int32_t)packed[2])};
}

struct sums {
    __m512i high, middle, low;
};

static inline void add_dot(struct sums *s, __m512i bytes, const struct quad_taps *t)
{
    s->high = _mm512_dpbusd_epi32(s->high, bytes, t->high);
    s->middle = _mm512_dpbusd_epi32(s->middle, bytes, t->middle);
    s->low = _mm512_dpbusd_epi32(s->low, bytes, t->low);
}

static inline __m512i whole(const struct sums *s)
{
    __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(s->high, 8), s->middle);

    return _mm512_add_epi32(_mm512_slli_epi32(upper, 8), s->low);
}

static inline __m128i to_bytes(__m512i sums)
{
    __m512i v = _mm512_srai_epi32(_mm512_add_epi32(sums, _mm512_set1_epi32(RESIZE_HALF)),
                                  RESIZE_BITS);

    return _mm512_cvtusepi32_epi8(_mm512_max_epi32(v, _mm512_setzero_si512()));
}

/* Of the 4 x 4 bytes in each quarter. */
static inline __m128i transposing(void)
{
    return _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

static inline __m512i transposed(__m512i quarters)
{
    return _mm512_shuffle_epi8(quarters, _mm512_broadcast_i32x4(transposing()));
}

/* (row, pixel, channel) */
static inline __m512i load_rows(const uint8_t *rows, size_t row_len)
{
    const __m128i *r[4];

    for (int row = 0; row < 4; row++)
        r[row] = (const __m128i *)(rows + row * row_len);
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(r[0]));
    v = _mm512_inserti32x4(v, _mm_loadu_si128(r[1]), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128(r[2]), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128(r[3]), 3);
}

static void by_pixels(uint8_t *blocks, const uint8_t *rows, size_t row_len, size_t n)
{
    for (size_t x = 0; x < n; x += 4, rows += 16, blocks += 64)
        _mm512_store_si512(blocks, transposed(load_rows(rows, row_len)));
}

static void by_rows(uint8_t *stack, const uint8_t *rows, size_t row_len, size_t n)
{
    const __m512i pixels_first =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);

    for (size_t x = 0; x < n; x += 4, rows += 16, stack += 64) {
        __m512i pixels = _mm512_permutexvar_epi32(pixels_first, load_rows(rows, row_len));
        _mm512_store_si512(stack, transposed(pixels));
    }
}

static void across(uint8_t *out, const uint8_t *blocks, const struct resize_blocks *axis,
                   bool stacked)
{
    const struct sums none = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                              _mm512_setzero_si512()};

    for (int o = 0; o < axis->n_out; o++, out += 16) {
        const uint32_t *taps = axis->taps + (size_t)o * axis->most * 4;
        const uint8_t *block = blocks + (size_t)64 * axis->first[o];
        struct sums s = none;

        for (int b = axis->first[o]; b < axis->end[o]; b++, taps += 4, block += 64) {
            const struct quad_taps t = load_taps(taps);
            add_dot(&s, _mm512_load_si512(block), &t);
        }
        __m128i bytes = to_bytes(whole(&s));
        _mm_store_si128((__m128i *)out,
                        stacked ? _mm_shuffle_epi8(bytes, transposing()) : bytes);
    }
}

static void down(int32_t *sums, const uint8_t *stack, const uint32_t taps[4], size_t n,
                 bool add)
{
    const struct quad_taps t = load_taps(taps);

    for (size_t x = 0; x < n; x += 4, stack += 64, sums += 16) {
        struct sums s = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                         _mm512_setzero_si512()};
        if (add)
            s.low = _mm512_load_si512(sums);
        add_dot(&s, _mm512_load_si512(stack), &t);
        _mm512_store_si512(sums, whole(&s));
    }
}

static void narrow(uint8_t *rgbx, const int32_t *sums, size_t n)
{
    for (size_t x = 0; x < n; x += 4, sums += 16, rgbx += 16)
        _mm_store_si128((__m128i *)rgbx, to_bytes(_mm512_load_si512(sums)));
}

const struct resize_kernels resize_kernels_avx512 = {
    .isa = "avx512",
    .pack = pack,
    .by_pixels = by_pixels,
    .by_rows = by_rows,
    .across = across,
    .down = down,
    .narrow = narrow,
};
