/* SPDX-License-Identifier: Apache-2.0
 * tests/unit/test_record_check.c - every rule of FORMAT.md about one record, broken in
 * random legal records: each is refused in the words of that rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shard/file/format.h"
#include "shard/index/part_type.h"
#include "shard/file/row.h"
#include "shard/status.h"
#include "shard/file/wire.h"
#include "tests/unit/random_records.h"

enum { TIMES = 20, MOST_RECORDS = 20000 };

static char long_name[SHARD_MAX_NAME + 2];

/* Breaks a rule; false: the record has nothing to break it with. */
typedef bool mutation(struct random_record *r);

/* ---- what is there to be broken ---- */

static struct shard_part *find_part(struct random_record *r, uint32_t kind)
{
    for (size_t i = 0; i < r->rec.n_parts; i++)
        if (r->parts[i].kind == kind)
            return &r->parts[i];
    return NULL;
}

static struct shard_part *find_unknown_part(struct random_record *r)
{
    for (size_t i = 0; i < r->rec.n_parts; i++)
        if (r->parts[i].kind > SHARD_PART_DATA)
            return &r->parts[i];
    return NULL;
}

/* Of an alternative that has a text. */
static struct shard_alternative *find_alternative(struct random_record *r)
{
    const struct shard_part *text = find_part(r, SHARD_PART_TEXT);

    return text != NULL ? (struct shard_alternative *)text->alternatives : NULL;
}

static struct shard_tensor *find_tensor(struct random_record *r, uint32_t kind)
{
    for (size_t i = 0; i < r->rec.n_tensors; i++)
        if (r->tensors[i].kind == kind)
            return &r->tensors[i];
    return NULL;
}

static struct shard_tensor *find_of(struct random_record *r, uint32_t encoder)
{
    for (size_t i = 0; i < r->rec.n_tensors; i++)
        if (r->tensors[i].encoder == encoder)
            return &r->tensors[i];
    return NULL;
}

/* A latent without a log-variance that another one mirrors. */
static struct shard_tensor *find_mirrored(struct random_record *r)
{
    for (size_t i = 0; i < r->rec.n_tensors; i++)
        for (size_t j = 0; j < i; j++) {
            struct shard_tensor *t = &r->tensors[i], *other = &r->tensors[j];
            if (t->encoder == RANDOM_VAE && other->encoder == RANDOM_VAE &&
                other->part == t->part)
                return t;
        }
    return NULL;
}

static struct shard_tensor *find_logvar(struct random_record *r)
{
    for (size_t i = 0; i < r->rec.n_tensors; i++)
        if (shard_is_logvar(&r->tensors[i]))
            return &r->tensors[i];
    return NULL;
}

static struct shard_rendition *find_rendition(struct random_record *r, bool known)
{
    for (size_t i = 0; i < r->rec.n_renditions; i++)
        if ((r->renditions[i].kind == 0) == known)
            return &r->renditions[i];
    return NULL;
}

/* ---- head and parts ---- */

#define ALWAYS(name, change)                                                             \
    static bool name(struct random_record *r)                                            \
    {                                                                                    \
        change;                                                                          \
        return true;                                                                     \
    }

#define WHERE(name, type, found, change)                                                 \
    static bool name(struct random_record *r)                                            \
    {                                                                                    \
        type *x = found;                                                                 \
        if (x == NULL)                                                                   \
            return false;                                                                \
        change;                                                                          \
        return true;                                                                     \
    }

#define PART(name, kind, change)                                                         \
    WHERE(name, struct shard_part, find_part(r, kind), change)
#define ALTERNATIVE(name, change)                                                        \
    WHERE(name, struct shard_alternative, find_alternative(r), change)
#define RENDITION(name, change)                                                          \
    WHERE(name, struct shard_rendition, find_rendition(r, true), change)
#define TENSOR(name, kind, change)                                                       \
    WHERE(name, struct shard_tensor, find_tensor(r, kind), change)

