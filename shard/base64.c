/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/base64.h"

#include <stdint.h>
#include <string.h>

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t shard_base64_len(size_t n)
{
    return (n / 3 + (n % 3 != 0)) * 4;
}

/* The n bytes, 1 to 3, as four characters. */
static void encode_group(char *out, const unsigned char *bytes, size_t n)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < 3; i++)
        bits = bits << 8 | (i < n ? bytes[i] : 0);
    for (size_t i = 0; i < 4; i++)
        out[i] = i <= n ? digits[bits >> (18 - 6 * i) & 63] : '=';
}

void shard_base64_encode(char *out, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += 3, out += 4)
        encode_group(out, bytes + i, n - i < 3 ? n - i : 3);
}

static void fill_values(unsigned char values[256])
{
    memset(values, 64, 256);
    for (unsigned char i = 0; i < 64; i++)
        values[(unsigned char)digits[i]] = i;
}

bool shard_base64_decode(unsigned char *bytes, size_t n, const char *text, size_t len)
{
    unsigned char values[256];
    char again[4];

    if (len != shard_base64_len(n))
        return false;
    fill_values(values);
    for (size_t i = 0; i < n; i += 3, text += 4) {
        const size_t have = n - i < 3 ? n - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++)
            bits = bits << 6 | (values[(unsigned char)text[k]] & 63);
        for (size_t k = 0; k < have; k++)
            bytes[i + k] = (unsigned char)(bits >> (16 - 8 * k));
        encode_group(again, bytes + i, have); /* what is no digit, or is over */
        if (memcmp(again, text, 4) != 0)
            return false;
    }
    return true;
}
