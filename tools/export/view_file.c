/* SPDX-License-Identifier: Apache-2.0
 * tools/export/view_file.c - the gzip stream into memory, then every number checked once,
 * so that cursors need not. The layout's home is shard/FORMAT.md, section 10; the
 * package reads and writes it in sources/view_file.py, and
 * test_export_view.check_nonsense compares what the two take. */
#include "tools/export/view_file.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "ingest/text/utf8.h"
#include "tools/store/sha256.h"

#define MAGIC "latentmill view 3 "
enum {
    MAGIC_LEN = sizeof(MAGIC) - 1,
    DIGITS = 32, /* of the fingerprint */
    HEAD = MAGIC_LEN + DIGITS + 1,
    PIECE = 1 << 20, /* bytes read at once */
    MOST_WEIGHT = 1000000,
    MOST_IDS = INT32_MAX, /* of a text */
    MOST_ID = INT32_MAX
};

/* The arrays in the file's order; the widest first, so that each is aligned. */
enum {
    RECORDS,
    TEXTS,
    COUNT,
    WEIGHT,
    N_IDS,
    NAME,
    IDS,
    TEXT_BYTES,
    REPLACED,
    TEXT,
    N_ARRAYS
};

static const struct {
    const char *name;
    size_t width;
} arrays[N_ARRAYS] = {[RECORDS] = {"records", 8},   [TEXTS] = {"texts", 8},
                      [COUNT] = {"count", 8},       [WEIGHT] = {"weight", 8},
                      [N_IDS] = {"n_ids", 4},       [NAME] = {"name", 4},
                      [IDS] = {"ids", 4},           [TEXT_BYTES] = {"text_bytes", 4},
                      [REPLACED] = {"replaced", 1}, [TEXT] = {"text", 1}};

struct shard_name {
    const char *fingerprint;
    size_t number;
};

struct view_file {
    char *path; /* owned */
    struct shard_buffer bytes;
    char fingerprint[DIGITS + 1];
    json_t *meta;
    const json_t *names; /* these two: arrays of strings in meta */
    const json_t *shards;
    uint64_t n_pieces; /* its own ids are below */
    uint64_t n[N_ARRAYS];
    const void *data[N_ARRAYS]; /* in bytes */
    struct view_place *starts;  /* of each shard */
    struct shard_name *by_name; /* by fingerprint */
    char why[512];
};

static const uint64_t *u64s(const struct view_file *v, int array)
{
    return v->data[array];
}

static const uint32_t *u32s(const struct view_file *v, int array)
{
    return v->data[array];
}

static const unsigned char *u8s(const struct view_file *v, int array)
{
    return v->data[array];
}

__attribute__((format(printf, 3, 4))) static int fail(struct view_file *v, int status,
                                                      const char *fmt, ...)
{
    va_list ap;

    const int n = snprintf(v->why, sizeof(v->why), "%.400s: ", v->path);
    va_start(ap, fmt);
    vsnprintf(v->why + n, sizeof(v->why) - (size_t)n, fmt, ap);
    va_end(ap);
    return status;
}

static int no_memory(struct view_file *v)
{
    return fail(v, VIEW_ENOMEM, "out of memory");
}

static int no_view(struct view_file *v, const char *what)
{
    return fail(v, VIEW_EINVAL, "no view of latentmill, or damaged: %s", what);
}

/* ---- bytes ---- */

static int read_failed(struct view_file *v, int code)
{
    if (code == Z_MEM_ERROR)
        return no_memory(v);
    return code == Z_ERRNO ? fail(v, VIEW_EIO, "%s", strerror(errno))
                           : no_view(v, "its gzip stream is cut short or damaged");
}

/* Appends what is left of the stream, at most `most` bytes. */
static int read_bytes(struct view_file *v, gzFile file, size_t most)
{
    const size_t end = most < SIZE_MAX - v->bytes.len ? v->bytes.len + most : SIZE_MAX;
    int n = 1, code;

    while (v->bytes.len < end && n > 0) {
        const size_t before = v->bytes.len;
        const size_t piece = end - before < PIECE ? end - before : PIECE;
        unsigned char *to = shard_buffer_extend(&v->bytes, piece);
        if (to == NULL)
            return no_memory(v);
        n = gzread(file, to, (unsigned)piece);
        v->bytes.len = before + (size_t)(n > 0 ? n : 0);
    }
    /* A stream that is cut short ends as if it were whole, but for this. */
    gzerror(file, &code);
    return n < 0 || code == Z_BUF_ERROR ? read_failed(v, code) : VIEW_OK;
}

