/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/text_options.h - how texts become ids, and how sequences are drawn. */
#ifndef TOOLS_CLI_TEXT_OPTIONS_H
#define TOOLS_CLI_TEXT_OPTIONS_H

#include <stdint.h>

#include "shard/tokenizer/tokenizer.h"
#include "tools/cli/options.h"

/* Which tokenizer, and what it is not told by its file. */
struct tokenizer_choice {
    const char *path; /* "builtin", "none", a file or a folder; NULL: builtin */
    enum tokenizer_special_tokens special_tokens;
    const char *pattern;      /* of a tiktoken file: a name or a regular expression */
    struct option_list named; /* of a tiktoken file: PIECE=ID */
};

struct text_options {
    struct tokenizer_choice tokenizer;
    const char *bos, *eos; /* pieces; NULL: what the tokenizer's file says */
    const char *boi, *eoi; /* pieces; NULL: the ids behind the last piece */
    double caption_first;
    int64_t seed; /* not negative */
    int64_t patch;
};

struct text_options text_options_default(void);

/* Fills the list with the options that write to *o, under their heading. */
enum { N_TEXT_OPTIONS = 12 };
void text_options_list(struct text_options *o, struct option list[N_TEXT_OPTIONS]);

/* Those of them that choose the tokenizer. */
enum { N_TOKENIZER_OPTIONS = 4 };
void tokenizer_options_list(struct tokenizer_choice *o,
                            struct option list[N_TOKENIZER_OPTIONS]);

/* "plain", "parse" and "reject", by enum tokenizer_special_tokens; NULL ends them. */
extern const char *const special_tokens_names[];

/* What the table cannot say. Returns OPTIONS_OK, or OPTIONS_WRONG after explaining. */
int text_options_check(const struct text_options *o);

#endif
