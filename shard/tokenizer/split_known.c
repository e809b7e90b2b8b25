/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split_known.c - the patterns of the large models, by name and by
 * spelling. */
#include "shard/tokenizer/split.h"

#include <string.h>

static const struct {
    const char *name; /* NULL: of tokenizer.json files alone */
    const char *pattern;
    split_matcher *matcher; /* NULL: none by hand */
} patterns[] = {
    {"gpt2",
     "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     NULL},
};

enum { N_PATTERNS = sizeof(patterns) / sizeof(*patterns) };

split_matcher *split_known(const char *pattern)
{
    for (size_t i = 0; i < N_PATTERNS; i++)
        if (strcmp(patterns[i].pattern, pattern) == 0)
            return patterns[i].matcher;
    return NULL;
}

const char *split_pattern_named(const char *name)
{
    for (size_t i = 0; i < N_PATTERNS; i++)
        if (patterns[i].name != NULL && strcmp(patterns[i].name, name) == 0)
            return patterns[i].pattern;
    return NULL;
}
