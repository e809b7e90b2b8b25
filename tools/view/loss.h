/* SPDX-License-Identifier: Apache-2.0
 * tools/view/loss.h - samples that damage has cost, told together: one line for those
 * that are lost one after the other for one reason. */
#ifndef TOOLS_VIEW_LOSS_H
#define TOOLS_VIEW_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "shard/reader.h"

/* Not told yet. All zero: none. */
struct loss {
    uint64_t n;
    char *why;          /* with the shard's path */
    char *first, *last; /* "NAME KEY, index I"; NULL: the index does not name it */
};

/* Whether a sample lost for `why` is one more of these. */
bool loss_fits(const struct loss *loss, const char *why);

/* Adds `record`, as well as the shard's index names it, for a `why` that fits. Returns 0,
 * or -1 where memory is short: then nothing is left to tell. */
int loss_add(struct loss *loss, const char *why, const struct shard_record *record);

/* Gives how many and which, a line for a person, or NULL where memory is short. `names`
 * says what names them all. For n > 0. */
char *loss_text(const struct loss *loss, const char *names);

void loss_clear(struct loss *loss);

#endif
