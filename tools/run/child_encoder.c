/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/child_encoder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/run/clock.h"

enum {
    PIPE_BYTES = 1 << 20, /* asked for: fewer changes between us and the child */
    MOST_READS = 64,      /* of its standard error at once */
    STALL_MS = 100,       /* to print these takes less, unless somebody holds us up */
    LAST_WORDS_MS = 1000  /* that a child may take to end after it closed its output */
};

struct child_encoder *child_encoder_new(const struct child_setup *setup, unsigned number,
                                        char **argv)
{
    struct child_encoder *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->setup = setup;
    c->number = number;
    c->argv = argv;
    c->process = (struct child_process){.in = -1, .out = -1, .err = -1, .gone = -1};
    return c;
}

void child_encoder_free(struct child_encoder *c)
{
    if (!c)
        return;
    child_encoder_stop(c, 0);
    json_decref(c->hello);
    free(c->payload);
    free(c->argv);
    free(c);
}

__attribute__((format(printf, 2, 3))) static int fail(struct child_encoder *c,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->why, sizeof(c->why), fmt, ap);
    va_end(ap);
    c->lacking = c->is_gone = false;
    return -1;
}

static int out_of_memory(struct child_encoder *c)
{
    fail(c, "out of memory");
    c->lacking = true;
    return -1;
}

