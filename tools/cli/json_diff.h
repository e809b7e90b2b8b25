/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/json_diff.h - say in which values two JSON documents differ. */
#ifndef TOOLS_CLI_JSON_DIFF_H
#define TOOLS_CLI_JSON_DIFF_H

#include <jansson.h>

/* Prints each leaf that differs on stderr, one line each: its path and both values,
 * called a_name's and b_name's; long ones are cut. NULL is an absent document. Returns
 * how many there were. */
int json_diff_print(const json_t *a, const json_t *b, const char *a_name,
                    const char *b_name);

/* The same; behind the path stands what option_of() gives for it, where that is not NULL.
 */
int json_diff_print_options(const json_t *a, const json_t *b, const char *a_name,
                            const char *b_name,
                            const char *(*option_of)(const char *path));

#endif
