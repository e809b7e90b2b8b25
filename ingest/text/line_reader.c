/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/text/line_reader.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/text/utf8.h"
#include "ingest/text/foreign_text.h"
#include "ingest/status.h"

enum { FIRST_CAP = 1024 };

/* So many zeros are a hole. What a crash or a download leaves out is whole sectors of at
 * least 512 bytes; fewer make one bad line, and a text's own NULs are escaped. */
enum { HOLE = 512 };

struct line_reader {
    struct unpacker *bytes;
    struct damage *damage;
    size_t max;
    struct foreign_text foreign;
    const unsigned char *window; /* decompressed bytes not yet taken, lent by `bytes` */
    size_t n_window;
    uint64_t offset;  /* of window[0] in the decompressed stream */
    uint64_t n_zeros; /* bytes before that, all zero */
    char last;        /* the byte before that */
    bool open;        /* `line` is begun */
    bool too_long;    /* and has lost its bytes */
    struct line line; /* the one in hand, or the last one's number */
    size_t cap;       /* of line.bytes */
    uint64_t n_blank;
};

int line_reader_open(struct line_reader **out, struct unpacker *bytes,
                     struct damage *damage, size_t max)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return INGEST_ENOMEM;
    (*out)->bytes = bytes;
    (*out)->damage = damage;
    (*out)->max = max;
    return INGEST_OK;
}

void line_reader_close(struct line_reader *r)
{
    if (!r)
        return;
    free(r->line.bytes);
    free(r);
}

uint64_t line_reader_open_line(const struct line_reader *r)
{
    return r->open ? r->line.number : 0;
}

uint64_t line_reader_offset(const struct line_reader *r)
{
    return r->offset;
}

uint64_t line_reader_n_blank(const struct line_reader *r)
{
    return r->n_blank;
}

static void begin(struct line_reader *r)
{
    r->open = true;
    r->too_long = false;
    r->line = (struct line){.number = r->line.number + 1, .offset = r->offset};
    r->cap = 0;
}

/* Room for len bytes and a NUL; len is at most max. */
static int reserve(struct line_reader *r, size_t len)
{
    size_t cap = r->cap ? r->cap : FIRST_CAP;
    char *bytes;

    if (len < r->cap)
        return INGEST_OK;
    while (cap <= len)
        cap *= 2;
    bytes = realloc(r->line.bytes, cap);
    if (!bytes)
        return INGEST_ENOMEM;
    r->line.bytes = bytes;
    r->cap = cap;
    return INGEST_OK;
}

/* The next n bytes of the window belong to the line. */
static int append(struct line_reader *r, size_t n)
{
    struct line *l = &r->line;

    if (r->too_long || n > r->max - l->len) {
        r->too_long = true;
        free(l->bytes);
        l->bytes = NULL;
        l->len = 0;
        return INGEST_OK;
    }
    if (reserve(r, l->len + n) < 0)
        return INGEST_ENOMEM;
    memcpy(l->bytes + l->len, r->window, n);
    l->len += n;
    return INGEST_OK;
}

/* Takes n bytes of the window; up to a hole's end where there is one, and no further. */
static void take(struct line_reader *r, size_t n)
{
    const unsigned char *from = r->window, *end = from + n, *at = from;

    if (r->n_zeros == 0)
        at = memchr(from, 0, n);
    for (; at && at < end && r->n_zeros < HOLE; at++)
        r->n_zeros = *at == 0 ? r->n_zeros + 1 : 0;
    if (!at)
        at = end;
    if (at > from)
        r->last = (char)at[-1];
    r->window = at;
    r->n_window -= (size_t)(at - from);
    r->offset += (uint64_t)(at - from);
}

/* The line in hand has ended. Gives it; false: it is blank and dropped. */
static bool give(struct line_reader *r, struct line *out)
{
    static const char mark[] = "\xEF\xBB\xBF";
    struct line *l = &r->line;

    r->open = false;
    if (l->len >= 3 && memcmp(l->bytes, mark, 3) == 0) {
        l->len -= 3;
        memmove(l->bytes, l->bytes + 3, l->len);
    }
    if (!r->too_long && is_blank(l->bytes, l->len)) {
        r->n_blank++;
        free(l->bytes);
        l->bytes = NULL;
        return false;
    }
    if (l->bytes)
        l->bytes[l->len] = '\0';
    *out = *l;
    l->bytes = NULL;
    return true;
}

/* The next bytes of the stream. */
static int read_window(struct line_reader *r)
{
    int rc = unpacker_next(r->bytes, &r->window, &r->n_window);
    const char *foreign;

    if (rc != INGEST_OK) {
        r->n_window = 0;
        return rc;
    }
    foreign = foreign_text_look(&r->foreign, r->window, r->n_window);
    return foreign ? damage_set(r->damage, 0, "%s", foreign) : INGEST_OK;
}

static int hole(struct line_reader *r)
{
    return damage_set(r->damage, r->offset - r->n_zeros, "zeros where text should be");
}

/* The stream has ended. A last line may lack its newline, but text has no zeros behind
 * it: a hole does. */
static int finish(struct line_reader *r, struct line *line)
{
    if (r->n_zeros > 0)
        return hole(r);
    r->line.unended = r->open;
    r->line.last = r->last;
    return r->open && give(r, line) ? INGEST_OK : INGEST_END;
}

int line_reader_next(struct line_reader *r, struct line *line)
{
    for (;;) {
        const unsigned char *end;
        size_t n;
        int rc = r->n_window > 0 ? INGEST_OK : read_window(r);

        if (rc == INGEST_END)
            return finish(r, line);
        if (rc != INGEST_OK)
            return rc;
        if (!r->open)
            begin(r);
        end = memchr(r->window, '\n', r->n_window);
        n = end ? (size_t)(end - r->window) : r->n_window;
        if (append(r, n) < 0)
            return INGEST_ENOMEM;
        take(r, end ? n + 1 : n);
        if (r->n_zeros == HOLE)
            return hole(r);
        if (end && give(r, line))
            return INGEST_OK;
    }
}
