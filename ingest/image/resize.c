/* SPDX-License-Identifier: Apache-2.0
 *
 * A separable resize rounds to 8 bits between its two passes, so the order of the passes
 * shows in the result. It is Pillow's since version 13: the oriented image's vertical
 * pass comes first where the height shrinks by more than twice what the width does, else
 * the horizontal one. Seen from the stored image, the passes run across rows or down
 * columns:
 *
 *     across first: row -> pass across -> sums down the columns -> output row
 *     down first:   row -> sums down the columns -> pass across -> output row
 *
 * Mirroring is in the tap tables (integer sums have no order), so rows are used as they
 * come, four at a time, and an output row is put at its oriented place when its last tap
 * has arrived. The pass down keeps one row of sums for each output row in progress. */
#include "ingest/image/resize.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/image/resize_kernel.h"
#include "ingest/status.h"

struct resizer {
    const struct resize_kernels *kernels;
    struct resize_tables *tables;
    const struct resize_blocks *across; /* along a stored row; lent by tables */
    const struct resize_blocks *down;   /* along a stored column; lent by tables */
    bool down_first;
    int row;     /* stored row that comes next */
    int out_row; /* first output row that is not complete */

    struct resize_box window;
    size_t from, columns; /* the window's columns, and some around it */
    size_t summed;        /* pixels of a line that is summed down */
    int n_sums;
    size_t row_len;   /* bytes from one row to the next */
    uint8_t *rows;    /* (4, row_len): those that came last */
    uint8_t *blocks;  /* (columns, 16): rows as the pass across takes them */
    uint8_t *stack;   /* (summed, 16): four lines as the pass down takes them */
    int32_t *sums;    /* (n_sums, summed, 4): output row j is in sums[j % n_sums] */
    size_t line_len;  /* bytes of a line that is summed down */
    uint8_t *lines;   /* (4, line_len): those whose sums are complete */
    uint8_t *results; /* (n_out, 4, 4): what across makes of them, where it is last */

    uint8_t *origin; /* where output row 0 begins in the oriented image */
    ptrdiff_t step_across, step_down;
};

bool orientation_transposes(int orientation)
{
    return orientation >= 5 && orientation <= 8;
}

/* Whether the oriented image's x (y) runs against the stored axis it comes from. */
static bool mirrors_x(int orientation)
{
    return orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
}

static bool mirrors_y(int orientation)
{
    return orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
}

/* libjpeg rounds up. */
static int scaled(int size, int eighths)
{
    return (size * eighths + 7) / 8;
}

static bool vertical_pass_is_first(const struct resize_geometry *g, bool transposed)
{
    int width = scaled(transposed ? g->height : g->width, g->eighths);
    int height = scaled(transposed ? g->width : g->height, g->eighths);
    int less_wide = width - g->out_width, less_high = height - g->out_height;

    return less_high > 0 && less_high > 2 * less_wide;
}

/* Of an oriented axis of `size` pixels. Scaled and rounded up, it may end a fraction of a
 * pixel later, which counts where it is seen from its far end. */
static struct resize_span span_of(int size, int eighths, int box_start, int box_size,
                                  int out_size, bool mirrored)
{
    int in_size = scaled(size, eighths);
    int later = mirrored ? 8 * in_size - size * eighths : 0;

    return (struct resize_span){in_size, box_start * eighths + later, box_size * eighths,
                                out_size, mirrored};
}

static int find_tables(struct resizer *r, const struct resize_geometry *g)
{
    bool transposed = orientation_transposes(g->orientation);
    struct resize_span x =
        span_of(transposed ? g->height : g->width, g->eighths, g->crop.left,
                g->crop.width, g->out_width, mirrors_x(g->orientation));
    struct resize_span y =
        span_of(transposed ? g->width : g->height, g->eighths, g->crop.top,
                g->crop.height, g->out_height, mirrors_y(g->orientation));
    int rc = resize_tables_get(r->tables, transposed ? &y : &x, g->filter, &r->across);

    if (rc == INGEST_OK)
        rc = resize_tables_get(r->tables, transposed ? &x : &y, g->filter, &r->down);
    return rc;
}