ALWAYS(no_key, r->rec.key = "")
ALWAYS(long_key, r->rec.key = long_name)
ALWAYS(no_name, r->rec.name = "")
ALWAYS(a_long_name, r->rec.name = long_name)
ALWAYS(unknown_order, r->rec.order = (enum shard_order)2)
ALWAYS(many_parts, r->rec.n_parts = SHARD_MAX_PARTS + 1)
ALWAYS(many_renditions, r->rec.n_renditions = SHARD_MAX_RENDITIONS + 1)
ALWAYS(many_tensors, r->rec.n_tensors = SHARD_MAX_TENSORS + 1)
ALWAYS(long_metadata, r->rec.metadata_len = SHARD_MAX_ROW + 1)
ALWAYS(long_row, r->rec.metadata_len = SHARD_MAX_ROW - 60)
PART(no_flag, SHARD_PART_IMAGE, x->flags = 0)
PART(both_flags, SHARD_PART_TEXT, x->flags = 3)
PART(reserved_flag, SHARD_PART_DATA, x->flags |= 4)
PART(role_of_capitals, SHARD_PART_TEXT, x->role = "User")
PART(long_role, SHARD_PART_TEXT, x->role = long_name + SHARD_MAX_NAME - SHARD_MAX_ROLE)
WHERE(large_part, struct shard_part, find_unknown_part(r),
      x->unknown.len = SHARD_MAX_ROW + 1)
PART(no_alternative, SHARD_PART_TEXT, x->n_alternatives = 0)
PART(many_alternatives, SHARD_PART_TEXT, x->n_alternatives = SHARD_MAX_ALTERNATIVES + 1)
ALTERNATIVE(long_caption_name,
            x->name = long_name + SHARD_MAX_NAME - SHARD_MAX_CAPTION_NAME)
ALTERNATIVE(long_text, x->text_len = x->unknown.len = SHARD_MAX_ROW + 1)
ALTERNATIVE(many_ids, x->n_ids = SHARD_MAX_ROW + 1)

static bool large_id(struct random_record *r)
{
    struct shard_alternative *a = find_alternative(r);

    if (a == NULL || a->n_ids == 0 || a->n_ids == SHARD_NO_IDS)
        return false;
    ((uint32_t *)a->ids)[a->n_ids - 1] = UINT32_C(1) << 31;
    return true;
}

static bool caption_of_none(struct random_record *r)
{
    const size_t text = shard_first_text(&r->rec);

    r->rec.caption_drawn =
        text < r->rec.n_parts ? (uint32_t)r->parts[text].n_alternatives : 1;
    return true;
}

/* ---- renditions ---- */

RENDITION(rendition_of_no_part, x->part = (uint32_t)r->rec.n_parts)
RENDITION(unknown_fit, x->fit = (enum shard_fit)3)
RENDITION(no_crop, x->crop.width = 0)
RENDITION(crop_too_wide, x->crop.width = r->parts[x->part].width - x->crop.left + 1)
RENDITION(crop_too_low, x->crop.top = UINT32_MAX)
RENDITION(no_content, x->content.height = 0)
RENDITION(content_too_high, x->content.height = x->target_height - x->content.top + 1)
WHERE(large_rendition, struct shard_rendition, find_rendition(r, false),
      x->unknown.len = SHARD_MAX_ROW)

static bool rendition_of_no_image(struct random_record *r)
{
    const struct shard_part *data = find_part(r, SHARD_PART_DATA);

    if (data == NULL || r->rec.n_renditions == 0)
        return false;
    r->renditions[0].part = (uint32_t)(data - r->parts);
    return true;
}

static bool renditions_in_disorder(struct random_record *r)
{
    if (r->rec.n_renditions < 2)
        return false;
    const struct shard_rendition first = r->renditions[0];
    r->renditions[0] = r->renditions[1];
    r->renditions[1] = first;
    return true;
}

static bool rendition_twice(struct random_record *r)
{
    if (r->rec.n_renditions < 2)
        return false;
    r->renditions[1] = r->renditions[0];
    return true;
}

/* Its tensors go, it stays. */
static bool rendition_of_nobody(struct random_record *r)
{
    size_t n = 0;

    if (r->rec.n_renditions == 0)
        return false;
    for (size_t i = 0; i < r->rec.n_tensors; i++)
        if (r->parts[r->tensors[i].part].kind != SHARD_PART_IMAGE ||
            r->tensors[i].owner != 0)
            r->tensors[n++] = r->tensors[i];
    r->rec.n_tensors = n;
    return true;
}

