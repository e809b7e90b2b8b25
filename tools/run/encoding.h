/* SPDX-License-Identifier: Apache-2.0
 * tools/run/encoding.h - an encoder at work in a run: its model at one size of
 * image, what is stored of its tensors, and what headers and the configuration say of it.
 *
 * Encoders know nothing of shards: which kind, slot and type a tensor has there is
 * decided here. Once open it is read-only and shared by all threads. */
#ifndef TOOLS_RUN_ENCODING_H
#define TOOLS_RUN_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "tools/cli/encoder_options.h"
#include "tools/run/child_group.h"
#include "tools/run/shared_memory.h"
#include "tools/store/sha256.h"
#include "vae_encode/encoder.h"

/* A tensor as it is stored of each image. */
struct stored_tensor {
    size_t from;                /* its place in the encoder's description */
    uint32_t kind, slot, dtype; /* as in shard/record.h */
    size_t n_values, n_bytes;   /* of files 0: each has its own */
    uint32_t codebook;          /* codes are below it; 0: of no codes, or not known */
};

struct encoding {
    const char *label;             /* its name in shards, and in reports */
    const struct encoder *encoder; /* NULL: it is at work in another stage */
    void *model;                   /* of the encoder */
    bool borrowed;                 /* the model is another encoding's */
    struct child_group *children;  /* that it works in, or NULL; owned */
    struct child_group_options of_children;
    struct shard_rendition rendition; /* of its images: all but part and crop */
    enum resize_filter filter;
    struct encoder_description about;
    size_t n_tensors;
    struct stored_tensor tensors[ENCODER_MAX_TENSORS];
    size_t n_bytes;              /* of all tensors of one image, as stored, but files */
    size_t n_file_bytes;         /* of files: about what they have at most */
    uint32_t id_offset;          /* of codes; code_ids.h */
    const char *dtype;           /* name of the type of floats; NULL: it has none */
    const char *moments;         /* name of what is stored of latents; NULL: none */
    char encode[SHA256_HEX_CAP]; /* encode_hash.h */
    char *geometry, *input;      /* JSON; owned */
    size_t n_features;
    struct shard_features *features;       /* as the header has them; owned */
    const struct encoder_request *request; /* lent */
};

/* Loads the encoder that is asked for, or takes the model of `same`, which was asked for
 * in the same words, unless that is NULL. Starts the processes of one that works in such,
 * which are offered `memory`, opened for the first of them: it is open when
 * encoding_greet() has heard of them. Keeps `request`, `same` and `memory`. Returns 0, or
 * EXIT_USAGE or EXIT_FAILED after explaining on stderr. Release with encoding_close() in
 * either case. */
int encoding_open(struct encoding *e, const struct encoder_request *request,
                  const struct encoding *same, const char *isa,
                  struct shared_memory *memory);

/* Waits for what its processes, if it has any, say of it. Returns as encoding_open()
 * does. */
int encoding_greet(struct encoding *e);
void encoding_close(struct encoding *e);

/* What headers say of an open encoding: all of it lent, so that *e is not to be moved. */
struct shard_encoder encoding_header(const struct encoding *e);

/* Turns the n_values values that the encoder computed of one image into the n_bytes that
 * are stored. Returns how many of them cannot be: not finite in the stored type, or not
 * below the codebook. Not for files. */
size_t encoding_store(const struct stored_tensor *t, const void *values, void *out);

#endif
