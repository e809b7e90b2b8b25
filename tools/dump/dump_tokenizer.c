/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dump/dump_tokenizer.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "tools/cli/print.h"
#include "tools/store/store.h"

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

/* A header's word, which leads nowhere but into the folders that are looked into. */
static bool is_file_name(const char *name)
{
    return strncmp(name, "tokenizer-", 10) == 0 && strchr(name, '/') == NULL;
}

/* What a header's `options` say, for as long as *json is held (NULL: nothing). 0, or -1:
 * no memory. What is not as `prepare` writes it is left out. */
static int read_options(const char *text, struct tokenizer_options *options,
                        struct tokenizer_named **named, json_t **json)
{
    json_t *tokens, *id;
    const char *piece;

    *options = (struct tokenizer_options){0};
    *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
    options->pattern = json_string_value(json_object_get(*json, "pattern"));
    tokens = json_object_get(*json, "special_tokens");
    *named = calloc(json_object_size(tokens) + 1, sizeof(**named));
    if (*named == NULL || (text != NULL && *json == NULL))
        return -1;
    json_object_foreach(tokens, piece, id)
    {
        const json_int_t value = json_integer_value(id);

        if (json_is_integer(id) && value >= 0 && value <= INT32_MAX)
            (*named)[options->n_named++] =
                (struct tokenizer_named){piece, (uint32_t)value};
    }
    options->named = *named;
    return 0;
}

static int open_with_options(struct dump_tokenizer *d, const void *model, size_t len,
                             const char *what)
{
    struct tokenizer_options options;
    struct tokenizer_named *named;
    json_t *json;
    int rc = SHARD_ENOMEM;

    if (read_options(d->options, &options, &named, &json) == 0)
        rc = tokenizer_open(&d->tokenizer, model, len, what, &options);
    free(named);
    json_decref(json);
    return rc;
}

/* One that is refused counts as found, with a note. */
static int open_model(struct dump_tokenizer *d, const void *model, size_t len,
                      const char *what)
{
    const int rc = open_with_options(d, model, len, what);

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
    if (store_read(store_at(path), path, TOKENIZER_MAX_FILE, bytes, len) == 0)
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
static char *model_path(const char *shard_path, size_t up, const char *file)
{
    const char *slash = strrchr(shard_path, '/');
    const size_t folder_len = slash != NULL ? (size_t)(slash - shard_path) + 1 : 0;
    const size_t cap = folder_len + 3 * up + strlen(file) + 1;
    char *path = malloc(cap), *at = path;

    if (path == NULL)
        return NULL;
    memcpy(at, shard_path, folder_len);
    for (at += folder_len; up > 0; up--, at += 3)
        memcpy(at, "../", 3);
    snprintf(at, cap - (size_t)(at - path), "%s", file);
    return path;
}

/* A NAME with folders puts its shard so many folders below the model. */
static int try_folders(struct dump_tokenizer *d, const char *shard_path,
                       const struct shard_header *h, bool first)
{
    size_t depth = 0;
    int rc = 0;

    for (const char *c = h->name; *c != '\0'; c++)
        depth += *c == '/';
    for (size_t up = 0; up <= depth && rc == 0; up++) {
        char *path = model_path(shard_path, up, h->tokenizer.file);
        rc = path != NULL ? try_file(d, path, first) : -1;
        free(path);
    }
    return rc;
}

static int find(struct dump_tokenizer *d, const char *shard_path,
                const struct shard_header *h, bool first)
{
    size_t len;
    const void *embedded = tokenizer_builtin(&len);
    int rc = has_sha256(embedded, len, d->sha256);

    if (rc > 0)
        return open_model(d, embedded, len, "the embedded tokenizer");
    if (rc == 0 && is_file_name(h->tokenizer.file))
        rc = try_folders(d, shard_path, h, first);
    if (rc == 0 && first && !d->damaged)
        print_to_stderr("note: %s: no %s with the SHA-256 that the shard gives is beside "
                        "it: ids are printed without their pieces",
                        shard_path, h->tokenizer.file);
    return rc;
}

/* Whether it is the one that *d holds, or has looked for. */
static bool is_same(const struct dump_tokenizer *d, const struct shard_tokenizer *t)
{
    return strcmp(d->sha256, t->sha256) == 0 &&
           strcmp(d->options != NULL ? d->options : "",
                  t->options != NULL ? t->options : "") == 0;
}

int dump_tokenizer_find(struct dump_tokenizer *d, const char *shard_path,
                        const struct shard_header *h, const struct tokenizer **tokenizer)
{
    const struct shard_tokenizer *t = &h->tokenizer;
    int rc = 0;

    *tokenizer = NULL;
    if (!t->present || !is_sha256(t->sha256))
        return 0;
    const bool first = !is_same(d, t);
    if (first || d->tokenizer == NULL) {
        dump_tokenizer_clear(d);
        memcpy(d->sha256, t->sha256, sizeof(d->sha256));
        if (t->options != NULL && (d->options = strdup(t->options)) == NULL)
            return -1;
        rc = find(d, shard_path, h, first);
    }
    *tokenizer = d->tokenizer;
    return rc < 0 ? -1 : 0;
}

void dump_tokenizer_clear(struct dump_tokenizer *d)
{
    tokenizer_close(d->tokenizer);
    free(d->options);
    *d = (struct dump_tokenizer){0};
}
