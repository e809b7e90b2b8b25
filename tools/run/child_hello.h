/* SPDX-License-Identifier: Apache-2.0
 * tools/run/child_hello.h - what an encoder in a process of its own says of itself,
 * checked: vae_encode/child/ENCODER.md.
 *
 * Its "encoder" is read by the code that reads shards' headers, so that what is written
 * into one can be read from it. */
#ifndef TOOLS_RUN_CHILD_HELLO_H
#define TOOLS_RUN_CHILD_HELLO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "vae_encode/encoder.h"

enum {
    CHILD_MAX_BATCH = 4096,
    CHILD_MAX_WAIT_MS = 60000,
    CHILD_MAX_IMAGE = 1 << 27 /* bytes of an image's tensors, of four a value */
};

struct child_hello_tensor {
    uint32_t output;
    bool logvar;
    uint32_t n_dims;
    uint32_t dims[ENCODER_MAX_DIMS]; /* of one image */
};

struct child_hello {
    json_t *json;           /* owned; all texts are lent by it or by `parsed` */
    uint32_t width, height; /* that OPEN asked for */
    struct shard_header *parsed;
    const struct shard_encoder *encoder; /* in it; name, encode, geometry are not known */
    bool places_codes;                   /* it says where ids begin, or maps them */
    uint32_t multiple;                   /* of its "input": that sides are of; 1: any */
    size_t n_tensors;
    struct child_hello_tensor tensors[ENCODER_MAX_TENSORS]; /* at the size asked for */
    uint32_t batch;
    int wait_ms;
    bool memory; /* it takes pixels from memory that it was offered */
};

/* Reads `json`, of which a reference is kept, said to OPEN with this size and these
 * moments ("mean"). Returns 0, or EINVAL with what is wrong with it in `why`, or ENOMEM.
 * Release with child_hello_free() in either case. */
int child_hello_read(struct child_hello *h, json_t *json, uint32_t width, uint32_t height,
                     const char *moments, char *why, size_t cap);
void child_hello_free(struct child_hello *h);

/* The first member that must be the same from every child and after every restart, and is
 * not, of "encoder" the one in it; NULL: they are. Lent by a or b. */
const char *child_hello_difference(const json_t *a, const json_t *b);

#endif
