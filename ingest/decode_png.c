/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG through libspng, which expands palettes, low bit depths and tRNS. Rows are taken
 * as they are decoded; an interlaced image is decoded whole. An APNG's first frame, or
 * its still image, is what an ordinary decoder sees. */
#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "ingest/decode_codec.h"
#include "ingest/status.h"

/* Larger ancillary chunks are errors; libspng's own limit is 2^31. */
enum { MAX_CHUNK = 64 << 20 };

struct png_run {
    const struct decode_job *job;
    spng_ctx *ctx;
    uint8_t *decoded; /* one row, or the image where interlaced */
    uint8_t *row;     /* (width, 4): the row as the resizer takes it */
    size_t row_len;   /* bytes of a decoded row */
    int pixel_bytes;
};

static uint8_t on_white(unsigned value, unsigned alpha)
{
    return (uint8_t)((alpha * value + (255 - alpha) * 255 + 127) / 255);
}

static unsigned from_16_bit(const uint8_t *native)
{
    uint16_t v;

    memcpy(&v, native, sizeof(v));
    return (v * 255u + 32767u) / 65535u;
}

static void hand_over(const struct png_run *run, const uint8_t *from)
{
    size_t n = run->job->header->info.width;
    uint8_t *to = run->row;

    for (size_t i = 0; i < n; i++, from += run->pixel_bytes, to += 4) {
        for (int c = 0; c < 3; c++) {
            if (run->pixel_bytes == 8)
                to[c] = on_white(from_16_bit(from + 2 * c), from_16_bit(from + 6));
            else if (run->pixel_bytes == 4)
                to[c] = on_white(from[c], from[3]);
            else
                to[c] = from[c];
        }
    }
    resizer_row(run->job->resizer, run->row);
}

static int open_png(struct png_run *run)
{
    const struct decode_info *info = &run->job->header->info;
    struct spng_ihdr ihdr;
    size_t width = info->width;

    run->pixel_bytes = png_pixel_bytes(info);
    run->row_len = width * (size_t)run->pixel_bytes;
    size_t rows = info->progressive ? info->height : 1;
    run->ctx = spng_ctx_new(0);
    run->row = malloc(4 * width);
    run->decoded = calloc(rows, run->row_len);
    if (!run->ctx || !run->row || !run->decoded)
        return SPNG_EMEM;
    int err = spng_set_crc_action(run->ctx, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    if (err == 0)
        err = spng_set_chunk_limits(run->ctx, MAX_CHUNK, MAX_CHUNK);
    if (err == 0)
        err = spng_set_png_buffer(run->ctx, run->job->bytes, run->job->len);
    if (err == 0)
        err = spng_get_ihdr(run->ctx, &ihdr);
    return err;
}

static int decode_rows(struct png_run *run)
{
    const struct decode_info *info = &run->job->header->info;
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
    if (err == SPNG_EMEM)
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
    free(run.row);
    return judge(&run, err);
}
