/* SPDX-License-Identifier: Apache-2.0
 * tools/run/child_process.h - programs that work for this one: start them, stop them.
 *
 * A child leads a process group of its own, has none of our descriptors but those that it
 * is given, no signal blocked and SIGPIPE as it is at first. Linux kills it (not what it
 * has started) when the *thread* that started it ends: start children on a thread that
 * lives as long as they shall. */
#ifndef TOOLS_RUN_CHILD_PROCESS_H
#define TOOLS_RUN_CHILD_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct child_process {
    pid_t pid;        /* 0: none */
    int in, out, err; /* our ends of its standard streams; -1: none */
    int gone;         /* readable once it has ended; -1: this Linux has no such thing */
};

struct child_streams {
    bool in;    /* a pipe; else it reads nothing */
    bool err;   /* a pipe; else it has ours */
    int memory; /* of ours, which becomes its descriptor 3; 0: none */
};

/* Looks argv[0] up in PATH. Returns 0 or an errno, of exec too; *c is then empty. */
int child_process_start(struct child_process *c, char *const argv[],
                        const struct child_streams *streams);

/* Whether it has ended; if so *status is as waitpid()'s, and *c is empty but for its
 * streams. Does not wait. */
bool child_process_reap(struct child_process *c, int *status);

/* The same, but leaves it to child_process_stop(), which also kills what it has left
 * behind in its group. */
bool child_process_has_ended(const struct child_process *c, int *status);

/* Closes its standard input and asks it to end; after grace_ms it and its whole group are
 * killed. Waits until it is gone, and closes our ends. Accepts an empty one. */
void child_process_stop(struct child_process *c, int grace_ms);

#endif
