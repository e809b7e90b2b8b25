/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/tokenize_texts.c - the ids of texts on standard input, for comparison
 * with other tokenizers.
 *
 * usage: tokenize_texts FILE|builtin [plain|parse|reject [PATTERN [PIECE=ID]...]]
 *
 * Numbers are of 32 bits, little-endian. In: a text's bytes, and the text. Out: how many
 * ids, and the ids; or the status, which is below 0, alone. PATTERN may be "". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"

enum { MOST_NAMED = 100 };

static int read_file(const char *path, void **bytes, size_t *len)
{
    FILE *file = fopen(path, "rb");
    size_t cap = 1 << 20;

    *bytes = malloc(cap);
    *len = 0;
    if (file == NULL || *bytes == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    for (size_t n; (n = fread((char *)*bytes + *len, 1, cap - *len, file)) > 0;) {
        *len += n;
        if (*len == cap && (*bytes = realloc(*bytes, cap *= 2)) == NULL)
            return -1;
    }
    return fclose(file);
}

static int tokenize(struct tokenizer_worker *w, char *text, uint32_t len)
{
    uint32_t *ids, n;
    int32_t rc = tokenizer_encode(w, text, len, &ids, &n);

    if (rc == SHARD_OK)
        rc = (int32_t)n;
    fwrite(&rc, sizeof(rc), 1, stdout);
    if (n > 0)
        fwrite(ids, sizeof(*ids), n, stdout);
    free(ids);
    return 0;
}

static int tokenize_all(const struct tokenizer *t)
{
    struct tokenizer_worker *w = tokenizer_worker_new(t);
    uint32_t len;
    int rc = w == NULL;

    while (rc == 0 && fread(&len, sizeof(len), 1, stdin) == 1) {
        char *text = malloc(len > 0 ? len : 1); /* so that a sanitizer sees its end */

        rc = text == NULL || fread(text, 1, len, stdin) != len ? -1 : 0;
        if (rc == 0)
            rc = tokenize(w, text, len);
        free(text);
    }
    tokenizer_worker_free(w);
    return rc == 0 ? fflush(stdout) : rc;
}

static void take_named(struct tokenizer_options *o, struct tokenizer_named *named,
                       char **words, int n)
{
    o->named = named;
    for (int i = 0; i < n && i < MOST_NAMED; i++) {
        char *equals = strrchr(words[i], '=');

        *equals = '\0';
        named[o->n_named++] =
            (struct tokenizer_named){words[i], (uint32_t)strtoul(equals + 1, NULL, 10)};
    }
}

static struct tokenizer_options take_options(int argc, char **argv,
                                             struct tokenizer_named *named)
{
    struct tokenizer_options o = {0};

    if (argc > 2 && strcmp(argv[2], "plain") != 0)
        o.special_tokens = strcmp(argv[2], "parse") == 0 ? TOKENIZER_SPECIAL_PARSE
                                                         : TOKENIZER_SPECIAL_REJECT;
    if (argc > 3 && argv[3][0] != '\0')
        o.pattern = argv[3];
    if (argc > 4)
        take_named(&o, named, argv + 4, argc - 4);
    return o;
}

int main(int argc, char **argv)
{
    struct tokenizer_named named[MOST_NAMED];
    struct tokenizer_options options = take_options(argc, argv, named);
    struct tokenizer *t = NULL;
    const void *bytes = NULL;
    void *read = NULL;
    size_t len = 0;
    int rc = 0;

    if (argc < 2) {
        fputs("usage: tokenize_texts FILE|builtin [MODE [PATTERN [PIECE=ID]...]]\n",
              stderr);
        return 2;
    }
    if (strcmp(argv[1], "builtin") == 0)
        bytes = tokenizer_builtin(&len);
    else if ((rc = read_file(argv[1], &read, &len)) == 0)
        bytes = read;
    if (rc == 0)
        rc = tokenizer_open(&t, bytes, len, argv[1], &options);
    if (rc == 0)
        rc = tokenize_all(t);
    else if (t != NULL)
        fprintf(stderr, "%s\n", tokenizer_why(t));
    tokenizer_close(t);
    free(read);
    return rc == 0 ? 0 : 1;
}
