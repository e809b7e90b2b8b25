/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/queue.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int queue_init(struct queue *q, size_t cap)
{
    *q = (struct queue){.cap = cap, .event_fd = -1};
    q->items = calloc(cap, sizeof(*q->items));
    if (!q->items)
        return -1;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    pthread_cond_init(&q->not_full, NULL);
    return 0;
}

int queue_make_pollable(struct queue *q)
{
    q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return q->event_fd >= 0 ? 0 : -1;
}

/* Makes the descriptor readable, or no more. */
static void show_locked(struct queue *q)
{
    eventfd_t ignored;

    if (q->event_fd < 0)
        return;
    if (q->n > 0 || q->closed || q->cancelled)
        eventfd_write(q->event_fd, 1);
    else
        eventfd_read(q->event_fd, &ignored);
}

/* As many as there is room for, which are told of once. Returns how many. */
static size_t put_locked(struct queue *q, struct sample *const *items, size_t n)
{
    const bool was_empty = q->n == 0;
    size_t n_put = 0;

    while (n_put < n && q->n < q->cap)
        q->items[(q->head + q->n++) % q->cap] = items[n_put++];
    if (was_empty && n_put > 0)
        show_locked(q);
    if (n_put > 1)
        pthread_cond_broadcast(&q->not_empty);
    else if (n_put > 0)
        pthread_cond_signal(&q->not_empty);
    return n_put;
}

bool queue_put(struct queue *q, struct sample *const *items, size_t n)
{
    bool taken;

    pthread_mutex_lock(&q->lock);
    while (n > 0 && !q->cancelled) {
        const size_t n_put = put_locked(q, items, n);

        items += n_put;
        n -= n_put;
        if (n > 0)
            pthread_cond_wait(&q->not_full, &q->lock);
    }
    taken = !q->cancelled;
    pthread_mutex_unlock(&q->lock);
    return taken;
}

static size_t take_locked(struct queue *q, struct sample **items, size_t max,
                          size_t n_getters)
{
    const size_t share = (q->n + n_getters - 1) / n_getters;
    size_t n = 0;

    if (max > share)
        max = share;
    while (n < max && !q->cancelled) {
        items[n++] = q->items[q->head];
        q->head = (q->head + 1) % q->cap;
        q->n--;
    }
    if (n > 0) {
        if (q->n == 0)
            show_locked(q);
        pthread_cond_broadcast(&q->not_full);
    }
    return n;
}

size_t queue_get(struct queue *q, struct sample **items, size_t max, size_t n_getters)
{
    size_t n;

    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed && !q->cancelled)
        pthread_cond_wait(&q->not_empty, &q->lock);
    n = take_locked(q, items, max, n_getters);
    pthread_mutex_unlock(&q->lock);
    return n;
}

size_t queue_take(struct queue *q, struct sample **items, size_t max, size_t n_getters,
                  bool *ended)
{
    size_t n;

    pthread_mutex_lock(&q->lock);
    n = take_locked(q, items, max, n_getters);
    *ended = n == 0 && (q->cancelled || (q->closed && q->n == 0));
    pthread_mutex_unlock(&q->lock);
    return n;
}

static void end(struct queue *q, bool *flag)
{
    pthread_mutex_lock(&q->lock);
    *flag = true;
    show_locked(q);
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->lock);
}

void queue_close(struct queue *q)
{
    end(q, &q->closed);
}

void queue_cancel(struct queue *q)
{
    end(q, &q->cancelled);
}

void queue_free(struct queue *q)
{
    pthread_cond_destroy(&q->not_full);
    pthread_cond_destroy(&q->not_empty);
    pthread_mutex_destroy(&q->lock);
    if (q->event_fd >= 0)
        close(q->event_fd);
    free(q->items);
}
