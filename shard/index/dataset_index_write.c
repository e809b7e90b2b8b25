/* SPDX-License-Identifier: Apache-2.0
 * shard/index/dataset_index_write.c - making index.lmi out of the indexes of shards. */
#include "shard/index/dataset_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#define XXH_INLINE_ALL /* the hash state lives on the stack */
#include <xxhash.h>
#include <zstd.h>

#include "shard/canonical_json.h"
#include "shard/file/column.h"
#include "shard/index/column_store.h"
#include "shard/file/file_map.h"
#include "shard/file/format.h"
#include "shard/index/table.h"
#include "shard/index/outline.h"
#include "shard/parts.h"
#include "shard/file/wire.h"

struct dataset_index_writer {
    const struct shard_input *input; /* of the shards; lent until close */
    uint64_t n_shards, n_pairs;
    struct shard_intern configurations, columns;
    struct shard_buffer path_lengths, paths; /* of the table of paths */
    struct shard_buffer column[DATASET_N_COLUMNS + 1];
    char why[600];
};

/* What a shard's tensors of one column add up to. */
struct column_sums {
    struct shard_column column;
    uint64_t tensors, cells, ids;
};

/* One shard on its way in. */
struct shard_sums {
    struct shard_positioned_file file;
    struct shard_file_map map;
    struct shard_outline outline;
    struct column_sums *columns; /* in order of first use */
    size_t n_columns;
    uint64_t tokens, images;
};

int dataset_index_writer_open(struct dataset_index_writer **out,
                              const struct shard_input *input)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return SHARD_ENOMEM;
    (*out)->input = input;
    return SHARD_OK;
}

/* ---- one shard ---- */

/* Gives NULL: no memory. */
static struct column_sums *sums_of(struct shard_sums *s, const struct shard_tensor *t)
{
    const struct shard_column column = shard_column_of(t);

    for (size_t i = 0; i < s->n_columns; i++)
        if (shard_column_compare(&s->columns[i].column, &column) == 0)
            return &s->columns[i];
    struct column_sums *columns =
        realloc(s->columns, (s->n_columns + 1) * sizeof(columns[0]));
    if (columns == NULL)
        return NULL;
    s->columns = columns;
    columns[s->n_columns] = (struct column_sums){.column = column};
    return &columns[s->n_columns++];
}

/* Tokens that a text gives in the mean over the draws of its alternative, rounded to
 * nearest. */
static uint64_t expected_tokens(const struct shard_part *text)
{
    const size_t n = text->n_alternatives;
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (text->alternatives[i].n_ids != SHARD_NO_IDS)
            sum += text->alternatives[i].n_ids;
    return (sum + n / 2) / n;
}

static int sum_record(struct shard_sums *s, const struct shard_record *rec)
{
    for (size_t i = 0; i < rec->n_parts; i++) {
        if (rec->parts[i].kind == SHARD_PART_TEXT)
            s->tokens += expected_tokens(&rec->parts[i]);
        s->images += rec->parts[i].kind == SHARD_PART_IMAGE;
    }
    for (size_t i = 0; i < rec->n_tensors; i++) {
        struct column_sums *sums = sums_of(s, &rec->tensors[i]);
        if (sums == NULL)
            return SHARD_ENOMEM;
        sums->tensors++;
        sums->cells += shard_tensor_cells(&rec->tensors[i]);
        sums->ids += shard_tensor_ids(&rec->tensors[i]);
    }
    return SHARD_OK;
}

static int sum_records(struct shard_sums *s)
{
    struct shard_outline_room room = {0};
    struct shard_record rec;
    int rc = shard_outline_load(&s->outline, &s->map.index, s->map.header);

    for (size_t i = 0; i < s->outline.n_records && rc == SHARD_OK; i++) {
        rc = shard_outline_record(&s->outline, i, &room, &rec);
        if (rc == SHARD_OK)
            rc = sum_record(s, &rec);
    }
    shard_outline_room_clear(&room);
    return rc;
}

static int read_shard(struct shard_sums *s, const struct shard_input *input,
                      const char *path)
{
    int rc = shard_positioned_file_open(&s->file, input, path);

    if (rc == SHARD_OK)
        rc = shard_file_map_open(&s->map, &s->file);
    if (rc < 0)
        return rc;
    s->file.why[0] = 0;
    rc = sum_records(s);
    if (rc < 0 && s->file.why[0] == 0)
        shard_positioned_file_fail(&s->file, rc, "its index: %s", shard_strerror(rc));
    return rc;
}

