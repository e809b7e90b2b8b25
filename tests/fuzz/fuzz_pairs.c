/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_pairs.c - any bytes into ingest/archive/reader_tar.c: decompression,
 * tar, grouping, captions.
 *
 * The first byte chooses options and the size of reads; what comes out must not depend on
 * the latter, and must keep the promises of readers.h. It can also have the headers'
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

static void check_sample(const struct ingest_sample *p)
{
    must(p->key && p->key[0] != '\0' && strlen(p->key) <= 4 * 1024 + 3);
    if (p->reject.reason != REJECT_NONE) {
        must(p->n_parts == 0 && !p->metadata && p->reject.detail[0] != '\0');
        return;
    }
    must(p->n_parts == 2 && p->parts[0].n_alternatives > 0 && p->parts[1].image);
    for (size_t i = 0; i < p->parts[0].n_alternatives; i++) {
        const struct ingest_alternative *a = &p->parts[0].alternatives[i];

        must(a->text_len > 0 && a->text[a->text_len] == '\0');
    }
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
    struct reader_options options = reader_options_default();
    struct seen seen = {0};
    void *r;
    struct ingest_sample p;

    options.unpack_memory = 16 << 20;
    options.max_member_bytes = 64 << 10;
    options.keep_metadata = variant & 1;
    options.image_field = variant & 2 ? "png" : NULL;
    must(reader_tar.open(&r, &source, &options) == INGEST_OK);
    while ((seen.status = reader_tar.next(r, &p)) == INGEST_OK) {
        check_sample(&p);
        must(p.index == seen.groups++);
        seen.bytes += p.metadata_len;
        if (p.n_parts > 0)
            seen.bytes += p.parts[1].image_len + p.parts[0].n_alternatives;
        ingest_sample_clear(&p);
    }
    must(seen.status == INGEST_END && in.at == size);
    seen.totals = *reader_tar.totals(r);
    must(seen.totals.groups == seen.groups);
    must(!seen.totals.damaged == (seen.totals.damage[0] == '\0'));
    seen.totals.partial_key = NULL; /* lent by the reader */
    reader_tar.close(r);
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
