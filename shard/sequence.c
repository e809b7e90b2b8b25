/* SPDX-License-Identifier: Apache-2.0
 * shard/sequence.c - two passes over the same parts: the first measures, the second
 * writes. Each position remembers what it is, and the masks follow from that alone. */
#include "shard/sequence.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

enum { MAX_LENGTH = 1 << 26 };

/* What stands at a position, for the loss. */
enum role {
    ROLE_BOS,
    ROLE_TEXT,
    ROLE_BOI,
    ROLE_PATCH,
    ROLE_EOI,
    ROLE_EOS,
    ROLE_CONTEXT = 0x80 /* with any of them: a target here has no loss */
};

struct builder {
    const struct shard_header *h;
    const struct shard_record *rec;
    uint32_t patch;
    uint32_t caption;
    bool writing; /* second pass */
    struct shard_sequence *seq;
    size_t length, n_spans; /* so far */
};

static int put(struct builder *b, uint32_t token, uint8_t role)
{
    if (b->length >= MAX_LENGTH)
        return SHARD_EINVAL;
    if (b->writing) {
        b->seq->tokens[b->length] = token;
        b->seq->loss[b->length] = role;
    }
    b->length++;
    return SHARD_OK;
}

static int put_text(struct builder *b, size_t position, uint32_t drawn)
{
    const struct shard_segment *segment = &b->rec->segments[position];
    uint8_t context = segment->flags == SHARD_FLAG_CONTEXT ? ROLE_CONTEXT : 0;

    if (drawn >= segment->n_alternatives)
        return SHARD_EINVAL;
    const struct shard_alternative *a = &segment->alternatives[drawn];
    if (a->n_ids == SHARD_NO_IDS)
        return SHARD_EINVAL;
    int rc = SHARD_OK;
    for (uint32_t i = 0; i < a->n_ids && rc == SHARD_OK; i++)
        rc = put(b, a->ids[i], ROLE_TEXT | context);
    return rc;
}

static int put_image(struct builder *b, size_t position)
{
    const struct shard_segment *segment = &b->rec->segments[position];
    uint32_t height = segment->dims[1], width = segment->dims[2];
    uint8_t context = segment->flags == SHARD_FLAG_CONTEXT ? ROLE_CONTEXT : 0;

    if (segment->n_dims != 3 || height % b->patch != 0 || width % b->patch != 0)
        return SHARD_EINVAL;
    uint32_t rows = height / b->patch, cols = width / b->patch;
    uint64_t n = (uint64_t)rows * cols;
    if (n == 0 || n > MAX_LENGTH)
        return SHARD_EINVAL;

    int rc = put(b, b->h->tokenizer.boi, ROLE_BOI | context);
    if (b->writing)
        b->seq->spans[b->n_spans] =
            (struct shard_span){b->length, (size_t)n, rows, cols, position};
    b->n_spans++;
    for (uint64_t i = 0; i < n && rc == SHARD_OK; i++)
        rc = put(b, 0, ROLE_PATCH | context);
    return rc < 0 ? rc : put(b, b->h->tokenizer.eoi, ROLE_EOI | context);
}

/* A log-variance belongs to the mean before it and is no image of its own. *run counts
 * such tensors up to here: mean, log-variance, mean, ... */
static bool is_logvar(const struct builder *b, size_t position, size_t *run)
{
    const struct shard_segment *segment = &b->rec->segments[position];
    bool moments = segment->kind == SHARD_LATENT && segment->encoder < b->h->n_encoders &&
                   strcmp(b->h->encoders[segment->encoder].moments, "mean+logvar") == 0;

    *run = moments ? *run + 1 : 0;
    return moments && *run % 2 == 0;
}

/* A pair is one text and one image; its order may be drawn. */
static bool is_pair(const struct builder *b, size_t *text, size_t *image)
{
    size_t n_texts = 0, n_images = 0, run = 0;

    for (size_t i = 0; i < b->rec->n_segments; i++) {
        if (b->rec->segments[i].kind == SHARD_TEXT) {
            *text = i;
            n_texts++;
        } else if (b->rec->segments[i].kind != SHARD_LATENT) {
            return false;
        } else if (!is_logvar(b, i, &run)) {
            *image = i;
            n_images++;
        }
    }
    return n_texts == 1 && n_images == 1;
}

