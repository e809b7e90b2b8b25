/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input.h - what the operands of `prepare` name: paths, `-`, brace patterns,
 * `@list.txt`, `pipe:COMMAND`; and each input's NAME, which its outputs are called by. */
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

struct list_file;

/* What stands before `text` on the command line: "pipe:" or nothing. */
const char *input_prefix(const struct input *in);

struct input_list {
    struct input *inputs;
    size_t n, cap;
    uint64_t text_bytes;             /* of all texts */
    const struct list_file *reading; /* while its lines are added */
};

struct input_options {
    const char *name; /* --name, NULL: from the path. A brace pattern names several */
    int name_depth;   /* --name-depth: how many components of the path make NAME */
    int format;       /* --input-format: 0 by the path's suffix, else 1 + the
                       * position in `readers` */
};

/* Expands the operands into *list (release with input_list_free(), also on failure) and
 * checks every NAME and every path. Returns 0, or EXIT_USAGE or EXIT_FAILED after
 * explaining on stderr. */
int input_list_expand(struct input_list *list, int n, char **operands,
                      const struct input_options *options);
void input_list_free(struct input_list *list);

/* Whether samples of one of the inputs may have images, or cannot have any. */
bool input_list_has(const struct input_list *list, bool images);

/* Explains on stderr and returns false where `name` cannot be a NAME: it must be UTF-8
 * without control characters, no component empty, "." or "..", not ending in '+' and five
 * digits. */
bool input_name_check(const char *name);

#endif
