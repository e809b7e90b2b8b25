/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump_tokenizer.h"
#include "tools/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
    print_to_stderr("note: %s", tokenizer_why(d->tokenizer));
    tokenizer_close(d->tokenizer);
    d->tokenizer = NULL;
}

/* Gives the whole file (release with free()), or NULL. */
static void *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rbe");
    struct stat st;
    void *bytes = NULL;

    if (file == NULL)
        return NULL;
    if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_MODEL)
        bytes = malloc((size_t)st.st_size + 1);
    if (bytes != NULL)
        *len = fread(bytes, 1, (size_t)st.st_size, file);
    fclose(file);
    return bytes;
}

/* Whether the file is there and is the model looked for. One that is not, though it is
 * called so, is told of with the `first` shard. */
static bool try_file(struct dump_tokenizer *d, const char *path, bool first)
{
    size_t len;
    void *model = read_file(path, &len);

    const bool right = model != NULL && has_sha256(model, len, d->sha256);
    if (right) {
        open_model(d, model, len, path);
    } else if (model != NULL) {
        d->damaged = true;
        if (first)
            print_to_stderr("error: %s: is damaged: its SHA-256 is not the one that the "
                            "shard gives; remove it, and the prepare command that made "
                            "the shard places it anew",
                            path);
    }
    free(model);
    return right;
}

/* In the shard's folder, or `up` folders further up. Gives the path, or NULL. */
static char *model_path(const char *shard_path, size_t up, const char *sha256)
{
    const char *slash = strrchr(shard_path, '/');
    char *path = NULL;
    size_t len;

    FILE *out = open_memstream(&path, &len);
    if (out == NULL)
        return NULL;
    fwrite(shard_path, 1, slash != NULL ? (size_t)(slash - shard_path) + 1 : 0, out);
    for (; up > 0; up--)
        fputs("../", out);
    fprintf(out, "tokenizer-%.*s.model", HEX_IN_NAME, sha256);
    if (fclose(out) == 0)
        return path;
    free(path);
    return NULL;
}

/* A NAME with folders puts its shard so many folders below the model. */
static bool try_folders(struct dump_tokenizer *d, const char *shard_path,
                        const char *name, bool first)
{
    size_t depth = 0;
    bool found = false;

    for (const char *c = name; *c != '\0'; c++)
        depth += *c == '/';
    for (size_t up = 0; up <= depth && !found; up++) {
        char *path = model_path(shard_path, up, d->sha256);
        found = path != NULL && try_file(d, path, first);
        free(path);
    }
    return found;
}

static void find(struct dump_tokenizer *d, const char *shard_path, const char *name,
                 bool first)
{
    size_t len;
    const void *embedded = tokenizer_builtin(&len);

    if (has_sha256(embedded, len, d->sha256))
        open_model(d, embedded, len, "the embedded tokenizer");
    else if (!try_folders(d, shard_path, name, first) && first && !d->damaged)
        print_to_stderr(
            "note: %s: no tokenizer-%.*s.model with the SHA-256 that the shard gives "
            "is beside it: ids are printed without their pieces",
            shard_path, HEX_IN_NAME, d->sha256);
}

const struct tokenizer *dump_tokenizer_of(struct dump_tokenizer *d,
                                          const char *shard_path,
                                          const struct shard_header *h)
{
    if (!h->tokenizer.present || !is_sha256(h->tokenizer.sha256))
        return NULL;
    const bool first = strcmp(d->sha256, h->tokenizer.sha256) != 0;
    if (!first && d->tokenizer != NULL)
        return d->tokenizer;
    dump_tokenizer_clear(d);
    memcpy(d->sha256, h->tokenizer.sha256, sizeof(d->sha256));
    find(d, shard_path, h->name, first);
    return d->tokenizer;
}

void dump_tokenizer_clear(struct dump_tokenizer *d)
{
    tokenizer_close(d->tokenizer);
    *d = (struct dump_tokenizer){0};
}
