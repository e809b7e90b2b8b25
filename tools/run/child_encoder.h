/* SPDX-License-Identifier: Apache-2.0
 * tools/run/child_encoder.h - one encoder in a process of its own: starts it, greets it,
 * and moves the protocol's frames (vae_encode/child/ENCODER.md) both ways without
 * waiting.
 *
 *     rc = child_encoder_start(c);
 *     rc = child_encoder_greet(c, cancel_fd);  its hello is in c->hello then
 *     child_encoder_send(c, iov, n_iov);       when c->n_out is 0
 *     child_encoder_poll(c, fds);
 *     poll(fds, ...);
 *     event = child_encoder_step(c, fds);      its frame is in c->frame and c->payload
 *     child_encoder_stop(c, grace_ms);
 *
 * What it says on standard error goes on to its hearer, a line at a time, but not more
 * than CHILD_LINES a second. It belongs to one
 * thread at a time; the one that starts it must live as long as it shall
 * (child_process.h). */
#ifndef TOOLS_RUN_CHILD_ENCODER_H
#define TOOLS_RUN_CHILD_ENCODER_H

#include <jansson.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tools/run/child_process.h"
#include "vae_encode/child/child_frames.h"

struct child_encoder;

/* Takes a line of a child's standard error, or one about it. On the child's thread. */
struct child_hearer {
    void (*say)(void *ctx, const struct child_encoder *c, const char *line);
    void *ctx;
};

/* What the children of one encoder share: lent. */
struct child_setup {
    const char *label;
    const struct child_hearer *hearer;
    json_t *open; /* OPEN's JSON, but for "child" */
    int64_t timeout_ms;
    int memory; /* a descriptor of memory that it is offered; 0: none */
};

enum child_event { CHILD_NOTHING, CHILD_HAS_FRAME, CHILD_FAILED };
enum { CHILD_N_POLL = 4, CHILD_LINE_CAP = 1000, CHILD_LINES = 500 };

struct child_encoder {
    const struct child_setup *setup;
    unsigned number;
    char **argv; /* owned */
    struct child_process process;

    struct iovec *out; /* what is still to be written; lent by child_encoder_send() */
    size_t n_out;

    unsigned char head[CHILD_FRAME_HEAD];
    size_t head_len, payload_len; /* as far as they are read */
    struct child_frame frame;
    unsigned char *payload;
    size_t payload_cap;
    uint64_t most_payload; /* longer ones are garbage */

    char line[CHILD_LINE_CAP]; /* of standard error, unfinished */
    size_t line_len;
    uint64_t
        second_ns;  /* since then it has said n_lines, of which the last is left_out: */
    size_t n_lines; /* where these are more than CHILD_LINES */
    char left_out[CHILD_LINE_CAP];
    uint64_t
        stalled_ns; /* that its hearer has held us up; who has allowed for it sets 0 */

    json_t *hello;     /* owned */
    char why[512];     /* what CHILD_FAILED or a failed greeting means */
    bool lacking;      /* it is that memory, processes or descriptors were short */
    bool is_gone;      /* it is that the process has ended */
    bool lacks_module; /* it is a Python, and has said that it has not found something */
};

/* Gives a child that is not started, or NULL: no memory. Takes `argv`, one block. */
struct child_encoder *child_encoder_new(const struct child_setup *setup, unsigned number,
                                        char **argv);
void child_encoder_free(struct child_encoder *c); /* stops it; accepts NULL */

/* Starts the process and sends OPEN. Returns 0, or -1 with c->why. */
int child_encoder_start(struct child_encoder *c);

/* Takes its HELLO. Waits for as long as setup->timeout_ms, or until cancel_fd (-1: none)
 * becomes readable. */
enum child_greeting {
    GREETING_OK,
    GREETING_REFUSED,
    GREETING_FAILED,
    GREETING_CANCELLED
};
enum child_greeting child_encoder_greet(struct child_encoder *c, int cancel_fd);

/* Begins to write. Only when all before has been written; iov is changed, and lent until
 * n_out is 0 again or the child is stopped. */
void child_encoder_send(struct child_encoder *c, struct iovec *iov, size_t n);

void child_encoder_poll(const struct child_encoder *c, struct pollfd fds[CHILD_N_POLL]);

/* Writes and reads what it can. A frame stays until the next call. */
enum child_event child_encoder_step(struct child_encoder *c,
                                    const struct pollfd fds[CHILD_N_POLL]);

/* With SIGTERM, then SIGKILL; grace_ms between them: CHILD_STOP_MS, or 0 for one that has
 * failed. */
enum { CHILD_STOP_MS = 2000 };
void child_encoder_stop(struct child_encoder *c, int grace_ms);

#endif
