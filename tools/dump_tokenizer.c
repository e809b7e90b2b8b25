/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump_tokenizer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"

enum { MAX_MODEL = 1 << 28, HEX_IN_NAME = 12 };

static bool has_sha256(const void *data, size_t len, const char *wanted)
{
    char hex[SHA256_HEX_CAP];

    sha256_hex(data, len, hex);
    return strcmp(hex, wanted) == 0;
}

static bool is_sha256(const char *hex)
{
    return strlen(hex) == SHA256_HEX_CAP - 1 &&
           strspn(hex, "0123456789abcdef") == SHA256_HEX_CAP - 1;
}

static void open_model(struct dump_tokenizer *d, const void *model, size_t len,
                       const char *what)
{
    if (tokenizer_open(&d->tokenizer, model, len, what) == SHARD_OK)
        return;
    fprintf(stderr, "note: %s\n", tokenizer_why(d->tokenizer));
    tokenizer_close(d->tokenizer);
    d->tokenizer = NULL;
}

/* Gives *model (release with free()). Returns 0, or -1 with errno. */
static int read_file(const char *path, void **model, size_t *len)
{
    long size = -1;

    *model = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;
    if (fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size > MAX_MODEL)
        errno = EFBIG;
    else if (size >= 0 && fseek(file, 0, SEEK_SET) == 0)
        *model = malloc((size_t)size + 1);
    if (*model != NULL)
        *len = fread(*model, 1, (size_t)size, file);
    fclose(file);
    return *model != NULL ? 0 : -1;
}

/* Whether the file is there and is the model looked for. */
static bool try_file(struct dump_tokenizer *d, const char *path)
{
    void *model;
    size_t len;

    if (read_file(path, &model, &len) < 0) {
        if (errno != ENOENT)
            fprintf(stderr, "note: %s: %s\n", path, strerror(errno));
        return false;
    }
    const bool right = has_sha256(model, len, d->sha256);
    if (right)
        open_model(d, model, len, path);
    else
        fprintf(stderr, "note: %s: its SHA-256 is not the one that the shard gives\n",
                path);
    free(model);
    return right;
}

static bool try_folders(struct dump_tokenizer *d, const char *shard_path,
                        const char *name)
{
    const char *slash = strrchr(shard_path, '/');
    const size_t folder_len = slash != NULL ? (size_t)(slash - shard_path) + 1 : 0;
    const size_t cap = folder_len + 3 * strlen(name) + 64;
    bool found = false;

    char *path = malloc(cap);
    if (path == NULL)
        return false;
    memcpy(path, shard_path, folder_len);
    /* One folder further up for each that NAME has. */
    size_t len = folder_len;
    for (const char *at = name; at != NULL && !found; at = strchr(at, '/')) {
        if (at != name) {
            len += (size_t)snprintf(path + len, cap - len, "../");
            at++;
        }
        snprintf(path + len, cap - len, "tokenizer-%.*s.model", HEX_IN_NAME, d->sha256);
        found = try_file(d, path);
    }
    free(path);
    return found;
}

static void find(struct dump_tokenizer *d, const char *shard_path, const char *name)
{
    size_t len;
    const void *embedded = tokenizer_builtin(&len);

    if (has_sha256(embedded, len, d->sha256))
        open_model(d, embedded, len, "the embedded tokenizer");
    else if (!try_folders(d, shard_path, name))
        fprintf(stderr,
                "note: %s: its tokenizer-%.*s.model is not beside it: ids are printed "
                "without their pieces\n",
                shard_path, HEX_IN_NAME, d->sha256);
}

const struct tokenizer *dump_tokenizer_of(struct dump_tokenizer *d,
                                          const char *shard_path,
                                          const struct shard_header *h)
{
    if (!h->tokenizer.present || !is_sha256(h->tokenizer.sha256))
        return NULL;
    if (strcmp(d->sha256, h->tokenizer.sha256) == 0)
        return d->tokenizer;
    dump_tokenizer_clear(d);
    memcpy(d->sha256, h->tokenizer.sha256, sizeof(d->sha256));
    find(d, shard_path, h->name);
    return d->tokenizer;
}

void dump_tokenizer_clear(struct dump_tokenizer *d)
{
    tokenizer_close(d->tokenizer);
    *d = (struct dump_tokenizer){0};
}
