/* SPDX-License-Identifier: Apache-2.0
 * shard/sequence.c - one walk over parts and appearances, done to measure, and done again
 * to write. Each position remembers whether it may predict and be predicted, and the mask
 * follows from that alone. */
#include "shard/sequence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/file/format.h"
#include "shard/parts.h"
#include "shard/status.h"
#include "shard/file/wire.h"

enum { MAX_LENGTH = 1 << 26 };

/* What a position may do for the loss. */
enum role { ROLE_NONE = 0, ROLE_PREDICTS = 1, ROLE_PREDICTED = 2, ROLE_BOTH = 3 };

struct builder {
    const struct shard_view *view;
    const struct shard_record *rec;
    const struct shard_draws *draws; /* NULL: no matter; texts' ids do not count then */
    struct shard_sequence *seq;      /* NULL: measuring */
    bool *shown;            /* n_tensors: set of what is seen; NULL: nobody asks */
    enum shard_order order; /* of a pair */
    bool templated;         /* no markers but the template's */
    size_t length, n_spans; /* so far */
    size_t boi_end;         /* behind the last BOI; 0: none yet */
    uint8_t last_role;      /* of the position before, while measuring */
    struct shard_tally tally;
    struct shard_measure measure;
    char *why; /* NULL: nobody asks */
    size_t cap;
};

static int refuse(struct builder *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (b->why != NULL)
        vsnprintf(b->why, b->cap, fmt, ap);
    va_end(ap);
    return SHARD_EINVAL;
}

static uint32_t drawn_of(const struct builder *b, size_t part)
{
    return b->draws != NULL ? b->draws->of_part[part] : 0;
}

/* Counts the losses that the next n positions, all of one role, bring. */
static void count_losses(struct builder *b, size_t n, uint8_t role)
{
    const size_t start = b->tally.start, end = b->tally.end;

    if (n > 0 && (b->last_role & ROLE_PREDICTS) != 0 && (role & ROLE_PREDICTED) != 0)
        b->tally.losses += b->length > start && b->length <= end;
    if (n > 1 && role == ROLE_BOTH) { /* each but the last */
        const size_t first = b->length > start ? b->length : start;
        const size_t behind = b->length + n - 1 < end ? b->length + n - 1 : end;
        b->tally.losses += behind > first ? behind - first : 0;
    }
    if (n > 0)
        b->last_role = role;
}

static int put(struct builder *b, uint32_t token, uint8_t role)
{
    if (b->length >= MAX_LENGTH)
        return refuse(b, "its sequence is longer than %d", MAX_LENGTH);
    if (b->seq != NULL) {
        b->seq->tokens[b->length] = token;
        b->seq->loss[b->length] = role;
    } else {
        count_losses(b, 1, role);
    }
    b->length++;
    return SHARD_OK;
}

/* n positions of a role that are not written: no tokens, or measuring. */
static int put_run(struct builder *b, uint64_t n, uint8_t role)
{
    if (n > MAX_LENGTH - b->length)
        return refuse(b, "its sequence is longer than %d", MAX_LENGTH);
    if (b->seq == NULL)
        count_losses(b, (size_t)n, role);
    b->length += (size_t)n; /* tokens and roles are zeros already */
    return SHARD_OK;
}

static struct shard_markers markers_of(const struct builder *b)
{
    const struct shard_tokenizer *t = &b->view->header->tokenizer;

    if (b->view->markers != NULL)
        return *b->view->markers;
    return t->present ? (struct shard_markers){t->bos, t->eos, t->boi, t->eoi}
                      : (struct shard_markers){-1, -1, -1, -1};
}

static int put_marker(struct builder *b, int64_t id, uint8_t role)
{
    return id >= 0 ? put(b, (uint32_t)id, role) : SHARD_OK;
}

static int put_bos(struct builder *b)
{
    return put_marker(b, markers_of(b).bos, ROLE_PREDICTS);
}

static int put_eos(struct builder *b, bool loss)
{
    return put_marker(b, markers_of(b).eos, loss ? ROLE_PREDICTED : ROLE_NONE);
}

