/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/blank.h"

#include <stdint.h>

#include "ingest/text/utf8.h"

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
