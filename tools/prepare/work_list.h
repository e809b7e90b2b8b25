/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/work_list.h - which of the inputs are to be done, judged by the
 * manifests there are.
 */
#ifndef TOOLS_PREPARE_WORK_LIST_H
#define TOOLS_PREPARE_WORK_LIST_H

#include <stddef.h>

#include "tools/run/input_list.h"
#include "tools/prepare/console.h"
#include "tools/cli/run_options.h"
#include "tools/prepare/unit.h"

struct work_list {
    struct unit *units; /* to be done, in the order given */
    size_t n_units;
    struct finished_before before;
};

/* Sweeps old temporaries, reads the manifests of `inputs` (kept) and, where the options
 * say so, withdraws those to be redone. A finished unit whose input is another one now
 * (identity.h, `limit` is --limit), or whose shards or rejects are gone, is EXIT_USAGE,
 * explained. Returns 0, EXIT_USAGE or EXIT_FAILED. Release with work_list_free(). */
int work_list_make(struct work_list *list, const struct input_list *inputs,
                   const struct run_options *o, int64_t limit);

/* At the end of a run: removes the temporaries of units that are complete now, which an
 * earlier run, killed, had left. */
void work_list_sweep(const struct work_list *list, const char *out);
void work_list_free(struct work_list *list);

#endif
