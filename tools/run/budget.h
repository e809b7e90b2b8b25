/* SPDX-License-Identifier: Apache-2.0
 * tools/run/budget.h - a number of bytes that threads share, granted in the order of
 * asking.
 *
 * The order matters: a large request waits only for those that asked before it, so small
 * ones cannot starve it. */
#ifndef TOOLS_RUN_BUDGET_H
#define TOOLS_RUN_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t changed;
    uint64_t total, used;
    uint64_t loose; /* given back since malloc() was last asked to return its pages */
    uint64_t next_ticket, serving;
    bool cancelled;
};

/* malloc_trim() leaves what is free at the top of a thread's arena, and malloc() by
 * itself lets that grow to 64 MiB: after this 4 MiB. Blocks of more than 32 MiB stay
 * outside the arenas, as they come to be by themselves. Call once, before the first
 * thread starts. */
void budget_tame_malloc(void);

void budget_init(struct budget *b, uint64_t total);

/* Waits until `bytes` are free and takes them. Returns false after a cancel. A request
 * above the total is granted when nothing else is out: the caller decides whether to ask.
 */
bool budget_take(struct budget *b, uint64_t bytes);

/* No more than was taken. */
void budget_give_back(struct budget *b, uint64_t bytes);
void budget_cancel(struct budget *b);
void budget_free(struct budget *b);

#endif
