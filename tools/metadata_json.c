/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/metadata_json.h"

#include <stdbool.h>
#include <stdlib.h>

#include <jansson.h>

#include "ingest/plain_json.h"
#include "shard/json_depth.h"
#include "tools/print.h"

/* Python's own limits, which end the loop of who reads such a sample: digits of an
 * integer, and recursion, of which callers need some for themselves. */
enum { MAX_DIGITS = 4300, MAX_DEPTH = 200 };

static bool has_long_number(const char *text, size_t len)
{
    size_t digits = 0;

    for (size_t i = 0; i < len && digits <= MAX_DIGITS; i++)
        digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
    return digits > MAX_DIGITS;
}

/* Whether it is JSON; numbers may be longer than this machine's. */
static bool is_json(const char *text, size_t len)
{
    if (has_long_number(text, len) || shard_json_depth(text, len) > MAX_DEPTH)
        return false;
    const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
    size_t copy_len;
    char *copy = plain_json(text, len, &copy_len);
    json_t *parsed = NULL;

    if (copy != NULL) {
        copy_len = plain_json_shorten_numbers(copy, copy_len);
        parsed = json_loadb(copy, copy_len, flags, NULL);
    }
    free(copy);
    json_decref(parsed);
    return parsed != NULL;
}

void metadata_print_json(FILE *out, const char *metadata, size_t metadata_len)
{
    size_t len;

    if (metadata == NULL || metadata_len == 0) {
        fputs("null", out);
        return;
    }
    char *plain = plain_json(metadata, metadata_len, &len);
    if (plain == NULL || !is_json(plain, len)) {
        print_json_string(out, metadata, metadata_len);
    } else {
        /* Within JSON a line can end only between its tokens. */
        for (size_t i = 0; i < len; i++)
            putc(plain[i] == '\n' || plain[i] == '\r' ? ' ' : plain[i], out);
    }
    free(plain);
}