static int read_stream(struct view_file *v, gzFile file)
{
    int rc = read_bytes(v, file, HEAD);

    if (rc != VIEW_OK)
        return rc;
    if (gzdirect(file) || v->bytes.len < HEAD ||
        memcmp(v->bytes.data, MAGIC, MAGIC_LEN) != 0 || v->bytes.data[HEAD - 1] != '\n')
        return no_view(v, "it does not begin as one, or is of another version");
    memcpy(v->fingerprint, v->bytes.data + MAGIC_LEN, DIGITS);
    return read_bytes(v, file, SIZE_MAX);
}

static int read_file(struct view_file *v)
{
    struct stat st;

    if (stat(v->path, &st) != 0)
        return fail(v, errno == ENOENT || errno == ENOTDIR ? VIEW_EINVAL : VIEW_EIO, "%s",
                    strerror(errno));
    if (!S_ISREG(st.st_mode))
        return no_view(v, "it is not a regular file");
    errno = 0;
    gzFile file = gzopen(v->path, "rbe");
    if (file == NULL)
        return errno == 0 ? no_memory(v) : fail(v, VIEW_EIO, "%s", strerror(errno));
    const int rc = read_stream(v, file);
    gzclose_r(file);
    return rc;
}

static int check_fingerprint(struct view_file *v)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[SHA256_HEX_CAP];

    if (SHA256(v->bytes.data + HEAD, v->bytes.len - HEAD, digest) == NULL)
        return no_memory(v);
    sha256_to_hex(digest, hex);
    return memcmp(hex, v->fingerprint, DIGITS) == 0
               ? VIEW_OK
               : no_view(v, "its fingerprint is not that of its content");
}

/* ---- what it says of itself ---- */

static bool all_strings(const json_t *array)
{
    const json_t *one;
    size_t i;

    if (!json_is_array(array))
        return false;
    json_array_foreach(array, i, one)
    {
        if (!json_is_string(one))
            return false;
    }
    return true;
}

static bool is_id(const json_t *value)
{
    const json_int_t id = json_integer_value(value);

    return json_is_integer(value) && id >= 0 && id <= MOST_ID;
}

/* BOS and EOS, which a tokenizer may lack, BOI and EOI. */
static bool are_markers(const json_t *list)
{
    bool fine = json_is_array(list) && json_array_size(list) == 4;

    for (size_t i = 0; i < 4 && fine; i++) {
        const json_t *marker = json_array_get(list, i);
        fine = is_id(marker) || (i < 2 && json_is_null(marker));
    }
    return fine;
}

/* Whose ids: the shards' own, or those of a tokenizer with its markers. */
static int read_tokenizer(struct view_file *v)
{
    const json_t *tokenizer = json_object_get(v->meta, "tokenizer");
    const json_t *markers = json_object_get(v->meta, "markers");
    const json_t *n_pieces = json_object_get(v->meta, "n_pieces");
    const json_int_t n = json_integer_value(n_pieces);

    if (!json_is_string(tokenizer))
        return no_view(v, "a name is no string");
    if (json_string_length(tokenizer) > 0 ? !are_markers(markers)
                                          : !json_is_null(markers))
        return no_view(v, "its markers are not those of a tokenizer");
    if (!json_is_integer(n_pieces) || n < 0 || n > (json_int_t)MOST_ID + 1)
        return no_view(v, "its n_pieces is no number of ids");
    v->n_pieces = (uint64_t)n;
    return VIEW_OK;
}

/* Where each array is. */
static int place_arrays(struct view_file *v, size_t at)
{
    const json_t *lengths = json_object_get(v->meta, "lengths");

    if (at % 8 != 0)
        return no_view(v, "its arrays are not aligned");
    for (int i = 0; i < N_ARRAYS; i++) {
        const json_t *length = json_object_get(lengths, arrays[i].name);
        const json_int_t n = json_integer_value(length);
        const size_t left = v->bytes.len - at;
        if (!json_is_integer(length) || n < 0 || (uint64_t)n > left / arrays[i].width)
            return no_view(v, "it is shorter than it says");
        v->n[i] = (uint64_t)n;
        v->data[i] = v->bytes.data + at;
        at += (size_t)n * arrays[i].width;
    }
    return at == v->bytes.len ? VIEW_OK : no_view(v, "it is longer than it says");
}

