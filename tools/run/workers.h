/* SPDX-License-Identifier: Apache-2.0
 * tools/run/workers.h - how many processors this process may use. */
#ifndef TOOLS_RUN_WORKERS_H
#define TOOLS_RUN_WORKERS_H

/* The least of what the affinity mask, the cgroup's cpu.max and SLURM_CPUS_PER_TASK
 * allow; at least 1. */
int workers_allowed(void);

#endif