/* ---- tensors ---- */

TENSOR(nine_dims, SHARD_FEATURES, x->n_dims = 9)
TENSOR(no_encoder, SHARD_LATENT, x->encoder = RANDOM_ENCODERS)
TENSOR(another_kind, SHARD_CODES, x->kind = SHARD_FEATURES)
WHERE(known_kind_of_unknown, struct shard_tensor, find_of(r, RANDOM_WAVES),
      x->kind = SHARD_PIXELS)
WHERE(kind_zero, struct shard_tensor, find_of(r, RANDOM_ANYTHING), x->kind = 0)
TENSOR(of_no_part, SHARD_PIXELS, x->part = (uint32_t)r->rec.n_parts)
WHERE(anything_of_no_part, struct shard_tensor, find_of(r, RANDOM_ANYTHING),
      x->part = (uint32_t)r->rec.n_parts)
WHERE(no_such_alternative, struct shard_tensor, find_of(r, RANDOM_STATES),
      x->owner = (uint32_t)r->parts[x->part].n_alternatives)
TENSOR(no_such_rendition, SHARD_LATENT, x->owner = (uint32_t)r->rec.n_renditions)
WHERE(owner_of_data, struct shard_tensor, find_of(r, RANDOM_VECTOR), x->owner = 0)
TENSOR(huge_tensor, 77, x->dtype = 99; x->n_bytes = SHARD_MAX_ROW + 1)
TENSOR(other_channels, SHARD_LATENT, x->dims[0]++)
TENSOR(no_height, SHARD_LATENT, x->dims[1] = 0; x->n_bytes = 0)
TENSOR(latent_of_two_dims, SHARD_LATENT, x->n_dims = 2)
TENSOR(latent_of_bytes, SHARD_LATENT, x->dtype = SHARD_U8;
       x->n_bytes = (size_t)x->dims[0] * x->dims[1] * x->dims[2])
TENSOR(latent_of_a_file, SHARD_LATENT, x->dtype = SHARD_FILE)
TENSOR(latent_of_a_later_dtype, SHARD_LATENT, x->dtype = 99)
TENSOR(codes_of_floats, SHARD_CODES, x->dtype = SHARD_FP32)
TENSOR(codes_of_three_dims, SHARD_CODES, x->n_dims = 3)
TENSOR(features_without_dims, SHARD_FEATURES, x->n_dims = 0)
TENSOR(pixels_of_bytes, SHARD_PIXELS, x->dtype = SHARD_U8)
TENSOR(no_pixels, SHARD_PIXELS, x->dims[0] = 0)
TENSOR(pixels_of_two_dims, SHARD_PIXELS, x->n_dims = 2)
TENSOR(pixels_of_seven_channels, SHARD_PIXELS, x->dims[2] = 7)
TENSOR(positions_that_wrap, SHARD_FEATURES, x->dtype = 99; x->n_dims = 4;
       x->dims[0] = x->dims[1] = UINT32_C(1) << 22; x->dims[2] = UINT32_C(1) << 20;
       x->dims[3] = 1)
TENSOR(positions_without_values, SHARD_FEATURES, x->dtype = SHARD_FP32; x->n_dims = 3;
       x->n_bytes = 0; x->dims[0] = x->dims[1] = UINT32_C(1) << 27; x->dims[2] = 0)
TENSOR(ids_of_two_dims, SHARD_IDS, x->n_dims = 2)
TENSOR(ids_of_16_bits, SHARD_IDS, x->dtype = SHARD_U16; x->n_bytes /= 2)
TENSOR(a_byte_too_many, SHARD_LATENT, x->n_bytes++)
TENSOR(a_product_that_wraps, SHARD_FEATURES, x->n_dims = 2; x->n_bytes = 0;
       x->dims[0] = x->dims[1] = UINT32_C(1) << 27; x->dtype = SHARD_FP32)
TENSOR(a_dim_too_large, SHARD_FEATURES, x->n_dims = 2; x->n_bytes = 0; x->dims[0] = 0;
       x->dims[1] = UINT32_MAX)
