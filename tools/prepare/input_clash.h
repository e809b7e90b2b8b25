/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/input_clash.h - an input that stands where the run writes: it would be
 * replaced or removed before it is read, or while it is. */
#ifndef TOOLS_PREPARE_INPUT_CLASH_H
#define TOOLS_PREPARE_INPUT_CLASH_H

#include "tools/run/input_list.h"

/* Of the paths in the list, whose units go to the folder `out`, and of `log` (NULL:
 * none), to which lines are appended. Returns 0, or EXIT_USAGE or EXIT_FAILED after
 * explaining on stderr. */
int input_clash_check(const struct input_list *list, const char *out, const char *log);

#endif
