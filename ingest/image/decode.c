/* SPDX-License-Identifier: Apache-2.0
 *
 * One image: header -> crop -> codec, whose rows go through the resizer as they are
 * decoded -> colour profile on the small result. */
#include "ingest/image/decode.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/image/colour_profile.h"
#include "ingest/image/decode_codec.h"
#include "ingest/image/header_format.h"
#include "ingest/image/resize.h"
#include "ingest/status.h"

struct codec {
    int (*decode)(const struct decode_job *job);
    int (*profile)(const uint8_t *bytes, size_t len, uint8_t **profile,
                   size_t *profile_len);
};

static const struct codec codecs[] = {
    [IMAGE_JPEG] = {decode_jpeg, jpeg_header_profile},
    [IMAGE_PNG] = {decode_png, png_header_profile},
    [IMAGE_WEBP] = {decode_webp, webp_header_profile},
};

enum { MAX_TARGET = 8192 };

struct image_decoder {
    struct decode_options options;
    struct colour_cache *colours;
    struct resize_tables *tables;
};

int image_decoder_open(struct image_decoder **out, const struct decode_options *options)
{
    const struct resize_kernels *kernels = resize_kernels_find(options->isa);

    *out = NULL;
    if (!kernels || options->width < 1 || options->width > MAX_TARGET ||
        options->height < 1 || options->height > MAX_TARGET ||
        !resize_filter_shape(options->filter) || options->jpeg_scale < 0)
        return INGEST_EINVAL;
    struct image_decoder *d = calloc(1, sizeof(*d));
    if (!d)
        return INGEST_ENOMEM;
    d->options = *options;
    d->colours = colour_cache_open();
    if (!d->colours || resize_tables_open(&d->tables, kernels) != INGEST_OK) {
        image_decoder_close(d);
        return INGEST_ENOMEM;
    }
    *out = d;
    return INGEST_OK;
}

const char *image_decoder_isa(const struct image_decoder *d)
{
    return resize_tables_kernels(d->tables)->isa;
}

void image_decoder_close(struct image_decoder *d)
{
    if (!d)
        return;
    colour_cache_close(d->colours);
    resize_tables_close(d->tables);
    free(d);
}

/* The largest centred box of the target's aspect. */
static struct resize_box centred_box(int64_t width, int64_t height,
                                     const struct decode_options *o)
{
    int64_t w = width, h = height;

    if (width * o->height >= height * o->width)
        w = height * o->width / o->height;
    else
        h = width * o->height / o->width;
    w = w < 1 ? 1 : w;
    h = h < 1 ? 1 : h;
    return (struct resize_box){(int)((width - w) / 2), (int)((height - h) / 2), (int)w,
                               (int)h};
}

/* The smallest size to decode at, in eighths. */
static int choose_scale(const struct image_header *h, const struct resize_box *crop,
                        const struct decode_options *o)
{
    int eighths = 8;

    if (h->format != IMAGE_JPEG || o->jpeg_scale == 0)
        return eighths;
    while (
        eighths > 1 &&
        (int64_t)crop->width * (eighths / 2) >= (int64_t)8 * o->jpeg_scale * o->width &&
        (int64_t)crop->height * (eighths / 2) >= (int64_t)8 * o->jpeg_scale * o->height)
        eighths /= 2;
    return eighths;
}

static void plan_geometry(struct resize_geometry *g, const struct image_header *h,
                          const struct decode_options *o, struct decoded *out)
{
    bool transposed = orientation_transposes(h->orientation);

    out->original_width = transposed ? h->height : h->width;
    out->original_height = transposed ? h->width : h->height;
    g->width = (int)h->width;
    g->height = (int)h->height;
    g->orientation = h->orientation;
    g->crop = centred_box(out->original_width, out->original_height, o);
    g->eighths = choose_scale(h, &g->crop, o);
    g->out_width = o->width;
    g->out_height = o->height;
    g->filter = o->filter;
    out->crop_left = (uint32_t)g->crop.left;
    out->crop_top = (uint32_t)g->crop.top;
    out->crop_width = (uint32_t)g->crop.width;
    out->crop_height = (uint32_t)g->crop.height;
    out->upscaled = g->crop.width < o->width || g->crop.height < o->height;
}

static enum colour_space space_of(const struct image_header *info)
{
    if (info->format == IMAGE_JPEG && info->channels == 4)
        return COLOUR_CMYK;
    return info->channels <= 2 ? COLOUR_GREY : COLOUR_RGB;
}

/* *transform is NULL where the image is to be left as it is. */
static int find_transform(struct image_decoder *d, const uint8_t *bytes, size_t len,
                          const struct image_header *h,
                          const struct colour_transform **transform, bool *broken)
{
    uint8_t *profile = NULL;
    size_t profile_len = 0;
    enum colour_verdict verdict = COLOUR_BROKEN;

    *transform = NULL;
    if (d->options.icc == ICC_IGNORE || h->profile_len == 0)
        return INGEST_OK;
    int rc = codecs[h->format].profile(bytes, len, &profile, &profile_len);
    if (rc == INGEST_OK && profile)
        verdict =
            colour_cache_get(d->colours, profile, profile_len, space_of(h), transform);
    free(profile);
    *broken = rc == INGEST_OK && verdict == COLOUR_BROKEN;
    return verdict == COLOUR_NO_MEMORY ? INGEST_ENOMEM : rc;
}

int image_decoder_run(struct image_decoder *d, const void *bytes, size_t len,
                      const struct image_header *h, uint8_t *rgb, struct decoded *out)
{
    const struct decode_options *o = &d->options;
    const struct colour_transform *transform;
    struct resize_geometry geometry;
    struct resizer *resizer = NULL;

    memset(out, 0, sizeof(*out));
    plan_geometry(&geometry, h, o, out);
    if (h->width < o->min_size || h->height < o->min_size) {
        reject_set(&out->reject, REJECT_TOO_SMALL, "image of %u x %u pixels",
                   out->original_width, out->original_height);
        return INGEST_OK;
    }
    int rc = find_transform(d, bytes, len, h, &transform, &out->broken_profile);
    if (rc == INGEST_OK)
        rc = resizer_open(&resizer, d->tables, &geometry, rgb);
    if (rc != INGEST_OK)
        return rc;
    bool cmyk = space_of(h) == COLOUR_CMYK;
    struct decode_job job = {
        .bytes = bytes,
        .len = len,
        .header = h,
        .keep_truncated = o->keep_truncated,
        .eighths = geometry.eighths,
        .whole = o->whole,
        .cmyk = cmyk ? transform : NULL,
        .resizer = resizer,
        .reject = &out->reject,
    };
    rc = codecs[h->format].decode(&job);
    resizer_close(resizer);
    if (rc == INGEST_OK && out->reject.reason == REJECT_NONE && transform && !cmyk)
        colour_transform_rgb(transform, rgb, (size_t)o->width * (size_t)o->height);
    return rc;
}