static int read_meta(struct view_file *v)
{
    const unsigned char *line = v->bytes.data + HEAD;
    const unsigned char *end = memchr(line, '\n', v->bytes.len - HEAD);
    json_error_t error;

    if (end == NULL)
        return no_view(v, "it says nothing of itself");
    errno = 0; /* jansson seldom says that memory was short */
    v->meta = json_loadb((const char *)line, (size_t)(end - line), JSON_REJECT_DUPLICATES,
                         &error);
    if (v->meta == NULL)
        return errno == ENOMEM ? no_memory(v) : no_view(v, error.text);
    v->names = json_object_get(v->meta, "names");
    v->shards = json_object_get(v->meta, "shards");
    if (!all_strings(v->names) || !all_strings(v->shards))
        return no_view(v, "a name is no string");
    const int rc = read_tokenizer(v);
    return rc == VIEW_OK ? place_arrays(v, (size_t)(end + 1 - v->bytes.data)) : rc;
}

/* ---- the arrays ---- */

/* Whether the view has a caption of its own, with n_ids ids, here; steps over it. */
static bool pass_caption(const struct view_file *v, struct view_place *p, uint32_t n_ids)
{
    if (p->text == v->n[TEXT_BYTES] || n_ids > v->n[IDS] - p->id ||
        u32s(v, TEXT_BYTES)[p->text] > v->n[TEXT] - p->byte)
        return false;
    const uint32_t len = u32s(v, TEXT_BYTES)[p->text++];
    bool fine = utf8_valid((const char *)u8s(v, TEXT) + p->byte, len);
    for (uint32_t k = 0; k < n_ids && fine; k++)
        fine = u32s(v, IDS)[p->id + k] < v->n_pieces;
    p->id += n_ids;
    p->byte += len;
    return fine;
}

/* Whether an alternative is one; steps over it. */
static bool pass_alternative(const struct view_file *v, struct view_place *p,
                             bool replaced)
{
    const uint64_t i = p->alternative++;
    const uint32_t n_ids = u32s(v, N_IDS)[i];

    return u32s(v, NAME)[i] < json_array_size(v->names) && n_ids <= MOST_IDS &&
           (!replaced || pass_caption(v, p, n_ids));
}

/* A text of a record, whose alternatives are the view's own where `replaced`. */
static bool pass_part(const struct view_file *v, struct view_place *p, bool replaced)
{
    const uint64_t count = u64s(v, COUNT)[p->part++];
    bool fine = count > 0 && count <= v->n[N_IDS] - p->alternative;

    for (uint64_t k = 0; k < count && fine; k++)
        fine = pass_alternative(v, p, replaced);
    return fine;
}

static bool pass_record(const struct view_file *v, struct view_place *p)
{
    const uint64_t i = p->record++, texts = u64s(v, TEXTS)[i];
    const double weight = ((const double *)v->data[WEIGHT])[i];
    const unsigned char replaced = u8s(v, REPLACED)[i];
    bool fine = weight >= 0 && weight < MOST_WEIGHT && replaced <= 1 &&
                texts >= replaced && texts <= v->n[COUNT] - p->part;

    for (uint64_t k = 0; k < texts && fine; k++)
        fine = pass_part(v, p, replaced && k == 0);
    return fine;
}

static bool pass_shard(const struct view_file *v, struct view_place *p, size_t shard)
{
    const uint64_t n = u64s(v, RECORDS)[shard];
    bool fine = n <= v->n[TEXTS] - p->record;

    for (uint64_t i = 0; i < n && fine; i++)
        fine = pass_record(v, p);
    return fine;
}

/* Walks over all of it, and notes where shards begin. */
static int check_arrays(struct view_file *v)
{
    const uint64_t n = v->n[TEXTS];
    struct view_place p = {0};
    bool fine = v->n[RECORDS] == json_array_size(v->shards) && v->n[WEIGHT] == n &&
                v->n[REPLACED] == n && v->n[NAME] == v->n[N_IDS];

    v->starts = calloc((size_t)v->n[RECORDS] + 1, sizeof(*v->starts));
    if (v->starts == NULL)
        return no_memory(v);
    for (size_t i = 0; i < v->n[RECORDS] && fine; i++) {
        v->starts[i] = p;
        fine = pass_shard(v, &p, i);
    }
    fine = fine && p.record == n && p.part == v->n[COUNT] &&
           p.alternative == v->n[N_IDS] && p.text == v->n[TEXT_BYTES] &&
           p.id == v->n[IDS] && p.byte == v->n[TEXT];
    return fine ? VIEW_OK : no_view(v, "its arrays do not go together");
}

