/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/workers.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int least(int a, int b)
{
    return b > 0 && b < a ? b : a;
}

static int by_affinity(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return CPU_COUNT(&set);
    return (int)sysconf(_SC_NPROCESSORS_ONLN); /* more than CPU_SETSIZE processors */
}

/* Processors that "quota period" of a cpu.max file allows, rounded up; 0: no limit. */
static int by_cpu_max(const char *path)
{
    FILE *f = fopen(path, "re");
    long quota, period;
    int n = 0;

    if (f && fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
        n = (int)((quota + period - 1) / period);
    if (f)
        fclose(f);
    return n;
}

/* The limits of this process's cgroup (version 2) and of all above it. */
static int by_cgroup(int n)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[1024], path[1200];

    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        for (char *end = line + strlen(line); end > line + 2; end--) {
            if (*end != '/' && *end != '\0')
                continue;
            *end = '\0';
            snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", line + 3);
            n = least(n, by_cpu_max(path));
        }
    }
    if (f)
        fclose(f);
    return n;
}

int workers_allowed(void)
{
    const char *slurm = getenv("SLURM_CPUS_PER_TASK");
    int n = by_cgroup(by_affinity());

    if (slurm)
        n = least(n, (int)strtol(slurm, NULL, 10));
    return n > 0 ? n : 1;
}
