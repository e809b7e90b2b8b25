/* SPDX-License-Identifier: Apache-2.0
 * interpose.so - what a test wants of a program's system calls, before they are made.
 *
 *     LD_PRELOAD=interpose.so GATE=PREFIX latentmill ...
 *         The first rename() makes PREFIX.rename.ready and waits for PREFIX.rename.go; so
 *         does the first link(). With GATE_AT=/a/b: the first from a path that begins so.
 *     LD_PRELOAD=interpose.so FAULT="mkdir /a/b 28" latentmill ...
 *         mkdir() of that path fails with errno 28; also stat, access, open and statvfs.
 *     LD_PRELOAD=interpose.so NO_LINKS=1 NO_NOREPLACE=22 latentmill ...
 *         Each link() fails with errno 1, each renameat2() with errno 22.
 *     LD_PRELOAD=interpose.so KILL=3 latentmill ...
 *         It is killed before its third change of a folder: an open() that may create, a
 *         link(), rename(), renameat2(), unlink(), mkdir() or rmdir().
 *     LD_PRELOAD=interpose.so ROOM=4096 latentmill ...
 *         statvfs() finds so many bytes free.
 *     LD_PRELOAD=interpose.so OPENDIR_LOG=FILE latentmill ...
 *         Each opendir() appends a line with its path. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* The C library's own. */
#define NEXT(call) ((__typeof__(&call))dlsym(RTLD_NEXT, #call))

static void wait_at_gate(const char *call, const char *from, atomic_flag *passed)
{
    const char *prefix = getenv("GATE"), *at = getenv("GATE_AT");
    const struct timespec pause = {.tv_nsec = 5000000};
    char path[4096];
    int fd;

    if (!prefix || (at && strncmp(from, at, strlen(at)) != 0) ||
        atomic_flag_test_and_set(passed))
        return;
    snprintf(path, sizeof(path), "%s.%s.ready", prefix, call);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
    snprintf(path, sizeof(path), "%s.%s.go", prefix, call);
    while (NEXT(access)(path, F_OK) != 0)
        nanosleep(&pause, NULL);
}

static int fails(const char *call, const char *path)
{
    const char *fault = getenv("FAULT");
    char wanted[4096];
    int n;

    if (!fault)
        return 0;
    n = snprintf(wanted, sizeof(wanted), "%s %s ", call, path);
    if (n >= (int)sizeof(wanted) || strncmp(fault, wanted, (size_t)n) != 0)
        return 0;
    errno = (int)strtol(fault + n, NULL, 10);
    return -1;
}

/* Whether the variable `name` says that its call fails. */
static int is_unknown(const char *name)
{
    const char *value = getenv(name);

    if (value)
        errno = (int)strtol(value, NULL, 10);
    return value != NULL;
}

static void count_change(void)
{
    static atomic_long n;
    const char *at = getenv("KILL");

    if (at && atomic_fetch_add(&n, 1) + 1 == strtol(at, NULL, 10))
        raise(SIGKILL);
}

int rename(const char *from, const char *to)
{
    static atomic_flag passed = ATOMIC_FLAG_INIT;

    wait_at_gate("rename", from, &passed);
    count_change();
    return NEXT(rename)(from, to);
}

int link(const char *from, const char *to)
{
    static atomic_flag passed = ATOMIC_FLAG_INIT;

    wait_at_gate("link", from, &passed);
    count_change();
    return is_unknown("NO_LINKS") ? -1 : NEXT(link)(from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    count_change();
    return is_unknown("NO_NOREPLACE")
               ? -1
               : NEXT(renameat2)(from_dir, from, to_dir, to, flags);
}

int unlink(const char *path)
{
    count_change();
    return NEXT(unlink)(path);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    if (flags & O_CREAT) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
        count_change();
    }
    return fails("open", path) ? -1 : NEXT(open)(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    count_change();
    return fails("mkdir", path) ? -1 : NEXT(mkdir)(path, mode);
}

int rmdir(const char *path)
{
    count_change();
    return NEXT(rmdir)(path);
}

int stat(const char *restrict path, struct stat *restrict st)
{
    return fails("stat", path) ? -1 : NEXT(stat)(path, st);
}

int access(const char *path, int mode)
{
    return fails("access", path) ? -1 : NEXT(access)(path, mode);
}

int statvfs(const char *restrict path, struct statvfs *restrict fs)
{
    const char *room = getenv("ROOM");
    int rc = fails("statvfs", path) ? -1 : NEXT(statvfs)(path, fs);

    if (rc == 0 && room) {
        fs->f_frsize = 1;
        fs->f_bavail = strtoul(room, NULL, 10);
    }
    return rc;
}

DIR *opendir(const char *path)
{
    const char *log = getenv("OPENDIR_LOG");
    FILE *f = log ? fopen(log, "ae") : NULL;

    if (f) {
        fprintf(f, "%s\n", path);
        fclose(f);
    }
    return NEXT(opendir)(path);
}
