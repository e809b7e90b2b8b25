/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/archive/tar.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"
#include "ingest/archive/tar_header.h"

/* Longest extended header or long name that is taken into memory. */
enum { EXTENSION_MAX = 1 << 20 };

/* Bytes that an archive's size is usually a multiple of, and the most. */
enum { RECORD_USUAL = 20 * TAR_BLOCK, RECORD_MAX = 2048 * TAR_BLOCK };

/* A body with its padding, in a growing buffer that is used again. */
struct text {
    char *bytes;
    size_t len, cap;
};

struct tar_reader {
    struct unpacker *bytes;
    struct damage *damage;
    const unsigned char *window; /* decompressed bytes not yet taken, lent by `bytes` */
    size_t n_window;
    uint64_t offset;   /* of window[0] in the decompressed stream */
    uint64_t data_end; /* behind the last byte taken that is not zero */
    uint64_t size;     /* of the body */
    uint64_t left;     /* bytes of the body not yet read */
    uint64_t padding;  /* zeros behind it */
    uint64_t body_end; /* offset */
    int ending;        /* of the archive: INGEST_OK or INGEST_DAMAGED */
    struct tar_header header;
    struct text pax;       /* the member's extended header; len 0: none */
    struct text global;    /* the last one before it; len 0: none */
    struct text long_name; /* GNU's; len 0: none */
};

/* The window's first n bytes are taken. */
static void pass(struct tar_reader *t, size_t n)
{
    size_t n_data = n;

    while (n_data > 0 && t->window[n_data - 1] == 0)
        n_data--;
    if (n_data > 0)
        t->data_end = t->offset + n_data;
    t->window += n;
    t->n_window -= n;
    t->offset += n;
}

/* Moves `len` bytes to buf, or nowhere where buf is NULL. INGEST_END where the stream is
 * over before; what was there is taken then. */
static int take(struct tar_reader *t, void *buf, uint64_t len, uint64_t *taken)
{
    *taken = 0;
    while (*taken < len) {
        uint64_t n = len - *taken;
        if (t->n_window == 0) {
            int rc = unpacker_next(t->bytes, &t->window, &t->n_window);
            if (rc != INGEST_OK) {
                t->n_window = 0;
                return rc;
            }
        }
        if (n > t->n_window)
            n = t->n_window;
        if (buf)
            memcpy((char *)buf + *taken, t->window, n);
        pass(t, n);
        *taken += n;
    }
    return INGEST_OK;
}

static int cut_in_body(struct tar_reader *t)
{
    return damage_set(t->damage, t->offset,
                      "cut off inside a member: %" PRIu64 " of %" PRIu64
                      " bytes are there",
                      t->size - t->left, t->size);
}

static void enter_body(struct tar_reader *t, uint64_t size)
{
    t->size = size;
    t->left = size;
    t->padding = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
    t->body_end = t->offset + size;
}

static int skip_body(struct tar_reader *t)
{
    uint64_t taken;
    int rc = take(t, NULL, t->left, &taken);

    t->left -= taken;
    if (rc == INGEST_OK)
        rc = take(t, NULL, t->padding, &taken);
    t->padding = 0;
    return rc == INGEST_END ? cut_in_body(t) : rc;
}

int tar_reader_read(struct tar_reader *t, void *buf, size_t len)
{
    uint64_t taken;
    int rc;

    assert(len <= t->left);
    rc = take(t, buf, len, &taken);
    t->left -= taken;
    return rc == INGEST_END ? cut_in_body(t) : rc;
}

/* Whether the zeros that go on to the end began within the last member: all of its body
 * is zeros, or the last block or more. */
static bool zeros_began_in_body(const struct tar_reader *t)
{
    return t->size > 0 && (t->data_end + t->size <= t->body_end ||
                           t->data_end + TAR_BLOCK <= t->body_end);
}

/* `zeros` behind the end fill a record, of which the archive is a multiple. */
static bool fills_record(const struct tar_reader *t, uint64_t zeros)
{
    if (zeros <= RECORD_USUAL)
        return true;
    if (zeros_began_in_body(t))
        return false;
    for (uint64_t two = TAR_BLOCK, ten = RECORD_USUAL; two <= RECORD_MAX;
         two *= 2, ten *= 2)
        if ((zeros < two && t->offset % two == 0) ||
            (zeros < ten && ten <= RECORD_MAX && t->offset % ten == 0))
            return true;
    return false;
}

/* pixz compresses an index of its own with the archive, behind it: a mark, the members'
 * names and offsets, at last an empty name with the archive's size. INGEST_END where it
 * is one; anything else there is damage. */