static void clear_shard(struct shard_sums *s)
{
    free(s->columns);
    shard_outline_clear(&s->outline);
    shard_file_map_close(&s->map);
    shard_positioned_file_close(&s->file);
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

static int add_columns(struct dataset_index_writer *w, const struct shard_sums *s)
{
    struct shard_buffer *c = w->column;

    for (size_t i = 0; i < s->n_columns; i++) {
        const struct column_sums *sums = &s->columns[i];
        unsigned char entry[SHARD_COLUMN_BYTES];
        uint32_t position;
        shard_column_put(entry, &sums->column);
        if (shard_intern(&w->columns, entry, sizeof(entry), &position) < 0 ||
            shard_buffer_add_u32(&c[DATASET_COLUMN], position) < 0 ||
            shard_buffer_add_u64(&c[DATASET_TENSORS], sums->tensors) < 0 ||
            shard_buffer_add_u64(&c[DATASET_CELLS], sums->cells) < 0 ||
            shard_buffer_add_u64(&c[DATASET_IDS], sums->ids) < 0)
            return SHARD_ENOMEM;
    }
    w->n_pairs += s->n_columns;
    return shard_buffer_add_u32(&c[DATASET_N_COLUMNS_OF], (uint32_t)s->n_columns);
}

static int add_values(struct dataset_index_writer *w, const struct shard_sums *s,
                      const char *name, const unsigned char fingerprint[16])
{
    struct shard_buffer *c = w->column;
    int rc = shard_buffer_add_u32(&w->path_lengths, (uint32_t)strlen(name));

    rc |= shard_buffer_add(&w->paths, name, strlen(name));
    rc |= shard_buffer_add_u64(&c[DATASET_BYTES], s->file.entry.bytes);
    rc |= shard_buffer_add(&c[DATASET_FINGERPRINT], fingerprint, 16);
    rc |= shard_buffer_add_u32(&c[DATASET_RECORDS], (uint32_t)s->map.index.n_records);
    rc |= shard_buffer_add_u32(&c[DATASET_BLOCKS], s->map.index.n_blocks);
    rc |= shard_buffer_add_u64(&c[DATASET_TOKENS], s->tokens);
    rc |= shard_buffer_add_u64(&c[DATASET_PARTS], s->outline.n_parts);
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
    struct shard_sums s = {0};
    unsigned char fingerprint[16];

    if (w->n_shards == SHARD_MAX_SHARDS)
        return fail(w, SHARD_EINVAL, "more shards than an index can hold");
    int rc = read_shard(&s, w->input, path);
    if (rc == SHARD_OK)
        rc = shard_column_store_fingerprint(&s.map.index.store, fingerprint);
    if (rc < 0) {
        fail(w, rc, s.file.why);
    } else if (s.n_columns > SHARD_MAX_PAIRS - w->n_pairs) {
        rc = fail(w, SHARD_EINVAL, "more columns of shards than an index can hold");
    } else if (add_configuration(w, &s.map) < 0 || add_columns(w, &s) < 0 ||
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

    if (shard_intern_encode(&w->configurations, &w->column[DATASET_CONFIGURATIONS]) < 0 ||
        shard_intern_encode(&w->columns, &w->column[DATASET_COLUMNS]) < 0 ||
        shard_buffer_add_u32(paths, (uint32_t)w->n_shards) < 0 ||
        shard_buffer_add(paths, w->path_lengths.data, w->path_lengths.len) < 0 ||
        shard_buffer_add(paths, w->paths.data, w->paths.len) < 0)
        return SHARD_ENOMEM;
    return w->column[DATASET_CONFIGURATIONS].len > SHARD_MAX_TABLE ||
                   w->column[DATASET_COLUMNS].len > SHARD_MAX_TABLE ||
                   paths->len > SHARD_MAX_TABLE
               ? SHARD_EINVAL
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
    shard_intern_clear(&w->columns);
    shard_buffer_free(&w->path_lengths);
    shard_buffer_free(&w->paths);
    for (size_t i = 0; i <= DATASET_N_COLUMNS; i++)
        shard_buffer_free(&w->column[i]);
    free(w);
}
