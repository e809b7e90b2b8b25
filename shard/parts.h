/* SPDX-License-Identifier: Apache-2.0
 * shard/parts.h - public: what the parts and tensors of a record mean together: the one
 * home of the questions what a pair is, which tensor stands for an image, what a
 * log-variance is.
 *
 * Whoever asks holds a record that shard_record_check() has passed: one that was read or
 * may be written. Or the outline of one that the index gives (shard/index/outline.h):
 * there roles, kinds, slots, owners, order and shapes are checked, but not that a
 * log-variance has its mean, nor that an image has a slot of an encoder once. */
#ifndef SHARD_PARTS_H
#define SHARD_PARTS_H

#include "shard/header.h"
#include "shard/kinds.h"
#include "shard/record.h"

/* What a slot says. */
static inline bool shard_slot_is_logvar(uint32_t slot)
{
    return (slot & SHARD_SLOT_LOGVAR) != 0;
}

static inline bool shard_slot_is_mirrored(uint32_t slot)
{
    return (slot & SHARD_SLOT_MIRRORED) != 0;
}

static inline uint32_t shard_slot_output(uint32_t slot)
{
    return slot >> SHARD_SLOT_OUTPUT_SHIFT;
}

/* The slot of the log-variance that belongs to a mean's. */
static inline uint32_t shard_slot_logvar_of(uint32_t mean)
{
    return mean | SHARD_SLOT_LOGVAR;
}

static inline bool shard_is_logvar(const struct shard_tensor *t)
{
    return shard_slot_is_logvar(t->slot);
}

static inline bool shard_is_mirrored(const struct shard_tensor *t)
{
    return shard_slot_is_mirrored(t->slot);
}

static inline uint32_t shard_output_of(const struct shard_tensor *t)
{
    return shard_slot_output(t->slot);
}

/* Position of the record's first text, or n_parts: it has none. */
size_t shard_first_text(const struct shard_record *rec);

/* How the parts of a record stand, data not counted. */
enum shard_arrangement {
    SHARD_OTHER,    /* any other parts, in the order they stand in */
    SHARD_PAIR,     /* one text and one image: only such a record has an order */
    SHARD_LONE_TEXT /* one text */
};

/* n_later: parts of a later version's kinds. */
static inline enum shard_arrangement shard_arrange(size_t n_texts, size_t n_images,
                                                   size_t n_later)
{
    if (n_texts != 1 || n_images > 1 || n_later > 0)
        return SHARD_OTHER;
    return n_images == 1 ? SHARD_PAIR : SHARD_LONE_TEXT;
}

enum shard_arrangement shard_arrangement_of(const struct shard_record *rec);
/* "pair", "text" or "other". Static. */
const char *shard_arrangement_name(enum shard_arrangement arrangement);

/* Whether it is one, and where its text and its image stand. */
bool shard_is_pair(const struct shard_record *rec, size_t *text, size_t *image);

/* Number of the record's parts of that kind. */
size_t shard_count_parts(const struct shard_record *rec, uint32_t kind);

/* What stands for an image where nobody names an encoder: the header's first latent or
 * codes of images. SHARD_NONE: it has none. */
uint32_t shard_default_encoder(const struct shard_header *h);

/* The image that stands for the record where one is asked for: the first that `encoder`,
 * the default one, made a tensor of, which *tensor is (lent), else its first with *tensor
 * NULL. Position of the part, or n_parts: it has no image. */
size_t shard_shown_image(const struct shard_record *rec, uint32_t encoder,
                         const struct shard_tensor **tensor);

/* The tensors that an encoder made of a part stand together: position of the first, or
 * where it would be. */
size_t shard_first_tensor(const struct shard_record *rec, uint32_t encoder, size_t part);
/* The same of an image's renditions. */
size_t shard_first_rendition(const struct shard_record *rec, size_t part);

/* The order of a row's tensors: by encoder, part, owner, slot. Of two struct
 * shard_tensor, as qsort() asks. */
int shard_tensor_compare(const void *left, const void *right);

/* The tensor that an encoder's output gave of a part, no log-variance: of an image its
 * mirrored or its other rendition, as asked, or else the one there is; of a text that of
 * alternative `owner` (of others `owner` says nothing). NULL: it has none. */
const struct shard_tensor *shard_tensor_of(const struct shard_record *rec, size_t part,
                                           uint32_t owner, uint32_t encoder,
                                           uint32_t output, bool mirrored);

/* The log-variance that belongs to a mean of the record; NULL: it has none. */
const struct shard_tensor *shard_logvar_of(const struct shard_record *rec,
                                           const struct shard_tensor *mean);

/* The tensors of each part of a record, in the row's order: those of part i are
 * tensor[start[i]] to tensor[start[i + 1] - 1], and its renditions begin at rendition[i].
 */
struct shard_parts_tensors {
    size_t *start; /* n_parts + 1 */
    size_t *tensor;
    size_t *rendition; /* n_parts */
};

/* Gives *of (release with shard_parts_tensors_clear(), also on failure). SHARD_OK or
 * SHARD_ENOMEM. */
int shard_parts_tensors_make(struct shard_parts_tensors *of,
                             const struct shard_record *rec);
void shard_parts_tensors_clear(struct shard_parts_tensors *of);

/* The places of a grid: H * W of latents, codes and pixels, n of codes (n), of features
 * the product of all dims but the last; 0 for other kinds. */
uint64_t shard_tensor_cells(const struct shard_tensor *t);
/* Values that are ids or codes; 0 for other kinds. */
uint64_t shard_tensor_ids(const struct shard_tensor *t);

/* Which of a latent's n scales and shifts, p an encoder's scale_window, holds for the
 * value of channel c at (row, col). */
static inline size_t shard_scale_of(size_t n, size_t p, size_t c, size_t row, size_t col)
{
    return n == 1 ? 0 : (c * p + row % p) * p + col % p;
}

#endif
