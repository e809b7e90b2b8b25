/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/shell_word.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int is_plain(const char *text)
{
    const char *c = text;

    while (isalnum((unsigned char)*c) || (*c && strchr("_-./:,+@%=", *c)))
        c++;
    return *c == '\0' && c > text;
}

char *shell_word(const char *text)
{
    char *word, *out;

    if (is_plain(text))
        return strdup(text);
    /* A quote becomes four bytes. */
    word = out = malloc(4 * strlen(text) + 3);
    if (!word)
        return NULL;
    *out++ = '\'';
    for (const char *c = text; *c; c++) {
        if (*c == '\'') {
            memcpy(out, "'\\''", 4);
            out += 4;
        } else {
            *out++ = *c;
        }
    }
    *out++ = '\'';
    *out = '\0';
    return word;
}
