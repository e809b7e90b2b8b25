/* SPDX-License-Identifier: Apache-2.0
 *
 * One image: header -> crops -> codec, whose rows go through the resizers as they are
 * decoded -> colour profile on the small results. */
#include "ingest/image/decode.h"

#include <stdlib.h>
#include <string.h>

#include "ingest/image/colour_profile.h"
#include "ingest/image/decode_codec.h"
#include "ingest/image/header_format.h"
#include "ingest/image/resize_set.h"
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

enum { MAX_SIDE = 8192 };

_Static_assert((int)IMAGE_MAX_TARGETS == (int)RESIZE_SET_MOST, "all at one scale");

struct image_decoder {
    struct decode_options options;
    const struct resize_kernels *kernels;
    struct colour_cache *colours;
    struct resize_tables *tables[IMAGE_MAX_TARGETS]; /* as many as were needed */
};

int image_decoder_open(struct image_decoder **out, const struct decode_options *options)
{
    const struct resize_kernels *kernels = resize_kernels_find(options->isa);

    *out = NULL;
    if (!kernels || options->jpeg_scale < 0)
        return INGEST_EINVAL;
    struct image_decoder *d = calloc(1, sizeof(*d));
    if (!d)
        return INGEST_ENOMEM;
    d->options = *options;
    d->kernels = kernels;
    d->colours = colour_cache_open();
    if (!d->colours) {
        image_decoder_close(d);
        return INGEST_ENOMEM;
    }
    *out = d;
    return INGEST_OK;
}

const char *image_decoder_isa(const struct image_decoder *d)
{
    return d->kernels->isa;
}

void image_decoder_close(struct image_decoder *d)
{
    if (!d)
        return;
    colour_cache_close(d->colours);
    for (size_t i = 0; i < IMAGE_MAX_TARGETS; i++)
        resize_tables_close(d->tables[i]);
    free(d);
}

static bool is_possible(const struct image_target *t)
{
    return t->width >= 1 && t->width <= MAX_SIDE && t->height >= 1 &&
           t->height <= MAX_SIDE && resize_filter_shape(t->filter);
}

/* The largest centred box of the target's aspect. */
static struct resize_box centred_box(int64_t width, int64_t height,
                                     const struct image_target *t)
{
    int64_t w = width, h = height;

    if (width * t->height >= height * t->width)
        w = height * t->width / t->height;
    else
        h = width * t->height / t->width;
    w = w < 1 ? 1 : w;
    h = h < 1 ? 1 : h;
    return (struct resize_box){(int)((width - w) / 2), (int)((height - h) / 2), (int)w,
                               (int)h};
}

/* The smallest size to decode at, in eighths. */
static int choose_scale(const struct image_header *h, const struct resize_box *crop,
                        const struct image_target *t, int jpeg_scale)
{
    int eighths = 8;

    if (h->format != IMAGE_JPEG || jpeg_scale == 0)
        return eighths;
    while (eighths > 1 &&
           (int64_t)crop->width * (eighths / 2) >= (int64_t)8 * jpeg_scale * t->width &&
           (int64_t)crop->height * (eighths / 2) >= (int64_t)8 * jpeg_scale * t->height)
        eighths /= 2;
    return eighths;
}

static void measure(const struct image_header *h, struct decoded *out)
{
    bool transposed = orientation_transposes(h->orientation);

    out->original_width = transposed ? h->height : h->width;
    out->original_height = transposed ? h->width : h->height;
}

static void plan_geometry(struct resize_geometry *g, const struct image_header *h,
                          const struct decoded *image, int jpeg_scale,
                          struct image_target *t)
{
    g->width = (int)h->width;
    g->height = (int)h->height;
    g->orientation = h->orientation;
    g->crop = centred_box(image->original_width, image->original_height, t);
    g->eighths = choose_scale(h, &g->crop, t, jpeg_scale);
    g->out_width = t->width;
    g->out_height = t->height;
    g->filter = t->filter;
    t->crop_left = (uint32_t)g->crop.left;
    t->crop_top = (uint32_t)g->crop.top;
    t->crop_width = (uint32_t)g->crop.width;
    t->crop_height = (uint32_t)g->crop.height;
    t->upscaled = g->crop.width < t->width || g->crop.height < t->height;
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

/* Decodes at `scale` eighths for those of n targets that want it. */
static int decode_at(struct image_decoder *d, struct decode_job *job, int scale,
                     const struct resize_geometry *geometries,
                     const struct image_target *targets, size_t n)
{
    struct resize_set set = {0};
    int rc = INGEST_OK;

    for (size_t i = 0; i < n && rc == INGEST_OK; i++) {
        if (geometries[i].eighths != scale)
            continue;
        if (!d->tables[i])
            rc = resize_tables_open(&d->tables[i], d->kernels);
        if (rc == INGEST_OK)
            rc = resizer_open(&set.resizers[set.n], d->tables[i], &geometries[i],
                              targets[i].rgb);
        set.n += rc == INGEST_OK;
    }
    job->eighths = scale;
    job->resizers = &set;
    if (rc == INGEST_OK && set.n > 0)
        rc = codecs[job->header->format].decode(job);
    for (size_t i = 0; i < set.n; i++)
        resizer_close(set.resizers[i]);
    return rc;
}

int image_decoder_run(struct image_decoder *d, const void *bytes, size_t len,
                      const struct image_header *h, struct image_target *targets,
                      size_t n_targets, struct decoded *out)
{
    const struct decode_options *o = &d->options;
    const struct colour_transform *transform;
    struct resize_geometry geometries[IMAGE_MAX_TARGETS];

    memset(out, 0, sizeof(*out));
    if (n_targets < 1 || n_targets > IMAGE_MAX_TARGETS)
        return INGEST_EINVAL;
    measure(h, out);
    for (size_t i = 0; i < n_targets; i++) {
        if (!is_possible(&targets[i]))
            return INGEST_EINVAL;
        plan_geometry(&geometries[i], h, out, o->jpeg_scale, &targets[i]);
    }
    if (h->width < o->min_size || h->height < o->min_size) {
        reject_set(&out->reject, REJECT_TOO_SMALL, "image of %u x %u pixels",
                   out->original_width, out->original_height);
        return INGEST_OK;
    }
    int rc = find_transform(d, bytes, len, h, &transform, &out->broken_profile);
    bool cmyk = space_of(h) == COLOUR_CMYK;
    struct decode_job job = {
        .bytes = bytes,
        .len = len,
        .header = h,
        .keep_truncated = o->keep_truncated,
        .whole = o->whole,
        .cmyk = cmyk ? transform : NULL,
        .reject = &out->reject,
    };
    for (int scale = 8; scale > 0 && rc == INGEST_OK; scale /= 2)
        if (out->reject.reason == REJECT_NONE)
            rc = decode_at(d, &job, scale, geometries, targets, n_targets);
    for (size_t i = 0; i < n_targets && rc == INGEST_OK && transform && !cmyk; i++)
        if (out->reject.reason == REJECT_NONE)
            colour_transform_rgb(transform, targets[i].rgb,
                                 (size_t)targets[i].width * (size_t)targets[i].height);
    return rc;
}
