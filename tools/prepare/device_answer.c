/* SPDX-License-Identifier: Apache-2.0
 * tools/prepare/device_answer.c - what a child answers: held against what it was asked
 * and what its hello promised, then stored with the samples. */
#include <stdlib.h>
#include <string.h>

#include "shard/float16.h"
#include "shard/kinds.h"
#include "tools/prepare/device.h"
#include "tools/prepare/sample.h"
#include "tools/prepare/sample_tensors.h"
#include "tools/run/clock.h"

_Static_assert((int)CHILD_U16 == (int)SHARD_U16 && (int)CHILD_U32 == (int)SHARD_U32 &&
                   (int)CHILD_I32 == (int)SHARD_I32 &&
                   (int)CHILD_FP16 == (int)SHARD_FP16 &&
                   (int)CHILD_BF16 == (int)SHARD_BF16 &&
                   (int)CHILD_FP32 == (int)SHARD_FP32,
               "types of answers are held against those that are stored");

/* Whether the tensor may come so; NULL, or what is wrong. */
static const char *check_dtype(const struct encoding *e, const struct encoder_tensor *t,
                               uint32_t dtype)
{
    if (t->element == ENCODER_U32)
        return dtype == CHILD_U16 || dtype == CHILD_U32 || dtype == CHILD_I32
                   ? NULL
                   : "its codes are not u16, u32 or i32";
    for (size_t i = 0; i < e->n_tensors; i++)
        if (&e->about.tensors[e->tensors[i].from] == t && dtype == e->tensors[i].dtype)
            return NULL;
    return dtype == CHILD_FP32 ? NULL
                               : "a tensor of its answer is neither fp32 nor as stored";
}

static uint32_t code_at(const struct child_tensor *t, size_t i)
{
    uint16_t narrow;
    uint32_t wide;

    if (t->dtype == CHILD_U16) {
        memcpy(&narrow, t->data + i * sizeof(narrow), sizeof(narrow));
        return narrow;
    }
    memcpy(&wide, t->data + i * sizeof(wide), sizeof(wide)); /* i32 below 0: too large */
    return wide;
}

static const char *check_tensor(const struct encoding *e, const struct encoder_tensor *t,
                                const struct child_tensor *got)
{
    const char *wrong = check_dtype(e, t, got->dtype);

    if (wrong)
        return wrong;
    if (got->n_dims != (uint32_t)t->n_dims ||
        memcmp(got->dims, t->dims, got->n_dims * sizeof(got->dims[0])) != 0)
        return "a tensor of its answer has another shape than its hello says";
    return NULL;
}

static const char *check_answer(const struct device_worker *w,
                                const struct device_request *r,
                                const struct child_tensors *got)
{
    const struct encoding *e = w->stage->encoding;
    const char *wrong = NULL;

    if (got->id != r->id)
        return "it has answered another batch than the first that was sent";
    if (got->n != r->n)
        return "its answer is of another number of images than the batch";
    if (got->n_tensors != e->about.n_tensors)
        return "its answer has another number of tensors than its hello says";
    for (size_t i = 0; i < got->n_tensors && !wrong; i++)
        wrong = check_tensor(e, &e->about.tensors[i], &got->tensors[i]);
    return wrong;
}

static size_t count_not_finite_16(const unsigned char *data, size_t n, uint16_t exponent)
{
    size_t bad = 0;

    for (size_t i = 0; i < n; i++) {
        uint16_t bits;

        memcpy(&bits, data + 2 * i, sizeof(bits));
        bad += (bits & exponent) == exponent;
    }
    return bad;
}

/* Those of image `i`, as encoding_store() does. */
static size_t store_tensor(struct device_worker *w, const struct stored_tensor *t,
                           const struct child_tensor *got, size_t i, void *out)
{
    const unsigned char *values =
        got->data + i * t->n_values * child_dtype_width(got->dtype);

    if (t->kind == SHARD_CODES) {
        for (size_t k = 0; k < t->n_values; k++)
            w->codes[k] = code_at(got, i * t->n_values + k);
        return encoding_store(t, w->codes, out);
    }
    if (got->dtype == CHILD_FP32) {
        /* The data of an answer stand at any address. */
        memcpy(w->values, values, t->n_values * sizeof(w->values[0]));
        return encoding_store(t, w->values, out);
    }
    memcpy(out, values, t->n_bytes);
    return count_not_finite_16(values, t->n_values,
                               t->dtype == SHARD_FP16 ? 0x7c00 : 0x7f80);
}

