/* SPDX-License-Identifier: Apache-2.0
 * ingest/text/foreign_text.h - internal to ingest/: what is named JSON Lines and is
 * something else as a whole, so that no line of it could be a document. */
#ifndef INGEST_TEXT_FOREIGN_TEXT_H
#define INGEST_TEXT_FOREIGN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: nothing seen yet. */
struct foreign_text {
    bool started, bracket, decided;
};

/* Looks at the stream's next n bytes, at the first 4 of it together. NULL, or what it is
 * and how to make JSON Lines of it; static. */
const char *foreign_text_look(struct foreign_text *f, const unsigned char *bytes,
                              size_t n);

#endif
