/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/command_words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct split {
    const char *at;
    char quote; /* the open one, or 0 */
    char *out;
    const struct command_value *values;
    size_t n_values;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Puts a value where its name stands. Returns whether one does. */
static bool put_value(struct split *s)
{
    for (size_t i = 0; i < s->n_values; i++) {
        const struct command_value *v = &s->values[i];

        if (strncmp(s->at, v->name, strlen(v->name)) == 0) {
            const size_t len = strlen(v->value);

            memcpy(s->out, v->value, len);
            s->out += len;
            s->at += strlen(v->name);
            return true;
        }
    }
    return false;
}

/* Writes one word, which begins here. */
static void put_word(struct split *s)
{
    while (*s->at && (s->quote || !is_blank(*s->at))) {
        if (put_value(s))
            continue;
        if (s->quote ? *s->at == s->quote : *s->at == '\'' || *s->at == '"') {
            s->quote = s->quote ? 0 : *s->at;
            s->at++;
            continue;
        }
        if (*s->at == '\\' && s->quote != '\'' && s->at[1])
            s->at++;
        *s->out++ = *s->at++;
    }
    *s->out++ = '\0';
}

/* At most: a word each second character, and the longest value for each. */
static char **make_room(const char *text, const struct command_value *values,
                        size_t n_values, size_t *n_words)
{
    size_t longest = 1;

    for (size_t i = 0; i < n_values; i++)
        if (strlen(values[i].value) > longest)
            longest = strlen(values[i].value);
    *n_words = strlen(text) / 2 + 2;
    return calloc(1, *n_words * sizeof(char *) + (strlen(text) + 1) * (longest + 1));
}

int command_split(char ***words, const char *text, const struct command_value *values,
                  size_t n_values)
{
    struct split s = {.at = text, .values = values, .n_values = n_values};
    size_t most, n = 0;

    *words = make_room(text, values, n_values, &most);
    if (!*words)
        return COMMAND_NO_MEMORY;
    s.out = (char *)(*words + most);
    for (;;) {
        while (is_blank(*s.at))
            s.at++;
        if (!*s.at)
            break;
        (*words)[n++] = s.out;
        put_word(&s);
    }
    if (s.quote)
        return COMMAND_OPEN_QUOTE;
    return n == 0 ? COMMAND_EMPTY : COMMAND_OK;
}
