/* SPDX-License-Identifier: Apache-2.0
 * vae_encode/pixels/pixels.c - the encoder `pixels`: the fitted image itself, as a file.
 *
 *     pixels:jpeg:95  pixels:png  pixels:webp:90  pixels:webp:lossless
 *
 * A later encoder, a trainer in pixel space or a vision tower then needs no second pass
 * over the originals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vae_encode/encoder.h"
#include "vae_encode/pixels/picture_file.h"
#include "vae_encode/status.h"
#include "vae_encode/why.h"

/* libwebp takes no larger ones. */
enum { MAX_SIDE = 16383 };

static const struct codec {
    const char *name, *family, *config, *numerics;
    bool has_quality, has_lossless;
    int (*write)(const uint8_t *rgb, int width, int height, int quality,
                 struct encoder_file *out, struct vae_why *why);
} codecs[] = {
    {"jpeg", "JPEG", "{\"codec\":\"jpeg\",\"quality\":%d,\"sampling\":\"4:4:4\"}",
     "jpeg-1", true, false, picture_write_jpeg},
    {"png", "PNG", "{\"codec\":\"png\"}", "png-1", false, false, picture_write_png},
    {"webp", "WebP", "{\"codec\":\"webp\",\"quality\":%d}", "webp-1", true, true,
     picture_write_webp},
};

struct pixels_model {
    const struct codec *codec;
    int quality; /* 0: PNG has none */
    char config[100];
    struct vae_why why;
};

struct pixels_worker {
    const struct pixels_model *model;
    int width, height;
    const struct encoder_cancel *cancel;
    struct vae_why why;
};

static const struct codec *find_codec(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++)
        if (strlen(codecs[i].name) == len && memcmp(codecs[i].name, name, len) == 0)
            return &codecs[i];
    return NULL;
}

/* What stands behind the codec's colon; NULL: nothing. Returns whether it is one. */
static bool parse_quality(const struct codec *codec, const char *text, int *quality)
{
    char *end;
    long value;

    *quality = 0;
    if (!codec->has_quality || !text)
        return !codec->has_quality && !text;
    if (codec->has_lossless && strcmp(text, "lossless") == 0) {
        *quality = PICTURE_LOSSLESS;
        return true;
    }
    value = strtol(text, &end, 10);
    *quality = (int)value;
    return text[0] >= '1' && text[0] <= '9' && *end == '\0' && value <= 100;
}

static int load_pixels(void **model, const char *rest,
                       const struct encoder_options *options)
{
    struct pixels_model *m = *model = calloc(1, sizeof(*m));
    const char *text = rest ? rest : "builtin";
    const size_t len = strcspn(text, ":");

    (void)options;
    if (!m)
        return VAE_ENOMEM;
    m->codec = find_codec(text, len);
    if (!m->codec ||
        !parse_quality(m->codec, text[len] ? text + len + 1 : NULL, &m->quality))
        return vae_fail(&m->why, VAE_EINVAL,
                        "pixels:%s: must be jpeg:QUALITY, png, webp:QUALITY or "
                        "webp:lossless, with QUALITY from 1 to 100",
                        text);
    if (m->quality == PICTURE_LOSSLESS)
        snprintf(m->config, sizeof(m->config), "{\"codec\":\"webp\",\"lossless\":true}");
    else
        snprintf(m->config, sizeof(m->config), m->codec->config, m->quality);
    return VAE_OK;
}

static const char *load_why(const void *model)
{
    return model ? ((const struct pixels_model *)model)->why.text : "out of memory";
}

static void describe_pixels(const void *model, int width, int height,
                            struct encoder_description *out)
{
    const struct pixels_model *m = model;

    *out = (struct encoder_description){
        .input = ENCODER_OF_IMAGE,
        .family = m->codec->family,
        .config = m->config,
        .numerics = m->codec->numerics,
        .reproducible = m->quality != PICTURE_LOSSLESS,
        .multiple = 1,
        .n_tensors = 1,
        .tensors = {{.kind = ENCODER_PIXELS,
                     .element = ENCODER_FILE,
                     .n_dims = 3,
                     .dims = {(uint32_t)height, (uint32_t)width, 3}}},
        .codec = m->codec->name,
        .quality = m->quality > 0 ? m->quality : -1};
}

static int open_pixels(void **worker, const void *model, int width, int height,
                       const struct encoder_cancel *cancel)
{
    struct pixels_worker *w = *worker = calloc(1, sizeof(*w));

    if (!w)
        return VAE_ENOMEM;
    *w = (struct pixels_worker){model, width, height, cancel, {""}};
    if (width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE)
        return vae_fail(&w->why, VAE_EINVAL, "pixels: %d x %d is no size of a picture",
                        width, height);
    return VAE_OK;
}

static int encode_pixels(void *worker, const struct image_batch *in, void *const *out)
{
    struct pixels_worker *w = worker;
    const struct pixels_model *m = w->model;
    struct encoder_file *files = out[0];
    int rc = VAE_OK;

    for (int i = 0; i < in->n && rc == VAE_OK; i++) {
        if (w->cancel && w->cancel->asked(w->cancel->ctx))
            return VAE_CANCELLED;
        rc = m->codec->write(in->rgb[i], w->width, w->height, m->quality, &files[i],
                             &w->why);
    }
    return rc == VAE_ENOMEM ? vae_fail(&w->why, rc, "out of memory") : rc;
}

static const char *worker_why(const void *worker)
{
    return worker ? ((const struct pixels_worker *)worker)->why.text : "out of memory";
}

const struct encoder encoder_pixels = {.scheme = "pixels",
                                       .load = load_pixels,
                                       .load_why = load_why,
                                       .unload = free,
                                       .describe = describe_pixels,
                                       .open = open_pixels,
                                       .encode = encode_pixels,
                                       .why = worker_why,
                                       .close = free};
