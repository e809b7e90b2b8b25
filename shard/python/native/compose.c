/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/python/native/compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/draw.h"
#include "shard/parts.h"
#include "shard/status.h"

enum { NO_LOSS = -100, PADDING = -1 };

/* A document while it is composed. */
struct composer {
    struct compose_job *job;
    struct composed *out;
    struct shard_buffer parts, alternatives, drawn, tensors, shown; /* scratch */
    struct shard_sequence
        seq; /* of the piece before, which may be of the same document */
    size_t seq_piece;
    int32_t doc_id; /* of the next document of the sequence */
};

static int add(struct shard_buffer *to, size_t *n, const void *one, size_t size)
{
    (*n)++;
    return shard_buffer_add(to, one, size);
}

static int refuse(struct composer *c, size_t piece, enum compose_trouble trouble,
                  size_t number, const char *why)
{
    struct compose_problem problem = {
        .trouble = trouble, .piece = piece, .number = number};

    snprintf(problem.why, sizeof(problem.why), "%s", why);
    return add(&c->out->problems, &c->out->n_problems, &problem, sizeof(problem));
}

static void *room(struct shard_buffer *b, size_t n, size_t size)
{
    return shard_buffer_resize(b, (n + 1) * size) < 0 ? NULL : b->data;
}

/* ---- draws ---- */

/* Anew in each pass, and for each repetition. */
static uint64_t draw_anew(const struct composer *c, const struct compose_piece *p,
                          const struct shard_record *rec, const char *purpose)
{
    return shard_draw_copy(purpose, p->copy, rec->name, rec->key, (uint64_t)p->pass,
                           c->job->seed);
}

/* As captions are drawn. */
static uint64_t draw(const struct composer *c, const struct compose_piece *p,
                     const struct shard_record *rec, const char *purpose)
{
    const struct shard_header *h = c->job->blocks[p->block].view.header;

    return c->job->stored ? shard_draw(purpose, rec->name, rec->key, 0, h->seed)
                          : draw_anew(c, p, rec, purpose);
}

static uint32_t draw_text(const struct composer *c, const struct compose_piece *p,
                          const struct shard_record *rec, size_t part, size_t text)
{
    char purpose[SHARD_MAX_PURPOSE];

    if (text == 0)
        return p->caption > 0 ? (uint32_t)p->caption : 0;
    shard_draw_caption_purpose(text, purpose);
    return shard_draw_pick(draw(c, p, rec, purpose),
                           (uint32_t)rec->parts[part].n_alternatives);
}

static uint32_t draw_image(const struct composer *c, const struct compose_piece *p,
                           const struct shard_record *rec, size_t image)
{
    char purpose[SHARD_MAX_PURPOSE];
    bool mirrored = false;

    for (size_t i = 0; i < rec->n_tensors && !mirrored; i++)
        mirrored = shard_is_mirrored(&rec->tensors[i]);
    if (!mirrored) /* then it does not matter */
        return 0;
    shard_draw_mirror_purpose(image, purpose);
    return shard_draw_is_mirrored(draw(c, p, rec, purpose));
}

static const struct compose_ids *own_ids(const struct composer *c,
                                         const struct compose_piece *p, size_t text)
{
    if (p->own < 0 || text >= c->job->own[p->own].n)
        return NULL;
    const struct compose_ids *ids = &c->job->own[p->own].of_text[text];
    return ids->ids != NULL ? ids : NULL;
}

static int draw_parts(struct composer *c, const struct compose_piece *p,
                      const struct shard_record *rec, struct shard_draws *draws)
{
    size_t texts = 0, images = 0;

    draws->order = p->image_first ? SHARD_IMAGE_FIRST : SHARD_CAPTION_FIRST;
    draws->of_part = room(&c->drawn, rec->n_parts, sizeof(draws->of_part[0]));
    if (draws->of_part == NULL)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < rec->n_parts; i++) {
        const uint32_t kind = rec->parts[i].kind;
        draws->of_part[i] = 0;
        if (kind == SHARD_PART_IMAGE)
            draws->of_part[i] = draw_image(c, p, rec, images++);
        if (kind != SHARD_PART_TEXT)
            continue;
        /* Other ids are no alternative: they stand where the first one was. */
        if (own_ids(c, p, texts) == NULL)
            draws->of_part[i] = draw_text(c, p, rec, i, texts);
        texts++;
    }
    return SHARD_OK;
}

/* ---- records with other texts ---- */

static bool shortens(const struct shard_alternative *a, int64_t keep)
{
    return a->n_ids > keep && (keep == 0 || a->n_ids != SHARD_NO_IDS);
}

