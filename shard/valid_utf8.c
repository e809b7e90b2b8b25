/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/valid_utf8.h"

#include <stdint.h>
#include <string.h>

/* How many bytes at p are ASCII: of captions nearly all, so eight at a time. */
static size_t ascii_len(const unsigned char *p, size_t len)
{
    size_t n = 0;
    uint64_t word;

    for (; len - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, p + n, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (n < len && p[n] < 0x80)
        n++;
    return n;
}

/* Bytes of a character that is not ASCII, by its first one; 0: none begins so. */
static size_t length_by(unsigned char first)
{
    if (first < 0xC2)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

/* The bounds of its second byte leave out what is overlong, surrogates and what is above
 * U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
    const unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

    return second >= least && second <= most;
}

/* Bytes of the character at p, which is not ASCII; 0: there is none. */
static size_t character_len(const unsigned char *p, size_t len)
{
    const size_t n = length_by(p[0]);

    if (n == 0 || n > len || !second_fits(p[0], p[1]))
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* Whether three bytes at p are a character, of those that nearly all of Asia's are. */
static bool is_common(const unsigned char *p, size_t len)
{
    return len >= 3 && (p[0] & 0xF0) == 0xE0 && p[0] != 0xE0 && p[0] != 0xED &&
           (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80;
}

/* Bytes of the characters at p that are not ASCII; *valid: no other follows. */
static size_t others_len(const unsigned char *p, size_t len, bool *valid)
{
    size_t i = 0, n = 1;

    while (i < len && p[i] >= 0x80 && n > 0) {
        n = is_common(p + i, len - i) ? 3 : character_len(p + i, len - i);
        i += n;
    }
    *valid = n > 0;
    return i;
}

bool shard_utf8_valid(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    bool valid = true;

    for (size_t i = 0; valid && (i += ascii_len(p + i, len - i)) < len;)
        i += others_len(p + i, len - i, &valid);
    return valid;
}
