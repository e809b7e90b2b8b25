/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_pairs.c - any bytes into ingest/pair.h: decompression, tar, grouping,
 * captions.
 *
 * The first byte chooses options and the size of reads; what comes out must not depend on
 * the latter, and must keep the promises of pair.h. It can also have the headers'
 * checksums made right again, which few mutations leave whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/make_tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, where an assert() might be compiled out. */
static void must(int condition)
{
    if (!condition)
        abort();
}

static void check_pair(const struct pair *p)
{
    must(p->key && p->key[0] != '\0' && strlen(p->key) <= 4 * 1024 + 3);
    if (p->reject.reason != REJECT_NONE) {
        must(!p->image && !p->captions && !p->metadata && p->reject.detail[0] != '\0');
        return;
    }
    must(p->image && p->n_captions > 0);
    for (size_t i = 0; i < p->n_captions; i++)
        must(p->captions[i].text_len > 0 &&
             p->captions[i].text[p->captions[i].text_len] == '\0');
}

/* What one pass saw, to be compared with another. */
struct seen {
    int status;
    uint64_t groups, bytes;
    struct ingest_totals totals;
};

static struct seen read_all(const uint8_t *data, size_t size, size_t chunk, int variant)
{
    struct memory_input in = {.bytes = data, .len = size, .chunk = chunk};
    struct ingest_source source = memory_source(&in);
    struct pair_options options = pair_options_default();
    struct seen seen = {0};
    struct pair_reader *r;
    struct pair p;

    options.unpack_memory = 16 << 20;
    options.max_member_bytes = 64 << 10;
    options.keep_metadata = variant & 1;
    options.image_field = variant & 2 ? "png" : NULL;
    must(pair_reader_open(&r, &source, &options) == INGEST_OK);
    while ((seen.status = pair_reader_next(r, &p)) == INGEST_OK) {
        check_pair(&p);
        must(p.index == seen.groups++);
        seen.bytes += p.image_len + p.metadata_len + p.n_captions;
        pair_clear(&p);
    }
    must(seen.status == INGEST_END && in.at == size);
    seen.totals = *pair_reader_totals(r);
    must(seen.totals.groups == seen.groups);
    must(!seen.totals.damaged == (seen.totals.damage[0] == '\0'));
    seen.totals.partial_key = NULL; /* lent by the reader */
    pair_reader_close(r);
    return seen;
}

static void mend_checksums(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + 512 <= size; at += 512)
        if (memcmp(bytes + at + 257, "ustar", 5) == 0)
            tar_set_checksum(bytes + at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, pieces;
    uint8_t *copy;

    if (size == 0)
        return 0;
    copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    if (data[0] & 4)
        mend_checksums(copy, size - 1);
    whole = read_all(copy, size - 1, SIZE_MAX, data[0]);
    pieces = read_all(copy, size - 1, 1u + data[0], data[0]);
    must(whole.groups == pieces.groups && whole.bytes == pieces.bytes);
    must(memcmp(&whole.totals, &pieces.totals, sizeof(whole.totals)) == 0);
    free(copy);
    return 0;
}