static bool is_as_stored(const struct compose_piece *p, const struct shard_record *rec,
                         const struct shard_draws *draws)
{
    const size_t text = shard_first_text(rec);

    if (p->own >= 0)
        return false;
    if (text == rec->n_parts)
        return true;
    const struct shard_part *part = &rec->parts[text];
    const uint32_t drawn = draws->of_part[text];
    return drawn >= part->n_alternatives ||
           !shortens(&part->alternatives[drawn], p->keep);
}

/* Copies what may become another into the scratch. */
static int copy_texts(struct composer *c, struct shard_record *rec)
{
    size_t n = 0;

    for (size_t i = 0; i < rec->n_parts; i++)
        n += rec->parts[i].n_alternatives;
    struct shard_part *parts = room(&c->parts, rec->n_parts, sizeof(parts[0]));
    struct shard_alternative *next = room(&c->alternatives, n, sizeof(next[0]));
    if (parts == NULL || next == NULL)
        return SHARD_ENOMEM;
    for (size_t i = 0; i < rec->n_parts; i++) {
        parts[i] = rec->parts[i];
        if (parts[i].n_alternatives == 0)
            continue;
        memcpy(next, parts[i].alternatives, parts[i].n_alternatives * sizeof(next[0]));
        parts[i].alternatives = next;
        next += parts[i].n_alternatives;
    }
    rec->parts = parts;
    return SHARD_OK;
}

/* Gives texts the ids that are used of them. */
static int use_texts(struct composer *c, const struct compose_piece *p,
                     const struct shard_draws *draws, struct shard_record *rec)
{
    size_t texts = 0;

    if (copy_texts(c, rec) < 0)
        return SHARD_ENOMEM;
    struct shard_alternative *next = (struct shard_alternative *)c->alternatives.data;
    for (size_t i = 0; i < rec->n_parts; i++) {
        const size_t n = rec->parts[i].n_alternatives;
        if (rec->parts[i].kind == SHARD_PART_TEXT && n > 0) {
            const struct compose_ids *own = own_ids(c, p, texts);
            struct shard_alternative *used =
                next + (draws->of_part[i] < n ? draws->of_part[i] : 0);
            if (own != NULL) {
                used->ids = own->ids;
                used->n_ids = own->n;
            }
            if (texts == 0 && draws->of_part[i] < n && shortens(used, p->keep))
                used->n_ids = (uint32_t)p->keep;
        }
        texts += rec->parts[i].kind == SHARD_PART_TEXT;
        next += n;
    }
    return SHARD_OK;
}

/* ---- values ---- */

static struct compose_values values_of(const struct compose_block *b,
                                       const struct shard_tensor *t, size_t *frame)
{
    const struct shard_place *place = &b->frame->places[t - b->frame->tensors];
    const unsigned char *values = b->values[place->frame];

    *frame = place->frame;
    return (struct compose_values){t, values != NULL ? values + place->offset : NULL};
}

static bool has_tokens(const struct shard_tensor *t)
{
    return t->kind == SHARD_CODES || t->kind == SHARD_IDS;
}

/* Points those of a row's tensors that are tokens and shown at their values, in a copy. A
 * frame that is missing is a problem of the piece. */
static int attach_tokens(struct composer *c, size_t piece, struct shard_record *rec,
                         const struct shard_draws *draws)
{
    const struct compose_block *b = &c->job->blocks[c->job->pieces[piece].block];
    size_t first = 0, frame;

    while (first < rec->n_tensors && !has_tokens(&rec->tensors[first]))
        first++;
    if (first == rec->n_tensors)
        return SHARD_OK;
    bool *shown = room(&c->shown, rec->n_tensors, sizeof(shown[0]));
    struct shard_tensor *tensors = room(&c->tensors, rec->n_tensors, sizeof(tensors[0]));
    if (shown == NULL || tensors == NULL)
        return SHARD_ENOMEM;
    memset(shown, 0, rec->n_tensors * sizeof(shown[0]));
    shard_sequence_shown(&b->view, rec, draws, shown); /* building says what is wrong */
    for (size_t i = 0; i < rec->n_tensors; i++) {
        tensors[i] = rec->tensors[i];
        if (!shown[i] || !has_tokens(&tensors[i]))
            continue;
        tensors[i].data = values_of(b, &rec->tensors[i], &frame).bytes;
        if (tensors[i].data == NULL)
            return refuse(c, piece, COMPOSE_FRAME, frame, "");
    }
    rec->tensors = tensors;
    return SHARD_OK;
}

/* ---- sequences ---- */