static int put_boi(struct builder *b, bool loss, bool codes)
{
    const uint8_t role =
        (uint8_t)((loss ? ROLE_PREDICTED : 0) | (codes ? ROLE_PREDICTS : 0));
    const int rc = put_marker(b, markers_of(b).boi, role);

    b->boi_end = b->length;
    return rc;
}

static int put_eoi(struct builder *b, bool loss, bool codes)
{
    const uint8_t role = (uint8_t)(ROLE_PREDICTS | (codes && loss ? ROLE_PREDICTED : 0));
    struct shard_span *last =
        b->seq != NULL && b->n_spans > 0 ? &b->seq->spans[b->n_spans - 1] : NULL;

    if (last != NULL && last->offset + last->length == b->length)
        last->eoi = last->kind != 0;
    return put_marker(b, markers_of(b).eoi, role);
}

/* ---- the positions of a tensor ---- */

/* The grid of a tensor's positions. */
static int grid_of(struct builder *b, const struct shard_appearance *a,
                   const struct shard_tensor *t, struct shard_span *span)
{
    const uint32_t k = a->window > 0 ? a->window : b->view->window;
    const uint32_t *hw = t->kind == SHARD_LATENT ? t->dims + 1 : t->dims;
    const uint64_t cells = shard_tensor_cells(t);

    span->rows = 1;
    switch (t->kind) {
    case SHARD_LATENT:
    case SHARD_PIXELS:
        if (hw[0] % k != 0 || hw[1] % k != 0)
            return refuse(b,
                          "a patch window of %" PRIu32 " does not divide %s of %" PRIu32
                          " x %" PRIu32,
                          k, t->kind == SHARD_LATENT ? "a latent" : "pixels", hw[0],
                          hw[1]);
        span->rows = hw[0] / k;
        span->cols = hw[1] / k;
        return SHARD_OK;
    case SHARD_CODES:
        if (t->n_dims == 2)
            span->rows = hw[0];
        span->cols = t->n_dims == 2 ? hw[1] : hw[0];
        return SHARD_OK;
    case SHARD_FEATURES:
    case SHARD_IDS:
        if (t->kind == SHARD_FEATURES && cells > MAX_LENGTH)
            return refuse(b, "its sequence is longer than %d", MAX_LENGTH);
        span->cols = t->kind == SHARD_IDS ? t->dims[0] : (uint32_t)cells;
        return SHARD_OK;
    default:
        return refuse(b, "a tensor of kind %" PRIu32 " has no positions", t->kind);
    }
}

/* Value i of codes or ids. */
static uint32_t value_at(const struct shard_tensor *t, size_t i)
{
    const unsigned char *p = t->data;

    return t->dtype == SHARD_U16 ? wire_load_u16(p + 2 * i) : wire_load_u32(p + 4 * i);
}

static int put_code(struct builder *b, const struct shard_tensor *t, size_t i,
                    uint8_t role)
{
    const struct shard_encoder *e = &b->view->header->encoders[t->encoder];
    uint32_t id = value_at(t, i);

    if (t->kind == SHARD_CODES) {
        if (id >= e->codebook)
            return SHARD_EINVAL;
        id = e->id_map != NULL ? e->id_map[id] : e->id_offset + id;
    }
    if (id > SHARD_MAX_ID)
        return SHARD_EINVAL;
    return put(b, id, role);
}

/* What stands before codes of (H,W). */
static int put_size(struct builder *b, const struct shard_appearance *a,
                    const struct shard_span *span, uint8_t role)
{
    const uint32_t unit = a->size.unit;

    if (span->rows % unit != 0 || span->cols % unit != 0)
        return refuse(b,
                      "a size unit of %" PRIu32 " does not divide codes of %" PRIu32
                      " x %" PRIu32,
                      unit, span->rows, span->cols);
    const uint64_t height = (uint64_t)a->size.height + span->rows / unit;
    const uint64_t width = (uint64_t)a->size.width + span->cols / unit;
    if (height > SHARD_MAX_ID || width > SHARD_MAX_ID)
        return refuse(b, "a size token is above %d", SHARD_MAX_ID);
    const int rc = put(b, (uint32_t)height, role);
    return rc == SHARD_OK ? put(b, (uint32_t)width, role) : rc;
}

