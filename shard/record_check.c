/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/record_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shard/file/format.h"
#include "shard/parts.h"
#include "shard/file/planes.h"
#include "shard/status.h"
#include "shard/valid_utf8.h"
#include "shard/file/wire.h"

/* One check under way: the sums so far, and where to say what is wrong. */
struct check {
    const struct shard_record *rec;
    const struct shard_header *h;
    struct shard_row_size *size;
    char *why;
    size_t cap;
};

static int refuse(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct check *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->why, c->cap, fmt, ap);
    va_end(ap);
    return SHARD_EINVAL;
}

/* Adds to a sum that may reach SHARD_MAX_ROW. */
static bool add(size_t *sum, uint64_t n)
{
    if (n > SHARD_MAX_ROW || *sum > SHARD_MAX_ROW - (size_t)n)
        return false;
    *sum += (size_t)n;
    return true;
}

/* ---- parts ---- */

static bool has_large_id(const struct shard_alternative *a)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < a->n_ids; i++)
        bits |= a->ids[i];
    return bits > SHARD_MAX_ID;
}

static int check_alternative(struct check *c, const struct shard_alternative *a,
                             size_t part, size_t i)
{
    const size_t name_len = strlen(a->name);
    const bool tokenized = a->n_ids != SHARD_NO_IDS;
    const uint64_t text = a->kind == 0 ? 5 + (uint64_t)a->text_len : a->unknown.len;

    if (name_len > SHARD_MAX_CAPTION_NAME)
        return refuse(c,
                      "the name of alternative %zu of part %zu is longer than %d bytes",
                      i, part, SHARD_MAX_CAPTION_NAME);
    if (!add(&c->size->content, SHARD_ENTRY_ALTERNATIVE + name_len + 1) ||
        !add(&c->size->content, text) || !add(&c->size->n_ids, tokenized ? a->n_ids : 0))
        return refuse(c, "its text is longer than %d bytes", SHARD_MAX_ROW);
    if (tokenized && has_large_id(a))
        return refuse(c, "a token id of alternative %zu of part %zu is above %d", i, part,
                      SHARD_MAX_ID);
    return SHARD_OK;
}

static int check_text(struct check *c, size_t part)
{
    const struct shard_part *p = &c->rec->parts[part];
    const size_t n = p->n_alternatives;

    if (n == 0)
        return refuse(c, "part %zu is a text without an alternative", part);
    if (n > SHARD_MAX_ALTERNATIVES - c->size->n_alternatives)
        return refuse(c, "more than %d alternative texts", SHARD_MAX_ALTERNATIVES);
    c->size->n_alternatives += n;
    c->size->content += 4;
    for (size_t i = 0; i < n; i++) {
        int rc = check_alternative(c, &p->alternatives[i], part, i);
        if (rc < 0)
            return rc;
    }
    return SHARD_OK;
}

bool shard_role_fits(const char *role)
{
    if (role[0] == 0) /* most have none, and each record read asks */
        return true;
    return strspn(role, SHARD_NAME_BYTES) == strlen(role) &&
           strlen(role) <= SHARD_MAX_ROLE;
}

bool shard_flags_are_later(uint32_t flags)
{
    return (flags & ~(uint32_t)(SHARD_FLAG_LOSS | SHARD_FLAG_CONTEXT)) != 0;
}

static int check_part(struct check *c, size_t i)
{
    const struct shard_part *p = &c->rec->parts[i];

    if (shard_flags_are_later(p->flags))
        return refuse(c, "part %zu has flags 0x%x: " SHARD_LATER, i, p->flags);
    if (p->flags != SHARD_FLAG_LOSS && p->flags != SHARD_FLAG_CONTEXT)
        return refuse(c, "part %zu has flags 0x%x, not loss or context", i, p->flags);
    if (!shard_role_fits(p->role))
        return refuse(c, "part %zu has a role that is not 0 to %d bytes of [a-z0-9_.-]",
                      i, SHARD_MAX_ROLE);
    size_t bytes = SHARD_ENTRY_PART + strlen(p->role) + 1;
    if (p->kind == SHARD_PART_IMAGE)
        bytes += SHARD_ENTRY_IMAGE;
    else if (p->kind > SHARD_PART_DATA)
        bytes += p->unknown.len;
    if (p->unknown.len > SHARD_MAX_ROW || !add(&c->size->content, bytes))
        return refuse(c, "its parts are larger than %d bytes", SHARD_MAX_ROW);
    return p->kind == SHARD_PART_TEXT ? check_text(c, i) : SHARD_OK;
}

