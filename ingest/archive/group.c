/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/archive/group.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/caption.h"
#include "ingest/hash_set.h"
#include "ingest/archive/key.h"
#include "ingest/status.h"

/* Fields in the order in which they are looked for. */
static const char *const image_fields[] = {"jpg", "jpeg", "png", "webp"};
static const char *const text_fields[] = {"txt", "caption", "cap"};
enum { N_IMAGE_FIELDS = 4, N_TEXT_FIELDS = 3 };

/* An image's rank: its field's place, or one of: */
enum { RANK_MAGIC = N_IMAGE_FIELDS, RANK_NONE };

enum { MAGIC_BYTES = 12 };

enum member_state {
    ABSENT,
    HELD,
    TOO_LONG,
    SPARSE,
    /* The file is elsewhere: */
    HARD_LINK,
    SYMBOLIC_LINK,
    DEVICE,
    CONTINUED,
    APART /* one of them, not among its group's members */
};

struct member {
    enum member_state state;
    uint64_t size;
    unsigned char *data; /* HELD: size bytes and a NUL */
};

struct group {
    const struct reader_options *options;
    bool open;
    bool duplicate;
    bool has_image, has_text; /* by its fields */
    const char *key_problem;  /* NULL: a good key */
    char *key;
    size_t key_len;
    struct hash_set fields;
    char *field; /* announced last, in lower case, NUL-terminated */
    struct member image;
    int image_rank;
    unsigned n_magic;         /* members of other fields that look like images */
    enum member_state unread; /* of one that was not looked into and may be one too */
    char unread_field[64];    /* cut where it is longer */
    struct member texts[N_TEXT_FIELDS];
    struct member json;
};

static void member_clear(struct member *m)
{
    free(m->data);
    *m = (struct member){0};
}

/* Of a member that is no file. */
static enum member_state state_of(enum tar_kind kind)
{
    switch (kind) {
    case TAR_HARD_LINK:
        return HARD_LINK;
    case TAR_SYMBOLIC_LINK:
        return SYMBOLIC_LINK;
    case TAR_CONTINUED:
        return CONTINUED;
    default:
        return DEVICE;
    }
}

static bool is_elsewhere(const struct member *m)
{
    return m->state >= HARD_LINK;
}

/* Reads a body of at most `limit` bytes, the first n_head of which are at `head`. */
static int member_load(struct member *to, const struct tar_member *m,
                       struct tar_reader *tar, uint64_t limit, const void *head,
                       size_t n_head)
{
    int rc;

    member_clear(to);
    to->size = m->size;
    if (m->kind != TAR_FILE) {
        to->state = state_of(m->kind);
        return INGEST_OK;
    }
    if (m->sparse || m->size > limit) {
        to->state = m->sparse ? SPARSE : TOO_LONG;
        return INGEST_OK;
    }
    to->data = malloc((size_t)m->size + 1);
    if (!to->data)
        return INGEST_ENOMEM;
    if (n_head > 0)
        memcpy(to->data, head, n_head);
    rc = tar_reader_read(tar, to->data + n_head, (size_t)m->size - n_head);
    to->data[m->size] = '\0';
    to->state = HELD;
    return rc;
}

int group_open(struct group **out, const struct reader_options *options)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return INGEST_ENOMEM;
    (*out)->options = options;
    return INGEST_OK;
}

static void reset(struct group *g)
{
    g->open = false;
    g->duplicate = false;
    g->has_image = false;
    g->has_text = false;
    free(g->key);
    g->key = NULL;
    hash_set_clear(&g->fields);
    member_clear(&g->image);
    g->image_rank = RANK_NONE;
    g->n_magic = 0;
    g->unread = ABSENT;
    for (int i = 0; i < N_TEXT_FIELDS; i++)
        member_clear(&g->texts[i]);
    member_clear(&g->json);
}

void group_close(struct group *g)
{
    if (!g)
        return;
    reset(g);
    hash_set_free(&g->fields);
    free(g->field);
    free(g);
}

