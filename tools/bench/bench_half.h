/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_half.h - an encoder or a decoder behind one handle, with a batch to
 * work on that is the same on every machine. */
#ifndef TOOLS_BENCH_BENCH_SECTION_HALF_H
#define TOOLS_BENCH_BENCH_SECTION_HALF_H

#include <stddef.h>

#include "vae_encode/vae.h"

struct bench_half;

/* Opens what `vae` is, for `batch` images of side x side pixels. Gives *out, even on
 * failure, for bench_half_why(); NULL only where memory is short. Returns 0 or -1. */
int bench_half_open(struct bench_half **out, const struct vae *vae, int side, int batch);

/* `clock` is kept until close; it must not cancel. */
void bench_half_set_clock(struct bench_half *h, const struct vae_cancel *clock);

int bench_half_n_layers(const struct bench_half *h);
struct vae_layer bench_half_layer(const struct bench_half *h, int i);

/* Encodes or decodes the batch. Returns 0 or -1. */
int bench_half_run(struct bench_half *h);

/* What the last run made of the first image, n values: its latent, or its pixels. Lent
 * until the next run. */
const float *bench_half_values(const struct bench_half *h, size_t *n);

const char *bench_half_why(const struct bench_half *h); /* lent; accepts NULL */
void bench_half_close(struct bench_half *h);            /* accepts NULL */

#endif
