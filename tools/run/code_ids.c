/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/code_ids.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"

static bool has_codes(const struct encoding *e)
{
    return e->about.tensors[0].kind == ENCODER_CODES;
}

static bool has_map(const struct encoding *e)
{
    return e->about.n_id_map > 0;
}

/* One behind the last id of a range of codes. */
static uint64_t end_of(const struct encoding *e)
{
    return (uint64_t)e->id_offset + e->about.codebook;
}

static bool is_same_network(const struct encoding *a, const struct encoding *b)
{
    const char *left = a->about.weights_sha256, *right = b->about.weights_sha256;

    return left && right && strcmp(left, right) == 0 &&
           a->about.codebook == b->about.codebook;
}

/* Among the first n. */
static const struct encoding *find_same_network(const struct encoding *encodings,
                                                size_t n, const struct encoding *e)
{
    for (size_t i = 0; i < n; i++)
        if (has_codes(&encodings[i]) && !has_map(&encodings[i]) &&
            is_same_network(&encodings[i], e))
            return &encodings[i];
    return NULL;
}

static uint64_t first_behind_text(const struct shard_tokenizer *t)
{
    uint64_t next = t->present ? t->n_pieces : 0;

    if (t->present && t->boi >= next)
        next = (uint64_t)t->boi + 1;
    if (t->present && t->eoi >= next)
        next = (uint64_t)t->eoi + 1;
    return next;
}

/* The first that is free behind text and the n encodings that stand before. */
static uint64_t first_free(const struct encoding *encodings, size_t n,
                           const struct shard_tokenizer *t)
{
    uint64_t next = first_behind_text(t);

    for (size_t i = 0; i < n; i++)
        if (has_codes(&encodings[i]) && !has_map(&encodings[i]) &&
            end_of(&encodings[i]) > next)
            next = end_of(&encodings[i]);
    return next;
}

/* Of encoding `i`. */
static int choose(struct encoding *encodings, size_t i, const struct shard_tokenizer *t)
{
    struct encoding *e = &encodings[i];
    const int64_t asked = e->request->id_offset;
    const struct encoding *same = find_same_network(encodings, i, e);
    uint64_t first;

    if (has_map(e))
        return encoder_request_is_named(e->request, "id-offset")
                   ? usage_error("--id-offset %s=%lld: this encoder has a map of ids of "
                                 "its own",
                                 e->label, (long long)asked)
                   : 0;
    if (asked >= 0)
        first = (uint64_t)asked;
    else if (e->about.has_id_offset)
        first = e->about.id_offset;
    else
        first = same ? same->id_offset : first_free(encodings, i, t);
    if (first + e->about.codebook > (uint64_t)INT32_MAX + 1)
        return usage_error("encoder %s: the ids of its %" PRIu32 " codes would be above "
                           "%d (--id-offset)",
                           e->label, e->about.codebook, INT32_MAX);
    e->id_offset = (uint32_t)first;
    return 0;
}

static bool has_id(const struct encoding *e, uint64_t id)
{
    if (!has_map(e))
        return id >= e->id_offset && id < end_of(e);
    for (size_t i = 0; i < e->about.n_id_map; i++)
        if (e->about.id_map[i] == id)
            return true;
    return false;
}

static int check_map(const struct encoding *e)
{
    for (size_t i = 0; i < e->about.n_id_map; i++)
        if (e->about.id_map[i] > INT32_MAX)
            return usage_error("encoder %s: its map gives code %zu the id %" PRIu32
                               ", above %d",
                               e->label, i, e->about.id_map[i], INT32_MAX);
    return 0;
}

