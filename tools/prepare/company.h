/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/company.h - images that wait until there are enough of their shape for a
 * batch, but not for longer than a stated time.
 *
 * A full batch goes at once, of several the one whose first image has waited longest.
 * Where there is none, those of the oldest image's shape go when its time is over, or
 * when the caller says that there is nothing to wait for. Belongs to one thread. */
#ifndef TOOLS_PREPARE_COMPANY_H
#define TOOLS_PREPARE_COMPANY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sample;

struct company_image {
    struct sample *sample;
    uint32_t rendition; /* position in the sample's */
    const uint8_t *rgb; /* (height, width, 3); lent by the sample */
    uint32_t width, height;
    uint64_t since_ns; /* that it waits */
};

struct company {
    size_t n, cap;
    struct company_image *waiting; /* n, in the order they came */
};

void company_free(struct company *c);

/* Returns 0, or -1: no memory. */
int company_add(struct company *c, const struct company_image *image);

/* How many go as one batch now, of at most `most`: 0: all wait on. *first is the first of
 * them. */
size_t company_ready(const struct company *c, size_t most, uint64_t now_ns,
                     uint64_t wait_ns, bool go, size_t *first);

/* Takes `n` of the shape of number `first`, from that on, into images[0..n). */
void company_take(struct company *c, size_t first, size_t n,
                  struct company_image *images);

#endif
