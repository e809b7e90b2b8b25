/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/bpe/piece_text.h"

#include <stdio.h>
#include <string.h>

#include "shard/valid_utf8.h"

/* The length of the character at the beginning; 0: there is none. */
static size_t character_len(const char *bytes, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (shard_utf8_valid(bytes, n))
            return n;
    return 0;
}

size_t piece_text(const char *bytes, size_t len, char *out, size_t cap)
{
    size_t made = 0;

    if (cap > 0)
        out[0] = '\0';
    for (size_t n; len > 0; bytes += n, len -= n) {
        char part[8];
        size_t part_len = n = character_len(bytes, len);

        if (n > 0) {
            memcpy(part, bytes, n);
        } else {
            n = 1;
            part_len = (size_t)snprintf(part, sizeof(part), "<0x%02X>",
                                        (unsigned)(unsigned char)bytes[0]);
        }
        if (made + part_len < cap) {
            memcpy(out + made, part, part_len);
            out[made + part_len] = '\0';
        }
        made += part_len;
    }
    return made;
}