static int check_parts(struct check *c)
{
    const struct shard_record *rec = c->rec;

    for (size_t i = 0; i < rec->n_parts; i++) {
        int rc = check_part(c, i);
        if (rc < 0)
            return rc;
    }
    const size_t text = shard_first_text(rec);
    const size_t n = text < rec->n_parts ? rec->parts[text].n_alternatives : 0;
    if (rec->caption_drawn > 0 && rec->caption_drawn >= n)
        return refuse(c, "caption %u is drawn of %zu", rec->caption_drawn, n);
    return SHARD_OK;
}

/* ---- renditions ---- */

static int compare_numbers(const uint32_t *a, const uint32_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* By part, kind, and what stands behind them. */
static int compare_renditions(const struct shard_rendition *a,
                              const struct shard_rendition *b)
{
    uint32_t left[SHARD_GEOMETRY], right[SHARD_GEOMETRY];

    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == 0) {
        shard_geometry(a, left);
        shard_geometry(b, right);
        return compare_numbers(left, right, SHARD_GEOMETRY);
    }
    const size_t n = a->unknown.len < b->unknown.len ? a->unknown.len : b->unknown.len;
    const int order = n > 0 ? memcmp(a->unknown.bytes, b->unknown.bytes, n) : 0;
    if (order != 0)
        return order;
    return a->unknown.len < b->unknown.len ? -1 : a->unknown.len > b->unknown.len;
}

static bool box_fits(const struct shard_box *box, uint32_t width, uint32_t height)
{
    return box->width > 0 && box->height > 0 &&
           (uint64_t)box->left + box->width <= width &&
           (uint64_t)box->top + box->height <= height;
}

static int check_rendition(struct check *c, size_t i)
{
    const struct shard_rendition *r = &c->rec->renditions[i];

    if (r->part >= c->rec->n_parts || c->rec->parts[r->part].kind != SHARD_PART_IMAGE)
        return refuse(c, "rendition %zu is of part %u, which is no image", i, r->part);
    if (i > 0 && compare_renditions(r - 1, r) >= 0)
        return refuse(c, "rendition %zu is not behind the one before it", i);
    if (r->kind == 0 && ((uint32_t)r->fit > SHARD_STRETCH ||
                         !box_fits(&r->crop, c->rec->parts[r->part].width,
                                   c->rec->parts[r->part].height) ||
                         !box_fits(&r->content, r->target_width, r->target_height)))
        return refuse(c, "rendition %zu has an impossible geometry", i);
    const size_t bytes = r->kind == 0 ? 4 * SHARD_GEOMETRY : r->unknown.len;
    if (bytes > SHARD_MAX_ROW || !add(&c->size->bytes, SHARD_ENTRY_RENDITION + bytes))
        return refuse(c, "its renditions are larger than %d bytes", SHARD_MAX_ROW);
    return SHARD_OK;
}

/* ---- tensors ---- */

/* Of dims; UINT64_MAX where it is above SHARD_MAX_ROW. */
static uint64_t bounded_product(const uint32_t *dims, uint32_t n)
{
    uint64_t p = 1;

    for (uint32_t i = 0; i < n; i++)
        if (dims[i] == 0)
            return 0;
    for (uint32_t i = 0; i < n && p <= SHARD_MAX_ROW; i++)
        p *= dims[i];
    return p <= SHARD_MAX_ROW ? p : UINT64_MAX;
}

/* n_bytes must be what dtype and dims say; a file's and an unknown dtype's may be
 * anything. */
