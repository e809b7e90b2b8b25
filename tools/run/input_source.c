/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/input_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ingest/status.h"
#include "tools/run/child_process.h"

enum { WAIT_MS = 5 };

struct source {
    const struct input *input;
    struct ingest_source callback;
    int fd, cancel_fd;
    struct child_process child; /* its end of the pipe is fd */
    struct timespec modified;   /* of a regular file, when it was opened */
    EVP_MD_CTX *sha;
    uint64_t bytes;
    struct input_probe probe;
    char why[512];
};

static int fail(struct source *s, int status, const char *what)
{
    snprintf(s->why, sizeof(s->why), "%s: %s", s->input->text, what);
    return status;
}

/* Waits for bytes or for the cancel descriptor. */
static int wait_readable(struct source *s)
{
    struct pollfd fds[] = {{.fd = s->cancel_fd, .events = POLLIN},
                           {.fd = s->fd, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return fail(s, INGEST_EIO, strerror(errno));
        if (fds[0].revents)
            return fail(s, INGEST_CANCELLED, "cancelled");
        if (fds[1].revents)
            return INGEST_OK;
    }
}

/* Fills the whole buffer before the end of the input, so that what has been read when a
 * reader stops early does not depend on how a pipe cuts its bytes. */
static ssize_t read_bytes(void *ctx, void *buf, size_t cap)
{
    struct source *s = ctx;
    size_t len = 0;

    while (len < cap) {
        ssize_t n;
        int rc = wait_readable(s);

        if (rc != INGEST_OK)
            return rc;
        n = read(s->fd, (char *)buf + len, cap - len);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return fail(s, INGEST_EIO, strerror(errno));
        if (n > 0)
            len += (size_t)n;
    }
    if (EVP_DigestUpdate(s->sha, buf, len) != 1)
        return fail(s, INGEST_EIO, "SHA-256 failed");
    input_probe_update(&s->probe, buf, len);
    s->bytes += len;
    return (ssize_t)len;
}

static bool is_cancelled(void *ctx)
{
    const struct source *s = ctx;
    struct pollfd cancel = {.fd = s->cancel_fd, .events = POLLIN};

    return poll(&cancel, 1, 0) > 0;
}

static const char *callback_why(void *ctx)
{
    return source_why(ctx);
}

static int start_command(struct source *s)
{
    char *argv[] = {"/bin/sh", "-c", s->input->text, NULL};
    const struct child_streams streams = {.in = false, .err = false};
    const int rc = child_process_start(&s->child, argv, &streams);

    s->fd = s->child.out;
    return rc == 0 ? INGEST_OK : fail(s, INGEST_EIO, strerror(rc));
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What is read must be one file's, and of the size that the manifest will name. */
static int check_unchanged(struct source *s, bool at_start)
{
    struct stat st;
    char what[120];

    if (!s->input->regular)
        return INGEST_OK;
    if (fstat(s->fd, &st) != 0)
        return fail(s, INGEST_EIO, strerror(errno));
    if (at_start)
        s->modified = st.st_mtim;
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == s->input->bytes &&
        same_time(st.st_mtim, s->modified))
        return INGEST_OK;
    snprintf(what, sizeof(what),
             "it has changed %s (from %" PRIu64 " bytes to %" PRIu64 ")",
             at_start ? "since this run began" : "while it was read", s->input->bytes,
             (uint64_t)st.st_size);
    return fail(s, INGEST_EIO, what);
}

int source_open(struct source **out, const struct input *in, int cancel_fd)
{
    struct source *s = *out = calloc(1, sizeof(*s));

    if (!s)
        return INGEST_ENOMEM;
    s->input = in;
    s->fd = -1;
    s->cancel_fd = cancel_fd;
    s->child = (struct child_process){.in = -1, .out = -1, .err = -1, .gone = -1};
    s->callback = (struct ingest_source){
        .ctx = s,
        .read = read_bytes,
        .why = callback_why,
        .cancelled = is_cancelled,
        .name = in->kind == INPUT_PATH ? in->text : NULL,
    };
    s->sha = EVP_MD_CTX_new();
    if (!s->sha || EVP_DigestInit_ex(s->sha, EVP_sha256(), NULL) != 1)
        return fail(s, INGEST_ENOMEM, "SHA-256 could not start");
    if (in->kind == INPUT_PIPE)
        return start_command(s);
    /* A FIFO without a writer must not hold up open(): it is waited for with poll(). */
    s->fd = in->kind == INPUT_STDIN ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                    : open(in->text, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0)
        return fail(s, INGEST_EIO, strerror(errno));
    return check_unchanged(s, true);
}

const struct ingest_source *source_callback(const struct source *s)
{
    return &s->callback;
}

/* A command may go on long after it has closed its output, so this wait too must end
 * with a cancel. Looks again every few milliseconds: most commands are gone at once. */
static int wait_for_command(struct source *s, int *status)
{
    struct pollfd cancel = {.fd = s->cancel_fd, .events = POLLIN};

    while (!child_process_reap(&s->child, status))
        if (poll(&cancel, 1, WAIT_MS) > 0)
            return fail(s, INGEST_CANCELLED, "cancelled");
    return INGEST_OK;
}

int source_finish(struct source *s, bool read_all)
{
    char what[80];
    int status, rc;

    if (s->child.pid <= 0)
        return check_unchanged(s, false);
    if (!read_all) {
        s->fd = -1; /* which goes with it */
        child_process_stop(&s->child, 0);
        return INGEST_OK;
    }
    rc = wait_for_command(s, &status);
    if (rc != INGEST_OK)
        return rc;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return INGEST_OK;
    if (WIFEXITED(status))
        snprintf(what, sizeof(what), "the command failed with exit status %d",
                 WEXITSTATUS(status));
    else
        snprintf(what, sizeof(what), "the command was ended by signal %d",
                 WTERMSIG(status));
    return fail(s, INGEST_EIO, what);
}

uint64_t source_bytes(const struct source *s)
{
    return s->bytes;
}

int source_hashes(struct source *s, char sha256[SHA256_HEX_CAP],
                  char probe[PROBE_HEX_CAP])
{
    unsigned char digest[32];

    if (EVP_DigestFinal_ex(s->sha, digest, NULL) != 1)
        return -1;
    sha256_to_hex(digest, sha256);
    input_probe_hex(&s->probe, probe);
    return 0;
}

const char *source_why(const struct source *s)
{
    return s ? s->why : "out of memory";
}

void source_close(struct source *s)
{
    if (!s)
        return;
    if (s->fd >= 0 && s->fd != s->child.out)
        close(s->fd);
    child_process_stop(&s->child, 0);
    EVP_MD_CTX_free(s->sha);
    free(s);
}
