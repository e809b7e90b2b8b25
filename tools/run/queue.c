/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/queue.h"

#include <stdlib.h>

int queue_init(struct queue *q, size_t cap)
{
    *q = (struct queue){.cap = cap};
    q->items = calloc(cap, sizeof(*q->items));
    if (!q->items)
        return -1;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    pthread_cond_init(&q->not_full, NULL);
    return 0;
}

bool queue_put(struct queue *q, struct sample *item)
{
    bool taken;

    pthread_mutex_lock(&q->lock);
    while (q->n == q->cap && !q->cancelled)
        pthread_cond_wait(&q->not_full, &q->lock);
    taken = !q->cancelled;
    if (taken) {
        q->items[(q->head + q->n++) % q->cap] = item;
        pthread_cond_signal(&q->not_empty);
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

size_t queue_get(struct queue *q, struct sample **items, size_t max, size_t n_getters)
{
    size_t n = 0, share;

    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed && !q->cancelled)
        pthread_cond_wait(&q->not_empty, &q->lock);
    share = (q->n + n_getters - 1) / n_getters;
    if (max > share)
        max = share;
    while (n < max && !q->cancelled) {
        items[n++] = q->items[q->head];
        q->head = (q->head + 1) % q->cap;
        q->n--;
    }
    if (n > 0)
        pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->lock);
    return n;
}

static void end(struct queue *q, bool *flag)
{
    pthread_mutex_lock(&q->lock);
    *flag = true;
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
    free(q->items);
}