static bool is_same(const struct compose_piece *a, const struct compose_piece *b)
{
    return a->block == b->block && a->row == b->row && a->pass == b->pass &&
           a->copy == b->copy;
}

/* Builds the document that a piece is of, unless the piece before was of it, too. */
static int build(struct composer *c, size_t i)
{
    const struct compose_piece *p = &c->job->pieces[i];
    const struct compose_block *b = &c->job->blocks[p->block];
    struct shard_record rec = b->frame->records[p->row];
    struct shard_draws draws;
    const size_t n_problems = c->out->n_problems;
    char why[128];

    if (c->seq.tokens != NULL && is_same(p, &c->job->pieces[c->seq_piece]))
        return SHARD_OK;
    shard_sequence_clear(&c->seq);
    c->seq_piece = i;
    int rc = draw_parts(c, p, &rec, &draws);
    if (rc == SHARD_OK && !is_as_stored(p, &rec, &draws))
        rc = use_texts(c, p, &draws, &rec);
    if (rc == SHARD_OK)
        rc = attach_tokens(c, i, &rec, &draws);
    if (rc < 0 || c->out->n_problems > n_problems)
        return rc;
    rc = shard_sequence_build(&b->view, &rec, &draws, &c->seq);
    if (rc == SHARD_EINVAL) {
        shard_sequence_explain(&b->view, &rec, &draws, why, sizeof(why));
        return refuse(c, i, COMPOSE_INVALID, 0, why);
    }
    if (rc == SHARD_OK && c->seq.length != (size_t)p->whole) {
        rc = refuse(c, i, COMPOSE_LENGTH, c->seq.length, "");
        shard_sequence_clear(&c->seq);
    }
    return rc;
}

/* ---- arrays ---- */

static void begin(struct compose_arrays *out, size_t at)
{
    out->begins[out->n_begins++] = (int32_t)at;
}

/* n positions from `at` on of all those of the batch. */
static void put_padding(struct compose_arrays *out, size_t at, size_t n)
{
    int32_t position = 0;

    if (n == 0)
        return;
    if (at % out->length != 0 && out->doc_ids[at - 1] == PADDING)
        position = out->position_ids[at - 1] + 1;
    else
        begin(out, at);
    for (size_t i = at; i < at + n; i++) {
        out->tokens[i] = 0;
        out->labels[i] = NO_LOSS;
        out->doc_ids[i] = out->source_ids[i] = out->image_ids[i] = PADDING;
        out->position_ids[i] = position++;
    }
}

static void put_positions(struct composer *c, const struct compose_piece *p, size_t at)
{
    struct compose_arrays *out = &c->job->out;
    const uint32_t *tokens = c->seq.tokens + p->start;
    const uint8_t *loss = c->seq.loss + p->start;
    const size_t n = (size_t)p->length;

    begin(out, at);
    memcpy(out->tokens + at, tokens, n * sizeof(tokens[0]));
    for (size_t i = 0; i < n; i++) /* tokens end with one more */
        out->labels[at + i] = loss[i] ? (int64_t)tokens[i + 1] : NO_LOSS;
    for (size_t i = 0; i < n; i++) {
        out->doc_ids[at + i] = c->doc_id;
        out->source_ids[at + i] = (int32_t)p->source;
        out->image_ids[at + i] = PADDING;
        out->position_ids[at + i] = (int32_t)i;
    }
}

static bool text_follows(const struct shard_sequence *seq, size_t i)
{
    while (++i < seq->n_spans)
        if (seq->spans[i].kind == 0 && seq->spans[i].loss && seq->spans[i].length > 0)
            return true;
    return false;
}

/* The positions of the latent that was added last; all behind it moves up. */
static void put_image(struct composer *c, const struct compose_piece *p, size_t at,
                      const struct shard_span *s)
{
    struct compose_arrays *out = &c->job->out;
    const size_t first = at + s->offset - (size_t)p->start;
    const size_t end = at + (size_t)p->length;

    for (size_t i = first; i < first + s->length; i++)
        out->image_ids[i] = (int32_t)(c->out->n_images - 1);
    if (!c->job->collapsed)
        return;
    for (size_t i = first + 1; i < first + s->length; i++)
        out->position_ids[i] = out->position_ids[first];
    for (size_t i = first + s->length; i < end; i++)
        out->position_ids[i] -= (int32_t)(s->length - 1);
}

/* What a latent is sampled with. SHARD_OK, also where that is a problem of the piece, or
 * SHARD_ENOMEM. */
