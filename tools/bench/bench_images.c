/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/bench_images.c - decode, crop and resize, on one thread, for each input. */
#include <stdlib.h>

#include "ingest/status.h"
#include "tools/bench/bench_section.h"
#include "tools/store/json_text.h"

struct images_bench {
    struct image_decoder *decoder;
    const struct bench_tar *tar;
    struct image_target target;
    int n_rejected; /* in the run in hand */
};

/* Returns 0, or -1: no memory. */
static int decode(struct images_bench *e, const struct ingest_part *image)
{
    struct image_header header;
    struct decoded decoded;

    if (image_header_read(image->image, image->image_len, &header, &decoded.reject) ==
            REJECT_NONE &&
        image_decoder_run(e->decoder, image->image, image->image_len, &header, &e->target,
                          1, &decoded) != INGEST_OK)
        return -1;
    e->n_rejected += decoded.reject.reason != REJECT_NONE;
    return 0;
}

static int run(void *ctx)
{
    struct images_bench *e = ctx;

    e->n_rejected = 0;
    for (size_t i = 0; i < e->tar->n; i++) {
        const struct ingest_sample *s = &e->tar->samples[i];

        for (size_t p = 0; p < s->n_parts; p++)
            if (s->parts[p].kind == INGEST_IMAGE && decode(e, &s->parts[p]) != 0)
                return -1;
        if (bench_stopped())
            return -1;
    }
    return 0;
}

/* Of one input; gives their bytes, too. */
static size_t count_images(const struct bench_tar *tar, double *bytes)
{
    size_t n = 0;

    *bytes = 0;
    for (size_t i = 0; i < tar->n; i++)
        for (size_t p = 0; p < tar->samples[i].n_parts; p++)
            if (tar->samples[i].parts[p].kind == INGEST_IMAGE) {
                *bytes += (double)tar->samples[i].parts[p].image_len;
                n++;
            }
    return n;
}

static json_t *measure(const struct bench *b, struct images_bench *e, const char *name)
{
    struct bench_times times;
    double bytes;
    const size_t n = count_images(e->tar, &bytes);
    json_t *row;

    if (bench_repeat(b, run, e, &times) != 0)
        return bench_fail("out of memory");
    row = json_pack("{s:s, s:I, s:i, s:f}", "input", name, "images", (json_int_t)n,
                    "rejected", e->n_rejected, "kilobytes_per_image",
                    bytes / 1e3 / (double)n);
    bench_set_rate(&row, "images_per_second", (double)n, &times);
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
    const struct decode_options d = image_options_decode(&o->image, b->models.isa);
    const size_t side = (size_t)o->image.size;
    uint8_t *rgb = malloc(side * side * 3);
    struct images_bench e = {.target = image_options_target(&o->image, rgb)};
    json_t *rows = NULL;
    const char *isa = NULL;

    if (bench_load_tars(b) == 0) {
        if (!rgb || image_decoder_open(&e.decoder, &d) != INGEST_OK) {
            bench_fail("out of memory");
        } else {
            isa = image_decoder_isa(e.decoder);
            rows = measure_all(b, &e);
        }
    }
    image_decoder_close(e.decoder);
    free(rgb);
    if (!rows)
        return NULL;
    return json_pack("{s:i, s:s, s:i, s:i, s:s, s:s, s:i, s:o}", "threads", 1, "isa", isa,
                     "width", e.target.width, "height", e.target.height, "resize",
                     resize_filter_name(e.target.filter), "icc", icc_mode_names[d.icc],
                     "jpeg_scale", d.jpeg_scale, "inputs", rows);
}