static int check_text(const struct encoding *e, const struct shard_tokenizer *t)
{
    const struct {
        const char *name;
        int64_t id;
    } markers[] = {{"BOS", t->bos}, {"EOS", t->eos}, {"BOI", t->boi}, {"EOI", t->eoi}};

    for (size_t i = 0; i < 4 && t->present; i++)
        if (markers[i].id >= 0 && has_id(e, (uint64_t)markers[i].id))
            return usage_error("encoder %s: one of its codes has the id %lld, which is "
                               "%s (--id-offset, --boi, --eoi)",
                               e->label, (long long)markers[i].id, markers[i].name);
    if (t->present && !has_map(e) && e->id_offset < t->n_pieces &&
        end_of(e) > t->n_pieces)
        return usage_error("encoder %s: its codes' ids, %" PRIu32 " to %" PRIu64
                           ", begin among the tokenizer's %" PRIu32
                           " pieces and end behind them (--id-offset)",
                           e->label, e->id_offset, end_of(e) - 1, t->n_pieces);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

/* Gives the ids of a map in order, or NULL. */
static uint32_t *sorted_map(const struct encoding *e)
{
    const size_t n = e->about.n_id_map;
    uint32_t *ids = calloc(n, sizeof(*ids));

    if (ids) {
        memcpy(ids, e->about.id_map, n * sizeof(*ids));
        qsort(ids, n, sizeof(*ids), compare_ids);
    }
    return ids;
}

/* Sets *shared to an id that both maps have, or -1. Returns 0, or -1: no memory. */
static int compare_maps(const struct encoding *a, const struct encoding *b,
                        int64_t *shared)
{
    uint32_t *left = sorted_map(a), *right = sorted_map(b);
    size_t i = 0, k = 0;

    *shared = -1;
    while (left && right && *shared < 0 && i < a->about.n_id_map &&
           k < b->about.n_id_map) {
        if (left[i] == right[k])
            *shared = left[i];
        else if (left[i] < right[k])
            i++;
        else
            k++;
    }
    const int rc = left && right ? 0 : -1;
    free(left);
    free(right);
    return rc;
}

/* As compare_maps(), of any two. */
static int find_shared(const struct encoding *a, const struct encoding *b,
                       int64_t *shared)
{
    *shared = -1;
    if (has_map(a) && has_map(b))
        return compare_maps(a, b, shared);
    if (has_map(a))
        return find_shared(b, a, shared);
    if (has_map(b)) {
        for (size_t i = 0; i < b->about.n_id_map && *shared < 0; i++)
            if (has_id(a, b->about.id_map[i]))
                *shared = b->about.id_map[i];
        return 0;
    }
    if (a->id_offset < end_of(b) && b->id_offset < end_of(a))
        *shared = a->id_offset > b->id_offset ? a->id_offset : b->id_offset;
    return 0;
}

static int check_pair(const struct encoding *a, const struct encoding *b)
{
    int64_t shared;

    if (is_same_network(a, b)) /* its codes mean the same at every geometry */
        return 0;
    if (find_shared(a, b, &shared) != 0)
        return print_out_of_memory();
    return shared < 0 ? 0
                      : usage_error("encoders %s and %s both have codes with the id %lld "
                                    "(--id-offset LABEL=N)",
                                    a->label, b->label, (long long)shared);
}

int code_ids_choose(struct encoding *encodings, size_t n,
                    const struct shard_tokenizer *tokenizer)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        if (has_codes(&encodings[i]))
            rc = choose(encodings, i, tokenizer);
        else if (encoder_request_is_named(encodings[i].request, "id-offset"))
            rc = usage_error("--id-offset %s=...: %s makes no codes", encodings[i].label,
                             encodings[i].about.family);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (!has_codes(&encodings[i]))
            continue;
        rc = check_map(&encodings[i]);
        if (rc == 0)
            rc = check_text(&encodings[i], tokenizer);
        for (size_t k = 0; k < i && rc == 0; k++)
            if (has_codes(&encodings[k]))
                rc = check_pair(&encodings[k], &encodings[i]);
    }
    return rc;
}

static uint32_t id_of(const struct encoding *e, uint32_t code)
{
    return has_map(e) ? e->about.id_map[code] : e->id_offset + code;
}

static void warn_of_pieces(const struct encoding *e, const struct tokenizer *tokenizer)
{
    const uint32_t n_pieces = tokenizer_n_pieces(tokenizer);
    const size_t n_codes = has_map(e) ? e->about.n_id_map : e->about.codebook;
    uint32_t n = 0, first = 0;
    char piece[100];

    for (size_t i = n_codes; i > 0; i--) {
        const uint32_t id = id_of(e, (uint32_t)(i - 1));

        if (id < n_pieces && *tokenizer_piece(tokenizer, id, NULL)) {
            n++;
            first = id;
        }
    }
    if (n == 0)
        return;
    tokenizer_piece_shown(tokenizer, first, piece, sizeof(piece));
    print_to_stderr("warning: encoder %s: %" PRIu32 " of the ids of its %zu codes are "
                    "pieces of the tokenizer too, the first %" PRIu32 ", \"%s\": right "
                    "only where these pieces stand for images (--id-offset)",
                    e->label, n, n_codes, first, piece);
}

void code_ids_warn(const struct encoding *encodings, size_t n,
                   const struct tokenizer *tokenizer)
{
    for (size_t i = 0; i < n && tokenizer; i++) {
        bool warned = false;

        for (size_t k = 0; k < i; k++)
            warned |=
                has_codes(&encodings[k]) && is_same_network(&encodings[k], &encodings[i]);
        if (has_codes(&encodings[i]) && !warned)
            warn_of_pieces(&encodings[i], tokenizer);
    }
}