int group_begin(struct group *g, const char *key, size_t len, bool duplicate)
{
    reset(g);
    g->key = malloc(len + 1);
    if (!g->key)
        return INGEST_ENOMEM;
    memcpy(g->key, key, len);
    g->key[len] = '\0';
    g->key_len = len;
    g->key_problem = key_problem(key, len);
    g->duplicate = duplicate;
    g->open = true;
    return INGEST_OK;
}

bool group_is_open(const struct group *g)
{
    return g->open;
}

bool group_has_key(const struct group *g, const char *key, size_t len)
{
    return g->key_len == len && memcmp(g->key, key, len) == 0;
}

char *group_printable_key(const struct group *g)
{
    return g->key_problem ? key_escape(g->key, g->key_len) : strdup(g->key);
}

int group_claim(struct group *g, const char *field, size_t len)
{
    char *lower = malloc(len + 1);

    if (!lower)
        return INGEST_ENOMEM;
    for (size_t i = 0; i < len; i++)
        lower[i] = field[i] >= 'A' && field[i] <= 'Z' ? (char)(field[i] + 32) : field[i];
    lower[len] = '\0';
    free(g->field);
    g->field = lower;
    return hash_set_add(&g->fields, lower, len);
}

/* ASCII alone is folded, whatever the locale. */
static bool same_field(const char *field, size_t len, const char *known)
{
    size_t i = 0;

    while (i < len && known[i] != '\0' &&
           (field[i] >= 'A' && field[i] <= 'Z' ? field[i] + 32 : field[i]) == known[i])
        i++;
    return i == len && known[i] == '\0';
}

bool group_knows_field(const struct group *g, const char *field, size_t len)
{
    const char *image = g->options->image_field;

    for (int i = 0; !image && i < N_IMAGE_FIELDS; i++)
        if (same_field(field, len, image_fields[i]))
            return true;
    for (int i = 0; i < N_TEXT_FIELDS; i++)
        if (same_field(field, len, text_fields[i]))
            return true;
    return same_field(field, len, "json") || (image && same_field(field, len, image));
}

/* The first one is told of. */
static void note_unread(struct group *g, const char *field, size_t len,
                        enum member_state state)
{
    if (g->options->image_field || g->unread != ABSENT)
        return;
    g->unread = state;
    snprintf(g->unread_field, sizeof(g->unread_field), "%.*s",
             (int)(len < sizeof(g->unread_field) ? len : sizeof(g->unread_field)), field);
}

void group_note_skipped(struct group *g, const char *field, size_t len,
                        enum tar_kind kind)
{
    note_unread(g, field, len, state_of(kind));
}

void group_note_apart(struct group *g)
{
    note_unread(g, "", 0, APART);
}

/* Position of `field` in `list`, or n. */
static int position(const char *field, const char *const *list, int n)
{
    int i = 0;

    while (i < n && strcmp(field, list[i]) != 0)
        i++;
    return i;
}

/* Formats that are not decoded count too: their reject then says so. */
static bool has_image_magic(const unsigned char *p, size_t len)
{
    static const struct {
        size_t len;
        const char *bytes; /* a '?' stands for any byte */
    } magics[] = {
        {3, "\xFF\xD8\xFF"},
        {8, "\x89PNG\r\n\x1A\n"},
        {12, "RIFF????WEBP"},
        {4, "GIF8"},
        {4, "II*\0"},
        {4, "MM\0*"},
        {12, "????ftypavif"},
        {12, "????ftypheic"},
        {12, "\0\0\0\x0CJXL \r\n\x87\n"},
    };

    for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
        const char *bytes = magics[i].bytes;
        size_t n = 0;
        while (n < magics[i].len && n < len &&
               (bytes[n] == '?' || (unsigned char)bytes[n] == p[n]))
            n++;
        if (n == magics[i].len)
            return true;
    }
    return false;
}

