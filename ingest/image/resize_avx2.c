/* SPDX-License-Identifier: Apache-2.0
 *
 * The resize's inner loops for AVX2, which multiplies pairs of 16-bit numbers: a tap is
 * high * 2^11 + low, packed as
 *     (high 0, high 2), (high 1, high 3), (low 0, low 2), (low 1, low 3)
 * and four bytes are taken as their even and their odd ones. Compiled with -mavx2. */
#include "ingest/image/resize_kernel.h"

#include <immintrin.h>

enum { SHIFT = 11 };

static uint32_t pair(int32_t first, int32_t second)
{
    return ((uint32_t)first & 0xFFFF) | (uint32_t)second << 16;
}

static void pack(uint32_t packed[4], const int32_t taps[4])
{
    const int32_t low = (1 << SHIFT) - 1;

    packed[0] = pair(taps[0] >> SHIFT, taps[2] >> SHIFT);
    packed[1] = pair(taps[1] >> SHIFT, taps[3] >> SHIFT);
    packed[2] = pair(taps[0] & low, taps[2] & low);
    packed[3] = pair(taps[1] & low, taps[3] & low);
}

struct quad_taps {
    __m256i high_even, high_odd, low_even, low_odd;
};

static inline struct quad_taps load_taps(const uint32_t packed[4])
{
    return (struct quad_taps){
        _mm256_set1_epi32((int32_t)packed[0]), _mm256_set1_epi32((int32_t)packed[1]),
        _mm256_set1_epi32((int32_t)packed[2]), _mm256_set1_epi32((int32_t)packed[3])};
}

struct sums {
    __m256i high, low;
};

static inline void add_dot(struct sums *s, __m256i bytes, const struct quad_taps *t)
{
    __m256i even = _mm256_and_si256(bytes, _mm256_set1_epi16(255));
    __m256i odd = _mm256_srli_epi16(bytes, 8);

    s->high = _mm256_add_epi32(s->high, _mm256_madd_epi16(even, t->high_even));
    s->low = _mm256_add_epi32(s->low, _mm256_madd_epi16(even, t->low_even));
    s->high = _mm256_add_epi32(s->high, _mm256_madd_epi16(odd, t->high_odd));
    s->low = _mm256_add_epi32(s->low, _mm256_madd_epi16(odd, t->low_odd));
}

static inline __m256i whole(const struct sums *s)
{
    return _mm256_add_epi32(_mm256_slli_epi32(s->high, SHIFT), s->low);
}

static inline __m256i rounded(__m256i sums)
{
    return _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(RESIZE_HALF)),
                             RESIZE_BITS);
}

static inline __m128i transposed(__m128i four_by_four)
{
    return _mm_shuffle_epi8(four_by_four, _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6,
                                                        10, 14, 3, 7, 11, 15));
}

static void by_pixels(uint8_t *blocks, const uint8_t *rows, size_t row_len, size_t n)
{
    for (size_t x = 0; x < n; x += 4, rows += 16)
        for (int row = 0; row < 4; row++, blocks += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(rows + row * row_len));
            _mm_store_si128((__m128i *)blocks, transposed(v));
        }
}

static void by_rows(uint8_t *stack, const uint8_t *rows, size_t row_len, size_t n)
{
    for (size_t x = 0; x < n; x += 4, rows += 16, stack += 64) {
        __m128i r[4];
        for (int row = 0; row < 4; row++)
            r[row] = _mm_loadu_si128((const __m128i *)(rows + row * row_len));
        __m128i left01 = _mm_unpacklo_epi32(r[0], r[1]);
        __m128i left23 = _mm_unpacklo_epi32(r[2], r[3]);
        __m128i right01 = _mm_unpackhi_epi32(r[0], r[1]);
        __m128i right23 = _mm_unpackhi_epi32(r[2], r[3]);
        __m128i *to = (__m128i *)stack;
        _mm_store_si128(to, transposed(_mm_unpacklo_epi64(left01, left23)));
        _mm_store_si128(to + 1, transposed(_mm_unpackhi_epi64(left01, left23)));
        _mm_store_si128(to + 2, transposed(_mm_unpacklo_epi64(right01, right23)));
        _mm_store_si128(to + 3, transposed(_mm_unpackhi_epi64(right01, right23)));
    }
}

/* Sums of rows 0, 1 and of rows 2, 3 -> bytes (row, channel). */
static inline __m128i rows_to_bytes(const struct sums *upper, const struct sums *lower)
{
    __m256i words =
        _mm256_packs_epi32(rounded(whole(upper)), rounded(whole(lower))); /* 0 2, 1 3 */
    __m256i bytes = _mm256_packus_epi16(words, words);
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes),
                              _mm256_extracti128_si256(bytes, 1));
}

static void across(uint8_t *out, const uint8_t *blocks, const struct resize_blocks *axis,
                   bool stacked)
{
    for (int o = 0; o < axis->n_out; o++, out += 16) {
        const uint32_t *taps = axis->taps + (size_t)o * axis->most * 4;
        const uint8_t *block = blocks + (size_t)64 * axis->first[o];
        struct sums upper = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        struct sums lower = upper;

        for (int b = axis->first[o]; b < axis->end[o]; b++, taps += 4, block += 64) {
            const struct quad_taps t = load_taps(taps);
            add_dot(&upper, _mm256_load_si256((const __m256i *)block), &t);
            add_dot(&lower, _mm256_load_si256((const __m256i *)(block + 32)), &t);
        }
        __m128i bytes = rows_to_bytes(&upper, &lower);
        _mm_store_si128((__m128i *)out, stacked ? transposed(bytes) : bytes);
    }
}

static void down(int32_t *sums, const uint8_t *stack, const uint32_t taps[4], size_t n,
                 bool add)
{
    const struct quad_taps t = load_taps(taps);

    for (size_t x = 0; x < n; x += 2, stack += 32, sums += 8) {
        struct sums s = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        if (add)
            s.low = _mm256_load_si256((const __m256i *)sums);
        add_dot(&s, _mm256_load_si256((const __m256i *)stack), &t);
        _mm256_store_si256((__m256i *)sums, whole(&s));
    }
}

static void narrow(uint8_t *rgbx, const int32_t *sums, size_t n)
{
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);

    for (size_t x = 0; x < n; x += 8, sums += 32, rgbx += 32) {
        const __m256i *from = (const __m256i *)sums;
        __m256i left = _mm256_packs_epi32(rounded(_mm256_load_si256(from)),
                                          rounded(_mm256_load_si256(from + 1)));
        __m256i right = _mm256_packs_epi32(rounded(_mm256_load_si256(from + 2)),
                                           rounded(_mm256_load_si256(from + 3)));
        __m256i bytes = _mm256_packus_epi16(left, right);
        _mm256_store_si256((__m256i *)rgbx, _mm256_permutevar8x32_epi32(bytes, in_order));
    }
}

const struct resize_kernels resize_kernels_avx2 = {
    .isa = "avx2",
    .pack = pack,
    .by_pixels = by_pixels,
    .by_rows = by_rows,
    .across = across,
    .down = down,
    .narrow = narrow,
};