static bool shape_fits(const struct shard_tensor *t)
{
    const uint64_t width = shard_dtype_width(t->dtype);
    const uint64_t n = bounded_product(t->dims, t->n_dims);

    return width == 0 || (n <= SHARD_MAX_ROW && n * width == t->n_bytes);
}

static bool is_float(uint32_t dtype)
{
    return dtype == SHARD_FP16 || dtype == SHARD_BF16 || dtype == SHARD_FP32;
}

/* Whether the dims are what the header says of this output. */
static bool is_as_said(const struct shard_tensor *t, const struct shard_encoder *e)
{
    const uint32_t output = shard_output_of(t);

    if (e->n_features == 0)
        return true;
    if (output >= e->n_features || t->n_dims != e->features[output].n_dims)
        return false;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        const uint32_t dim = e->features[output].dims[i];
        if (dim != 0 && t->dims[i] != dim)
            return false;
    }
    return true;
}

bool shard_tensor_shape_fits(const struct shard_tensor *t, const struct shard_encoder *e)
{
    const uint32_t *d = t->dims;

    for (uint32_t i = 0; i < t->n_dims; i++)
        if (d[i] > SHARD_MAX_ROW)
            return false;
    switch (t->kind) {
    case SHARD_LATENT:
        return t->n_dims == 3 && d[0] > 0 && d[0] == e->channels && d[1] > 0 &&
               d[2] > 0 && is_float(t->dtype);
    case SHARD_CODES:
        return (t->n_dims == 1 || t->n_dims == 2) &&
               (t->dtype == SHARD_U16 || t->dtype == SHARD_U32 || t->dtype == SHARD_I32);
    case SHARD_FEATURES:
        return t->n_dims >= 1 && bounded_product(d, t->n_dims - 1) <= SHARD_MAX_ROW &&
               is_as_said(t, e);
    case SHARD_PIXELS:
        return t->n_dims == 3 && d[0] > 0 && d[1] > 0 && d[2] == 3 &&
               t->dtype == SHARD_FILE;
    case SHARD_IDS:
        return t->n_dims == 1 && (t->dtype == SHARD_U32 || t->dtype == SHARD_I32);
    default:
        return true;
    }
}

static bool kind_fits(const struct shard_tensor *t, const struct shard_encoder *e)
{
    const uint32_t kind = shard_kind_number(e->kind);

    return kind != 0 ? t->kind == kind : t->kind != 0 && shard_kind_name(t->kind) == NULL;
}

static bool part_fits(uint32_t part_kind, const struct shard_encoder *e)
{
    const uint32_t of = shard_part_number(e->of);

    return of == SHARD_NONE || of == part_kind;
}

bool shard_slot_is_later(uint32_t slot)
{
    const uint32_t bits = SHARD_SLOT_LOGVAR | SHARD_SLOT_MIRRORED |
                          (UINT32_C(0xFF) << SHARD_SLOT_OUTPUT_SHIFT);

    return (slot & ~bits) != 0;
}

/* An encoder that names no outputs has one. */
static bool output_fits(const struct shard_tensor *t, const struct shard_encoder *e)
{
    return shard_output_of(t) < (e->n_outputs > 0 ? e->n_outputs : 1);
}

static bool is_moments(const struct shard_encoder *e)
{
    return e->moments != NULL && strcmp(e->moments, "mean+logvar") == 0;
}

bool shard_tensor_is_of(const struct shard_tensor *t, const struct shard_encoder *e,
                        uint32_t part_kind)
{
    return kind_fits(t, e) && part_fits(part_kind, e) && !shard_slot_is_later(t->slot) &&
           output_fits(t, e) && (!shard_is_logvar(t) || is_moments(e)) &&
           (!shard_is_mirrored(t) || part_kind == SHARD_PART_IMAGE);
}

static bool owner_fits(const struct shard_record *rec, const struct shard_tensor *t)
{
    const struct shard_part *p = &rec->parts[t->part];

    switch (p->kind) {
    case SHARD_PART_TEXT:
        return t->owner < p->n_alternatives;
    case SHARD_PART_IMAGE:
        return t->owner < rec->n_renditions && rec->renditions[t->owner].part == t->part;
    case SHARD_PART_DATA:
        return t->owner == SHARD_NONE;
    default:
        return true;
    }
}

