/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/shell_word.h - words of commands that a message tells to type. */
#ifndef TOOLS_CLI_SHELL_WORD_H
#define TOOLS_CLI_SHELL_WORD_H

/* `text` as one word for a shell: as it is where nothing in it is special, else in single
 * quotes. Gives memory, or NULL. */
char *shell_word(const char *text);

#endif