TENSOR(reserved_slot, SHARD_LATENT, x->slot |= 4)
TENSOR(large_output, SHARD_FEATURES, x->slot |= UINT32_C(1) << 16)
TENSOR(no_such_output, SHARD_FEATURES, x->slot |= UINT32_C(3) << SHARD_SLOT_OUTPUT_SHIFT)
TENSOR(second_output, SHARD_LATENT, x->slot |= UINT32_C(1) << SHARD_SLOT_OUTPUT_SHIFT)
TENSOR(mirrored_unlike_its_rendition, SHARD_LATENT,
       if (r->renditions[x->owner].kind != 0) return false;
       x->slot ^= SHARD_SLOT_MIRRORED)
WHERE(unlike_its_mirror, struct shard_tensor, find_mirrored(r),
      uint32_t height = x->dims[1];
      if (height == x->dims[2]) return false; x->dims[1] = x->dims[2];
      x->dims[2] = height)
WHERE(mirrored_text, struct shard_tensor, find_of(r, RANDOM_WORDS),
      x->slot |= SHARD_SLOT_MIRRORED)
WHERE(logvar_of_other_moments, struct shard_tensor, find_of(r, RANDOM_VAE),
      x->slot |= SHARD_SLOT_LOGVAR)
WHERE(logvar_of_features, struct shard_tensor, find_of(r, RANDOM_FEATURES),
      x->slot |= SHARD_SLOT_LOGVAR)
WHERE(logvar_of_other_dims, struct shard_tensor, find_logvar(r),
      uint32_t height = x->dims[1];
      if (height == x->dims[2]) return false; x->dims[1] = x->dims[2];
      x->dims[2] = height)
WHERE(logvar_of_other_dtype, struct shard_tensor, find_logvar(r),
      if (x->dtype == SHARD_FP32) return false;
      x->dtype ^= SHARD_FP16 ^ SHARD_BF16)

static bool of_another_part(struct random_record *r)
{
    struct shard_tensor *t = find_of(r, RANDOM_WORDS);
    const struct shard_part *image = find_part(r, SHARD_PART_IMAGE);

    if (t == NULL || image == NULL)
        return false;
    t->part = (uint32_t)(image - r->parts);
    return true;
}

static bool logvar_without_mean(struct random_record *r)
{
    struct shard_tensor *t = find_logvar(r);

    if (t == NULL)
        return false;
    memmove(t - 1, t, (size_t)(r->tensors + r->rec.n_tensors - t) * sizeof(*t));
    r->rec.n_tensors--;
    return true;
}

/* Neighbours of one encoder and part, exchanged. */
static bool tensors_in_disorder(struct random_record *r)
{
    for (size_t i = 1; i < r->rec.n_tensors; i++) {
        struct shard_tensor *t = &r->tensors[i];
        if (t->encoder != RANDOM_STATES || t[-1].encoder != RANDOM_STATES)
            continue;
        const struct shard_tensor first = t[-1];
        t[-1] = t[0];
        t[0] = first;
        return true;
    }
    return false;
}

static bool tensor_twice(struct random_record *r)
{
    struct shard_tensor *t = find_of(r, RANDOM_VECTOR);

    if (t == NULL || t + 1 == r->tensors + r->rec.n_tensors)
        return false;
    t[1] = t[0];
    return true;
}

/* The last rendition's image gets one more, of which the encoder has the same slot. */
static bool slot_twice(struct random_record *r)
{
    struct shard_tensor *t = find_of(r, RANDOM_PIXELS);
    const struct shard_tensor *end = r->tensors + r->rec.n_tensors;

    if (t == NULL || r->renditions[r->rec.n_renditions - 1].part != t->part ||
        (t + 1 < end && t[1].encoder == RANDOM_PIXELS))
        return false;
    memmove(t + 1, t, (size_t)(end - t) * sizeof(*t));
    r->rec.n_tensors++;
    r->renditions[r->rec.n_renditions] =
        (struct shard_rendition){.kind = 99, .part = t->part, .unknown = {"\xFF", 1}};
    t[1].owner = (uint32_t)r->rec.n_renditions++;
    return true;
}

