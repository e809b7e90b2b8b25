/* SPDX-License-Identifier: Apache-2.0
 * tools/run/command_words.h - a command line as words, without a shell.
 *
 * Blanks separate words; '...' and "..." keep what is between them together, and a
 * backslash, but between '...', takes the next character as it is. Nothing is expanded:
 * no variables, no file names, no substitutions. */
#ifndef TOOLS_RUN_COMMAND_WORDS_H
#define TOOLS_RUN_COMMAND_WORDS_H

#include <stddef.h>

/* What stands for `name` wherever it comes in a word, quoted or not. */
struct command_value {
    const char *name; /* "{i}" */
    const char *value;
};

enum {
    COMMAND_OK = 0,
    COMMAND_EMPTY = 1,
    COMMAND_OPEN_QUOTE = 2,
    COMMAND_NO_MEMORY = -1
};

/* Gives *words, NULL-terminated, in one block: release with free(). */
int command_split(char ***words, const char *text, const struct command_value *values,
                  size_t n_values);

#endif
