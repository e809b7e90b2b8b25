/* SPDX-License-Identifier: Apache-2.0
 * shard/record.h - public: one training sample, as it is written and read.
 *
 * An ordered list of parts (texts, images, data), and what was made of them: renditions
 * of images and tensors. The same struct goes into the writer and comes out of the
 * reader. Everything it points to is lent: by the caller to shard_writer_append() until
 * it returns, by the reader until its next call. What these things mean together (which
 * image a latent is of, what a pair is) is asked in shard/parts.h. Patches, markers and
 * orders are not in a record: shard/sequence.h makes them. FORMAT.md specifies the bytes.
 */
#ifndef SHARD_RECORD_H
#define SHARD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kinds and dtypes are numbers on disk: an unknown one is passed through as it is. */
enum shard_part_kind {
    SHARD_PART_TEXT = 0,
    SHARD_PART_IMAGE = 1,
    SHARD_PART_DATA = 2 /* an array that came with the input: its tensor */
};

enum shard_tensor_kind {
    SHARD_LATENT = 1,
    SHARD_CODES = 2,
    SHARD_FEATURES = 3,
    SHARD_PIXELS = 4,
    SHARD_IDS = 5
};

enum shard_dtype {
    SHARD_U8 = 0,
    SHARD_U16 = 1,
    SHARD_U32 = 2,
    SHARD_I32 = 3,
    SHARD_FP16 = 4,
    SHARD_BF16 = 5,
    SHARD_FP32 = 6,
    SHARD_FILE = 7 /* an encoded image */
};

/* Bytes of one value; 0 for a file and for a dtype this version does not know. */
uint32_t shard_dtype_width(uint32_t dtype);
/* "fp16"; NULL for a dtype this version does not know. Static. */
const char *shard_dtype_name(uint32_t dtype);

enum shard_fit { SHARD_CROP = 0, SHARD_PAD = 1, SHARD_STRETCH = 2 };

enum shard_order { SHARD_CAPTION_FIRST = 0, SHARD_IMAGE_FIRST = 1 };

/* Flags of a part: exactly one. */
enum { SHARD_FLAG_LOSS = 1, SHARD_FLAG_CONTEXT = 2 };

/* Bits of a tensor's slot; the number of the network's output stands above them. */
enum { SHARD_SLOT_LOGVAR = 1, SHARD_SLOT_MIRRORED = 2, SHARD_SLOT_OUTPUT_SHIFT = 8 };

#define SHARD_NO_IDS UINT32_C(0xFFFFFFFF) /* n_ids of a text that is not tokenized */
#define SHARD_NONE UINT32_C(0xFFFFFFFF)   /* no owner */
enum { SHARD_MAX_DIMS = 8 };

/* What an entry of a kind that this version does not know holds behind what all kinds
 * have. */
struct shard_unknown {
    const void *bytes;
    size_t len;
};

struct shard_alternative {
    uint32_t kind;       /* 0, or a later one: then without text */
    const char *name;    /* "txt", "json.captions[2]" */
    const char *text;    /* UTF-8, may contain NUL */
    size_t text_len;     /* bytes */
    const uint32_t *ids; /* n_ids token ids */
    uint32_t n_ids;      /* SHARD_NO_IDS: not tokenized */
    struct shard_unknown unknown;
};

struct shard_part {
    uint32_t kind; /* enum shard_part_kind, or a later one */
    uint32_t flags;
    const char *role; /* "user", "source"; "": none */
    /* SHARD_PART_TEXT: */
    size_t n_alternatives;
    const struct shard_alternative *alternatives;
    /* SHARD_PART_IMAGE: its source */
    uint32_t width, height;   /* pixels, oriented */
    unsigned char sha256[32]; /* of the encoded bytes */
    struct shard_unknown unknown;
};

struct shard_box {
    uint32_t left, top, width, height; /* pixels */
};

/* What was made of an image's pixels, to be encoded. */
struct shard_rendition {
    uint32_t kind; /* 0, or a later one: then only the part and `unknown` */
    uint32_t part; /* position in the record's parts: an image */
    bool mirrored; /* left and right are swapped */
    enum shard_fit fit;
    uint32_t target_width, target_height;
    struct shard_box crop;    /* of the source */
    struct shard_box content; /* of the target: what the crop fills */
    struct shard_unknown unknown;
};

struct shard_tensor {
    uint32_t kind;  /* enum shard_tensor_kind, or a later one */
    uint32_t part;  /* position in the record's parts */
    uint32_t owner; /* of an image: position in the record's renditions; of a text: in the
                     * part's alternatives; of data: SHARD_NONE */
    uint32_t encoder; /* position in the header's encoders */
    uint32_t slot;
    uint32_t dtype; /* enum shard_dtype, or a later one */
    uint32_t n_dims;
    uint32_t dims[SHARD_MAX_DIMS]; /* a latent's: C, H, W */
    const void *data; /* little-endian, row-major; NULL where only text was read */
    size_t n_bytes;
    uint64_t checksum; /* XXH3-64 of data; set by the reader */
};

struct shard_record {
    const char *key;  /* UTF-8, NUL-terminated */
    const char *name; /* NAME of the unit it came from */
    uint64_t index;   /* its place in that unit */
    size_t n_parts;
    const struct shard_part *parts;
    size_t n_renditions;
    const struct shard_rendition *renditions; /* ascending, see FORMAT.md */
    size_t n_tensors;
    const struct shard_tensor *tensors; /* by encoder, part, owner, slot */
    enum shard_order order;             /* drawn for epoch 0 */
    uint32_t caption_drawn; /* epoch 0: position in the alternatives of the first text */
    const char *metadata;   /* the input's own JSON, byte for byte, a document's without
                             * its text; NULL: none */
    size_t metadata_len;
    uint64_t text_checksum; /* XXH3-64 of parts, metadata and so on; set by the reader */
    uint64_t tensor_checksum; /* of the tensors and what they are of; set by the reader */
};

#endif
