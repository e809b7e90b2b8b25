/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/exit_code.h"

static const int stop_signals[] = {SIGINT, SIGTERM, SIGUSR1};
enum { N_STOP_SIGNALS = sizeof(stop_signals) / sizeof(*stop_signals) };

static void fill_stop_signals(sigset_t *set)
{
    sigemptyset(set);
    for (int i = 0; i < N_STOP_SIGNALS; i++)
        sigaddset(set, stop_signals[i]);
}

static void exit_interrupted(int signal)
{
    static const char text[] = "stopping: signal; run the same command again to go on\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)signal;
    (void)ignored;
    _exit(EXIT_INTERRUPTED);
}

void monitor_exit_on_signals(void)
{
    sigset_t set;

    for (int i = 0; i < N_STOP_SIGNALS; i++)
        signal(stop_signals[i], exit_interrupted);
    fill_stop_signals(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond ulimit -f is an error like a full disk */
}

void monitor_block_signals(void)
{
    sigset_t set;

    fill_stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < N_STOP_SIGNALS; i++)
        signal(stop_signals[i], SIG_DFL);
}

static void stop_run(struct monitor *m)
{
    struct signalfd_siginfo info;
    sigset_t interrupt;

    if (read(m->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    m->progress_end(m->shared);
    fprintf(stderr, "stopping: signal %u; run the same command again to go on\n",
            info.ssi_signo);
    atomic_store(&m->stopped, true);
    m->stop(m->shared);
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
}

enum { GRACE_MS = 20000 };

/* All waits have been ended, but a large image may still be in hand. What is published is
 * complete at any instant, so there is no need to wait for longer than schedulers do. */
static void leave(void)
{
    static const char text[] =
        "stopping: still at work after 20 s; temporaries are left to the next run\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)ignored;
    _exit(EXIT_INTERRUPTED);
}

static void *monitor_main(void *arg)
{
    struct monitor *m = arg;
    struct pollfd fds[] = {{.fd = m->done_fd, .events = POLLIN},
                           {.fd = m->signal_fd, .events = POLLIN}};

    for (;;) {
        poll(fds, 2, m->progress ? 1000 : -1);
        if (fds[0].revents)
            return NULL;
        if (fds[1].revents)
            break;
        if (m->progress)
            m->progress(m->shared);
    }
    stop_run(m);
    if (poll(fds, 1, GRACE_MS) == 0)
        leave();
    return NULL;
}

int monitor_start(struct monitor *m)
{
    sigset_t set;

    fill_stop_signals(&set);
    m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (m->signal_fd < 0)
        return errno;
    m->done_fd = eventfd(0, EFD_CLOEXEC);
    if (m->done_fd < 0)
        return errno;
    const int rc = pthread_create(&m->thread, NULL, monitor_main, m);
    m->running = rc == 0;
    return rc;
}

void monitor_stop(struct monitor *m)
{
    if (m->running) {
        eventfd_write(m->done_fd, 1);
        pthread_join(m->thread, NULL);
    }
    if (m->signal_fd > 0)
        close(m->signal_fd);
    if (m->done_fd > 0)
        close(m->done_fd);
    m->running = false;
}
