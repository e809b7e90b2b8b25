/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/json/json_whole.h"

#include <stdlib.h>

static size_t bytes_of(const json_t *value)
{
    size_t sum = json_is_string(value) ? json_string_length(value) : 0, len, i;
    const char *key;
    json_t *member;

    if (json_is_object(value))
        json_object_keylen_foreach((json_t *)value, key, len, member) sum +=
            len + bytes_of(member);
    if (json_is_array(value))
        json_array_foreach((json_t *)value, i, member) sum += bytes_of(member);
    return sum;
}

/* The bytes of UTF-8 that the escape at text[i], a backslash, stands for. Half of a
 * surrogate pair counts 2, of 4. */
static size_t escaped(const char *text, size_t i, size_t *step)
{
    const char digits[5] = {text[i + 2], text[i + 3], text[i + 4], text[i + 5], '\0'};

    *step = 6;
    const unsigned long c = strtoul(digits, NULL, 16);
    if (c < 0x80)
        return 1;
    return c < 0x800 || (c >= 0xd800 && c < 0xe000) ? 2 : 3;
}

bool json_whole(const json_t *root, const char *text, size_t len)
{
    bool quoted = false;
    size_t sum = 0, step;

    for (size_t i = 0; i < len; i += step) {
        step = 1;
        if (text[i] == '"') {
            quoted = !quoted;
        } else if (quoted && text[i] == '\\') {
            step = 2;
            sum += text[i + 1] == 'u' ? escaped(text, i, &step) : 1;
        } else {
            sum += quoted;
        }
    }
    return sum == bytes_of(root);
}
