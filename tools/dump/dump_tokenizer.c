/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump/dump_tokenizer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "tools/cli/print.h"
#include "tools/store/store.h"

enum { MAX_MODEL = 1 << 28, HEX_IN_NAME = 12 };

/* What follows returns 1 where the model was found, 0 where not, -1: no memory. */

static int has_sha256(const void *data, size_t len, const char *wanted)
{
    char hex[SHA256_HEX_CAP];

    if (sha256_hex(data, len, hex) != 0)
        return -1;
    return strcmp(hex, wanted) == 0;
}

static bool is_sha256(const char *hex)
{
    return strlen(hex) == SHA256_HEX_CAP - 1 &&
           strspn(hex, "0123456789abcdef") == SHA256_HEX_CAP - 1;
}

/* One that is refused counts as found, with a note. */
static int open_model(struct dump_tokenizer *d, const void *model, size_t len,
                      const char *what)
{
    const int rc = tokenizer_open(&d->tokenizer, model, len, what, NULL);

    if (rc == SHARD_OK)
        return 1;
    if (rc != SHARD_ENOMEM)
        print_to_stderr("note: %s", tokenizer_why(d->tokenizer));
    tokenizer_close(d->tokenizer);
    d->tokenizer = NULL;
    return rc == SHARD_ENOMEM ? -1 : 1;
}

/* Gives *bytes, the whole file (release with free()). */
static int read_file(const char *path, char **bytes, size_t *len)
{
    if (store_read(store_at(path), path, MAX_MODEL, bytes, len) == 0)
        return 1;
    return errno == ENOMEM ? -1 : 0;
}

/* Whether the file is there and is the model looked for. One that is not, though it is
 * called so, is told of with the `first` shard. */
static int try_file(struct dump_tokenizer *d, const char *path, bool first)
{
    char *model;
    size_t len;
    int rc = read_file(path, &model, &len);

    if (rc > 0)
        rc = has_sha256(model, len, d->sha256);
    if (rc > 0) {
        rc = open_model(d, model, len, path);
    } else if (rc == 0 && model != NULL) {
        d->damaged = true;
        if (first)
            print_to_stderr("error: %s: is damaged: its SHA-256 is not the one that the "
                            "shard gives; remove it, and the prepare command that made "
                            "the shard places it anew",
                            path);
    }
    free(model);
    return rc;
}

/* In the shard's folder, or `up` folders further up. Gives the path, or NULL. */
static char *model_path(const char *shard_path, size_t up, const char *sha256)
{
    const char *slash = strrchr(shard_path, '/');
    const size_t folder_len = slash != NULL ? (size_t)(slash - shard_path) + 1 : 0;
    const size_t cap = folder_len + 3 * up + sizeof("tokenizer-.model") + HEX_IN_NAME;
    char *path = malloc(cap), *at = path;

    if (path == NULL)
        return NULL;
    memcpy(at, shard_path, folder_len);
    for (at += folder_len; up > 0; up--, at += 3)
        memcpy(at, "../", 3);
    snprintf(at, cap - (size_t)(at - path), "tokenizer-%.*s.model", HEX_IN_NAME, sha256);
    return path;
}

/* A NAME with folders puts its shard so many folders below the model. */
static int try_folders(struct dump_tokenizer *d, const char *shard_path, const char *name,
                       bool first)
{
    size_t depth = 0;
    int rc = 0;

    for (const char *c = name; *c != '\0'; c++)
        depth += *c == '/';
    for (size_t up = 0; up <= depth && rc == 0; up++) {
        char *path = model_path(shard_path, up, d->sha256);
        rc = path != NULL ? try_file(d, path, first) : -1;
        free(path);
    }
    return rc;
}

static int find(struct dump_tokenizer *d, const char *shard_path, const char *name,
                bool first)
{
    size_t len;
    const void *embedded = tokenizer_builtin(&len);
    int rc = has_sha256(embedded, len, d->sha256);

    if (rc > 0)
        return open_model(d, embedded, len, "the embedded tokenizer");
    if (rc == 0)
        rc = try_folders(d, shard_path, name, first);
    if (rc == 0 && first && !d->damaged)
        print_to_stderr(
            "note: %s: no tokenizer-%.*s.model with the SHA-256 that the shard gives "
            "is beside it: ids are printed without their pieces",
            shard_path, HEX_IN_NAME, d->sha256);
    return rc;
}

int dump_tokenizer_find(struct dump_tokenizer *d, const char *shard_path,
                        const struct shard_header *h, const struct tokenizer **tokenizer)
{
    int rc = 0;

    *tokenizer = NULL;
    if (!h->tokenizer.present || !is_sha256(h->tokenizer.sha256))
        return 0;
    const bool first = strcmp(d->sha256, h->tokenizer.sha256) != 0;
    if (first || d->tokenizer == NULL) {
        dump_tokenizer_clear(d);
        memcpy(d->sha256, h->tokenizer.sha256, sizeof(d->sha256));
        rc = find(d, shard_path, h->name, first);
    }
    *tokenizer = d->tokenizer;
    return rc < 0 ? -1 : 0;
}

void dump_tokenizer_clear(struct dump_tokenizer *d)
{
    tokenizer_close(d->tokenizer);
    *d = (struct dump_tokenizer){0};
}
