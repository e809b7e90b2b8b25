/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/text_options.h"

#include <string.h>

const char *const special_tokens_names[] = {"plain", "parse", "reject", NULL};

struct text_options text_options_default(void)
{
    return (struct text_options){.caption_first = 0.8, .patch = 2};
}

void tokenizer_options_list(struct tokenizer_choice *o,
                            struct option list[N_TOKENIZER_OPTIONS])
{
    const struct option options[] = {
        {"tokenizer", OPTION_STRING, &o->path, "FILE|DIR|none",
         "tokenizer.json, SentencePiece model or tiktoken file (builtin: a small\n"
         "demonstration model)",
         NULL, 0, 0},
        {"special-tokens", OPTION_CHOICE, OPTION_ENUM(o->special_tokens), NULL,
         "what a text's <|special|> tokens become: text like any other (plain), the\n"
         "tokens, or a reject of the sample",
         special_tokens_names, 0, 0},
        {"pattern", OPTION_STRING, &o->pattern, "NAME|REGEX",
         "how a tiktoken file's texts are cut into words: gpt2, cl100k, o200k, ..., or "
         "a\n"
         "regular expression in tiktoken's own syntax",
         NULL, 0, 0},
        {"special-token", OPTION_LIST, &o->named, "PIECE=ID",
         "a special token of a tiktoken file; may be repeated", NULL, 0, 0},
    };

    _Static_assert(sizeof(options) == N_TOKENIZER_OPTIONS * sizeof(*options),
                   "its number");
    memcpy(list, options, sizeof(options));
}

void text_options_list(struct text_options *o, struct option list[N_TEXT_OPTIONS])
{
    const struct option options[] = {
        {"bos", OPTION_STRING, &o->bos, "PIECE",
         "begin-of-sequence marker (what the tokenizer's file says)", NULL, 0, 0},
        {"eos", OPTION_STRING, &o->eos, "PIECE",
         "end-of-sequence marker (what the tokenizer's file says)", NULL, 0, 0},
        {"boi", OPTION_STRING, &o->boi, "PIECE",
         "begin-of-image marker (the id behind the last piece)", NULL, 0, 0},
        {"eoi", OPTION_STRING, &o->eoi, "PIECE",
         "end-of-image marker (the second id behind the last piece)", NULL, 0, 0},
        {"caption-first", OPTION_REAL, &o->caption_first, "P",
         "share of samples whose caption comes before the image (0.8)", NULL, 0, 1},
        {"seed", OPTION_INT, &o->seed, "N", "of all draws (0)", NULL, 0, INT64_MAX},
        {"patch", OPTION_INT, &o->patch, "K",
         "default patch window of readers: 1, 2, 4 or 8 (2); latents are stored whole",
         NULL, 1, 8},
    };

    _Static_assert(sizeof(options) ==
                       (N_TEXT_OPTIONS - N_TOKENIZER_OPTIONS - 1) * sizeof(*options),
                   "its number");
    *list++ = (struct option){.type = OPTION_HEADING, .help = "Text"};
    tokenizer_options_list(&o->tokenizer, list);
    memcpy(list + N_TOKENIZER_OPTIONS, options, sizeof(options));
}

int text_options_check(const struct text_options *o)
{
    if (o->patch == 1 || o->patch == 2 || o->patch == 4 || o->patch == 8)
        return OPTIONS_OK;
    usage_error("--patch %lld: must be 1, 2, 4 or 8", (long long)o->patch);
    return OPTIONS_WRONG;
}
