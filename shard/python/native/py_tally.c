/* SPDX-License-Identifier: Apache-2.0
 * shard/python/native/py_tally.c - what training counts of planned pieces of documents,
 * from the index alone. */
#include "shard/python/native/module.h"

#include "shard/draw.h"
#include "shard/file/file_map.h"
#include "shard/index/outline.h"
#include "shard/parts.h"
#include "shard/sequence.h"
#include "shard/status.h"

/* A row of a table of int64. */
struct tally_piece {
    int64_t position;                      /* of the record */
    int64_t image_first, keep, pass, copy; /* as of compose.h */
    int64_t start, length;
};

/* Numbers of ids of a shard's texts, which a view may say instead of its index. */
struct tally_texts {
    const int64_t *first;  /* n_records + 1: a record's first text */
    const int64_t *start;  /* n_texts + 1: a text's first alternative */
    const uint32_t *n_ids; /* n_alternatives */
    size_t n_records, n_texts, n_alternatives;
};

struct tally_call {
    PyObject *shard;
    struct shard_view view;
    struct tally_texts texts;
    uint64_t seed;
    int stored;
    struct shard_outline_room room;
    struct shard_buffer drawn;
};

/* The number of ids of text t that is drawn of a record, which is not its first. 0, or -1
 * with an exception set. */
static int draw_other(const struct tally_call *c, const struct tally_piece *p, size_t t,
                      uint32_t *n_ids)
{
    const struct tally_texts *texts = &c->texts;
    const int64_t text = texts->first[p->position] + (int64_t)t;
    char purpose[SHARD_MAX_PURPOSE];
    const char *name, *key;

    if (text < 0 || (size_t)text >= texts->n_texts)
        return refuse_value("a record has other texts");
    const int64_t start = texts->start[text], n = texts->start[text + 1] - start;
    if (start < 0 || n < 1 || (size_t)(start + n) > texts->n_alternatives)
        return refuse_value("a text has other alternatives");
    if (shard_object_identity(c->shard, (uint64_t)p->position, &name, &key) < 0)
        return -1;
    shard_draw_caption_purpose(t, purpose);
    const uint64_t u = c->stored ? shard_draw(purpose, name, key, 0, c->view.header->seed)
                                 : shard_draw_copy(purpose, p->copy, name, key,
                                                   (uint64_t)p->pass, c->seed);
    *n_ids = texts->n_ids[start + shard_draw_pick(u, (uint32_t)n)];
    return 0;
}

/* Gives each text as many ids as are used, in its first alternative. 0, or -1 with an
 * exception set. */
static int use_texts(struct tally_call *c, const struct tally_piece *p,
                     const struct shard_record *rec, struct shard_draws *draws)
{
    struct shard_alternative *next =
        (struct shard_alternative *)c->room.alternatives.data;
    size_t texts = 0;

    if (shard_buffer_resize(&c->drawn, (rec->n_parts + 1) * sizeof(draws->of_part[0])) <
        0) {
        PyErr_NoMemory();
        return -1;
    }
    draws->of_part = (uint32_t *)c->drawn.data;
    draws->order = p->image_first ? SHARD_IMAGE_FIRST : SHARD_CAPTION_FIRST;
    for (size_t i = 0; i < rec->n_parts; i++) {
        draws->of_part[i] = 0;
        if (rec->parts[i].kind == SHARD_PART_TEXT && rec->parts[i].n_alternatives > 0) {
            next->n_ids = (uint32_t)p->keep;
            if (texts > 0 && draw_other(c, p, texts, &next->n_ids) < 0)
                return -1;
        }
        texts += rec->parts[i].kind == SHARD_PART_TEXT;
        next += rec->parts[i].n_alternatives;
    }
    return 0;
}

/* Losses, latents and patches of a piece. 0, or -1 with an exception set. */
static int tally_one(struct tally_call *c, const struct shard_outline *o,
                     const struct tally_piece *p, int64_t out[3])
{
    struct shard_record rec;
    struct shard_draws draws;
    struct shard_tally t = {.start = (size_t)p->start,
                            .end = (size_t)(p->start + p->length)};

    if (p->position < 0 || (size_t)p->position >= o->n_records ||
        (size_t)p->position >= c->texts.n_records || p->start < 0 || p->length < 0)
        return refuse_value("a piece is of no record");
    if (shard_outline_record(o, (size_t)p->position, &c->room, &rec) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (use_texts(c, p, &rec, &draws) < 0)
        return -1;
    if (shard_sequence_tally(&c->view, &rec, &draws, &t) < 0)
        return refuse_value("a record has no sequence");
    out[0] = (int64_t)t.losses;
    out[1] = (int64_t)t.latents;
    out[2] = (int64_t)t.patches;
    return 0;
}

static int tally_all(struct tally_call *c, const Py_buffer *pieces, const Py_buffer *out)
{
    const struct shard_outline *o = shard_object_outline(c->shard);
    const size_t n = (size_t)pieces->len / sizeof(struct tally_piece);
    const struct tally_piece *p = pieces->buf;
    int64_t *to = out->buf;
    int rc = 0;

    if (o == NULL)
        return -1;
    if ((size_t)pieces->len != n * sizeof(*p) ||
        (size_t)out->len != 3 * n * sizeof(*to) || (uintptr_t)p % sizeof(int64_t) != 0 ||
        (uintptr_t)to % sizeof(int64_t) != 0)
        return refuse_value("pieces are 7, out 3 aligned int64 each");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = tally_one(c, o, &p[i], to + 3 * i);
    return rc;
}

/* Points at the numbers of three buffers. */
static int take_texts(struct tally_texts *t, const Py_buffer texts[3])
{
    *t = (struct tally_texts){.first = texts[0].buf,
                              .start = texts[1].buf,
                              .n_ids = texts[2].buf,
                              .n_records = (size_t)texts[0].len / sizeof(int64_t),
                              .n_texts = (size_t)texts[1].len / sizeof(int64_t),
                              .n_alternatives = (size_t)texts[2].len / sizeof(uint32_t)};
    if (t->n_records == 0 || t->n_texts == 0 ||
        (uintptr_t)t->first % sizeof(int64_t) != 0 ||
        (uintptr_t)t->start % sizeof(int64_t) != 0 ||
        (uintptr_t)t->n_ids % sizeof(uint32_t) != 0)
        return refuse_value("texts are aligned arrays");
    t->n_records--;
    t->n_texts--;
    return 0;
}

PyObject *shard_tally(PyObject *self, PyObject *args)
{
    struct tally_call c = {.shard = self};
    Py_buffer pieces, texts[3], out;
    PyObject *sequencer;
    int rc = -1;

    if (!PyArg_ParseTuple(args, "O!y*y*y*y*pO&w*:tally",
                          module_state_of(self)->sequencer_type, &sequencer, &pieces,
                          &texts[0], &texts[1], &texts[2], &c.stored, take_u64, &c.seed,
                          &out))
        return NULL;
    c.view = sequencer_view(sequencer, shard_object_map(self)->header);
    if (check_plan(&c.view) == 0 && take_texts(&c.texts, texts) == 0)
        rc = tally_all(&c, &pieces, &out);
    shard_outline_room_clear(&c.room);
    shard_buffer_free(&c.drawn);
    PyBuffer_Release(&pieces);
    for (int i = 0; i < 3; i++)
        PyBuffer_Release(&texts[i]);
    PyBuffer_Release(&out);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}
