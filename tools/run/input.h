/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input.h - an input of `prepare`: a path, `-`, or `pipe:COMMAND`; and its
 * NAME, which its outputs are called by. */
#ifndef TOOLS_RUN_INPUT_H
#define TOOLS_RUN_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/readers.h"

enum input_kind { INPUT_PATH, INPUT_STDIN, INPUT_PIPE };

struct input {
    enum input_kind kind;
    const struct reader *reader; /* of what is in it */
    char *text;                  /* the path, "-", or the command behind "pipe:" */
    char *name;                  /* NAME: may hold '/' with --name-depth above 1 */
    bool regular;                /* a regular file, whose size is known: */
    uint64_t bytes;              /* its size */
    const char *list; /* the list it stands in, lent by the operand; NULL: none */
    size_t line;
};

/* What stands before `text` on the command line: "pipe:" or nothing. */
const char *input_prefix(const struct input *in);

/* Explains on stderr and returns false where `name` cannot be a NAME: it must be UTF-8
 * without control characters, no component empty, "." or "..", not ending in '+' and five
 * digits or '~' and eight hexadecimal ones. */
bool input_name_check(const char *name);

/* Length of `file` without what says who reads it and how it is compressed. *reader is
 * the one of the table's n whose suffix is the longest there, the first one where none
 * is. */
size_t input_stem_length(const char *file, const struct reader *const *table, size_t n,
                         const struct reader **reader);

#endif
