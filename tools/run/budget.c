/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/budget.h"

#include <assert.h>
#include <malloc.h>

void budget_init(struct budget *b, uint64_t total)
{
    *b = (struct budget){.total = total};
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
}

void budget_tame_malloc(void)
{
    enum { TOP = 4 << 20, ALONE = 32 << 20 };

    mallopt(M_TRIM_THRESHOLD, TOP);
    mallopt(M_MMAP_THRESHOLD, ALONE);
}

static bool fits_locked(const struct budget *b, uint64_t bytes)
{
    return b->used == 0 || (bytes <= b->total && b->used <= b->total - bytes);
}

/* malloc() keeps what a thread frees in that thread's arena, where no other finds it:
 * eight workers that tokenized texts of 1 MiB, three at a time, held 1.4 GB. So memory
 * given back counts until it has gone back to the system, or is used again. Whether it is
 * is looked at only when the total would be passed, and what is free then given up only
 * where it is too much: that takes milliseconds, and each page has to be made again. */
static void trim_locked(struct budget *b, uint64_t bytes)
{
    uint64_t kept;

    if (b->loose == 0 || b->used + b->loose + bytes <= b->total)
        return;
    kept = mallinfo2().fordblks; /* all that malloc() has and nobody uses */
    if (b->loose > kept)
        b->loose = kept;
    if (b->used + b->loose + bytes <= b->total)
        return;
    malloc_trim(0);
    b->loose = 0;
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
        trim_locked(b, bytes);
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
    assert(bytes <= b->used);
    b->used -= bytes;
    b->loose += bytes;
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
