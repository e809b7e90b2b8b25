/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/compose.h - internal to shard/python/: pieces of documents -> the
 * arrays of a training step.
 *
 * Knows nothing of Python. What it reads is only read: any number of threads may compose
 * from the same blocks at once, each with results of its own. */
#ifndef SHARD_PYTHON_NATIVE_COMPOSE_H
#define SHARD_PYTHON_NATIVE_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/buffer.h"
#include "shard/file/text_frame.h"
#include "shard/sequence.h"

/* A decompressed block, and how its records are seen. All is lent. */
struct compose_block {
    struct shard_view view;
    const struct shard_text_frame *frame;
    const unsigned char *const *values; /* of each tensor frame; NULL: not loaded */
};

/* Ids that stand instead of a text's. */
struct compose_ids {
    const uint32_t *ids; /* lent; NULL: the text has the stored ones */
    uint32_t n;
};

/* Of a record's texts, in their order. */
struct compose_own {
    const struct compose_ids *of_text;
    size_t n;
};

/* A run of positions of a document, in the order of the batch: a row of a table of
 * int64. */
struct compose_piece {
    int64_t sequence;
    int64_t length; /* positions */
    int64_t block;  /* -1: none, these positions are padding */
    int64_t row;    /* of the block */
    int64_t start;  /* positions of the document before it */
    int64_t whole;  /* positions of the document, as its index says */
    int64_t source;
    int64_t image_first; /* 0 or 1 */
    int64_t caption;     /* alternative of the first text */
    int64_t keep;        /* ids of it that are used at most */
    int64_t pass, copy;  /* what its other draws are of */
    int64_t own;         /* number of its compose_own; -1: none */
};

/* [n_sequences, length] each. */
struct compose_arrays {
    size_t n_sequences, length;
    int32_t *tokens, *doc_ids, *position_ids, *source_ids, *image_ids;
    int64_t *labels;
    int32_t *begins; /* room for n_pieces + n_sequences + 1 */
    size_t n_begins; /* that are set */
};

struct compose_job {
    size_t n_blocks, n_pieces, n_own;
    const struct compose_block *blocks;
    const struct compose_piece *pieces;
    const struct compose_own *own;
    uint64_t seed;
    bool stored;    /* drawn as for epoch 0 */
    bool sampled;   /* the log-variances of latents are needed, too */
    bool collapsed; /* the patches of an image share a position id */
    struct compose_arrays out;
};

/* Values of a tensor of a row. */
struct compose_values {
    const struct shard_tensor *tensor; /* NULL: there is none */
    const unsigned char *bytes;        /* where they are */
};

/* A latent that a batch shows. Lent, as long as the blocks live. */
struct compose_image {
    size_t piece, offset; /* of its first position, in its sequence */
    uint32_t rows, cols;
    bool boi, eoi, text_follows;
    struct compose_values mean;
    struct compose_values logvar; /* where the job is sampled, as what follows */
    uint64_t key;                 /* of its noise */
};

enum compose_trouble {
    COMPOSE_FRAME,   /* a tensor frame is not loaded */
    COMPOSE_LENGTH,  /* it is not as long as the index says */
    COMPOSE_INVALID, /* it has no sequence */
};

/* Why a piece cannot be composed. */
struct compose_problem {
    enum compose_trouble trouble;
    size_t piece;
    size_t number; /* of the frame, or the length it has */
    char why[128];
};

/* All zeros is empty. Release with compose_clear(). */
struct composed {
    struct shard_buffer images;   /* struct compose_image */
    struct shard_buffer problems; /* struct compose_problem */
    size_t n_images, n_problems, n_patches;
};

/* Fills job->out, and *c. Where c->n_problems is not 0 the arrays are not finished.
 * SHARD_OK or SHARD_ENOMEM. */
int compose(struct compose_job *job, struct composed *c);
void compose_clear(struct composed *c);

static inline const struct compose_image *compose_images(const struct composed *c)
{
    return (const struct compose_image *)c->images.data;
}

static inline const struct compose_problem *compose_problems(const struct composed *c)
{
    return (const struct compose_problem *)c->problems.data;
}

#endif
