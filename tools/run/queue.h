/* SPDX-License-Identifier: Apache-2.0
 * tools/run/queue.h - a bounded queue of samples between threads, with two endings.
 *
 * Properties: no item is lost or given twice; items leave in the order they came; never
 *   more than `cap` are inside.
 * Operation: any number of threads put and get. queue_close() is the normal end: getters
 *   drain what is left, then see the end. queue_cancel() is the abrupt one: everyone
 *   wakes at once, and what is left is nobody's (the items belong to the pipeline's
 *   table). Who has other things to wait for too polls a descriptor and takes what is
 *   there.
 * Safety: all fields are guarded by `lock`; no other lock is taken while it is held. */
#ifndef TOOLS_RUN_QUEUE_H
#define TOOLS_RUN_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct sample;

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full;
    struct sample **items; /* ring of cap */
    size_t cap, head, n;
    bool closed, cancelled;
    int event_fd; /* readable while getters need not wait; -1: nobody polls */
};

/* Returns 0, or -1 where memory is short; then *q needs no queue_free(). */
int queue_init(struct queue *q, size_t cap);

/* Puts n items in their order, and wakes getters once where there is room for all; else
 * it waits for room. Returns false after a cancel, after which nobody takes any. */
bool queue_put(struct queue *q, struct sample *const *items, size_t n);

/* Waits for at least one item and takes up to max, but leaves the other `n_getters` - 1
 * their share of what is there. Returns how many: 0 is the end. */
size_t queue_get(struct queue *q, struct sample **items, size_t max, size_t n_getters);

/* Makes q->event_fd. Call before the queue is shared. Returns 0, or -1 with errno. */
int queue_make_pollable(struct queue *q);

/* Takes as queue_get() does, but does not wait: 0 is the end only where *ended. */
size_t queue_take(struct queue *q, struct sample **items, size_t max, size_t n_getters,
                  bool *ended);

void queue_close(struct queue *q);
void queue_cancel(struct queue *q);
void queue_free(struct queue *q);

#endif
