/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/document_parse.h - internal to ingest/: one line of JSON Lines -> a sample
 * of one text. */
#ifndef INGEST_TEXT_DOCUMENT_PARSE_H
#define INGEST_TEXT_DOCUMENT_PARSE_H

#include "ingest/readers.h"

/* Makes of s->raw, a line, what goes into a shard or, with s->reject, into the rejects.
 * The key is the id as it stands there, a string or a whole number, else the line's
 * number. Returns like struct reader's parse(). */
int document_parse(struct ingest_sample *s, const struct reader_options *options);

#endif