/* Codes and ids are tokens, row by row. */
static int put_tokens(struct builder *b, const struct shard_appearance *a,
                      const struct shard_tensor *t, const struct shard_span *span)
{
    const uint8_t role = span->loss ? ROLE_BOTH : ROLE_PREDICTS;
    const bool rows = t->kind == SHARD_CODES && t->n_dims == 2;
    const bool ends = a->row_end >= 0 && rows;
    const uint64_t n = (uint64_t)span->rows * span->cols;
    int rc = rows && a->size.unit > 0 ? put_size(b, a, span, role) : SHARD_OK;

    if (rc < 0)
        return rc;
    if (b->seq == NULL)
        return put_run(b, n + (ends ? span->rows : 0), role);
    if (t->data == NULL && t->n_bytes > 0)
        return SHARD_EINVAL;
    for (uint32_t row = 0; row < span->rows && rc == SHARD_OK; row++) {
        for (uint32_t col = 0; col < span->cols && rc == SHARD_OK; col++)
            rc = put_code(b, t, (size_t)row * span->cols + col, role);
        if (rc == SHARD_OK && ends)
            rc = put(b, (uint32_t)a->row_end, role);
    }
    return rc;
}

static void end_span(struct builder *b, struct shard_span *span)
{
    span->length = b->length - span->offset;
    if (b->seq != NULL)
        b->seq->spans[b->n_spans] = *span;
    if (span->kind == SHARD_LATENT) {
        b->tally.latents++;
        b->tally.patches += span->length;
    }
    b->n_spans++;
}

static int put_tensor(struct builder *b, const struct shard_appearance *a,
                      const struct shard_tensor *t, size_t part)
{
    const bool tokens = t->kind == SHARD_CODES || t->kind == SHARD_IDS;
    struct shard_span span = {.part = part,
                              .kind = t->kind,
                              .tensor = (size_t)(t - b->rec->tensors),
                              .loss =
                                  a->loss && b->rec->parts[part].flags == SHARD_FLAG_LOSS,
                              .visible = a->visible,
                              .advance = a->advance};

    int rc = grid_of(b, a, t, &span);
    if (rc < 0)
        return rc;
    if (b->shown != NULL)
        b->shown[span.tensor] = true;
    span.offset = b->length;
    span.boi = span.offset > 0 && span.offset == b->boi_end;
    rc = tokens ? put_tokens(b, a, t, &span)
                : put_run(b, (uint64_t)span.rows * span.cols, ROLE_NONE);
    end_span(b, &span);
    return rc;
}

/* ---- parts ---- */

static bool is_framed(const struct builder *b, const struct shard_appearance *a,
                      size_t part)
{
    return a->markers && b->rec->parts[part].kind == SHARD_PART_IMAGE;
}

/* Whether BOS and EOS stand around each text. */
static bool has_ends(const struct builder *b)
{
    return b->view->plan->ends_of_texts && !b->templated;
}

static const struct shard_tensor *choose(const struct builder *b,
                                         const struct shard_appearance *a, size_t part)
{
    const uint32_t encoder = shard_plan_encoder(a, b->view->header);
    const bool image = b->rec->parts[part].kind == SHARD_PART_IMAGE;
    const uint32_t drawn = drawn_of(b, part);

    if (encoder == SHARD_NONE)
        return NULL;
    return shard_tensor_of(b->rec, part, drawn, encoder, a->output, image && drawn == 1);
}