static bool large_tensors(struct random_record *r)
{
    struct shard_tensor *t = find_of(r, RANDOM_WAVES);
    struct shard_tensor *u = find_of(r, RANDOM_ANYTHING);

    if (t == NULL || u == NULL)
        return false;
    t->dtype = u->dtype = 99;
    t->n_bytes = u->n_bytes = SHARD_MAX_ROW - 10;
    return true;
}

static const struct {
    mutation *mutate;
    const char *name, *why;
} mutations[] = {
#define RULE(name, why)                                                                  \
    {                                                                                    \
        name, #name, why                                                                 \
    }
    RULE(no_key, "a key has 1 to 1024 bytes"),
    RULE(long_key, "a key has 1 to 1024 bytes"),
    RULE(no_name, "a NAME has 1 to 4096 bytes"),
    RULE(a_long_name, "a NAME has 1 to 4096 bytes"),
    RULE(unknown_order, "unknown order"),
    RULE(many_parts, "at most 65535 of each"),
    RULE(many_renditions, "at most 65535 of each"),
    RULE(many_tensors, "at most 65535 of each"),
    RULE(long_metadata, "its metadata is longer"),
    RULE(long_row, "larger than"),
    RULE(no_flag, "has flags 0x0"),
    RULE(both_flags, "has flags 0x3"),
    RULE(reserved_flag, "a later version may have written it"),
    RULE(role_of_capitals, "a role that is not"),
    RULE(long_role, "a role that is not"),
    RULE(large_part, "its parts are larger"),
    RULE(no_alternative, "without an alternative"),
    RULE(many_alternatives, "more than 65535 alternative texts"),
    RULE(long_caption_name, "longer than 1024 bytes"),
    RULE(long_text, "its text is longer"),
    RULE(many_ids, "its text is longer"),
    RULE(large_id, "a token id"),
    RULE(caption_of_none, "is drawn of"),
    RULE(rendition_of_no_part, "which is no image"),
    RULE(rendition_of_no_image, "which is no image"),
    RULE(renditions_in_disorder, "is not behind the one before it"),
    RULE(rendition_twice, "is not behind the one before it"),
    RULE(unknown_fit, "impossible geometry"),
    RULE(no_crop, "impossible geometry"),
    RULE(crop_too_wide, "impossible geometry"),
    RULE(crop_too_low, "impossible geometry"),
    RULE(no_content, "impossible geometry"),
    RULE(content_too_high, "impossible geometry"),
    RULE(large_rendition, "its renditions are larger"),
    RULE(rendition_of_nobody, "has no tensor"),
    RULE(nine_dims, "9 dimensions"),
    RULE(no_encoder, "names encoder 12 of 12"),
    RULE(another_kind, "its encoder's is codes"),
    RULE(known_kind_of_unknown, "its encoder's is waves"),
    RULE(kind_zero, "its encoder's is strings"),
    RULE(of_no_part, "which is no image"),
    RULE(anything_of_no_part, "which is no anything"),
    RULE(of_another_part, "which is no text"),
    RULE(no_such_alternative, "which its part has not"),
    RULE(no_such_rendition, "which its part has not"),
    RULE(owner_of_data, "which its part has not"),
    RULE(huge_tensor, "say otherwise"),
    RULE(other_channels, "say otherwise"),
    RULE(no_height, "say otherwise"),
    RULE(latent_of_two_dims, "say otherwise"),
    RULE(latent_of_bytes, "say otherwise"),
    RULE(latent_of_a_file, "say otherwise"),
    RULE(latent_of_a_later_dtype, "say otherwise"),
    RULE(codes_of_floats, "say otherwise"),
    RULE(codes_of_three_dims, "say otherwise"),
    RULE(features_without_dims, "say otherwise"),
    RULE(pixels_of_bytes, "say otherwise"),
    RULE(no_pixels, "say otherwise"),
    RULE(pixels_of_two_dims, "say otherwise"),
    RULE(pixels_of_seven_channels, "say otherwise"),
    RULE(positions_that_wrap, "say otherwise"),
    RULE(positions_without_values, "say otherwise"),
    RULE(ids_of_two_dims, "say otherwise"),
    RULE(ids_of_16_bits, "say otherwise"),
    RULE(a_byte_too_many, "say otherwise"),
    RULE(a_product_that_wraps, "say otherwise"),
    RULE(a_dim_too_large, "say otherwise"),
    RULE(tensors_in_disorder, "is not behind the one before it"),
    RULE(tensor_twice, "is not behind the one before it"),
    RULE(reserved_slot, "a reserved bit is not 0"),
    RULE(large_output, "a reserved bit is not 0"),
    RULE(no_such_output, "its encoder has"),
    RULE(second_output, "is of output 1, its encoder has 1"),
    RULE(mirrored_unlike_its_rendition, "is mirrored, or not"),
    RULE(unlike_its_mirror, "unlike its mirror image"),
    RULE(mirrored_text, "is mirrored, or not"),
    RULE(logvar_of_other_moments, "log-variance without its mean"),
    RULE(logvar_of_features, "log-variance without its mean"),
    RULE(logvar_of_other_dims, "log-variance without its mean"),
    RULE(logvar_of_other_dtype, "log-variance without its mean"),
    RULE(logvar_without_mean, "log-variance without its mean"),
    RULE(slot_twice, "has that slot of the image already"),
    RULE(large_tensors, "its tensors are larger"),
};