static int read_pixz_index(struct tar_reader *t)
{
    static const unsigned char mark[] = {0xA6, 0x4C, 0x32, 0x2E, 0xD6, 0x14, 0xAE, 0xDB};
    const uint64_t at = t->offset, data_end = t->data_end;
    unsigned char head[sizeof(mark)], last[9] = {1}; /* a NUL and the size */
    uint64_t taken, size = 0;
    int rc = take(t, head, sizeof(head), &taken);
    bool marked = rc == INGEST_OK && memcmp(head, mark, sizeof(mark)) == 0;

    while (marked && rc == INGEST_OK) {
        unsigned char byte;
        rc = take(t, &byte, 1, &taken);
        if (rc == INGEST_OK) {
            memmove(last, last + 1, sizeof(last) - 1);
            last[sizeof(last) - 1] = byte;
        }
    }
    t->data_end = data_end;
    if (rc < 0 || rc == INGEST_DAMAGED)
        return rc;
    for (size_t i = sizeof(last) - 1; i > 0; i--)
        size = size << 8 | last[i];
    if (!marked || last[0] != 0 || size != at)
        return damage_set(t->damage, at, "data after the end of the archive");
    return INGEST_END;
}

/* Reads what follows the two zero blocks. INGEST_OK, INGEST_DAMAGED or < 0. */
static int read_padding(struct tar_reader *t)
{
    const uint64_t end = t->offset;
    int rc = INGEST_OK;
    bool filled;

    while (rc == INGEST_OK && t->offset - end < RECORD_MAX) {
        size_t n = 0;
        while (n < t->n_window && t->window[n] == 0)
            n++;
        pass(t, n);
        if (t->n_window > 0)
            break;
        rc = unpacker_next(t->bytes, &t->window, &t->n_window);
        if (rc != INGEST_OK)
            t->n_window = 0;
    }
    filled = fills_record(t, t->offset - end);
    if (t->n_window > 0 && t->window[0] != 0)
        rc = read_pixz_index(t);
    if (rc < 0 || rc == INGEST_DAMAGED)
        return rc;
    if (t->data_end == 0)
        return damage_set(t->damage, 0, "nothing but zeros");
    if (rc == INGEST_OK || !filled)
        return damage_set(t->damage, t->data_end,
                          "zeros where data should be, more than an archive's padding");
    return INGEST_OK;
}

/* The second zero block. A single one is a hole that something tore, not an end. */
static int check_end(struct tar_reader *t)
{
    unsigned char block[TAR_BLOCK];
    uint64_t at = t->offset;
    uint64_t taken;
    int rc = take(t, block, TAR_BLOCK, &taken);

    if (rc == INGEST_END)
        return damage_set(t->damage, t->offset,
                          "cut off: one zero block at the end instead of two");
    if (rc != INGEST_OK)
        return rc;
    if (!tar_block_is_zero(block))
        return damage_set(t->damage, at, "data after a single zero block");
    if (t->pax.len > 0 || t->long_name.len > 0)
        return damage_set(t->damage, at - TAR_BLOCK,
                          "an extended header without its member");
    t->ending = read_padding(t);
    if (t->ending < 0)
        return t->ending;
    return t->ending == INGEST_DAMAGED && zeros_began_in_body(t) ? INGEST_DAMAGED
                                                                 : INGEST_END;
}

/* Fills t->header. INGEST_END is the archive's proper end. */
static int read_header(struct tar_reader *t)
{
    unsigned char block[TAR_BLOCK];
    uint64_t at = t->offset;
    uint64_t taken;
    const char *problem;
    int rc = take(t, block, TAR_BLOCK, &taken);

    if (rc == INGEST_END && t->offset == 0)
        return damage_set(t->damage, 0, "the input is empty");
    if (rc == INGEST_END && taken == 0)
        return damage_set(t->damage, t->offset, "cut off: no two zero blocks at the end");
    if (rc == INGEST_END && at == 0)
        return damage_set(t->damage, 0, "not a tar archive");
    if (rc == INGEST_END)
        return damage_set(t->damage, t->offset, "cut off inside a header");
    if (rc != INGEST_OK)
        return rc;
    if (tar_block_is_zero(block))
        return check_end(t);
    problem = tar_header_parse(block, &t->header);
    if (problem && at == 0)
        return damage_set(t->damage, 0, "not a tar archive");
    if (problem)
        return damage_set(t->damage, at, "%s", problem);
    return INGEST_OK;
}

/* Takes the body of an extension header into *text. */
static int read_extension(struct tar_reader *t, struct text *text)
{
    size_t len = (size_t)t->header.size;
    int rc;

    if (t->header.size > EXTENSION_MAX)
        return damage_set(t->damage, t->offset,
                          "an extended header of %" PRIu64
                          " bytes (at most %d): pack the archive with tar --no-xattrs "
                          "--no-acls",
                          t->header.size, EXTENSION_MAX);
    if (len > text->cap) {
        free(text->bytes);
        *text = (struct text){.bytes = malloc(len)};
        if (!text->bytes)
            return INGEST_ENOMEM;
        text->cap = len;
    }
    enter_body(t, len);
    rc = tar_reader_read(t, text->bytes, len);
    if (rc == INGEST_OK)
        rc = skip_body(t);
    text->len = rc == INGEST_OK ? len : 0;
    return rc;
}

