/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/run_options.h - what alters no record: where shards go, how a run works, and
 * which inputs it does again. None of it is in the configuration. */
#ifndef TOOLS_CLI_RUN_OPTIONS_H
#define TOOLS_CLI_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/cli/options.h"

enum { RUN_DEFAULT_BATCH = 4 };
enum damaged_input { DAMAGED_FAIL, DAMAGED_KEEP };

/* Strings are argv's. */
struct run_options {
    const char *out;
    int64_t workers; /* 0: what the machine allows */
    int64_t batch;
    bool redo;
    bool retry_failed;
    bool same_input;            /* where it cannot be compared with an earlier run's */
    bool check_inputs;          /* compare all of it */
    enum damaged_input damaged; /* whether it makes the exit status 42 */
    int64_t grace;              /* seconds that units in hand may take after a signal */
    const char *log;
    bool quiet;
};

struct run_options run_options_default(void);

/* Fills the list with the options that write to *o, under their heading; --out, which
 * stands before all headings, is not among them. */
enum { N_RUN_OPTIONS = 11 };
void run_options_list(struct run_options *o, struct option list[N_RUN_OPTIONS]);

#endif
