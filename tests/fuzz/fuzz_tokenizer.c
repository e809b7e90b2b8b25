/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_tokenizer.c - no tokenizer model breaks its reader, and none that is
 * taken breaks SentencePiece.
 *
 * The input is a model file; one that opens encodes some text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shard/status.h"
#include "shard/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "a ab \0\xff <s> 42 \xc2\xbd \xe3\x81\x82 aaabbb";
    struct tokenizer *t;
    struct tokenizer_worker *w = NULL;
    uint32_t *ids, n;

    if (tokenizer_open(&t, data, size, "fuzz", NULL) == SHARD_OK)
        w = tokenizer_worker_new(t);
    if (w != NULL && tokenizer_encode(w, text, sizeof(text), &ids, &n) == SHARD_OK) {
        for (uint32_t i = 0; i < n; i++)
            if (ids[i] >= tokenizer_n_pieces(t))
                abort();
        free(ids);
    }
    tokenizer_worker_free(w);
    tokenizer_close(t);
    return 0;
}
