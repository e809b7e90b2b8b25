/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/fuzz_documents.c - any bytes into ingest/text/reader_jsonl.c: decompression,
 * lines, JSON, metadata.
 *
 * The first byte chooses options and the size of reads; what comes out must not depend on
 * the latter, and must keep the promises of readers.h. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/readers.h"
#include "ingest/status.h"
#include "tests/unit/json_referee.h"
#include "tests/unit/memory_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, where an assert() might be compiled out. */
static void must(int condition)
{
    if (!condition)
        abort();
}

/* What is kept of a line is an object still, which has no text any more. */
static void check_metadata(const struct ingest_sample *p, const struct reader_options *o)
{
    size_t len;
    char *plain = plain_json(p->metadata, p->metadata_len, &len);
    json_t *object;

    must(plain != NULL && p->metadata_len <= o->max_metadata);
    len = plain_json_shorten_numbers(plain, len);
    object = json_loadb(plain, len, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    must(json_is_object(object) && json_object_size(object) > 0);
    must(!json_object_get(object, o->text_field));
    json_decref(object);
    free(plain);
}

static void check_document(const struct ingest_sample *p, const struct reader_options *o)
{
    const struct ingest_alternative *text;

    must(p->key && p->key[0] != '\0' && strlen(p->key) <= 4 * 1024 + 3);
    if (p->reject.reason != REJECT_NONE) {
        must(p->reject.detail[0] != '\0');
        return;
    }
    must(p->n_parts == 1 && p->parts[0].kind == INGEST_TEXT);
    must(p->parts[0].n_alternatives == 1);
    text = &p->parts[0].alternatives[0];
    must(text->text_len > 0 && text->text[text->text_len] == '\0');
    must(text->text_len <= o->max_doc_bytes);
    if (p->metadata)
        check_metadata(p, o);
}

/* What one pass saw, to be compared with another. */
struct seen {
    uint64_t groups, bytes, samples, offsets;
    struct ingest_totals totals;
};

static struct seen read_all(const uint8_t *data, size_t size, size_t chunk, int variant)
{
    struct memory_input in = {.bytes = data, .len = size, .chunk = chunk};
    struct ingest_source source = memory_source(&in);
    struct reader_options o = reader_options_default();
    struct hash_set keys = {0};
    struct seen seen = {0};
    struct ingest_sample p;
    void *r;
    int rc;

    o.unpack_memory = 16 << 20;
    o.max_doc_bytes = variant & 1 ? 64 << 10 : 100;
    o.keep_metadata = variant & 2;
    o.text_field = variant & 4 ? "t" : "text";
    must(reader_jsonl.open(&r, &source, &o) == INGEST_OK);
    while ((rc = reader_jsonl.next(r, &p)) == INGEST_OK) {
        const struct ingest_raw line = p.raw;

        must(!line.bytes ||
             (line.len <= o.max_doc_bytes && line.bytes[line.len] == '\0'));
        if (line.bytes)
            referee_check(line.bytes, line.len, o.text_field, o.id_field);
        must(reader_jsonl.parse(&p, &o) == INGEST_OK);
        must(ingest_sample_check_key(&p, &keys) == INGEST_OK);
        check_document(&p, &o);
        must(p.index == seen.groups++ && line.number > p.index);
        seen.bytes += line.len + p.metadata_len + strlen(p.key);
        seen.offsets += line.offset;
        seen.samples += p.reject.reason == REJECT_NONE;
        ingest_sample_clear(&p);
    }
    must(rc == INGEST_END && in.at == size);
    seen.totals = *reader_jsonl.totals(r);
    must(seen.totals.groups == seen.groups);
    must(!seen.totals.damaged == (seen.totals.damage[0] == '\0'));
    seen.totals.partial_key = NULL; /* lent by the reader */
    reader_jsonl.close(r);
    hash_set_free(&keys);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole, pieces;

    if (size == 0)
        return 0;
    whole = read_all(data + 1, size - 1, SIZE_MAX, data[0]);
    pieces = read_all(data + 1, size - 1, 1u + data[0], data[0]);
    must(memcmp(&whole, &pieces, sizeof(whole)) == 0);
    return 0;
}
