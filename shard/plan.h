/* SPDX-License-Identifier: Apache-2.0
 * shard/plan.h - public: what a reader lets a sequence hold of a record's parts:
 * FORMAT.md, section 8, "Plans". Data, not code: it comes from JSON and goes there. */
#ifndef SHARD_PLAN_H
#define SHARD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/header.h"
#include "shard/record.h"

#define SHARD_ANY UINT32_C(0xFFFFFFFF)

/* Tokens before the codes of an image of H x W: height + H / unit, width + W / unit. */
struct shard_size_tokens {
    uint32_t height, width; /* ids */
    uint32_t unit;          /* which divides H and W; 0: no such tokens */
};

/* One way in which a part is seen. */
struct shard_appearance {
    const char *encoder; /* its name; NULL: the default */
    uint32_t output;
    uint32_t window; /* of latents and pixels; 0: the reader's */
    int64_t row_end; /* id behind each row of codes; -1: none */
    struct shard_size_tokens size;
    bool loss, visible, advance, markers;
};

struct shard_rule {
    uint32_t part;    /* enum shard_part_kind, or a later one */
    const char *role; /* NULL: any */
    uint32_t flag;    /* SHARD_ANY: either */
    bool last;        /* only the last part of this kind */
    size_t n_see;     /* 0: the part is left out */
    const struct shard_appearance *see;
};

struct shard_plan {
    bool ends_of_texts; /* BOS and EOS around each text, not around the sequence */
    size_t n_rules;
    const struct shard_rule *rules;
};

/* Transfusion's: texts, images by their default encoder, no data. Static. */
const struct shard_plan *shard_plan_default(void);

/* Gives *out (release with shard_plan_free()). SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL
 * with what is wrong in `why` (cap bytes). */
int shard_plan_from_json(const char *json, size_t len, struct shard_plan **out, char *why,
                         size_t cap);
/* Gives *json (release with free()): canonical, everything that has a default said. The
 * same plan, the same bytes. SHARD_OK, SHARD_ENOMEM, or SHARD_EINVAL: a role or a name is
 * not UTF-8. */
int shard_plan_to_json(const struct shard_plan *plan, char **json);
void shard_plan_free(
    struct shard_plan *plan); /* of shard_plan_from_json(); accepts NULL */

/* SHARD_EINVAL, with what is wrong in `why` (cap bytes): it names an encoder that is none
 * of the header's, which has some. Of a header without encoders, whose shards may stand
 * beside others, nobody is missed. */
int shard_plan_check(const struct shard_plan *plan, const struct shard_header *h,
                     char *why, size_t cap);

/* The encoder that an appearance shows; SHARD_NONE: the header has none. */
uint32_t shard_plan_encoder(const struct shard_appearance *a,
                            const struct shard_header *h);

/* Whether it may show a tensor that an encoder gave in that slot. */
bool shard_plan_shows(const struct shard_plan *plan, const struct shard_header *h,
                      uint32_t encoder, uint32_t slot);

/* The first rule that fits part i, or NULL. */
const struct shard_rule *shard_plan_rule(const struct shard_plan *plan,
                                         const struct shard_record *rec, size_t i);

#endif
