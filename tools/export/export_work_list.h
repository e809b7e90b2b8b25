/* SPDX-License-Identifier: Apache-2.0
 * tools/export/export_work_list.h - what is to be exported, and whether it goes together.
 */
#ifndef TOOLS_EXPORT_EXPORT_WORK_LIST_H
#define TOOLS_EXPORT_EXPORT_WORK_LIST_H

#include "tools/export/export_run.h"

/* Opens the view. Returns 0 or an exit code after explaining. */
int export_open_view(struct export_run *run);
/* Opens every shard, refuses what does not go together, and leaves in run->units what is
 * to be done. Returns 0 or an exit code after explaining. */
int export_work_list_make(struct export_run *run, char **paths, size_t n_paths);
/* Removes temporaries of the units that are complete now. */
void export_work_list_sweep(const struct export_run *run);
void export_work_list_free(struct export_run *run);

#endif
