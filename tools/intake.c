/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/intake.h"

#include <stdlib.h>

#include "ingest/status.h"
#include "tools/sample.h"

/* One of the two. */
struct intake {
    struct pair_reader *pairs;
    struct document_reader *documents;
};

static struct pair_options pair_options_of(const struct select_options *o,
                                           uint64_t unpack_memory)
{
    struct pair_options p = pair_options_default();

    p.image_field = o->image_field;
    p.keep_metadata = o->metadata == METADATA_KEEP;
    p.max_metadata = (size_t)o->max_metadata;
    p.max_member_bytes = (size_t)o->max_member;
    p.unpack_memory = unpack_memory;
    p.limit = (uint64_t)o->limit;
    return p;
}

struct document_options intake_document_options(const struct select_options *o,
                                                uint64_t unpack_memory)
{
    return (struct document_options){.text_field = o->text_field,
                                     .id_field = o->id_field,
                                     .keep_metadata = o->metadata == METADATA_KEEP,
                                     .max_metadata = (size_t)o->max_metadata,
                                     .max_doc_bytes = (size_t)o->max_doc_bytes,
                                     .unpack_memory = unpack_memory,
                                     .limit = (uint64_t)o->limit};
}

int intake_open(struct intake **out, enum input_format format,
                const struct ingest_source *source, const struct select_options *o,
                uint64_t unpack_memory)
{
    struct intake *in = *out = calloc(1, sizeof(*in));
    struct pair_options pairs = pair_options_of(o, unpack_memory);
    struct document_options documents = intake_document_options(o, unpack_memory);

    if (!in)
        return INGEST_ENOMEM;
    if (format == INPUT_DOCUMENTS)
        return document_reader_open(&in->documents, source, &documents);
    return pair_reader_open(&in->pairs, source, &pairs);
}

int intake_next(struct intake *in, struct sample *s)
{
    return in->pairs ? pair_reader_next(in->pairs, &s->pair)
                     : document_reader_next(in->documents, &s->line);
}

const struct ingest_totals *intake_totals(const struct intake *in)
{
    return in->pairs ? pair_reader_totals(in->pairs)
                     : document_reader_totals(in->documents);
}

const char *intake_why(const struct intake *in)
{
    return in && in->pairs ? pair_reader_why(in->pairs)
                           : document_reader_why(in ? in->documents : NULL);
}

void intake_close(struct intake *in)
{
    if (!in)
        return;
    pair_reader_close(in->pairs);
    document_reader_close(in->documents);
    free(in);
}
