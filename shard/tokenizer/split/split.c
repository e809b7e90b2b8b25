/* SPDX-License-Identifier: Apache-2.0
 * shard/tokenizer/split/split.c - a pattern by hand where it is known, else by PCRE2. */
#include "shard/tokenizer/split/split.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/split/split_known.h"

struct split {
    split_matcher *known; /* NULL: regex is */
    struct char_classes *classes;
    struct split_regex *regex;
};

struct split_worker {
    const struct split *split;
    struct split_regex_worker *regex;
};

void split_versions(char out[SPLIT_VERSIONS_CAP])
{
    char version[64] = "?", unicode[32] = "?";

    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) < (int)sizeof(version))
        (void)pcre2_config(PCRE2_CONFIG_VERSION, version);
    if (pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, NULL) < (int)sizeof(unicode))
        (void)pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, unicode);
    snprintf(out, SPLIT_VERSIONS_CAP, "PCRE2 %s (Unicode %s)", version, unicode);
}

int split_open(struct split **out, const char *pattern, enum split_syntax syntax,
               char *why, size_t cap)
{
    struct split *s = *out = calloc(1, sizeof(*s));

    if (s == NULL)
        return SHARD_ENOMEM;
    s->known = split_known(pattern, syntax);
    const int rc = s->known != NULL
                       ? char_classes_new(&s->classes)
                       : split_regex_open(&s->regex, pattern, syntax, why, cap);
    if (rc != SHARD_OK) {
        split_close(s);
        *out = NULL;
    }
    return rc;
}

void split_close(struct split *s)
{
    if (s == NULL)
        return;
    split_regex_close(s->regex);
    free(s->classes);
    free(s);
}

struct split_worker *split_worker_new(const struct split *s)
{
    struct split_worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->split = s;
    if (s->known != NULL || (w->regex = split_regex_worker_new(s->regex)) != NULL)
        return w;
    free(w);
    return NULL;
}

void split_worker_free(struct split_worker *w)
{
    if (w == NULL)
        return;
    split_regex_worker_free(w->regex);
    free(w);
}

void split_begin(struct split_worker *w)
{
    if (w->regex != NULL)
        split_regex_begin(w->regex);
}

int split_next(struct split_worker *w, const char *text, size_t len, size_t *start,
               size_t *end)
{
    const struct split *s = w->split;

    if (s->known == NULL)
        return split_regex_next(w->regex, text, len, start, end);
    const size_t found =
        *end < len ? s->known(s->classes, (const unsigned char *)text, len, *end, start)
                   : 0;
    if (found == 0)
        return SHARD_EOF;
    *end = found;
    return SHARD_OK;
}