static int check(const struct random_record *r, char why[300])
{
    struct shard_row_size size;

    why[0] = 0;
    return shard_record_check(&r->rec, random_header(), &size, why, 300);
}

static void test_every_rule(void **state)
{
    (void)state;
    memset(long_name, 'n', sizeof(long_name) - 1);
    for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
        size_t times = 0;
        for (uint64_t seed = 0; seed < MOST_RECORDS && times < TIMES; seed++) {
            struct random_record *r = random_record_make(seed, random_header());
            char why[300];
            assert_int_equal(check(r, why), SHARD_OK);
            if (mutations[i].mutate(r)) {
                times++;
                if (check(r, why) != SHARD_EINVAL ||
                    strstr(why, mutations[i].why) == NULL)
                    fail_msg("%s, seed %d: \"%s\"", mutations[i].name, (int)seed, why);
            }
            random_record_free(r);
        }
        if (times < TIMES)
            fail_msg("%s: only %zu records", mutations[i].name, times);
    }
}

/* ---- the same of a part, as the index has it ---- */

enum { TYPE_HEAD = 20, TYPE_TENSOR = 20 };

static int decode_type(const struct shard_buffer *bytes)
{
    struct shard_part_type type;
    int rc = shard_part_type_decode(&type, bytes->data, bytes->len, random_header());

    shard_part_type_clear(&type);
    return rc;
}

/* With a bit flipped at p it is refused: as a later version's where that is reserved. */
static void spoil_reserved(struct shard_buffer *bytes, unsigned char *p, uint32_t bit,
                           bool later)
{
    struct shard_part_type type;

    wire_put_u32(p, wire_load_u32(p) ^ bit);
    assert_int_equal(
        shard_part_type_decode(&type, bytes->data, bytes->len, random_header()),
        SHARD_EFORMAT);
    if (shard_part_type_is_later(&type) != later)
        fail_msg("bit 0x%x: later is not %d", (unsigned)bit, later);
    shard_part_type_clear(&type);
    wire_put_u32(p, wire_load_u32(p) ^ bit);
}

/* Of tensor j of a type: number 0 kind, 1 encoder, 2 slot, 3 dtype, 4 owner. */
static unsigned char *number_of(struct shard_buffer *bytes, size_t j, size_t number)
{
    return bytes->data + TYPE_HEAD + wire_load_u32(bytes->data + 12) + TYPE_TENSOR * j +
           4 * number;
}

/* It is refused with another value there, and taken again without. */
static void spoil_number(struct shard_buffer *bytes, size_t j, size_t number,
                         uint32_t value)
{
    unsigned char *p = number_of(bytes, j, number);
    const uint32_t was = wire_load_u32(p);

    wire_put_u32(p, value);
    if (decode_type(bytes) != SHARD_EFORMAT)
        fail_msg("number %d of tensor %d: %u", (int)number, (int)j, (unsigned)value);
    wire_put_u32(p, was);
    assert_int_equal(decode_type(bytes), SHARD_OK);
}

