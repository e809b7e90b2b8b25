/* SPDX-License-Identifier: Apache-2.0
 *
 * unpack.c -> line_reader.c; document_parse.c does the rest. */
#include "ingest/document.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/damage.h"
#include "ingest/line_reader.h"
#include "ingest/status.h"
#include "ingest/unpack.h"

struct document_reader {
    uint64_t limit;
    struct damage damage;
    struct unpacker *unpacker;
    struct line_reader *lines;
    int status; /* what next() returns for good, or INGEST_OK */
    struct ingest_totals totals;
    char partial_key[24]; /* totals.partial_key points here */
};

struct document_options document_options_default(void)
{
    struct pair_options pair = pair_options_default();

    return (struct document_options){.text_field = "text",
                                     .id_field = "id",
                                     .keep_metadata = pair.keep_metadata,
                                     .max_metadata = pair.max_metadata,
                                     .max_doc_bytes = 4 << 20,
                                     .unpack_memory = pair.unpack_memory};
}

void document_line_clear(struct document_line *line)
{
    free(line->json);
    *line = (struct document_line){0};
}

int document_reader_open(struct document_reader **out, const struct ingest_source *source,
                         const struct document_options *options)
{
    struct document_reader *r = *out = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return INGEST_ENOMEM;
    r->limit = options->limit;
    rc = unpacker_open(&r->unpacker, source, options->unpack_memory, &r->damage);
    if (rc == INGEST_OK)
        rc = line_reader_open(&r->lines, r->unpacker, &r->damage, options->max_doc_bytes);
    if (rc < 0) {
        document_reader_close(r);
        *out = NULL;
    }
    return rc;
}

void document_reader_close(struct document_reader *r)
{
    if (!r)
        return;
    line_reader_close(r->lines);
    unpacker_close(r->unpacker);
    free(r);
}

/* Notes the damage, and the line that it cut (0: none); the input is still read to its
 * end. */
static int note_damage(struct document_reader *r, uint64_t cut)
{
    int rc;

    r->totals.damaged = true;
    r->totals.damage_offset = r->damage.offset;
    snprintf(r->totals.damage, sizeof(r->totals.damage), "%s", r->damage.what);
    if (cut > 0) {
        snprintf(r->partial_key, sizeof(r->partial_key), "%" PRIu64, cut);
        r->totals.partial_key = r->partial_key;
    }
    rc = unpacker_drain(r->unpacker);
    return rc < 0 ? rc : INGEST_END;
}

/* Whether the brackets of the JSON all close, the last one at its end; any other fault is
 * a bad line's. */
static bool is_closed(const char *json, size_t len)
{
    size_t depth = 0;
    bool quoted = false, closed = false;

    for (size_t i = 0; i < len; i++) {
        char c = json[i];

        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\')
            i++;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth > 0)
            depth--;
        else if (!quoted && c != '\0' && strchr(" \t\r", c))
            continue;
        closed = !quoted && depth == 0 && (c == '}' || c == ']');
    }
    return closed;
}

/* A last line without a newline may be whole; else it is cut, and with it the file. */
static int check_end(struct document_reader *r, struct line *l)
{
    bool closed =
        l->bytes ? is_closed(l->bytes, l->len) : strchr("} \t\r", l->last) != NULL;

    if (!l->unended || closed)
        return INGEST_OK;
    free(l->bytes);
    damage_set(&r->damage, line_reader_offset(r->lines),
               "the last line ends in its middle");
    return note_damage(r, l->number);
}

int document_reader_next(struct document_reader *r, struct document_line *line)
{
    struct line l = {0};

    *line = (struct document_line){0};
    if (r->status != INGEST_OK)
        return r->status;
    if (r->limit > 0 && r->totals.groups == r->limit)
        return r->status = INGEST_END;
    r->status = line_reader_next(r->lines, &l);
    r->totals.blank_lines = line_reader_n_blank(r->lines);
    if (r->status == INGEST_DAMAGED)
        r->status = note_damage(r, line_reader_open_line(r->lines));
    else if (r->status == INGEST_OK)
        r->status = check_end(r, &l);
    if (r->status == INGEST_OK)
        *line = (struct document_line){.json = l.bytes,
                                       .len = l.len,
                                       .index = r->totals.groups++,
                                       .number = l.number,
                                       .offset = l.offset};
    return r->status;
}

const struct ingest_totals *document_reader_totals(const struct document_reader *r)
{
    return &r->totals;
}

const char *document_reader_why(const struct document_reader *r)
{
    if (!r || r->status == INGEST_ENOMEM)
        return ingest_strerror(INGEST_ENOMEM);
    return unpacker_why(r->unpacker);
}