static void place_output(struct resizer *r, const struct resize_geometry *g, uint8_t *rgb)
{
    ptrdiff_t step_x = 3, step_y = (ptrdiff_t)3 * g->out_width;

    r->origin = rgb;
    if (mirrors_x(g->orientation)) {
        r->origin += step_x * (g->out_width - 1);
        step_x = -step_x;
    }
    if (mirrors_y(g->orientation)) {
        r->origin += step_y * (g->out_height - 1);
        step_y = -step_y;
    }
    bool transposed = orientation_transposes(g->orientation);
    r->step_across = transposed ? step_y : step_x;
    r->step_down = transposed ? step_x : step_y;
}

/* Of a whole number of blocks, but within the image. */
static void place_window(struct resizer *r, const struct resize_geometry *g)
{
    const struct resize_blocks *across = r->across, *down = r->down;
    int right = across->end[across->n_out - 1] * RESIZE_GROUP;
    int bottom = down->end[down->n_out - 1] * RESIZE_GROUP;
    int width = scaled(g->width, g->eighths), height = scaled(g->height, g->eighths);

    r->window.left = across->first[0] * RESIZE_GROUP;
    r->window.top = down->first[0] * RESIZE_GROUP;
    r->window.width = (right < width ? right : width) - r->window.left;
    r->window.height = (bottom < height ? bottom : height) - r->window.top;
}

static size_t padded(size_t pixels)
{
    return (pixels + RESIZE_PAD - 1) / RESIZE_PAD * RESIZE_PAD;
}

/* Most output rows that have taps on both sides of a group's end, but at least one. */
static int count_sums(const struct resize_blocks *down)
{
    int most = 0, oldest = 0;

    for (int out = 0; out < down->n_out; out++) {
        while (oldest <= out && down->end[oldest] <= down->first[out] + 1)
            oldest++;
        if (out - oldest + 1 > most)
            most = out - oldest + 1;
    }
    return most > 1 ? most : 1;
}

/* Gives zeroed memory, or NULL. */
static void *zeros(size_t n, size_t size)
{
    size_t len = (n * size + RESIZE_ALIGN - 1) / RESIZE_ALIGN * RESIZE_ALIGN;
    void *p = aligned_alloc(RESIZE_ALIGN, len);

    if (p)
        memset(p, 0, len);
    return p;
}

static int allocate(struct resizer *r, const struct resize_geometry *g)
{
    size_t n_out = padded((size_t)r->across->n_out);

    r->from = (size_t)r->window.left / RESIZE_PAD * RESIZE_PAD;
    r->columns = padded((size_t)(r->window.left + r->window.width)) - r->from;
    r->summed = r->down_first ? r->columns : n_out;
    r->n_sums = count_sums(r->down);
    /* Rows that lie a power of two apart would share the cache's sets. */
    r->row_len = 4 * padded((size_t)scaled(g->width, g->eighths)) + RESIZE_ALIGN;
    r->rows = zeros(RESIZE_GROUP, r->row_len);
    r->blocks = zeros(r->from + r->columns, 16);
    r->stack = zeros(r->summed, 16);
    r->sums = zeros((size_t)r->n_sums * r->summed, 4 * sizeof(*r->sums));
    r->line_len = 4 * r->summed;
    r->lines = zeros(RESIZE_GROUP, r->line_len);
    r->results = zeros(n_out, 16);
    if (!r->rows || !r->blocks || !r->stack || !r->sums || !r->lines || !r->results)
        return INGEST_ENOMEM;
    return INGEST_OK;
}

int resizer_open(struct resizer **out, struct resize_tables *tables,
                 const struct resize_geometry *g, uint8_t *rgb)
{
    struct resizer *r = calloc(1, sizeof(*r));
    bool transposed = orientation_transposes(g->orientation);

    *out = NULL;
    if (!r)
        return INGEST_ENOMEM;
    r->tables = tables;
    r->kernels = resize_tables_kernels(tables);
    r->down_first = vertical_pass_is_first(g, transposed) != transposed;
    if (find_tables(r, g) != INGEST_OK)
        goto out;
    place_window(r, g);
    if (allocate(r, g) != INGEST_OK)
        goto out;
    place_output(r, g, rgb);
    *out = r;
    return INGEST_OK;
out:
    resizer_close(r);
    return INGEST_ENOMEM;
}