/* A log-variance stands right behind its mean. */
static bool has_mean(const struct shard_tensor *t, size_t i)
{
    const struct shard_tensor *mean = t - 1;

    return i > 0 && t->kind == SHARD_LATENT && mean->encoder == t->encoder &&
           mean->part == t->part && mean->owner == t->owner &&
           mean->slot == (t->slot & ~(uint32_t)SHARD_SLOT_LOGVAR) &&
           mean->dtype == t->dtype &&
           memcmp(mean->dims, t->dims, 3 * sizeof(t->dims[0])) == 0;
}

static bool same_shape(const struct shard_tensor *a, const struct shard_tensor *b)
{
    return a->dtype == b->dtype && a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, a->n_dims * sizeof(a->dims[0])) == 0;
}

/* One encoder has one geometry: of an image each of its slots occurs once, and the two of
 * a mirror have one shape. */
static int check_others_of_image(struct check *c, size_t i)
{
    const struct shard_tensor *t = &c->rec->tensors[i];

    for (size_t j = i; j-- > 0;) {
        const struct shard_tensor *other = &c->rec->tensors[j];
        if (other->encoder != t->encoder || other->part != t->part)
            break;
        if (other->slot == t->slot)
            return refuse(c, "tensor %zu: its encoder has that slot of the image already",
                          i);
        if ((other->slot ^ t->slot) == SHARD_SLOT_MIRRORED && !same_shape(other, t))
            return refuse(c, "tensor %zu is unlike its mirror image in dtype or shape",
                          i);
    }
    return SHARD_OK;
}

static int check_slot(struct check *c, size_t i, const struct shard_encoder *e)
{
    const struct shard_tensor *t = &c->rec->tensors[i];
    const bool image = c->rec->parts[t->part].kind == SHARD_PART_IMAGE;

    if (shard_slot_is_later(t->slot))
        return refuse(c, "tensor %zu has slot 0x%x: " SHARD_LATER, i, t->slot);
    if (!output_fits(t, e))
        return refuse(c, "tensor %zu is of output %u, its encoder has %zu", i,
                      shard_output_of(t), e->n_outputs > 0 ? e->n_outputs : 1);
    if (shard_is_logvar(t) && (!is_moments(e) || !has_mean(t, i)))
        return refuse(c, "tensor %zu is a log-variance without its mean", i);
    if (image ? c->rec->renditions[t->owner].kind == 0 &&
                    c->rec->renditions[t->owner].mirrored != shard_is_mirrored(t)
              : shard_is_mirrored(t))
        return refuse(c, "tensor %zu is mirrored, or not, unlike what it was made of", i);
    return image ? check_others_of_image(c, i) : SHARD_OK;
}

static int check_tensor(struct check *c, size_t i)
{
    const struct shard_tensor *t = &c->rec->tensors[i];

    if (t->n_dims > SHARD_MAX_DIMS)
        return refuse(c, "tensor %zu has %u dimensions, at most %d are possible", i,
                      t->n_dims, SHARD_MAX_DIMS);
    if (t->encoder >= c->h->n_encoders)
        return refuse(c, "tensor %zu names encoder %u of %zu", i, t->encoder,
                      c->h->n_encoders);
    const struct shard_encoder *e = &c->h->encoders[t->encoder];
    if (!kind_fits(t, e))
        return refuse(c, "tensor %zu is of kind %u, its encoder's is %.64s", i, t->kind,
                      e->kind);
    if (t->part >= c->rec->n_parts || !part_fits(c->rec->parts[t->part].kind, e))
        return refuse(c, "tensor %zu is of part %u, which is no %.64s", i, t->part,
                      e->of);
    if (!owner_fits(c->rec, t))
        return refuse(c, "tensor %zu has owner %u, which its part has not", i, t->owner);
    if (t->n_bytes > SHARD_MAX_ROW || !shard_tensor_shape_fits(t, e) || !shape_fits(t))
        return refuse(c,
                      "tensor %zu has %zu bytes, its kind, shape or dtype say otherwise",
                      i, t->n_bytes);
    if (i > 0 && shard_tensor_compare(t - 1, t) >= 0)
        return refuse(c, "tensor %zu is not behind the one before it", i);
    if (!add(&c->size->tensor_bytes, t->n_bytes) ||
        !add(&c->size->bytes, SHARD_ENTRY_TENSOR + 4 * t->n_dims))
        return refuse(c, "its tensors are larger than %d bytes", SHARD_MAX_ROW);
    return check_slot(c, i, e);
}

