/* SPDX-License-Identifier: Apache-2.0
 *
 * WebP through libwebp, which writes the whole frame. An animation's first frame lies on
 * a canvas that is transparent, so white, around it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "ingest/image/decode_codec.h"
#include "ingest/status.h"
#include "ingest/image/webp_frame.h"

struct webp_run {
    const struct decode_job *job;
    struct webp_frame frame;
    uint8_t *pixels; /* (height, width, pixel_bytes) of the frame */
    size_t pixel_bytes;
};

static bool is_truncated(VP8StatusCode status)
{
    return status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED;
}

/* Given all bytes at once libwebp refuses a truncated image; the incremental decoder
 * writes the rows that are there. */
static VP8StatusCode decode_pixels(struct webp_run *run)
{
    const struct webp_frame *frame = &run->frame;
    WebPDecoderConfig config;

    if (!WebPInitDecoderConfig(&config))
        return VP8_STATUS_INVALID_PARAM;
    config.output.colorspace = frame->has_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = run->pixels;
    config.output.u.RGBA.stride = (int)(frame->width * run->pixel_bytes);
    config.output.u.RGBA.size = (size_t)frame->width * frame->height * run->pixel_bytes;
    errno = 0;
    VP8StatusCode status = WebPDecode(frame->data, frame->len, &config);
    if (is_truncated(status) && run->job->keep_truncated) {
        WebPIDecoder *incremental = WebPIDecode(NULL, 0, &config);
        if (!incremental)
            return VP8_STATUS_OUT_OF_MEMORY;
        status = WebPIUpdate(incremental, frame->data, frame->len);
        WebPIDelete(incremental);
    }
    /* libwebp may call it damage. */
    return status != VP8_STATUS_OK && errno == ENOMEM ? VP8_STATUS_OUT_OF_MEMORY : status;
}

static void hand_over(const struct webp_run *run)
{
    const struct webp_frame *frame = &run->frame;
    const uint8_t *from = run->pixels;

    for (uint32_t y = 0; y < frame->canvas_height; y++) {
        uint8_t *row = resize_set_row(run->job->resizers);
        uint8_t *to = row + (size_t)4 * frame->x;
        bool inside = y >= frame->y && y - frame->y < frame->height;
        if (!inside || frame->width < frame->canvas_width)
            memset(row, 255, (size_t)4 * frame->canvas_width);
        if (inside) {
            if (frame->has_alpha)
                decode_row_on_white(to, from, frame->width);
            else
                decode_row_from_rgb(to, from, frame->width);
            from += frame->width * run->pixel_bytes;
        }
        resize_set_row_done(run->job->resizers);
    }
}

static int judge(const struct webp_run *run, VP8StatusCode status)
{
    if (status == VP8_STATUS_OUT_OF_MEMORY)
        return INGEST_ENOMEM;
    if (is_truncated(status)) {
        if (!decode_keeps_truncated(run->job, "WebP data ends before the image does"))
            return INGEST_OK;
    } else if (status != VP8_STATUS_OK) {
        reject_set(run->job->reject,
                   status == VP8_STATUS_UNSUPPORTED_FEATURE ? REJECT_UNSUPPORTED_FORMAT
                                                            : REJECT_CORRUPT_IMAGE,
                   "WebP is damaged (libwebp's status %d)", (int)status);
        return INGEST_OK;
    }
    hand_over(run);
    return INGEST_OK;
}

int decode_webp(const struct decode_job *job)
{
    struct webp_run run = {.job = job};
    int rc = INGEST_ENOMEM;

    if (webp_frame_find(job->bytes, job->len, &run.frame, job->reject) != REJECT_NONE)
        return INGEST_OK;
    run.pixel_bytes = run.frame.has_alpha ? 4 : 3;
    run.pixels = calloc((size_t)run.frame.width * run.frame.height, run.pixel_bytes);
    if (run.pixels)
        rc = judge(&run, decode_pixels(&run));
    free(run.pixels);
    return rc;
}
