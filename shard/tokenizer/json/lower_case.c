/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/lower_case.h"

#include <utf8proc.h>

#include "shard/status.h"
#include "shard/tokenizer/code_point.h"

/* The one character whose lower case is two: i and a dot above. */
enum { I_WITH_DOT = 0x130, DOT_ABOVE = 0x307 };

static uint32_t lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    return c == I_WITH_DOT ? 'i' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

/* Of characters that stay. */
static size_t lower_run(const unsigned char *text, size_t len, size_t at)
{
    size_t n;

    while (at < len) {
        if (text[at] < 0x80) {
            if (text[at] >= 'A' && text[at] <= 'Z')
                break;
            at++;
            continue;
        }
        const uint32_t c = code_point_at(text + at, &n);
        if (lower(c) != c)
            break;
        at += n;
    }
    return at;
}

int lower_case_apply(const char *text, size_t len, struct shard_buffer *into,
                     const char **out, size_t *out_len)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t done = 0, at = lower_run(t, len, 0), n;

    *out = text;
    *out_len = len;
    if (at == len)
        return SHARD_OK;
    for (into->len = 0;; at = lower_run(t, len, done)) {
        unsigned char bytes[8];
        if (shard_buffer_add(into, text + done, at - done) < 0)
            return SHARD_ENOMEM;
        if (at == len)
            break;
        const uint32_t c = code_point_at(t + at, &n);
        size_t k = code_point_put(lower(c), bytes);
        if (c == I_WITH_DOT)
            k += code_point_put(DOT_ABOVE, bytes + k);
        if (shard_buffer_add(into, bytes, k) < 0)
            return SHARD_ENOMEM;
        done = at + n;
    }
    *out = (const char *)into->data;
    *out_len = into->len;
    return SHARD_OK;
}