/* Of image number `i` of the batch. */
static void store_image(struct device_worker *w, const struct device_request *r, size_t i,
                        const struct child_tensors *got)
{
    const struct encoding *e = w->stage->encoding;
    struct sample *s = r->images[i].sample;
    const uint32_t rendition = r->images[i].rendition;
    const uint32_t part = s->renditions[rendition].part;
    const bool locked = device_lock(w, s);
    size_t bad = 0;

    for (size_t k = 0; k < e->n_tensors; k++) {
        const struct stored_tensor *t = &e->tensors[k];
        const struct shard_tensor tensor =
            sample_tensor(s, e, w->stage->number, k, rendition);

        bad +=
            store_tensor(w, t, &got->tensors[t->from], i, sample_add_tensor(s, &tensor));
    }
    if (bad > 0)
        sample_reject_values(s, e, part, bad);
    device_unlock(w, locked);
}

/* Whether it answers what is not all written: its pixels are still lent. */
static bool is_early(const struct device_worker *w)
{
    return w->n_under_way == 1 && w->child->n_out > 0;
}

static int take_answer(struct device_worker *w, const struct child_tensors *got)
{
    struct device_request *r = w->under_way[0];
    int rc = PIPE_OK;

    w->under_way[0] = w->under_way[1];
    w->n_under_way--;
    w->n_failures = 0;
    if (!r->grey)
        w->n_condemned = 0;
    w->unproven = false;
    w->has_answered = true;
    for (size_t i = 0; i < r->n && !r->grey; i++)
        store_image(w, r, i, got);
    for (size_t i = 0; i < r->n && !r->grey && rc == PIPE_OK; i++)
        rc = device_image_done(w, r->images[i].sample);
    device_request_free(r);
    w->since_ns = clock_ns(); /* not before: the next stage may have let us wait */
    return rc;
}

static int take_tensors(struct device_worker *w)
{
    const struct child_encoder *c = w->child;
    struct child_tensors got;
    const char *wrong = child_read_tensors(c->payload, (size_t)c->frame.len, &got);

    if (!wrong && is_early(w))
        wrong = "it answers a batch that it has not read";
    if (!wrong)
        wrong = w->n_under_way > 0 ? check_answer(w, w->under_way[0], &got)
                                   : "it answers what nobody has asked";
    return wrong ? device_child_failed(w, wrong) : take_answer(w, &got);
}

static int take_error(struct device_worker *w)
{
    const struct child_encoder *c = w->child;
    struct child_error error;
    const char *wrong = child_read_error(c->payload, (size_t)c->frame.len, &error);

    if (!wrong && (w->n_under_way == 0 || error.id != w->under_way[0]->id))
        wrong = "its ERROR is of another batch than the first that was sent";
    if (!wrong && is_early(w))
        wrong = "its ERROR is of a batch that it has not read";
    return wrong ? device_child_failed(w, wrong) : device_take_error(w, &error);
}

int device_take_frame(struct device_worker *w)
{
    switch (w->child->frame.type) {
    case CHILD_TENSORS:
        return take_tensors(w);
    case CHILD_ERROR:
        return take_error(w);
    default:
        return device_child_failed(w, "a frame of its output is no answer");
    }
}

uint64_t device_longest_answer(const struct device_worker *w)
{
    const struct encoding *e = w->stage->encoding;
    uint64_t bytes = 0;

    for (size_t i = 0; i < e->about.n_tensors; i++)
        bytes += encoder_tensor_values(&e->about.tensors[i]) * sizeof(float);
    bytes = CHILD_TENSORS_HEAD + e->children->hello.batch * bytes +
            e->about.n_tensors * CHILD_DESCRIPTOR;
    return bytes > CHILD_MAX_ERROR ? bytes : CHILD_MAX_ERROR;
}
