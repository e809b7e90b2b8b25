/* SPDX-License-Identifier: Apache-2.0
 *
 * The taps of a convolution-based resize: the filter is stretched by the scale when the
 * image shrinks, sampled at pixel centres, normalised to a sum of one and rounded.
 * Only exact IEEE operations. */
#include "ingest/image/resize_axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/status.h"

static int32_t to_fixed(double weight)
{
    double scaled = weight * (double)(1 << RESIZE_BITS);

    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Fills the taps of output position `out`. `weights` has room for max_taps. */
static void sample_kernel(struct resize_axis *a, int out, const struct resize_span *span,
                          const struct resize_shape *k, double *weights)
{
    double scale = (double)span->box_size / (8.0 * span->out_size);
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = k->support * stretch;
    double centre = span->box_start / 8.0 + (out + 0.5) * scale;
    int first = (int)fmax(centre - support + 0.5, 0.0);
    int end = (int)fmin(centre + support + 0.5, (double)span->in_size);
    int n = end - first;
    double sum = 0.0;

    for (int i = 0; i < n; i++) {
        weights[i] = k->weight((first + i - centre + 0.5) * (1.0 / stretch));
        sum += weights[i];
    }
    a->first[out] = first;
    a->n_taps[out] = n;
    for (int i = 0; i < n; i++)
        a->taps[(size_t)out * a->max_taps + i] =
            to_fixed(sum != 0.0 ? weights[i] / sum : weights[i]);
}

static void swap_outputs(struct resize_axis *a, int i, int j)
{
    int32_t *ti = a->taps + (size_t)i * a->max_taps;
    int32_t *tj = a->taps + (size_t)j * a->max_taps;
    int first = a->first[i], n = a->n_taps[i];

    a->first[i] = a->first[j];
    a->n_taps[i] = a->n_taps[j];
    a->first[j] = first;
    a->n_taps[j] = n;
    for (int k = 0; k < a->max_taps; k++) {
        int32_t t = ti[k];
        ti[k] = tj[k];
        tj[k] = t;
    }
}

static void mirror(struct resize_axis *a, int in_size)
{
    for (int i = 0, j = a->n_out - 1; i < j; i++, j--)
        swap_outputs(a, i, j);
    for (int out = 0; out < a->n_out; out++) {
        int32_t *taps = a->taps + (size_t)out * a->max_taps;
        a->first[out] = in_size - a->first[out] - a->n_taps[out];
        for (int i = 0, j = a->n_taps[out] - 1; i < j; i++, j--) {
            int32_t t = taps[i];
            taps[i] = taps[j];
            taps[j] = t;
        }
    }
}

int resize_axis_build(struct resize_axis *a, const struct resize_span *span,
                      enum resize_filter filter)
{
    const struct resize_shape *k = resize_filter_shape(filter);
    double scale = (double)span->box_size / (8.0 * span->out_size);

    memset(a, 0, sizeof(*a));
    a->n_out = span->out_size;
    a->max_taps = (int)ceil(k->support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
    a->first = calloc((size_t)a->n_out, sizeof(*a->first));
    a->n_taps = calloc((size_t)a->n_out, sizeof(*a->n_taps));
    /* box and output are at most 2^16 each: about 12 * box + 3 * out taps in all. */
    a->taps = calloc((size_t)a->n_out * (size_t)a->max_taps, sizeof(*a->taps));
    double *weights = calloc((size_t)a->max_taps, sizeof(*weights));
    int rc = INGEST_ENOMEM;

    if (a->first && a->n_taps && a->taps && weights) {
        for (int out = 0; out < a->n_out; out++)
            sample_kernel(a, out, span, k, weights);
        if (span->mirrored)
            mirror(a, span->in_size);
        rc = INGEST_OK;
    }
    free(weights);
    return rc;
}

void resize_axis_clear(struct resize_axis *a)
{
    free(a->first);
    free(a->n_taps);
    free(a->taps);
    memset(a, 0, sizeof(*a));
}
