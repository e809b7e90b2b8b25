/* SPDX-License-Identifier: Apache-2.0
 * tools/cli/data_set_report.h - what a data set lacks, in words, for all commands. */
#ifndef TOOLS_CLI_DATA_SET_REPORT_H
#define TOOLS_CLI_DATA_SET_REPORT_H

#include "tools/store/data_set.h"

/* A warning on stderr for each thing that it lacks or has unfinished. The package says
 * the same. */
void data_set_report(const struct data_set *d);

/* Finds and reports it, also that it has no samples. Returns 0; EXIT_USAGE: there is
 * nothing of a data set; or EXIT_FAILED: not all of the folder can be read (the rest is
 * in *d), or memory is short. Both are explained. Gives *d, release with data_set_clear()
 * in any case. */
int data_set_look(struct data_set *d, const char *folder);

#endif