static int attach_logvar(struct composer *c, struct compose_image *image,
                         const struct shard_span *s)
{
    const struct compose_piece *p = &c->job->pieces[image->piece];
    const struct compose_block *b = &c->job->blocks[p->block];
    const struct shard_record *rec = &b->frame->records[p->row];
    const struct shard_tensor *logvar = shard_logvar_of(rec, &rec->tensors[s->tensor]);
    char purpose[SHARD_MAX_PURPOSE];
    size_t frame;

    if (logvar == NULL)
        return refuse(c, image->piece, COMPOSE_INVALID, 0,
                      "it has an image without a log-variance");
    image->logvar = values_of(b, logvar, &frame);
    if (image->logvar.bytes == NULL)
        return refuse(c, image->piece, COMPOSE_FRAME, frame, "");
    snprintf(purpose, sizeof(purpose), "posterior@%zu", s->part);
    image->key = draw_anew(c, p, rec, purpose);
    return SHARD_OK;
}

static int add_image(struct composer *c, size_t piece, size_t at, size_t span)
{
    const struct compose_piece *p = &c->job->pieces[piece];
    const struct compose_block *b = &c->job->blocks[p->block];
    const struct shard_record *rec = &b->frame->records[p->row];
    const struct shard_span *s = &c->seq.spans[span];
    struct compose_image image = {.piece = piece,
                                  .offset = at % c->job->out.length + s->offset -
                                            (size_t)p->start,
                                  .rows = s->rows,
                                  .cols = s->cols,
                                  .boi = s->boi,
                                  .eoi = s->eoi,
                                  .text_follows = text_follows(&c->seq, span)};
    size_t frame;

    image.mean = values_of(b, &rec->tensors[s->tensor], &frame);
    if (image.mean.bytes == NULL)
        return refuse(c, piece, COMPOSE_FRAME, frame, "");
    if (c->job->sampled && attach_logvar(c, &image, s) < 0)
        return SHARD_ENOMEM;
    c->out->n_patches += s->length;
    int rc = add(&c->out->images, &c->out->n_images, &image, sizeof(image));
    if (rc == SHARD_OK)
        put_image(c, p, at, s);
    return rc;
}

/* Whether it is a latent of the piece: what has one is never cut. */
static bool is_in(const struct shard_span *s, const struct compose_piece *p)
{
    const size_t start = (size_t)p->start, end = start + (size_t)p->length;

    return s->kind == SHARD_LATENT && s->length > 0 && s->offset >= start &&
           s->offset + s->length <= end;
}

/* Piece i, whose first position is `at` of all those of the batch. */
static int put_piece(struct composer *c, size_t i, size_t at)
{
    const struct compose_piece *p = &c->job->pieces[i];
    const size_t n_problems = c->out->n_problems;

    if (p->block < 0) {
        put_padding(&c->job->out, at, (size_t)p->length);
        return SHARD_OK;
    }
    int rc = build(c, i);
    if (rc < 0 || c->out->n_problems > n_problems || c->seq.tokens == NULL)
        return rc;
    put_positions(c, p, at);
    for (size_t span = 0; span < c->seq.n_spans && rc == SHARD_OK; span++)
        if (is_in(&c->seq.spans[span], p))
            rc = add_image(c, i, at, span);
    c->doc_id++;
    return rc;
}

static int put_sequence(struct composer *c, size_t sequence, size_t *piece)
{
    struct compose_arrays *out = &c->job->out;
    const size_t end = (sequence + 1) * out->length;
    size_t at = sequence * out->length;
    int rc = SHARD_OK;

    c->doc_id = 0;
    for (; *piece < c->job->n_pieces && rc == SHARD_OK; (*piece)++) {
        const struct compose_piece *p = &c->job->pieces[*piece];
        if (p->sequence != (int64_t)sequence)
            break;
        rc = put_piece(c, *piece, at);
        at += (size_t)p->length;
    }
    put_padding(out, at, end - at);
    return rc;
}

int compose(struct compose_job *job, struct composed *out)
{
    struct composer c = {.job = job, .out = out};
    size_t piece = 0;
    int rc = SHARD_OK;

    job->out.n_begins = 0;
    for (size_t i = 0; i < job->out.n_sequences && rc == SHARD_OK; i++)
        rc = put_sequence(&c, i, &piece);
    begin(&job->out, job->out.n_sequences * job->out.length);
    shard_sequence_clear(&c.seq);
    shard_buffer_free(&c.parts);
    shard_buffer_free(&c.alternatives);
    shard_buffer_free(&c.drawn);
    shard_buffer_free(&c.tensors);
    shard_buffer_free(&c.shown);
    return rc;
}

void compose_clear(struct composed *c)
{
    shard_buffer_free(&c->images);
    shard_buffer_free(&c->problems);
    *c = (struct composed){.images = {0}};
}
