/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/tokenize_lines.c - the token ids of every line of stdin.
 *
 *     tokenize_lines MODEL|builtin < text
 *
 * One line of ids for each line read; a line may contain NUL and bytes that are not
 * UTF-8. Where the model is refused: the reason on stderr, exit 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"

/* Gives *model (release with free()). */
static int read_model(const char *path, void **model, size_t *len)
{
    const size_t cap = 16 << 20;
    FILE *file = fopen(path, "rb");

    *model = malloc(cap);
    if (file == NULL || *model == NULL) {
        perror(path);
        if (file != NULL)
            fclose(file);
        return -1;
    }
    *len = fread(*model, 1, cap, file);
    return fclose(file);
}

static int tokenize(struct tokenizer_worker *w)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int rc = SHARD_OK;

    while (rc == SHARD_OK && (len = getline(&line, &cap, stdin)) >= 0) {
        uint32_t *ids, n;
        if (len > 0 && line[len - 1] == '\n')
            len--;
        rc = tokenizer_encode(w, line, (size_t)len, &ids, &n);
        for (uint32_t i = 0; i < n; i++)
            printf(i > 0 ? " %u" : "%u", ids[i]);
        putchar('\n');
        free(ids);
    }
    free(line);
    if (rc != SHARD_OK)
        fprintf(stderr, "%s\n", shard_strerror(rc));
    return rc;
}

int main(int argc, char **argv)
{
    void *read = NULL;
    struct tokenizer *t = NULL;
    struct tokenizer_worker *w = NULL;
    size_t len;
    int rc = -1;

    if (argc != 2) {
        fputs("usage: tokenize_lines MODEL|builtin\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "builtin") == 0) {
        const void *model = tokenizer_builtin(&len);
        rc = tokenizer_open(&t, model, len, "builtin", NULL);
    } else if (read_model(argv[1], &read, &len) == 0) {
        rc = tokenizer_open(&t, read, len, argv[1], NULL);
    }
    if (rc == SHARD_OK)
        rc = (w = tokenizer_worker_new(t)) != NULL ? tokenize(w) : SHARD_ENOMEM;
    else if (t != NULL)
        fprintf(stderr, "%s\n", tokenizer_why(t));
    tokenizer_worker_free(w);
    tokenizer_close(t);
    free(read);
    return rc == SHARD_OK && fflush(stdout) == 0 ? 0 : 1;
}
