/* SPDX-License-Identifier: Apache-2.0
 * tools/bench_images.c - decode, crop and resize, on one thread, for each input. */
#include <stdlib.h>

#include "ingest/status.h"
#include "tools/bench.h"
#include "tools/json_text.h"

struct images_bench {
    struct image_decoder *decoder;
    const struct bench_tar *tar;
    uint8_t *rgb;
    int n_rejected; /* in the run in hand */
};

static int run(void *ctx)
{
    struct images_bench *e = ctx;

    e->n_rejected = 0;
    for (size_t i = 0; i < e->tar->n; i++) {
        const struct pair *p = &e->tar->pairs[i];
        struct decoded decoded;

        if (image_decoder_run(e->decoder, p->image, p->image_len, e->rgb, &decoded) !=
                INGEST_OK ||
            bench_stopped())
            return -1;
        e->n_rejected += decoded.reject.reason != REJECT_NONE;
    }
    return 0;
}

static json_t *measure(const struct bench *b, struct images_bench *e, const char *name)
{
    struct bench_times times;
    double bytes = 0;
    json_t *row;

    if (bench_repeat(b, run, e, &times) != 0)
        return bench_fail("out of memory");
    for (size_t i = 0; i < e->tar->n; i++)
        bytes += (double)e->tar->pairs[i].image_len;
    row = json_pack("{s:s, s:I, s:i, s:f}", "input", name, "images",
                    (json_int_t)e->tar->n, "rejected", e->n_rejected,
                    "kilobytes_per_image", bytes / 1e3 / (double)e->tar->n);
    bench_set_rate(&row, "images_per_second", (double)e->tar->n, &times);
    bench_set_rate(&row, "megabytes_per_second", bytes / 1e6, &times);
    json_object_del(row, "megabytes_per_second_best");
    return row;
}

static json_t *measure_all(const struct bench *b, struct images_bench *e)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < b->inputs.n; i++) {
        json_t *row;

        e->tar = &b->tars[i];
        row = measure(b, e, b->inputs.inputs[i].name);
        if (!row) {
            json_decref(rows);
            return NULL;
        }
        json_put_element(&rows, row);
    }
    return rows;
}

json_t *bench_images(struct bench *b)
{
    const struct bench_options *o = &b->options;
    struct decode_options d = {.width = (int)o->size,
                               .height = (int)o->size,
                               .filter = (enum resize_filter)o->resize,
                               .icc = (enum icc_mode)o->icc,
                               .jpeg_scale = (int)o->jpeg_scale,
                               .isa = b->models.isa};
    struct images_bench e = {.rgb = malloc((size_t)o->size * (size_t)o->size * 3)};
    json_t *rows = NULL;
    const char *isa = NULL;

    if (bench_load_tars(b) == 0) {
        if (!e.rgb || image_decoder_open(&e.decoder, &d) != INGEST_OK) {
            bench_fail("out of memory");
        } else {
            isa = image_decoder_isa(e.decoder);
            rows = measure_all(b, &e);
        }
    }
    image_decoder_close(e.decoder);
    free(e.rgb);
    if (!rows)
        return NULL;
    return json_pack("{s:i, s:s, s:i, s:i, s:s, s:s, s:i, s:o}", "threads", 1, "isa", isa,
                     "width", (int)o->size, "height", (int)o->size, "resize",
                     resize_filter_name(d.filter), "icc", icc_mode_names[o->icc],
                     "jpeg_scale", d.jpeg_scale, "inputs", rows);
}
