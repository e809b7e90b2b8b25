/* SPDX-License-Identifier: Apache-2.0
 * tools/run/input_list.h - the inputs that operands name: paths, `-`, brace patterns,
 * `@list.txt`, `pipe:COMMAND`. */
#ifndef TOOLS_RUN_INPUT_LIST_H
#define TOOLS_RUN_INPUT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/run/input.h"

struct list_file;

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

#endif