static int put_pair(struct builder *b, enum shard_order order, size_t text, size_t image)
{
    int rc = SHARD_OK;

    if (order == SHARD_IMAGE_FIRST)
        rc = put_image(b, image);
    if (rc == SHARD_OK)
        rc = put_text(b, text, b->caption);
    if (rc == SHARD_OK && order == SHARD_CAPTION_FIRST)
        rc = put_image(b, image);
    return rc;
}

static int put_as_stored(struct builder *b)
{
    size_t n_texts = 0, run = 0;
    int rc = SHARD_OK;

    for (size_t i = 0; i < b->rec->n_segments && rc == SHARD_OK; i++) {
        bool logvar = is_logvar(b, i, &run);
        if (b->rec->segments[i].kind == SHARD_TEXT)
            rc = put_text(b, i, n_texts++ == 0 ? b->caption : 0);
        else if (b->rec->segments[i].kind != SHARD_LATENT)
            rc = SHARD_EINVAL; /* nothing is said of how it is seen */
        else if (!logvar)
            rc = put_image(b, i);
    }
    return rc;
}

static int put_all(struct builder *b, enum shard_order order)
{
    const struct shard_tokenizer *t = &b->h->tokenizer;
    size_t text = 0, image = 0;
    int rc = SHARD_OK;

    b->length = b->n_spans = 0;
    if (t->bos >= 0)
        rc = put(b, (uint32_t)t->bos, ROLE_BOS);
    if (rc == SHARD_OK)
        rc = is_pair(b, &text, &image) ? put_pair(b, order, text, image)
                                       : put_as_stored(b);
    if (rc == SHARD_OK && t->eos >= 0)
        rc = put(b, (uint32_t)t->eos, ROLE_EOS);
    return rc;
}

/* Roles -> masks. A loss stands at i where i is text, BOS or EOI and i + 1 is a text, BOI
 * or EOS that is no context. */
static void roles_to_loss(struct shard_sequence *seq)
{
    for (size_t i = 0; i < seq->length; i++) {
        uint8_t from = seq->loss[i] & ~ROLE_CONTEXT;
        uint8_t to = i + 1 < seq->length ? seq->loss[i + 1] : ROLE_PATCH;
        seq->loss[i] = (from == ROLE_TEXT || from == ROLE_BOS || from == ROLE_EOI) &&
                       (to == ROLE_TEXT || to == ROLE_BOI || to == ROLE_EOS);
    }
}

int shard_sequence_build(const struct shard_header *h, const struct shard_record *rec,
                         enum shard_order order, uint32_t caption, uint32_t patch,
                         struct shard_sequence *seq)
{
    struct builder b = {
        .h = h, .rec = rec, .patch = patch, .caption = caption, .seq = seq};

    *seq = (struct shard_sequence){0};
    if (!h->tokenizer.present || (patch != 1 && patch != 2 && patch != 4 && patch != 8))
        return SHARD_EINVAL;
    int rc = put_all(&b, order);
    if (rc < 0)
        return rc;

    seq->tokens = calloc(b.length + 1, sizeof(seq->tokens[0]));
    seq->loss = calloc(b.length + 1, sizeof(seq->loss[0]));
    seq->spans = calloc(b.n_spans + 1, sizeof(seq->spans[0]));
    if (seq->tokens == NULL || seq->loss == NULL || seq->spans == NULL) {
        shard_sequence_clear(seq);
        return SHARD_ENOMEM;
    }
    b.writing = true;
    rc = put_all(&b, order); /* the same path: it cannot fail now */
    seq->length = b.length;
    seq->n_spans = b.n_spans;
    roles_to_loss(seq);
    return rc;
}

void shard_sequence_clear(struct shard_sequence *seq)
{
    free(seq->tokens);
    free(seq->loss);
    free(seq->spans);
    *seq = (struct shard_sequence){0};
}