static void spoil_type(struct shard_buffer *bytes)
{
    const uint32_t kind = wire_load_u32(bytes->data);
    const uint32_t n_tensors = wire_load_u32(bytes->data + 16);

    spoil_reserved(bytes, bytes->data + 4, 1 << 4, true);
    spoil_reserved(bytes, bytes->data + 16, 1, false);
    for (size_t j = 0; j < n_tensors; j++) {
        spoil_reserved(bytes, number_of(bytes, j, 2), 1 << 16, true);
        spoil_reserved(bytes, number_of(bytes, j, 0),
                       wire_load_u32(number_of(bytes, j, 0)), false);
        const uint32_t slot = wire_load_u32(number_of(bytes, j, 2));
        spoil_number(bytes, j, 0, 0);
        spoil_number(bytes, j, 1, RANDOM_ENCODERS);
        spoil_number(bytes, j, 2, UINT32_MAX);
        spoil_number(bytes, j, 2, slot | 4);
        spoil_number(bytes, j, 2, slot | UINT32_C(255) << SHARD_SLOT_OUTPUT_SHIFT);
        if (kind != SHARD_PART_IMAGE)
            spoil_number(bytes, j, 2, slot | SHARD_SLOT_MIRRORED);
        if (kind == SHARD_PART_TEXT)
            spoil_number(bytes, j, 4, wire_load_u32(bytes->data + 8));
        if (kind == SHARD_PART_IMAGE)
            spoil_number(bytes, j, 4, n_tensors);
        if (kind == SHARD_PART_DATA)
            spoil_number(bytes, j, 4, 0);
    }
    if (n_tensors > 1)
        memcpy(number_of(bytes, 0, 0), number_of(bytes, 1, 0), TYPE_TENSOR);
    else if (wire_load_u32(bytes->data + 12) > 0)
        bytes->data[TYPE_HEAD] = n_tensors > 0 ? 0 : '!';
    else
        wire_put_u32(bytes->data + 4, 3);
    assert_int_equal(decode_type(bytes), SHARD_EFORMAT);
}

static void test_types_of_parts(void **state)
{
    struct shard_buffer bytes = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct random_record *r = random_record_make(seed, random_header());
        struct shard_parts_tensors of;
        assert_int_equal(shard_parts_tensors_make(&of, &r->rec), SHARD_OK);
        for (size_t i = 0; i < r->rec.n_parts; i++) {
            assert_int_equal(shard_part_type_encode(&bytes, &r->rec, &of, i), SHARD_OK);
            assert_int_equal(decode_type(&bytes), SHARD_OK);
            spoil_type(&bytes);
        }
        shard_parts_tensors_clear(&of);
        random_record_free(r);
    }
    shard_buffer_free(&bytes);
}

/* ---- values ---- */

static bool order_of_no_pair(struct random_record *r)
{
    size_t text, image;

    r->rec.order = SHARD_IMAGE_FIRST;
    return !shard_is_pair(&r->rec, &text, &image);
}

/* Sets the last value; false: there is none of that dtype. */
static bool set_last(struct shard_tensor *t, uint32_t dtype, uint32_t value)
{
    const size_t width = shard_dtype_width(dtype);

    if (t == NULL || t->dtype != dtype || t->n_bytes == 0)
        return false;
    memcpy((char *)t->data + t->n_bytes - width, &value, width);
    return true;
}

static bool infinite_fp16(struct random_record *r)
{
    return set_last(find_tensor(r, SHARD_LATENT), SHARD_FP16, 0xFC00);
}

static bool nan_bf16(struct random_record *r)
{
    return set_last(find_tensor(r, SHARD_LATENT), SHARD_BF16, 0x7F81);
}

static bool nan_fp32(struct random_record *r)
{
    return set_last(find_tensor(r, SHARD_FEATURES), SHARD_FP32, 0xFFC00000);
}

static bool code_above(struct random_record *r)
{
    return set_last(find_of(r, RANDOM_MAPPED), SHARD_U16, 7);
}

static bool code_below_zero(struct random_record *r)
{
    return set_last(find_of(r, RANDOM_CODES), SHARD_I32, UINT32_MAX);
}

static bool id_above(struct random_record *r)
{
    return set_last(find_of(r, RANDOM_WORDS), SHARD_U32, UINT32_C(1) << 31);
}

