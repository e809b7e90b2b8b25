/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/line_reader.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/blank.h"
#include "ingest/foreign_text.h"
#include "ingest/status.h"

enum { FIRST_CAP = 1024 };

struct line_reader {
    struct unpacker *bytes;
    struct damage *damage;
    size_t max;
    struct foreign_text foreign;
    const unsigned char *window; /* decompressed bytes not yet taken, lent by `bytes` */
    size_t n_window;
    uint64_t offset;   /* of window[0] in the decompressed stream */
    uint64_t data_end; /* behind the last byte taken that is not zero */
    bool open;         /* `line` is begun */
    bool too_long;     /* and has lost its bytes */
    struct line line;  /* the one in hand, or the last one's number */
    size_t cap;        /* of line.bytes */
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

static void take(struct line_reader *r, size_t n)
{
    size_t n_data = n;

    while (n_data > 0 && r->window[n_data - 1] == 0)
        n_data--;
    if (n_data > 0)
        r->data_end = r->offset + n_data;
    r->window += n;
    r->n_window -= n;
    r->offset += n;
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

/* The stream has ended. A last line may lack its newline, but text has no zeros behind
 * it: a hole does. */
static int finish(struct line_reader *r, struct line *line)
{
    if (r->data_end < r->offset)
        return damage_set(r->damage, r->data_end, "zeros where text should be");
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
        if (end && give(r, line))
            return INGEST_OK;
    }
}