static bool never_wait(int fd)
{
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

static void written(struct child_encoder *c, size_t len)
{
    while (c->n_out > 0 && len >= c->out->iov_len) {
        len -= c->out->iov_len;
        c->out++;
        c->n_out--;
    }
    if (c->n_out > 0) {
        c->out->iov_base = (char *)c->out->iov_base + len;
        c->out->iov_len -= len;
    }
}

/* A child that reads no more has ended, or soon does: its output says so. */
static void write_some(struct child_encoder *c)
{
    while (c->n_out > 0) {
        const size_t n = c->n_out < IOV_MAX ? c->n_out : IOV_MAX;
        const ssize_t len = writev(c->process.in, c->out, (int)n);

        if (len >= 0) {
            written(c, (size_t)len);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            close(c->process.in);
            c->process.in = -1;
            c->n_out = 0;
        }
    }
}

void child_encoder_send(struct child_encoder *c, struct iovec *iov, size_t n)
{
    c->out = iov;
    c->n_out = n;
    write_some(c);
}

/* It has an empty pipe, which takes that much at once. Returns 0 or -1. */
static int send_open(struct child_encoder *c)
{
    unsigned char head[CHILD_FRAME_HEAD];
    json_t *open = json_copy(c->setup->open);
    char *text = NULL;

    if (open && json_object_set_new(open, "child", json_integer(c->number)) == 0)
        text = json_dumps(open, JSON_SORT_KEYS | JSON_COMPACT);
    if (text) {
        struct iovec iov[] = {{head, sizeof(head)}, {text, strlen(text)}};

        child_pack_frame(head, CHILD_OPEN, strlen(text));
        c->most_payload = CHILD_MAX_HELLO;
        child_encoder_send(c, iov, 2);
        c->n_out = 0;
    }
    free(text);
    json_decref(open);
    return text ? 0 : out_of_memory(c);
}

int child_encoder_start(struct child_encoder *c)
{
    const struct child_streams streams = {
        .in = true, .err = true, .memory = c->setup->memory};
    struct child_process *p = &c->process;
    int rc = child_process_start(p, c->argv, &streams);

    if (rc != 0) {
        fail(c, "%s: %s", c->argv[0], strerror(rc));
        c->lacking = rc == ENOMEM || rc == EAGAIN || rc == EMFILE || rc == ENFILE;
        return -1;
    }
    if (!never_wait(p->in) || !never_wait(p->out) || !never_wait(p->err))
        return fail(c, "fcntl: %s", strerror(errno));
    (void)fcntl(p->in, F_SETPIPE_SZ, PIPE_BYTES);
    c->head_len = c->payload_len = c->line_len = c->n_out = 0;
    return send_open(c);
}

static void say(const struct child_encoder *c, const char *line)
{
    c->setup->hearer->say(c->setup->hearer->ctx, c, line);
}

/* Of the second that ends. */
static void say_left_out(struct child_encoder *c)
{
    char words[100];

    if (c->n_lines > CHILD_LINES) {
        snprintf(words, sizeof(words), "(%zu lines more are left out, the last is:)",
                 c->n_lines - CHILD_LINES);
        say(c, words);
        say(c, c->left_out);
    }
    c->n_lines = 0;
}

static void say_line(struct child_encoder *c)
{
    if (c->line_len == 0)
        return;
    if (clock_ns() - c->second_ns >= 1000000000) {
        say_left_out(c);
        c->second_ns = clock_ns();
    }
    c->line[c->line_len] = '\0';
    c->lacks_module |= strstr(c->line, "No module named ") != NULL;
    if (++c->n_lines <= CHILD_LINES)
        say(c, c->line);
    else
        memcpy(c->left_out, c->line, c->line_len + 1);
    c->line_len = 0;
}

/* A progress bar's states are lines too. Longer lines go on in several. */
static void take_words(struct child_encoder *c, const char *words, size_t n)
{
    static const char nul[] = "\\x00";

    for (size_t i = 0; i < n; i++) {
        const size_t len = words[i] ? 1 : strlen(nul);
        const bool ends = words[i] == '\n' || words[i] == '\r';

        if (ends || c->line_len + len >= sizeof(c->line))
            say_line(c);
        if (ends)
            continue;
        memcpy(c->line + c->line_len, words[i] ? &words[i] : nul, len);
        c->line_len += len;
    }
}

static void read_words(struct child_encoder *c)
{
    char words[4096];
    ssize_t n = -1;

    /* One that never stops talking must not keep us from its answers. */
    for (int i = 0; i < MOST_READS; i++) {
        n = read(c->process.err, words, sizeof(words));
        if (n > 0)
            take_words(c, words, (size_t)n);
        else if (n == 0 || errno != EINTR)
            break;
    }
    if (n == 0) {
        say_line(c);
        close(c->process.err);
        c->process.err = -1;
    }
}

/* Where nobody reads our standard error we wait, and may not blame the child for it. */
static void hear_words(struct child_encoder *c)
{
    const uint64_t start = clock_ns();

    read_words(c);
    if (clock_ns() - start > STALL_MS * (uint64_t)1000000)
        c->stalled_ns += clock_ns() - start;
}

/* What is to be said besides of one that ended amid what is no frame's head. */
static const char *hint(const struct child_encoder *c)
{
    static const char magic[] = "LME1";
    const size_t n = c->head_len < 4 ? c->head_len : 4;

    return memcmp(c->head, magic, n) == 0
               ? ""
               : "; its standard output is for frames: print to standard error";
}

/* It, or its output, has ended. Its last words come before ours about it. */
static enum child_event ended(struct child_encoder *c)
{
    const uint64_t start = clock_ns();
    int status = 0;

    while (!child_process_has_ended(&c->process, &status)) {
        if (clock_ns() - start > LAST_WORDS_MS * (uint64_t)1000000) {
            fail(c, "it has closed its standard output");
            return CHILD_FAILED;
        }
        poll(NULL, 0, 2);
    }
    if (c->process.err >= 0)
        read_words(c);
    say_line(c);
    say_left_out(c);
    if (WIFSIGNALED(status))
        fail(c, "it was ended by signal %d%s", WTERMSIG(status), hint(c));
    else
        fail(c, "it has ended with exit status %d%s", WEXITSTATUS(status), hint(c));
    c->is_gone = true;
    return CHILD_FAILED;
}

static enum child_event garbage(struct child_encoder *c, const char *what)
{
    fail(c, "%s", what);
    return CHILD_FAILED;
}

static int make_room(struct child_encoder *c, size_t len)
{
    unsigned char *grown;

    if (len <= c->payload_cap)
        return 0;
    grown = realloc(c->payload, len);
    if (!grown)
        return out_of_memory(c);
    c->payload = grown;
    c->payload_cap = len;
    return 0;
}

/* The head of a frame is complete. */
static enum child_event begin_frame(struct child_encoder *c)
{
    const char *wrong = child_read_frame(c->head, &c->frame);

    if (wrong)
        return garbage(c, wrong);
    if (c->frame.len > c->most_payload)
        return garbage(c, "a frame of its output is longer than any answer");
    c->payload_len = 0;
    return make_room(c, (size_t)c->frame.len + 1) == 0 ? CHILD_NOTHING : CHILD_FAILED;
}

/* Reads up to the end of one frame, so that the next answer waits in the pipe. */
static enum child_event read_frame(struct child_encoder *c)
{
    for (;;) {
        const bool in_head = c->head_len < CHILD_FRAME_HEAD;
        unsigned char *at = in_head ? c->head + c->head_len : c->payload + c->payload_len;
        const size_t left =
            in_head ? CHILD_FRAME_HEAD - c->head_len : c->frame.len - c->payload_len;
        ssize_t n = 0;

        if (left > 0)
            n = read(c->process.out, at, left);
        if (n < 0 && errno == EAGAIN)
            return CHILD_NOTHING;
        if (n == 0 && left > 0)
            return ended(c);
        if (n < 0 && errno != EINTR)
            return garbage(c, strerror(errno));
        if (n > 0)
            *(in_head ? &c->head_len : &c->payload_len) += (size_t)n;
        if (in_head && c->head_len == CHILD_FRAME_HEAD && begin_frame(c) == CHILD_FAILED)
            return CHILD_FAILED;
        if (c->head_len == CHILD_FRAME_HEAD && c->payload_len == c->frame.len) {
            c->head_len = 0; /* for the next one */
            return CHILD_HAS_FRAME;
        }
    }
}

/* In the order: its input, its output, its standard error, its end. */
void child_encoder_poll(const struct child_encoder *c, struct pollfd fds[CHILD_N_POLL])
{
    fds[0] = (struct pollfd){.fd = c->n_out > 0 ? c->process.in : -1, .events = POLLOUT};
    fds[1] = (struct pollfd){.fd = c->process.out, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = c->process.err, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = c->process.gone, .events = POLLIN};
}

enum child_event child_encoder_step(struct child_encoder *c,
                                    const struct pollfd fds[CHILD_N_POLL])
{
    enum child_event event = CHILD_NOTHING;

    if (fds[2].revents && c->process.err >= 0)
        hear_words(c);
    if (fds[0].revents && c->process.in >= 0)
        write_some(c);
    if (fds[1].revents || fds[3].revents)
        event = read_frame(c);
    /* What it has started may still hold its output: that does not end. */
    return event == CHILD_NOTHING && fds[3].revents ? ended(c) : event;
}

/* Keeps what came as its hello. */
static enum child_greeting take_hello(struct child_encoder *c)
{
    struct child_error error;
    json_error_t where;
    const char *wrong;

    if (c->frame.type == CHILD_ERROR) {
        wrong = child_read_error(c->payload, (size_t)c->frame.len, &error);
        if (wrong) {
            fail(c, "%s", wrong);
            return GREETING_FAILED;
        }
        fail(c, "%.*s", (int)(error.message_len > 400 ? 400 : error.message_len),
             error.message);
        return GREETING_REFUSED;
    }
    json_decref(c->hello);
    c->hello = c->frame.type == CHILD_HELLO
                   ? json_loadb((const char *)c->payload, (size_t)c->frame.len,
                                JSON_REJECT_DUPLICATES, &where)
                   : NULL;
    if (!c->hello && c->frame.type == CHILD_HELLO &&
        json_error_code(&where) == json_error_out_of_memory) {
        out_of_memory(c);
        return GREETING_FAILED;
    }
    if (!json_is_object(c->hello)) {
        fail(c, "its first frame is no hello (ENCODER.md)%s%s",
             c->frame.type == CHILD_HELLO ? ": " : "",
             c->frame.type != CHILD_HELLO ? ""
             : c->hello                   ? "its JSON is not an object"
                                          : where.text);
        return GREETING_REFUSED;
    }
    return GREETING_OK;
}

enum child_greeting child_encoder_greet(struct child_encoder *c, int cancel_fd)
{
    uint64_t end = clock_ns() + (uint64_t)c->setup->timeout_ms * 1000000;
    struct pollfd fds[CHILD_N_POLL + 1];

    for (;;) {
        const uint64_t now = clock_ns();
        enum child_event event;

        if (now >= end) {
            fail(c, "it has said no hello for %lld s (--encoder-timeout)",
                 (long long)(c->setup->timeout_ms / 1000));
            return GREETING_FAILED;
        }
        child_encoder_poll(c, fds);
        fds[CHILD_N_POLL] = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
        poll(fds, CHILD_N_POLL + 1, (int)((end - now) / 1000000 % INT_MAX) + 1);
        if (fds[CHILD_N_POLL].revents)
            return GREETING_CANCELLED;
        event = child_encoder_step(c, fds);
        end += c->stalled_ns;
        c->stalled_ns = 0;
        if (event == CHILD_FAILED)
            return GREETING_FAILED;
        if (event == CHILD_HAS_FRAME)
            return take_hello(c);
    }
}

void child_encoder_stop(struct child_encoder *c, int grace_ms)
{
    child_process_stop(&c->process, grace_ms);
    say_left_out(c);
    c->n_out = 0;
}