struct resize_box resizer_window(const struct resizer *r)
{
    return r->window;
}

/* pixels[0] is the row's first, the others follow each `stride` bytes. */
static void put_output_row(struct resizer *r, int out_row, const uint8_t *pixels,
                           size_t stride)
{
    uint8_t *to = r->origin + out_row * r->step_down;

    for (int i = 0; i < r->across->n_out; i++, pixels += stride, to += r->step_across)
        memcpy(to, pixels, 3);
}

/* The output rows of one group, of which out_row is the last. */
static void finish_across(struct resizer *r, int out_row)
{
    const struct resize_kernels *k = r->kernels;
    int first = out_row / RESIZE_GROUP * RESIZE_GROUP;

    k->by_pixels(r->blocks + 16 * r->from, r->lines, r->line_len, r->columns);
    k->across(r->results, r->blocks, r->across, false);
    for (int row = first; row <= out_row; row++)
        put_output_row(r, row, r->results + 4 * (row - first), 16);
}

static void finish_output_row(struct resizer *r, int out_row, const int32_t *sums)
{
    int place = r->down_first ? out_row % RESIZE_GROUP : 0;
    uint8_t *line = r->lines + (size_t)place * r->line_len;

    r->kernels->narrow(line, sums, r->summed);
    if (!r->down_first)
        put_output_row(r, out_row, line, 4);
    else if (place == RESIZE_GROUP - 1 || out_row == r->down->n_out - 1)
        finish_across(r, out_row);
}

static void take_group(struct resizer *r, int group)
{
    const struct resize_kernels *k = r->kernels;
    const struct resize_blocks *down = r->down;
    const uint8_t *rows = r->rows + 4 * r->from;

    if (r->down_first) {
        k->by_rows(r->stack, rows, r->row_len, r->columns);
    } else {
        k->by_pixels(r->blocks + 16 * r->from, rows, r->row_len, r->columns);
        k->across(r->stack, r->blocks, r->across, true);
    }
    for (int j = r->out_row; j < down->n_out && down->first[j] <= group; j++) {
        int32_t *sums = r->sums + (size_t)(j % r->n_sums) * r->summed * 4;
        size_t block = (size_t)j * down->most + (size_t)(group - down->first[j]);

        k->down(sums, r->stack, down->taps + 4 * block, r->summed,
                group != down->first[j]);
        if (group == down->end[j] - 1) {
            finish_output_row(r, j, sums);
            r->out_row = j + 1;
        }
    }
}

uint8_t *resizer_row(struct resizer *r)
{
    return r->rows + (size_t)(r->row % RESIZE_GROUP) * r->row_len;
}

static bool is_in_window(const struct resizer *r, int row)
{
    return row >= r->window.top && row < r->window.top + r->window.height;
}

void resizer_row_done(struct resizer *r)
{
    int bottom = r->window.top + r->window.height;
    int row = r->row++;

    if (is_in_window(r, row) &&
        (row % RESIZE_GROUP == RESIZE_GROUP - 1 || row == bottom - 1))
        take_group(r, row / RESIZE_GROUP);
}

void resizer_take_row(struct resizer *r, const uint8_t *row)
{
    const size_t left = 4 * (size_t)r->window.left;

    if (is_in_window(r, r->row))
        memcpy(resizer_row(r) + left, row + left, 4 * (size_t)r->window.width);
    resizer_row_done(r);
}

void resizer_skip(struct resizer *r, int n)
{
    r->row += n;
}

void resizer_close(struct resizer *r)
{
    if (!r)
        return;
    resize_tables_trim(r->tables);
    free(r->rows);
    free(r->blocks);
    free(r->stack);
    free(r->sums);
    free(r->lines);
    free(r->results);
    free(r);
}
