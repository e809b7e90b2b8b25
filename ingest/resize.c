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
 * come, and an output row is put at its oriented place when its last tap has arrived.
 * The pass down keeps one row of sums for each output row in progress. */
#include "ingest/resize.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/resize_axis.h"
#include "ingest/resize_kernel.h"
#include "ingest/status.h"

struct resizer {
    struct resize_axis across; /* along a stored row */
    struct resize_axis down;   /* along a stored column */
    bool down_first;
    int row;     /* stored row that comes next */
    int out_row; /* first output row that is not complete */

    size_t line_len; /* bytes of a line that is summed down */
    int n_sums;
    int32_t *sums;   /* (n_sums, line_len); output row j is in sums[j % n_sums] */
    uint8_t *line;   /* (line_len): a line before or after the sums */
    uint8_t *result; /* (across.n_out, 3): an output row */

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

static bool vertical_pass_is_first(const struct resize_geometry *g, bool transposed)
{
    int less_wide = (transposed ? g->height : g->width) - g->out_width;
    int less_high = (transposed ? g->width : g->height) - g->out_height;

    return less_high > 0 && less_high > 2 * less_wide;
}

static int build_axes(struct resizer *r, const struct resize_geometry *g)
{
    bool transposed = orientation_transposes(g->orientation);
    struct resize_span x = {transposed ? g->height : g->width, g->crop.left,
                            g->crop.width, g->out_width, mirrors_x(g->orientation)};
    struct resize_span y = {transposed ? g->width : g->height, g->crop.top,
                            g->crop.height, g->out_height, mirrors_y(g->orientation)};
    int rc = resize_axis_build(transposed ? &r->down : &r->across, &x, g->filter);

    if (rc == INGEST_OK)
        rc = resize_axis_build(transposed ? &r->across : &r->down, &y, g->filter);
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

int resizer_open(struct resizer **out, const struct resize_geometry *g, uint8_t *rgb)
{
    struct resizer *r = calloc(1, sizeof(*r));
    bool transposed = orientation_transposes(g->orientation);

    *out = NULL;
    if (!r || build_axes(r, g) != INGEST_OK)
        goto out;
    r->down_first = vertical_pass_is_first(g, transposed) != transposed;
    r->line_len = r->down_first ? (size_t)4 * g->width : (size_t)3 * r->across.n_out;
    r->n_sums = resize_axis_overlap(&r->down);
    r->sums = calloc((size_t)r->n_sums, r->line_len * sizeof(*r->sums));
    r->line = malloc(r->line_len);
    r->result = malloc((size_t)3 * r->across.n_out);
    if (!r->sums || !r->line || !r->result)
        goto out;
    place_output(r, g, rgb);
    *out = r;
    return INGEST_OK;
out:
    resizer_close(r);
    return INGEST_ENOMEM;
}

static void put_output_row(struct resizer *r, int out_row, const uint8_t *rgb)
{
    uint8_t *to = r->origin + out_row * r->step_down;

    for (int i = 0; i < r->across.n_out; i++, rgb += 3, to += r->step_across)
        memcpy(to, rgb, 3);
}

static void finish_output_row(struct resizer *r, int out_row, const int32_t *sums)
{
    if (r->down_first) {
        resize_narrow(r->line, sums, r->line_len);
        resize_across(r->result, r->line, &r->across);
    } else {
        resize_narrow(r->result, sums, r->line_len);
    }
    put_output_row(r, out_row, r->result);
}

void resizer_row(struct resizer *r, const uint8_t *rgbx)
{
    const struct resize_axis *down = &r->down;
    const uint8_t *line = rgbx;
    int row = r->row++;

    if (r->out_row == down->n_out || row < down->first[r->out_row])
        return;
    if (!r->down_first) {
        resize_across(r->line, rgbx, &r->across);
        line = r->line;
    }
    for (int j = r->out_row; j < down->n_out && down->first[j] <= row; j++) {
        int32_t *sums = r->sums + (size_t)(j % r->n_sums) * r->line_len;
        int tap = row - down->first[j];

        if (tap == 0)
            memset(sums, 0, r->line_len * sizeof(*sums));
        resize_add_line(sums, line, down->taps[(size_t)j * down->max_taps + tap],
                        r->line_len);
        if (tap == down->n_taps[j] - 1) {
            finish_output_row(r, j, sums);
            r->out_row = j + 1;
        }
    }
}

void resizer_close(struct resizer *r)
{
    if (!r)
        return;
    resize_axis_clear(&r->across);
    resize_axis_clear(&r->down);
    free(r->sums);
    free(r->line);
    free(r->result);
    free(r);
}
