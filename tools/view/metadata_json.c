/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/view/metadata_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <jansson.h>

#include "ingest/text/plain_json.h"
#include "shard/json_depth.h"
#include "tools/cli/print.h"

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

/* Whether it is JSON; numbers may be longer than this machine's. -1: no memory. */
static int is_json(const char *text, size_t len)
{
    if (has_long_number(text, len) || shard_json_depth(text, len) > MAX_DEPTH)
        return 0;
    const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
    size_t copy_len;
    char *copy = plain_json(text, len, &copy_len);

    if (copy == NULL)
        return -1;
    copy_len = plain_json_shorten_numbers(copy, copy_len);
    errno = 0;
    json_t *parsed = json_loadb(copy, copy_len, flags, NULL);
    const bool no_memory = errno == ENOMEM; /* jansson may call it a syntax error */
    free(copy);
    if (parsed == NULL)
        return no_memory ? -1 : 0;
    json_decref(parsed);
    return 1;
}

int metadata_print_json(FILE *out, const char *metadata, size_t metadata_len)
{
    size_t len;

    if (metadata == NULL || metadata_len == 0) {
        fputs("null", out);
        return 0;
    }
    char *plain = plain_json(metadata, metadata_len, &len);
    const int json = plain != NULL ? is_json(plain, len) : -1;
    if (json == 0) {
        print_json_string(out, metadata, metadata_len);
    } else if (json > 0) {
        /* Within JSON a line can end only between its tokens. */
        for (size_t i = 0; i < len; i++)
            putc(plain[i] == '\n' || plain[i] == '\r' ? ' ' : plain[i], out);
    }
    free(plain);
    return json < 0 ? -1 : 0;
}
