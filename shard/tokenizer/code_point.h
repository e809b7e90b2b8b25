/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/code_point.h - internal to shard/: code points in valid UTF-8. */
#ifndef SHARD_TOKENIZER_CODE_POINT_H
#define SHARD_TOKENIZER_CODE_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at s, which is valid UTF-8; gives its bytes, 1 to 4. */
static inline uint32_t code_point_at(const unsigned char *s, size_t *len)
{
    if (s[0] < 0x80) {
        *len = 1;
        return s[0];
    }
    if (s[0] < 0xe0) {
        *len = 2;
        return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    }
    if (s[0] < 0xf0) {
        *len = 3;
        return (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    }
    *len = 4;
    return (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 |
           (s[3] & 0x3fu);
}

/* The bytes of the code point that ends before s[end], end >= 1. */
static inline size_t code_point_before(const unsigned char *s, size_t end)
{
    size_t n = 1;

    while (n < end && (s[end - n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* Unicode's White_Space. */
static inline bool code_point_is_white(uint32_t c)
{
    if (c < 0x1680)
        return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0;
    return c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Writes up to 4 bytes; returns how many. */
static inline size_t code_point_put(uint32_t c, unsigned char out[4])
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (unsigned char)(0x80 | (c & 0x3f));
    out[0] = (unsigned char)(lead[n] | c);
    return n;
}

#endif
