/* SPDX-License-Identifier: Apache-2.0
 *
 * WebP through libwebp, in one thread. */
#include <webp/encode.h>

#include <stdlib.h>
#include <string.h>

#include "vae_encode/pixels/picture_file.h"
#include "vae_encode/status.h"

enum { LOSSLESS_LEVEL = 6 };

static bool configure(WebPConfig *config, int quality)
{
    if (quality == PICTURE_LOSSLESS)
        return WebPConfigInit(config) && WebPConfigLosslessPreset(config, LOSSLESS_LEVEL);
    return WebPConfigPreset(config, WEBP_PRESET_DEFAULT, (float)quality);
}

static bool is_no_memory(WebPEncodingError error)
{
    return error == VP8_ENC_ERROR_OUT_OF_MEMORY ||
           error == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY || error == VP8_ENC_OK ||
           error == VP8_ENC_ERROR_BAD_WRITE; /* the writer only fails to grow */
}

int picture_write_webp(const uint8_t *rgb, int width, int height, int quality,
                       struct encoder_file *out, struct vae_why *why)
{
    WebPMemoryWriter writer;
    WebPPicture picture;
    WebPConfig config;

    if (!WebPPictureInit(&picture) || !configure(&config, quality))
        return vae_fail(why, VAE_EINVAL, "WebP: libwebp is of another version");
    WebPMemoryWriterInit(&writer);
    picture.use_argb = quality == PICTURE_LOSSLESS;
    picture.width = width;
    picture.height = height;
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
    const bool done =
        WebPPictureImportRGB(&picture, rgb, 3 * width) && WebPEncode(&config, &picture);
    const WebPEncodingError error = picture.error_code;
    WebPPictureFree(&picture);
    /* What libwebp allocates is not always for free() to release. */
    if (done)
        *out = (struct encoder_file){malloc(writer.size), writer.size};
    if (done && out->bytes)
        memcpy(out->bytes, writer.mem, writer.size);
    WebPMemoryWriterClear(&writer);
    if (done)
        return out->bytes ? VAE_OK : VAE_ENOMEM;
    return is_no_memory(error)
               ? VAE_ENOMEM
               : vae_fail(why, VAE_EINVAL, "WebP of %d x %d pixels: libwebp's error %d",
                          width, height, (int)error);
}