static bool no_data(struct random_record *r)
{
    struct shard_tensor *t = find_tensor(r, SHARD_LATENT);

    if (t != NULL)
        t->data = NULL;
    return t != NULL;
}

static bool odd_key(struct random_record *r)
{
    r->rec.key = "\xED\xA0\x80";
    return true;
}

static bool odd_name(struct random_record *r)
{
    r->rec.name = "caf\xE9";
    return true;
}

/* Some alternative of the record, which has a text, or NULL. */
static struct shard_alternative *some_alternative(struct random_record *r)
{
    struct shard_part *part = &r->parts[0];

    return r->rec.n_parts > 0 && part->kind == SHARD_PART_TEXT
               ? (struct shard_alternative *)&part->alternatives[part->n_alternatives - 1]
               : NULL;
}

static bool odd_caption_name(struct random_record *r)
{
    struct shard_alternative *a = some_alternative(r);

    if (a != NULL)
        a->name = "\xF8";
    return a != NULL;
}

static bool odd_text(struct random_record *r)
{
    struct shard_alternative *a = some_alternative(r);

    if (a == NULL || a->kind != 0)
        return false;
    a->text = "a caption\0cut within \xE7\x8A";
    a->text_len = 23;
    return true;
}

static void test_values(void **state)
{
    static const struct {
        mutation *mutate;
        const char *name, *why;
    } values[] = {
        RULE(order_of_no_pair, "is no pair"),
        RULE(infinite_fp16, "not finite"),
        RULE(nan_bf16, "not finite"),
        RULE(nan_fp32, "not finite"),
        RULE(code_above, "codebook"),
        RULE(code_below_zero, "codebook"),
        RULE(id_above, "an id above"),
        RULE(no_data, "no data"),
        RULE(odd_key, "key is not UTF-8"),
        RULE(odd_name, "NAME is not UTF-8"),
        RULE(odd_caption_name, "name of alternative"),
        RULE(odd_text, "part 0 is not UTF-8"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        size_t times = 0;
        for (uint64_t seed = 0; seed < MOST_RECORDS && times < TIMES; seed++) {
            const struct shard_header *h = random_header();
            struct random_record *r = random_record_make(seed, h);
            char why[300] = "";
            assert_int_equal(shard_record_check_values(&r->rec, h, false, why, 300),
                             SHARD_OK);
            if (values[i].mutate(r)) {
                times++;
                assert_int_equal(check(r, why), SHARD_OK);
                if (shard_record_check_values(&r->rec, h, false, why, 300) !=
                        SHARD_EINVAL ||
                    strstr(why, values[i].why) == NULL)
                    fail_msg("%s, seed %d: \"%s\"", values[i].name, (int)seed, why);
            }
            random_record_free(r);
        }
        if (times < TIMES)
            fail_msg("%s: only %zu records", values[i].name, times);
    }
}

/* Features have the dims that the header says of their output. */
static void test_dims_of_features(void **state)
{
    static const struct {
        bool fits;
        uint32_t output, n_dims, dims[3];
    } cases[] = {{true, 0, 2, {6, 8}},     {true, 0, 2, {0, 8}}, {true, 1, 1, {8}},
                 {false, 0, 2, {6, 9}},    {false, 0, 1, {8}},   {false, 1, 2, {1, 8}},
                 {false, 0, 3, {6, 8, 1}}, {false, 1, 1, {7}},   {false, 2, 1, {8}}};

    static const struct shard_features said[2] = {
        {.what = "patches", .n_dims = 2, .dims = {0, 8}},
        {.what = "pooled", .n_dims = 1, .dims = {8}}};
    const struct shard_encoder e = {
        .kind = "features", .n_features = 2, .features = said};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shard_tensor t = {.kind = SHARD_FEATURES,
                                 .slot = cases[i].output << SHARD_SLOT_OUTPUT_SHIFT,
                                 .dtype = SHARD_FP16,
                                 .n_dims = cases[i].n_dims};
        memcpy(t.dims, cases[i].dims, sizeof(cases[i].dims));
        assert_int_equal(shard_tensor_shape_fits(&t, &e), cases[i].fits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dims_of_features),
        cmocka_unit_test(test_every_rule),
        cmocka_unit_test(test_types_of_parts),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
