/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/text_options.h - how texts become ids, and how sequences are drawn. */
#ifndef TOOLS_CLI_TEXT_OPTIONS_H
#define TOOLS_CLI_TEXT_OPTIONS_H

#include <stdint.h>

#include "tools/cli/options.h"

struct text_options {
    const char *tokenizer; /* "builtin", "none" or a file; NULL: builtin */
    const char *boi, *eoi; /* NULL: the ids behind the last piece */
    double caption_first;
    int64_t seed; /* not negative */
    int64_t patch;
};

struct text_options text_options_default(void);

/* Fills the list with the options that write to *o, under their heading. */
enum { N_TEXT_OPTIONS = 7 };
void text_options_list(struct text_options *o, struct option list[N_TEXT_OPTIONS]);

/* What the table cannot say. Returns OPTIONS_OK, or OPTIONS_WRONG after explaining. */
int text_options_check(const struct text_options *o);

#endif
