/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_signals.c - a signal ends what is measured; folders go as after any
 * failed run, since nothing but a flag is set in the handler.
 *
 * `prepare`, run as a child, is killed: it has nothing that is worth keeping. */
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "tools/bench/bench_section.h"
#include "tools/cli/print.h"

static atomic_bool stopped;
static atomic_int child;

static void stop(int signal)
{
    pid_t pid = atomic_load(&child);

    (void)signal;
    atomic_store(&stopped, true);
    if (pid > 0)
        kill(pid, SIGKILL);
}

void bench_stop_on_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
    struct sigaction action = {.sa_handler = stop}, hangup;

    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        sigaction(signals[i], &action, NULL);
    /* nohup ignores it for us. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

bool bench_stopped(void)
{
    return atomic_load(&stopped);
}

void bench_set_child(pid_t pid)
{
    atomic_store(&child, pid);
    if (pid > 0 && bench_stopped())
        kill(pid, SIGKILL);
}

json_t *bench_fail(const char *fmt, ...)
{
    va_list ap;

    if (bench_stopped())
        return NULL;
    va_start(ap, fmt);
    print_error_line(fmt, ap);
    va_end(ap);
    return NULL;
}
