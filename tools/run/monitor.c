/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/cli/exit_code.h"

static const int stop_signals[] = {SIGINT, SIGTERM, SIGUSR1, SIGHUP};
enum { N_STOP_SIGNALS = sizeof(stop_signals) / sizeof(*stop_signals) };

/* nohup ignores SIGHUP for us. A shell ignores SIGINT for what it starts in the
 * background, but not to say that nothing may stop it. */
static bool is_ours(int signal)
{
    struct sigaction now;

    return signal != SIGHUP || sigaction(signal, NULL, &now) != 0 ||
           now.sa_handler != SIG_IGN;
}

static void fill_stop_signals(sigset_t *set)
{
    sigemptyset(set);
    for (int i = 0; i < N_STOP_SIGNALS; i++)
        if (is_ours(stop_signals[i]))
            sigaddset(set, stop_signals[i]);
}

static void handle_stop_signals(void (*handler)(int))
{
    for (int i = 0; i < N_STOP_SIGNALS; i++)
        if (is_ours(stop_signals[i]))
            signal(stop_signals[i], handler);
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

    handle_stop_signals(exit_interrupted);
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
    handle_stop_signals(SIG_DFL);
}

/* Schedulers signal a process and then its group; nobody presses twice so soon. */
enum { TWICE_MS = 100, LOOK_MS = 100 };

/* Takes all signals that are waiting; returns the first. */
static unsigned take_signals(const struct monitor *m)
{
    struct pollfd fd = {.fd = m->signal_fd, .events = POLLIN};
    struct signalfd_siginfo info;
    unsigned first = 0;

    while (poll(&fd, 1, 0) > 0 &&
           read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        first = first ? first : info.ssi_signo;
    return first;
}

static void say_signal(struct monitor *m)
{
    m->progress_end(m->shared);
    fprintf(stderr, "stopping: signal %u\n", take_signals(m));
    atomic_store(&m->stopped, true);
    poll(NULL, 0, TWICE_MS);
    take_signals(m);
}

/* From here on one ends the process. */
static void unblock_interrupt(void)
{
    sigset_t interrupt;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
}

/* Schedulers kill what has not ended some 30 s after their signal. After stop() there are
 * at least STOP_MS. */
enum { LEAVE_MS = 20000, STOP_MS = 10000 };

/* All waits have been ended, but a large image may still be in hand. What is published is
 * complete at any instant, so there is no need to wait for longer than schedulers do. */
static void leave(void)
{
    static const char text[] =
        "stopping: still at work; run the same command again, which removes the "
        "temporaries\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)ignored;
    _exit(EXIT_INTERRUPTED);
}

/* Gives the work in hand so long. Returns whether the run has ended. */
static bool wait_for_work(const struct monitor *m, struct pollfd *fds, int ms)
{
    for (; ms > 0 && m->finishing(m->shared); ms -= LOOK_MS) {
        poll(fds, 2, ms < LOOK_MS ? ms : LOOK_MS);
        if (fds[0].revents)
            return true;
        if (fds[1].revents)
            break;
    }
    take_signals(m);
    return false;
}

/* A signal has come. */
static void end_run(struct monitor *m, struct pollfd *fds)
{
    const int finish_ms = m->finish ? m->finish(m->shared) : 0;
    const int rest_ms = LEAVE_MS - finish_ms;

    if (finish_ms > 0 && wait_for_work(m, fds, finish_ms))
        return;
    unblock_interrupt();
    m->stop(m->shared);
    if (poll(fds, 1, rest_ms > STOP_MS ? rest_ms : STOP_MS) == 0)
        leave();
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
    say_signal(m);
    end_run(m, fds);
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
