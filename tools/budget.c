/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/budget.h"

void budget_init(struct budget *b, uint64_t total)
{
    *b = (struct budget){.total = total};
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
}

static bool fits_locked(const struct budget *b, uint64_t bytes)
{
    return b->used == 0 || (bytes <= b->total && b->used <= b->total - bytes);
}

bool budget_take(struct budget *b, uint64_t bytes)
{
    uint64_t ticket;
    bool granted;

    pthread_mutex_lock(&b->lock);
    ticket = b->next_ticket++;
    while (!b->cancelled && (b->serving != ticket || !fits_locked(b, bytes)))
        pthread_cond_wait(&b->changed, &b->lock);
    granted = !b->cancelled;
    if (granted) {
        b->used += bytes;
        b->serving++;
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return granted;
}

void budget_give_back(struct budget *b, uint64_t bytes)
{
    pthread_mutex_lock(&b->lock);
    b->used -= bytes;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void budget_cancel(struct budget *b)
{
    pthread_mutex_lock(&b->lock);
    b->cancelled = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

void budget_free(struct budget *b)
{
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}
