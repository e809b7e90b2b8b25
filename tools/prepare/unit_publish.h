/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/unit_publish.h - the end of a unit: its manifest, or nothing. */
#ifndef TOOLS_PREPARE_UNIT_PUBLISH_H
#define TOOLS_PREPARE_UNIT_PUBLISH_H

#include <stdbool.h>

#include "tools/cli/run_options.h"
#include "tools/prepare/unit.h"

/* Ends the unit: publishes it or drops it. Returns an enum unit_end, or -1 after
 * job_fail(). */
int unit_finish(struct unit *u, struct job *job);

/* Whether a unit that has ended so makes the exit status 42. */
bool unit_end_is_bad(const struct unit *u, enum unit_end end,
                     const struct run_options *o);

#endif
