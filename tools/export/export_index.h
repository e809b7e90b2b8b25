/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_index.h - the file over all units of a folder. */
#ifndef TOOLS_EXPORT_EXPORT_INDEX_H
#define TOOLS_EXPORT_EXPORT_INDEX_H

#include "tools/export/export_run.h"

/* Writes the index over all units that the folder has. Returns 0, or -1 after
 * explaining. */
int export_index_write(const struct export_run *run);

#endif