static int by_fingerprint(const void *left, const void *right)
{
    const struct shard_name *a = left, *b = right;

    return strcmp(a->fingerprint, b->fingerprint);
}

static int sort_shards(struct view_file *v)
{
    const size_t n = json_array_size(v->shards);

    v->by_name = calloc(n + 1, sizeof(*v->by_name));
    if (v->by_name == NULL)
        return no_memory(v);
    for (size_t i = 0; i < n; i++)
        v->by_name[i] =
            (struct shard_name){json_string_value(json_array_get(v->shards, i)), i};
    qsort(v->by_name, n, sizeof(*v->by_name), by_fingerprint);
    return VIEW_OK;
}

/* ---- the whole ---- */

int view_file_open(struct view_file **out, const char *path)
{
    struct view_file *v = *out = calloc(1, sizeof(*v));

    if (v == NULL)
        return VIEW_ENOMEM;
    v->path = strdup(path);
    if (v->path == NULL) {
        view_file_close(v);
        *out = NULL;
        return VIEW_ENOMEM;
    }
    int rc = read_file(v);
    if (rc == VIEW_OK)
        rc = check_fingerprint(v);
    if (rc == VIEW_OK)
        rc = read_meta(v);
    if (rc == VIEW_OK)
        rc = check_arrays(v);
    return rc == VIEW_OK ? sort_shards(v) : rc;
}

const char *view_file_why(const struct view_file *v)
{
    return v != NULL ? v->why : "out of memory";
}

void view_file_close(struct view_file *v)
{
    if (v == NULL)
        return;
    free(v->path);
    shard_buffer_free(&v->bytes);
    json_decref(v->meta);
    free(v->starts);
    free(v->by_name);
    free(v);
}

const char *view_file_fingerprint(const struct view_file *v)
{
    return v->fingerprint;
}

const char *view_file_tokenizer(const struct view_file *v)
{
    return json_string_value(json_object_get(v->meta, "tokenizer"));
}

int64_t view_file_find(const struct view_file *v, const char *fingerprint)
{
    const struct shard_name key = {.fingerprint = fingerprint};
    const struct shard_name *found = bsearch(&key, v->by_name, json_array_size(v->shards),
                                             sizeof(key), by_fingerprint);

    return found != NULL ? (int64_t)found->number : -1;
}

uint64_t view_file_n_records(const struct view_file *v, size_t shard)
{
    return u64s(v, RECORDS)[shard];
}

/* ---- cursors ---- */

struct view_cursor view_cursor_begin(const struct view_file *v, size_t shard)
{
    return (struct view_cursor){.view = v, .at = v->starts[shard]};
}

/* The alternative at the cursor; steps over it. */
static struct shard_alternative take_caption(struct view_cursor *c)
{
    const struct view_file *v = c->view;
    struct view_place *p = &c->at;
    const struct shard_alternative caption = {
        .name =
            json_string_value(json_array_get(v->names, u32s(v, NAME)[p->alternative])),
        .text = (const char *)u8s(v, TEXT) + p->byte,
        .text_len = u32s(v, TEXT_BYTES)[p->text],
        .ids = u32s(v, IDS) + p->id,
        .n_ids = u32s(v, N_IDS)[p->alternative]};

    p->alternative++;
    p->text++;
    p->id += caption.n_ids;
    p->byte += caption.text_len;
    return caption;
}

int view_cursor_next(struct view_cursor *c, struct view_record *record)
{
    const struct view_file *v = c->view;
    const size_t i = (size_t)c->at.record++;
    uint64_t texts = u64s(v, TEXTS)[i];

    *record = (struct view_record){.weight = ((const double *)v->data[WEIGHT])[i],
                                   .replaced = u8s(v, REPLACED)[i] != 0};
    if (record->replaced) {
        const size_t count = (size_t)u64s(v, COUNT)[c->at.part++];
        texts--;
        c->captions.len = 0;
        for (size_t k = 0; k < count; k++) {
            const struct shard_alternative caption = take_caption(c);
            if (shard_buffer_add(&c->captions, &caption, sizeof(caption)) < 0)
                return VIEW_ENOMEM;
        }
        record->n_captions = count;
        record->captions = (const struct shard_alternative *)c->captions.data;
    }
    for (; texts > 0; texts--)
        c->at.alternative += u64s(v, COUNT)[c->at.part++];
    return VIEW_OK;
}

void view_cursor_clear(struct view_cursor *c)
{
    shard_buffer_free(&c->captions);
}
