/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_unit.h - one unit, from its shard to its manifest. */
#ifndef TOOLS_EXPORT_EXPORT_UNIT_H
#define TOOLS_EXPORT_EXPORT_UNIT_H

#include "tools/export/export_run.h"

/* What became of a unit. */
enum export_end {
    EXPORT_DONE,
    EXPORT_LOSSY,   /* done, but samples were lost: they are in the manifest */
    EXPORT_FAILED,  /* said on stderr */
    EXPORT_STOPPED, /* by a signal */
};

/* What tells a shard from others that had its name. Returns a reader's status. */
int export_fingerprint(char hex[EXPORT_FINGERPRINT_CAP], struct shard_reader *r);

/* Does one unit from its shard to its manifest, on a worker's thread. */
enum export_end export_unit_run(struct export_run *run, const struct export_unit *u);

#endif
