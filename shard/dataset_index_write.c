/* SPDX-License-Identifier: Apache-2.0
 * shard/dataset_index_write.c - making index.lmi out of the indexes of shards. */
#include "shard/dataset_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#define XXH_INLINE_ALL /* the hash state lives on the stack */
#include <xxhash.h>
#include <zstd.h>

#include "shard/canonical_json.h"
#include "shard/column_store.h"
#include "shard/file_map.h"
#include "shard/format.h"
#include "shard/intern.h"
#include "shard/layout.h"
#include "shard/table.h"
#include "shard/wire.h"

struct dataset_index_writer {
    uint64_t n_shards, n_pairs;
    struct shard_intern configurations, layouts;
    struct shard_buffer path_lengths, paths; /* of the table of paths */
    struct shard_buffer column[DATASET_N_COLUMNS + 1];
    char why[600];
};

/* What all records of one layout add to their shard's sums. */
struct layout_sums {
    struct shard_layout layout;
    uint64_t cells, images;
    uint32_t records; /* that have it */
};

/* One shard on its way in. */
struct shard_sums {
    struct shard_source source;
    struct shard_file_map map;
    struct layout_sums *layouts;
    uint32_t n_layouts;
    struct shard_table table; /* of layouts, in: */
    struct shard_buffer layout_bytes;
    uint64_t tokens, cells, images;
};

int dataset_index_writer_open(struct dataset_index_writer **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? SHARD_OK : SHARD_ENOMEM;
}

/* ---- one shard ---- */

/* A log-variance follows its mean and is no image of its own. */
static int sum_layout(struct layout_sums *sums, const struct shard_header *header)
{
    bool logvar = false;

    for (size_t i = 0; i < sums->layout.n_segments; i++) {
        const struct shard_segment *s = &sums->layout.segments[i];
        if (s->kind != SHARD_LATENT)
            continue;
        if (s->encoder >= header->n_encoders)
            return SHARD_EFORMAT;
        if (!logvar) {
            sums->cells += (uint64_t)s->dims[1] * s->dims[2];
            sums->images++;
        }
        logvar =
            !logvar && strcmp(header->encoders[s->encoder].moments, "mean+logvar") == 0;
    }
    return SHARD_OK;
}

static int load_layouts(struct shard_sums *s)
{
    const struct shard_column_entry *e = &s->map.index.store.entry[INDEX_LAYOUTS];

    if (e->raw_bytes > SHARD_MAX_FRAME)
        return SHARD_EFORMAT;
    int rc =
        shard_index_load(&s->map.index, INDEX_LAYOUTS, e->raw_bytes, &s->layout_bytes);
    if (rc == SHARD_OK)
        rc = shard_table_split(&s->table, s->layout_bytes.data, s->layout_bytes.len);
    if (rc < 0)
        return rc;
    s->layouts = calloc((size_t)s->table.n + 1, sizeof(s->layouts[0]));
    if (s->layouts == NULL)
        return SHARD_ENOMEM;
    s->n_layouts = s->table.n;
    for (uint32_t i = 0; i < s->n_layouts && rc == SHARD_OK; i++) {
        rc = shard_layout_decode(
            &s->layouts[i].layout, s->table.bytes + s->table.start[i],
            s->table.start[i + 1] - s->table.start[i], s->map.header->n_encoders);
        if (rc == SHARD_OK)
            rc = sum_layout(&s->layouts[i], s->map.header);
    }
    return rc;
}

static uint64_t count_ids(const unsigned char *n_ids, size_t i)
{
    uint32_t n = wire_load_u32(n_ids + 4 * i);
    return n == SHARD_NO_IDS ? 0 : n;
}

/* Tokens that a record gives in the mean over the draws of its caption, rounded to
 * nearest: of its first text's alternatives the mean, of every other text the first. */
static uint64_t expected_tokens(const struct shard_layout *layout,
                                const unsigned char *n_ids)
{
    uint64_t tokens = 0;
    size_t at = 0;

    for (size_t i = 0; i < layout->n_segments; i++) {
        size_t n = layout->segments[i].n_alternatives;
        if (n == 0)
            continue;
        uint64_t sum = 0;
        for (size_t j = 0; at == 0 && j < n; j++)
            sum += count_ids(n_ids, j);
        tokens += at == 0 ? (sum + n / 2) / n : count_ids(n_ids, at);
        at += n;
    }
    return tokens;
}

