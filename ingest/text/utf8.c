/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/utf8.h"

#include <string.h>

size_t utf8_decode(const char *s, size_t len, uint32_t *code_point)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s;
    size_t n;
    uint32_t c;

    if (len == 0)
        return 0;
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] < 0xE0)
        n = 2;
    else if (p[0] >= 0xE0 && p[0] < 0xF0)
        n = 3;
    else if (p[0] >= 0xF0 && p[0] < 0xF5)
        n = 4;
    else
        return 0;
    if (len < n)
        return 0;
    c = p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *code_point = c;
    return n;
}

size_t utf8_marks(const char *s, size_t len)
{
    size_t n = 0;

    while (len - n >= 3 && memcmp(s + n, "\xEF\xBB\xBF", 3) == 0)
        n += 3;
    return n;
}

bool utf8_valid(const char *s, size_t len)
{
    uint32_t c;

    for (size_t i = 0, n; i < len; i += n)
        if ((n = utf8_decode(s + i, len - i, &c)) == 0)
            return false;
    return true;
}

/* The property White_Space, which has not changed since Unicode 6.3. */
static bool is_white_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

static bool is_blank_but(const char *text, size_t len, bool nul)
{
    uint32_t c;

    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_decode(text + i, len - i, &c);
        if (n == 0 || !(is_white_space(c) || (nul && c == 0)))
            return false;
    }
    return true;
}

bool is_blank(const char *text, size_t len)
{
    return is_blank_but(text, len, false);
}

bool is_blank_or_nul(const char *text, size_t len)
{
    return is_blank_but(text, len, true);
}
