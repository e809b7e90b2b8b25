/* SPDX-License-Identifier: Apache-2.0
 * shard/record.h - one training sample, as it is written and read.
 *
 * The same struct goes into the writer and comes out of the reader. Everything it points
 * to is lent: by the caller to shard_writer_append() until it returns, by the reader
 * until its next call. Patches, markers and orders are not in a record: shard/sequence.h
 * makes them. FORMAT.md specifies the bytes. */
#ifndef SHARD_RECORD_H
#define SHARD_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* Kinds and dtypes are numbers on disk: an unknown one is passed through as it is. */
enum shard_kind {
    SHARD_TEXT = 0,
    SHARD_LATENT = 1,
    SHARD_CODES = 2,
    SHARD_FEATURES = 3,
    SHARD_ENCODED_IMAGE = 4
};

enum shard_dtype {
    SHARD_U8 = 0,
    SHARD_U16 = 1,
    SHARD_U32 = 2,
    SHARD_I32 = 3,
    SHARD_FP16 = 4,
    SHARD_BF16 = 5,
    SHARD_FP32 = 6
};

/* Bytes of one value; 0 for a dtype this version does not know. */
uint32_t shard_dtype_width(uint32_t dtype);

enum shard_order { SHARD_CAPTION_FIRST = 0, SHARD_IMAGE_FIRST = 1 };

/* Segment flags: exactly one. */
enum { SHARD_FLAG_LOSS = 1, SHARD_FLAG_CONTEXT = 2 };

#define SHARD_NO_IDS UINT32_C(0xFFFFFFFF) /* n_ids of a text that is not tokenized */
#define SHARD_NONE UINT32_C(0xFFFFFFFF)   /* no image, no encoder */
enum { SHARD_MAX_DIMS = 8 };

struct shard_alternative {
    const char *name;    /* "txt", "json.captions[2]" */
    const char *text;    /* UTF-8, may contain NUL */
    size_t text_len;     /* bytes */
    const uint32_t *ids; /* n_ids token ids */
    uint32_t n_ids;      /* SHARD_NO_IDS: not tokenized */
};

struct shard_segment {
    uint32_t kind; /* enum shard_kind, or a later one */
    uint32_t flags;
    /* SHARD_TEXT: */
    size_t n_alternatives;
    const struct shard_alternative *alternatives;
    /* all others: */
    uint32_t dtype; /* enum shard_dtype, or a later one */
    uint32_t n_dims;
    uint32_t dims[SHARD_MAX_DIMS]; /* a latent's: C, H, W */
    uint32_t image;                /* position in the record's images, or SHARD_NONE */
    uint32_t encoder; /* position in the header's encoders, or SHARD_NONE; a latent has
                       * both */
    const void *data; /* little-endian, row-major; NULL where only text was read */
    size_t n_bytes;
};

struct shard_image {
    uint32_t original_width, original_height; /* pixels, oriented */
    uint32_t crop_left, crop_top, crop_width, crop_height;
    uint32_t target_width, target_height;
    unsigned char sha256[32]; /* of the encoded source bytes */
};

struct shard_record {
    const char *key;  /* UTF-8, NUL-terminated */
    const char *name; /* NAME of the unit it came from */
    uint64_t index;   /* its place in that unit */
    size_t n_images;
    const struct shard_image *images;
    size_t n_segments;
    const struct shard_segment *segments;
    enum shard_order order; /* drawn for epoch 0 */
    uint32_t caption_drawn; /* epoch 0: position in the alternatives of the first text
                             * segment; of any other text the first is used */
    const char *metadata;   /* the input's own JSON, byte for byte, a document's without its
                             * text; NULL: none */
    size_t metadata_len;
    uint64_t text_checksum;   /* XXH3-64 of all but the tensors; set by the reader */
    uint64_t tensor_checksum; /* XXH3-64 of the tensors' bytes */
};

#endif
