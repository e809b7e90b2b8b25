/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/byte_letters.h"

#include "shard/tokenizer/code_point.h"

/* Bytes that are letters themselves lie behind these three runs, which are not. */
enum { RUN_1 = 0x21, RUN_2 = 0x7f, RUN_2_END = 0xa1, RUN_3 = 0xad, FIRST = 0x100 };

uint32_t byte_letter(unsigned char byte)
{
    if (byte < RUN_1)
        return FIRST + (uint32_t)byte;
    if (byte >= RUN_2 && byte < RUN_2_END)
        return FIRST + RUN_1 + (uint32_t)byte - RUN_2;
    return byte == RUN_3 ? (uint32_t)FIRST + RUN_1 + RUN_2_END - RUN_2 : byte;
}

/* The byte of a letter; -1: it is none. */
static int byte_of(uint32_t letter)
{
    if (letter < FIRST)
        return byte_letter((unsigned char)letter) == letter ? (int)letter : -1;
    const uint32_t k = letter - FIRST;
    if (k < RUN_1)
        return (int)k;
    if (k < RUN_1 + RUN_2_END - RUN_2)
        return (int)(k - RUN_1 + RUN_2);
    return k == RUN_1 + RUN_2_END - RUN_2 ? RUN_3 : -1;
}

bool byte_letters_read(const char *text, size_t len, unsigned char *out, size_t *n)
{
    size_t step;

    *n = 0;
    for (size_t at = 0; at < len; at += step) {
        const int byte = byte_of(code_point_at((const unsigned char *)text + at, &step));
        if (byte < 0)
            return false;
        out[(*n)++] = (unsigned char)byte;
    }
    return true;
}
