/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/run_options.h"

#include <string.h>

static const char *const damaged_names[] = {"fail", "keep", NULL};

struct run_options run_options_default(void)
{
    return (struct run_options){.batch = RUN_DEFAULT_BATCH, .grace = 10};
}

void run_options_list(struct run_options *o, struct option list[N_RUN_OPTIONS])
{
    const struct option options[] = {
        {.type = OPTION_HEADING, .help = "Running"},
        {"workers", OPTION_INT, &o->workers, "N",
         "encoding threads (what affinity, cgroup and Slurm allow)", NULL, 1, 1024},
        {"batch", OPTION_INT, &o->batch, "N", "images a worker encodes at once (4)", NULL,
         1, 64},
        {"redo", OPTION_FLAG, &o->redo, NULL,
         "do the given inputs again, also where they are complete", NULL, 0, 0},
        {"retry-failed", OPTION_FLAG, &o->retry_failed, NULL,
         "do damaged and rejected inputs again", NULL, 0, 0},
        {"same-input", OPTION_FLAG, &o->same_input, NULL,
         "take '-', a FIFO or another command for what a finished input was made from",
         NULL, 0, 0},
        {"check-inputs", OPTION_FLAG, &o->check_inputs, NULL,
         "read the files of finished inputs whole, to see that they are the same", NULL,
         0, 0},
        {"damaged", OPTION_CHOICE, OPTION_ENUM(o->damaged), NULL,
         "exit status for a damaged input: 42, or 0 (fail)", damaged_names, 0, 0},
        {"grace", OPTION_INT, &o->grace, "S",
         "stopped by a signal, finish inputs in hand if that takes less than S seconds "
         "(10)",
         NULL, 0, 1000000},
        {"log", OPTION_STRING, &o->log, "FILE",
         "append events and, every 30 seconds, progress as JSON lines", NULL, 0, 0},
        {"quiet", OPTION_FLAG, &o->quiet, NULL, "no progress and no final report", NULL,
         0, 0},
    };

    _Static_assert(sizeof(options) == N_RUN_OPTIONS * sizeof(*options), "its number");
    memcpy(list, options, sizeof(options));
}
