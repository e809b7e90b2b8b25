/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/export/tar_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/store/store_stream.h"

enum {
    BLOCK = 512,
    NAME_MAX_BYTES = 100,
    PREFIX_MAX_BYTES = 155,
    PREFIX_AT = 345,
    CHECKSUM_AT = 148,
    CHECKSUM_LEN = 8
};

/* What 11 octal digits hold. */
#define SIZE_MAX_BYTES ((UINT64_C(1) << 33) - 1)

struct tar_writer {
    struct store_stream stream;
    char *path;
    uint64_t at;
    char why[600];
};

static int fail(struct tar_writer *w, const char *why)
{
    snprintf(w->why, sizeof(w->why), "%s: %s", w->path != NULL ? w->path : "a tar", why);
    return -1;
}

int tar_writer_open(struct tar_writer **out, const struct store *store, const char *path)
{
    struct tar_writer *w = calloc(1, sizeof(*w));

    *out = w;
    if (w == NULL)
        return -1;
    w->path = strdup(path);
    if (w->path == NULL)
        return fail(w, "out of memory");
    return store_stream_open(&w->stream, store, path) == 0 ? 0 : fail(w, strerror(errno));
}

uint64_t tar_writer_at(const struct tar_writer *w)
{
    return w->at;
}

static int put(struct tar_writer *w, const void *data, size_t len)
{
    if (len > 0 && fwrite(data, 1, len, w->stream.file) != len)
        return fail(w, strerror(errno));
    w->at += len;
    return 0;
}

/* Zeros up to the next block. */
static int pad(struct tar_writer *w)
{
    static const char zeros[BLOCK];

    return put(w, zeros, (BLOCK - w->at % BLOCK) % BLOCK);
}

/* Bytes of a name that go to the prefix field, the '/' behind them not counted. -1: ustar
 * cannot hold the name, which then may be cut to fit. */
static int prefix_len(const char *name)
{
    const size_t len = strlen(name);
    size_t first = len > NAME_MAX_BYTES ? len - NAME_MAX_BYTES - 1 : 0;

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] > 127)
            return -1;
    if (len <= NAME_MAX_BYTES)
        return 0;
    for (size_t i = first > 0 ? first : 1; i <= PREFIX_MAX_BYTES && i + 1 < len; i++)
        if (name[i] == '/')
            return (int)i;
    return -1;
}

static void set_checksum(char *block)
{
    unsigned sum = 0;

    memset(block + CHECKSUM_AT, ' ', CHECKSUM_LEN);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)block[i];
    snprintf(block + CHECKSUM_AT, CHECKSUM_LEN, "%06o", sum);
}

static int put_header(struct tar_writer *w, const char *name, int n_prefix, char type,
                      uint64_t size)
{
    char block[BLOCK] = {0};
    const char *base = name + (n_prefix > 0 ? n_prefix + 1 : 0);

    memcpy(block, base, strnlen(base, NAME_MAX_BYTES));
    snprintf(block + 100, 36, "000644 %c000000 %c000000 %c%011" PRIo64, 0, 0, 0, size);
    memset(block + 135, ' ', 1);
    snprintf(block + 136, 12, "00000000000");
    memset(block + 147, ' ', 1);
    block[156] = type;
    memcpy(block + 257, "ustar\00000", 8);
    snprintf(block + 329, 16, "000000 %c000000 ", 0);
    memcpy(block + PREFIX_AT, name, n_prefix > 0 ? (size_t)n_prefix : 0);
    set_checksum(block);
    return put(w, block, BLOCK);
}

/* A pax header whose one record, "LENGTH path=NAME\n", counts its own digits. */
static int put_pax_path(struct tar_writer *w, const char *name)
{
    const size_t rest = strlen(" path=\n") + strlen(name);
    size_t len = rest + 1;
    char *record;
    int rc;

    while (len < rest + (size_t)snprintf(NULL, 0, "%zu", len))
        len++;
    record = malloc(len + 1);
    if (record == NULL)
        return fail(w, "out of memory");
    snprintf(record, len + 1, "%zu path=%s\n", len, name);
    rc = put_header(w, "PaxHeader", 0, 'x', len);
    if (rc == 0)
        rc = put(w, record, len);
    if (rc == 0)
        rc = pad(w);
    free(record);
    return rc;
}

int tar_writer_add(struct tar_writer *w, const char *name, const void *head,
                   size_t head_len, const void *body, size_t body_len, uint64_t *data)
{
    const int n_prefix = prefix_len(name);

    if (head_len > SIZE_MAX_BYTES || body_len > SIZE_MAX_BYTES - head_len)
        return fail(w, "a member of more than 8 GiB");
    if (n_prefix < 0 && put_pax_path(w, name) != 0)
        return -1;
    if (put_header(w, name, n_prefix, '0', head_len + body_len) != 0)
        return -1;
    *data = w->at;
    if (put(w, head, head_len) != 0 || put(w, body, body_len) != 0)
        return -1;
    return pad(w);
}

int tar_writer_finish(struct tar_writer *w)
{
    static const char end[2 * BLOCK];

    if (put(w, end, sizeof(end)) != 0)
        return -1;
    return store_stream_finish(&w->stream) == 0 ? 0 : fail(w, strerror(errno));
}

const char *tar_writer_why(const struct tar_writer *w)
{
    return w != NULL ? w->why : "out of memory";
}

void tar_writer_close(struct tar_writer *w)
{
    if (w == NULL)
        return;
    store_stream_close(&w->stream);
    free(w->path);
    free(w);
}