/* An image, or anything else that is seen by a tensor; without one it is not seen. */
static int see_tensor(struct builder *b, const struct shard_appearance *a, size_t part)
{
    const bool text = b->rec->parts[part].kind == SHARD_PART_TEXT;
    const struct shard_tensor *t = choose(b, a, part);

    if (t == NULL || (text && b->draws == NULL)) /* as long as what is drawn */
        return SHARD_OK;
    const bool framed = is_framed(b, a, part);
    const bool markers = framed && !b->templated;
    const bool codes = t->kind == SHARD_CODES;
    const bool loss = a->loss && b->rec->parts[part].flags == SHARD_FLAG_LOSS;
    const bool ends = text && t->kind == SHARD_IDS && has_ends(b);
    int rc = markers ? put_boi(b, loss, codes) : ends ? put_bos(b) : SHARD_OK;
    b->measure.n_framed += framed;
    if (rc == SHARD_OK)
        rc = put_tensor(b, a, t, part);
    if (rc == SHARD_OK && markers)
        rc = put_eoi(b, loss, codes);
    if (rc == SHARD_OK && ends)
        rc = put_eos(b, loss);
    return rc;
}

static int put_ids(struct builder *b, const struct shard_alternative *a, uint8_t role)
{
    int rc = SHARD_OK;

    if (b->seq == NULL)
        return put_run(b, a->n_ids, role);
    for (uint32_t i = 0; i < a->n_ids && rc == SHARD_OK; i++)
        rc = put(b, a->ids[i], role);
    return rc;
}

static int see_text(struct builder *b, const struct shard_appearance *a, size_t part)
{
    const struct shard_part *text = &b->rec->parts[part];
    const uint32_t drawn = drawn_of(b, part);
    const bool ends = has_ends(b);
    struct shard_span span = {.part = part,
                              .tensor = drawn,
                              .rows = 1,
                              .loss = a->loss && text->flags == SHARD_FLAG_LOSS,
                              .visible = a->visible,
                              .advance = a->advance};
    int rc = SHARD_OK;

    b->measure.n_texts++;
    if (b->draws == NULL) {
        rc = ends ? put_bos(b) : SHARD_OK;
        return rc == SHARD_OK && ends ? put_eos(b, span.loss) : rc;
    }
    if (drawn >= text->n_alternatives)
        return refuse(b, "part %zu has no alternative %" PRIu32, part, drawn);
    if (text->alternatives[drawn].n_ids == SHARD_NO_IDS)
        return refuse(b, "part %zu, a text, has no token ids", part);
    if (ends)
        rc = put_bos(b);
    span.offset = b->length;
    span.cols = text->alternatives[drawn].n_ids;
    if (rc == SHARD_OK)
        rc =
            put_ids(b, &text->alternatives[drawn], span.loss ? ROLE_BOTH : ROLE_PREDICTS);
    end_span(b, &span);
    if (rc == SHARD_OK && ends)
        rc = put_eos(b, span.loss);
    return rc;
}

static int see_part(struct builder *b, size_t part)
{
    const struct shard_rule *rule = shard_plan_rule(b->view->plan, b->rec, part);
    const bool text = b->rec->parts[part].kind == SHARD_PART_TEXT;
    int rc = SHARD_OK;

    if (rule == NULL)
        return refuse(b, "the plan has no rule for part %zu, of kind %" PRIu32, part,
                      b->rec->parts[part].kind);
    for (size_t i = 0; rc == SHARD_OK && i < rule->n_see; i++) {
        const struct shard_appearance *a = &rule->see[i];
        rc = text && a->encoder == NULL ? see_text(b, a, part) : see_tensor(b, a, part);
    }
    return rc;
}

static int see_pair(struct builder *b, size_t text, size_t image)
{
    const bool caption_first = b->order == SHARD_CAPTION_FIRST;
    int rc = SHARD_OK;

    for (size_t i = 0; i < b->rec->n_parts && rc == SHARD_OK; i++) {
        size_t part = i;
        if (i == text || i == image) {
            const size_t first = caption_first ? text : image;
            const size_t second = caption_first ? image : text;
            part = i == (text < image ? text : image) ? first : second;
        }
        rc = see_part(b, part);
    }
    return rc;
}

