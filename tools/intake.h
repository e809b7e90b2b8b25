/* SPDX-License-Identifier: Apache-2.0
 * tools/intake.h - one input's samples as they are read, whatever its format.
 *
 * Of a pair everything is read here; of a document only its line, which a worker parses.
 * One intake belongs to one thread. */
#ifndef TOOLS_INTAKE_H
#define TOOLS_INTAKE_H

#include "ingest/document.h"
#include "ingest/pair.h"
#include "tools/input.h"
#include "tools/select_options.h"

struct intake;
struct sample;

/* The options of the readers, from the command line; unpack_memory is --decode-mem. */
struct document_options intake_document_options(const struct select_options *o,
                                                uint64_t unpack_memory);

/* Gives *out, even on failure, so that intake_why() can explain; close it either way.
 * `source` is kept until close. INGEST_OK or < 0. */
int intake_open(struct intake **out, enum input_format format,
                const struct ingest_source *source, const struct select_options *o,
                uint64_t unpack_memory);

/* Fills s->pair or s->line. INGEST_OK, INGEST_END or < 0. */
int intake_next(struct intake *in, struct sample *s);

/* Lent; changes with each next(). */
const struct ingest_totals *intake_totals(const struct intake *in);

const char *intake_why(const struct intake *in); /* lent; accepts NULL */
void intake_close(struct intake *in);            /* accepts NULL */

#endif
