/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/json_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/canonical_json.h"
#include "tools/cli/print.h"

struct sides {
    const char *a_name, *b_name;
    const char *(*option_of)(const char *path); /* may be NULL */
};

enum { LONGEST_VALUE = 200 }; /* a model's whole configuration would hide the others */

/* Gives memory, or NULL. */
static char *value_text(const json_t *value)
{
    char *text = value ? shard_json_canonical(value) : strdup("absent");
    size_t n = LONGEST_VALUE;

    if (text && strlen(text) > LONGEST_VALUE + strlen("...")) {
        while ((text[n] & 0xC0) == 0x80) /* within a character */
            n--;
        memcpy(text + n, "...", sizeof("..."));
    }
    return text;
}

static void print_leaf(const char *path, const json_t *a, const json_t *b,
                       const struct sides *sides)
{
    const char *option = sides->option_of ? sides->option_of(path) : NULL;
    char *a_text = value_text(a), *b_text = value_text(b);

    print_to_stderr("  %s%s%s%s: %s %s, %s %s", path, option ? " (" : "",
                    option ? option : "", option ? ")" : "", a_text ? a_text : "?",
                    sides->a_name, b_text ? b_text : "?", sides->b_name);
    free(a_text);
    free(b_text);
}

static int print_below(const char *path, const json_t *a, const json_t *b,
                       const struct sides *sides)
{
    json_t *keys, *value;
    const char *key;
    int n = 0;

    if (!json_is_object(a) || !json_is_object(b)) {
        if (json_equal(a, b) || (!a && !b))
            return 0;
        print_leaf(path, a, b, sides);
        return 1;
    }
    keys = json_copy((json_t *)a);
    if (!keys || json_object_update(keys, (json_t *)b) != 0) {
        print_to_stderr("  %s: out of memory", path);
        json_decref(keys);
        return 1;
    }
    json_object_foreach(keys, key, value)
    {
        char longer[256];

        snprintf(longer, sizeof(longer), "%s%s%s", path, *path ? "." : "", key);
        n += print_below(longer, json_object_get(a, key), json_object_get(b, key), sides);
    }
    json_decref(keys);
    return n;
}

int json_diff_print(const json_t *a, const json_t *b, const char *a_name,
                    const char *b_name)
{
    return json_diff_print_options(a, b, a_name, b_name, NULL);
}

int json_diff_print_options(const json_t *a, const json_t *b, const char *a_name,
                            const char *b_name,
                            const char *(*option_of)(const char *path))
{
    const struct sides sides = {a_name, b_name, option_of};

    return print_below("", a, b, &sides);
}