static int see_parts(struct builder *b)
{
    const bool ends = !b->view->plan->ends_of_texts;
    size_t text = 0, image = 0;
    int rc = ends ? put_bos(b) : SHARD_OK;

    const bool pair = shard_is_pair(b->rec, &text, &image);
    if (rc == SHARD_OK && pair)
        rc = see_pair(b, text, image);
    for (size_t i = 0; rc == SHARD_OK && !pair && i < b->rec->n_parts; i++)
        rc = see_part(b, i);
    return rc == SHARD_OK && ends ? put_eos(b, true) : rc;
}

/* ---- templates ---- */

static bool has_loss(const struct builder *b, size_t part)
{
    return part < b->rec->n_parts && b->rec->parts[part].flags == SHARD_FLAG_LOSS;
}

static int see_item(struct builder *b, int64_t item, size_t text, size_t image)
{
    switch (item) {
    case SHARD_ITEM_TEXT:
        return see_part(b, text);
    case SHARD_ITEM_IMAGE:
        return see_part(b, image);
    case SHARD_ITEM_BOS:
        return put_bos(b);
    case SHARD_ITEM_EOS:
        return put_eos(b, true);
    case SHARD_ITEM_BOI:
        return put_boi(b, has_loss(b, image), false);
    case SHARD_ITEM_EOI:
        return put_eoi(b, has_loss(b, image), false);
    default:
        return put_marker(b, item, ROLE_BOTH);
    }
}

static int see_template(struct builder *b, const struct shard_template *t)
{
    size_t text = shard_first_text(b->rec), image = b->rec->n_parts;
    int rc = SHARD_OK;

    shard_is_pair(b->rec, &text, &image);
    b->templated = true;
    for (size_t i = 0; i < t->n && rc == SHARD_OK; i++)
        rc = see_item(b, t->items[i], text, image);
    return rc;
}

/* How what the plan sees of a record is arranged. */
static enum shard_arrangement arrangement_seen(const struct builder *b)
{
    const enum shard_arrangement seen =
        shard_arrange(b->measure.n_texts, b->measure.n_framed, 0);

    /* beside an image that is not seen */
    return seen == SHARD_PAIR && shard_arrangement_of(b->rec) != SHARD_PAIR ? SHARD_OTHER
                                                                            : seen;
}

/* The template that the record has instead of its plan; NULL: none. */
static const struct shard_template *template_of(const struct builder *b)
{
    const struct shard_templates *all = b->view->templates;
    struct builder measuring = {.view = b->view, .rec = b->rec};
    const struct shard_template *found = NULL;

    if (all == NULL || see_parts(&measuring) < 0)
        return NULL;
    const enum shard_arrangement seen = arrangement_seen(&measuring);
    if (seen == SHARD_PAIR)
        found = &all->pair[b->order];
    else if (seen == SHARD_LONE_TEXT)
        found = &all->text;
    return found != NULL && found->n > 0 ? found : NULL;
}

static int see_all(struct builder *b)
{
    const struct shard_template *template = template_of(b);

    b->length = b->n_spans = b->boi_end = 0;
    return template != NULL ? see_template(b, template) : see_parts(b);
}

/* ---- the whole ---- */

static int check_window(struct builder *b)
{
    const uint32_t k = b->view->window;

    return k == 1 || k == 2 || k == 4 || k == 8
               ? SHARD_OK
               : refuse(b, "a patch window is 1, 2, 4 or 8, not %" PRIu32, k);
}

/* Also what a sequence needs, and its measure does not. */
static int check_view(struct builder *b)
{
    return b->view->markers != NULL || b->view->header->tokenizer.present
               ? check_window(b)
               : refuse(b, "the shard has no tokenizer");
}

int shard_sequence_length(const struct shard_view *view, const struct shard_record *rec,
                          const struct shard_draws *draws, size_t *length)
{
    struct builder b = {.view = view, .rec = rec, .draws = draws, .order = draws->order};

    int rc = check_view(&b);
    if (rc == SHARD_OK)
        rc = see_all(&b);
    *length = b.length;
    return rc;
}

