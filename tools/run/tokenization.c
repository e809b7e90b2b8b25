/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/run/tokenization.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ingest/text/utf8.h"
#include "shard/canonical_json.h"
#include "shard/status.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/options.h"
#include "tools/cli/print.h"
#include "tools/cli/shell_word.h"
#include "tools/run/model_advice.h"

/* Takes in the file at `path`. */
static int read_file(struct tokenization *t, const char *path)
{
    FILE *f = fopen(path, "rbe");
    struct stat st;
    int rc = 0;

    if (!f || fstat(fileno(f), &st) != 0)
        rc = model_cannot_open("--tokenizer", path, errno);
    else if (!S_ISREG(st.st_mode))
        rc = usage_error("--tokenizer %s: is not a tokenizer's file", path);
    else if (st.st_size > TOKENIZER_MAX_FILE)
        rc = usage_error("--tokenizer %s: is larger than %d MiB", path,
                         TOKENIZER_MAX_FILE >> 20);
    else if (!(t->owned_bytes = malloc((size_t)st.st_size + 1)))
        rc = print_out_of_memory();
    else if (fread(t->owned_bytes, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        rc = ferror(f) ? model_cannot_open("--tokenizer", path, errno)
                       : usage_error("--tokenizer %s: became shorter", path);
    t->bytes = t->owned_bytes;
    t->len = rc == 0 ? (size_t)st.st_size : 0;
    if (f)
        fclose(f);
    return rc;
}

/* PIECE=ID at its last '='; the piece's length, or 0 after explaining. */
static size_t parse_named(const char *text, uint32_t *id)
{
    const char *equals = strrchr(text, '=');
    char *end;
    long long value;

    errno = 0;
    value = equals && equals > text ? strtoll(equals + 1, &end, 10) : -1;
    if (value >= 0 && end > equals + 1 && !*end && value <= INT32_MAX && !errno &&
        utf8_valid(text, (size_t)(equals - text))) {
        *id = (uint32_t)value;
        return (size_t)(equals - text);
    }
    usage_error("--special-token %s: must be PIECE=ID, as '<|im_start|>=151644'", text);
    return 0;
}

/* {piece: id} of --special-token. Gives *tokens, NULL where there are none. */
static int read_named(const struct option_list *list, json_t **tokens)
{
    *tokens = list->n > 0 ? json_object() : NULL;
    for (size_t i = 0; i < list->n && *tokens; i++) {
        const char *text = list->given[i].value;
        uint32_t id;
        size_t len = parse_named(text, &id);
        char *piece = len > 0 ? strndup(text, len) : NULL;
        int rc = len == 0 ? EXIT_USAGE : 0;

        if (piece && json_object_get(*tokens, piece))
            rc = usage_error("--special-token %s: is given twice", piece);
        else if (len > 0 &&
                 (!piece || json_object_set_new(*tokens, piece, json_integer(id)) != 0))
            rc = print_out_of_memory();
        free(piece);
        if (rc != 0)
            return rc;
    }
    return list->n > 0 && !*tokens ? print_out_of_memory() : 0;
}

/* What the file does not say: {"pattern": ..., "special_tokens": {piece: id}}, either
 * absent where it was not given, into t->options. */
static int describe_options(struct tokenization *t, const struct tokenizer_choice *c,
                            json_t *tokens)
{
    json_t *options;

    if (!c->pattern && !tokens)
        return 0;
    options = json_pack("{s:s*, s:O*}", "pattern", c->pattern, "special_tokens", tokens);
    t->options = options ? shard_json_canonical(options) : NULL;
    json_decref(options);
    return t->options ? 0 : print_out_of_memory();
}

static int open_file(struct tokenization *t, const struct tokenizer_choice *c,
                     json_t *tokens, const char *path)
{
    const size_t n = json_object_size(tokens);
    struct tokenizer_named *named = calloc(n + 1, sizeof(*named));
    struct tokenizer_options options = {
        .special_tokens = c->special_tokens, .pattern = c->pattern, .named = named};
    const char *piece;
    json_t *id;
    int rc = SHARD_ENOMEM;

    if (named) {
        json_object_foreach(tokens, piece, id) named[options.n_named++] =
            (struct tokenizer_named){piece, (uint32_t)json_integer_value(id)};
        rc = tokenizer_open(&t->tokenizer, t->bytes, t->len, path, &options);
    }
    free(named);
    if (rc == SHARD_ENOMEM)
        return print_out_of_memory();
    return rc == SHARD_OK ? 0
                          : usage_error("--tokenizer %s", tokenizer_why(t->tokenizer));
}

/* With what else decides what texts become: the tokens and the pattern. */
static int open_with_options(struct tokenization *t, const struct tokenizer_choice *c,
                             const char *path)
{
    json_t *tokens;
    int rc = read_named(&c->named, &tokens);

    if (rc == 0 && c->pattern && !utf8_valid(c->pattern, strlen(c->pattern)))
        rc = usage_error("--pattern: is not UTF-8");
    if (rc == 0)
        rc = open_file(t, c, tokens, path);
    if (rc == 0)
        rc = describe_options(t, c, tokens);
    json_decref(tokens);
    return rc;
}

/* {"normalizer": name, "charsmap_sha256": of its table, or null}, and "libraries" where
 * linked ones have tables of their own, into t->tables. */
static int describe_tables(struct tokenization *t)
{
    const char *versions = tokenizer_versions(t->tokenizer);
    char sha256[SHA256_HEX_CAP];
    size_t len;
    const void *charsmap = tokenizer_charsmap(t->tokenizer, &len);
    json_t *tables =
        sha256_hex(charsmap, len, sha256) == 0
            ? json_pack("{s:s, s:s?, s:s*}", "normalizer",
                        tokenizer_normalizer(t->tokenizer), "charsmap_sha256",
                        len > 0 ? sha256 : NULL, "libraries", *versions ? versions : NULL)
            : NULL;

    t->tables = tables ? shard_json_canonical(tables) : NULL;
    json_decref(tables);
    return t->tables ? 0 : print_out_of_memory();
}

/* How the file is called beside the shards. */
static const char *suffix_of(const char *kind)
{
    if (strcmp(kind, "sentencepiece") == 0)
        return "model";
    return strcmp(kind, "tiktoken") == 0 ? "tiktoken" : "json";
}

static int describe(struct tokenization *t)
{
    const char *kind = tokenizer_kind(t->tokenizer);

    if (sha256_hex(t->bytes, t->len, t->sha256) != 0)
        return print_out_of_memory();
    snprintf(t->file, sizeof(t->file), "tokenizer-%.12s.%s", t->sha256, suffix_of(kind));
    t->described = (struct shard_tokenizer){.present = true,
                                            .kind = kind,
                                            .special = tokenizer_special(t->tokenizer),
                                            .sha256 = t->sha256,
                                            .file = t->file,
                                            .n_pieces = tokenizer_n_pieces(t->tokenizer),
                                            .bos = tokenizer_bos(t->tokenizer),
                                            .eos = tokenizer_eos(t->tokenizer)};
    return describe_tables(t);
}

/* The id of a named piece; `otherwise` where none is named. */
static int choose_marker(const struct tokenization *t, const char *option,
                         const char *piece, int64_t otherwise, int64_t *id)
{
    *id = piece ? tokenizer_piece_id(t->tokenizer, piece) : otherwise;
    if (!piece || *id >= 0)
        return 0;
    return usage_error("%s %s: the tokenizer has no such piece%s", option, piece,
                       strcmp(t->described.kind, "tiktoken") == 0
                           ? "; special tokens of a tiktoken file are named with "
                             "--special-token PIECE=ID"
                           : "");
}

/* As choose_marker(), of one that stands for an image. */
static int choose_image_marker(struct tokenization *t, const char *option,
                               const char *piece, uint32_t next, uint32_t *id)
{
    int64_t found;
    int rc = choose_marker(t, option, piece, next, &found);

    if (rc == 0 && (found == t->described.bos || found == t->described.eos))
        rc = usage_error("%s %s: is the BOS or EOS", option, piece ? piece : "");
    *id = (uint32_t)found;
    return rc;
}

static int choose_markers(struct tokenization *t, const struct text_options *o)
{
    struct shard_tokenizer *d = &t->described;
    int rc = choose_marker(t, "--bos", o->bos, d->bos, &d->bos);

    if (rc == 0)
        rc = choose_marker(t, "--eos", o->eos, d->eos, &d->eos);
    if (rc == 0)
        rc = choose_image_marker(t, "--boi", o->boi, d->n_pieces, &d->boi);
    if (rc == 0)
        rc = choose_image_marker(t, "--eoi", o->eoi, d->n_pieces + 1, &d->eoi);
    if (rc == 0 && d->boi == d->eoi)
        rc = usage_error("--boi and --eoi are the same piece");
    return rc;
}

/* The options of which nothing is left without a tokenizer. */
static int open_none(const struct text_options *o)
{
    const struct tokenizer_choice *c = &o->tokenizer;

    if (o->boi || o->eoi || o->bos || o->eos)
        return usage_error("--boi, --eoi, --bos and --eos need a tokenizer");
    if (c->special_tokens != TOKENIZER_SPECIAL_PLAIN || c->pattern || c->named.n > 0)
        return usage_error("--special-tokens, --special-token and --pattern need a "
                           "tokenizer");
    return 0;
}

int tokenization_open(struct tokenization *t, const struct text_options *o)
{
    const char *given = o->tokenizer.path ? o->tokenizer.path : "builtin";
    char *path = NULL;
    int rc = 0;

    *t = (struct tokenization){0};
    if (strcmp(given, "none") == 0)
        return open_none(o);
    t->demo = strcmp(given, "builtin") == 0;
    if (t->demo)
        t->bytes = tokenizer_builtin(&t->len);
    else
        rc = model_find_tokenizer(given, &path);
    if (path)
        rc = read_file(t, path);
    if (rc == 0)
        rc = open_with_options(t, &o->tokenizer, path ? path : given);
    free(path);
    if (rc == 0)
        rc = describe(t);
    t->described.tables = t->tables;
    t->described.options = t->options;
    return rc == 0 ? choose_markers(t, o) : rc;
}

void tokenization_warn(const struct tokenization *t, const char *path)
{
    char *eos, *word = NULL;

    if (!t->tokenizer || t->described.bos >= 0 || t->described.eos >= 0)
        return;
    eos = path ? model_eos_token(path) : NULL;
    if (eos && tokenizer_piece_id(t->tokenizer, eos) >= 0)
        word = shell_word(eos);
    if (word)
        print_to_stderr(
            "warning: the tokenizer's file names no BOS and no EOS, so that "
            "nothing will part one text from the next: --eos %s is what "
            "tokenizer_config.json, which is not read for it, ends texts with",
            word);
    else
        print_to_stderr("warning: the tokenizer's file names no BOS and no EOS, so that "
                        "nothing will part one text from the next (see --eos)");
    free(word);
    free(eos);
}

void tokenization_close(struct tokenization *t)
{
    tokenizer_close(t->tokenizer);
    free(t->owned_bytes);
    free(t->tables);
    free(t->options);
}
