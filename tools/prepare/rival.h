/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/rival.h - another process has published a unit of the same NAME
 * meanwhile.
 *
 * Was it made from the same input, then the work is done, whoever did it. If not, this
 * unit fails. Files are renamed before a manifest is put, so two processes can also
 * have replaced each other's: where the files that the manifest names are not all there,
 * it is taken away, and the unit is unfinished again. */
#ifndef TOOLS_PREPARE_RIVAL_H
#define TOOLS_PREPARE_RIVAL_H

#include <jansson.h>

#include "tools/prepare/job.h"
#include "tools/store/publish.h"
#include "tools/prepare/unit.h"

/* Before the input is read, on the reader's thread: sets u->taken, or u->failure, or
 * neither where there is no manifest. Returns 0 or INGEST_ENOMEM. */
int rival_meet_unread(struct unit *u, struct job *job);

/* After the unit was written; `files` are its own. `result` is what its manifest would
 * have said, where its files were renamed over the other's; else NULL. Returns
 * UNIT_TAKEN, UNIT_FAILED with u->failure, or -1 after job_fail(). */
int rival_meet(struct unit *u, struct job *job, struct publication *files,
               const json_t *result);

/* Another process has removed this unit's temporaries, or its own manifest: nothing of
 * this one is published. Returns UNIT_FAILED with u->failure, or -1 after job_fail(). */
int rival_lost(struct unit *u, struct job *job);

/* The unit was published with `result`, but has another's file. Returns `end` where that
 * has the same bytes, else as rival_meet(). */
int rival_check_own(struct unit *u, struct job *job, struct publication *files,
                    const json_t *result, enum unit_end end);

#endif
