/* SPDX-License-Identifier: Apache-2.0
 * ingest/blank.h - internal to ingest/: blank means nothing but ASCII white space. */
#ifndef INGEST_BLANK_H
#define INGEST_BLANK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!memchr(" \t\n\v\f\r", text[i], 6))
            return false;
    return true;
}

#endif
