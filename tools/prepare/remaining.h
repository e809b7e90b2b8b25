/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/remaining.h - how much of a run's inputs is done, and how long the rest
 * takes.
 *
 * Work is counted in bytes of input, since nobody knows the number of samples ahead. Of
 * an input in hand only what is written counts as done: reading runs far ahead of
 * encoding.
 *
 *     struct work work = {0};
 *     for each input
 *         work_add(&work, &progress);
 *     double seconds = work_seconds_left(&work, seconds_so_far);
 */
#ifndef TOOLS_PREPARE_REMAINING_H
#define TOOLS_PREPARE_REMAINING_H

#include <stdbool.h>
#include <stdint.h>

/* Of one input. */
struct input_progress {
    bool size_known;    /* false: a pipe, or one that is not read to its end */
    uint64_t size;      /* bytes of the input */
    uint64_t read;      /* bytes read so far */
    bool read_all;      /* nothing more of it will be read: `read` is its size */
    uint64_t n_read;    /* samples that were read */
    uint64_t n_written; /* and of those, written into shards or rejects */
    bool ended;         /* published or dropped: nothing of it is left to do */
};

struct work {
    double done, left; /* bytes; left as far as it is known */
    bool unknown;      /* an input of unknown size is left */
};

void work_add(struct work *w, const struct input_progress *p);

/* At the rate so far; below 0 where it is not known: nothing is done yet, or the size of
 * an input is unknown. */
double work_seconds_left(const struct work *w, double seconds);

#endif