/* For all members: nothing in it may name or size one of them, but that GNU tar begins a
 * volume so, where the file that follows is another's rest. */
static int read_global(struct tar_reader *t)
{
    if (t->header.size <= EXTENSION_MAX)
        return read_extension(t, &t->global);
    enter_body(t, t->header.size);
    return skip_body(t);
}

/* Headers that say something about the member after them, up to that member's own. */
static int read_headers(struct tar_reader *t)
{
    int rc;

    t->pax.len = 0;
    t->long_name.len = 0;
    t->global.len = 0;
    while ((rc = read_header(t)) == INGEST_OK) {
        switch (t->header.type) {
        case 'x':
        case 'X': /* Solaris' own, of the same form */
            rc = read_extension(t, &t->pax);
            break;
        case 'L':
            rc = read_extension(t, &t->long_name);
            break;
        case 'g':
            rc = read_global(t);
            break;
        case 'K': /* a link's target */
            enter_body(t, t->header.size);
            rc = skip_body(t);
            break;
        default:
            return INGEST_OK;
        }
        if (rc != INGEST_OK)
            return rc;
    }
    return rc;
}

/* Old GNU sparse files put the rest of the map between header and body. */
static int skip_sparse_map(struct tar_reader *t)
{
    enum { MORE_AT = 504 };
    unsigned char block[TAR_BLOCK];
    uint64_t taken;
    int rc = INGEST_OK;

    for (bool more = t->header.more_blocks; more && rc == INGEST_OK;) {
        rc = take(t, block, TAR_BLOCK, &taken);
        more = rc == INGEST_OK && block[MORE_AT] != 0;
    }
    if (rc == INGEST_END)
        return damage_set(t->damage, t->offset, "cut off inside a header");
    return rc;
}

/* Links, devices, folders and pipes have no body, whatever their size field says. */
static bool has_body(char type)
{
    return type < '1' || type > '6';
}

static enum tar_kind kind_of(char type)
{
    switch (type) {
    case '1':
        return TAR_HARD_LINK;
    case '2':
        return TAR_SYMBOLIC_LINK;
    case '5':
        return TAR_FOLDER;
    case '3':
    case '4':
    case '6':
        return TAR_DEVICE;
    case 'M':
        return TAR_CONTINUED;
    case 'D': /* GNU's list of a folder, */
    case 'N': /* long names of old, */
    case 'V': /* label; */
    case 'A': /* Solaris' access rights */
    case 'E': /* and attributes; */
    case 'I': /* star's inodes */
        return TAR_SPECIAL;
    default:
        return TAR_FILE;
    }
}

static void name_member(const struct tar_reader *t, const struct tar_pax *pax,
                        struct tar_member *m)
{
    struct tar_pax global;

    m->kind = kind_of(t->header.type);
    if (tar_pax_parse(t->global.bytes, t->global.len, &global) && global.volume_file) {
        m->kind = TAR_CONTINUED;
        m->name = global.volume_file;
        m->name_len = global.volume_file_len;
    } else if (pax->path) {
        m->name = pax->path;
        m->name_len = pax->path_len;
    } else if (t->long_name.len > 0) {
        m->name = t->long_name.bytes;
        m->name_len = strnlen(t->long_name.bytes, t->long_name.len);
    } else {
        m->name = t->header.name;
        m->name_len = t->header.name_len;
    }
}

int tar_reader_next(struct tar_reader *t, struct tar_member *m)
{
    struct tar_pax pax;
    uint64_t at;
    int rc = skip_body(t);

    if (rc != INGEST_OK)
        return rc;
    at = t->offset;
    rc = read_headers(t);
    if (rc == INGEST_OK)
        rc = skip_sparse_map(t);
    if (rc != INGEST_OK)
        return rc;
    if (!tar_pax_parse(t->pax.bytes, t->pax.len, &pax))
        return damage_set(t->damage, at, "bad extended header");
    name_member(t, &pax, m);
    m->size = has_body(t->header.type) ? t->header.size : 0;
    if (pax.has_size && has_body(t->header.type))
        m->size = pax.size;
    m->sparse = t->header.type == 'S' || pax.sparse;
    enter_body(t, m->size);
    return INGEST_OK;
}

int tar_reader_finish(const struct tar_reader *t)
{
    return t->ending;
}

int tar_reader_open(struct tar_reader **out, struct unpacker *bytes,
                    struct damage *damage)
{
    struct tar_reader *t = calloc(1, sizeof(*t));

    *out = t;
    if (!t)
        return INGEST_ENOMEM;
    t->bytes = bytes;
    t->damage = damage;
    return INGEST_OK;
}

void tar_reader_close(struct tar_reader *t)
{
    if (!t)
        return;
    free(t->pax.bytes);
    free(t->global.bytes);
    free(t->long_name.bytes);
    free(t);
}
