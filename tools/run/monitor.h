/* SPDX-License-Identifier: Apache-2.0
 * tools/run/monitor.h - the thread that waits for signals and shows progress.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGUSR1 (which Slurm sends ahead of a time limit) stop the
 * run: it may finish what it has in hand, for a stated time or until another signal
 * comes; then every wait is woken, and units in hand are dropped. A SIGINT meanwhile ends
 * the process at once. A signal that comes twice within a moment, as to a process and to
 * its group, is one. Before the run no unit is in hand, and each of them ends the
 * process. A SIGHUP that was ignored at the start, as under nohup, stays so. */
#ifndef TOOLS_RUN_MONITOR_H
#define TOOLS_RUN_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct monitor {
    /* A signal has come: begin nothing new. Returns for how many milliseconds the run may
     * go on until stop(). NULL: for none. */
    int (*finish)(void *shared);
    bool (*finishing)(void *shared);    /* whether there is still something to wait for */
    void (*stop)(void *shared);         /* end every wait. Called once */
    void (*progress)(void *shared);     /* once a second; NULL: nobody looks */
    void (*progress_end)(void *shared); /* before something is said on stderr */
    void *shared;
    int signal_fd, done_fd;
    atomic_bool stopped; /* a signal has come */
    pthread_t thread;
    bool running;
};

/* From here on the signals end the process with EXIT_INTERRUPTED, whatever it waits for;
 * SIGPIPE and SIGXFSZ are ignored. Call first of all. */
void monitor_exit_on_signals(void);

/* Blocks the signals in this thread and those it starts, so that the monitor alone gets
 * them. Call before the first thread starts. */
void monitor_block_signals(void);

/* Starts the thread. Returns 0 or an errno. */
int monitor_start(struct monitor *m);

/* Ends it. Accepts a monitor that was never started. */
void monitor_stop(struct monitor *m);

#endif