static int sum_records(struct shard_sums *s)
{
    struct shard_buffer layout = {0}, n_ids = {0};
    uint64_t n = s->map.index.n_records, n_alternatives = 0;
    int rc = shard_index_load(&s->map.index, INDEX_RECORD_LAYOUT, 4 * n, &layout);

    for (uint64_t i = 0; i < n && rc == SHARD_OK; i++) {
        uint32_t l = wire_load_u32(layout.data + 4 * i);
        if (l >= s->n_layouts) {
            rc = SHARD_EFORMAT;
            break;
        }
        n_alternatives += s->layouts[l].layout.n_alternatives;
        s->layouts[l].records++;
        s->cells += s->layouts[l].cells;
        s->images += s->layouts[l].images;
    }
    if (rc == SHARD_OK)
        rc = shard_index_load(&s->map.index, INDEX_ALTERNATIVE_N_IDS, 4 * n_alternatives,
                              &n_ids);
    const unsigned char *at = n_ids.data;
    for (uint64_t i = 0; i < n && rc == SHARD_OK; i++) {
        const struct shard_layout *l =
            &s->layouts[wire_load_u32(layout.data + 4 * i)].layout;
        s->tokens += expected_tokens(l, at);
        at += 4 * l->n_alternatives;
    }
    shard_buffer_free(&layout);
    shard_buffer_free(&n_ids);
    return rc;
}

static int read_shard(struct shard_sums *s, const char *path)
{
    int rc = shard_source_open(&s->source, path);

    if (rc == SHARD_OK)
        rc = shard_file_map_open(&s->map, &s->source);
    if (rc < 0)
        return rc;
    s->source.why[0] = 0;
    rc = load_layouts(s);
    if (rc == SHARD_OK)
        rc = sum_records(s);
    if (rc < 0 && s->source.why[0] == 0)
        shard_source_fail(&s->source, rc, "its index: %s", shard_strerror(rc));
    return rc;
}

static void clear_shard(struct shard_sums *s)
{
    for (uint32_t i = 0; i < s->n_layouts; i++)
        shard_layout_clear(&s->layouts[i].layout);
    free(s->layouts);
    shard_table_clear(&s->table);
    shard_buffer_free(&s->layout_bytes);
    shard_file_map_close(&s->map);
    shard_source_close(&s->source);
}

/* ---- into the columns ---- */

/* The header's JSON without what is one shard's own. Gives it; NULL: no memory. */
static char *configuration_of(const struct shard_file_map *map)
{
    json_t *root = json_loadb(map->json, map->json_len, 0, NULL);
    char *text = NULL;

    if (root != NULL) {
        json_object_del(root, "name");
        json_object_del(root, "part");
        text = shard_json_canonical(root);
    }
    json_decref(root);
    return text;
}

static int add_configuration(struct dataset_index_writer *w,
                             const struct shard_file_map *map)
{
    char *text = configuration_of(map);
    uint32_t position;

    if (text == NULL)
        return SHARD_ENOMEM;
    int rc = shard_intern(&w->configurations, text, strlen(text), &position);
    free(text);
    return rc == SHARD_OK
               ? shard_buffer_add_u32(&w->column[DATASET_CONFIGURATION], position)
               : rc;
}

static int add_layouts(struct dataset_index_writer *w, const struct shard_sums *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_layouts; i++) {
        uint32_t position;
        if (s->layouts[i].records == 0)
            continue;
        if (shard_intern(&w->layouts, s->table.bytes + s->table.start[i],
                         s->table.start[i + 1] - s->table.start[i], &position) < 0 ||
            shard_buffer_add_u32(&w->column[DATASET_LAYOUT], position) < 0 ||
            shard_buffer_add_u32(&w->column[DATASET_LAYOUT_RECORDS],
                                 s->layouts[i].records) < 0)
            return SHARD_ENOMEM;
        n++;
    }
    w->n_pairs += n;
    return shard_buffer_add_u32(&w->column[DATASET_N_LAYOUTS], n);
}

static int add_values(struct dataset_index_writer *w, const struct shard_sums *s,
                      const char *name, const unsigned char fingerprint[16])
{
    struct shard_buffer *c = w->column;
    int rc = shard_buffer_add_u32(&w->path_lengths, (uint32_t)strlen(name));

    rc |= shard_buffer_add(&w->paths, name, strlen(name));
    rc |= shard_buffer_add_u64(&c[DATASET_BYTES], s->source.size);
    rc |= shard_buffer_add(&c[DATASET_FINGERPRINT], fingerprint, 16);
    rc |= shard_buffer_add_u32(&c[DATASET_RECORDS], (uint32_t)s->map.index.n_records);
    rc |= shard_buffer_add_u32(&c[DATASET_BLOCKS], s->map.index.n_blocks);
    rc |= shard_buffer_add_u64(&c[DATASET_TOKENS], s->tokens);
    rc |= shard_buffer_add_u64(&c[DATASET_CELLS], s->cells);
    rc |= shard_buffer_add_u64(&c[DATASET_IMAGES], s->images);
    w->n_shards++;
    return rc == SHARD_OK ? SHARD_OK : SHARD_ENOMEM;
}

static int fail(struct dataset_index_writer *w, int status, const char *why)
{
    snprintf(w->why, sizeof(w->why), "%s", why);
    return status;
}

