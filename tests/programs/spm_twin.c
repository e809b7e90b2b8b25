/* SPDX-License-Identifier: Apache-2.0
 * tests/programs/spm_twin.c - a SentencePiece model's texts word by word, and by the
 * library: are the ids the same?
 *
 *     spm_twin MODEL < texts
 *
 * Each text of stdin stands behind its length, 4 bytes, little-endian. Prints "words" and
 * the number of texts, or "library" where the model is not encoded by words. Exit 1, with
 * the text's number on stderr, where the two differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer_kinds.h"
#include "shard/tokenizer/spm/tokenizer_spm.h"

static const struct tokenizer_kind *const kind = &tokenizer_kind_spm;

/* Gives what the rest of a file holds, with *len. */
static char *read_all(FILE *f, size_t *len)
{
    size_t cap = 1 << 16;
    char *bytes = malloc(cap);

    *len = 0;
    while (bytes != NULL && !feof(f) && !ferror(f)) {
        *len += fread(bytes + *len, 1, cap - *len, f);
        if (*len == cap)
            bytes = realloc(bytes, cap *= 2);
    }
    if (bytes == NULL || ferror(f)) {
        perror("read");
        exit(2);
    }
    return bytes;
}

static int differ(void *state, void *worker, const char *text, size_t len)
{
    struct token_ids words = {0}, library = {0};
    struct tokenizer_why why;
    const int rc = kind->encode(worker, text, len, &words, &why);
    const int differs =
        rc != tokenizer_spm_by_library(state, text, len, &library) ||
        (rc == SHARD_OK &&
         (words.n != library.n ||
          (words.n > 0 && memcmp(words.at, library.at, words.n * sizeof(*words.at)))));

    token_ids_free(&words);
    token_ids_free(&library);
    return differs;
}

static int compare(void *state, void *worker)
{
    size_t len, n = 0, at = 0;
    char *texts = read_all(stdin, &len);
    uint32_t text_len;
    int rc = 0;

    for (; at + sizeof(text_len) <= len && rc == 0; n++, at += text_len) {
        memcpy(&text_len, texts + at, sizeof(text_len));
        at += sizeof(text_len);
        if (text_len > 0)
            rc = differ(state, worker, texts + at, text_len);
        if (rc != 0)
            fprintf(stderr, "text %zu differs\n", n);
    }
    if (rc == 0)
        printf("words %zu\n", n);
    free(texts);
    return rc;
}

int main(int argc, char **argv)
{
    struct tokenizer_about about = {0};
    const struct tokenizer_options options = {0};
    struct tokenizer_why why = {""};
    void *state = NULL, *worker = NULL;
    size_t len;
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;

    if (f == NULL) {
        fputs("usage: spm_twin MODEL\n", stderr);
        return 2;
    }
    char *model = read_all(f, &len);
    fclose(f);
    int rc = kind->open(&state, model, len, &options, &about, &why);
    free(model);
    if (rc != SHARD_OK || kind->worker_open(&worker, state) != SHARD_OK)
        fprintf(stderr, "%s\n", why.text);
    else if (!tokenizer_spm_has_words(state))
        puts("library");
    else
        rc = compare(state, worker);
    kind->worker_close(worker);
    kind->close(state);
    return rc == 0 ? 0 : 1;
}