/* Every rendition is somebody's. */
static int check_owned(struct check *c)
{
    unsigned char owned[SHARD_MAX_RENDITIONS / 8 + 1];
    const struct shard_record *rec = c->rec;

    memset(owned, 0, rec->n_renditions / 8 + 1);
    for (size_t i = 0; i < rec->n_tensors; i++)
        if (rec->parts[rec->tensors[i].part].kind == SHARD_PART_IMAGE)
            owned[rec->tensors[i].owner / 8] |=
                (unsigned char)(1 << rec->tensors[i].owner % 8);
    for (size_t i = 0; i < rec->n_renditions; i++)
        if ((owned[i / 8] >> i % 8 & 1) == 0)
            return refuse(c, "rendition %zu has no tensor", i);
    return SHARD_OK;
}

/* ---- the whole ---- */

static int check_head(struct check *c)
{
    const struct shard_record *rec = c->rec;
    const size_t key_len = strlen(rec->key), name_len = strlen(rec->name);

    if (key_len == 0 || key_len > SHARD_MAX_KEY)
        return refuse(c, "a key has 1 to %d bytes, this one %zu", SHARD_MAX_KEY, key_len);
    if (name_len == 0 || name_len > SHARD_MAX_NAME)
        return refuse(c, "a NAME has 1 to %d bytes, this one %zu", SHARD_MAX_NAME,
                      name_len);
    if (rec->order != SHARD_CAPTION_FIRST && rec->order != SHARD_IMAGE_FIRST)
        return refuse(c, "unknown order %d", (int)rec->order);
    if (rec->n_parts > SHARD_MAX_PARTS || rec->n_renditions > SHARD_MAX_RENDITIONS ||
        rec->n_tensors > SHARD_MAX_TENSORS)
        return refuse(c, "%zu parts, %zu renditions, %zu tensors: at most %d of each",
                      rec->n_parts, rec->n_renditions, rec->n_tensors, SHARD_MAX_PARTS);
    if (!add(&c->size->content, rec->metadata_len))
        return refuse(c, "its metadata is longer than %d bytes", SHARD_MAX_ROW);
    c->size->content += SHARD_ROW_CONTENT + key_len + 1 + name_len + 1 + 1;
    return SHARD_OK;
}

int shard_record_check(const struct shard_record *rec, const struct shard_header *h,
                       struct shard_row_size *size, char *why, size_t cap)
{
    struct check c = {rec, h, size, why, cap};

    *size = (struct shard_row_size){.bytes = SHARD_ROW_HEAD};
    int rc = check_head(&c);
    if (rc == SHARD_OK)
        rc = check_parts(&c);
    for (size_t i = 0; i < rec->n_renditions && rc == SHARD_OK; i++)
        rc = check_rendition(&c, i);
    for (size_t i = 0; i < rec->n_tensors && rc == SHARD_OK; i++)
        rc = check_tensor(&c, i);
    if (rc == SHARD_OK)
        rc = check_owned(&c);
    if (rc < 0)
        return rc;
    if (!add(&size->bytes, size->content) ||
        size->bytes + size->n_ids * sizeof(uint32_t) > SHARD_MAX_ROW)
        return refuse(&c, "texts, ids and metadata are larger than %d bytes",
                      SHARD_MAX_ROW);
    return SHARD_OK;
}

/* ---- values ---- */

