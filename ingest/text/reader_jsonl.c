/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/reader_jsonl.c - samples out of JSON Lines.
 *
 * unpack.c -> line_reader.c; document_parse.c does the rest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/archive/damage.h"
#include "ingest/text/document_parse.h"
#include "ingest/text/line_reader.h"
#include "ingest/readers.h"
#include "ingest/status.h"
#include "ingest/archive/unpack.h"

struct jsonl_samples {
    uint64_t limit;
    struct damage damage;
    struct unpacker *unpacker;
    struct line_reader *lines;
    int status; /* what next() returns for good, or INGEST_OK */
    struct ingest_totals totals;
    char partial_key[24]; /* totals.partial_key points here */
};

static void close_reader(void *state)
{
    struct jsonl_samples *r = state;

    if (!r)
        return;
    line_reader_close(r->lines);
    unpacker_close(r->unpacker);
    free(r);
}

static int open_reader(void **state, const struct ingest_source *source,
                       const struct reader_options *options)
{
    struct jsonl_samples *r = *state = calloc(1, sizeof(*r));
    int rc;

    if (!r)
        return INGEST_ENOMEM;
    r->limit = options->limit;
    rc = unpacker_open(&r->unpacker, source, options->unpack_memory, &r->damage);
    if (rc == INGEST_OK)
        rc = line_reader_open(&r->lines, r->unpacker, &r->damage, options->max_doc_bytes);
    if (rc < 0) {
        close_reader(r);
        *state = NULL;
    }
    return rc;
}

/* Notes the damage, and the line that it cut (0: none); the input is still read to its
 * end. */
static int note_damage(struct jsonl_samples *r, uint64_t cut)
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
static int check_end(struct jsonl_samples *r, struct line *l)
{
    if (!l->unended ||
        (l->bytes ? is_closed(l->bytes, l->len) : strchr("} \t\r", l->last) != NULL))
        return INGEST_OK;
    free(l->bytes);
    damage_set(&r->damage, line_reader_offset(r->lines),
               "the last line ends in its middle");
    return note_damage(r, l->number);
}

static int next_line(void *state, struct ingest_sample *s)
{
    struct jsonl_samples *r = state;
    struct line l = {0};

    *s = (struct ingest_sample){0};
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
    if (r->status == INGEST_OK) {
        s->index = r->totals.groups++;
        s->raw = (struct ingest_raw){l.bytes, l.len, l.number, l.offset};
    }
    return r->status;
}

static const struct ingest_totals *totals(const void *state)
{
    return &((const struct jsonl_samples *)state)->totals;
}

static const char *why(const void *state)
{
    const struct jsonl_samples *r = state;

    if (!r || r->status == INGEST_ENOMEM)
        return ingest_strerror(INGEST_ENOMEM);
    return unpacker_why(r->unpacker);
}

const struct reader reader_jsonl = {.name = "jsonl",
                                    .suffix = ".jsonl",
                                    .open = open_reader,
                                    .next = next_line,
                                    .parse = document_parse,
                                    .totals = totals,
                                    .why = why,
                                    .close = close_reader};
