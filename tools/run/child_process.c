/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WAIT_MS = 5,
    N_STREAMS = 3,
    N_GIVEN,           /* and memory */
    ABOVE_STREAMS = 10 /* where descriptors wait that dup2() must not overwrite */
};

/* What the child gets, and the pipe that ends, empty, when it has exec'ed. */
struct spawn {
    char *const *argv;
    int fds[N_GIVEN]; /* by their numbers in the child; -1: /dev/null, ours or none */
    int report;
    pid_t parent;
    int n_descriptors; /* that may be open */
};

/* From here to exec_child() it is a copy of one thread of ours: only calls that are safe
 * in a signal handler. */

static void report_and_exit(const struct spawn *s)
{
    const int error = errno;
    ssize_t ignored = write(s->report, &error, sizeof(error));

    (void)ignored;
    _exit(127);
}

static void keep_descriptors(struct spawn *s)
{
    int *const mine[] = {&s->fds[0], &s->fds[1], &s->fds[2], &s->fds[3], &s->report};

    for (size_t i = 0; i < sizeof(mine) / sizeof(*mine); i++) {
        if (*mine[i] < 0)
            continue;
        *mine[i] = fcntl(*mine[i], F_DUPFD_CLOEXEC, ABOVE_STREAMS);
        if (*mine[i] < 0)
            report_and_exit(s);
    }
    for (int i = 0; i < N_GIVEN; i++)
        if (s->fds[i] >= 0 && dup2(s->fds[i], i) < 0)
            report_and_exit(s);
}

/* What is behind those that it is given closes at exec. */
static void close_others(const struct spawn *s)
{
    const int first = s->fds[N_STREAMS] >= 0 ? N_GIVEN : N_STREAMS;
#ifdef SYS_close_range
    const unsigned at_exec = 1u << 2; /* CLOSE_RANGE_CLOEXEC */

    if (syscall(SYS_close_range, (unsigned)first, ~0u, at_exec) == 0)
        return;
#endif
    for (int fd = first; fd < s->n_descriptors; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void reset_signals(void)
{
    struct sigaction now;
    sigset_t none;

    for (int i = 1; i < SIGRTMIN; i++) {
        const bool ignored = sigaction(i, NULL, &now) == 0 && now.sa_handler == SIG_IGN;

        /* nohup's stays; SIGPIPE and SIGXFSZ we ignore for ourselves. */
        if (!ignored || i == SIGPIPE || i == SIGXFSZ)
            signal(i, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void exec_child(struct spawn *s)
{
    setpgid(0, 0);
    /* Who has ended before that sends nothing any more. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != s->parent)
        _exit(127);
    if (s->fds[0] < 0)
        s->fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    keep_descriptors(s);
    close_others(s);
    reset_signals();
    execvp(s->argv[0], s->argv);
    report_and_exit(s);
    _exit(127);
}

/* Waits until the child has exec'ed. Returns 0, or the errno that it reports. */
static int read_report(int fd)
{
    int error = 0;
    ssize_t n;

    do
        n = read(fd, &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(error) ? error : 0;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A signal handler of ours must not run in the child: none is taken on the way. */
static int fork_child(struct child_process *c, struct spawn *s)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    c->pid = fork();
    if (c->pid == 0)
        exec_child(s);
    const int error = c->pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        c->pid = 0;
#ifdef SYS_pidfd_open
    else
        c->gone = (int)syscall(SYS_pidfd_open, c->pid, 0);
#endif
    return error;
}

static int make_pipe(int *ours, int *childs, bool child_reads)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    *ours = ends[child_reads];
    *childs = ends[!child_reads];
    return 0;
}

int child_process_start(struct child_process *c, char *const argv[],
                        const struct child_streams *streams)
{
    struct rlimit limit;
    struct spawn s = {.argv = argv, .fds = {-1, -1, -1, -1}, .report = -1};
    int report = -1, rc;

    *c = (struct child_process){.in = -1, .out = -1, .err = -1, .gone = -1};
    s.parent = getpid();
    if (streams->memory > 0)
        s.fds[N_STREAMS] = streams->memory;
    s.n_descriptors = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20
                          ? (int)limit.rlim_cur
                          : 1 << 20;
    rc = make_pipe(&report, &s.report, false);
    if (rc == 0 && streams->in)
        rc = make_pipe(&c->in, &s.fds[0], true);
    if (rc == 0)
        rc = make_pipe(&c->out, &s.fds[1], false);
    if (rc == 0 && streams->err)
        rc = make_pipe(&c->err, &s.fds[2], false);
    if (rc == 0)
        rc = fork_child(c, &s);
    for (int i = 0; i < N_STREAMS; i++)
        close_end(&s.fds[i]);
    close_end(&s.report);
    if (rc == 0)
        rc = read_report(report);
    close_end(&report);
    if (rc != 0)
        child_process_stop(c, 0);
    return rc;
}

bool child_process_reap(struct child_process *c, int *status)
{
    pid_t pid;

    if (c->pid <= 0)
        return false;
    while ((pid = waitpid(c->pid, status, WNOHANG)) < 0 && errno == EINTR)
        ;
    if (pid == 0)
        return false;
    if (pid < 0)
        *status = 127 << 8; /* nobody knows */
    c->pid = 0;
    return true;
}

/* Leaves it unreaped: until then nobody else has its number. */
bool child_process_has_ended(const struct child_process *c, int *status)
{
    siginfo_t info = {.si_pid = 0};

    if (c->pid <= 0)
        return false;
    *status = 127 << 8; /* nobody knows */
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT | WNOHANG) != 0)
        return true;
    *status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status;
    return info.si_pid != 0;
}

static void wait_gone(const struct child_process *c, int ms)
{
    int status;

    for (; !child_process_has_ended(c, &status) && ms > 0; ms -= WAIT_MS)
        poll(NULL, 0, WAIT_MS);
}

void child_process_stop(struct child_process *c, int grace_ms)
{
    int status;

    close_end(&c->in);
    if (c->pid > 0) {
        if (grace_ms > 0 && !child_process_has_ended(c, &status)) {
            kill(-c->pid, SIGTERM);
            wait_gone(c, grace_ms);
        }
        kill(-c->pid, SIGKILL);
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
            ;
        c->pid = 0;
    }
    close_end(&c->out);
    close_end(&c->err);
    close_end(&c->gone);
}
