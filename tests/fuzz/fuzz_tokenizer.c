/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_tokenizer.c - no tokenizer file breaks its reader, and none that is
 * taken breaks what encodes with it.
 *
 * The input is a file of any kind; one that opens encodes some text, special tokens
 * parsed, and the file's own bytes, decodes the ids and shows their pieces. One that
 * lacks a pattern gets one. A SentencePiece model that is encoded word by word gives the
 * library's ids. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"
#include "shard/tokenizer/tokenizer_kinds.h"
#include "shard/tokenizer/spm/tokenizer_spm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct tokenizer *t, struct tokenizer_worker *w,
                   const char *text, size_t len)
{
    uint32_t *ids, n;
    char *back, shown[64];
    size_t back_len;

    if (tokenizer_encode(w, text, len, &ids, &n) != SHARD_OK)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] >= tokenizer_n_pieces(t))
            abort();
        (void)tokenizer_piece_shown(t, ids[i], shown, sizeof(shown));
    }
    if (tokenizer_decode(t, ids, n, &back, &back_len) == SHARD_OK)
        free(back);
    free(ids);
}

static void compare(void *state, void *worker, const char *text, size_t len)
{
    struct token_ids words = {0}, library = {0};
    struct tokenizer_why why;

    if (len > 0 &&
        tokenizer_kind_spm.encode(worker, text, len, &words, &why) == SHARD_OK) {
        if (tokenizer_spm_by_library(state, text, len, &library) != SHARD_OK ||
            words.n != library.n)
            abort();
        for (size_t i = 0; i < words.n; i++)
            if (words.at[i] != library.at[i])
                abort();
    }
    token_ids_free(&words);
    token_ids_free(&library);
}

/* Texts of its pieces, cut anywhere, and of its bytes. */
static void compare_words(const uint8_t *data, size_t size)
{
    const struct tokenizer_options options = {0};
    struct tokenizer_about about = {0};
    struct tokenizer_why why;
    void *state, *worker = NULL;

    if (tokenizer_kind_spm.open(&state, data, size, &options, &about, &why) == SHARD_OK &&
        tokenizer_spm_has_words(state) &&
        tokenizer_kind_spm.worker_open(&worker, state) == SHARD_OK) {
        char text[1024];
        size_t len = 0;

        for (uint32_t i = 0; i < about.n_pieces && len < sizeof(text) / 2; i++) {
            size_t n;
            const char *piece = tokenizer_kind_spm.piece(state, i, &n);
            const size_t cut = i % 3 == 0 && n > 1 ? n - 1 : n;

            if (len + cut > sizeof(text))
                break;
            memcpy(text + len, piece, cut);
            len += cut;
            compare(state, worker, text, len);
        }
        compare(state, worker, (const char *)data, size < 4096 ? size : 4096);
    }
    tokenizer_kind_spm.worker_close(worker);
    tokenizer_kind_spm.close(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] =
        "a ab \0\xc2\xa0 <s> 42<|e|> \xc2\xbd \xe3\x81\x82 aaabbb\n it's";
    static const char no_text[] = "a ab \0\xff <s> 42 \xc2\xbd \xe3\x81\x82 aaabbb";
    static const struct tokenizer_named named[] = {{"<|e|>", 1000}};
    static const struct tokenizer_options parse = {TOKENIZER_SPECIAL_PARSE, NULL, NULL,
                                                   0};
    static const struct tokenizer_options tiktoken = {TOKENIZER_SPECIAL_PARSE, "o200k",
                                                      named, 1};
    struct tokenizer *t;
    struct tokenizer_worker *w = NULL;
    int rc = tokenizer_open(&t, data, size, "fuzz", &parse);

    if (rc == SHARD_EINVAL) {
        tokenizer_close(t);
        rc = tokenizer_open(&t, data, size, "fuzz", &tiktoken);
    }
    if (rc == SHARD_OK)
        w = tokenizer_worker_new(t);
    if (w != NULL) {
        encode(t, w, text, sizeof(text));
        encode(t, w, no_text, sizeof(no_text));
        encode(t, w, (const char *)data, size < 4096 ? size : 4096);
    }
    tokenizer_worker_free(w);
    tokenizer_close(t);
    compare_words(data, size);
    return 0;
}
