/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/json_diff.h"

#include <stdio.h>
#include <stdlib.h>

#include "shard/canonical_json.h"
#include "tools/cli/print.h"

struct sides {
    const char *a_name, *b_name;
};

static void print_leaf(const char *path, const json_t *a, const json_t *b,
                       const struct sides *sides)
{
    char *a_text = a ? shard_json_canonical(a) : NULL;
    char *b_text = b ? shard_json_canonical(b) : NULL;

    print_to_stderr("  %s: %s %s, %s %s", path, a_text ? a_text : "absent", sides->a_name,
                    b_text ? b_text : "absent", sides->b_name);
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
    const struct sides sides = {a_name, b_name};

    return print_below("", a, b, &sides);
}