/* All exponent bits set: Inf or NaN. */
static bool finite16(const unsigned char *p, size_t n, uint16_t exponent)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= (wire_load_u16(p + 2 * i) & exponent) == exponent;
    return bad == 0;
}

static bool finite32(const unsigned char *p, size_t n)
{
    unsigned bad = 0;

    for (size_t i = 0; i < n; i++)
        bad |= (wire_load_u32(p + 4 * i) & 0x7F800000) == 0x7F800000;
    return bad == 0;
}

static bool is_finite(const struct shard_tensor *t)
{
    switch (t->dtype) {
    case SHARD_FP16:
        return finite16(t->data, t->n_bytes / 2, 0x7C00);
    case SHARD_BF16:
        return finite16(t->data, t->n_bytes / 2, 0x7F80);
    case SHARD_FP32:
        return finite32(t->data, t->n_bytes / 4);
    default:
        return true;
    }
}

/* Values of u16, u32 or i32, where a negative one is a large one. */
static bool is_below(const struct shard_tensor *t, uint64_t bound)
{
    const unsigned char *p = t->data;
    const uint32_t width = shard_dtype_width(t->dtype);
    uint32_t most = 0;

    for (size_t i = 0; i < t->n_bytes; i += width) {
        const uint32_t value = width == 2 ? wire_load_u16(p + i) : wire_load_u32(p + i);
        most = value > most ? value : most;
    }
    return t->n_bytes == 0 || most < bound;
}

/* Of a text part; what a later version's alternative holds besides is not known. */
static int check_utf8_of_part(struct check *c, size_t part)
{
    const struct shard_part *p = &c->rec->parts[part];

    for (size_t i = 0; i < p->n_alternatives; i++) {
        const struct shard_alternative *a = &p->alternatives[i];
        if (!shard_utf8_valid(a->name, strlen(a->name)))
            return refuse(c, "the name of alternative %zu of part %zu is not UTF-8", i,
                          part);
        if (a->kind == 0 && !shard_utf8_valid(a->text, a->text_len))
            return refuse(c, "alternative %zu of part %zu is not UTF-8", i, part);
    }
    return SHARD_OK;
}

static int check_utf8(struct check *c)
{
    const struct shard_record *rec = c->rec;
    int rc = SHARD_OK;

    if (!shard_utf8_valid(rec->key, strlen(rec->key)))
        return refuse(c, "its key is not UTF-8");
    if (!shard_utf8_valid(rec->name, strlen(rec->name)))
        return refuse(c, "its NAME is not UTF-8");
    for (size_t i = 0; i < rec->n_parts && rc == SHARD_OK; i++)
        if (rec->parts[i].kind == SHARD_PART_TEXT)
            rc = check_utf8_of_part(c, i);
    return rc;
}

int shard_record_check_values(const struct shard_record *rec,
                              const struct shard_header *h, bool kept, char *why,
                              size_t cap)
{
    struct check c = {.rec = rec, .why = why, .cap = cap};
    size_t text, image;

    if (rec->order != SHARD_CAPTION_FIRST && !shard_is_pair(rec, &text, &image))
        return refuse(&c, "it is no pair and has an order");
    if (check_utf8(&c) < 0)
        return SHARD_EINVAL;
    for (size_t i = 0; i < rec->n_tensors; i++) {
        const struct shard_tensor *t = &rec->tensors[i];
        if (t->n_bytes == 0 || (t->data == NULL && kept))
            continue;
        if (t->data == NULL)
            return refuse(&c, "tensor %zu has no data: was only its text read?", i);
        if (!is_finite(t))
            return refuse(&c, "tensor %zu has a value that is not finite", i);
        if (t->kind == SHARD_CODES && !is_below(t, h->encoders[t->encoder].codebook))
            return refuse(&c, "tensor %zu has a code above its codebook", i);
        if (t->kind == SHARD_IDS && !is_below(t, (uint64_t)SHARD_MAX_ID + 1))
            return refuse(&c, "tensor %zu has an id above %d", i, SHARD_MAX_ID);
    }
    return SHARD_OK;
}