/* A member of no known field: an image all the same? Two such make neither the image. */
static int add_other(struct group *g, const struct tar_member *m, struct tar_reader *tar)
{
    unsigned char head[MAGIC_BYTES];
    size_t n = m->size < MAGIC_BYTES ? (size_t)m->size : MAGIC_BYTES;
    int rc;

    if (m->sparse)
        note_unread(g, g->field, strlen(g->field), SPARSE);
    if (g->options->image_field || g->image_rank < RANK_MAGIC || m->sparse)
        return INGEST_OK;
    rc = tar_reader_read(tar, head, n);
    if (rc != INGEST_OK || !has_image_magic(head, n))
        return rc;
    g->image_rank = RANK_MAGIC;
    g->n_magic++;
    if (g->n_magic > 1) {
        member_clear(&g->image);
        return INGEST_OK;
    }
    return member_load(&g->image, m, tar, g->options->max_member_bytes, head, n);
}

/* The rank that g->field gives an image, RANK_MAGIC where it is no image's field. */
static int field_rank(const struct group *g)
{
    if (g->options->image_field)
        return strcmp(g->field, g->options->image_field) == 0 ? 0 : RANK_MAGIC;
    return position(g->field, image_fields, N_IMAGE_FIELDS);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t json_limit(const struct reader_options *o)
{
    bool longer = o->keep_metadata && o->max_metadata > CAPTION_MAX_BYTES;

    return longer ? o->max_metadata : CAPTION_MAX_BYTES;
}

int group_add(struct group *g, const struct tar_member *m, struct tar_reader *tar)
{
    const struct reader_options *o = g->options;
    int rank = field_rank(g);
    int text = position(g->field, text_fields, N_TEXT_FIELDS);
    bool is_json = strcmp(g->field, "json") == 0;
    bool is_text = rank >= RANK_MAGIC && (text < N_TEXT_FIELDS || is_json);

    /* A field that is not known may be an image's. */
    g->has_text |= is_text;
    g->has_image |= !is_text;
    if (g->key_problem || g->duplicate)
        return INGEST_OK;
    if (rank < RANK_MAGIC) {
        if (rank >= g->image_rank)
            return INGEST_OK;
        g->image_rank = rank;
        return member_load(&g->image, m, tar, o->max_member_bytes, NULL, 0);
    }
    if (text < N_TEXT_FIELDS)
        return member_load(&g->texts[text], m, tar,
                           smaller(o->max_member_bytes, CAPTION_MAX_BYTES), NULL, 0);
    if (is_json)
        return member_load(&g->json, m, tar, json_limit(o), NULL, 0);
    return add_other(g, m, tar);
}

/* Whether its bytes are too many, then explained in r. */
static bool too_long(const struct member *m, const char *what, uint64_t limit,
                     struct reject *r)
{
    if (m->state != TOO_LONG)
        return false;
    reject_set(r, REJECT_TOO_MANY_BYTES,
               "the %s has %" PRIu64 " bytes, more than %" PRIu64, what, m->size, limit);
    return true;
}

/* Whether its bytes cannot be read as a file, then explained in r. What else the group
 * has is another picture or another text. */
static bool no_file(enum member_state state, const char *field, const char *or_else,
                    struct reject *r)
{
    static const struct {
        enum reject_reason reason;
        const char *what;
    } words[] = {
        [SPARSE] = {REJECT_UNSUPPORTED_FORMAT,
                    "is a sparse member: pack the archive without --sparse"},
        [HARD_LINK] = {REJECT_LINKED_MEMBER,
                       "is a hard link: pack the archive with tar --hard-dereference"},
        [SYMBOLIC_LINK] = {REJECT_LINKED_MEMBER,
                           "is a symbolic link: pack the archive with tar --dereference "
                           "(-h)"},
        [DEVICE] = {REJECT_UNSUPPORTED_FORMAT,
                    "is a device or a pipe: pack the archive with the file in its place"},
        [CONTINUED] = {REJECT_UNSUPPORTED_FORMAT,
                       "continues another volume: pack the archive without "
                       "--multi-volume"},
    };

    if (state == APART)
        reject_set(r, REJECT_LINKED_MEMBER,
                   "a link or device of this key, apart from it, may be the image: pack "
                   "the archive with tar --sort=name --hard-dereference --dereference");
    else if (state >= SPARSE)
        reject_set(r, words[state].reason, "'%.60s' %s%s", field, words[state].what,
                   or_else);
    return state >= SPARSE;
}

/* Why no member is the image by its field or its magic bytes, in r; false: one is. */
static bool image_missing(const struct group *g, struct reject *r)
{
    const char *field = g->options->image_field;

    if (g->image_rank < RANK_MAGIC)
        return false;
    if (g->n_magic > 1)
        reject_set(r, REJECT_NO_IMAGE,
                   "%u members look like images: name one with --image-field",
                   g->n_magic);
    else if (no_file(g->unread, g->unread_field,
                     ", as it may be the image, or name another with --image-field", r))
        return true;
    else if (g->image_rank == RANK_MAGIC)
        return false;
    else if (field)
        reject_set(r, REJECT_NO_IMAGE, "no member '%s'", field);
    else
        reject_set(r, REJECT_NO_IMAGE,
                   "no jpg, jpeg, png or webp, and nothing that looks like an image");
    return true;
}

/* Moves the image to the sample, or says why there is none. */
static void finish_image(struct group *g, struct ingest_part *part, struct reject *r)
{
    const struct reader_options *o = g->options;
    const char *field = o->image_field;

    if (image_missing(g, r))
        return;
    if (!field && g->image_rank < RANK_MAGIC)
        field = image_fields[g->image_rank];
    if (no_file(g->image.state, field, "", r) ||
        too_long(&g->image, "image", o->max_member_bytes, r))
        return;
    part->image = g->image.data;
    part->image_len = (size_t)g->image.size;
    g->image.data = NULL;
}

static int add_texts(struct group *g, struct caption_list *list, struct reject *r)
{
    int rc = INGEST_OK;

    for (int i = 0; i < N_TEXT_FIELDS && rc == INGEST_OK; i++) {
        const struct member *m = &g->texts[i];
        const char *text = (const char *)m->data;
        if ((m->state == SPARSE && no_file(m->state, text_fields[i], "", r)) ||
            too_long(m, text_fields[i],
                     smaller(g->options->max_member_bytes, CAPTION_MAX_BYTES), r))
            return INGEST_OK;
        if (m->state == HELD)
            rc = caption_list_add_file(list, text_fields[i], text, (size_t)m->size);
    }
    return rc;
}

/* No caption is left: which of the reasons is it? */
static void explain_none(const struct group *g, const struct caption_list *list,
                         bool parsed, struct reject *r)
{
    const char *guess = list->maybe_utf16 ? " (UTF-16?)" : "";

    for (int i = 0; i < N_TEXT_FIELDS; i++)
        if (no_file(g->texts[i].state, text_fields[i], "", r))
            return;
    if (list->n_not_utf8 > 0)
        reject_set(r, REJECT_CAPTION_NOT_UTF8, "no caption is valid UTF-8%s", guess);
    else if (list->n_has_nul > 0)
        reject_set(r, REJECT_CAPTION_HAS_NUL, "no caption is free of NUL bytes%s", guess);
    else if (no_file(g->json.state, "json", "", r) ||
             too_long(&g->json, "json", CAPTION_MAX_BYTES, r))
        return;
    else if (g->json.state == HELD && g->json.size > CAPTION_MAX_BYTES)
        reject_set(r, REJECT_TOO_MANY_BYTES,
                   "the json has %" PRIu64 " bytes, and captions are looked for in %d",
                   g->json.size, CAPTION_MAX_BYTES);
    else if (g->json.state == HELD && !parsed)
        reject_set(r, REJECT_BAD_METADATA,
                   "the caption must come from the json, which does not parse%s",
                   caption_maybe_utf16((const char *)g->json.data, (size_t)g->json.size)
                       ? " (UTF-16?)"
                       : "");
    else if (list->n_blank > 0)
        reject_set(r, REJECT_EMPTY_CAPTION, "nothing but white space");
    else
        reject_set(r, REJECT_NO_CAPTION, "no txt, caption or cap, and none in a json");
}

static void finish_metadata(struct group *g, struct ingest_sample *s,
                            struct ingest_totals *totals)
{
    const struct member *m = &g->json;

    if (!g->options->keep_metadata || m->state == ABSENT ||
        (m->state == HELD && m->size == 0))
        return;
    if (m->state != HELD || m->size > g->options->max_metadata) {
        totals->dropped_metadata++;
        return;
    }
    s->metadata = (char *)m->data;
    s->metadata_len = (size_t)m->size;
    g->json.data = NULL;
}

static size_t texts_elsewhere(const struct group *g)
{
    size_t n = 0;

    for (int i = 0; i < N_TEXT_FIELDS; i++)
        n += is_elsewhere(&g->texts[i]);
    return n;
}

/* Moves the captions to the sample, or says why there is none; then the metadata. */
static int finish_captions(struct group *g, struct ingest_sample *s,
                           struct ingest_part *text, struct ingest_totals *totals)
{
    struct caption_list list = {0};
    bool look = g->json.state == HELD && g->json.size <= CAPTION_MAX_BYTES;
    bool parsed = false;
    int rc = add_texts(g, &list, &s->reject);

    if (rc == INGEST_OK && look && s->reject.reason == REJECT_NONE)
        rc = caption_list_add_json(&list, (const char *)g->json.data,
                                   (size_t)g->json.size, &parsed);
    if (rc < 0 || s->reject.reason != REJECT_NONE)
        goto out;
    if (list.n == 0) {
        explain_none(g, &list, parsed, &s->reject);
        goto out;
    }
    if (list.n > CAPTIONS_MAX) {
        reject_set(&s->reject, REJECT_TOO_MANY_CAPTIONS,
                   "%zu different captions, more than %d", list.n, CAPTIONS_MAX);
        goto out;
    }
    totals->dropped_captions += list.n_not_utf8 + list.n_has_nul + texts_elsewhere(g);
    totals->unparsed_metadata += look && !parsed;
    text->alternatives = list.items;
    text->n_alternatives = list.n;
    list.items = NULL;
    list.n = 0;
    finish_metadata(g, s, totals);
out:
    caption_list_free(&list);
    return rc;
}

/* Text, then image, and metadata. */
static int finish_parts(struct group *g, struct ingest_sample *s,
                        struct ingest_totals *totals)
{
    struct ingest_part *text, *image;

    if (ingest_sample_set_parts(s, 2) != INGEST_OK)
        return INGEST_ENOMEM;
    text = &s->parts[0];
    image = &s->parts[1];
    text->kind = INGEST_TEXT;
    image->kind = INGEST_IMAGE;
    finish_image(g, image, &s->reject);
    return s->reject.reason == REJECT_NONE ? finish_captions(g, s, text, totals)
                                           : INGEST_OK;
}

int group_finish(struct group *g, struct ingest_sample *s, struct ingest_totals *totals)
{
    int rc = INGEST_OK;

    *s = (struct ingest_sample){.key = group_printable_key(g)};
    if (!s->key)
        return INGEST_ENOMEM;
    if (g->key_problem)
        reject_set(&s->reject, REJECT_BAD_KEY, "%s", g->key_problem);
    else if (g->duplicate)
        reject_set(
            &s->reject, REJECT_DUPLICATE_KEY,
            "an earlier sample has this key (or a pair's files are not neighbours)");
    else
        rc = finish_parts(g, s, totals);
    totals->scattered += g->duplicate && !(g->has_image && g->has_text);
    if (s->reject.reason != REJECT_NONE)
        ingest_sample_drop_parts(s);
    reset(g);
    return rc;
}