int dataset_index_writer_add(struct dataset_index_writer *w, const char *path,
                             const char *name)
{
    struct shard_sums s = {.source.fd = -1};
    unsigned char fingerprint[16];

    if (w->n_shards == SHARD_MAX_SHARDS)
        return fail(w, SHARD_EINVAL, "more shards than an index can hold");
    int rc = read_shard(&s, path);
    if (rc == SHARD_OK)
        rc = shard_column_store_fingerprint(&s.map.index.store, fingerprint);
    if (rc < 0) {
        fail(w, rc, s.source.why);
    } else if (add_configuration(w, &s.map) < 0 || add_layouts(w, &s) < 0 ||
               add_values(w, &s, name, fingerprint) < 0) {
        rc = fail(w, SHARD_ENOMEM, "out of memory");
    }
    clear_shard(&s);
    return rc;
}

/* ---- the file ---- */

static int encode_tables(struct dataset_index_writer *w)
{
    struct shard_buffer *paths = &w->column[DATASET_PATHS];

    return shard_intern_encode(&w->configurations, &w->column[DATASET_CONFIGURATIONS]) <
                       0 ||
                   shard_intern_encode(&w->layouts, &w->column[DATASET_LAYOUTS]) < 0 ||
                   shard_buffer_add_u32(paths, (uint32_t)w->n_shards) < 0 ||
                   shard_buffer_add(paths, w->path_lengths.data, w->path_lengths.len) <
                       0 ||
                   shard_buffer_add(paths, w->paths.data, w->paths.len) < 0
               ? SHARD_ENOMEM
               : SHARD_OK;
}

/* Over each shard's path, a zero byte and its fingerprint. */
static void fingerprint_of(const struct dataset_index_writer *w,
                           unsigned char fingerprint[16])
{
    XXH3_state_t state;
    const unsigned char *path = w->paths.data;

    XXH3_128bits_reset(&state);
    for (uint64_t i = 0; i < w->n_shards; i++) {
        uint32_t len = wire_load_u32(w->path_lengths.data + 4 * i);
        XXH3_128bits_update(&state, path, len);
        XXH3_128bits_update(&state, "", 1);
        XXH3_128bits_update(&state, w->column[DATASET_FINGERPRINT].data + 16 * i, 16);
        path += len;
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    memcpy(fingerprint, canonical.digest, 16);
}

static int encode(struct dataset_index_writer *w, bool incomplete, ZSTD_CCtx *zstd,
                  struct shard_buffer *out)
{
    struct shard_buffer scratch = {0};
    unsigned char fingerprint[16];
    int rc = encode_tables(w);

    if (rc == SHARD_OK)
        rc = shard_column_store_begin(out, DATASET_N_COLUMNS);
    if (rc < 0)
        return rc;
    unsigned char *p = wire_put_bytes(out->data, SHARD_MAGIC_DATASET_TEXT, 8);
    p = wire_put_u32(p, SHARD_VERSION);
    p = wire_put_u32(p, DATASET_N_COLUMNS);
    p = wire_put_u64(p, w->n_shards);
    p = wire_put_u32(p, incomplete);
    p = wire_put_u32(p, 0);
    wire_put_u64(p, w->n_pairs);
    for (uint32_t id = 1; id <= DATASET_N_COLUMNS && rc == SHARD_OK; id++)
        rc = shard_column_store_append(out, id, dataset_index_width(id), &w->column[id],
                                       zstd, &scratch);
    shard_buffer_free(&scratch);
    fingerprint_of(w, fingerprint);
    return rc == SHARD_OK ? shard_column_store_end(out, DATASET_N_COLUMNS, fingerprint)
                          : rc;
}

int dataset_index_writer_finish(struct dataset_index_writer *w, bool incomplete,
                                unsigned char **out, size_t *len)
{
    struct shard_buffer bytes = {0};
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    int rc = SHARD_ENOMEM;

    if (zstd != NULL &&
        !ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)))
        rc = encode(w, incomplete, zstd, &bytes);
    ZSTD_freeCCtx(zstd);
    *out = rc == SHARD_OK ? bytes.data : NULL;
    *len = rc == SHARD_OK ? bytes.len : 0;
    if (rc < 0) {
        shard_buffer_free(&bytes);
        fail(w, rc, shard_strerror(rc));
    }
    return rc;
}

const char *dataset_index_writer_why(const struct dataset_index_writer *w)
{
    return w == NULL ? shard_strerror(SHARD_ENOMEM) : w->why;
}

void dataset_index_writer_close(struct dataset_index_writer *w)
{
    if (w == NULL)
        return;
    shard_intern_clear(&w->configurations);
    shard_intern_clear(&w->layouts);
    shard_buffer_free(&w->path_lengths);
    shard_buffer_free(&w->paths);
    for (size_t i = 0; i <= DATASET_N_COLUMNS; i++)
        shard_buffer_free(&w->column[i]);
    free(w);
}