int shard_sequence_tally(const struct shard_view *view, const struct shard_record *rec,
                         const struct shard_draws *draws, struct shard_tally *tally)
{
    struct builder b = {
        .view = view, .rec = rec, .draws = draws, .order = draws->order, .tally = *tally};
    int rc = check_view(&b);

    if (rc == SHARD_OK)
        rc = see_all(&b);
    *tally = b.tally;
    return rc;
}

int shard_sequence_shown(const struct shard_view *view, const struct shard_record *rec,
                         const struct shard_draws *draws, bool *shown)
{
    struct builder b = {
        .view = view, .rec = rec, .draws = draws, .order = draws->order, .shown = shown};
    int rc = check_view(&b);

    return rc == SHARD_OK ? see_all(&b) : rc;
}

/* Roles -> the mask: a loss stands at i where i predicts and i + 1 is predicted. */
static void roles_to_loss(struct shard_sequence *seq)
{
    for (size_t i = 0; i < seq->length; i++) {
        const uint8_t next = i + 1 < seq->length ? seq->loss[i + 1] : ROLE_NONE;
        seq->loss[i] =
            (seq->loss[i] & ROLE_PREDICTS) != 0 && (next & ROLE_PREDICTED) != 0;
    }
}

int shard_sequence_build(const struct shard_view *view, const struct shard_record *rec,
                         const struct shard_draws *draws, struct shard_sequence *seq)
{
    struct builder b = {.view = view, .rec = rec, .draws = draws, .order = draws->order};

    *seq = (struct shard_sequence){0};
    int rc = check_view(&b);
    if (rc == SHARD_OK)
        rc = see_all(&b);
    if (rc < 0)
        return rc;

    seq->tokens = calloc(b.length + 1, sizeof(seq->tokens[0]));
    seq->loss = calloc(b.length + 1, sizeof(seq->loss[0]));
    seq->spans = calloc(b.n_spans + 1, sizeof(seq->spans[0]));
    rc = seq->tokens != NULL && seq->loss != NULL && seq->spans != NULL ? SHARD_OK
                                                                        : SHARD_ENOMEM;
    if (rc == SHARD_OK) {
        b.seq = seq;
        rc = see_all(&b); /* only values can be wrong now */
    }
    if (rc < 0) {
        shard_sequence_clear(seq);
        return rc;
    }
    seq->length = b.length;
    seq->n_spans = b.n_spans;
    roles_to_loss(seq);
    return rc;
}

int shard_sequence_measure(const struct shard_view *view, const struct shard_record *rec,
                           struct shard_measure *m)
{
    struct builder b = {.view = view, .rec = rec};
    int rc = check_window(&b);

    if (rc == SHARD_OK)
        rc = see_parts(&b);
    b.measure.arrangement = arrangement_seen(&b);
    b.measure.length[0] = b.measure.length[1] = b.length;
    *m = b.measure;
    for (int order = 0; order < 2 && rc == SHARD_OK && view->templates != NULL; order++) {
        b.order = (enum shard_order)order;
        rc = see_all(&b);
        m->length[order] = b.length;
    }
    return rc;
}

void shard_sequence_explain(const struct shard_view *view, const struct shard_record *rec,
                            const struct shard_draws *draws, char *why, size_t cap)
{
    struct builder b = {.view = view, .rec = rec, .draws = draws, .why = why, .cap = cap};

    if (draws != NULL)
        b.order = draws->order;

    /* What is left where measuring finds nothing. */
    refuse(&b,
           "its codes or ids are not loaded, or outside of their codebook, or above %d",
           SHARD_MAX_ID);
    if ((draws == NULL ? check_window(&b) : check_view(&b)) == SHARD_OK)
        see_all(&b);
}

void shard_sequence_clear(struct shard_sequence *seq)
{
    free(seq->tokens);
    free(seq->loss);
    free(seq->spans);
    *seq = (struct shard_sequence){0};
}
