/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG through libspng, which expands palettes, low bit depths and tRNS. Rows are taken
 * as they are decoded; an interlaced image is decoded whole. An APNG's first frame, or
 * its still image, is what an ordinary decoder sees. */
#include <stdlib.h>
#include <string.h>

#include "ingest/image/decode_codec.h"
#include "ingest/image/header_format.h"
#include "ingest/image/image_header.h"
#include "ingest/image/png_stream.h"
#include "ingest/status.h"

struct png_run {
    const struct decode_job *job;
    struct png_stream stream;
    spng_ctx *ctx;
    uint8_t *decoded; /* one row, or the image where interlaced */
    size_t row_len;   /* bytes of a decoded row */
    int pixel_bytes;
};

static unsigned from_16_bit(uint16_t v)
{
    return (v * 255u + 32767u) / 65535u;
}

static void rgba_16_row(uint8_t *to, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t v[4];
        memcpy(v, from + 8 * i, sizeof(v));
        for (int c = 0; c < 3; c++)
            to[4 * i + c] = decode_on_white(from_16_bit(v[c]), from_16_bit(v[3]));
    }
}

static void hand_over(const struct png_run *run, const uint8_t *from)
{
    size_t n = run->job->header->width;
    uint8_t *row = resize_set_row(run->job->resizers);

    if (run->pixel_bytes == 8)
        rgba_16_row(row, from, n);
    else if (run->pixel_bytes == 4)
        decode_row_on_white(row, from, n);
    else
        decode_row_from_rgb(row, from, n);
    resize_set_row_done(run->job->resizers);
}

static int open_png(struct png_run *run)
{
    const struct image_header *info = run->job->header;
    struct spng_ihdr ihdr;
    size_t rows = info->progressive ? info->height : 1;

    run->pixel_bytes = png_pixel_bytes(info);
    run->row_len = (size_t)info->width * (size_t)run->pixel_bytes;
    run->ctx = png_stream_open(&run->stream, run->job->bytes, run->job->len, false);
    run->decoded = calloc(rows, run->row_len);
    if (!run->ctx || !run->decoded)
        return SPNG_EMEM;
    return spng_get_ihdr(run->ctx, &ihdr);
}

static int decode_rows(struct png_run *run)
{
    const struct image_header *info = run->job->header;
    int fmt = run->pixel_bytes == 8   ? SPNG_FMT_RGBA16
              : run->pixel_bytes == 4 ? SPNG_FMT_RGBA8
                                      : SPNG_FMT_RGB8;
    uint32_t rows = 0;
    int err;

    if (info->progressive) {
        err = spng_decode_image(run->ctx, run->decoded, run->row_len * info->height, fmt,
                                SPNG_DECODE_TRNS);
        for (; rows < info->height; rows++)
            hand_over(run, run->decoded + rows * run->row_len);
        return err;
    }
    err = spng_decode_image(run->ctx, NULL, 0, fmt,
                            SPNG_DECODE_TRNS | SPNG_DECODE_PROGRESSIVE);
    while (err == 0) {
        err = spng_decode_row(run->ctx, run->decoded, run->row_len);
        if (err == 0 || err == SPNG_EOI) {
            hand_over(run, run->decoded);
            rows++;
        }
    }
    memset(run->decoded, 0, run->row_len);
    for (; rows < info->height; rows++)
        hand_over(run, run->decoded);
    return err == SPNG_EOI ? 0 : err;
}

static int judge(const struct png_run *run, int err)
{
    if (err == 0)
        return INGEST_OK;
    if (png_stream_no_memory(err))
        return INGEST_ENOMEM;
    if (err == SPNG_IO_EOF || err == SPNG_EOF)
        decode_keeps_truncated(run->job, "PNG data ends before the image does");
    else
        reject_set(run->job->reject, REJECT_CORRUPT_IMAGE, "PNG is damaged (%s)",
                   spng_strerror(err));
    return INGEST_OK;
}

int decode_png(const struct decode_job *job)
{
    struct png_run run = {.job = job};
    int err = open_png(&run);

    if (err == 0)
        err = decode_rows(&run);
    spng_ctx_free(run.ctx);
    free(run.decoded);
    return judge(&run, err);
}
